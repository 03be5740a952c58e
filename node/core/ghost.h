/*
 * ghost.h: sessions that were at home on a node that died, with their clients: nobody is left who could tell their contacts. Their home, as
 * it is now, makes a session for each that loads the roster and ends at once.
 *
 * Pace: a dead node may have had 100,000 of them. GHOSTS_MAX live at the same time on a worker, the others wait, BURIALS_MAX of them; past
 * that one is forgotten, and the log says so.
 */
#ifndef NODE_CORE_GHOST_H
#define NODE_CORE_GHOST_H

#include "node/core/fleet.h"

#define GHOSTS_MAX  200
#define BURIALS_MAX 100000

/* The contacts of this full JID hear of its end: by us, or by the node where it is at home by then, if `ttl` allows. */
void ghost_bury(struct node_worker *nw, struct str full, unsigned ttl);
/* The node gives up its homes: those that are not told of yet are others' now. */
void ghost_farewell(struct node_worker *nw);
/* Ends them all, whatever they wait for. */
void ghost_end_all(struct node_worker *nw);

#endif
