#include "cluster/ways.h"

#include <stdlib.h>

#include "proto/base/err.h"

struct items {
	struct ways_item *first, **end;
};

/* A name for which something waits. */
struct emptying {
	struct emptying *next_ready;
	uint64_t fp, token, until_ms;
	uint32_t way;                /* the node behind whose queue we wait; 0: nobody knows yet whose the name is */
	bool is_ready;               /* it is looked at anew */
	bool hurries;                /* it goes whatever is under way */
	struct items again, items;   /* again: what has passed here before (rules 4 and 5) */
	unsigned n;
	size_t bytes;
};

struct waiting_echo {
	struct ways_item item;
	struct frame_record r;
	char name[];
};

/* ---- which nodes a record went through: 16 bits of each one's number, never 0, the last one lowest ---- */

static uint64_t mark_of(uint32_t epoch)
{
	return epoch % 0xffff + 1;
}

static bool has_passed(const struct ways *w, uint64_t passed)
{
	for (; passed; passed >>= 16)
		if ((passed & 0xffff) == mark_of(w->self))
			return true;
	return false;
}

uint64_t ways_passed(const struct ways *w, uint64_t passed)
{
	return passed << 16 | mark_of(w->self);
}

/* ---- ways ---- */

static void turn(struct ways *w, uint64_t now_ms)
{
	bool idle = now_ms >= w->turn_ms + WAYS_KEEP_MS;
	routes_fini(&w->older);
	if (idle)
		routes_fini(&w->recent);
	w->older = w->recent;
	routes_init(&w->recent);
	w->turn_ms = now_ms + WAYS_KEEP_MS;
}

/* The node behind whose queue something of ours may still be; 0: none. */
static uint32_t way_of(const struct ways *w, uint64_t fp)
{
	const struct route *e = routes_find(&w->recent, fp);
	if (!e)
		e = routes_find(&w->older, fp);
	return e ? e->epoch : 0;
}

static void note(struct ways *w, uint64_t fp, uint32_t where)
{
	if (where == w->self && !way_of(w, fp))
		return;
	struct route *e = routes_find(&w->recent, fp);
	if (e)
		e->epoch = where;
	else
		routes_put(&w->recent, fp, where, 0);
}

/* One that has not said yet what it speaks may have much on its way to it, and an echo that it does not know is waited for in vain. */
static bool knows_echo(const struct ways *w, uint32_t epoch)
{
	const struct view_node *n = w->view && view_is_alive(w->view, epoch) ? view_find(w->view, epoch) : NULL;
	return n && (!n->speaks || n->speaks >= w->out.speaks);
}

/* The way that must be empty before anything goes to `where`; 0: none. */
static uint32_t old_way(const struct ways *w, uint64_t fp, uint32_t where)
{
	uint32_t way = way_of(w, fp);
	return way && way != where && way != w->self && knows_echo(w, way) ? way : 0;
}

static bool is_unsettled(const struct ways *w, uint64_t fp)
{
	return w->out.is_unsettled && w->out.is_unsettled(w->out.place, fp);
}

/* ---- what waits ---- */

