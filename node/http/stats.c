#include "node/http/stats.h"

#include <jansson.h>
#include <stdlib.h>

#include "cluster/pool.h"
#include "node/core/life.h"
#include "node/ctl/command.h"
#include "node/http/health.h"
#include "node/http/httpd.h"
#include "node/http/scrape.h"
#include "node/http/stats_cluster.h"
#include "node/net/tls.h"
#include "node/version.h"

/* An object of a value's labels; NULL when there is no such value here. */
static json_t *labels_of(const struct node *n, enum label_set set, unsigned label)
{
	struct buf text;
	buf_init(&text, 2048);
	json_t *o = scrape_labels(&text, n, set, label) ? json_object() : NULL;
	struct str rest = buf_str(&text);
	while (o && rest.len) { /* key="value", */
		struct str key = str_cut(&rest, '=');
		str_cut(&rest, '"');
		json_object_setn_new(o, key.p, key.len, json_str(str_cut(&rest, '"')));
		str_cut(&rest, ',');
	}
	buf_fini(&text);
	return o;
}

static json_t *totals(const struct node *n)
{
	json_t *o = json_object();
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		json_object_set_new(o, metric_rows[m].name, json_integer(node_metric(n, (enum metric)m)));
	return o;
}

/* Zeros are left out: there are many. */
static json_t *by_label(const struct node *n)
{
	json_t *all = json_object();
	for (unsigned m = 0; m < METRIC_COUNT; m++) {
		if (metric_rows[m].labels == LABELS_NONE)
			continue;
		json_t *list = json_array();
		for (unsigned i = 0; i < label_set_cells(metric_rows[m].labels); i++) {
			int64_t v = scrape_cell(n, metric_first[m] + i);
			json_t *o = v ? labels_of(n, metric_rows[m].labels, i) : NULL;
			if (o)
				json_object_set_new(o, "value", json_integer(v));
			if (o)
				json_array_append_new(list, o);
		}
		json_object_set_new(all, metric_rows[m].name, list);
	}
	return all;
}

static void histogram_add_to(json_t *o, const struct histogram_sum *h)
{
	json_t *buckets = json_array();
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (h->bucket[i])
			json_array_append_new(buckets, json_pack("[I,I]", (json_int_t)histogram_end_us(i), (json_int_t)h->bucket[i]));
	json_object_set_new(o, "count", json_integer((json_int_t)h->count));
	json_object_set_new(o, "sum_us", json_integer((json_int_t)(h->sum_ns / 1000)));
	json_object_set_new(o, "p50_us", json_integer((json_int_t)histogram_quantile_us(h, 0.5)));
	json_object_set_new(o, "p95_us", json_integer((json_int_t)histogram_quantile_us(h, 0.95)));
	json_object_set_new(o, "p99_us", json_integer((json_int_t)histogram_quantile_us(h, 0.99)));
	json_object_set_new(o, "buckets", buckets);
}

static json_t *histograms(const struct node *n)
{
#define X(sym, ...) HISTOGRAM_AT_##sym,
	static const unsigned first[] = { HISTOGRAMS(X) };
#undef X
	json_t *all = json_object();
	for (unsigned h = 0; h < HISTOGRAM_COUNT; h++) {
		json_t *list = json_array();
		for (unsigned i = 0; i < label_set_cells(histogram_rows[h].labels); i++) {
			struct histogram_sum sum;
			json_t *o = labels_of(n, histogram_rows[h].labels, i);
			scrape_histogram(n, first[h] + i, &sum);
			histogram_add_to(o, &sum);
			json_array_append_new(list, o);
		}
		json_object_set_new(all, histogram_rows[h].name, list);
	}
	return all;
}

static json_t *workers(const struct node *n)
{
	json_t *list = json_array();
	for (unsigned i = 0; i <= n->n_workers; i++) {
		const struct worker *w = i < n->n_workers ? n->workers[i] : n->main;
		struct worker_stats st;
		worker_stats(w, &st);
		json_array_append_new(list, json_pack("{s:s,s:I,s:I,s:I,s:i,s:I,s:I}", "name", w->name, "busy_us", (json_int_t)st.busy_us,
						      "passes", (json_int_t)st.passes, "messages", (json_int_t)st.posted, "mailbox",
						      (int)st.mailbox_depth, "longest_pass_us", (json_int_t)st.max_lag_us,
						      "slow_callbacks", (json_int_t)st.slow_callbacks));
	}
	return list;
}

static json_t *store(const struct node *n)
{
	struct store_stats st;
	store_stats(n->store, &st);
	return json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "backend", store_backend_name(n->store),
			 "healthy", store_healthy(n->store), "waiting", (json_int_t)st.waiting, "waiting_bytes",
			 (json_int_t)st.waiting_bytes, "reads", (json_int_t)st.reads, "writes", (json_int_t)st.writes, "failed",
			 (json_int_t)st.failed, "timeouts", (json_int_t)st.timeouts, "refused", (json_int_t)st.refused, "batches",
			 (json_int_t)st.batches, "batch_ops", (json_int_t)st.batch_ops, "commits", (json_int_t)st.commits, "connections",
			 (json_int_t)st.connections, "connections_up", (json_int_t)st.connections_up, "latency_sum_us",
			 (json_int_t)st.latency_sum_us);
}

static json_t *certificates(const struct node *n)
{
	const struct tls_config *tls = life_tls(n);
	json_t *list = json_array();
	for (size_t i = 0; tls && i < tls_host_count(tls) && i < METRIC_HOSTS; i++)
		json_array_append_new(list, json_pack("{s:o,s:i,s:b}", "host", json_str(tls_host_name(tls, i)), "days_left",
						      tls_host_days_left(tls, i, worker_wall_ms() / 1000), "self_signed",
						      tls_host_self_signed(tls, i)));
	return list;
}

static json_t *this_node(const struct node *n)
{
	const char *problem = health_problem(n);
	json_t *o = json_pack("{s:s,s:s,s:b,s:s,s:I,s:I,s:i,s:I,s:i}", "name", "this node", "version", STARLING_VERSION, "ready", !problem,
			      "state", problem ? problem : "ready", "started_ms", (json_int_t)n->started_wall_ms, "uptime_s",
			      (json_int_t)((n->main->now_ms - n->started_ms) / 1000), "hosts", (int)n->n_hosts, "resident_bytes",
			      (json_int_t)scrape_resident_bytes(), "pool_waiting", (int)pool_waiting());
	json_object_set_new(o, "totals", totals(n));
	json_object_set_new(o, "by_label", by_label(n));
	json_object_set_new(o, "histograms", histograms(n));
	json_object_set_new(o, "workers", workers(n));
	json_object_set_new(o, "store", store(n));
	json_object_set_new(o, "certificates", certificates(n));
	return o;
}

void stats_show(struct exchange *x)
{
	json_t *all = json_pack("{s:I,s:[o]}", "time_ms", (json_int_t)worker_wall_ms(), "nodes", this_node(x->node));
	json_t *cluster = stats_cluster(x->node);
	if (cluster)
		json_object_set_new(all, "cluster", cluster);
	char *text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	exchange_reply(x, 200, "application/json", str_of(text));
	free(text);
}
