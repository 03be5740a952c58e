#include "proto/base/bucket.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_MAX    (UINT64_MAX / 4) /* sums of two do not overflow; 146 years */

static uint64_t at_most(uint64_t ns)
{
	return ns < NS_MAX ? ns : NS_MAX;
}

static uint64_t mul_sat(uint64_t a, uint64_t b)
{
	uint64_t r;
	return __builtin_mul_overflow(a, b, &r) ? NS_MAX : at_most(r);
}

struct bucket_rate bucket_rate_of(uint64_t tokens, uint64_t period_ms, uint64_t burst)
{
	struct bucket_rate r = { .burst = burst ? burst : 1 };
	if (tokens)
		r.cost_ns = mul_sat(period_ms, NS_PER_MS) / tokens;
	return r;
}

/* The ns of debt there would be. */
static uint64_t debt(const struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms, uint64_t *paid)
{
	uint64_t now = mul_sat(now_ms, NS_PER_MS), room = mul_sat(r->burst, r->cost_ns);
	*paid = at_most((b->paid_ns > now ? b->paid_ns : now) + mul_sat(n, r->cost_ns));
	return *paid - now > room ? *paid - now - room : 0;
}

uint64_t bucket_take(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms)
{
	if (!r->cost_ns)
		return 0;
	return (debt(b, r, n, now_ms, &b->paid_ns) + NS_PER_MS - 1) / NS_PER_MS;
}

bool bucket_try(struct bucket *b, const struct bucket_rate *r, uint64_t n, uint64_t now_ms)
{
	uint64_t paid;
	if (!r->cost_ns)
		return true;
	if (debt(b, r, n, now_ms, &paid))
		return false;
	b->paid_ns = paid;
	return true;
}

bool bucket_is_full(const struct bucket *b, uint64_t now_ms)
{
	return b->paid_ns <= mul_sat(now_ms, NS_PER_MS);
}
