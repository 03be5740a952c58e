#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/wire/stanza.h"
#include "proto/xml/names.h"

/* A stanza read from an element with these attributes (name, value, ..., NULL) and so many children. */
static struct stanza *read_one(const char *name, unsigned children, enum stanza_error *error, const char *const *attrs)
{
	struct arena *a = arena_new(0);
	struct elem *e = elem_new(a, NS_CLIENT, str_of(name));
	for (; *attrs; attrs += 2)
		elem_set(a, e, str_of(attrs[0]), str_of(attrs[1]));
	for (unsigned i = 0; i < children; i++)
		elem_add(a, e, STR("urn:x"), STR("query"));
	struct stanza *s = stanza_from_elem(&a, e, NS_CLIENT, error);
	assert_null(a);
	return s;
}
#define READ(name, children, error, ...) read_one(name, children, error, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

static void assert_error(struct stanza *s, const enum stanza_error *got, enum stanza_error want)
{
	assert_non_null(s);
	assert_int_equal(*got, want);
	stanza_unref(s);
}

static void message_is_classified(void **state)
{
	enum stanza_error e;
	struct stanza *s = READ("message", 1, &e, "type", "chat", "to", "Romeo@Example.NET/Orchard", "id", "m1");
	assert_int_equal(e, STANZA_ERROR_NONE);
	assert_int_equal(s->kind, STANZA_MESSAGE);
	assert_int_equal(s->type, TYPE_CHAT);
	assert_true(str_is(s->id, "m1"));
	assert_true(str_is(jid_str(&s->to), "romeo@example.net/Orchard"));
	assert_true(str_is(elem_attr(s->root, "to"), "romeo@example.net/Orchard")); /* the tree says the same */
	assert_false(jid_present(&s->from));
	stanza_unref(s);
}

static void unknown_message_type_is_normal(void **state)
{
	enum stanza_error e;
	struct stanza *s = READ("message", 0, &e, "type", "whisper");
	assert_int_equal(s->type, TYPE_NORMAL);
	assert_error(s, &e, STANZA_ERROR_NONE);
}

static void what_is_no_stanza_is_none(void **state)
{
	enum stanza_error e;
	struct arena *a = arena_new(0);
	assert_null(READ("foo", 0, &e));
	struct elem *other = elem_new(a, STR("jabber:server"), STR("message"));
	assert_null(stanza_from_elem(&a, other, NS_CLIENT, &e));
	assert_null(a);
}

static void broken_rules_have_their_errors(void **state)
{
	enum stanza_error e;
	assert_error(READ("presence", 0, &e, "type", "chat"), &e, STANZA_BAD_REQUEST);
	assert_error(READ("iq", 1, &e, "type", "ask", "id", "1"), &e, STANZA_BAD_REQUEST);
	assert_error(READ("iq", 1, &e, "id", "1"), &e, STANZA_BAD_REQUEST);
	assert_error(READ("iq", 1, &e, "type", "get"), &e, STANZA_BAD_REQUEST);
	assert_error(READ("iq", 1, &e, "type", "get", "id", ""), &e, STANZA_BAD_REQUEST);
	assert_error(READ("iq", 0, &e, "type", "get", "id", "1"), &e, STANZA_BAD_REQUEST);
	assert_error(READ("iq", 2, &e, "type", "set", "id", "1"), &e, STANZA_BAD_REQUEST);
	assert_error(READ("iq", 2, &e, "type", "result", "id", "1"), &e, STANZA_BAD_REQUEST);
	assert_error(READ("message", 0, &e, "to", "@"), &e, STANZA_JID_MALFORMED);
	assert_error(READ("message", 0, &e, "from", "a@b@c/"), &e, STANZA_JID_MALFORMED);
	assert_error(READ("iq", 0, &e, "type", "result", "id", "1"), &e, STANZA_ERROR_NONE);
	assert_error(READ("iq", 1, &e, "type", "set", "id", "1"), &e, STANZA_ERROR_NONE);
}

