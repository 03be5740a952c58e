/*
 * claimants.h: nodes that have asked this one for a home, and wait until it has finished with the account (homes.h, rule 4). Found by
 * account, and by age. Pure. Its ceiling is the caller's (n).
 */
#ifndef CLUSTER_CLAIMANTS_H
#define CLUSTER_CLAIMANTS_H

#include "proto/base/map.h"

struct claimant {
	struct claimant *next;             /* of the same account, in the order in which they came */
	struct claimant *older, *younger;  /* of all */
	uint64_t fp, hlc, until_ms;
	uint32_t epoch;
	size_t len;
	char bare[];
};

struct claimants {
	struct map by_fp;                  /* the 8 bytes of a fingerprint -> the first one */
	struct claimant *oldest, *youngest;
	size_t n;
};

void claimants_init(struct claimants *c);
void claimants_fini(struct claimants *c);
/* The first of an account; NULL: there is none. */
const struct claimant *claimants_find(const struct claimants *c, uint64_t fp);
bool claimants_has(const struct claimants *c, uint64_t fp, uint32_t epoch);
/* `until_ms` is no earlier than that of those before it. */
void claimants_add(struct claimants *c, uint64_t fp, uint32_t epoch, uint64_t hlc, struct str bare, uint64_t until_ms);
/* All of an account, yours to free one by one; NULL: none. */
struct claimant *claimants_take(struct claimants *c, uint64_t fp);

#endif
