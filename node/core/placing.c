#include "node/core/placing.h"

#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/hooks.h"
#include "node/core/jam.h"
#include "node/core/leash.h"
#include "node/core/log.h"
#include "node/core/router.h"

#define TICK_MS 500
#define NEWS_MS 1000 /* until every node knows that this one drains, and sends nothing for places here any more */
#define ALONE   1 /* the epoch of a node that has none */

/* Of a worker. */
struct placing {
	struct node_worker *nw;
	struct places *places;
	struct timer tick;
	bool ticks, ended;
	uint64_t drained_ms;      /* since when no place is here; 0: they are */
	uint64_t fence;           /* the last that a node alone has given itself */
	struct stanza *at_hand;   /* what the record stands for that is being given: it needs no bytes */
	struct places_stats told;
	size_t told_count;
};

/* ---- services ---- */

static enum err add_service(struct node *n, struct host *h, const struct module *m, struct buf *why)
{
	struct str domain = m->service->domain(h);
	if (!str_present(domain))
		return ERR_NONE;
	if (host_find(n, domain) || placing_find(n, domain)) {
		buf_addf(why, "modules.%s: the domain %.*s is a host, or another service's", m->name, STR_ARG(domain));
		return ERR_INVALID;
	}
	if (n->n_services == SERVICES_MAX) {
		buf_addf(why, "there are more than %d services", SERVICES_MAX);
		return ERR_INVALID;
	}
	struct served *s = arena_zalloc(n->arena, sizeof *s);
	*s = (struct served){ .domain = domain, .host = h, .service = m->service };
	n->services[n->n_services++] = s;
	return ERR_NONE;
}

enum err placing_find_services(struct node *n, struct buf *why)
{
	enum err e = ERR_NONE;
	for (unsigned h = 0; h < n->n_hosts; h++)
		for (unsigned i = 0; e == ERR_NONE && all_modules[i]; i++)
			if (all_modules[i]->service && host_has_module(n->hosts[h], all_modules[i]))
				e = add_service(n, n->hosts[h], all_modules[i], why);
	return e;
}

const struct served *placing_find(const struct node *n, struct str domain)
{
	for (unsigned i = 0; i < n->n_services; i++)
		if (str_eq(n->services[i]->domain, domain))
			return n->services[i];
	return NULL;
}

/* ---- what places.h asks of the node ---- */

/* A node that takes too little is not sent all of it, whoever sends it, and whatever it waited for. */
static bool is_jammed(struct node_worker *nw, uint32_t epoch, const struct frame_record *r)
{
	if (!fleet_is_slow(nw, epoch))
		return false;
	struct stanza *st = fleet_stanza(nw, r);
	if (!st || jam_takes_of_place(nw->fleet->jam, st))
		return true;
	stanza_unref(st);
	return false;
}

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	struct node_worker *nw = ((struct placing *)arg)->nw;
	struct frame_record out = *r;
	out.kind = (uint8_t)(FLEET_PLACE + r->kind);
	if (r->kind == PLACES_DATA && is_jammed(nw, epoch, r))
		return;
	fleet_send(nw, epoch, &out);
	if (r->kind == PLACES_DATA)
		leash_sent(nw, epoch, r->dst_fp, r->xml.len);
}

/* Grows across restarts as well, as the store remembers it. */
static uint64_t own_fence(struct placing *g, uint64_t known)
{
	uint64_t now = (uint64_t)worker_wall_ms(), past = known > g->fence ? known : g->fence;
	g->fence = now > past ? now : past + 1;
	return g->fence;
}

static void on_claim(void *arg, struct str name, uint64_t fence)
{
	struct placing *g = arg;
	if (g->nw->fleet)
		fleet_place(g->nw->fleet, REGISTRY_PLACE_CLAIM, name, fence, 0);
	else
		places_claimed(g->places, name, ERR_NONE, ALONE, own_fence(g, fence), 0, g->nw->worker->now_ms);
}

