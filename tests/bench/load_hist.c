#include "tests/bench/load_hist.h"

/* Values below 2^SUB_BITS have a bucket each; above, the leading bit picks the row and the next SUB_BITS the column. */
static size_t bucket_of(uint64_t value)
{
	if (value < (1u << HIST_SUB_BITS))
		return (size_t)value;
	if (value >> HIST_MAX_BITS)
		return HIST_BUCKETS - 1;
	unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
	return ((size_t)(shift + 1) << HIST_SUB_BITS) + (size_t)((value >> shift) & ((1u << HIST_SUB_BITS) - 1));
}

/* The largest value that falls into that bucket. */
static uint64_t top_of(size_t bucket)
{
	if (bucket < (1u << HIST_SUB_BITS))
		return bucket;
	unsigned shift = (unsigned)(bucket >> HIST_SUB_BITS) - 1;
	uint64_t base = (1u << HIST_SUB_BITS) + (bucket & ((1u << HIST_SUB_BITS) - 1));
	return ((base + 1) << shift) - 1;
}

void load_hist_add(struct load_hist *h, uint64_t value)
{
	h->buckets[bucket_of(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

uint64_t load_hist_percentile(const struct load_hist *h, double percent)
{
	uint64_t wanted = (uint64_t)((double)h->count * percent / 100.0 + 0.5), seen = 0;
	if (wanted == 0)
		wanted = 1;
	for (size_t i = 0; i < HIST_BUCKETS && h->count; i++) {
		seen += h->buckets[i];
		if (seen >= wanted)
			return top_of(i) < h->max ? top_of(i) : h->max;
	}
	return h->max;
}
