#include "node/core/rein.h"

#include <stdlib.h>

#include "node/core/session.h"

#define TELL_AFTER_MS 10
#define RENEW_MS      1000
#define WORKER_SHIFT  56 /* in a name: the worker above the sid */

/* A client of another node whom something here brakes. */
struct rein {
	struct reins *all;
	struct sender who;
	unsigned brakes;
	bool told;
	struct timer timer;
	char key[sizeof(uint64_t) + sizeof(uint32_t)];
};

/* A client of ours whom a worker of another node brakes. */
struct reined {
	struct reins *all;
	uint64_t sid;
	struct timer timer; /* until it must be renewed */
	char key[sizeof(uint64_t) + 2 * sizeof(uint32_t)];
};

struct reins {
	struct node_worker *nw;
	struct map on;      /* key -> struct rein */
	struct map braked;  /* key -> struct reined */
};

/* ---- names ---- */

uint64_t rein_name(const struct node_worker *nw, uint32_t *epoch)
{
	const struct sender *s = &nw->sender;
	*epoch = 0;
	if (!s->sid)
		return 0;
	*epoch = s->worker ? homes_self(nw->fleet->homes) : s->epoch;
	return s->worker ? s->sid | (uint64_t)s->worker->index << WORKER_SHIFT : s->sid;
}

static uint64_t sid_of(uint64_t name)
{
	return name & ((UINT64_C(1) << WORKER_SHIFT) - 1);
}

static unsigned worker_of(uint64_t name)
{
	return (unsigned)(name >> WORKER_SHIFT);
}

struct sender rein_sender(const struct node_worker *nw, uint32_t epoch, uint64_t name)
{
	struct sender none = { .sid = 0 };
	if (!epoch || !sid_of(name))
		return none;
	if (epoch != homes_self(nw->fleet->homes))
		return (struct sender){ .sid = name, .epoch = epoch };
	if (worker_of(name) >= nw->node->n_workers)
		return none;
	return (struct sender){ .worker = nw->node->workers[worker_of(name)], .sid = sid_of(name), .epoch = epoch };
}

/* ---- clients of other nodes ---- */

/* `for_ms` 0: it may go on. */
static void tell(const struct rein *r, uint32_t for_ms)
{
	struct node_worker *nw = r->all->nw;
	const struct view *v = nw->fleet->view;
	const struct view_node *to = v ? view_find(v, r->who.epoch) : NULL;
	if (!to || !to->workers || to->speaks < REIN_PROTOCOL)
		return;
	/* To that worker; 0 would be for all. */
	struct frame_record out = fleet_record(FLEET_BRAKE, (uint64_t)to->workers + worker_of(r->who.sid), sid_of(r->who.sid));
	out.osm = nw->worker->index;
	out.oseq = for_ms;
	fleet_send(nw, r->who.epoch, &out);
}

static void tell_on(struct rein *r)
{
	if (!r->told)
		count(r->all->nw, METRIC_BRAKES_TOLD_TOTAL, 1);
	r->told = true;
	tell(r, REIN_MAX_MS);
	worker_timer_set(r->all->nw->worker, &r->timer, RENEW_MS);
}

static void on_due(struct timer *t)
{
	tell_on((struct rein *)((char *)t - offsetof(struct rein, timer)));
}

static struct str key_of(char key[sizeof(uint64_t) + sizeof(uint32_t)], const struct sender *s)
{
	memcpy(key, &s->sid, sizeof s->sid);
	memcpy(key + sizeof s->sid, &s->epoch, sizeof s->epoch);
	return str_span(key, sizeof s->sid + sizeof s->epoch);
}

static struct rein *rein_new(struct reins *all, const struct sender *s)
{
	struct rein *r = xzalloc(sizeof *r);
	r->all = all;
	r->who = *s;
	r->timer.on_timer = on_due;
	map_put(&all->on, key_of(r->key, s), r);
	return r;
}

static void rein_free(struct rein *r)
{
	worker_timer_cancel(r->all->nw->worker, &r->timer);
	map_del(&r->all->on, str_span(r->key, sizeof r->key));
	free(r);
}

static struct rein *rein_find(const struct reins *all, const struct sender *s)
{
	char key[sizeof(uint64_t) + sizeof(uint32_t)];
	return map_get(&all->on, key_of(key, s));
}

void rein_on(struct node_worker *nw, const struct sender *s, bool at_once)
{
	struct reins *all = nw->fleet->reins;
	struct rein *r = rein_find(all, s);
	if (!r)
		r = rein_new(all, s);
	if (r->brakes++ == 0 && !at_once)
		worker_timer_set(nw->worker, &r->timer, TELL_AFTER_MS);
	if (at_once && !r->told)
		tell_on(r);
}

void rein_off(struct node_worker *nw, const struct sender *s)
{
	struct rein *r = rein_find(nw->fleet->reins, s);
	BUG_ON(!r);
	if (--r->brakes)
		return;
	if (r->told)
		tell(r, 0);
	rein_free(r);
}

/* ---- clients of ours ---- */

static void let_go(struct reined *b)
{
	struct node_worker *nw = b->all->nw;
	uint64_t sid = b->sid;
	worker_timer_cancel(nw->worker, &b->timer);
	map_del(&b->all->braked, str_span(b->key, sizeof b->key));
	free(b);
	count(nw, METRIC_BRAKED, -1);
	session_release(nw, sid);
}

static void on_lapsed(struct timer *t)
{
	let_go((struct reined *)((char *)t - offsetof(struct reined, timer)));
}

static struct reined *hold(struct reins *all, const char *key, uint64_t sid)
{
	struct session *s = session_find(all->nw, sid);
	if (!s)
		return NULL;
	struct reined *b = xzalloc(sizeof *b);
	b->all = all;
	b->sid = sid;
	b->timer.on_timer = on_lapsed;
	memcpy(b->key, key, sizeof b->key);
	map_put(&all->braked, str_span(b->key, sizeof b->key), b);
	count(all->nw, METRIC_BRAKED, 1);
	session_hold(s);
	return b;
}

void rein_record(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct reins *all = nw->fleet->reins;
	uint32_t worker = (uint32_t)r->osm;
	char key[sizeof(uint64_t) + 2 * sizeof(uint32_t)];
	memcpy(key, &r->dst_sid, sizeof r->dst_sid);
	memcpy(key + sizeof r->dst_sid, &from, sizeof from);
	memcpy(key + sizeof r->dst_sid + sizeof from, &worker, sizeof worker);
	struct reined *b = map_get(&all->braked, str_span(key, sizeof key));
	if (!r->oseq) {
		if (b)
			let_go(b);
		return;
	}
	if (!b)
		b = hold(all, key, r->dst_sid);
	if (b)
		worker_timer_set(nw->worker, &b->timer, r->oseq < REIN_MAX_MS ? r->oseq : REIN_MAX_MS);
}

/* ---- life ---- */

struct reins *reins_new(struct node_worker *nw)
{
	struct reins *all = xzalloc(sizeof *all);
	all->nw = nw;
	map_init(&all->on, nw->node->hash_key);
	map_init(&all->braked, nw->node->hash_key);
	return all;
}

/* Its worker is gone, and with it the timers. */
void reins_free(struct reins *all)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&all->on, &i, &key, &value);)
		free(value);
	for (size_t i = 0; map_next(&all->braked, &i, &key, &value);)
		free(value);
	map_fini(&all->on);
	map_fini(&all->braked);
	free(all);
}
