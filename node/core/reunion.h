/*
 * reunion.h: this node was taken for dead, lived, and is back under another number. Contacts of who is at home here have heard that he is
 * away, or looked and found nobody; what happened to theirs did not reach him; what was sent to him is stored; what was changed for him
 * met in the store, behind the back of what is remembered here. So each account's home is given up and found anew, as if it moved: its
 * sessions go along with their states (freeze.h), "apart", and are announced when they have arrived, which mostly is here.
 *
 * Once the homes are settled with those of the others, and at a pace that they stand: REUNION_PER_S accounts of a node. A session whose
 * account was claimed on both sides, and which goes to the other one, is announced there in the same way.
 */
#ifndef NODE_CORE_REUNION_H
#define NODE_CORE_REUNION_H

#include "node/core/fleet.h"

#define REUNION_PER_S 1000

/* A view of this worker: `renamed`, or the first in which all is heard. */
void reunion_view(struct node_worker *nw, bool renamed);
void reunion_free(struct fleet_worker *fw);

#endif
