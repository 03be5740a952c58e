/*
 * jam.h: what is for accounts on a node that is slow: the window to it has been full for seconds (view_node.slow). It lives, so nobody else
 * may take its accounts' stanzas; what is sent there waits in memory until it takes it, or is dead. So less is sent:
 *
 *   presence (available, unavailable, probes)  kept here: the last of each kind between two addresses, until the node is not slow any more
 *   IQ requests                                refused with resource-constraint: whoever asks may ask again
 *   messages                                   go on, JAM_MESSAGES bytes of a worker's while anybody is slow; then refused as well
 *   all else (IQ results, subscriptions, errors)  goes on: nobody could send it again
 *
 * What is for a place (placing.h) on such a node: IQ requests are refused; all else goes on, within the same JAM_MESSAGES bytes. Past them
 * it is refused, too, but for "unavailable", of which the last is kept, so that nobody stays in a room that he has left; and what nobody is
 * told of (errors, results) is lost. Presence is not kept before that: who is not in a room yet may not write there.
 *
 * A message is not stored for an absent user meanwhile, as CLUSTER.md's first plan was: the account's home, which hands it out, is the slow
 * node itself. Nothing vanishes: what goes on is the link's, which gives it back if the node dies.
 *
 * Order: what is kept between two accounts leaves before anything else between them (jam_release). Ceilings: JAM_PAIRS pairs of accounts,
 * JAM_PER_PAIR in each, JAM_BYTES; past one of them presence goes on as well.
 */
#ifndef NODE_CORE_JAM_H
#define NODE_CORE_JAM_H

#include "node/core/fleet.h"

#define JAM_PAIRS    10000
#define JAM_PER_PAIR 16
#define JAM_BYTES    (8u << 20)
#define JAM_MESSAGES (4u << 20)

struct jam;

struct jam *jam_new(struct node_worker *nw);
void jam_free(struct jam *j);

/* A stanza whose recipient is at home on a slow node. True: it was kept or refused, and is consumed; false: it goes on, after
 * jam_release. */
bool jam_takes(struct jam *j, struct stanza *st);
/* The same of one for a place that is served on a slow node. */
bool jam_takes_of_place(struct jam *j, struct stanza *st);
/* What is kept between the accounts of this stanza leaves through `send`, which consumes it. */
void jam_release(struct jam *j, const struct stanza *st, void (*send)(struct node_worker *nw, struct stanza *st));
/* There is a new view (`before` may be NULL): what need not wait any more is routed anew. */
void jam_view(struct jam *j, const struct view *before, const struct view *after);
/* The node ends: what is kept goes on, and nothing is kept any more. */
void jam_end(struct jam *j);
/* Twice a second: an account may have gone home to another node without a new view. */
void jam_tick(struct jam *j);

#endif
