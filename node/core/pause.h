/*
 * pause.h: all workers stand still for a moment, so that what they only read can be changed under them: a reload of the configuration.
 *
 * Why not messages: every worker would apply a change at a time of its own, hosts and features' slots are shared, and each feature would
 * need a way of its own to publish its values. A reload is rare and its changes are assignments; to stop costs as long as the longest
 * callback.
 */
#ifndef NODE_CORE_PAUSE_H
#define NODE_CORE_PAUSE_H

#include "node/core/node.h"

/* Main thread: waits until every worker has come to a stop between two callbacks, runs change(n, arg), lets them go on. ERR_TIMEOUT:
 * one did not come in time; nothing was run. */
MUST_CHECK enum err pause_and(struct node *n, void (*change)(struct node *n, void *arg), void *arg);

#endif
