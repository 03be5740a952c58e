#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/xml/elem.h"
#include "proto/xml/names.h"

static struct arena *a;

static int set_up(void **state)
{
	a = arena_new(0);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(a);
	return 0;
}

static void assert_str(struct str s, const char *want)
{
	assert_non_null(s.p);
	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.p, want, s.len);
}

static struct elem *chat(void)
{
	struct elem *m = elem_new(a, NS_CLIENT, STR("message"));
	elem_set(a, m, STR("to"), STR("juliet@capulet.example"));
	elem_set(a, m, STR("type"), STR("chat"));
	elem_add_text(a, m, STR("body"), STR("Art thou not Romeo?"));
	elem_add(a, m, NS_CHATSTATES, STR("active"));
	return m;
}

static void children_inherit_the_namespace_unless_one_is_given(void **state)
{
	struct elem *m = chat();
	const struct elem *body = elem_first(m);
	assert_true(elem_is(body, NS_CLIENT, "body"));
	assert_true(elem_is(elem_next(body), NS_CHATSTATES, "active"));
	assert_null(elem_next(elem_next(body)));
	assert_true(str_empty(elem_add(a, m, STR(""), STR("x"))->ns));
}

static void child_is_found_by_name_and_namespace(void **state)
{
	struct elem *m = chat();
	assert_non_null(elem_child(m, NS_CLIENT, "body"));
	assert_non_null(elem_child(m, STR_NONE, "body"));
	assert_non_null(elem_child(m, NS_CHATSTATES, NULL));
	assert_null(elem_child(m, NS_CHATSTATES, "body"));
	assert_null(elem_child(m, STR_NONE, "bod"));
}

static void attributes_are_set_replaced_and_removed(void **state)
{
	struct elem *m = chat();
	elem_set(a, m, STR("type"), STR("normal"));
	assert_str(elem_attr(m, "type"), "normal");
	elem_set(a, m, STR("type"), STR_NONE);
	assert_null(elem_attr(m, "type").p);
	elem_set(a, m, STR("id"), STR("7"));
	elem_set(a, m, STR("to"), STR_NONE);
	elem_set(a, m, STR("to"), STR_NONE);
	elem_set(a, m, STR("id"), STR_NONE);
	assert_null(m->attrs);
	elem_set_ns(a, m, NS_XML, STR("lang"), STR("en"));
	assert_null(elem_attr(m, "lang").p);
	assert_str(elem_attr_ns(m, NS_XML, "lang"), "en");
}

static void reroot_leaves_the_old_tree_as_it_was(void **state)
{
	struct elem *m = chat(), *was = elem_copy(a, m);
	struct elem *n = elem_reroot(a, m);
	elem_set(a, n, STR("from"), STR("romeo@montague.example"));
	elem_set(a, n, STR("to"), STR("nurse@capulet.example"));
	elem_set(a, n, STR("type"), STR_NONE);
	struct elem *delay = elem_add(a, n, NS_DELAY, STR("delay"));
	elem_set(a, delay, STR("stamp"), STR("2026-11-22T07:17:54Z"));
	assert_true(elem_eq(m, was));
	assert_false(elem_eq(m, n));
	assert_str(elem_attr(n, "from"), "romeo@montague.example");
	assert_non_null(elem_child(n, NS_DELAY, "delay"));
	assert_non_null(elem_child(n, NS_CLIENT, "body"));
	assert_null(elem_child(m, NS_DELAY, "delay"));
}

static void reroot_of_an_empty_element_can_grow(void **state)
{
	const struct elem *old = elem_new(a, NS_CLIENT, STR("presence"));
	struct elem *n = elem_reroot(a, old);
	elem_append_text(a, n, STR("x"));
	elem_set(a, n, STR("id"), STR("1"));
	assert_null(old->children);
	assert_null(old->attrs);
}

static void shared_child_can_be_changed_without_touching_the_first(void **state)
{
	struct elem *m = chat();
	struct elem *forwarded = elem_new(a, NS_FORWARD, STR("forwarded"));
	struct elem *copy = elem_append_shared(a, forwarded, m);
	elem_append_shared(a, forwarded, m);
	elem_set(a, copy, STR("id"), STR("9"));
	elem_append_text(a, copy, STR("more"));
	assert_null(elem_attr(m, "id").p);
	assert_true(elem_eq(elem_next(elem_first(forwarded)), m));
	assert_null(m->node.next);
}

