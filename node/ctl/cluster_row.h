/*
 * cluster_row.h: what this node tells of itself as one of a cluster: its row of `list_cluster`, and of the stats page.
 *
 *	{"node": name, "state": ..., "epoch": ..., "sessions": ..., "version": ..., "address": ..., "registry": true, "links": [{"to": name,
 *	  "state": as seen from here, "epoch": ..., "linked": true, "relayed": false, "full": false, "slow": false, "retained_bytes": ...,
 *	  "retained_frames": ..., "silent_ms": ..., "rtt_us": ...}]}
 */
#ifndef NODE_CTL_CLUSTER_ROW_H
#define NODE_CTL_CLUSTER_ROW_H

#include <jansson.h>

#include "node/core/fleet.h"

/* Any thread; n->fleet and its mesh are there. */
json_t *cluster_row(const struct node *n);

#endif
