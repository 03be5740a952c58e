/*
 * bucket.h: a token bucket in eight bytes: `burst` tokens at most, refilled evenly. It knows no clock: the caller brings `now_ms`,
 * monotonic.
 *
 * What it keeps is the moment until which everything taken so far is paid for (the virtual scheduling of GCRA, ITU-T I.371): a zeroed
 * bucket is full, and one that nobody touches costs nothing. Taking may go into debt, as what a peer has sent cannot be unsent: the answer
 * is how long not to read on.
 */
#ifndef PROTO_BASE_BUCKET_H
#define PROTO_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	uint64_t paid_ns;
};
struct bucket_rate {
	uint64_t cost_ns; /* of one token; 0: no limit */
	uint64_t burst;
};

/* `tokens` every `period_ms`, at most `burst` at once (never less than one); tokens == 0: no limit. */
struct bucket_rate bucket_rate_of(uint64_t tokens, uint64_t period_ms, uint64_t burst);
/* Takes n. The ms until the bucket is out of debt: 0 when it had them. */
uint64_t bucket_take(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms);
/* Takes n if it has them; nothing, and false, if not. */
bool bucket_try(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms);
/* Full again: nothing is lost when it is forgotten. */
bool bucket_is_full(const struct bucket *b, uint64_t now_ms);

#endif
