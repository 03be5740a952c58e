/*
 * rng.h: randomness as an argument. Pure code takes a `struct rng *`; the node gives one backed by OpenSSL, tests a seeded one.
 */
#ifndef PROTO_BASE_RNG_H
#define PROTO_BASE_RNG_H

#include <stdint.h>

#include "proto/base/arena.h"

struct rng {
	void (*fill)(struct rng *r, void *out, size_t n);
	uint64_t state; /* of the seeded one */
};

/* Repeatable, for tests and simulation only: splitmix64 from `seed`. */
void rng_init_seeded(struct rng *r, uint64_t seed);
static inline void rng_fill(struct rng *r, void *out, size_t n) { r->fill(r, out, n); }
uint64_t rng_u64(struct rng *r);
/* n_chars letters of a 32-letter alphabet (5 bits each), for ids, resources, nonces. */
struct str rng_token(struct rng *r, struct arena *a, size_t n_chars);

#endif
