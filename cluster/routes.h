/*
 * routes.h: which incarnation an account's home is: fingerprint -> (epoch, claim time), for the accounts that one worker owns. 24 bytes a
 * slot, at most 6 of 10 used; open addressing, no tombstones. Pure; one thread at a time. How entries come and go: homes.h.
 *
 * A fingerprint is the SipHash of the bare JID under the cluster's key: those of two accounts are the same once in 2^64, and then the
 * home of the one looks at the stanza's address, finds no such account, and treats it as one that is away.
 */
#ifndef CLUSTER_ROUTES_H
#define CLUSTER_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct route {
	uint64_t fp;    /* 0: an empty slot; the fingerprint 0 is kept as 1 */
	uint64_t hlc;   /* when the home was claimed */
	uint32_t epoch;
	uint32_t hearsay; /* not 0: its owner has not told it (yet); routes_put makes it 0 */
};

struct routes {
	struct route *slots;
	size_t cap, n;
};

void routes_init(struct routes *r);
void routes_fini(struct routes *r);
/* NULL when there is none. Valid until the next change. */
struct route *routes_find(const struct routes *r, uint64_t fp);
/* Adds or replaces. */
void routes_put(struct routes *r, uint64_t fp, uint32_t epoch, uint64_t hlc);
/* Does nothing when there is none. */
void routes_del(struct routes *r, uint64_t fp);
/* for (size_t i = 0; (e = routes_next(&r, &i)); ) in no order; the table must not change meanwhile. */
const struct route *routes_next(const struct routes *r, size_t *i);
/* Drops all entries for which `goes` says so. */
void routes_sweep(struct routes *r, bool (*goes)(const struct route *e, void *arg), void *arg);

#endif
