#include "node/core/histogram.h"

void histogram_sum_add(struct histogram_sum *sum, const struct histogram *h)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		sum->bucket[i] += n;
		sum->count += n;
	}
	sum->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
}

uint64_t histogram_end_us(unsigned i)
{
	if (i < 4)
		return i + 1;
	return (uint64_t)(5 + i % 4) << (i / 4 - 1);
}

uint64_t histogram_quantile_us(const struct histogram_sum *sum, double q)
{
	double wanted = q * (double)sum->count;
	uint64_t below = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += sum->bucket[i];
		if (below && (double)below >= wanted)
			return histogram_end_us(i);
	}
	return 0;
}
