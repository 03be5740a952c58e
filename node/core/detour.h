/*
 * detour.h: stanzas that wait until what went before them to an account's former home has come to the new one (cluster/ways.h). They are on
 * its worker here, in their order; whoever sent them is not read meanwhile (brake.h).
 */
#ifndef NODE_CORE_DETOUR_H
#define NODE_CORE_DETOUR_H

#include "node/core/fleet.h"

/* What is for an account whose home is at `home`, here or elsewhere. True: it waits, and is consumed; fleet_move_on follows. `ttl`,
 * `passed`: of the record that brought it, and 0 when it was written here. */
bool detour_takes(struct node_worker *nw, uint32_t home, uint8_t ttl, uint64_t passed, struct stanza *st);
/* Does anything wait? False on a node alone, as below nothing is done there. */
bool detour_is_on(const struct node_worker *nw);
/* The node ends: nothing waits any more. */
void detour_end(struct node_worker *nw);
/* Of homes_out; arg: the fleet_worker. */
void detour_go(void *arg, struct ways_item *item);
void detour_drop(void *arg, struct ways_item *item);

#endif
