#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/core/roster_record.h"

static void add_group(struct buf *b, const char *text)
{
	roster_group_add(b, str_of(text));
}

static void a_record_reads_back_as_it_was(void **state)
{
	struct arena *a = arena_new(0);
	for (unsigned s = 0; s < SUBSCRIPTION_COUNT; s++) {
		struct buf groups;
		struct roster_item item = { .side = { (enum subscription)s, s % 2 }, .listed = true }, again;
		buf_init(&groups, 4096);
		add_group(&groups, "Friends");
		add_group(&groups, "\"quotes\" \\ & \xc3\xa4\xe2\x82\xac");
		item.name = STR("Nurse \xf0\x9f\x8c\xb9\n\ttab");
		item.groups = buf_str(&groups);
		assert_int_equal(roster_record_parse(a, roster_record_format(a, &item), &again), ERR_NONE);
		assert_int_equal(again.side.state, s);
		assert_int_equal(again.side.approved, s % 2);
		assert_true(again.listed);
		assert_true(str_eq(again.name, item.name));
		assert_true(str_eq(again.groups, item.groups));
		buf_fini(&groups);
	}
	arena_free(a);
}

static void an_empty_item_is_short(void **state)
{
	struct arena *a = arena_new(0);
	struct roster_item item = { .name = STR(""), .groups = STR("") };
	assert_true(str_is(roster_record_format(a, &item), "{\"subscription\":\"none\"}"));
	assert_int_equal(roster_record_parse(a, STR("{}"), &item), ERR_NONE);
	assert_int_equal(item.side.state, SUBSCRIPTION_NONE);
	assert_int_equal(item.name.len, 0);
	assert_int_equal(item.groups.len, 0);
	arena_free(a);
}

static void what_later_versions_add_is_passed_over(void **state)
{
	struct arena *a = arena_new(0);
	struct roster_item item;
	assert_int_equal(roster_record_parse(a, STR("{\"subscription\":\"both\",\"mix\":{\"a\":1}}"), &item), ERR_NONE);
	assert_int_equal(item.side.state, SUBSCRIPTION_BOTH);
	arena_free(a);
}

static void what_is_no_record_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "both", "[]", "{\"subscription\":\"remove\"}", "{\"subscription\":7}", "{\"groups\":[1]}", "{\"name\":",
	};
	struct arena *a = arena_new(0);
	struct roster_item item;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(roster_record_parse(a, str_of(bad[i]), &item), ERR_INVALID);
	char group[ROSTER_GROUP_MAX + 2];
	memset(group, 'g', sizeof group);
	struct str long_group = arena_printf(a, "{\"groups\":[\"%.*s\"]}", ROSTER_GROUP_MAX + 1, group);
	assert_int_equal(roster_record_parse(a, long_group, &item), ERR_INVALID);
	arena_free(a);
}

static void versions_read_back(void **state)
{
	static const uint64_t vers[] = { 0, 1, 0x0123456789abcdef, UINT64_MAX };
	struct arena *a = arena_new(0);
	for (size_t i = 0; i < sizeof vers / sizeof *vers; i++) {
		struct str text = roster_ver_format(a, vers[i]);
		assert_int_equal(text.len, ROSTER_VER_CHARS);
		assert_true(roster_ver_parse(text) == vers[i]);
	}
	assert_int_equal(roster_ver_parse(STR("")), 0);
	assert_int_equal(roster_ver_parse(STR("12")), 0);
	assert_int_equal(roster_ver_parse(STR("0123456789ABCDEF")), 0);
	assert_int_equal(roster_ver_parse(STR("0123456789abcdef0")), 0);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_reads_back_as_it_was),
		cmocka_unit_test(an_empty_item_is_short),
		cmocka_unit_test(what_later_versions_add_is_passed_over),
		cmocka_unit_test(what_is_no_record_is_refused),
		cmocka_unit_test(versions_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
