/*
 * hlc.h: the cluster's clock, a hybrid of wall clock and counter: about the wall clock in ms << 16, and what was caused by something has a
 * later time than that, on whatever node, as each frame brings its sender's clock along. So "the newer one wins" means what people saw,
 * although wall clocks differ by some seconds.
 *
 * A peer whose wall clock is wrong does not drag the others along: it moves ours to HLC_AHEAD_MS before our wall clock at the most; the
 * core says so in the log (CORE_CLOCK_SKEW). Any thread.
 */
#ifndef CLUSTER_HLC_H
#define CLUSTER_HLC_H

#include <stdatomic.h>
#include <stdint.h>

#define HLC_AHEAD_MS 5000

/* Later than all that this clock has told and heard. */
uint64_t hlc_now(_Atomic uint64_t *clock, int64_t wall_ms);
/* What a peer's clock said. 0: it has none. */
void hlc_hear(_Atomic uint64_t *clock, uint64_t time, int64_t wall_ms);
static inline uint64_t hlc_of(int64_t wall_ms) { return wall_ms > 0 ? (uint64_t)wall_ms << 16 : 0; }

#endif
