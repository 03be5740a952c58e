#include "cluster/places.h"

#include <stdlib.h>

#include "proto/base/map.h"

#define WAITING_MAX   1000
#define WAITING_BYTES (1u << 20)  /* of one place */
#define WAITING_ALL   (16u << 20) /* of all */
#define STATE_MAX     (FRAME_MAX / 2)
#define RENEW_MS      20000 /* and up to twice that: not all at once */
#define RENEWS        200   /* a tick */
#define AGAIN_MS      500   /* a claim that could not be asked for, or that a node has that we do not see alive; a state that nobody got */
#define REFUSE_MS     12000 /* longer than the lease of a node that died */
#define GAP_MS        4000  /* shorter than what is left of a lease when the node freezes */

enum spot_step { CLAIMS, SERVED, GIVEN, RELEASES };

/* Something that waits. */
struct waiter {
	struct waiter *next;
	struct frame_record r;
	size_t n;
	char bytes[];
};

/* A place, as far as this node has to do with it. */
struct spot {
	struct str name;
	uint64_t fp, again_ms, refuse_ms;
	uint64_t fence;        /* of our claim */
	uint64_t known;        /* the greatest that we have heard of */
	uint8_t step;
	bool asking;           /* the registry */
	bool old_ask;          /* before it became unsure: the answer proves nothing */
	bool unsure, lost, closing;
	bool inside;           /* one of its callbacks runs */
	bool gone;             /* freed as soon as nobody looks at it any more */
	unsigned holds;
	void *service;
	bool has_state;        /* CLAIMS: came from where it was; GIVEN: goes where it is now */
	struct buf state;
	uint64_t state_fence;
	uint32_t state_from;   /* CLAIMS: who waits for GOT */
	uint32_t given_to;
	struct waiter *first, **end;
	unsigned n_waiting;
	size_t waiting_bytes;
	struct spot *next_dead;
	char text[];
};

struct places {
	struct places_out out;
	struct view *view;
	struct map names;
	size_t max, waiting_bytes;
	uint64_t now_ms;
	bool ended;            /* nothing begins here any more */
	unsigned depth;        /* of calls into this file: what is gone is freed at 0 */
	struct spot *dead;
	struct places_stats stats;
};

/* ---- one place ---- */

static struct spot *find(const struct places *p, struct str name)
{
	return map_get(&p->names, name);
}

static struct spot *find_served(const struct places *p, struct str name)
{
	struct spot *l = find(p, name);
	return l && l->step == SERVED ? l : NULL;
}

static struct spot *spot_new(struct places *p, struct str name, uint64_t fp)
{
	struct spot *l = xzalloc(sizeof *l + name.len);
	memcpy(l->text, name.p, name.len);
	l->name = str_span(l->text, name.len);
	l->fp = fp;
	l->end = &l->first;
	buf_init(&l->state, STATE_MAX);
	map_put(&p->names, l->name, l);
	return l;
}

static void forget(struct places *p, struct spot *l)
{
	map_del(&p->names, l->name);
	l->gone = true;
	l->next_dead = p->dead;
	p->dead = l;
}

static void drop_state(struct spot *l)
{
	buf_fini(&l->state);
	buf_init(&l->state, STATE_MAX);
	l->has_state = false;
	l->state_fence = 0;
}

static uint32_t place_of(const struct places *p, uint64_t fp)
{
	return p->view ? view_place_of(p->view, fp, PLACES_PROTOCOL) : 0;
}

static bool is_here(const struct places *p, uint64_t fp)
{
	return p->view && p->view->self && place_of(p, fp) == p->view->self;
}

/* ---- what waits ---- */

static void refuse(struct places *p, const struct frame_record *r)
{
	p->stats.refused += r->kind == PLACES_DATA;
	p->out.refuse(p->out.arg, r);
}

