#include "cluster/routes.h"

#include <stdlib.h>

#include "proto/base/err.h"

#define CAP_MIN 64

void routes_init(struct routes *r)
{
	*r = (struct routes){ 0 };
}

void routes_fini(struct routes *r)
{
	free(r->slots);
	routes_init(r);
}

static uint64_t kept(uint64_t fp)
{
	return fp ? fp : 1;
}

/* The low bits chose the worker, so they are alike in a worker's table: the high ones choose the slot. */
static size_t home_slot(const struct routes *r, uint64_t fp)
{
	return (size_t)(fp >> 20) & (r->cap - 1);
}

static size_t slot_of(const struct routes *r, uint64_t fp)
{
	size_t i = home_slot(r, fp);
	while (r->slots[i].fp && r->slots[i].fp != fp)
		i = (i + 1) & (r->cap - 1);
	return i;
}

struct route *routes_find(const struct routes *r, uint64_t fp)
{
	if (!r->n)
		return NULL;
	struct route *e = &r->slots[slot_of(r, kept(fp))];
	return e->fp ? e : NULL;
}

static void resize(struct routes *r, size_t cap)
{
	struct routes old = *r;
	r->slots = xzalloc(cap * sizeof *r->slots);
	r->cap = cap;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].fp)
			r->slots[slot_of(r, old.slots[i].fp)] = old.slots[i];
	free(old.slots);
}

void routes_put(struct routes *r, uint64_t fp, uint32_t epoch, uint64_t hlc)
{
	fp = kept(fp);
	if ((r->n + 1) * 10 > r->cap * 6)
		resize(r, r->cap ? r->cap * 2 : CAP_MIN);
	struct route *e = &r->slots[slot_of(r, fp)];
	r->n += !e->fp;
	*e = (struct route){ .fp = fp, .hlc = hlc, .epoch = epoch };
}

/* What comes behind the hole moves up, unless it would stand before the place where a search for it begins. */
static void close_hole(struct routes *r, size_t hole)
{
	size_t mask = r->cap - 1;
	for (size_t i = (hole + 1) & mask; r->slots[i].fp; i = (i + 1) & mask) {
		size_t wants = home_slot(r, r->slots[i].fp);
		if (((i - wants) & mask) >= ((i - hole) & mask)) {
			r->slots[hole] = r->slots[i];
			hole = i;
		}
	}
	r->slots[hole].fp = 0;
}

void routes_del(struct routes *r, uint64_t fp)
{
	struct route *e = routes_find(r, fp);
	if (!e)
		return;
	close_hole(r, (size_t)(e - r->slots));
	r->n--;
	if (r->cap > CAP_MIN && r->n * 10 < r->cap)
		resize(r, r->cap / 2);
}

const struct route *routes_next(const struct routes *r, size_t *i)
{
	while (*i < r->cap) {
		const struct route *e = &r->slots[(*i)++];
		if (e->fp)
			return e;
	}
	return NULL;
}

void routes_sweep(struct routes *r, bool (*goes)(const struct route *e, void *arg), void *arg)
{
	struct routes old = *r;
	size_t i = 0;
	const struct route *e;
	routes_init(r);
	while ((e = routes_next(&old, &i))) {
		if (goes(e, arg))
			continue;
		routes_put(r, e->fp, e->epoch, e->hlc);
		routes_find(r, e->fp)->hearsay = e->hearsay;
	}
	routes_fini(&old);
}
