#include "proto/base/rng.h"

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void fill_seeded(struct rng *r, void *out, size_t n)
{
	char *p = out;
	while (n) {
		uint64_t v = splitmix64(&r->state);
		size_t step = n < sizeof(v) ? n : sizeof(v);
		memcpy(p, &v, step);
		p += step;
		n -= step;
	}
}

void rng_init_seeded(struct rng *r, uint64_t seed)
{
	*r = (struct rng){ .fill = fill_seeded, .state = seed };
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t v;
	rng_fill(r, &v, sizeof(v));
	return v;
}

struct str rng_token(struct rng *r, struct arena *a, size_t n_chars)
{
	static const char letters[32] = "abcdefghijklmnopqrstuvwxyz234567";
	char *p = arena_alloc(a, n_chars + 1);
	rng_fill(r, p, n_chars);
	for (size_t i = 0; i < n_chars; i++)
		p[i] = letters[p[i] & 31];
	p[n_chars] = '\0';
	return str_span(p, n_chars);
}
