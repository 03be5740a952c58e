#include "node/core/lag.h"

#include <stdlib.h>
#include <uv.h>

#define DONE_MAX (sizeof((struct lag_pool *)0)->done / sizeof(struct lag_run))

static struct lag *block_take(struct lag_pool *p)
{
	struct lag *l = p->spare;
	if (!l)
		return xzalloc(sizeof *l);
	p->spare = l->next;
	p->n_spare--;
	l->first = l->n = 0;
	return l;
}

void lag_drop(struct lag_pool *p, struct lag **l)
{
	struct lag *b = *l;
	*l = NULL;
	if (!b)
		return;
	if (p->n_spare >= LAG_SPARE) {
		free(b);
		return;
	}
	b->next = p->spare;
	p->spare = b;
	p->n_spare++;
}

void lag_add(struct lag_pool *p, struct lag **l, uint64_t read_ns, enum stanza_kind kind, uint64_t end)
{
	struct lag *b = *l ? *l : (*l = block_take(p));
	struct lag_run *r = b->n ? &b->runs[(b->first + b->n - 1) % LAG_RUNS] : NULL;
	if (!r || (b->n < LAG_RUNS && (r->read_ns != read_ns || r->kind != (uint32_t)kind))) {
		r = &b->runs[(b->first + b->n++) % LAG_RUNS];
		*r = (struct lag_run){ .read_ns = read_ns, .kind = (uint32_t)kind };
	}
	r->n++;
	r->end = end;
}

void lag_time(struct lag_pool *p, uint64_t now_ns, struct metrics *m)
{
	for (unsigned i = 0; i < p->n_done; i++) {
		const struct lag_run *r = &p->done[i];
		histogram_add(&m->h[HISTOGRAM_AT_DELIVERY + r->kind], now_ns > r->read_ns ? now_ns - r->read_ns : 0, r->n);
	}
	p->n_done = p->flushes = 0;
}

void lag_written(struct lag_pool *p, struct lag **l, uint64_t written, struct metrics *m)
{
	struct lag *b = *l;
	if (!b)
		return;
	while (b->n && b->runs[b->first].end <= written) {
		if (p->n_done == DONE_MAX)
			lag_time(p, uv_hrtime(), m);
		p->done[p->n_done++] = b->runs[b->first];
		b->first = (b->first + 1) % LAG_RUNS;
		b->n--;
	}
	if (++p->flushes >= LAG_FLUSHES)
		lag_time(p, uv_hrtime(), m);
	if (!b->n)
		lag_drop(p, l);
}

void lag_pool_fini(struct lag_pool *p)
{
	while (p->spare) {
		struct lag *next = p->spare->next;
		free(p->spare);
		p->spare = next;
	}
	p->n_spare = 0;
}
