#include "node/http/scrape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/core/host.h"

/* ---- sums ---- */

int64_t scrape_cell(const struct node *n, unsigned cell)
{
	int64_t sum = atomic_load_explicit(&n->metrics.v[cell], memory_order_relaxed);
	for (unsigned i = 0; i < n->n_workers; i++)
		sum += atomic_load_explicit(&nw_of(n->workers[i])->metrics.v[cell], memory_order_relaxed);
	return sum;
}

void scrape_histogram(const struct node *n, unsigned cell, struct histogram_sum *out)
{
	*out = (struct histogram_sum){ 0 };
	for (unsigned i = 0; i < n->n_workers; i++)
		histogram_sum_add(out, &nw_of(n->workers[i])->metrics.h[cell]);
}

uint64_t scrape_resident_bytes(void)
{
	char line[128];
	uint64_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "re"); /* "size resident ...", in pages */
	struct str rest = str_span(line, f ? fread(line, 1, sizeof line, f) : 0);
	if (f)
		fclose(f);
	str_cut(&rest, ' ');
	if (!str_to_u64(str_cut(&rest, ' '), &pages))
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- labels ---- */

#define X(sym, text) text,
static const char *const transport_texts[] = { TRANSPORTS(X) };
static const char *const memory_texts[] = { MEMORY_KINDS(X) };
#undef X
#define X(sym, version, resumed) "version=\"" version "\",resumed=\"" resumed "\"",
static const char *const tls_texts[] = { TLS_KINDS(X) };
#undef X

static bool host_label(struct buf *out, const struct node *n, unsigned label)
{
	unsigned host = label / TRANSPORT_COUNT;
	if (host >= n->n_hosts)
		return false;
	buf_addf(out, "host=\"%.*s\",transport=\"%s\"", STR_ARG(host < METRIC_HOSTS ? n->hosts[host]->name : STR("(others)")),
		 transport_texts[label % TRANSPORT_COUNT]);
	return true;
}

/* key="value"; false when there is none. */
static bool pair(struct buf *out, const char *key, struct str value)
{
	if (str_present(value))
		buf_addf(out, "%s=\"%.*s\"", key, STR_ARG(value));
	return str_present(value);
}

bool scrape_labels(struct buf *out, const struct node *n, enum label_set set, unsigned label)
{
	switch (set) {
	case LABELS_KIND:
		return pair(out, "kind", stanza_kind_name((enum stanza_kind)label));
	case LABELS_MECHANISM:
		return pair(out, "mechanism", label == MECH_NONE ? STR("none") : sasl_mech_name((enum sasl_mech)label));
	case LABELS_LIMIT:
		return pair(out, "limit", str_of(limit_text((enum limit_name)label)));
	case LABELS_MEMORY:
		return pair(out, "kind", str_of(memory_texts[label]));
	case LABELS_TLS:
		buf_addz(out, tls_texts[label]);
		return true;
	case LABELS_STANZA_ERROR:
		return label && pair(out, "condition", stanza_error_name((enum stanza_error)label));
	case LABELS_STREAM_ERROR:
		return label && pair(out, "condition", stream_error_name((enum stream_error)label));
	case LABELS_HTTP:
		buf_addf(out, "code=\"%uxx\"", label + 2);
		return true;
	case LABELS_HOST:
		return host_label(out, n, label);
	default:
		return true;
	}
}

/* ---- lines ---- */

static bool has_unit(struct str name, const char *unit)
{
	return str_ends(name, str_of(unit)) && name.len > strlen(unit);
}

