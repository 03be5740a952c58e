/*
 * wheel.h: many timers, cheap to set and to cancel. A hierarchical wheel of 4 levels of 64 slots, one tick = 16 ms, so up to 74 hours ahead
 * (later times wait in the last slot and are set again). It knows no clock: the caller brings `now_ms`, monotonic.
 *
 * Ownership: a timer is embedded in its owner and must be cancelled before the owner dies. One thread.
 * A timer fires at its time or up to two ticks later, never before. A timer set from a callback for now or the past fires at the next
 * advance. The order in which timers fire within one advance is that of their ticks; within a tick there is none.
 */
#ifndef PROTO_BASE_WHEEL_H
#define PROTO_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
	struct timer *next, **prev; /* prev == NULL: not set */
	uint64_t at_tick;
	void (*on_timer)(struct timer *t);
};
struct wheel {
	uint64_t tick;
	unsigned count;
	uint64_t busy[4]; /* one bit a slot that is not empty */
	struct timer *slots[4][64];
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* Sets or sets again. t->on_timer must be filled in; t zeroed or used before. */
void timer_set(struct wheel *w, struct timer *t, uint64_t at_ms);
/* Harmless when it is not set. */
void timer_cancel(struct wheel *w, struct timer *t);
static inline bool timer_is_set(const struct timer *t) { return t->prev != 0; }
/* Fires all that are due. */
void wheel_advance(struct wheel *w, uint64_t now_ms);
/* How long the caller may sleep: ms until something may be due, -1 when no timer is set. */
int64_t wheel_sleep_ms(const struct wheel *w, uint64_t now_ms);

#endif
