#include "cluster/places.h"

#include <stdlib.h>

#include "proto/base/map.h"

#define WAITING_MAX 1000
#define STATE_MAX   (FRAME_MAX / 2)
#define RENEW_MS    3000
#define AGAIN_MS    200   /* a claim that could not be asked for, or that a node has that we do not see alive */
#define TRIES       60

enum place_step { CLAIMS, SERVED };

struct place {
	struct str name;
	uint64_t fp, fence, again_ms;
	uint8_t step, tries;
	void *service;
	struct buf state;      /* came before the claim was ours */
	uint64_t state_fence;
	struct buf waiting;    /* a run of records */
	unsigned n_waiting;
	char text[];
};

struct places {
	struct places_out out;
	struct view *view;
	struct map names;
};

/* ---- one place ---- */

static struct place *find(const struct places *p, struct str name)
{
	return map_get(&p->names, name);
}

static void forget(struct places *p, struct place *l)
{
	map_del(&p->names, l->name);
	buf_fini(&l->state);
	buf_fini(&l->waiting);
	free(l);
}

static void claim(struct places *p, struct place *l, uint64_t now_ms)
{
	l->again_ms = now_ms + AGAIN_MS;
	p->out.claim(p->out.arg, l->name, l->fence);
}

static struct place *begin_claim(struct places *p, struct str name, uint64_t fp, uint64_t now_ms)
{
	struct place *l = xzalloc(sizeof *l + name.len);
	memcpy(l->text, name.p, name.len);
	l->name = str_span(l->text, name.len);
	l->fp = fp;
	buf_init(&l->state, STATE_MAX);
	buf_init(&l->waiting, FRAME_MAX);
	map_put(&p->names, l->name, l);
	claim(p, l, now_ms);
	return l;
}

static void each_waiting(struct places *p, struct place *l, void (*act)(struct places *p, struct place *l, const struct frame_record *r))
{
	struct buf waiting = l->waiting;
	struct str rest = buf_str(&waiting);
	struct frame_record r;
	buf_init(&l->waiting, FRAME_MAX);
	l->n_waiting = 0;
	while (frame_next_record(&rest, &r) == ERR_NONE)
		act(p, l, &r);
	buf_fini(&waiting);
}

static void refuse_one(struct places *p, struct place *l, const struct frame_record *r)
{
	(void)l;
	p->out.refuse(p->out.arg, r);
}

static void take_one(struct places *p, struct place *l, const struct frame_record *r)
{
	p->out.take(p->out.arg, l->service, r);
}

/* ---- elsewhere ---- */

static void send_on(struct places *p, uint32_t epoch, const struct frame_record *r)
{
	struct frame_record on = *r;
	if (r->ttl <= 1) {
		p->out.refuse(p->out.arg, r);
		return;
	}
	on.ttl--;
	p->out.send(p->out.arg, epoch, &on);
}

/* Its state goes first, so that it is there before what follows it. */
static void send_away(struct places *p, struct place *l, uint32_t to)
{
	struct frame_record r = { .kind = PLACES_STATE, .ttl = FRAME_TTL, .dst_fp = l->fp, .to = l->name };
	struct buf state;
	buf_init(&state, STATE_MAX);
	if (l->step == SERVED) {
		p->out.freeze(p->out.arg, l->service, &state);
		r.osm = l->fence;
		r.xml = buf_str(&state);
		p->out.send(p->out.arg, to, &r);
		p->out.end(p->out.arg, l->service);
		p->out.release(p->out.arg, l->name, l->fence);
	} else if (l->state_fence) { /* on its way through us */
		r.osm = l->state_fence;
		r.xml = buf_str(&l->state);
		p->out.send(p->out.arg, to, &r);
	}
	struct str rest = buf_str(&l->waiting);
	while (frame_next_record(&rest, &r) == ERR_NONE)
		send_on(p, to, &r);
	buf_fini(&state);
	forget(p, l);
}

/* Collected first: sending away changes the map. */
static void each_place(struct places *p, void (*act)(struct places *p, struct place *l, uint64_t now_ms), uint64_t now_ms)
{
	size_t n = 0, cap = map_count(&p->names);
	struct place **all = xmalloc((cap + 1) * sizeof *all);
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);)
		all[n++] = value;
	for (size_t i = 0; i < n; i++)
		act(p, all[i], now_ms);
	free(all);
}