void scrape_family(struct scrape *s, const char *name, enum metric_kind kind, const char *help)
{
	static const char *const kinds[] = { "gauge", "counter", "histogram", "info" };
	const char *prefix = strncmp(name, "process_", 8) == 0 ? "" : "starling_";
	struct str base = str_of(name);
	s->family = name;
	s->kind = kind;
	if (!s->plain && kind == METRIC_COUNTER)
		base.len -= strlen("_total");
	if (s->plain && kind == METRIC_INFO) {
		buf_addf(s->out, "# HELP starling_%s_info %s\n# TYPE starling_%s_info gauge\n", name, help, name);
		return;
	}
	buf_addf(s->out, "# HELP %s%.*s %s\n# TYPE %s%.*s %s\n", prefix, STR_ARG(base), help, prefix, STR_ARG(base), kinds[kind]);
	if (has_unit(base, "_seconds") || has_unit(base, "_bytes"))
		buf_addf(s->out, "# UNIT %s%.*s %s\n", prefix, STR_ARG(base), has_unit(base, "_bytes") ? "bytes" : "seconds");
}

static void name_write(struct scrape *s, const char *suffix, const char *labels)
{
	buf_addz(s->out, strncmp(s->family, "process_", 8) == 0 ? "" : "starling_");
	buf_addz(s->out, s->family);
	buf_addz(s->out, s->kind == METRIC_INFO ? "_info" : suffix);
	if (labels && *labels)
		buf_addf(s->out, "{%s}", labels);
}

/* printf is most of the price of a scrape. */
static void add_int(struct buf *b, int64_t v)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void scrape_int(struct scrape *s, const char *labels, int64_t value)
{
	name_write(s, "", labels);
	buf_addc(s->out, ' ');
	add_int(s->out, value);
	buf_addc(s->out, '\n');
}

void scrape_float(struct scrape *s, const char *labels, double value)
{
	name_write(s, "", labels);
	buf_addf(s->out, " %.15g\n", value);
}

void scrape_bucket(struct scrape *s, const char *labels, double le, uint64_t below)
{
	char all[160];
	const char *comma = labels && *labels ? "," : "";
	if (le < 0)
		snprintf(all, sizeof all, "%s%sle=\"+Inf\"", labels ? labels : "", comma);
	else
		snprintf(all, sizeof all, "%s%sle=\"%.9g\"", labels ? labels : "", comma, le);
	name_write(s, "_bucket", all);
	buf_addc(s->out, ' ');
	add_int(s->out, (int64_t)below);
	buf_addc(s->out, '\n');
}

void scrape_sum(struct scrape *s, const char *labels, double sum, uint64_t n)
{
	scrape_bucket(s, labels, -1, n);
	name_write(s, "_sum", labels);
	buf_addf(s->out, " %.9g\n", sum);
	name_write(s, "_count", labels);
	buf_addf(s->out, " %" PRIu64 "\n", n);
}

/* ---- families ---- */

static void cells_write(struct scrape *s, enum metric m)
{
	struct buf labels;
	buf_init(&labels, 1024);
	scrape_family(s, metric_rows[m].name, metric_rows[m].kind, metric_rows[m].help);
	for (unsigned i = 0; i < label_set_cells(metric_rows[m].labels); i++) {
		buf_clear(&labels);
		if (!scrape_labels(&labels, s->node, metric_rows[m].labels, i))
			continue;
		buf_addc(&labels, '\0');
		scrape_int(s, labels.p, scrape_cell(s->node, metric_first[m] + i));
	}
	buf_fini(&labels);
}

/* Every second of the four buckets to a doubling: what a quantile says is then within a third. */
static void buckets_write(struct scrape *s, const char *labels, const struct histogram_sum *h)
{
	uint64_t below = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += h->bucket[i];
		if (i % 2 && i + 1 < HISTOGRAM_BUCKETS)
			scrape_bucket(s, labels, (double)histogram_end_us(i) / 1e6, below);
	}
	scrape_sum(s, labels, (double)h->sum_ns / 1e9, h->count);
}

