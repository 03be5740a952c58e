#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "node/core/host.h"
#include "node/http/health.h"
#include "node/http/scrape.h"
#include "node/store/backend.h"
#include "node/store/memory.h"

#define HOSTS    200
#define WORKERS  64

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 20
#else
#define SLOWER 1
#endif

/* A node as large as one can be; its workers do not run. */
static struct node node;
static struct host hosts[HOSTS], *host_list[HOSTS];

static int set_up(void **state)
{
	struct store_options o = { 0 };
	(void)state;
	node.main = worker_new(WORKERS_MAX, "main");
	node.store = memory_store_open(&o, 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		node.workers[i] = worker_new(i, "w");
		node_worker_new(&node, node.workers[i]);
	}
	node.n_workers = WORKERS;
	for (unsigned i = 0; i < HOSTS; i++) {
		hosts[i].index = i;
		hosts[i].name = STR("host.example");
		host_list[i] = &hosts[i];
	}
	node.hosts = host_list;
	node.n_hosts = HOSTS;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_close(node.store);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct node_worker *nw = nw_of(node.workers[i]);
		worker_free(node.workers[i]);
		node_worker_free(nw);
	}
	worker_free(node.main);
	return 0;
}

static struct buf scraped(bool plain)
{
	struct buf out;
	buf_init(&out, SCRAPE_MAX);
	scrape_write(&node, plain, &out);
	assert_int_equal(buf_status(&out), ERR_NONE);
	buf_addc(&out, '\0');
	return out;
}

static void assert_has(const struct buf *out, const char *line)
{
	if (!strstr(out->p, line))
		fail_msg("no line %s", line);
}

static void scrape_sums_workers_by_label(void **state)
{
	(void)state;
	count_at(nw_of(node.workers[0]), METRIC_SESSIONS, metric_host(0, TRANSPORT_STARTTLS), 3);
	count_at(nw_of(node.workers[63]), METRIC_SESSIONS, metric_host(0, TRANSPORT_STARTTLS), 4);
	count_at(nw_of(node.workers[5]), METRIC_SESSIONS, metric_host(150, TRANSPORT_PLAIN), 1);
	count_limit(nw_of(node.workers[1]), LIMIT_STANZA);
	struct buf out = scraped(false);
	assert_has(&out, "\nstarling_sessions{host=\"host.example\",transport=\"starttls\"} 7\n");
	assert_has(&out, "\nstarling_sessions{host=\"(others)\",transport=\"plain\"} 1\n");
	assert_has(&out, "\nstarling_limits_hit_total{limit=\"stanza\"} 1\n");
	assert_has(&out, "\n# EOF\n");
	buf_fini(&out);
}

static void scrape_tells_histograms_that_add_up(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		histogram_add(&nw_of(node.workers[i])->metrics.h[HISTOGRAM_AT_DELIVERY + STANZA_MESSAGE], 50000, 5);
	struct buf out = scraped(false);
	assert_has(&out, "\nstarling_delivery_seconds_bucket{kind=\"message\",le=\"4.8e-05\"} 0\n");
	assert_has(&out, "\nstarling_delivery_seconds_bucket{kind=\"message\",le=\"6.4e-05\"} 20\n");
	assert_has(&out, "\nstarling_delivery_seconds_bucket{kind=\"message\",le=\"+Inf\"} 20\n");
	assert_has(&out, "\nstarling_delivery_seconds_sum{kind=\"message\"} 0.001\n");
	assert_has(&out, "\nstarling_delivery_seconds_count{kind=\"message\"} 20\n");
	buf_fini(&out);
}

static void scrape_in_the_older_form_names_counters_in_full(void **state)
{
	(void)state;
	struct buf plain = scraped(true), open = scraped(false);
	assert_has(&plain, "# TYPE starling_logins_total counter\n");
	assert_null(strstr(plain.p, "# EOF"));
	assert_has(&open, "# TYPE starling_logins counter\n");
	buf_fini(&plain);
	buf_fini(&open);
}

/* Families of one name would be one family to OpenMetrics, which leaves _total out. */
static void scrape_names_no_family_twice(void **state)
{
	(void)state;
	struct buf out = scraped(false);
	for (char *at = out.p; (at = strstr(at, "\n# TYPE ")); at++) {
		char line[256] = "";
		size_t n = strcspn(at + 1, " ") + 1;
		n += strcspn(at + 1 + n, " ") + 1;
		n += strcspn(at + 1 + n, " ") + 1;
		assert_true(n < sizeof line - 1);
		memcpy(line, at, n + 1);
		if (strstr(at + 1, line))
			fail_msg("twice: %s", line + 1);
	}
	buf_fini(&out);
}

static void scrape_costs_at_most_two_milliseconds(void **state)
{
	enum { TIMES = 20 };
	struct timespec begin, end;
	(void)state;
	buf_fini(&(struct buf){ 0 });
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (int i = 0; i < TIMES; i++) {
		struct buf out = scraped(false);
		buf_fini(&out);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	int64_t us = ((end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000) / TIMES;
	print_message("a scrape of %d workers: %lld us\n", WORKERS, (long long)us);
	assert_true(us < 2000 * SLOWER);
}

static void health_says_what_is_wrong(void **state)
{
	(void)state;
	node.workers_ready = WORKERS - 1;
	assert_string_equal(health_problem(&node), "starting");
	node.workers_ready = WORKERS;
	assert_null(health_problem(&node));
	store_set_health(node.store, false, "the disk is full");
	assert_string_equal(health_problem(&node), "store down");
	store_set_health(node.store, true, "");
	assert_null(health_problem(&node));
	node.draining = true;
	assert_string_equal(health_problem(&node), "draining");
	node.draining = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scrape_sums_workers_by_label),
		cmocka_unit_test(scrape_tells_histograms_that_add_up),
		cmocka_unit_test(scrape_in_the_older_form_names_counters_in_full),
		cmocka_unit_test(scrape_names_no_family_twice),
		cmocka_unit_test(scrape_costs_at_most_two_milliseconds),
		cmocka_unit_test(health_says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
