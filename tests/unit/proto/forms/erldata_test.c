#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/forms/erldata.h"

static void a_template_is_read(void **state)
{
	struct arena *a = arena_new(0);
	struct str t[4];
	struct erldata d = { .rest = STR("%% people\n[{\"user1\", \"localhost\", \"Workers\", \"User 1\"}, % the first\n"
					 " {<<\"user2\">>,<<\"localhost\">>,<<>>,<<\"x\">>}].\n") };
	assert_int_equal(erldata_next(&d, a, t, 4), ERR_NONE);
	assert_true(str_is(t[0], "user1") && str_is(t[1], "localhost") && str_is(t[2], "Workers") && str_is(t[3], "User 1"));
	assert_int_equal(erldata_next(&d, a, t, 4), ERR_NONE);
	assert_true(str_is(t[0], "user2") && str_is(t[2], "") && str_is(t[3], "x"));
	assert_int_equal(erldata_next(&d, a, t, 4), ERR_NOT_FOUND);
	d = (struct erldata){ .rest = STR("[{<<\"a\">>,<<\"\">>}\n,{<<\"J\xc3\xbcrgen\"/utf8>> , \"b\"}]. % end") };
	assert_int_equal(erldata_next(&d, a, t, 2), ERR_NONE);
	assert_true(str_is(t[0], "a") && str_is(t[1], ""));
	assert_int_equal(erldata_next(&d, a, t, 2), ERR_NONE);
	assert_true(str_is(t[0], "J\xc3\xbcrgen") && str_is(t[1], "b"));
	assert_int_equal(erldata_next(&d, a, t, 2), ERR_NOT_FOUND);
	arena_free(a);
}

static void escapes_are_erlangs(void **state)
{
	struct arena *a = arena_new(0);
	struct str t;
	struct erldata d = { .rest = STR("[{\"\\\"\\\\\\n\\s\\x41\\x{1F426}\\101\\0\\q\"}].") };
	assert_int_equal(erldata_next(&d, a, &t, 1), ERR_NONE);
	assert_true(str_eq(t, STR("\"\\\n A\xf0\x9f\x90\xa6" "A\0q")));
	arena_free(a);
}

static void what_is_no_template_is_refused(void **state)
{
	static const char *const wrong[] = {
		"", "[", "{\"a\"}.", "[{\"a\"}]", "[{\"a\"}] x", "[{\"a\"}].x", "[{\"a\"} {\"b\"}].", "[{a}].",
		"[{\"a\",\"b\"}].", "[{\"a}].", "[{\"a\\", "[{\"a\\\"}].", "[{\"\\x{110000}\"}].", "[{\"\\x{1\"}].", "[{\"\\xg\"}].",
		"[{<<\"a\"}].", "[{<<\"a\"/latin1>>}].", "[{\"\\x{}\"}].", "[,{\"a\"}].", "[{\"a\"},].",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct arena *a = arena_new(0);
		struct str t;
		struct erldata d = { .rest = str_of(wrong[i]) };
		enum err e = ERR_NONE;
		while (e == ERR_NONE)
			e = erldata_next(&d, a, &t, 1);
		if (e != ERR_INVALID)
			fail_msg("taken: %s", wrong[i]);
		arena_free(a);
	}
}

static void an_empty_list_has_no_tuple(void **state)
{
	struct str t;
	struct erldata d = { .rest = STR(" [ ] .") };
	assert_int_equal(erldata_next(&d, NULL, &t, 1), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_template_is_read),
		cmocka_unit_test(escapes_are_erlangs),
		cmocka_unit_test(what_is_no_template_is_refused),
		cmocka_unit_test(an_empty_list_has_no_tuple),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
