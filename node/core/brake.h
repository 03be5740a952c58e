/*
 * brake.h: who makes others queue up, waits for them.
 *
 * What a client sends may pile up far from its socket: in the store, in another client's output, behind a list that must be read first.
 * While something that a client sent is handled, on whatever worker, node_worker.sender names that client. Whoever queues it in memory
 * takes the name along, puts the brake on, and takes it off when the thing is done with; meanwhile nothing is read from that client.
 * It may be one of another node, which is told then (rein.h). Brakes add up, and come off on the worker that has put them on. A client that
 * is gone, and a sender without sid (a store's answer, an administrator), need no care: the calls do nothing.
 *
 * What fans out to many (a room) on behalf of one sender clears node_worker.sender first, or the slowest of the many slows down all.
 *
 * Every brake comes off by itself: what it waits for must have a deadline.
 */
#ifndef NODE_CORE_BRAKE_H
#define NODE_CORE_BRAKE_H

#include "node/core/node.h"

/* `nw`: the worker that calls. On the sender's own worker the brake holds at once, elsewhere when its worker has heard of it. */
void brake_on(struct node_worker *nw, const struct sender *s);
/* The same for what fills quickly, and will take a while: a client of another node waits as soon as its node hears of it, too. */
void brake_on_at_once(struct node_worker *nw, const struct sender *s);
void brake_off(struct node_worker *nw, const struct sender *s);

#endif
