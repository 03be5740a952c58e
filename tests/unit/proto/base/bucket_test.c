#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/bucket.h"

#define NOW 5000000ull

static void a_zeroed_bucket_is_full(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(10, 1000, 20);
	assert_true(bucket_is_full(&b, NOW));
	assert_int_equal(bucket_take(&b, &r, 20, NOW), 0);
	assert_false(bucket_is_full(&b, NOW));
	assert_int_equal(bucket_take(&b, &r, 1, NOW), 100);
}

static void debt_is_paid_back_at_the_rate(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(10, 1000, 20);
	assert_int_equal(bucket_take(&b, &r, 50, NOW), 3000);
	assert_int_equal(bucket_take(&b, &r, 0, NOW + 1000), 2000);
	assert_int_equal(bucket_take(&b, &r, 0, NOW + 3000), 0);
	assert_int_equal(bucket_take(&b, &r, 1, NOW + 3000), 100);
	assert_true(bucket_is_full(&b, NOW + 5100));
}

static void it_never_holds_more_than_the_burst(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(1000, 1000, 5);
	assert_int_equal(bucket_take(&b, &r, 5, NOW), 0);
	assert_int_equal(bucket_take(&b, &r, 5, NOW + 1000000), 0);
	assert_int_not_equal(bucket_take(&b, &r, 1, NOW + 1000000), 0);
}

static void the_steady_rate_is_never_slowed(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(100, 1000, 1);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(bucket_take(&b, &r, 1, NOW + i * 10), 0);
}

static void try_takes_nothing_that_is_not_there(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(2, 3600000, 2);
	assert_true(bucket_try(&b, &r, 1, NOW));
	assert_true(bucket_try(&b, &r, 1, NOW));
	for (int i = 0; i < 10; i++)
		assert_false(bucket_try(&b, &r, 1, NOW));
	assert_false(bucket_try(&b, &r, 1, NOW + 1799999));
	assert_true(bucket_try(&b, &r, 1, NOW + 1800000));
	assert_false(bucket_try(&b, &r, 1, NOW + 1800000));
}

static void without_a_rate_there_is_no_limit(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(0, 1000, 1);
	assert_int_equal(bucket_take(&b, &r, UINT64_MAX, NOW), 0);
	assert_true(bucket_try(&b, &r, UINT64_MAX, NOW));
	assert_true(bucket_is_full(&b, NOW));
}

static void huge_numbers_do_not_wrap(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(1, UINT64_MAX, UINT64_MAX);
	for (int i = 0; i < 10; i++)
		bucket_take(&b, &r, UINT64_MAX, NOW);
	r = bucket_rate_of(1, 1000, 1);
	assert_true(bucket_take(&b, &r, 1, NOW) > UINT32_MAX);
}

static void a_burst_of_none_is_one(void **state)
{
	struct bucket b = { 0 };
	struct bucket_rate r = bucket_rate_of(1, 1000, 0);
	assert_int_equal(bucket_take(&b, &r, 1, NOW), 0);
	assert_int_equal(bucket_take(&b, &r, 1, NOW), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_bucket_is_full),
		cmocka_unit_test(debt_is_paid_back_at_the_rate),
		cmocka_unit_test(it_never_holds_more_than_the_burst),
		cmocka_unit_test(the_steady_rate_is_never_slowed),
		cmocka_unit_test(try_takes_nothing_that_is_not_there),
		cmocka_unit_test(without_a_rate_there_is_no_limit),
		cmocka_unit_test(huge_numbers_do_not_wrap),
		cmocka_unit_test(a_burst_of_none_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