static void changing_a_grandchild_copy_leaves_the_frozen_child(void **state)
{
	struct elem *m = chat();
	struct elem *n = elem_reroot(a, m);
	elem_append_text(a, n, STR("tail"));
	struct elem *body = (struct elem *)n->children;
	assert_ptr_not_equal(body, m->children);
	elem_append_text(a, body, STR("!"));
	assert_str(elem_text(a, elem_first(m)), "Art thou not Romeo?");
	assert_str(elem_text(a, body), "Art thou not Romeo?!");
}

static void text_is_joined_around_elements(void **state)
{
	struct elem *e = elem_new(a, NS_CLIENT, STR("x"));
	assert_str(elem_text(a, e), "");
	elem_append_text(a, e, STR(""));
	assert_null(e->children);
	elem_append_text(a, e, STR("one"));
	assert_ptr_equal(elem_text(a, e).p, ((const struct text *)e->children)->data.p);
	elem_add(a, e, STR_NONE, STR("y"));
	elem_append_text(a, e, STR("two"));
	assert_str(elem_text(a, e), "onetwo");
}

static void copy_is_deep_and_keeps_static_namespaces(void **state)
{
	struct arena *b = arena_new(0);
	struct elem *m = chat();
	m->ns = arena_str(a, NS_CLIENT);
	elem_add(a, m, STR("urn:example:own"), STR("own"));
	struct elem *copy = elem_copy(b, m);
	assert_true(elem_eq(m, copy));
	assert_ptr_equal(copy->ns.p, NS_CLIENT.p);
	const struct elem *own = elem_child(copy, STR("urn:example:own"), "own");
	assert_ptr_not_equal(own->ns.p, elem_child(m, STR("urn:example:own"), "own")->ns.p);
	arena_free(b);
}

static void equality_ignores_attribute_order_and_text_pieces_only(void **state)
{
	struct elem *x = elem_new(a, NS_CLIENT, STR("m")), *y = elem_new(a, NS_CLIENT, STR("m"));
	elem_set(a, x, STR("p"), STR("1"));
	elem_set(a, x, STR("q"), STR("2"));
	elem_set(a, y, STR("q"), STR("2"));
	elem_set(a, y, STR("p"), STR("1"));
	elem_append_text(a, x, STR("ab"));
	elem_append_text(a, y, STR("a"));
	elem_append_text(a, y, STR("b"));
	assert_true(elem_eq(x, y));
	elem_add(a, y, STR_NONE, STR("c"));
	assert_false(elem_eq(x, y));
	elem_add(a, x, STR_NONE, STR("d"));
	assert_false(elem_eq(x, y));
	struct elem *z = elem_reroot(a, y);
	elem_set(a, z, STR("r"), STR("3"));
	assert_false(elem_eq(y, z));
	assert_false(elem_eq(z, y));
}

static void text_is_what_xml_allows(void **state)
{
	assert_true(elem_may_hold(STR("")));
	assert_true(elem_may_hold(STR("tab\t, line\n, \xc3\xbc, \xef\xbf\xbd, \xf0\x9f\x90\xa6")));
	assert_false(elem_may_hold(STR("\x1b[2J")));
	assert_false(elem_may_hold(str_span("a\0b", 3)));
	assert_false(elem_may_hold(STR("\xef\xbf\xbe")));
	assert_false(elem_may_hold(STR("\xef\xbf\xbf")));
	assert_false(elem_may_hold(STR("\xfc")));
	assert_false(elem_may_hold(STR("\xed\xa0\x80")));
}

static void names_find_gives_the_static_row_or_nothing(void **state)
{
	struct str copy = arena_str(a, NS_PING);
	assert_ptr_equal(names_find(copy).p, NS_PING.p);
	assert_null(names_find(STR("urn:xmpp:pinh")).p);
	assert_null(names_find(STR("")).p);
	assert_null(names_find(STR_NONE).p);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(children_inherit_the_namespace_unless_one_is_given),
		CASE(child_is_found_by_name_and_namespace),
		CASE(attributes_are_set_replaced_and_removed),
		CASE(reroot_leaves_the_old_tree_as_it_was),
		CASE(reroot_of_an_empty_element_can_grow),
		CASE(shared_child_can_be_changed_without_touching_the_first),
		CASE(changing_a_grandchild_copy_leaves_the_frozen_child),
		CASE(text_is_joined_around_elements),
		CASE(copy_is_deep_and_keeps_static_namespaces),
		CASE(equality_ignores_attribute_order_and_text_pieces_only),
		CASE(text_is_what_xml_allows),
		CASE(names_find_gives_the_static_row_or_nothing),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
