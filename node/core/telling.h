/*
 * telling.h: what a feature says to itself on the other nodes (host.h: host_changed, host_tell; module.h: host_stale, host_told, host_met,
 * host_parted). Through the first worker, in order: so who is told that a node has come or gone knows what that node had said before.
 */
#ifndef NODE_CORE_TELLING_H
#define NODE_CORE_TELLING_H

#include "node/core/fleet.h"

/* FLEET_STALE. */
void telling_record(struct node_worker *nw, uint32_t from, const struct frame_record *r);
/* A newer view. */
void telling_view(struct node_worker *nw, const struct view *before, const struct view *after);

#endif
