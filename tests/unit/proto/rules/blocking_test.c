#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/rules/blocking.h"

static struct arena *arena;
static struct blocking list;

static int set_up(void **state)
{
	arena = arena_new(0);
	return 0;
}

static int tear_down(void **state)
{
	blocking_fini(&list);
	arena_free(arena);
	return 0;
}

static struct jid jid_of(const char *text)
{
	struct jid j;
	assert_int_equal(jid_parse(arena, str_of(text), &j), ERR_NONE);
	return j;
}

static bool between(const char *user, const char *other)
{
	struct jid u = jid_of(user), o = jid_of(other);
	return blocking_stands_between(&list, &u, &o);
}

static void an_empty_list_blocks_nobody(void **state)
{
	assert_false(between("juliet@capulet.lit", "romeo@montague.lit/garden"));
	assert_false(between("juliet@capulet.lit", "montague.lit"));
}

static void items_match_as_in_section_5(void **state)
{
	static const struct { const char *item, *who; bool hits; } rows[] = {
		{ "romeo@montague.lit/garden", "romeo@montague.lit/garden", true },
		{ "romeo@montague.lit/garden", "romeo@montague.lit/street", false },
		{ "romeo@montague.lit/garden", "romeo@montague.lit", false },
		{ "romeo@montague.lit", "romeo@montague.lit", true },
		{ "romeo@montague.lit", "romeo@montague.lit/garden", true },
		{ "romeo@montague.lit", "romeo@montague.lit.example/garden", false },
		{ "romeo@montague.lit", "mercutio@montague.lit", false },
		{ "romeo@montague.lit", "montague.lit", false },
		{ "montague.lit/garden", "montague.lit/garden", true },
		{ "montague.lit/garden", "romeo@montague.lit/garden", false },
		{ "montague.lit/garden", "montague.lit", false },
		{ "montague.lit", "montague.lit", true },
		{ "montague.lit", "montague.lit/garden", true },
		{ "montague.lit", "romeo@montague.lit", true },
		{ "montague.lit", "romeo@montague.lit/garden", true },
		{ "montague.lit", "romeo@rooms.montague.lit/garden", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct jid who = jid_of(rows[i].who);
		assert_true(blocking_add(&list, str_of(rows[i].item)));
		if (blocking_hits(&list, &who) != rows[i].hits || blocking_item_hits(str_of(rows[i].item), &who) != rows[i].hits)
			fail_msg("%s and %s", rows[i].item, rows[i].who);
		assert_true(blocking_remove(&list, str_of(rows[i].item)));
		assert_false(blocking_hits(&list, &who));
	}
}

static void own_resources_and_the_own_server_are_never_blocked(void **state)
{
	blocking_add(&list, STR("juliet@capulet.lit"));
	blocking_add(&list, STR("capulet.lit"));
	assert_false(between("juliet@capulet.lit", "juliet@capulet.lit/balcony"));
	assert_false(between("juliet@capulet.lit/chamber", "juliet@capulet.lit"));
	assert_false(between("juliet@capulet.lit", "capulet.lit"));
	assert_true(between("juliet@capulet.lit", "tybalt@capulet.lit/street"));
	assert_true(between("juliet@capulet.lit", "capulet.lit/announce"));
}

static void items_are_kept_in_order_and_once(void **state)
{
	char text[32];
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "u%u@h", i * 7919 % 200);
		assert_true(blocking_add(&list, str_of(text)));
		assert_false(blocking_add(&list, str_of(text)));
	}
	assert_int_equal(list.n, 200);
	for (size_t i = 1; i < list.n; i++)
		assert_true(str_cmp(str_of(list.items[i - 1]), str_of(list.items[i])) < 0);
	for (unsigned i = 0; i < 200; i += 2) {
		snprintf(text, sizeof text, "u%u@h", i);
		assert_true(blocking_remove(&list, str_of(text)));
		assert_false(blocking_remove(&list, str_of(text)));
	}
	assert_int_equal(list.n, 100);
	assert_true(blocking_has(&list, STR("u199@h")));
	assert_false(blocking_has(&list, STR("u198@h")));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(an_empty_list_blocks_nobody),
		CASE(items_match_as_in_section_5),
		CASE(own_resources_and_the_own_server_are_never_blocked),
		CASE(items_are_kept_in_order_and_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