static void error_reply_swaps_addresses_and_leaves_the_payload_out(void **state)
{
	enum stanza_error e;
	struct stanza *s = READ("iq", 1, &e, "type", "get", "id", "q1", "from", "a@x/r", "to", "b@y");
	struct stanza *r = stanza_error_reply(s, STANZA_FORBIDDEN, STR("no"), NULL);
	assert_non_null(r);
	stanza_unref(s);
	assert_int_equal(r->type, TYPE_ERROR);
	assert_true(str_is(r->id, "q1"));
	assert_true(str_is(jid_str(&r->to), "a@x/r"));
	assert_true(str_is(jid_str(&r->from), "b@y"));
	const struct elem *err = elem_child(r->root, NS_CLIENT, "error");
	assert_non_null(err);
	assert_true(str_is(elem_attr(err, "type"), "auth"));
	assert_non_null(elem_child(err, NS_STANZA_ERRORS, "forbidden"));
	assert_non_null(elem_child(err, NS_STANZA_ERRORS, "text"));
	assert_null(elem_child(r->root, STR("urn:x"), "query"));
	stanza_unref(r);
}

static void errors_and_results_are_never_answered_with_an_error(void **state)
{
	enum stanza_error e;
	struct stanza *s = READ("message", 0, &e, "type", "error", "from", "a@x", "to", "b@y");
	assert_null(stanza_error_reply(s, STANZA_FORBIDDEN, STR_NONE, NULL));
	stanza_unref(s);
	s = READ("iq", 0, &e, "type", "result", "id", "1", "from", "a@x", "to", "b@y");
	assert_null(stanza_error_reply(s, STANZA_FORBIDDEN, STR_NONE, NULL));
	stanza_unref(s);
}

static void readdressed_copy_keeps_the_content_alive(void **state)
{
	enum stanza_error e;
	struct jid to;
	struct arena *a = arena_new(0);
	assert_int_equal(jid_parse(a, STR("c@z/r"), &to), ERR_NONE);
	struct stanza *s = READ("message", 1, &e, "from", "a@x", "to", "b@y", "id", "m");
	struct stanza *copy = stanza_readdress(s, NULL, &to);
	assert_true(str_is(elem_attr(s->root, "to"), "b@y"));
	stanza_unref(s);
	arena_free(a);
	assert_true(str_is(elem_attr(copy->root, "to"), "c@z/r"));
	assert_true(str_is(jid_str(&copy->from), "a@x"));
	assert_true(str_is(copy->id, "m"));
	assert_non_null(elem_child(copy->root, STR("urn:x"), "query"));
	stanza_unref(copy);
}

static void stamps_replace_what_was_claimed(void **state)
{
	enum stanza_error e;
	struct jid from;
	struct arena *a = arena_new(0);
	assert_int_equal(jid_parse(a, STR("real@x/r"), &from), ERR_NONE);
	struct stanza *s = READ("message", 0, &e, "from", "real@x");
	stanza_stamp_from(s, &from);
	arena_free(a);
	assert_true(str_is(elem_attr(s->root, "from"), "real@x/r"));
	assert_true(str_is(jid_str(&s->from), "real@x/r"));
	stanza_unref(s);
}

static void names_of_types_that_are_the_default_are_absent(void **state)
{
	assert_false(str_present(stanza_type_name(STANZA_MESSAGE, TYPE_NORMAL)));
	assert_false(str_present(stanza_type_name(STANZA_PRESENCE, TYPE_AVAILABLE)));
	assert_true(str_is(stanza_type_name(STANZA_IQ, TYPE_SET), "set"));
	assert_true(str_is(stanza_kind_name(STANZA_PRESENCE), "presence"));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(message_is_classified),
		cmocka_unit_test(unknown_message_type_is_normal),
		cmocka_unit_test(what_is_no_stanza_is_none),
		cmocka_unit_test(broken_rules_have_their_errors),
		cmocka_unit_test(error_reply_swaps_addresses_and_leaves_the_payload_out),
		cmocka_unit_test(errors_and_results_are_never_answered_with_an_error),
		cmocka_unit_test(readdressed_copy_keeps_the_content_alive),
		cmocka_unit_test(stamps_replace_what_was_claimed),
		cmocka_unit_test(names_of_types_that_are_the_default_are_absent),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
