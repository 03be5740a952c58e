#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/recent.h"

static const uint64_t seed[2] = { 1, 2 };
static unsigned dropped;

static void drop(void *value)
{
	dropped++;
	free(value);
}

static int set_up(void **state)
{
	struct recent *r = *state = xzalloc(sizeof *r);
	dropped = 0;
	recent_init(r, seed, 100, 1000, drop);
	return 0;
}

static int tear_down(void **state)
{
	recent_fini(*state);
	free(*state);
	return 0;
}

static void put(struct recent *r, int n, size_t weight, uint64_t now_ms)
{
	char key[16];
	int *value = xmalloc(sizeof *value);
	*value = n;
	recent_put(r, str_span(key, (size_t)snprintf(key, sizeof key, "k%d", n)), value, weight, now_ms, now_ms);
}

/* Taken and freed: was it there, and the right one? */
static bool took(struct recent *r, int n, uint64_t now_ms)
{
	char key[16];
	uint64_t born_ms;
	int *value = recent_take(r, str_span(key, (size_t)snprintf(key, sizeof key, "k%d", n)), now_ms, &born_ms);
	bool right = value && *value == n;
	free(value);
	return right;
}

static void what_was_put_is_there_once(void **state)
{
	struct recent *r = *state;
	put(r, 1, 1, 0);
	put(r, 2, 1, 0);
	assert_true(took(r, 2, 10));
	assert_false(took(r, 2, 10));
	assert_true(took(r, 1, 10));
	assert_int_equal(dropped, 0);
}

static void nothing_stays_past_the_age(void **state)
{
	struct recent *r = *state;
	put(r, 1, 1, 0);
	put(r, 2, 1, 500);
	assert_false(took(r, 1, 1000));
	assert_int_equal(dropped, 1);
	assert_true(took(r, 2, 1499));
}

static void age_counts_from_birth_not_from_the_last_use(void **state)
{
	struct recent *r = *state;
	uint64_t born_ms;
	put(r, 1, 1, 100);
	void *value = recent_take(r, STR("k1"), 900, &born_ms);
	assert_int_equal(born_ms, 100);
	recent_put(r, STR("k1"), value, 1, born_ms, 900);
	assert_false(took(r, 1, 1100));
}

static void weight_is_bounded_and_what_was_used_stays(void **state)
{
	struct recent *r = *state;
	for (int n = 0; n < 1000; n++) {
		put(r, n, 5, 10);
		if (n > 0) {
			assert_true(took(r, 0, 10));
			put(r, 0, 5, 10);
		}
		assert_true(map_count(&r->young) + map_count(&r->old) <= 20);
	}
	assert_true(took(r, 0, 10));
	assert_true(took(r, 999, 10));
	assert_false(took(r, 900, 10));
}

static void what_is_too_heavy_or_too_old_is_not_kept(void **state)
{
	struct recent *r = *state;
	put(r, 1, 51, 0);
	assert_int_equal(dropped, 1);
	assert_false(took(r, 1, 0));
	recent_put(r, STR("k2"), xmalloc(1), 1, 0, 1000);
	assert_int_equal(dropped, 2);
}

static void old_things_go_when_new_ones_come(void **state)
{
	struct recent *r = *state;
	put(r, 1, 1, 0);
	put(r, 2, 1, 2000);
	put(r, 3, 1, 4000);
	assert_int_equal(dropped, 1);
	put(r, 4, 1, 6000);
	assert_int_equal(dropped, 2);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(what_was_put_is_there_once),
		CASE(nothing_stays_past_the_age),
		CASE(age_counts_from_birth_not_from_the_last_use),
		CASE(weight_is_bounded_and_what_was_used_stays),
		CASE(what_is_too_heavy_or_too_old_is_not_kept),
		CASE(old_things_go_when_new_ones_come),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
