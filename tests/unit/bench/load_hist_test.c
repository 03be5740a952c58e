#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/load_hist.h"

static void load_hist_of_nothing_is_zero(void **state)
{
	static struct load_hist h;
	assert_int_equal(load_hist_percentile(&h, 50), 0);
	assert_int_equal(load_hist_percentile(&h, 100), 0);
}

static void load_hist_is_exact_below_64(void **state)
{
	static struct load_hist h;
	for (uint64_t v = 1; v <= 50; v++)
		load_hist_add(&h, v);
	assert_int_equal(load_hist_percentile(&h, 50), 25);
	assert_int_equal(load_hist_percentile(&h, 100), 50);
	assert_int_equal(load_hist_percentile(&h, 0), 1);
}

static void load_hist_is_right_to_one_part_in_64(void **state)
{
	for (unsigned shift = 3; shift < 40; shift++) {
		static struct load_hist h;
		uint64_t value = (1ull << shift) + (1ull << shift) / 3;
		memset(&h, 0, sizeof(h));
		load_hist_add(&h, value);
		load_hist_add(&h, 1ull << 39);
		uint64_t got = load_hist_percentile(&h, 50);
		assert_true(got >= value || value > (1ull << 39));
		assert_true(got <= value + value / 64);
	}
}

static void load_hist_takes_any_value(void **state)
{
	static struct load_hist h;
	load_hist_add(&h, UINT64_MAX);
	load_hist_add(&h, 0);
	assert_int_equal(h.max, UINT64_MAX);
	assert_int_equal(load_hist_percentile(&h, 10), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_hist_of_nothing_is_zero),
		cmocka_unit_test(load_hist_is_exact_below_64),
		cmocka_unit_test(load_hist_is_right_to_one_part_in_64),
		cmocka_unit_test(load_hist_takes_any_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
