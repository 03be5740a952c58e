/*
 * toys.h: above the core of a simulated node: its workers' places (cluster/places.h), and a toy service in them: counters, as tests/toy has
 * them, with a store that all nodes share. What must hold
 *
 *   - a number is written after the one before it, whatever came, went or slept: a fence lets nobody else write; unless two nodes were
 *     given one number
 *   - while two nodes have one place, one of them is taken for dead
 *   - what was sent to a place is taken or refused, once, unless the node that had it in hand died, or a link gave it back
 *   - what one node sends to a place is taken in that order, as far as rule 8 of places.h promises it
 *   - a state that was frozen is there when the place begins elsewhere, as long as nobody dies
 */
#ifndef TESTS_CLUSTER_SIM_TOYS_H
#define TESTS_CLUSTER_SIM_TOYS_H

#include "tests/cluster/sim/world.h"

#define TOYS_KIND 64 /* of records: from here on those of places.h */

struct toys;

/* Forgets what the last run has stored. */
void toys_begin(void);
struct toys *toys_new(struct sim_world *w, unsigned node);
void toys_free(struct toys *t);
void toys_view(struct toys *t, struct view *v);
/* A record has come to the node, is not looked at yet. */
void toys_come(struct toys *t, const struct frame_record *r);
void toys_record(struct toys *t, const struct frame_record *r);
void toys_given_back(struct toys *t, uint32_t to, const struct frame_record *r);
void toys_tell_all(struct toys *t);
/* EV_TOYS: an answer for the node. EV_STORE: the store carries something out, whether the node lives or not. */
void toys_event(struct toys *t, const struct sim_event *e);
void toys_store(struct sim_world *w, const struct sim_event *e);
/* What such an event holds, when nobody hears it. */
void toys_forget(void *what);
void toys_tick(struct toys *t);
void toys_work(struct toys *t);
/* The node is told to end. */
void toys_farewell(struct toys *t);
/* What it serves is served elsewhere, or by nobody if there is nobody else. */
bool toys_at_rest(struct toys *t);
/* A process, or its incarnation, is no more. */
void toys_death(void);
const char *toys_quiet(struct sim_world *w);

#endif