static void on_renew(void *arg, struct str name, uint64_t fence)
{
	struct placing *g = arg;
	if (g->nw->fleet)
		fleet_place(g->nw->fleet, REGISTRY_PLACE_RENEW, name, fence, 0);
	else
		places_renewed(g->places, name, fence, ERR_NONE, g->nw->worker->now_ms);
}

static void on_release(void *arg, struct str name, uint64_t fence, uint32_t heir)
{
	struct placing *g = arg;
	if (g->nw->fleet)
		fleet_place(g->nw->fleet, REGISTRY_PLACE_RELEASE, name, fence, heir);
	else
		places_released(g->places, name, fence, ERR_NONE, g->nw->worker->now_ms);
}

static struct str domain_of(struct str name)
{
	str_cut(&name, '@');
	return name;
}

static void *on_begin(void *arg, struct str name, uint64_t fence, struct str state)
{
	struct node_worker *nw = ((struct placing *)arg)->nw;
	const struct served *s = placing_find(nw->node, domain_of(name));
	struct arena *a = arena_new(1024);
	struct place *p = arena_zalloc(a, sizeof *p);
	*p = (struct place){ .nw = nw, .host = s->host, .service = s->service, .fence = fence, .arena = a };
	BUG_ON(jid_parse(a, name, &p->jid) != ERR_NONE);
	LOG(LOG_DEBUG, "places", "served here", L_STR("place", name), L_UINT("fence", fence), L_BOOL("moved", str_present(state)));
	s->service->begin(p, state);
	return p;
}

static void on_freeze(void *arg, void *place, struct buf *out)
{
	struct place *p = place;
	(void)arg;
	p->service->freeze(p, out);
	if (buf_status(out) != ERR_NONE)
		LOG(LOG_ERROR, "places", "a state is too large to go along", L_STR("place", jid_str(&p->jid)));
}

static void on_end(void *arg, void *place)
{
	struct place *p = place;
	(void)arg;
	LOG(LOG_DEBUG, "places", "served here no more", L_STR("place", jid_str(&p->jid)), L_UINT("fence", p->fence));
	p->service->end(p);
	arena_free(p->arena);
}

/* Yours. */
static struct stanza *stanza_of(struct placing *g, const struct frame_record *r)
{
	struct stanza *st = g->at_hand;
	g->at_hand = NULL;
	return st ? st : fleet_stanza(g->nw, r);
}

/* Consumes st. */
static void settle(struct node_worker *nw, struct stanza *st, int verdict)
{
	if (verdict == DONE || verdict == HOLD)
		stanza_unref(st);
	else
		router_bounce(nw, st, verdict < 0 ? (enum stanza_error)-verdict : STANZA_SERVICE_UNAVAILABLE, STR_NONE);
}

static void on_take(void *arg, void *place, const struct frame_record *r)
{
	struct placing *g = arg;
	struct place *p = place;
	struct stanza *st = stanza_of(g, r);
	if (st && str_eq(jid_bare_str(&st->to), jid_str(&p->jid))) {
		settle(g->nw, st, p->service->take(p, st));
		return;
	}
	LOG(LOG_ERROR, "fleet", "a node sent a stanza to the wrong place");
	stanza_unref(st);
}

static void bounce_record(struct placing *g, const struct frame_record *r, enum stanza_error e, struct str text)
{
	struct stanza *st = r->kind == PLACES_DATA ? stanza_of(g, r) : NULL;
	if (st)
		router_bounce(g->nw, st, e, text);
}

static void on_refuse(void *arg, const struct frame_record *r)
{
	struct placing *g = arg;
	count_limit(g->nw, LIMIT_PLACES);
	bounce_record(g, r, STANZA_RESOURCE_CONSTRAINT, STR("this cannot be served at the moment"));
}

static void on_declined(void *arg, struct str name, uint32_t epoch)
{
	(void)arg;
	LOG(LOG_ERROR, "places", "the node where it belongs does not have this service: it is not served until that changes",
	    L_STR("place", name), L_UINT("epoch", epoch));
}

/* ---- time ---- */