static void move_if_elsewhere(struct places *p, struct place *l, uint64_t now_ms)
{
	uint32_t place = view_place(p->view, l->fp);
	(void)now_ms;
	if (place != p->view->self)
		send_away(p, l, place);
}

void places_view(struct places *p, struct view *v, uint64_t now_ms)
{
	view_unref(p->view);
	p->view = view_ref(v);
	if (v->self)
		each_place(p, move_if_elsewhere, now_ms);
}

/* ---- answers ---- */

void places_claimed(struct places *p, struct str name, enum err err, uint32_t winner, uint64_t fence, uint64_t now_ms)
{
	struct place *l = find(p, name);
	if (!l || l->step != CLAIMS)
		return;
	if (err != ERR_NONE || winner != p->view->self) { /* who has it is on his way out, or will be seen dead */
		l->again_ms = now_ms + AGAIN_MS;
		return;
	}
	bool has_state = l->state_fence && l->state_fence < fence;
	l->fence = fence;
	l->step = SERVED;
	l->again_ms = now_ms + RENEW_MS;
	l->service = p->out.begin(p->out.arg, l->name, fence, has_state ? buf_str(&l->state) : STR_NONE);
	buf_fini(&l->state);
	each_waiting(p, l, take_one);
}

void places_renewed(struct places *p, struct str name, enum err err)
{
	struct place *l = find(p, name);
	if (!l || l->step != SERVED || err != ERR_DENIED)
		return;
	p->out.end(p->out.arg, l->service);
	forget(p, l);
}

/* ---- records ---- */

static void keep_state(struct place *l, const struct frame_record *r)
{
	if (l->step != CLAIMS || r->osm <= l->state_fence)
		return;
	buf_clear(&l->state);
	buf_add_str(&l->state, r->xml);
	l->state_fence = r->osm;
	if (r->osm > l->fence)
		l->fence = r->osm;
}

void places_record(struct places *p, const struct frame_record *r, uint64_t now_ms)
{
	uint32_t place = p->view ? view_place(p->view, r->dst_fp) : 0;
	if (!place || place != p->view->self) {
		if (place)
			send_on(p, place, r);
		else
			p->out.refuse(p->out.arg, r);
		return;
	}
	struct place *l = find(p, r->to);
	if (!l)
		l = begin_claim(p, r->to, r->dst_fp, now_ms);
	if (r->kind == PLACES_STATE)
		keep_state(l, r);
	else if (l->step == SERVED)
		p->out.take(p->out.arg, l->service, r);
	else if (l->n_waiting < WAITING_MAX && frame_add_record(&l->waiting, r) == ERR_NONE)
		l->n_waiting++;
	else
		p->out.refuse(p->out.arg, r);
}

/* ---- time ---- */

static void look(struct places *p, struct place *l, uint64_t now_ms)
{
	if (now_ms < l->again_ms)
		return;
	if (l->step == SERVED) {
		l->again_ms = now_ms + RENEW_MS;
		p->out.renew(p->out.arg, l->name, l->fence);
	} else if (++l->tries < TRIES) {
		claim(p, l, now_ms);
	} else {
		each_waiting(p, l, refuse_one);
		forget(p, l);
	}
}

void places_tick(struct places *p, uint64_t now_ms)
{
	each_place(p, look, now_ms);
}

/* ---- life ---- */

struct places *places_new(const struct places_out *out, const uint64_t seed[2])
{
	struct places *p = xzalloc(sizeof *p);
	p->out = *out;
	map_init(&p->names, seed);
	return p;
}

static void end_one(struct places *p, struct place *l, uint64_t now_ms)
{
	(void)now_ms;
	if (l->step == SERVED)
		p->out.end(p->out.arg, l->service);
	forget(p, l);
}

void places_free(struct places *p)
{
	if (!p)
		return;
	each_place(p, end_one, 0);
	map_fini(&p->names);
	view_unref(p->view);
	free(p);
}

size_t places_count(const struct places *p)
{
	return map_count(&p->names);
}