static char *copy(char *to, struct str *s)
{
	if (!s->len)
		return to;
	memcpy(to, s->p, s->len);
	*s = str_span(to, s->len);
	return to + s->len;
}

static void keep_waiting(struct places *p, struct spot *l, const struct frame_record *r)
{
	size_t n = r->from.len + r->to.len + r->xml.len;
	if (l->n_waiting == WAITING_MAX || l->waiting_bytes + n > WAITING_BYTES || p->waiting_bytes + n > WAITING_ALL) {
		refuse(p, r);
		return;
	}
	struct waiter *w = xmalloc(sizeof *w + n);
	*w = (struct waiter){ .r = *r, .n = n };
	copy(copy(copy(w->bytes, &w->r.from), &w->r.to), &w->r.xml);
	if (!l->first)
		l->refuse_ms = p->now_ms + REFUSE_MS;
	*l->end = w;
	l->end = &w->next;
	l->n_waiting++;
	l->waiting_bytes += n;
	p->waiting_bytes += n;
}

/* Yours to free. */
static struct waiter *next_waiter(struct places *p, struct spot *l)
{
	struct waiter *w = l->first;
	if (!w)
		return NULL;
	l->first = w->next;
	if (!l->first)
		l->end = &l->first;
	l->n_waiting--;
	l->waiting_bytes -= w->n;
	p->waiting_bytes -= w->n;
	return w;
}

static void refuse_waiting(struct places *p, struct spot *l)
{
	for (struct waiter *w; (w = next_waiter(p, l)); free(w))
		refuse(p, &w->r);
}

/* ---- elsewhere ---- */

static void send_on(struct places *p, uint32_t epoch, const struct frame_record *r)
{
	struct frame_record on = *r;
	if (r->ttl <= 1) {
		refuse(p, r);
		return;
	}
	on.ttl--;
	p->out.send(p->out.arg, epoch, &on);
}

static void send_waiting_on(struct places *p, struct spot *l, uint32_t to)
{
	for (struct waiter *w; (w = next_waiter(p, l)); free(w))
		send_on(p, to, &w->r);
}

static void say(struct places *p, const struct spot *l, uint8_t kind, uint32_t to, uint64_t fence)
{
	struct frame_record r = { .kind = kind, .ttl = FRAME_TTL, .dst_fp = l->fp, .osm = fence, .to = l->name };
	if (to && to != p->view->self)
		p->out.send(p->out.arg, to, &r);
}

static void send_state(struct places *p, const struct spot *l, uint32_t to, uint64_t fence, uint32_t from)
{
	struct frame_record r = {
		.kind = PLACES_STATE, .rule = l->has_state, .ttl = FRAME_TTL, .dst_fp = l->fp, .dst_sid = from, .osm = fence, .to = l->name,
	};
	if (l->has_state)
		r.xml = buf_str(&l->state);
	p->out.send(p->out.arg, to, &r);
}

/* ---- the registry ---- */

static void claim(struct places *p, struct spot *l)
{
	l->step = CLAIMS;
	l->again_ms = p->now_ms + AGAIN_MS;
	if (l->asking)
		return;
	l->asking = true;
	p->out.claim(p->out.arg, l->name, l->known);
}

static void renew(struct places *p, struct spot *l)
{
	l->again_ms = p->now_ms + AGAIN_MS;
	if (l->asking)
		return;
	l->asking = true;
	p->out.renew(p->out.arg, l->name, l->fence);
}

static void release(struct places *p, struct spot *l)
{
	l->step = RELEASES;
	l->again_ms = p->now_ms + AGAIN_MS;
	p->out.release(p->out.arg, l->name, l->fence);
}

/* It is not ours: what waits for it finds who has it, or claims it. */
static void leave(struct places *p, struct spot *l)
{
	if (is_here(p, l->fp) && (l->first || l->has_state)) {
		claim(p, l);
		return;
	}
	uint32_t to = p->view && p->view->self ? place_of(p, l->fp) : 0;
	if (l->has_state && to)
		send_state(p, l, to, l->state_fence, l->state_from);
	if (to && to != p->view->self)
		send_waiting_on(p, l, to);
	refuse_waiting(p, l);
	forget(p, l);
}

