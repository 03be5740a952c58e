/*
 * Level l holds timers that are 64^l to 64^(l+1) - 1 ticks ahead, in slots 64^l ticks wide. When the tick enters a slot of a higher level,
 * its timers are placed again (cascade), nearer. The busy bits find the next slot with something in it, so empty ticks cost nothing.
 */
#include "proto/base/wheel.h"

#include <stddef.h>

#include "proto/base/err.h"

#define TICK_MS 16
#define LEVELS  4
#define BITS    6
#define SLOTS   64
#define SPAN    (1ull << (LEVELS * BITS))

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	*w = (struct wheel){ .tick = now_ms / TICK_MS };
}

static void link_at(struct timer **head, struct timer *t)
{
	t->next = *head;
	t->prev = head;
	if (t->next)
		t->next->prev = &t->next;
	*head = t;
}

static void place(struct wheel *w, struct timer *t)
{
	uint64_t at = t->at_tick < w->tick ? w->tick : t->at_tick;
	if (at - w->tick >= SPAN)
		at = w->tick + SPAN - 1;
	unsigned level = 0;
	while (at - w->tick >= 1ull << (level + 1) * BITS)
		level++;
	unsigned slot = (at >> level * BITS) & (SLOTS - 1);
	link_at(&w->slots[level][slot], t);
	w->busy[level] |= 1ull << slot;
}

static void unlink_timer(struct wheel *w, struct timer *t)
{
	/* Which slot it is the first of, if any; the due list's head and other timers' `next` lie outside of the array. */
	size_t slot = ((uintptr_t)t->prev - (uintptr_t)&w->slots[0][0]) / sizeof(t->prev);
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else if (slot < LEVELS * SLOTS)
		w->busy[slot / SLOTS] &= ~(1ull << slot % SLOTS);
	t->next = NULL;
	t->prev = NULL;
}

void timer_set(struct wheel *w, struct timer *t, uint64_t at_ms)
{
	BUG_ON(!t->on_timer);
	timer_cancel(w, t);
	t->at_tick = at_ms / TICK_MS + (at_ms % TICK_MS != 0);
	place(w, t);
	w->count++;
}

void timer_cancel(struct wheel *w, struct timer *t)
{
	if (!t->prev)
		return;
	unlink_timer(w, t);
	w->count--;
}

/* The first tick after the present one at which a busy slot is entered; UINT64_MAX when there is none. */
static uint64_t next_busy_tick(const struct wheel *w)
{
	uint64_t best = UINT64_MAX;
	for (unsigned l = 0; l < LEVELS; l++) {
		if (!w->busy[l])
			continue;
		uint64_t here = w->tick >> l * BITS;
		unsigned turn = (here + 1) & (SLOTS - 1);
		uint64_t ahead = turn ? w->busy[l] >> turn | w->busy[l] << (SLOTS - turn) : w->busy[l];
		uint64_t at = (here + 1 + (unsigned)__builtin_ctzll(ahead)) << l * BITS;
		best = at < best ? at : best;
	}
	return best;
}

static void cascade(struct wheel *w)
{
	for (unsigned l = 1; l < LEVELS && !(w->tick & ((1ull << l * BITS) - 1)); l++) {
		struct timer **head = &w->slots[l][(w->tick >> l * BITS) & (SLOTS - 1)], *list = *head;
		if (!list)
			continue;
		*head = NULL;
		w->busy[l] &= ~(1ull << (head - w->slots[l]));
		for (struct timer *t = list, *next; t; t = next) {
			next = t->next;
			place(w, t);
		}
	}
}

/* Moves the timers of the present tick's slot to the list that ends at *tail; returns its new end. */
static struct timer **collect(struct wheel *w, struct timer **tail)
{
	struct timer **head = &w->slots[0][w->tick & (SLOTS - 1)];
	if (!*head)
		return tail;
	*tail = *head;
	(*tail)->prev = tail;
	*head = NULL;
	w->busy[0] &= ~(1ull << (w->tick & (SLOTS - 1)));
	while (*tail)
		tail = &(*tail)->next;
	return tail;
}

/* First all due timers move to one list, then they fire: callbacks see a wheel whose tick is the present, and may set and cancel any
 * timer. */
void wheel_advance(struct wheel *w, uint64_t now_ms)
{
	uint64_t goal = now_ms / TICK_MS;
	struct timer *due = NULL, **tail = collect(w, &due);
	while (w->tick < goal) {
		uint64_t next = next_busy_tick(w);
		w->tick = next < goal ? next : goal;
		cascade(w);
		tail = collect(w, tail);
	}
	while (due) {
		struct timer *t = due;
		unlink_timer(w, t);
		w->count--;
		t->on_timer(t);
	}
}

int64_t wheel_sleep_ms(const struct wheel *w, uint64_t now_ms)
{
	if (w->count == 0)
		return -1;
	if (w->slots[0][w->tick & (SLOTS - 1)])
		return 0;
	uint64_t at_ms = next_busy_tick(w) * TICK_MS;
	return at_ms > now_ms ? (int64_t)(at_ms - now_ms) : 0;
}
