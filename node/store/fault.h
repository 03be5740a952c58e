/*
 * fault.h: a store that stands before another and makes the world's faults happen, repeatably from a seed: for tests and drills.
 *
 * Delays keep the order of ops. What is lost was carried out first: askers must live with a write that took place and was not confirmed.
 */
#ifndef NODE_STORE_FAULT_H
#define NODE_STORE_FAULT_H

#include "node/store/store.h"

/* Of every 1000 ops so many, together at most 1000; the rest goes well. */
struct fault_odds {
	uint32_t delay_min_ms, delay_max_ms; /* all ops, before anything else */
	uint32_t io;          /* not carried out, answered ERR_IO */
	uint32_t unavailable; /* not carried out, answered ERR_UNAVAILABLE */
	uint32_t late_io;     /* carried out, answered ERR_IO all the same */
	uint32_t lost;        /* carried out, not answered: its deadline ends it */
};

/* Consumes *inner, which is closed with it. `options` (may be NULL) holds here; the inner store's ceiling and deadlines do not. */
struct store *fault_store_open(struct store **inner, uint64_t seed, const struct fault_odds *odds, const struct store_options *options);
/* Any thread: for ops submitted from now on. */
void fault_store_set(struct store *s, const struct fault_odds *odds);

#endif