/* ---- serving ---- */

static void begin(struct places *p, struct spot *l, bool with_state)
{
	struct buf state = l->state;
	buf_init(&l->state, STATE_MAX);
	l->step = SERVED;
	l->unsure = p->view->state == NODE_ISOLATED;
	l->lost = l->closing = false;
	l->again_ms = p->now_ms + RENEW_MS + l->fp % RENEW_MS;
	l->inside = true;
	l->service = p->out.begin(p->out.arg, l->name, l->fence, with_state ? buf_str(&state) : STR_NONE);
	l->inside = false;
	buf_fini(&state);
	drop_state(l);
}

static void end(struct places *p, struct spot *l)
{
	void *service = l->service;
	l->service = NULL;
	l->inside = true;
	p->out.end(p->out.arg, service);
	l->inside = false;
}

/* Its state goes first, so that it is there before what follows it. */
static void give(struct places *p, struct spot *l, uint32_t to)
{
	drop_state(l);
	p->out.freeze(p->out.arg, l->service, &l->state);
	l->has_state = buf_status(&l->state) == ERR_NONE;
	end(p, l);
	l->step = GIVEN;
	l->given_to = to;
	l->again_ms = p->now_ms + AGAIN_MS;
	p->stats.moved++;
	send_state(p, l, to, l->fence, p->view->self);
	send_waiting_on(p, l, to);
}

static void lose(struct places *p, struct spot *l)
{
	p->stats.lost++;
	end(p, l);
	p->out.release(p->out.arg, l->name, l->fence); /* if it was the store that denied it, the registry may know us still */
	if (l->fence > l->known)
		l->known = l->fence;
	drop_state(l);
	leave(p, l);
}

static void take_next(struct places *p, struct spot *l)
{
	struct waiter *w = next_waiter(p, l);
	l->inside = true;
	p->out.take(p->out.arg, l->service, &w->r);
	l->inside = false;
	free(w);
}

/* Does what is due, now that something has changed. */
static void settle(struct places *p, struct spot *l)
{
	while (l->step == SERVED && !l->gone && !l->inside && !l->holds) {
		if (l->lost) {
			lose(p, l);
		} else if (l->unsure) {
			return;
		} else if (l->closing) {
			end(p, l);
			release(p, l);
		} else if (!is_here(p, l->fp)) {
			give(p, l, place_of(p, l->fp));
		} else if (l->first) {
			take_next(p, l);
		} else {
			return;
		}
	}
}

/* Taken back before anybody had it: the claim is ours still. */
static void take_back(struct places *p, struct spot *l)
{
	begin(p, l, l->has_state);
	settle(p, l);
}

/* ---- calls into this file ---- */

static void become_unsure(struct places *p)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);) {
		struct spot *l = value;
		l->old_ask |= l->asking;
		l->unsure |= l->step == SERVED || l->step == GIVEN;
		l->again_ms = p->now_ms;
	}
}

static void enter(struct places *p, uint64_t now_ms)
{
	bool gap = p->now_ms && now_ms > p->now_ms + GAP_MS;
	p->depth++;
	if (now_ms > p->now_ms)
		p->now_ms = now_ms;
	if (gap)
		become_unsure(p);
}

static void exit_from(struct places *p)
{
	if (--p->depth)
		return;
	while (p->dead) {
		struct spot *l = p->dead;
		p->dead = l->next_dead;
		buf_fini(&l->state);
		free(l);
	}
}

