#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/xml/walker.h"
#include "proto/xml/writer.h"

/* A text, given three bytes at a time; fails when it comes to a NUL. */
struct source {
	struct str left;
};

static long give(void *arg, char *out, size_t n)
{
	struct source *s = arg;
	if (n > 3)
		n = 3;
	if (n > s->left.len)
		n = s->left.len;
	if (n && !*s->left.p)
		return -1;
	memcpy(out, s->left.p, n);
	s->left = str_span(s->left.p + n, s->left.len - n);
	return (long)n;
}

struct rig {
	struct source source;
	struct xml_walker *walker;
	struct arena *arena;
};

static struct rig *rig_new(struct str text)
{
	struct rig *r = xzalloc(sizeof *r);
	r->source.left = text;
	r->walker = xml_walker_new(give, &r->source);
	r->arena = arena_new(0);
	return r;
}

static void rig_free(struct rig *r)
{
	xml_walker_free(r->walker);
	arena_free(r->arena);
	free(r);
}

static struct elem *open_tag(struct rig *r, const char *name)
{
	struct elem *e;
	assert_int_equal(xml_walker_next(r->walker, r->arena, &e), WALK_OPEN);
	assert_true(str_is(e->name, name));
	return e;
}

static void expect(struct rig *r, enum walk want)
{
	struct elem *e;
	assert_int_equal(xml_walker_next(r->walker, r->arena, &e), want);
}

static void assert_written(const struct elem *e, const char *want)
{
	struct buf b;
	buf_init(&b, 10000);
	xml_write(&b, e, STR("urn:x"), false);
	buf_addc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_fini(&b);
}

static void tags_come_one_by_one(void **state)
{
	struct rig *r = rig_new(STR("<?xml version='1.0'?>\n<!-- c --><a xmlns='urn:x' p='1'>\n <b q='&lt;2'/><c>text</c></a>"));
	struct elem *a = open_tag(r, "a");
	assert_true(str_is(a->ns, "urn:x") && str_is(elem_attr(a, "p"), "1"));
	assert_true(str_is(elem_attr(open_tag(r, "b"), "q"), "<2"));
	expect(r, WALK_CLOSE);
	open_tag(r, "c");
	expect(r, WALK_CLOSE);
	expect(r, WALK_CLOSE);
	expect(r, WALK_END);
	expect(r, WALK_END);
	rig_free(r);
}

static void an_element_is_taken_whole(void **state)
{
	struct rig *r = rig_new(STR("<a xmlns='urn:x' xmlns:y='urn:y'>"
				    "<b><y:c y:d='1' xml:lang='de'>t&amp;<![CDATA[<u>]]></y:c> <e/></b><f/></a>"));
	open_tag(r, "a");
	struct elem *b = open_tag(r, "b");
	assert_true(xml_walker_take(r->walker, r->arena, b));
	assert_written(b, "<b><c xmlns='urn:y' xmlns:a0='urn:y' a0:d='1' xml:lang='de'>t&amp;&lt;u&gt;</c> <e/></b>");
	assert_true(xml_walker_take(r->walker, r->arena, open_tag(r, "f")));
	expect(r, WALK_CLOSE);
	expect(r, WALK_END);
	rig_free(r);
}

static void an_element_is_passed_over(void **state)
{
	struct rig *r = rig_new(STR("<a><b><c>t</c><d/></b><e/><f/></a>"));
	open_tag(r, "a");
	open_tag(r, "b");
	assert_true(xml_walker_skip(r->walker));
	open_tag(r, "e");
	assert_true(xml_walker_skip(r->walker));
	open_tag(r, "f");
	expect(r, WALK_CLOSE);
	expect(r, WALK_CLOSE);
	expect(r, WALK_END);
	rig_free(r);
}

static void what_is_broken_stays_broken(void **state)
{
	static const char *const texts[] = { "<a><b></a>", "<a", "<a>", "", "text", "<a/><b/>" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct rig *r = rig_new(str_of(texts[i]));
		enum walk got = WALK_OPEN;
		struct elem *e;
		while (got == WALK_OPEN || got == WALK_CLOSE)
			got = xml_walker_next(r->walker, r->arena, &e);
		assert_int_equal(got, WALK_BROKEN);
		assert_string_equal(xml_walker_why(r->walker), "not well-formed");
		assert_true(xml_walker_line(r->walker) >= 1);
		expect(r, WALK_BROKEN);
		rig_free(r);
	}
}

static void an_element_that_ends_early_is_broken(void **state)
{
	struct rig *r = rig_new(STR("<a><b><c>"));
	open_tag(r, "a");
	assert_false(xml_walker_take(r->walker, r->arena, open_tag(r, "b")));
	expect(r, WALK_BROKEN);
	rig_free(r);
}

static void a_source_that_fails_is_broken(void **state)
{
	struct rig *r = rig_new(STR("<a><b/>\0</a>"));
	open_tag(r, "a");
	struct elem *e;
	enum walk got = WALK_OPEN;
	while (got == WALK_OPEN || got == WALK_CLOSE)
		got = xml_walker_next(r->walker, r->arena, &e);
	assert_int_equal(got, WALK_BROKEN);
	rig_free(r);
}

static void document_types_and_their_entities_are_refused(void **state)
{
	struct rig *r = rig_new(STR("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>"));
	expect(r, WALK_BROKEN);
	assert_string_equal(xml_walker_why(r->walker), "a document type or an entity of its own");
	rig_free(r);
}

static void nesting_has_a_ceiling(void **state)
{
	struct buf b;
	buf_init(&b, 100000);
	for (int i = 0; i < WALKER_DEPTH_MAX + 1; i++)
		buf_addz(&b, "<a>");
	for (int i = 0; i < WALKER_DEPTH_MAX + 1; i++)
		buf_addz(&b, "</a>");
	struct rig *r = rig_new(buf_str(&b));
	assert_false(xml_walker_take(r->walker, r->arena, open_tag(r, "a")));
	assert_string_equal(xml_walker_why(r->walker), "elements are nested too deeply");
	rig_free(r);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_come_one_by_one),
		cmocka_unit_test(an_element_is_taken_whole),
		cmocka_unit_test(an_element_is_passed_over),
		cmocka_unit_test(what_is_broken_stays_broken),
		cmocka_unit_test(an_element_that_ends_early_is_broken),
		cmocka_unit_test(a_source_that_fails_is_broken),
		cmocka_unit_test(document_types_and_their_entities_are_refused),
		cmocka_unit_test(nesting_has_a_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
