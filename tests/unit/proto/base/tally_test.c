#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/tally.h"

#define FORGET 60000

static struct tally tally;

static int set_up(void **state)
{
	tally_init(&tally, 64, FORGET);
	return 0;
}

static int tear_down(void **state)
{
	tally_fini(&tally);
	return 0;
}

static void a_record_is_kept_while_it_is_touched(void **state)
{
	for (uint32_t i = 1; i < 100; i++)
		assert_int_equal(++tally_touch(&tally, 7, 1000 + i * (FORGET - 1))->count, i);
}

static void silence_wipes_a_record(void **state)
{
	tally_touch(&tally, 7, 1000)->count = 5;
	assert_int_equal(tally_look(&tally, 7, 1000 + FORGET - 1)->count, 5);
	assert_null(tally_look(&tally, 7, 1000 + FORGET));
	assert_int_equal(tally_touch(&tally, 7, 1000 + FORGET)->count, 0);
}

static void looking_makes_no_record(void **state)
{
	assert_null(tally_look(&tally, 7, 1000));
	tally_touch(&tally, 8, 1000);
	assert_null(tally_look(&tally, 7, 1000));
	assert_null(tally.entries ? tally_look(&tally, 16, 1000) : NULL);
}

static void the_longest_silent_is_forgotten_for_a_newcomer(void **state)
{
	for (uint64_t i = 0; i < TALLY_WAYS; i++)
		tally_touch(&tally, 3 + i * 8, 1000 + i)->count = 1;
	tally_touch(&tally, 3, 2000);
	tally_touch(&tally, 3 + TALLY_WAYS * 8, 2001)->count = 1;
	assert_non_null(tally_look(&tally, 3, 2002));
	assert_null(tally_look(&tally, 3 + 8, 2002));
	assert_non_null(tally_look(&tally, 3 + 16, 2002));
	assert_non_null(tally_look(&tally, 3 + TALLY_WAYS * 8, 2002));
}

static void a_flood_of_strangers_fits(void **state)
{
	for (uint64_t i = 1; i < 100000; i++)
		assert_int_equal(++tally_touch(&tally, i * 0x9e3779b97f4a7c15ull, 1000 + i)->count, 1);
}

static void key_zero_is_a_key(void **state)
{
	tally_touch(&tally, 0, 1000)->count = 4;
	assert_int_equal(tally_look(&tally, 0, 1001)->count, 4);
}

static void delays_double_up_to_the_ceiling(void **state)
{
	assert_int_equal(tally_delay_ms(0, 3, 250, 10000), 0);
	assert_int_equal(tally_delay_ms(3, 3, 250, 10000), 0);
	assert_int_equal(tally_delay_ms(4, 3, 250, 10000), 250);
	assert_int_equal(tally_delay_ms(5, 3, 250, 10000), 500);
	assert_int_equal(tally_delay_ms(9, 3, 250, 10000), 8000);
	assert_int_equal(tally_delay_ms(10, 3, 250, 10000), 10000);
	assert_int_equal(tally_delay_ms(UINT32_MAX, 3, 250, 10000), 10000);
	assert_int_equal(tally_delay_ms(100, 3, 0, 10000), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_record_is_kept_while_it_is_touched),
		CASE(silence_wipes_a_record),
		CASE(looking_makes_no_record),
		CASE(the_longest_silent_is_forgotten_for_a_newcomer),
		CASE(a_flood_of_strangers_fits),
		CASE(key_zero_is_a_key),
		CASE(delays_double_up_to_the_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
