/*
 * histogram.h: how long things took: log-linear buckets, four to a doubling, from 1 us to two minutes. What a quantile says is at most a
 * quarter off.
 *
 * A histogram has one writer (relaxed); any thread sums histograms up. Adding costs a few nanoseconds and never allocates.
 */
#ifndef NODE_CORE_HISTOGRAM_H
#define NODE_CORE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 104

struct histogram {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS], sum_ns;
};

/* A sum of histograms; begin with zeros. */
struct histogram_sum {
	uint64_t bucket[HISTOGRAM_BUCKETS], sum_ns, count;
};

/* Below 4 us a bucket for each; above, the exponent and the two bits after the first. */
static inline unsigned histogram_bucket(uint64_t ns)
{
	uint64_t us = ns / 1000;
	if (us < 4)
		return (unsigned)us;
	unsigned e = 63u - (unsigned)__builtin_clzll(us);
	unsigned b = (e - 1) * 4 + (unsigned)(us >> (e - 2) & 3);
	return b < HISTOGRAM_BUCKETS ? b : HISTOGRAM_BUCKETS - 1;
}

/* `n` things took `ns` each. */
static inline void histogram_add(struct histogram *h, uint64_t ns, uint64_t n)
{
	_Atomic uint64_t *b = &h->bucket[histogram_bucket(ns)];
	atomic_store_explicit(b, atomic_load_explicit(b, memory_order_relaxed) + n, memory_order_relaxed);
	atomic_store_explicit(&h->sum_ns, atomic_load_explicit(&h->sum_ns, memory_order_relaxed) + ns * n, memory_order_relaxed);
}

void histogram_sum_add(struct histogram_sum *sum, const struct histogram *h);
/* Where bucket i ends, in us: what is in it took less. */
uint64_t histogram_end_us(unsigned i);
/* The smallest end, in us, that a share of 0 < q <= 1 of all are below; 0 when there are none. */
uint64_t histogram_quantile_us(const struct histogram_sum *sum, double q);

#endif
