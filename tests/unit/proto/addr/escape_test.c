#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/addr/escape.h"
#include "proto/addr/jid.h"

/* The examples of sections 4.2, 5.1 and 6.1, and those of the schemes. */
static const struct {
	const char *text, *escaped;
} cases[] = {
	{ "space cadet", "space\\20cadet" },
	{ "call me \"ishmael\"", "call\\20me\\20\\22ishmael\\22" },
	{ "at&t guy", "at\\26t\\20guy" },
	{ "d'artagnan", "d\\27artagnan" },
	{ "/.fanboy", "\\2f.fanboy" },
	{ "::foo::", "\\3a\\3afoo\\3a\\3a" },
	{ "<foo>", "\\3cfoo\\3e" },
	{ "user@host", "user\\40host" },
	{ "c:\\net", "c\\3a\\net" },
	{ "c:\\\\net", "c\\3a\\\\net" },
	{ "c:\\cool stuff", "c\\3a\\cool\\20stuff" },
	{ "c:\\5commas", "c\\3a\\5c5commas" },
	{ "\\3and\\2is\\5cool", "\\5c3and\\2is\\5c5cool" },
	{ "\\2plus\\2is\\4", "\\2plus\\2is\\4" },
	{ "foo\\bar", "foo\\bar" },
	{ "foob\\41r", "foob\\41r" },
	{ "here's_a_wild_&_/cr%zy/_address", "here\\27s_a_wild_\\26_\\2fcr%zy\\2f_address" },
	{ "tr\xc3\xa9ville@musketeers.lit", "tr\xc3\xa9ville\\40musketeers.lit" },
	{ "juliet", "juliet" },
	{ "", "" },
};

static void examples_are_escaped_and_come_back(void **state)
{
	struct arena *a = arena_new(0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str out;
		assert_int_equal(jid_escape(a, str_of(cases[i].text), &out), ERR_NONE);
		if (!str_is(out, cases[i].escaped))
			fail_msg("%s became %.*s", cases[i].text, STR_ARG(out));
		assert_true(str_is(jid_unescape(a, out), cases[i].text));
	}
	arena_free(a);
}

static void what_is_escaped_is_a_localpart(void **state)
{
	struct arena *a = arena_new(0);
	struct str out;
	struct jid jid;
	assert_int_equal(jid_escape(a, STR("a \"&'/:<>@\\20"), &out), ERR_NONE);
	assert_int_equal(jid_make(a, out, STR("localhost"), STR_NONE, &jid), ERR_NONE);
	assert_true(str_is(jid_unescape(a, jid_local(&jid)), "a \"&'/:<>@\\20"));
	arena_free(a);
}

static void escape_rejects_space_at_either_end(void **state)
{
	struct arena *a = arena_new(0);
	struct str out;
	assert_int_equal(jid_escape(a, STR(" a"), &out), ERR_INVALID);
	assert_int_equal(jid_escape(a, STR("a "), &out), ERR_INVALID);
	arena_free(a);
}

static void unescape_leaves_upper_case_and_halves_alone(void **state)
{
	struct arena *a = arena_new(0);
	assert_true(str_is(jid_unescape(a, STR("a\\2Fb\\5C\\2")), "a\\2Fb\\5C\\2"));
	assert_true(str_is(jid_unescape(a, STR("\\")), "\\"));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_are_escaped_and_come_back),
		cmocka_unit_test(what_is_escaped_is_a_localpart),
		cmocka_unit_test(escape_rejects_space_at_either_end),
		cmocka_unit_test(unescape_leaves_upper_case_and_halves_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
