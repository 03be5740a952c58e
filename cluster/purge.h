/*
 * purge.h: the janitor's work: what a dead incarnation has in the registry is taken out of it, bucket by bucket, slowly enough that nobody
 * else waits for Redis: at most 50 questions a second of 500 rows each. A registry that is away is asked again a second later.
 *
 * The mesh thread's. Ceiling: PURGES_MAX incarnations wait.
 */
#ifndef CLUSTER_PURGE_H
#define CLUSTER_PURGE_H

#include "cluster/registry.h"

#define PURGES_MAX 256

struct purge;

struct purge_out {
	void *arg;
	/* Answered with purge_answered, not before this returns. */
	void (*ask)(void *arg, struct registry_call *c);
	void (*row)(void *arg, uint32_t dead_epoch, const struct registry_row *r);
	/* The rows of one answer were given. */
	void (*end)(void *arg);
};

struct purge *purge_new(struct worker *w, const struct purge_out *out);
/* A question that is under way must have been answered, or never will be. */
void purge_free(struct purge *p);
/* False: too many wait. An incarnation that waits already, or is under way, is taken once. */
bool purge_add(struct purge *p, uint32_t dead_epoch);
void purge_answered(struct purge *p, struct registry_call *c);

#endif
