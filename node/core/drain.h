/*
 * drain.h: a node of a fleet empties itself while the others serve on: it takes no more clients, is not ready any more, and ends its
 * clients' streams with <system-shutdown/> at a pace that the others stand (cluster.drain_rate), so that they log in elsewhere.
 *
 *   SERVES -drain_begin-> EMPTIES -no session is left-> EMPTY (the process goes on, or ends if it was told to)
 */
#ifndef NODE_CORE_DRAIN_H
#define NODE_CORE_DRAIN_H

#include "node/core/node.h"

/* Main thread. `then_end`: the node ends when it is empty; may be said later. A node that drains already goes on doing so. */
void drain_begin(struct node *n, bool then_end);
/* Main thread. A signal is there to end the node: whether drain_begin should, first (cluster.leave_on_signal). It should not twice. */
bool drain_leaves(const struct node *n);
/* Any thread. */
bool drain_is_on(const struct node *n);

#endif
