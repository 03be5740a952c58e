#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/core/lag.h"

static struct metrics metrics;

static void forget(void)
{
	metrics = (struct metrics){ 0 };
}

static struct histogram_sum messages(void)
{
	struct histogram_sum sum = { 0 };
	histogram_sum_add(&sum, &metrics.h[HISTOGRAM_AT_DELIVERY + STANZA_MESSAGE]);
	return sum;
}

static void lag_times_what_was_written(void **state)
{
	struct lag_pool p = { 0 };
	struct lag *l = NULL;
	(void)state;
	forget();
	lag_add(&p, &l, 1000000, STANZA_MESSAGE, 100);
	lag_add(&p, &l, 1000000, STANZA_MESSAGE, 200);
	lag_add(&p, &l, 3000000, STANZA_MESSAGE, 300);
	lag_written(&p, &l, 299, &metrics);
	lag_time(&p, 11000000, &metrics);
	assert_int_equal(messages().count, 2);
	assert_int_equal(messages().sum_ns, 20000000);
	assert_non_null(l);
	lag_written(&p, &l, 300, &metrics);
	lag_time(&p, 13000000, &metrics);
	assert_int_equal(messages().count, 3);
	assert_int_equal(messages().sum_ns, 30000000);
	assert_null(l);
	lag_pool_fini(&p);
}

static void lag_keeps_kinds_apart(void **state)
{
	struct lag_pool p = { 0 };
	struct lag *l = NULL;
	struct histogram_sum iqs = { 0 };
	(void)state;
	forget();
	lag_add(&p, &l, 1000, STANZA_MESSAGE, 10);
	lag_add(&p, &l, 1000, STANZA_IQ, 20);
	lag_written(&p, &l, 20, &metrics);
	lag_time(&p, 5000, &metrics);
	histogram_sum_add(&iqs, &metrics.h[HISTOGRAM_AT_DELIVERY + STANZA_IQ]);
	assert_int_equal(messages().count, 1);
	assert_int_equal(iqs.count, 1);
	lag_pool_fini(&p);
}

static void lag_loses_no_stanza_when_runs_are_full(void **state)
{
	struct lag_pool p = { 0 };
	struct lag *l = NULL;
	(void)state;
	forget();
	for (unsigned i = 1; i <= 10 * LAG_RUNS; i++)
		lag_add(&p, &l, i, STANZA_MESSAGE, i);
	lag_written(&p, &l, 10 * LAG_RUNS, &metrics);
	lag_time(&p, 1000000, &metrics);
	assert_int_equal(messages().count, 10 * LAG_RUNS);
	lag_pool_fini(&p);
}

static void lag_of_a_stream_that_ends_is_not_counted(void **state)
{
	struct lag_pool p = { 0 };
	struct lag *l = NULL;
	(void)state;
	forget();
	lag_add(&p, &l, 1, STANZA_MESSAGE, 10);
	lag_drop(&p, &l);
	assert_null(l);
	lag_drop(&p, &l);
	lag_written(&p, &l, 10, &metrics);
	lag_time(&p, 1000, &metrics);
	assert_int_equal(messages().count, 0);
	lag_pool_fini(&p);
}

static void lag_pool_keeps_a_bounded_number_of_blocks(void **state)
{
	struct lag_pool p = { 0 };
	static struct lag *l[2 * LAG_SPARE];
	(void)state;
	for (unsigned i = 0; i < 2 * LAG_SPARE; i++)
		lag_add(&p, &l[i], 1, STANZA_MESSAGE, 1);
	for (unsigned i = 0; i < 2 * LAG_SPARE; i++)
		lag_drop(&p, &l[i]);
	assert_int_equal(p.n_spare, LAG_SPARE);
	lag_pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lag_times_what_was_written),
		cmocka_unit_test(lag_keeps_kinds_apart),
		cmocka_unit_test(lag_loses_no_stanza_when_runs_are_full),
		cmocka_unit_test(lag_of_a_stream_that_ends_is_not_counted),
		cmocka_unit_test(lag_pool_keeps_a_bounded_number_of_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
