/*
 * sampled.c: families that others keep already: workers, pool, store, certificates, log, the process. Read when somebody asks.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "cluster/pool.h"
#include "node/core/life.h"
#include "node/core/log.h"
#include "node/http/health.h"
#include "node/http/scrape.h"
#include "node/net/tls.h"
#include "node/version.h"

static void build_write(struct scrape *s)
{
	scrape_int(s, "version=\"" STARLING_VERSION "\",compiler=\"" __VERSION__ "\"", 1);
}

static void ready_write(struct scrape *s)
{
	scrape_int(s, NULL, health_problem(s->node) == NULL);
}

/* ---- workers ---- */

/* `field` of every worker and of the main thread. */
static void workers_write(struct scrape *s, double (*field)(const struct worker_stats *st))
{
	char labels[48];
	for (unsigned i = 0; i <= s->node->n_workers; i++) {
		const struct worker *w = i < s->node->n_workers ? s->node->workers[i] : s->node->main;
		struct worker_stats st;
		worker_stats(w, &st);
		snprintf(labels, sizeof labels, "worker=\"%s\"", w->name);
		scrape_float(s, labels, field(&st));
	}
}

static double busy_of(const struct worker_stats *st) { return (double)st->busy_us / 1e6; }
static double passes_of(const struct worker_stats *st) { return (double)st->passes; }
static double posted_of(const struct worker_stats *st) { return (double)st->posted; }
static double depth_of(const struct worker_stats *st) { return st->mailbox_depth; }
static double longest_of(const struct worker_stats *st) { return (double)st->max_lag_us / 1e6; }
static double slow_of(const struct worker_stats *st) { return (double)st->slow_callbacks; }

static void busy_write(struct scrape *s) { workers_write(s, busy_of); }
static void passes_write(struct scrape *s) { workers_write(s, passes_of); }
static void posted_write(struct scrape *s) { workers_write(s, posted_of); }
static void depth_write(struct scrape *s) { workers_write(s, depth_of); }
static void longest_write(struct scrape *s) { workers_write(s, longest_of); }
static void slow_write(struct scrape *s) { workers_write(s, slow_of); }

static void pool_write(struct scrape *s)
{
	scrape_int(s, NULL, pool_waiting());
}

/* ---- the store ---- */

static void store_up_write(struct scrape *s)
{
	scrape_int(s, NULL, store_healthy(s->node->store));
}

static void store_connections_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	scrape_int(s, "state=\"up\"", (int64_t)st.connections_up);
	scrape_int(s, "state=\"down\"", (int64_t)(st.connections - st.connections_up));
}

static void store_waiting_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	scrape_int(s, NULL, (int64_t)st.waiting);
}

static void store_waiting_bytes_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	scrape_int(s, NULL, (int64_t)st.waiting_bytes);
}

static void store_ops_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	scrape_int(s, "kind=\"read\"", (int64_t)st.reads);
	scrape_int(s, "kind=\"write\"", (int64_t)st.writes);
}

static void store_failures_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	scrape_int(s, "reason=\"failed\"", (int64_t)st.failed);
	scrape_int(s, "reason=\"timeout\"", (int64_t)st.timeouts);
	scrape_int(s, "reason=\"refused\"", (int64_t)st.refused);
}

static void store_commits_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	scrape_int(s, NULL, (int64_t)st.commits);
}

/* Buckets that double: [i] holds what is at least 2^i and less than 2^(i+1). */
static void doubling_write(struct scrape *s, const uint64_t buckets[STORE_BUCKETS], double unit, uint64_t end_less, double sum)
{
	uint64_t below = 0;
	for (unsigned i = 0; i < STORE_BUCKETS; i++) {
		below += buckets[i];
		if (i + 1 < STORE_BUCKETS)
			scrape_bucket(s, NULL, (double)((UINT64_C(2) << i) - end_less) * unit, below);
	}
	scrape_sum(s, NULL, sum, below);
}

static void store_latency_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	doubling_write(s, st.latency_us, 1e-6, 0, (double)st.latency_sum_us / 1e6);
}

static void store_batch_write(struct scrape *s)
{
	struct store_stats st;
	store_stats(s->node->store, &st);
	doubling_write(s, st.batch_size, 1, 1, (double)st.batch_ops);
}

/* ---- memory, certificates, log, process ---- */

