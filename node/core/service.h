/*
 * service.h: a feature with addresses of its own, such as rooms: name@domain is a *place*, served by one worker of one node of the service
 * (cluster/places.h has the rules), and all stanzas for it come there, in the order in which each sender's came to its node, also while the
 * place moves (rule 8 there says when not).
 *
 * A feature names a const struct service in its descriptor (module.h). For each place it keeps what it likes, from `begin` to `end`, on the
 * place's worker. It answers through the router, with the place's address as `from`.
 *
 * What it keeps in the store belongs to (domain, name), and is written with store_fence(op, place->fence) as the first step. An op that is
 * answered ERR_DENIED means that somebody else serves the place: place_lose, and write no more. So that what is read is not changed any
 * more by whom we follow, `begin` holds the place, submits an op that is nothing but the fence, reads then, and releases the place.
 *
 * While a place is held nothing is given to it, and it neither ends nor moves: what waits for it does so in order. Every hold must come off
 * by itself, as a store's op does with its deadline.
 *
 * When the place moves to another node `freeze` says all that is not in the store, and `begin` there hears it; when a node dies that is
 * lost. A node alone serves all places itself, under fences of its own.
 */
#ifndef NODE_CORE_SERVICE_H
#define NODE_CORE_SERVICE_H

#include "node/core/host.h"
#include "node/core/module.h"

struct place {
	struct node_worker *nw;
	struct host *host;       /* whose feature serves it */
	const struct service *service;
	struct jid jid;          /* bare */
	uint64_t fence;          /* greater than of anybody who served it before */
	void *own;               /* the service's */
	struct arena *arena;     /* lives as long as the place is served here */
};

struct service {
	/* The domain of its places for this host, prepared; absent: it has none there. Asked once, after host_start; stays. */
	struct str (*domain)(struct host *h);
	/* The place is served here from now on. `state`: what freeze said where it was served before; absent: only the store may know. */
	void (*begin)(struct place *p, struct str state);
	void (*freeze)(struct place *p, struct buf *out);
	/* It is served here no more. */
	void (*end)(struct place *p);
	/* A stanza for it, borrowed. DONE, or HOLD with place_hold; PASS: service-unavailable; negative: that error. */
	int (*take)(struct place *p, struct stanza *st);
	/* One for the domain itself, on any worker of any node. DONE, PASS, negative. */
	int (*domain_take)(struct node_worker *nw, struct host *h, struct stanza *st);
};

/* Counted. */
void place_hold(struct place *p);
void place_release(struct place *p);
/* A write was refused; `greatest`: the fence that the store knows, 0: it did not say. It ends, if it is held when it is released. */
void place_lose(struct place *p, uint64_t greatest);
/* There is nothing to serve any more: it ends, and begins anew when something comes for it. */
void place_close(struct place *p);

#endif