/* Collected first: they come and go meanwhile. */
static void each_spot(struct places *p, void (*act)(struct places *p, struct spot *l))
{
	size_t n = 0, cap = map_count(&p->names);
	struct spot **all = xmalloc((cap + 1) * sizeof *all);
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);)
		all[n++] = value;
	for (size_t i = 0; i < n; i++)
		if (!all[i]->gone)
			act(p, all[i]);
	free(all);
}

/* ---- views ---- */

/* Our incarnation is dead, and so are its claims. */
static void renamed(struct places *p, struct spot *l)
{
	if (l->step == SERVED) {
		l->lost = true;
		settle(p, l);
		return;
	}
	drop_state(l);
	leave(p, l);
}

static void look_where(struct places *p, struct spot *l)
{
	bool here = is_here(p, l->fp);
	switch ((enum spot_step)l->step) {
	case CLAIMS:
		if (!here)
			leave(p, l);
		break;
	case SERVED:
		settle(p, l);
		break;
	case GIVEN:
		if (l->unsure)
			break;
		if (here)
			take_back(p, l);
		else if (place_of(p, l->fp) != l->given_to)
			send_state(p, l, l->given_to = place_of(p, l->fp), l->fence, p->view->self);
		break;
	case RELEASES:
		break;
	}
}

void places_view(struct places *p, struct view *v, uint64_t now_ms)
{
	struct view *before = p->view;
	enter(p, now_ms);
	p->view = view_ref(v);
	if (before && before->self && before->self != v->self)
		each_spot(p, renamed);
	if (v->state == NODE_ISOLATED || (before && before->state == NODE_ISOLATED))
		become_unsure(p);
	if (v->self)
		each_spot(p, look_where);
	view_unref(before);
	exit_from(p);
}

/* ---- answers ---- */

static bool is_old_answer(struct spot *l)
{
	bool old = l->old_ask;
	l->asking = l->old_ask = false;
	return old;
}

static void granted(struct places *p, struct spot *l, uint64_t fence)
{
	l->fence = fence;
	begin(p, l, l->has_state && l->state_fence < fence);
	settle(p, l);
}

void places_claimed(struct places *p, struct str name, enum err err, uint32_t winner, uint64_t fence, uint64_t now_ms)
{
	struct spot *l = find(p, name);
	bool ours = err == ERR_NONE && p->view && winner && winner == p->view->self;
	enter(p, now_ms);
	bool old = l && is_old_answer(l);
	if (ours && (!l || l->step == CLAIMS) && !(l && is_here(p, l->fp)))
		p->out.release(p->out.arg, name, fence); /* whoever wanted it has gone */
	else if (ours && l->step == CLAIMS && old)
		claim(p, l);
	else if (ours && l->step == CLAIMS)
		granted(p, l, fence);
	exit_from(p);
}

static void denied(struct places *p, struct spot *l)
{
	if (l->step == SERVED) {
		l->lost = true;
		settle(p, l);
	} else {
		drop_state(l);
		leave(p, l);
	}
}

static void confirmed(struct places *p, struct spot *l)
{
	l->unsure = p->view->state == NODE_ISOLATED;
	l->again_ms = p->now_ms + (l->step == SERVED ? RENEW_MS + l->fp % RENEW_MS : AGAIN_MS);
	look_where(p, l);
}

void places_renewed(struct places *p, struct str name, uint64_t fence, enum err err, uint64_t now_ms)
{
	struct spot *l = find(p, name);
	enter(p, now_ms);
	bool old = l && is_old_answer(l);
	if (l && (l->step == SERVED || l->step == GIVEN) && l->fence == fence) {
		if (err == ERR_DENIED)
			denied(p, l);
		else if (err == ERR_NONE && old)
			renew(p, l);
		else if (err == ERR_NONE)
			confirmed(p, l);
	}
	exit_from(p);
}

