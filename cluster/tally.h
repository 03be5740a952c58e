/*
 * tally.h: sum and number of an incarnation's entries in a worker's table of homes, apart for each worker of a peer that owns some of the
 * same accounts: what digests compare. Kept up as entries come and go, as a walk through a large table takes too long. Pure.
 *
 * One tally is (epoch, of): the entries of that incarnation in `of` parts, each that of a worker of a node with so many. Made by one walk
 * when it is asked for first. Ceilings: TALLIES_MAX of them, of TALLY_PARTS_MAX parts; past the first the oldest goes.
 */
#ifndef CLUSTER_TALLY_H
#define CLUSTER_TALLY_H

#include "cluster/routes.h"
#include "cluster/view.h"

#define TALLIES_MAX     (2u * VIEW_NODES_MAX)
#define TALLY_PARTS_MAX 256u

struct tally_part {
	uint64_t sum; /* the same for the same entries, whatever their order */
	uint32_t n;
};

struct tally {
	uint32_t epoch;
	unsigned of;
	struct tally_part *parts;
};

struct tallies {
	struct tally all[TALLIES_MAX];
	unsigned n;
};

/* A zeroed struct is an empty one. */
void tallies_fini(struct tallies *t);
/* Before an entry goes or is replaced, and after one has come. */
void tallies_del(struct tallies *t, const struct route *e);
void tallies_add(struct tallies *t, const struct route *e);
/* `part` < `of` <= TALLY_PARTS_MAX. */
struct tally_part tallies_part(struct tallies *t, const struct routes *r, uint32_t epoch, unsigned part, unsigned of);
/* Drops those of an incarnation. They are made anew when they are asked for. */
void tallies_drop(struct tallies *t, uint32_t epoch);

#endif
