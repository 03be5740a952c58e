/*
 * placing.h: how stanzas come to the places of services (service.h): the node's half, between the router and cluster/places.h.
 *
 * Any worker finds the service by the domain; the name's worker, the same as an account of that name would have, knows on which node the
 * place is, and serves it if that is this one. To other nodes goes what places.h says, as records of the fleet.
 */
#ifndef NODE_CORE_PLACING_H
#define NODE_CORE_PLACING_H

#include "cluster/places.h"
#include "node/core/node.h"
#include "node/core/service.h"

struct served {
	struct str domain;
	struct host *host;
	const struct service *service;
};

/* ---- main thread, at the start: after every host_start ---- */

/* ERR_INVALID: two have one domain. */
MUST_CHECK enum err placing_find_services(struct node *n, struct buf *why);

/* ---- a worker's thread ---- */

struct placing *placing_new(struct node_worker *nw);
void placing_free(struct placing *g);
/* NULL: no service has this domain. */
const struct served *placing_find(const struct node *n, struct str domain);
/* For a place; on the name's worker. Consumes st. */
void placing_arrive(struct node_worker *nw, const struct served *s, struct stanza *st);
/* For the domain itself. Consumes st. */
void placing_arrive_at_domain(struct node_worker *nw, const struct served *s, struct stanza *st);
/* This node ends: what could not go elsewhere ends, and nothing begins any more. */
void placing_end(struct node_worker *nw);
/* Are there places whose services wait for something that will come? They must not end before. */
bool placing_is_held(const struct node_worker *nw);
/* A node of several that drains: are there places that are still to go? */
bool placing_is_leaving(const struct node_worker *nw);

/* ---- the fleet's ---- */

struct places *placing_places(const struct node_worker *nw);
void placing_view(struct node_worker *nw, struct view *v);
/* A record of places.h (its kind is one of these). */
void placing_record(struct node_worker *nw, const struct frame_record *r);
/* A state that did not reach its node, as the fleet's record. */
void placing_given_back(struct node_worker *nw, uint32_t to, const struct frame_record *r);
/* The registry must be told again. */
void placing_tell_all(struct node_worker *nw);

#endif