void places_released(struct places *p, struct str name, uint64_t fence, enum err err, uint64_t now_ms)
{
	struct spot *l = find(p, name);
	enter(p, now_ms);
	if (l && l->step == RELEASES && l->fence == fence && (err == ERR_NONE || err == ERR_DENIED)) {
		say(p, l, PLACES_FREE, l->given_to, fence);
		leave(p, l);
	}
	exit_from(p);
}

/* ---- records ---- */

static void got(struct places *p, struct spot *l, const struct frame_record *r)
{
	if (!l || l->step != GIVEN || l->fence != r->osm)
		return;
	drop_state(l);
	release(p, l);
}

/* A state that has come: the newer of two counts, of one holder's the later. Who serves already has no use for it. */
static void keep_state(struct places *p, struct spot *l, const struct frame_record *r)
{
	bool waits = l->step == CLAIMS || l->step == RELEASES;
	if (r->dst_sid == p->view->self || l->step == GIVEN)
		return;
	if (waits && r->osm >= l->state_fence) {
		drop_state(l);
		l->has_state = r->rule == 1;
		buf_add_str(&l->state, r->xml);
		l->has_state &= buf_status(&l->state) == ERR_NONE;
		l->state_fence = r->osm;
		l->state_from = (uint32_t)r->dst_sid;
		if (r->osm > l->known)
			l->known = r->osm;
	}
	say(p, l, PLACES_GOT, (uint32_t)r->dst_sid, r->osm);
}

static void take_now(struct places *p, struct spot *l, const struct frame_record *r)
{
	l->inside = true;
	p->out.take(p->out.arg, l->service, r);
	l->inside = false;
	settle(p, l);
}

static bool takes(const struct places *p, const struct spot *l)
{
	return l && l->step == SERVED && !l->holds && !l->unsure && !l->lost && !l->closing && !l->first && !l->inside && is_here(p, l->fp);
}

static void record_here(struct places *p, struct spot *l, const struct frame_record *r)
{
	bool is_new = !l;
	if (is_new && map_count(&p->names) >= p->max) {
		refuse(p, r);
		return;
	}
	if (is_new)
		l = spot_new(p, r->to, r->dst_fp);
	if (r->kind == PLACES_STATE)
		keep_state(p, l, r);
	else if (takes(p, l))
		take_now(p, l, r);
	else
		keep_waiting(p, l, r);
	if (is_new && r->kind == PLACES_STATE) /* who gave it gives the claim back as soon as he hears that it is here */
		l->again_ms = p->now_ms + AGAIN_MS;
	else if (is_new)
		claim(p, l);
}

static void record(struct places *p, const struct frame_record *r)
{
	struct spot *l = find(p, r->to);
	uint32_t place = place_of(p, r->dst_fp);
	if (r->kind == PLACES_GOT)
		got(p, l, r);
	else if (r->kind == PLACES_FREE && l && l->step == CLAIMS)
		claim(p, l);
	else if (r->kind == PLACES_FREE)
		return;
	else if (!place || !p->view->self)
		refuse(p, r);
	else if (place == p->view->self && p->ended)
		refuse(p, r);
	else if (place == p->view->self)
		record_here(p, l, r);
	else if (r->kind == PLACES_DATA && l && l->step == SERVED) /* it goes after the state, as soon as that can */
		keep_waiting(p, l, r);
	else
		send_on(p, place, r);
}

void places_record(struct places *p, const struct frame_record *r, uint64_t now_ms)
{
	enter(p, now_ms);
	record(p, r);
	exit_from(p);
}

bool places_takes(struct places *p, struct str name, uint64_t fp, uint64_t now_ms)
{
	struct spot *l = find(p, name);
	enter(p, now_ms);
	bool yes = takes(p, l) && l->fp == fp;
	exit_from(p);
	return yes;
}

/* ---- the service's ---- */

void places_hold(struct places *p, struct str name)
{
	struct spot *l = find_served(p, name);
	BUG_ON(!l);
	l->holds++;
}

