/*
 * leash.h: how far clients may be ahead of what other nodes have handled.
 *
 * A brake (brake.h) reaches a sender only when somebody at the other end has put it on, and word of that has come here. What was sent by
 * then comes still, and it is much when the sender is fast, when there are many of them, or when the way is long or busy. So:
 *
 *   1. What goes to one account on one node, whoever has sent it, is counted. Presence is not: it fans out.
 *   2. Past LEASH_BYTES an *echo* follows it, FLEET_ECHO, by the same way to the same worker, which answers (FLEET_ECHOED). Who sends to
 *      that account meanwhile is not read (a brake). What is on when it answers, such as its own brakes, it has told before.
 *   3. When the answer is here all go on; but if LEASH_BYTES more were sent meanwhile, another echo goes first.
 *   4. It is not waited for longer than LEASH_MS, nor for a node that speaks less than LEASH_PROTOCOL.
 *
 * So at most LEASH_BYTES are under way to an account, and what each who sends to it may be ahead of this worker (router.c), instead of a
 * link's window. Chat is never counted so far: COUNT_MS after the last that went to an account all of it has arrived, or a brake has come.
 * The home of an account does the same on the way to its client's node, and so does who sends to a place (placing.h).
 *
 * Rejected: to count what each sender has under way. It bounds one that is fast, and lets a thousand send a little each.
 *
 * Ceilings: LEASH_SETS times LEASH_WAYS accounts are counted at a time, those with the most under way; LEASHED_MAX senders wait for one of
 * them, others go on.
 */
#ifndef NODE_CORE_LEASH_H
#define NODE_CORE_LEASH_H

#include "node/core/fleet.h"

#define LEASH_PROTOCOL 4
#define LEASH_BYTES    (256u << 10)
#define LEASH_MS       3000
#define LEASH_SETS     256
#define LEASH_WAYS     4
#define LEASHED_MAX    1024

struct leashes;

struct leashes *leashes_new(struct node_worker *nw);
void leashes_free(struct leashes *l);

/* What node_worker.sender has sent goes to this account on that node, so many bytes of it; after it was given to the mesh. */
void leash_sent(struct node_worker *nw, uint32_t epoch, uint64_t fp, size_t bytes);

/* FLEET_ECHO, FLEET_ECHOED. */
void leash_record(struct node_worker *nw, uint32_t from, const struct frame_record *r);

#endif
