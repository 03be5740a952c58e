#include "cluster/purge.h"

#include <stdlib.h>

#define BUCKETS  64
#define ROWS     200 /* accounts: about 2 ms of Redis */
#define EVERY_MS 20
#define RETRY_MS 1000

struct purge {
	struct worker *w;
	struct purge_out out;
	struct registry_call call;
	struct timer next;
	uint8_t bucket;
	uint32_t epochs[PURGES_MAX]; /* the first is under way */
	unsigned n;
};

static void on_next(struct timer *t)
{
	struct purge *p = (struct purge *)((char *)t - offsetof(struct purge, next));
	p->call = (struct registry_call){ .verb = REGISTRY_PURGE, .epoch = p->epochs[0], .bucket = p->bucket, .limit = ROWS };
	p->out.ask(p->out.arg, &p->call);
}

struct purge *purge_new(struct worker *w, const struct purge_out *out)
{
	struct purge *p = xzalloc(sizeof *p);
	p->w = w;
	p->out = *out;
	p->next.on_timer = on_next;
	return p;
}

void purge_free(struct purge *p)
{
	if (!p)
		return;
	worker_timer_cancel(p->w, &p->next);
	free(p);
}

bool purge_add(struct purge *p, uint32_t dead_epoch)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->epochs[i] == dead_epoch)
			return true;
	if (p->n == PURGES_MAX)
		return false;
	p->epochs[p->n++] = dead_epoch;
	if (p->n == 1) {
		p->bucket = 0;
		worker_timer_set(p->w, &p->next, 0);
	}
	return true;
}

static void step(struct purge *p)
{
	if (++p->bucket < BUCKETS)
		return;
	p->bucket = 0;
	p->n--;
	memmove(p->epochs, p->epochs + 1, p->n * sizeof p->epochs[0]);
}

void purge_answered(struct purge *p, struct registry_call *c)
{
	enum err err = c->err;
	for (unsigned i = 0; err == ERR_NONE && i < c->n_rows; i++)
		p->out.row(p->out.arg, c->epoch, &c->rows[i]);
	p->out.end(p->out.arg);
	if (err == ERR_NONE && !c->more)
		step(p);
	if (c->arena)
		arena_free(c->arena);
	c->arena = NULL;
	if (p->n)
		worker_timer_set(p->w, &p->next, err == ERR_NONE ? EVERY_MS : RETRY_MS);
}