static void tell(struct placing *g)
{
	struct places_stats st;
	size_t n = places_count(g->places);
	places_stats(g->places, &st);
	count(g->nw, METRIC_PLACES, (int64_t)n - (int64_t)g->told_count);
	count(g->nw, METRIC_PLACES_MOVED_TOTAL, (int64_t)(st.moved - g->told.moved));
	count(g->nw, METRIC_PLACES_LOST_TOTAL, (int64_t)(st.lost - g->told.lost));
	count(g->nw, METRIC_PLACES_HURRIED_TOTAL, (int64_t)(st.hurried - g->told.hurried));
	g->told = st;
	g->told_count = n;
}

static void on_tick(struct timer *t)
{
	struct placing *g = (struct placing *)((char *)t - offsetof(struct placing, tick));
	places_tick(g->places, g->nw->worker->now_ms);
	tell(g);
	g->ticks = !places_are_idle(g->places);
	if (g->ticks)
		worker_timer_set(g->nw->worker, t, TICK_MS);
}

/* As long as there are places, or something waits to go to one, it ticks. */
static void give(struct placing *g, const struct frame_record *r)
{
	places_record(g->places, r, g->nw->worker->now_ms);
	if (g->ticks || places_are_idle(g->places))
		return;
	g->ticks = true;
	worker_timer_set(g->nw->worker, &g->tick, TICK_MS);
}

/* ---- stanzas ---- */

/* Where it does not stay it goes as bytes. */
static void give_bytes(struct placing *g, struct frame_record *r, const struct stanza *st)
{
	struct buf b;
	buf_init(&b, FRAME_MAX);
	stanza_write(&b, st);
	r->xml = buf_str(&b);
	give(g, r);
	buf_fini(&b);
}

/* Consumes st. */
static void arrive(struct node_worker *nw, struct stanza *st)
{
	struct placing *g = nw->placing;
	struct str name = jid_bare_str(&st->to);
	struct frame_record r = { .kind = PLACES_DATA, .ttl = PLACES_TTL, .dst_fp = fleet_fp(nw, name), .to = name };
	if (places_takes(g->places, name, r.dst_fp, nw->worker->now_ms)) {
		g->at_hand = stanza_ref(st);
		give(g, &r);
	} else {
		if (nw->fleet)
			fleet_slow_if_full(nw, places_where(g->places, r.dst_fp), &st->from);
		give_bytes(g, &r, st);
	}
	stanza_unref(st);
}

void placing_arrive(struct node_worker *nw, const struct served *s, struct stanza *st)
{
	(void)s;
	if (nw->fleet) /* what was kept as a node was slow goes first, wherever the place is now */
		jam_release(nw->fleet->jam, st, arrive);
	arrive(nw, st);
}

void placing_arrive_at_domain(struct node_worker *nw, const struct served *s, struct stanza *st)
{
	settle(nw, st, s->service->domain_take(nw, s->host, st));
}

/* A node with a bug must not make places of what is no name, nor of names that other workers own. */
static bool is_name(const struct node_worker *nw, const struct frame_record *r)
{
	struct jid jid;
	struct arena *a = arena_new(256);
	bool yes = jid_parse(a, r->to, &jid) == ERR_NONE && jid_has_local(&jid) && !jid_is_full(&jid) && str_eq(jid_str(&jid), r->to) &&
		   fleet_fp(nw, r->to) == r->dst_fp;
	arena_free(a);
	return yes;
}

void placing_record(struct node_worker *nw, const struct frame_record *r)
{
	struct placing *g = nw->placing;
	bool is_answer = r->kind == PLACES_ECHOED, is_echo = is_answer || r->kind == PLACES_ECHO;
	if (!is_answer && !is_name(nw, r))
		LOG(LOG_ERROR, "fleet", "a node sent something to the wrong place");
	else if (is_echo || placing_find(nw->node, domain_of(r->to)))
		give(g, r);
	else if (r->kind == PLACES_STATE)
		places_decline(g->places, r);
	else
		bounce_record(g, r, STANZA_REMOTE_SERVER_NOT_FOUND, STR("the nodes of this service do not have the same services"));
}

