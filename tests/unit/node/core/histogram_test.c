#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/core/histogram.h"
#include "node/core/metrics.h"

static void histogram_bucket_holds_what_is_below_its_end(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < 1u << 20; us += 1 + us / 16) {
		unsigned b = histogram_bucket(us * 1000 + 999);
		assert_true(us < histogram_end_us(b));
		assert_true(b == 0 || us >= histogram_end_us(b - 1));
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void histogram_bucket_is_at_most_a_quarter_wide(void **state)
{
	(void)state;
	for (unsigned i = 4; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t begin = histogram_end_us(i - 1), end = histogram_end_us(i);
		assert_true(end > begin && (end - begin) * 4 <= begin);
	}
}

static void histogram_quantile_finds_the_share(void **state)
{
	struct histogram h = { 0 };
	struct histogram_sum sum = { 0 };
	(void)state;
	assert_int_equal(histogram_quantile_us(&sum, 0.5), 0);
	histogram_add(&h, 10000, 90);
	histogram_add(&h, 1000000, 10);
	histogram_sum_add(&sum, &h);
	assert_int_equal(sum.count, 100);
	assert_int_equal(sum.sum_ns, 90 * 10000 + 10 * 1000000);
	assert_int_equal(histogram_quantile_us(&sum, 0.5), 12);
	assert_int_equal(histogram_quantile_us(&sum, 0.9), 12);
	assert_int_equal(histogram_quantile_us(&sum, 0.99), 1024);
}

static void metrics_sum_over_labels(void **state)
{
	static struct metrics m;
	(void)state;
	metrics_add_at(&m, METRIC_SESSIONS, metric_host(0, TRANSPORT_PLAIN), 1);
	metrics_add_at(&m, METRIC_SESSIONS, metric_host(METRIC_HOSTS + 5, TRANSPORT_DIRECT_TLS), 2);
	metrics_add(&m, METRIC_CONNECTIONS, 7);
	assert_int_equal(metrics_get(&m, METRIC_SESSIONS), 3);
	assert_int_equal(metrics_get(&m, METRIC_CONNECTIONS), 7);
	assert_int_equal(metrics_get(&m, METRIC_CONNECTIONS_TOTAL), 0);
	assert_int_equal(metric_host(METRIC_HOSTS + 5, TRANSPORT_DIRECT_TLS), LABEL_CELLS_HOST - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_bucket_holds_what_is_below_its_end),
		cmocka_unit_test(histogram_bucket_is_at_most_a_quarter_wide),
		cmocka_unit_test(histogram_quantile_finds_the_share),
		cmocka_unit_test(metrics_sum_over_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