static void histogram_write(struct scrape *s, enum histogram_name name, unsigned first)
{
	struct histogram_sum sum;
	struct buf labels;
	buf_init(&labels, 1024);
	scrape_family(s, histogram_rows[name].name, METRIC_HISTOGRAM, histogram_rows[name].help);
	for (unsigned i = 0; i < label_set_cells(histogram_rows[name].labels); i++) {
		buf_clear(&labels);
		scrape_labels(&labels, s->node, histogram_rows[name].labels, i);
		buf_addc(&labels, '\0');
		scrape_histogram(s->node, first + i, &sum);
		buckets_write(s, labels.p, &sum);
	}
	buf_fini(&labels);
}

static void sampled_write(struct scrape *s, const struct sampled_row *r)
{
	for (; r->name; r++) {
		scrape_family(s, r->name, r->kind, r->help);
		r->write(s);
	}
}

void scrape_write(const struct node *n, bool plain, struct buf *out)
{
#define X(sym, ...) HISTOGRAM_AT_##sym,
	static const unsigned first[] = { HISTOGRAMS(X) };
#undef X
	struct scrape s = { .out = out, .node = n, .plain = plain };
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		cells_write(&s, (enum metric)m);
	for (unsigned h = 0; h < HISTOGRAM_COUNT; h++)
		histogram_write(&s, (enum histogram_name)h, first[h]);
	sampled_write(&s, sampled_rows);
	if (n->fleet)
		sampled_write(&s, sampled_cluster_rows);
	if (!plain)
		buf_addz(out, "# EOF\n");
}

/* ---- the reference ---- */

static void row_print(struct buf *out, const char *name, enum metric_kind kind, const char *labels, const char *help)
{
	static const char *const kinds[] = { "gauge", "counter", "histogram", "info" };
	buf_addf(out, "| `%s%s%s` | %s | %s | %s |\n", strncmp(name, "process_", 8) == 0 ? "" : "starling_", name,
		 kind == METRIC_INFO ? "_info" : "", kinds[kind], labels, help);
}

void scrape_print_reference(struct buf *out)
{
	buf_addz(out, "# Metrics\n\nMade by `starling --print-metrics` from the rows in the code.\n\n"
		      "The stats endpoint (`http:` in docs/configuration.md; http://127.0.0.1:5280 unless told otherwise) serves them at "
		      "`/metrics` as\nOpenMetrics 1.0, and as the text format 0.0.4 to those who ask for that. A Prometheus job is\n\n"
		      "```yaml prometheus\nscrape_configs:\n  - job_name: starling\n"
		      "    static_configs: [{targets: ['127.0.0.1:5280']}]\n```\n\n"
		      "Alert rules are in docker/prometheus/alerts.yml, a dashboard in docker/grafana/dashboard.json. A scrape costs less "
		      "than a millisecond,\nwhatever the number of sessions.\n\n");
	buf_addf(out, "Of more than %d hosts the first %d have a `host` of their own, the others share `(others)`. Histograms of times "
		      "have two buckets for each\ndoubling. `delivery_seconds` begins when the node takes up the bytes that a client sent "
		      "and ends when what came of them is handed to the\nkernel; waiting for a store in between counts.\n\n",
		 METRIC_HOSTS, METRIC_HOSTS);
	buf_addz(out, "| name | kind | labels | what |\n| --- | --- | --- | --- |\n");
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		row_print(out, metric_rows[m].name, metric_rows[m].kind, label_set_names(metric_rows[m].labels), metric_rows[m].help);
	for (unsigned h = 0; h < HISTOGRAM_COUNT; h++)
		row_print(out, histogram_rows[h].name, METRIC_HISTOGRAM, label_set_names(histogram_rows[h].labels), histogram_rows[h].help);
	for (const struct sampled_row *r = sampled_rows; r->name; r++)
		row_print(out, r->name, r->kind, r->labels, r->help);
	for (const struct sampled_row *r = sampled_cluster_rows; r->name; r++)
		row_print(out, r->name, r->kind, r->labels, r->help);
}
