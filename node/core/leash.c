#include "node/core/leash.h"

#include <stdlib.h>

#include "node/core/brake.h"

#define COUNT_MS 2000

/* An echo is under way, and who waits for it. */
struct leash {
	struct leashes *all;
	struct paid_out *of;
	struct timer timer;
	uint64_t number;      /* of the echo */
	uint32_t after;       /* bytes sent since it */
	unsigned n, room;
	struct sender *held;
};

/* What went to an account on a node. */
struct paid_out {
	uint64_t fp;
	uint32_t epoch, bytes; /* bytes 0: nothing */
	uint64_t at_ms;        /* the last of it */
	struct leash *leash;   /* mostly NULL */
};

struct leashes {
	struct node_worker *nw;
	uint64_t numbers;
	struct paid_out of[LEASH_SETS * LEASH_WAYS];
};

/* ---- what is counted ---- */

static struct paid_out *set_of(struct leashes *all, uint64_t fp)
{
	return &all->of[(fp >> 32) % LEASH_SETS * LEASH_WAYS]; /* its lower bits have chosen the worker */
}

static struct paid_out *find(struct leashes *all, uint32_t epoch, uint64_t fp)
{
	struct paid_out *set = set_of(all, fp);
	for (unsigned i = 0; i < LEASH_WAYS; i++)
		if (set[i].fp == fp && set[i].epoch == epoch)
			return &set[i];
	return NULL;
}

/* Instead of the one with the least. NULL: all others have leashes. */
static struct paid_out *add(struct leashes *all, uint32_t epoch, uint64_t fp)
{
	uint64_t now_ms = all->nw->worker->now_ms;
	struct paid_out *set = set_of(all, fp), *least = NULL;
	for (unsigned i = 0; i < LEASH_WAYS; i++) {
		struct paid_out *p = &set[i];
		if (!p->leash && now_ms - p->at_ms > COUNT_MS)
			p->bytes = 0;
		if (!p->leash && (!least || p->bytes < least->bytes))
			least = p;
	}
	if (least)
		*least = (struct paid_out){ .fp = fp, .epoch = epoch };
	return least;
}

/* ---- who waits ---- */

static void send_echo(struct leash *l)
{
	struct node_worker *nw = l->all->nw;
	struct frame_record r = fleet_record(FLEET_ECHO, l->of->fp, 0);
	l->number = ++l->all->numbers;
	l->after = 0;
	r.osm = l->number;
	fleet_send(nw, l->of->epoch, &r);
}

static void leash_free(struct leash *l)
{
	worker_timer_cancel(l->all->nw->worker, &l->timer);
	l->of->leash = NULL;
	free(l->held);
	free(l);
}

static void let_go(struct leash *l)
{
	l->of->bytes = l->after;
	for (unsigned i = 0; i < l->n; i++)
		brake_off(l->all->nw, &l->held[i]);
	leash_free(l);
}

static void on_late(struct timer *t)
{
	struct leash *l = (struct leash *)((char *)t - offsetof(struct leash, timer));
	l->after = 0;
	let_go(l);
}

static struct leash *leash_new(struct leashes *all, struct paid_out *p)
{
	struct leash *l = p->leash = xzalloc(sizeof *l);
	l->all = all;
	l->of = p;
	l->timer.on_timer = on_late;
	worker_timer_set(all->nw->worker, &l->timer, LEASH_MS);
	count(all->nw, METRIC_LEASHES_TOTAL, 1);
	send_echo(l);
	return l;
}

static bool is_same(const struct sender *a, const struct sender *b)
{
	return a->sid == b->sid && a->worker == b->worker && a->epoch == b->epoch;
}

/* The newest first: who was held just now may have said more before he heard of it. */
static bool is_held(const struct leash *l, const struct sender *s)
{
	for (unsigned i = l->n; i--;)
		if (is_same(&l->held[i], s))
			return true;
	return false;
}

static void hold(struct leash *l, const struct sender *s)
{
	if (l->n == LEASHED_MAX || is_held(l, s))
		return;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 4;
		l->held = xrealloc(l->held, l->room * sizeof *l->held);
	}
	l->held[l->n++] = *s;
	brake_on_at_once(l->all->nw, s);
}

void leash_sent(struct node_worker *nw, uint32_t epoch, uint64_t fp, size_t bytes)
{
	struct leashes *all = nw->fleet->leashes;
	uint64_t now_ms = nw->worker->now_ms;
	if (!nw->sender.sid)
		return;
	struct paid_out *p = find(all, epoch, fp);
	if (!p)
		p = add(all, epoch, fp);
	if (!p)
		return;
	if (p->leash)
		p->leash->after += (uint32_t)bytes;
	else
		p->bytes = (uint32_t)bytes + (now_ms - p->at_ms > COUNT_MS ? 0 : p->bytes);
	p->at_ms = now_ms;
	if (!p->leash && p->bytes <= LEASH_BYTES)
		return;
	if (p->leash || fleet_speaks(nw->fleet, epoch) >= LEASH_PROTOCOL)
		hold(p->leash ? p->leash : leash_new(all, p), &nw->sender);
	else
		p->bytes = 0;
}

/* ---- records ---- */

static void answer(struct node_worker *nw, uint32_t to, const struct frame_record *r)
{
	struct frame_record echoed = fleet_record(FLEET_ECHOED, r->dst_fp, 0);
	echoed.osm = r->osm;
	fleet_send(nw, to, &echoed);
}

static void on_echoed(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct paid_out *p = find(nw->fleet->leashes, from, r->dst_fp);
	struct leash *l = p ? p->leash : NULL;
	if (!l || l->number != r->osm)
		return;
	if (l->after > LEASH_BYTES)
		send_echo(l);
	else
		let_go(l);
}

void leash_record(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	if (r->kind == FLEET_ECHO)
		answer(nw, from, r);
	else
		on_echoed(nw, from, r);
}

/* ---- life ---- */

struct leashes *leashes_new(struct node_worker *nw)
{
	struct leashes *all = xzalloc(sizeof *all);
	all->nw = nw;
	return all;
}

/* Its worker is gone, and with it the timers. */
void leashes_free(struct leashes *all)
{
	for (unsigned i = 0; i < LEASH_SETS * LEASH_WAYS; i++) {
		struct leash *l = all->of[i].leash;
		if (l)
			free(l->held);
		free(l);
	}
	free(all);
}
