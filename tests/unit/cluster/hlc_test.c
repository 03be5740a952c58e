#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <cmocka.h>

#include "cluster/hlc.h"

#define WALL INT64_C(1700000000000)

static void hlc_follows_the_wall_clock_and_never_stands(void **state)
{
	(void)state;
	_Atomic uint64_t clock = 0;
	assert_int_equal(hlc_now(&clock, WALL), hlc_of(WALL));
	assert_int_equal(hlc_now(&clock, WALL), hlc_of(WALL) + 1);
	assert_int_equal(hlc_now(&clock, WALL - 60000), hlc_of(WALL) + 2); /* it was set back */
	assert_int_equal(hlc_now(&clock, WALL + 1), hlc_of(WALL + 1));
	assert_int_equal(hlc_of(-5), 0);
}

static void hlc_is_later_than_what_it_has_heard(void **state)
{
	(void)state;
	_Atomic uint64_t clock = 0;
	uint64_t heard = hlc_of(WALL + 3000) + 7;
	hlc_hear(&clock, heard, WALL);
	assert_int_equal(hlc_now(&clock, WALL), heard + 1);
	hlc_hear(&clock, hlc_of(WALL - 3000), WALL); /* of the past: nothing */
	hlc_hear(&clock, 0, WALL);
	assert_int_equal(hlc_now(&clock, WALL), heard + 2);
	assert_int_equal(hlc_now(&clock, WALL + 4000), hlc_of(WALL + 4000));
}

static void hlc_is_not_dragged_far_ahead(void **state)
{
	(void)state;
	_Atomic uint64_t clock = 0;
	hlc_hear(&clock, hlc_of(WALL + 3600000), WALL);
	assert_int_equal(hlc_now(&clock, WALL), hlc_of(WALL + HLC_AHEAD_MS) + 1);
	hlc_hear(&clock, UINT64_MAX, WALL);
	assert_int_equal(hlc_now(&clock, WALL), hlc_of(WALL + HLC_AHEAD_MS) + 2);
}

#define TIMES 20000

static _Atomic uint64_t shared;

static void *tell_many(void *arg)
{
	uint64_t *told = arg;
	for (unsigned i = 0; i < TIMES; i++)
		told[i] = hlc_now(&shared, WALL + (int64_t)(i / 100));
	return NULL;
}

static void hlc_tells_no_time_twice_to_several_threads(void **state)
{
	(void)state;
	static uint64_t told[2][TIMES];
	pthread_t other;
	assert_int_equal(pthread_create(&other, NULL, tell_many, told[1]), 0);
	tell_many(told[0]);
	pthread_join(other, NULL);
	for (unsigned i = 0, j = 0; i < TIMES && j < TIMES;) { /* both grow */
		assert_int_not_equal(told[0][i], told[1][j]);
		assert_true(i == 0 || told[0][i - 1] < told[0][i]);
		assert_true(j == 0 || told[1][j - 1] < told[1][j]);
		told[0][i] < told[1][j] ? i++ : j++;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hlc_follows_the_wall_clock_and_never_stands),
		cmocka_unit_test(hlc_is_later_than_what_it_has_heard),
		cmocka_unit_test(hlc_is_not_dragged_far_ahead),
		cmocka_unit_test(hlc_tells_no_time_twice_to_several_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
