/*
 * recent.h: what was needed lately and may be needed again soon: a map from bytes to pointers with a ceiling, which forgets.
 *
 * Two generations: what is put goes into the young one; when that has half of the ceiling's weight, or is as old as things may get, it
 * becomes the old one, and what was the old one is dropped. So nothing is sorted, no timer runs, and what is forgotten was not asked for
 * for a while. What is taken leaves the map: its user puts it back.
 *
 * Ownership: keys are copied, values owned until they are taken; `drop` gets those that are forgotten. One thread. Time is an argument.
 */
#ifndef PROTO_BASE_RECENT_H
#define PROTO_BASE_RECENT_H

#include "proto/base/map.h"

struct recent {
	struct map young, old;
	size_t weight; /* of the young ones */
	uint64_t since_ms; /* the young ones began */
	size_t max_weight;
	uint64_t max_age_ms;
	void (*drop)(void *value);
};

/* max_weight 0: everything is forgotten at once. */
void recent_init(struct recent *r, const uint64_t seed[2], size_t max_weight, uint64_t max_age_ms, void (*drop)(void *value));
void recent_fini(struct recent *r);
/* Consumes the value, which is as old as born_ms says. The key is not there. */
void recent_put(struct recent *r, struct str key, void *value, size_t weight, uint64_t born_ms, uint64_t now_ms);
/* NULL when it is not there, or too old. *born_ms: as it was put. */
void *recent_take(struct recent *r, struct str key, uint64_t now_ms, uint64_t *born_ms);

#endif
