/*
 * stats_cluster.h: the cluster in /stats.json, for the page: what this node sees of it, and the rows of all nodes.
 *
 *	{"name": ..., "state": "up", "epoch": ..., "registry_ok": true, "split": "none", "isolated_ms": 0,
 *	 "homes": {"known": ..., "here": ..., "bytes": ..., "digest_mismatches": ..., "conflicts": ...}, "told_ms": ...,
 *	 "nodes": [{"node": ..., "state": ..., "epoch": ..., "sessions": ..., "links": [...], ...}]}
 *
 * `split`: "isolated": neither the registry nor most nodes can be reached; "cut": some node that lives cannot; "relayed": all can, some
 * through a third one. A node's row is what it told itself (cluster_row.h) `told_ms` ago at the most; one that has not told yet, or does
 * not answer, has its name and state as seen from here, and neither sessions nor links. Nobody waits for other nodes: who looks makes this
 * node ask them, and sees the answers when he looks again.
 */
#ifndef NODE_HTTP_STATS_CLUSTER_H
#define NODE_HTTP_STATS_CLUSTER_H

#include <jansson.h>

#include "node/core/node.h"

/* Main thread. NULL: a node alone. */
json_t *stats_cluster(struct node *n);

#endif
