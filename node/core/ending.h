/*
 * ending.h: how a node ends in order, so that nobody is left waiting and nothing is left behind.
 *
 *   RUNNING -ending_begin-> STREAMS -all workers are empty-> COMMANDS -control socket is gone-> QUIET -nothing moves-> main's loop ends
 *   Of several nodes: ... QUIET -nothing moves-> DEAF -nothing moves-> main's loop ends; then life.c stops the workers, then the mesh
 *
 * STREAMS: no worker accepts; every stream hears <system-shutdown/>, and is cut 5 s later if its peer does not let go. One may be on its
 * way to its account's worker just then: no worker is empty as long as one is (node.moving), or as long as a worker has yet to begin.
 * COMMANDS: what administrators asked for is answered; whoever does not read his answer for 15 s is cut.
 * QUIET: what was begun (a write, a key derivation) comes back to those who began it, for 15 s at most. What was sent to other nodes is
 * taken there; or one of them is dead, and it comes back and goes elsewhere.
 * DEAF: other nodes send until they know that this one has left, and a worker that has stopped takes nothing. So before that the mesh stops
 * to take and to acknowledge (core_deafen): they hear so, and take back what it did not take. What it had taken until then is done first:
 * some tens of milliseconds, 12 s at most; 2 s when QUIET came to no end.
 */
#ifndef NODE_CORE_ENDING_H
#define NODE_CORE_ENDING_H

#include "node/core/node.h"

struct ctl_server;
struct ending;

struct ending *ending_new(struct node *n);
void ending_free(struct ending *e);
/* Main thread; again: nothing happens. `ctl` is stopped on the way; on_end closes what else keeps main's loop, and stops it. */
void ending_begin(struct ending *e, struct ctl_server *ctl, void (*on_end)(struct node *n));

#endif