void placing_given_back(struct node_worker *nw, uint32_t to, const struct frame_record *r)
{
	struct frame_record state = *r;
	state.kind = PLACES_STATE;
	places_given_back(nw->placing->places, to, &state, nw->worker->now_ms);
}

/* ---- the service's ---- */

static struct places *places_of(const struct place *p)
{
	return p->nw->placing->places;
}

void place_hold(struct place *p)
{
	places_hold(places_of(p), jid_str(&p->jid));
}

void place_release(struct place *p)
{
	places_release(places_of(p), jid_str(&p->jid), p->nw->worker->now_ms);
}

void place_lose(struct place *p, uint64_t greatest)
{
	LOG(LOG_WARN, "places", "somebody else serves it: a write was refused", L_STR("place", jid_str(&p->jid)),
	    L_UINT("fence", p->fence));
	places_lose(places_of(p), jid_str(&p->jid), greatest, p->nw->worker->now_ms);
}

void place_close(struct place *p)
{
	places_close(places_of(p), jid_str(&p->jid), p->nw->worker->now_ms);
}

/* ---- the fleet ---- */

struct places *placing_places(const struct node_worker *nw)
{
	return nw->placing->places;
}

void placing_view(struct node_worker *nw, struct view *v)
{
	struct placing *g = nw->placing;
	bool drains = v->state == NODE_DRAINING;
	if (!drains || !g->drained_ms)
		g->drained_ms = drains ? nw->worker->now_ms : 0;
	places_view(nw->placing->places, v, nw->worker->now_ms);
}

void placing_tell_all(struct node_worker *nw)
{
	places_tell_all(nw->placing->places);
}

static bool has_company(const struct view *v)
{
	for (unsigned i = 0; i < v->n; i++)
		if (v->nodes[i].epoch != v->self && view_is_alive(v, v->nodes[i].epoch))
			return true;
	return false;
}

/* The first views after the drain began may still show us as before; and the others hear of it later than we. */
bool placing_is_leaving(const struct node_worker *nw)
{
	const struct placing *g = nw->placing;
	const struct view *v = nw->fleet ? nw->fleet->view : NULL;
	if (!v || !nw->node->n_services || !has_company(v))
		return false;
	if (v->state == NODE_UP || v->state == NODE_ISOLATED)
		return true;
	return places_leaving(g->places) > 0 || (g->drained_ms && nw->worker->now_ms < g->drained_ms + NEWS_MS);
}

/* ---- life ---- */

static void view_of_one(struct placing *g)
{
	struct view *v = view_new(1);
	v->self = ALONE;
	v->state = NODE_UP;
	v->registry_ok = true;
	v->nodes[0] = (struct view_node){ .epoch = ALONE, .state = NODE_UP, .speaks = PLACES_PROTOCOL };
	places_view(g->places, v, g->nw->worker->now_ms);
	view_unref(v);
}

static struct places *make_places(struct placing *g)
{
	struct places_out out = {
		.arg = g, .send = on_send, .claim = on_claim, .renew = on_renew, .release = on_release, .begin = on_begin,
		.freeze = on_freeze, .end = on_end, .take = on_take, .refuse = on_refuse, .declined = on_declined,
	};
	return places_new(&out, g->nw->node->hash_key, g->nw->node->settings.places_max / g->nw->node->n_workers + 1);
}

struct placing *placing_new(struct node_worker *nw)
{
	struct placing *g = xzalloc(sizeof *g);
	g->nw = nw;
	g->tick.on_timer = on_tick;
	g->places = make_places(g);
	if (!nw->fleet)
		view_of_one(g);
	return g;
}

void placing_end(struct node_worker *nw)
{
	struct placing *g = nw->placing;
	if (g->ended)
		return;
	g->ended = true;
	worker_timer_cancel(nw->worker, &g->tick);
	places_end_all(g->places);
	tell(g);
}

bool placing_is_held(const struct node_worker *nw)
{
	return places_held(nw->placing->places) > 0;
}

void placing_free(struct placing *g)
{
	if (!g)
		return;
	placing_end(g->nw);
	places_free(g->places);
	free(g);
}