static void average_write(struct scrape *s)
{
	struct buf labels;
	int64_t sessions = node_metric(s->node, METRIC_SESSIONS);
	buf_init(&labels, 256);
	for (unsigned i = 0; sessions > 0 && i < MEMORY_COUNT; i++) {
		buf_clear(&labels);
		scrape_labels(&labels, s->node, LABELS_MEMORY, i);
		buf_addc(&labels, '\0');
		scrape_int(s, labels.p, scrape_cell(s->node, METRIC_AT_MEMORY_BYTES + i) / sessions);
	}
	buf_fini(&labels);
	if (sessions > 0)
		scrape_int(s, "kind=\"process\"", (int64_t)scrape_resident_bytes() / sessions);
}

static void certificates_write(struct scrape *s)
{
	const struct tls_config *tls = life_tls(s->node);
	char labels[1100];
	size_t n = tls ? tls_host_count(tls) : 0;
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < n; i++) {
		int64_t ends = tls_host_ends_s(tls, i);
		if (i >= METRIC_HOSTS && ends < first)
			first = ends;
		if (i >= METRIC_HOSTS)
			continue;
		snprintf(labels, sizeof labels, "host=\"%.*s\"", STR_ARG(tls_host_name(tls, i)));
		scrape_int(s, labels, ends);
	}
	if (n > METRIC_HOSTS)
		scrape_int(s, "host=\"(others)\"", first);
}

static void lost_write(struct scrape *s)
{
	scrape_int(s, NULL, (int64_t)log_lost());
}

static void cpu_write(struct scrape *s)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	scrape_float(s, NULL, (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

static void resident_write(struct scrape *s)
{
	scrape_int(s, NULL, (int64_t)scrape_resident_bytes());
}

static void started_write(struct scrape *s)
{
	scrape_float(s, NULL, (double)s->node->started_wall_ms / 1000);
}

const struct sampled_row sampled_rows[] = {
	{ "build", "What runs here", "version, compiler", METRIC_INFO, build_write },
	{ "ready", "1 when the node takes clients, as /readyz says", "", METRIC_GAUGE, ready_write },
	{ "worker_busy_seconds_total", "Time in which a worker's loop was busy: its rate is the busy share", "worker", METRIC_COUNTER,
	  busy_write },
	{ "worker_passes_total", "Passes of a worker's loop", "worker", METRIC_COUNTER, passes_write },
	{ "worker_longest_pass_seconds", "The longest pass of a worker's loop since the start", "worker", METRIC_GAUGE, longest_write },
	{ "worker_slow_callbacks_total", "Times the watchdog found a worker busy with one thing for long", "worker", METRIC_COUNTER,
	  slow_write },
	{ "worker_messages_total", "Messages that a worker got from others", "worker", METRIC_COUNTER, posted_write },
	{ "worker_mailbox_messages", "Messages that wait for a worker", "worker", METRIC_GAUGE, depth_write },
	{ "pool_waiting_jobs", "Jobs that wait for the pool of threads (passwords)", "", METRIC_GAUGE, pool_write },
	{ "store_up", "1 while the store works", "", METRIC_GAUGE, store_up_write },
	{ "store_connections", "Connections to the store's server, where it has one", "state", METRIC_GAUGE, store_connections_write },
	{ "store_waiting_ops", "Operations that wait for the store", "", METRIC_GAUGE, store_waiting_write },
	{ "store_waiting_bytes", "What these operations hold (store.waiting_bytes)", "", METRIC_GAUGE, store_waiting_bytes_write },
	{ "store_ops_total", "Operations that the store has answered", "kind", METRIC_COUNTER, store_ops_write },
	{ "store_failures_total", "Operations that failed, came too late, or were refused as too many waited", "reason", METRIC_COUNTER,
	  store_failures_write },
	{ "store_op_seconds", "From asking the store to its answer", "", METRIC_HISTOGRAM, store_latency_write },
	{ "store_commits_total", "Commits: writes share them", "", METRIC_COUNTER, store_commits_write },
	{ "store_batch_ops", "Operations that the store did in one go", "", METRIC_HISTOGRAM, store_batch_write },
	{ "session_average_bytes", "Memory for each session; process: all that the process has, shared by its sessions", "kind",
	  METRIC_GAUGE, average_write },
	{ "certificate_end_time_seconds", "When a host's certificate ends, seconds since 1970: (it - time()) / 86400 days are left",
	  "host", METRIC_GAUGE, certificates_write },
	{ "log_lost_lines_total", "Log lines that could not be written", "", METRIC_COUNTER, lost_write },
	{ "process_cpu_seconds_total", "Processor time, user and system", "", METRIC_COUNTER, cpu_write },
	{ "process_resident_memory_bytes", "Memory in use", "", METRIC_GAUGE, resident_write },
	{ "process_start_time_seconds", "When the node started, in seconds since 1970", "", METRIC_GAUGE, started_write },
	{ NULL, NULL, NULL, METRIC_GAUGE, NULL },
};