static void items_init(struct items *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void items_add(struct items *l, struct ways_item *i)
{
	i->next = NULL;
	*l->end = i;
	l->end = &i->next;
}

static struct ways_item *items_take(struct items *l)
{
	struct ways_item *i = l->first;
	l->first = i->next;
	if (!l->first)
		l->end = &l->first;
	return i;
}

static struct str key_of(const uint64_t *fp)
{
	return str_span((const char *)fp, sizeof *fp);
}

static struct emptying *find(const struct ways *w, uint64_t fp)
{
	return map_count(&w->emptying) ? map_get(&w->emptying, key_of(&fp)) : NULL;
}

static void make_ready(struct ways *w, struct emptying *e)
{
	if (e->is_ready)
		return;
	e->is_ready = true;
	e->next_ready = w->ready;
	w->ready = e;
}

static void send_echo(struct ways *w, struct emptying *e, struct str name, uint32_t way)
{
	struct frame_record r = {
		.kind = w->out.echo, .ttl = w->out.ttl, .dst_fp = e->fp, .dst_sid = ways_passed(w, 0), .oseq = w->self, .to = name,
	};
	e->way = way;
	e->token = r.osm = ++w->tokens;
	w->echoes++;
	w->out.send(w->out.arg, way, &r);
}

static struct emptying *begin(struct ways *w, uint64_t fp, struct str name, uint64_t now_ms)
{
	struct emptying *e = xzalloc(sizeof *e);
	e->fp = fp;
	e->until_ms = now_ms + WAYS_WAIT_MS;
	items_init(&e->again);
	items_init(&e->items);
	map_put(&w->emptying, key_of(&e->fp), e);
	uint32_t way = old_way(w, fp, w->out.where(w->out.place, fp));
	if (!is_unsettled(w, fp) && way)
		send_echo(w, e, name, way);
	else if (!is_unsettled(w, fp))
		make_ready(w, e);
	return e;
}

static bool is_full(const struct ways *w, const struct emptying *e)
{
	bool of_one = e->n > WAYS_EACH_MAX || e->bytes > WAYS_EACH_BYTES;
	return of_one || w->bytes > WAYS_ALL_BYTES || map_count(&w->emptying) > WAYS_EMPTYING_MAX;
}

bool ways_waits(struct ways *w, uint64_t fp, uint32_t where, uint64_t passed, uint64_t now_ms)
{
	const struct emptying *e = find(w, fp);
	if (now_ms >= w->turn_ms || w->recent.n >= WAYS_MAX)
		turn(w, now_ms);
	bool again = has_passed(w, passed), is_late = old_way(w, fp, where) != 0;
	bool nobody_knows = e ? !e->way : is_unsettled(w, fp);
	bool waits = nobody_knows || (!again && (e || is_late));
	if (waits && !w->ended)
		return true;
	if (!is_late) /* else what is newer than this is on the old way still */
		note(w, fp, where);
	return false;
}

void ways_wait(struct ways *w, uint64_t fp, uint64_t passed, struct ways_item *item, uint64_t now_ms)
{
	struct emptying *e = find(w, fp);
	if (!e)
		e = begin(w, fp, item->name, now_ms);
	items_add(!e->way && has_passed(w, passed) ? &e->again : &e->items, item);
	e->n++;
	e->bytes += item->bytes;
	w->bytes += item->bytes;
	if (is_full(w, e)) {
		e->hurries = true;
		make_ready(w, e);
	}
}

void ways_note(struct ways *w, uint64_t fp, uint32_t where)
{
	if (!old_way(w, fp, where)) /* as above */
		note(w, fp, where);
}

bool ways_has(const struct ways *w, uint64_t fp)
{
	const struct emptying *e = find(w, fp);
	return e && e->n;
}

/* ---- echoes ---- */

void ways_answer(struct ways *w, const struct frame_record *r)
{
	struct frame_record answer = { .kind = w->out.echoed, .ttl = FRAME_TTL, .dst_fp = r->dst_fp, .osm = r->osm, .oseq = r->oseq };
	if (r->oseq == w->self)
		ways_record(w, &answer, 0);
	else
		w->out.send(w->out.arg, r->oseq, &answer);
}

void ways_send_on(struct ways *w, uint32_t where, const struct frame_record *r)
{
	struct frame_record on = *r;
	if (where == w->self || r->ttl <= 1 || !knows_echo(w, where)) {
		ways_answer(w, r);
		return;
	}
	on.ttl--;
	on.dst_sid = ways_passed(w, r->dst_sid);
	w->out.send(w->out.arg, where, &on);
}

static void echo_goes(struct ways *w, const struct frame_record *r)
{
	if (w->out.echo_goes)
		w->out.echo_goes(w->out.place, r);
	else
		ways_send_on(w, w->out.where(w->out.place, r->dst_fp), r);
}

static void echo_came(struct ways *w, const struct frame_record *r, uint64_t now_ms)
{
	if (!ways_waits(w, r->dst_fp, w->out.where(w->out.place, r->dst_fp), r->dst_sid, now_ms)) {
		echo_goes(w, r);
		return;
	}
	struct waiting_echo *x = xzalloc(sizeof *x + r->to.len);
	*x = (struct waiting_echo){ .item = { .bytes = sizeof *x + r->to.len, .is_echo = true }, .r = *r };
	x->r.from = x->r.xml = STR_NONE; /* it has none of them */
	if (str_present(r->to)) {
		memcpy(x->name, r->to.p, r->to.len);
		x->item.name = x->r.to = str_span(x->name, r->to.len);
	}
	ways_wait(w, r->dst_fp, r->dst_sid, &x->item, now_ms);
}

void ways_record(struct ways *w, const struct frame_record *r, uint64_t now_ms)
{
	if (r->kind == w->out.echo) {
		echo_came(w, r, now_ms);
		return;
	}
	struct emptying *e = find(w, r->dst_fp);
	if (!e || !e->way || e->token != r->osm || r->oseq != w->self)
		return;
	if (way_of(w, e->fp) == e->way) { /* else it is what has passed here again meanwhile that is on its way somewhere */
		routes_del(&w->recent, e->fp);
		routes_del(&w->older, e->fp);
	}
	make_ready(w, e);
}

/* ---- what need not wait any more ---- */

static void go(struct ways *w, struct emptying *e, struct items *from)
{
	struct ways_item *i = items_take(from);
	e->n--;
	e->bytes -= i->bytes;
	w->bytes -= i->bytes;
	uint32_t where = w->out.where(w->out.place, e->fp);
	if (from == &e->items || !old_way(w, e->fp, where))
		note(w, e->fp, where);
	if (!i->is_echo) {
		w->out.go(w->out.arg, i);
		return;
	}
	struct waiting_echo *x = (struct waiting_echo *)i;
	echo_goes(w, &x->r);
	free(x);
}

/* Does the rest wait for something else now? */
static bool waits_on(struct ways *w, struct emptying *e)
{
	if (e->hurries)
		return false;
	if (is_unsettled(w, e->fp)) {
		e->way = 0;
		return true;
	}
	uint32_t way = old_way(w, e->fp, w->out.where(w->out.place, e->fp));
	if (way)
		send_echo(w, e, e->items.first->name, way);
	return way != 0;
}

/* It stays in the map until the last has gone: what comes meanwhile goes behind. */
static void look_at(struct ways *w, struct emptying *e)
{
	while (e->again.first && (e->hurries || !is_unsettled(w, e->fp)))
		go(w, e, &e->again);
	while (e->items.first) {
		if (waits_on(w, e)) {
			e->is_ready = false;
			return;
		}
		go(w, e, &e->items);
	}
	uint64_t fp = e->fp;
	map_del(&w->emptying, key_of(&fp));
	free(e);
	if (w->out.emptied)
		w->out.emptied(w->out.place, fp);
}

void ways_run(struct ways *w)
{
	if (w->runs)
		return;
	w->runs = true;
	while (w->ready) {
		struct emptying *e = w->ready;
		w->ready = e->next_ready;
		w->hurried += e->hurries;
		look_at(w, e);
	}
	w->runs = false;
}

void ways_settled(struct ways *w, uint64_t fp)
{
	struct emptying *e = find(w, fp);
	if (e && !e->way)
		make_ready(w, e);
}

/* ---- views, time ---- */

static void hurry(struct ways *w, struct emptying *e)
{
	e->hurries = true;
	make_ready(w, e);
}

static void hurry_all(struct ways *w)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&w->emptying, &i, &key, &value);)
		hurry(w, value);
}

