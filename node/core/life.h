/*
 * life.h: the life of a node: start, reload of certificates (the rest of a reload is reload.h), drain, end. main.c reads arguments and
 * signals; everything else is here.
 *
 *   life_start -> workers serve -> life_drain (streams end with <system-shutdown/>) -> life_finish (all is freed)
 */
#ifndef NODE_CORE_LIFE_H
#define NODE_CORE_LIFE_H

#include "node/core/node.h"

/* The first half of life_start: a node that has all but threads and listeners; for tests, which turn its workers by hand. */
MUST_CHECK enum err life_make(struct node *n, struct config *config, struct buf *why);
/* Everything up and accepting; `config` is consumed. On failure a text is in `why` and life_finish must still be called. */
MUST_CHECK enum err life_start(struct node *n, struct config *config, struct buf *why);
/* On a worker: it begins to accept. A node alone does so at once, one of several when it knows the others. */
void life_serve(struct node_worker *nw);
/* Any time on the main thread: a new set of certificates for new connections. The old one stays on failure. */
MUST_CHECK enum err life_reload_tls(struct node *n, struct buf *why);
/* The two halves of it, for a reload of everything: load what `c` names; hand it to all workers (consumed). */
MUST_CHECK enum err life_load_tls(const struct node *n, const struct config *c, struct tls_config **out, struct buf *why);
void life_use_tls(struct node *n, struct tls_config *fresh);
/* The certificates of new connections; borrowed until the next reload. Main thread. */
const struct tls_config *life_tls(const struct node *n);
/* Begins the end (ending.h), after which the main loop stops. Again: nothing happens. */
void life_drain(struct node *n);
/* Main thread: life_drain after a while; a later call takes the place of an earlier one. `restart`: the process begins again afterwards,
 * with the same arguments. */
void life_end_after(struct node *n, uint64_t delay_ms, bool restart);
/* Main thread: what life_end_after has planned is off; a node that is ending does so, and does not begin again. */
void life_forget_plans(struct node *n);
bool life_wants_restart(const struct node *n);
/* It ended because it could not be of use. */
bool life_has_failed(const struct node *n);
/* After the main loop ended. */
void life_finish(struct node *n);

#endif
