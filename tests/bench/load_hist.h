/*
 * load_hist.h: a histogram of durations, log-linear: 64 steps for each power of two, so that a percentile is right to 1.6 %.
 *
 * Invariant: fixed size, no allocation; values above 2^40 ns (18 minutes) count as the largest. One thread.
 */
#ifndef TESTS_BENCH_LOAD_HIST_H
#define TESTS_BENCH_LOAD_HIST_H

#include <stddef.h>
#include <stdint.h>

enum { HIST_SUB_BITS = 6, HIST_MAX_BITS = 40, HIST_BUCKETS = (HIST_MAX_BITS - HIST_SUB_BITS + 2) << HIST_SUB_BITS };

struct load_hist {
	uint64_t count, max;
	uint64_t buckets[HIST_BUCKETS];
};

void load_hist_add(struct load_hist *h, uint64_t value);
/* The smallest recorded value that `percent` (0-100) of all do not exceed, up to the width of its step; 0 when nothing is recorded. */
uint64_t load_hist_percentile(const struct load_hist *h, double percent);

#endif