static void forget(struct ways *w)
{
	routes_fini(&w->recent);
	routes_fini(&w->older);
}

void ways_view(struct ways *w, struct view *v)
{
	struct view *before = w->view;
	struct str key;
	void *value;
	w->view = view_ref(v);
	view_unref(before);
	if (v->self != w->self) { /* what we sent under our former name is given back, or has arrived */
		w->self = v->self;
		forget(w);
		hurry_all(w);
	}
	for (size_t i = 0; map_next(&w->emptying, &i, &key, &value);) {
		struct emptying *e = value;
		if (e->way && !knows_echo(w, e->way))
			make_ready(w, e);
	}
}

void ways_tick(struct ways *w, uint64_t now_ms)
{
	struct str key;
	void *value;
	if (now_ms >= w->turn_ms)
		turn(w, now_ms);
	for (size_t i = 0; map_next(&w->emptying, &i, &key, &value);) {
		struct emptying *e = value;
		if (now_ms >= e->until_ms)
			hurry(w, e);
	}
	ways_run(w);
}

/* ---- life ---- */

void ways_init(struct ways *w, const struct ways_out *out)
{
	*w = (struct ways){ .out = *out };
	routes_init(&w->recent);
	routes_init(&w->older);
	map_init(&w->emptying, (const uint64_t[2]){ 0, 0 }); /* its keys are hashes under a secret already */
}

void ways_end(struct ways *w)
{
	w->ended = true;
	hurry_all(w);
	ways_run(w);
}

static void drop_all(struct ways *w, struct items *l)
{
	while (l->first) {
		struct ways_item *i = items_take(l);
		if (i->is_echo)
			free(i);
		else
			w->out.drop(w->out.arg, i);
	}
}

void ways_fini(struct ways *w)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&w->emptying, &i, &key, &value);) {
		struct emptying *e = value;
		drop_all(w, &e->again);
		drop_all(w, &e->items);
		free(e);
	}
	map_fini(&w->emptying);
	forget(w);
	view_unref(w->view);
}

void ways_stats(const struct ways *w, struct ways_stats *out)
{
	*out = (struct ways_stats){
		.waiting = map_count(&w->emptying), .bytes = w->bytes, .echoes = w->echoes, .hurried = w->hurried,
	};
}
