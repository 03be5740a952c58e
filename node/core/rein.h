/*
 * rein.h: brakes (brake.h) on clients whose sessions are at home on other nodes.
 *
 * Records name their sender: a STANZA as its home sends it, a DOWN as the recipient's home does. So whoever handles what came from another
 * node knows whom to brake, and the brake goes to the sender's home at once, whatever way the stanza took: FLEET_BRAKE. There it holds the
 * session, as a brake of the same node does; its edge, if it has one, hears of that as of any hold (far.h).
 *
 *   one record     for a sender and a pause, however many brakes of a worker are on: when the first goes on, each RENEW_MS, when the last
 *                  is off. What is over within TELL_AFTER_MS, as most waits for a store are, is not told at all, but for brake_on_at_once
 *   no end unseen  a brake that is not renewed within the time that it names, at most REIN_MAX_MS, is off: the node that put it on is dead,
 *                  or what it said was lost
 *
 * A name is a session's for ever: the epoch of its node, the worker and the sid. Nobody is held for it once the session has moved on.
 * A node that speaks less than REIN_PROTOCOL is told nothing, and names nobody.
 */
#ifndef NODE_CORE_REIN_H
#define NODE_CORE_REIN_H

#include "node/core/fleet.h"

#define REIN_PROTOCOL 2
#define REIN_MAX_MS   3000

struct reins;

struct reins *reins_new(struct node_worker *nw);
void reins_free(struct reins *r);

/* How a record names who sent what is handled now: `epoch` is 0 when it was none of our clients, nor one of another node. */
uint64_t rein_name(const struct node_worker *nw, uint32_t *epoch);
/* Whom a record names. */
struct sender rein_sender(const struct node_worker *nw, uint32_t epoch, uint64_t name);

/* brake.h, for a sender of another node. */
void rein_on(struct node_worker *nw, const struct sender *s, bool at_once);
void rein_off(struct node_worker *nw, const struct sender *s);

/* FLEET_BRAKE. */
void rein_record(struct node_worker *nw, uint32_t from, const struct frame_record *r);

#endif
