#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/forms/luadata.h"

static void an_account_is_read(void **state)
{
	struct arena *a = arena_new(0);
	struct luadata v;
	uint64_t n;
	assert_int_equal(luadata_return(a, STR("return {\n\t[\"iteration_count\"] = 10000;\n"
					       "\t[\"salt\"] = \"6f4c-\\\"96b5\\\\\";\n};\n"), &v),
			 ERR_NONE);
	assert_true(luadata_u64(&v, "iteration_count", &n) && n == 10000);
	assert_true(str_is(luadata_str(&v, "salt"), "6f4c-\"96b5\\"));
	assert_false(luadata_u64(&v, "salt", &n));
	assert_false(str_present(luadata_str(&v, "iteration_count")));
	assert_null(luadata_get(&v, "password"));
	arena_free(a);
}

static void keys_of_all_kinds_and_places_are_kept_in_order(void **state)
{
	struct arena *a = arena_new(0);
	struct luadata v;
	struct str text = STR("return { 'one', [false] = { }; name = -1.5e3, { 'two' }, [7]=true, x=nil }");
	assert_int_equal(luadata_return(a, text, &v), ERR_NONE);
	const struct luadata_pair *p = v.pairs;
	assert_true(p->key.kind == LUADATA_NUMBER && str_is(p->key.text, "1") && str_is(p->value.text, "one"));
	p = p->next;
	assert_true(p->key.kind == LUADATA_BOOL && !p->key.truth && p->value.kind == LUADATA_TABLE && !p->value.pairs);
	p = p->next;
	assert_true(str_is(p->key.text, "name") && p->value.kind == LUADATA_NUMBER && str_is(p->value.text, "-1.5e3"));
	p = p->next;
	assert_true(str_is(p->key.text, "2") && str_is(p->value.pairs->value.text, "two"));
	p = p->next;
	assert_true(p->key.kind == LUADATA_NUMBER && p->value.kind == LUADATA_BOOL && p->value.truth);
	p = p->next;
	assert_true(p->value.kind == LUADATA_NIL && !p->next);
	arena_free(a);
}

static void strings_have_lua_escapes(void **state)
{
	struct arena *a = arena_new(0);
	struct luadata v;
	assert_int_equal(luadata_return(a, STR("return \"second\\195\\169 \\n\\t\\x41\\0661\\\nz\""), &v), ERR_NONE);
	assert_true(str_eq(v.text, STR("second\xc3\xa9 \n\tAB1\nz")));
	assert_int_equal(luadata_return(a, STR("return 'a\\0b'"), &v), ERR_NONE);
	assert_true(str_eq(v.text, STR("a\0b")));
	arena_free(a);
}

static void items_come_one_by_one(void **state)
{
	struct arena *a = arena_new(0);
	struct luadata v;
	struct str rest = STR("-- a list\nitem({ [\"id\"] = \"m1\" });\nitem({ id = \"m2\"; })\n");
	assert_int_equal(luadata_item(a, &rest, &v), ERR_NONE);
	assert_true(str_is(luadata_str(&v, "id"), "m1"));
	assert_int_equal(luadata_item(a, &rest, &v), ERR_NONE);
	assert_true(str_is(luadata_str(&v, "id"), "m2"));
	assert_int_equal(luadata_item(a, &rest, &v), ERR_NOT_FOUND);
	arena_free(a);
}

static void what_is_no_data_is_refused(void **state)
{
	static const char *const texts[] = { "", "return", "return {", "return { [1] }", "return { 'a' 'b' }", "return 'a",
					     "return \"a\nb\"", "return \"\\256\"", "return \"\\xg0\"", "return os.exit()",
					     "return {} return {}", "return 1 2",
					     "{}", "return -", "return { [\"a\"] = }", "return \"\\" };
	struct arena *a = arena_new(0);
	struct luadata v;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (luadata_return(a, str_of(texts[i]), &v) != ERR_INVALID)
			fail_msg("taken: %s", texts[i]);
	struct str rest = STR("item({}");
	assert_int_equal(luadata_item(a, &rest, &v), ERR_INVALID);
	rest = STR("thing({})");
	assert_int_equal(luadata_item(a, &rest, &v), ERR_INVALID);
	arena_free(a);
}

static void nesting_has_a_ceiling(void **state)
{
	struct arena *a = arena_new(0);
	struct luadata v;
	char text[400] = "return ";
	memset(text + 7, '{', LUADATA_DEPTH_MAX);
	memset(text + 7 + LUADATA_DEPTH_MAX, '}', LUADATA_DEPTH_MAX);
	assert_int_equal(luadata_return(a, str_of(text), &v), ERR_NONE);
	memset(text + 7, '{', LUADATA_DEPTH_MAX + 1);
	assert_int_equal(luadata_return(a, str_of(text), &v), ERR_LIMIT);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_is_read),
		cmocka_unit_test(keys_of_all_kinds_and_places_are_kept_in_order),
		cmocka_unit_test(strings_have_lua_escapes),
		cmocka_unit_test(items_come_one_by_one),
		cmocka_unit_test(what_is_no_data_is_refused),
		cmocka_unit_test(nesting_has_a_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
