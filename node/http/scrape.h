/*
 * scrape.h: all that the node counts, as text for Prometheus and its kin: OpenMetrics 1.0, or the older text format 0.0.4 for those who ask
 * for it. The differences are names in TYPE lines and the last line.
 *
 * A scrape reads sums: it looks at no session, whatever their number. Main thread.
 */
#ifndef NODE_HTTP_SCRAPE_H
#define NODE_HTTP_SCRAPE_H

#include "node/core/node.h"

#define SCRAPE_MAX          (4u << 20)
#define SCRAPE_OPENMETRICS  "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define SCRAPE_TEXT         "text/plain; version=0.0.4; charset=utf-8"

struct scrape {
	struct buf *out;
	const struct node *node;
	bool plain; /* text format 0.0.4 */
	const char *family;
	enum metric_kind kind;
};

/* Everything, with its end. */
void scrape_write(const struct node *n, bool plain, struct buf *out);
/* Every family in Markdown. */
void scrape_print_reference(struct buf *out);

/* The sum over all workers and the main thread. */
int64_t scrape_cell(const struct node *n, unsigned cell);
void scrape_histogram(const struct node *n, unsigned cell, struct histogram_sum *out);
/* Appends `host="a",transport="plain"`; false when there is no such value here. */
bool scrape_labels(struct buf *out, const struct node *n, enum label_set set, unsigned label);
/* Bytes of memory that the process has. */
uint64_t scrape_resident_bytes(void);

/* ---- families that are read when asked: sampled.c ---- */

struct sampled_row {
	const char *name, *help, *labels;
	enum metric_kind kind;
	void (*write)(struct scrape *s);
};
extern const struct sampled_row sampled_rows[], sampled_cluster_rows[]; /* end with a NULL name */

/* Begins a family. The name without "starling_", a counter's with _total; one that begins with "process_" stays as it is. */
void scrape_family(struct scrape *s, const char *name, enum metric_kind kind, const char *help);
/* A sample of the family; `labels` as in scrape_labels, or NULL. */
void scrape_int(struct scrape *s, const char *labels, int64_t value);
void scrape_float(struct scrape *s, const char *labels, double value);
/* A bucket of a histogram: `below` counts all that is at most `le`, negative: without end. Ends with the sum. */
void scrape_bucket(struct scrape *s, const char *labels, double le, uint64_t below);
void scrape_sum(struct scrape *s, const char *labels, double sum, uint64_t n);

#endif
