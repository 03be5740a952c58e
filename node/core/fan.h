/*
 * fan.h: one stanza for many recipients who are at home on the same node travels there once, as a FLEET_FAN record, with their addresses.
 *
 * Who broadcasts writes the stanza once (stanza_prewrite) and readdresses it; that is how it is known here for the same. Each recipient's
 * worker hands over what is to leave for another node (fan_add); what has the same body, and goes to the same worker of the same node,
 * is one *fan* while it is open: until the pass ends, it is full, or something else leaves that must not overtake it. At the receiver the
 * body is parsed and written once, and shared by all to whom it is delivered.
 *
 * Order: as without fans between any two addresses. Any other record to a node closes all fans to it first (fleet_send); another body of
 * the same account closes that account's.
 *
 * A node that does not speak SPEAKS_FANS gets records for one, as does a single recipient.
 * Ceilings: FANS_OPEN fans at once on a worker, then the oldest is closed; ADDRESSEES_MAX recipients besides the first and
 * ADDRESSEES_BYTES of their addresses in each, then it is closed and the next one opened.
 */
#ifndef NODE_CORE_FAN_H
#define NODE_CORE_FAN_H

#include "node/core/fleet.h"

#define SPEAKS_FANS 2 /* the protocol version that brought them */
#define FANS_OPEN   8

struct fans;

struct fans *fans_new(struct node_worker *nw);
void fans_free(struct fans *f);

/* A stanza on its way to an account at home on another node (NULL: one that is not in the view). False: it goes alone. */
bool fan_add(struct node_worker *nw, const struct view_node *to, uint8_t ttl, struct stanza *st);
/* What is open to this node leaves; 0: to any. */
void fan_close(struct node_worker *nw, uint32_t epoch);
/* The stanzas of a FLEET_FAN, one for each recipient (consumed by `each`), with all that can be shared shared. */
void fan_unfold(struct node_worker *nw, const struct frame_record *r,
		void (*each)(struct node_worker *nw, const struct frame_record *r, struct stanza *st));

#endif
