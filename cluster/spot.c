#include "cluster/spot.h"

#include <stdlib.h>

#define WAITING_MAX   1000
#define WAITING_BYTES (1u << 20)  /* of one place */
#define WAITING_ALL   (16u << 20) /* of all */
#define REFUSE_MS     12000 /* longer than the lease of a node that died */

/* ---- one place ---- */

struct spot *spot_find(const struct places *p, struct str name)
{
	return map_get(&p->names, name);
}

struct spot *spot_find_served(const struct places *p, struct str name)
{
	struct spot *l = spot_find(p, name);
	return l && l->step == SERVED ? l : NULL;
}

struct spot *spot_new(struct places *p, struct str name, uint64_t fp)
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

void spot_forget(struct places *p, struct spot *l)
{
	map_del(&p->names, l->name);
	l->gone = true;
	l->next_dead = p->dead;
	p->dead = l;
}

void spot_drop_state(struct spot *l)
{
	buf_fini(&l->state);
	buf_init(&l->state, STATE_MAX);
	l->has_state = false;
	l->state_fence = 0;
}

uint32_t spot_place_of(const struct places *p, uint64_t fp)
{
	return p->view ? view_place_of(p->view, fp, PLACES_PROTOCOL) : 0;
}

bool spot_is_here(const struct places *p, uint64_t fp)
{
	return p->view && p->view->self && spot_place_of(p, fp) == p->view->self;
}

bool spot_stays(const struct places *p, const struct spot *l)
{
	return l->step == SERVED && (spot_is_here(p, l->fp) || p->now_ms < l->stays_ms);
}

uint32_t spot_where(const struct places *p, const struct spot *l, uint64_t fp)
{
	bool here = l && (l->step == SERVED || l->first);
	return here && p->view ? p->view->self : spot_place_of(p, fp);
}

/* ---- what waits ---- */

void spot_refuse(struct places *p, const struct frame_record *r)
{
	if (r->kind == PLACES_ECHO) {
		ways_answer(&p->ways, r);
		return;
	}
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

size_t spot_bytes(const struct frame_record *r)
{
	return r->from.len + r->to.len + r->xml.len;
}

void spot_copy(struct frame_record *r, char *bytes)
{
	copy(copy(copy(bytes, &r->from), &r->to), &r->xml);
}

void spot_wait(struct places *p, struct spot *l, const struct frame_record *r)
{
	size_t n = spot_bytes(r);
	if (l->n_waiting == WAITING_MAX || l->waiting_bytes + n > WAITING_BYTES || p->waiting_bytes + n > WAITING_ALL) {
		spot_refuse(p, r);
		return;
	}
	struct waiter *w = xmalloc(sizeof *w + n);
	*w = (struct waiter){ .r = *r, .n = n, .refuse_ms = p->now_ms + REFUSE_MS };
	spot_copy(&w->r, w->bytes);
	*l->end = w;
	l->end = &w->next;
	l->n_waiting++;
	l->waiting_bytes += n;
	p->waiting_bytes += n;
}

struct waiter *spot_next_waiter(struct places *p, struct spot *l)
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

void spot_answer_echoes(struct places *p, struct spot *l)
{
	while (l->first && l->first->r.kind == PLACES_ECHO) {
		struct waiter *w = spot_next_waiter(p, l);
		ways_answer(&p->ways, &w->r);
		free(w);
	}
}

void spot_refuse_waiting(struct places *p, struct spot *l)
{
	for (struct waiter *w; (w = spot_next_waiter(p, l)); free(w))
		spot_refuse(p, &w->r);
}

void spot_refuse_late(struct places *p, struct spot *l)
{
	while (l->first && p->now_ms >= l->first->refuse_ms) {
		struct waiter *w = spot_next_waiter(p, l);
		spot_refuse(p, &w->r);
		free(w);
	}
	spot_answer_echoes(p, l);
}

/* ---- elsewhere ---- */

void spot_send_on(struct places *p, uint32_t epoch, const struct frame_record *r)
{
	struct frame_record on = *r;
	if (r->kind == PLACES_ECHO) {
		ways_send_on(&p->ways, epoch, r);
		return;
	}
	if (r->ttl <= 1) {
		spot_refuse(p, r);
		return;
	}
	on.ttl--;
	on.dst_sid = ways_passed(&p->ways, r->dst_sid);
	ways_note(&p->ways, r->dst_fp, epoch);
	p->out.send(p->out.arg, epoch, &on);
}

void spot_send_waiting(struct places *p, struct spot *l, uint32_t to)
{
	for (struct waiter *w; (w = spot_next_waiter(p, l)); free(w))
		spot_send_on(p, to, &w->r);
}

void spot_say(struct places *p, const struct spot *l, struct frame_record r, uint32_t to)
{
	r.ttl = FRAME_TTL;
	r.dst_fp = l->fp;
	r.dst_sid = p->view->self;
	r.to = l->name;
	if (to && to != p->view->self)
		p->out.send(p->out.arg, to, &r);
}

void spot_answer_state(struct places *p, const struct frame_record *state, unsigned kind, bool rule)
{
	uint32_t self = p->view ? p->view->self : 0, to = (uint32_t)state->dst_sid;
	struct frame_record r = {
		.kind = (uint8_t)kind, .rule = rule, .ttl = FRAME_TTL, .osm = state->osm, .oseq = state->oseq, .dst_fp = state->dst_fp,
		.dst_sid = self, .to = state->to,
	};
	const struct view_node *n = self ? view_find(p->view, to) : NULL;
	if (n && to != self && (kind != PLACES_NOT || n->speaks >= PLACES_ANSWERS))
		p->out.send(p->out.arg, to, &r);
}

void spot_send_state(struct places *p, const struct spot *l)
{
	struct frame_record r = { .kind = PLACES_STATE, .rule = l->has_state, .osm = l->fence, .oseq = l->givings };
	if (l->has_state)
		r.xml = buf_str(&l->state);
	spot_say(p, l, r, l->given_to);
}

void spot_say_whose(struct places *p, const struct spot *l, bool yours)
{
	spot_say(p, l, (struct frame_record){ .kind = PLACES_YOURS, .rule = yours, .osm = l->fence }, l->given_to);
}
