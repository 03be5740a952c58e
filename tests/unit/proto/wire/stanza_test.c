#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/wire/stanza.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"

static struct jid jid_of(struct arena *a, const char *text)
{
	struct jid j;
	assert_int_equal(jid_parse(a, str_of(text), &j), ERR_NONE);
	return j;
}

static struct stanza *presence(const char *from, const char *to)
{
	struct arena *a = arena_new(0);
	struct jid f = jid_of(a, from), t = jid_of(a, to);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_AVAILABLE);
	elem_set(a, root, STR("id"), STR("p1"));
	elem_add_text(a, root, STR("status"), STR("at the <balcony>"));
	return stanza_new(&a, root, &f, &t);
}

static void check_bytes(const struct stanza *s, const char *text)
{
	struct buf b;
	buf_init(&b, 4096);
	stanza_write(&b, s);
	buf_addc(&b, 0);
	assert_string_equal(b.p, text);
	buf_fini(&b);
}

#define TAIL "><status>at the &lt;balcony&gt;</status></presence>"

static void readdressing_keeps_the_content_alive(void **state)
{
	struct arena *a = arena_new(0);
	struct jid other = jid_of(a, "nurse@example.org"), from = jid_of(a, "juliet@example.org");
	struct stanza *s = presence("juliet@example.org/balcony", "romeo@example.org");
	struct stanza *to_nurse = stanza_readdress(s, NULL, &other), *bare = stanza_readdress(s, &from, NULL);
	stanza_unref(s);
	check_bytes(to_nurse, "<presence id='p1' from='juliet@example.org/balcony' to='nurse@example.org'" TAIL);
	check_bytes(bare, "<presence id='p1' from='juliet@example.org' to='romeo@example.org'" TAIL);
	assert_int_equal(to_nurse->kind, STANZA_PRESENCE);
	assert_int_equal(to_nurse->type, TYPE_AVAILABLE);
	assert_true(str_is(to_nurse->id, "p1"));
	assert_true(str_is(jid_str(&to_nurse->from), "juliet@example.org/balcony"));
	stanza_unref(to_nurse);
	stanza_unref(bare);
	arena_free(a);
}

static void what_was_written_before_differs_in_nothing_but_to(void **state)
{
	static const char *const names[] = { "nurse@example.org", "x@y.example/with 'quotes' & <more>", "example.net" };
	struct arena *a = arena_new(0);
	struct stanza *plain = presence("juliet@example.org/balcony", "romeo@example.org");
	struct stanza *fan = presence("juliet@example.org/balcony", "romeo@example.org");
	stanza_prewrite(fan);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct jid to = jid_of(a, names[i]);
		struct stanza *x = stanza_readdress(plain, NULL, &to), *y = stanza_readdress(fan, NULL, &to);
		struct buf bx, by;
		buf_init(&bx, 4096);
		buf_init(&by, 4096);
		stanza_write(&bx, x);
		stanza_write(&by, y);
		assert_true(str_present(y->wire));
		assert_true(str_eq(buf_str(&bx), buf_str(&by)));
		assert_true(elem_eq(x->root, y->root));
		buf_fini(&bx);
		buf_fini(&by);
		stanza_unref(x);
		stanza_unref(y);
	}
	stanza_unref(plain);
	stanza_unref(fan);
	arena_free(a);
}

/* As a node gets it from another one. */
static void what_was_read_from_bytes_is_written_as_these(void **state)
{
	static const char text[] = "<message from='a@b/c' to='d@e' id='1'><body>x &gt; y</body></message>";
	struct arena *a = arena_new(0), *b = arena_new(0);
	struct xml_parser *p = xml_parser_new(2);
	enum stanza_error error;
	struct stanza *s = stanza_from_elem(&a, xml_fragment_read(p, str_of(text), a), NS_CLIENT, &error);
	struct jid to = jid_of(b, "d@e/'f'");
	stanza_written(s, str_of(text));
	assert_true(str_present(s->wire));
	check_bytes(s, text);
	struct stanza *other = stanza_readdress(s, NULL, &to);
	check_bytes(other, "<message from='a@b/c' to='d@e/&apos;f&apos;' id='1'><body>x &gt; y</body></message>");
	stanza_unref(other);
	stanza_unref(s);
	arena_free(b);
	xml_parser_free(p);
}

static void another_from_is_written_anew(void **state)
{
	struct arena *a = arena_new(0);
	struct jid from = jid_of(a, "juliet@example.org");
	struct stanza *fan = presence("juliet@example.org/balcony", "romeo@example.org");
	stanza_prewrite(fan);
	struct stanza *s = stanza_readdress(fan, &from, NULL);
	check_bytes(s, "<presence id='p1' from='juliet@example.org' to='romeo@example.org'" TAIL);
	stanza_unref(s);
	stanza_unref(fan);
	arena_free(a);
}

static void what_does_not_fit_is_not_written_at_all(void **state)
{
	struct stanza *fan = presence("juliet@example.org/balcony", "romeo@example.org");
	stanza_prewrite(fan);
	for (size_t max = 5; max < 5 + fan->wire.len; max += 7) {
		struct buf b;
		buf_init(&b, max);
		buf_addz(&b, "12345");
		stanza_write(&b, fan);
		assert_int_equal(buf_status(&b), ERR_LIMIT);
		assert_int_equal(b.len, 5);
		buf_fini(&b);
	}
	stanza_unref(fan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readdressing_keeps_the_content_alive),
		cmocka_unit_test(what_was_written_before_differs_in_nothing_but_to),
		cmocka_unit_test(what_was_read_from_bytes_is_written_as_these),
		cmocka_unit_test(another_from_is_written_anew),
		cmocka_unit_test(what_does_not_fit_is_not_written_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
