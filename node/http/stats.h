/*
 * stats.h: /stats.json: the figures that the live page draws, for it and for other programs.
 *
 *	{"time_ms": ..., "nodes": [{"version": ..., "ready": true, "totals": {"sessions": 7, "stanzas_in_total": ...},
 *	  "by_label": {"stanzas_in_total": [{"kind": "message", "value": 3}, ...]},
 *	  "histograms": {"delivery_seconds": [{"kind": "message", "count": ..., "p50_us": ..., "buckets": [[end_us, count], ...]}]},
 *	  "workers": [...], "store": {...}, "certificates": [...]}]}
 *
 * Counters count from the start; buckets that are empty are left out. `nodes` has one entry, this node; one of a cluster has
 * `cluster`, too (stats_cluster.h).
 */
#ifndef NODE_HTTP_STATS_H
#define NODE_HTTP_STATS_H

struct exchange;
void stats_show(struct exchange *x);

#endif
