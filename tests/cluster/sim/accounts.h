/*
 * accounts.h: above the core of a simulated node: its workers' homes (cluster/homes.h), and as much of a server as is needed to drive them:
 * clients that come, go and write to one another, and the sessions of those accounts whose home this node is.
 *
 * A client is bound by the node that it is connected to (its edge) at the home of its account. What the node does here with what homes.h
 * tells it is what a node has to do at least; the names of the records say what.
 *
 *   client: WANTS a home -settled-> BINDS there -OK-> BOUND;  refused, moved, home gone -> WANTS anew;  KICK: a newer one has its name
 *
 * What the core calls back is put into a mailbox, as for workers on threads of their own, and read a little later, in order.
 */
#ifndef TESTS_CLUSTER_SIM_ACCOUNTS_H
#define TESTS_CLUSTER_SIM_ACCOUNTS_H

#include "tests/cluster/sim/world.h"

struct accounts;

/* Forgets the messages of the last run. */
void accounts_begin(void);
struct accounts *accounts_new(struct sim_world *w, unsigned node);
void accounts_free(struct sim_world *w, struct accounts *a);
/* From the core's callbacks. */
void accounts_view(struct sim_world *w, unsigned node, struct view *v);
void accounts_take(struct sim_world *w, unsigned node, uint32_t from, struct str body);
void accounts_lost(struct sim_world *w, unsigned node, uint32_t to, struct str body);
/* Redis is back, or has forgotten: what is claimed is registered (again). */
void accounts_replay(struct sim_world *w, unsigned node);
void accounts_janitor(struct sim_world *w, unsigned node, uint32_t dead);
/* An event: EV_MAIL or EV_HOMES. */
void accounts_event(struct sim_world *w, const struct sim_event *e);
/* What an EV_HOMES that nobody hears holds. */
void accounts_forget(void *what);
void accounts_tick(struct sim_world *w, unsigned node);
/* A client comes or goes, or writes. */
void accounts_work(struct sim_world *w, unsigned node);
/* The node is told to end: its clients go, and sessions of others' clients go home elsewhere. */
void accounts_farewell(struct sim_world *w, unsigned node);
/* Nothing is under way, or left to be done before the end. */
bool accounts_at_rest(const struct sim_world *w, unsigned node);
/* The workers end; what comes from now on nobody reads. */
void accounts_stop(struct sim_world *w, unsigned node);
/* All nodes agree on who is at home where, and nothing is lost; else why not. */
const char *accounts_quiet(struct sim_world *w);

#endif