void places_release(struct places *p, struct str name, uint64_t now_ms)
{
	struct spot *l = find_served(p, name);
	BUG_ON(!l || !l->holds);
	enter(p, now_ms);
	l->holds--;
	settle(p, l);
	exit_from(p);
}

void places_lose(struct places *p, struct str name, uint64_t greatest, uint64_t now_ms)
{
	struct spot *l = find_served(p, name);
	BUG_ON(!l);
	enter(p, now_ms);
	l->lost = true;
	if (greatest > l->known)
		l->known = greatest;
	settle(p, l);
	exit_from(p);
}

void places_close(struct places *p, struct str name, uint64_t now_ms)
{
	struct spot *l = find_served(p, name);
	BUG_ON(!l);
	enter(p, now_ms);
	l->closing = true;
	settle(p, l);
	exit_from(p);
}

/* ---- time ---- */

static void look_claims(struct places *p, struct spot *l)
{
	if (!l->first && !l->has_state)
		forget(p, l);
	else if (p->now_ms >= l->again_ms)
		claim(p, l);
}

static void look(struct places *p, struct spot *l)
{
	if (l->first && p->now_ms >= l->refuse_ms)
		refuse_waiting(p, l);
	if (l->step == CLAIMS)
		look_claims(p, l);
	if (l->gone || p->now_ms < l->again_ms)
		return;
	if (l->step == GIVEN && l->unsure) {
		renew(p, l);
	} else if (l->step == GIVEN) {
		l->again_ms = p->now_ms + AGAIN_MS;
		send_state(p, l, l->given_to, l->fence, p->view->self);
	} else if (l->step == RELEASES) {
		release(p, l);
	}
}

/* Those whose turn has come, RENEWS at most: the rest next time. */
static void renew_some(struct places *p)
{
	struct str key, due[RENEWS];
	void *value;
	unsigned n = 0;
	for (size_t i = 0; n < RENEWS && map_next(&p->names, &i, &key, &value);) {
		const struct spot *l = value;
		if (l->step == SERVED && p->now_ms >= l->again_ms)
			due[n++] = l->name;
	}
	while (n) {
		struct spot *l = find_served(p, due[--n]);
		if (l)
			renew(p, l);
	}
}

void places_tick(struct places *p, uint64_t now_ms)
{
	enter(p, now_ms);
	each_spot(p, look);
	if (p->view && p->view->self)
		renew_some(p);
	exit_from(p);
}

void places_tell_all(struct places *p)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);)
		((struct spot *)value)->again_ms = p->now_ms;
}

/* ---- life ---- */

struct places *places_new(const struct places_out *out, const uint64_t seed[2], size_t max)
{
	struct places *p = xzalloc(sizeof *p);
	p->out = *out;
	p->max = max;
	map_init(&p->names, seed);
	return p;
}

static void end_one(struct places *p, struct spot *l)
{
	if (l->step == SERVED)
		end(p, l);
	refuse_waiting(p, l);
	forget(p, l);
}

void places_end_all(struct places *p)
{
	p->ended = true;
	p->depth++;
	each_spot(p, end_one);
	exit_from(p);
}

void places_free(struct places *p)
{
	if (!p)
		return;
	places_end_all(p);
	map_fini(&p->names);
	view_unref(p->view);
	free(p);
}

uint32_t places_where(const struct places *p, uint64_t fp)
{
	return place_of(p, fp);
}

size_t places_count(const struct places *p)
{
	return map_count(&p->names);
}

static bool is_leaving(const struct places *p, const struct spot *l)
{
	return l->step == GIVEN || (l->step == RELEASES && p->view->registry_ok) || (l->step == SERVED && !is_here(p, l->fp));
}

size_t places_leaving(const struct places *p)
{
	struct str key;
	void *value;
	size_t n = 0;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);)
		n += is_leaving(p, value);
	return n;
}

void places_stats(const struct places *p, struct places_stats *out)
{
	*out = p->stats;
}
