#include "cluster/tally.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"

static uint64_t weight(const struct route *e)
{
	uint64_t x = e->fp ^ e->hlc * UINT64_C(0x9e3779b97f4a7c15);
	x ^= x >> 29;
	return x * UINT64_C(0xbf58476d1ce4e5b9);
}

static void count(struct tally *t, const struct route *e)
{
	struct tally_part *p = &t->parts[e->fp % t->of];
	p->sum += weight(e);
	p->n++;
}

static void forget(struct tallies *t, unsigned i)
{
	free(t->all[i].parts);
	memmove(&t->all[i], &t->all[i + 1], (--t->n - i) * sizeof t->all[0]);
}

void tallies_fini(struct tallies *t)
{
	while (t->n)
		forget(t, t->n - 1);
}

void tallies_del(struct tallies *t, const struct route *e)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->all[i].epoch != e->epoch)
			continue;
		struct tally_part *p = &t->all[i].parts[e->fp % t->all[i].of];
		p->sum -= weight(e);
		p->n--;
	}
}

void tallies_add(struct tallies *t, const struct route *e)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->all[i].epoch == e->epoch)
			count(&t->all[i], e);
}

static struct tally *add(struct tallies *t, const struct routes *r, uint32_t epoch, unsigned of)
{
	if (t->n == TALLIES_MAX)
		forget(t, 0);
	struct tally *new = &t->all[t->n++];
	*new = (struct tally){ .epoch = epoch, .of = of, .parts = xzalloc(of * sizeof *new->parts) };
	size_t i = 0;
	for (const struct route *e; (e = routes_next(r, &i));)
		if (e->epoch == epoch)
			count(new, e);
	return new;
}

struct tally_part tallies_part(struct tallies *t, const struct routes *r, uint32_t epoch, unsigned part, unsigned of)
{
	BUG_ON(part >= of || of > TALLY_PARTS_MAX);
	for (unsigned i = 0; i < t->n; i++)
		if (t->all[i].epoch == epoch && t->all[i].of == of)
			return t->all[i].parts[part];
	return add(t, r, epoch, of)->parts[part];
}

void tallies_drop(struct tallies *t, uint32_t epoch)
{
	for (unsigned i = t->n; i-- > 0;)
		if (t->all[i].epoch == epoch)
			forget(t, i);
}
