#include "node/core/fleet.h"

#include <stdlib.h>

#include "cluster/hlc.h"
#include "node/core/crowd.h"
#include "node/core/birth.h"
#include "node/core/detour.h"
#include "node/core/fan.h"
#include "node/core/far.h"
#include "node/core/ghost.h"
#include "node/core/jam.h"
#include "node/core/leash.h"
#include "node/core/life.h"
#include "node/core/log.h"
#include "node/core/placing.h"
#include "node/core/rein.h"
#include "node/core/reunion.h"
#include "node/core/router.h"
#include "node/core/telling.h"
#include "node/core/sm_session.h"
#include "node/ctl/relay.h"
#include "node/stream/edge.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"

#define TICK_MS   500
#define LOST_MAX  10000 /* stanzas that came back, on one worker */

/* What came back from a node that is dead. */
struct fleet_lost {
	struct fleet_lost *next;
	struct stanza *stanza;
};

/* ---- out ---- */

uint64_t fleet_now(struct fleet_worker *fw)
{
	return hlc_now(&fw->nw->node->fleet->clock, worker_wall_ms());
}

static void put(struct node_worker *nw, uint32_t epoch, const struct frame_record *r)
{
	struct mesh *m = nw->node->fleet->mesh;
	if (m && mesh_send(m, nw->worker, epoch, r) != ERR_NONE)
		LOG(LOG_ERROR, "fleet", "a record does not fit into a frame", L_UINT("kind", r->kind), L_UINT("bytes", r->xml.len));
}

void fleet_send(struct node_worker *nw, uint32_t epoch, const struct frame_record *r)
{
	fan_close(nw, epoch);
	put(nw, epoch, r);
}

void fleet_broadcast(struct node_worker *nw, const struct frame_record *r)
{
	struct mesh *m = nw->node->fleet->mesh;
	fan_close(nw, 0);
	if (m && mesh_broadcast(m, nw->worker, r) != ERR_NONE)
		LOG(LOG_ERROR, "fleet", "a record does not fit into a frame", L_UINT("kind", r->kind), L_UINT("bytes", r->xml.len));
}

size_t fleet_put_stanza(struct node_worker *nw, uint32_t epoch, struct frame_record *r, const struct stanza *st)
{
	struct buf b;
	buf_init(&b, FRAME_MAX);
	stanza_write(&b, st);
	r->xml = buf_str(&b);
	size_t bytes = b.len;
	put(nw, epoch, r);
	buf_fini(&b);
	r->xml = STR_NONE;
	return bytes;
}

size_t fleet_send_stanza(struct node_worker *nw, uint32_t epoch, struct frame_record *r, const struct stanza *st)
{
	fan_close(nw, epoch);
	return fleet_put_stanza(nw, epoch, r, st);
}

struct stanza *fleet_stanza(struct node_worker *nw, const struct frame_record *r)
{
	enum stanza_error e = STANZA_ERROR_NONE;
	struct arena *a = arena_new(r->xml.len + 1024);
	struct elem *root = xml_fragment_read(nw->parser, r->xml, a);
	struct stanza *st = root ? stanza_from_elem(&a, root, NS_CLIENT, &e) : NULL;
	arena_free(a);
	if (st && e == STANZA_ERROR_NONE)
		return st;
	LOG(LOG_ERROR, "fleet", "a node sent what is no stanza", L_UINT("kind", r->kind), L_UINT("bytes", r->xml.len));
	stanza_unref(st);
	return NULL;
}

static void arrive(struct node_worker *nw, struct stanza *st)
{
	struct host *h = jid_has_local(&st->to) ? host_find(nw->node, jid_domain(&st->to)) : NULL;
	if (h)
		router_arrive_here(nw, h, st);
	else
		router_bounce(nw, st, STANZA_REMOTE_SERVER_NOT_FOUND, STR("the nodes of this service do not have the same hosts"));
}

unsigned fleet_speaks(const struct fleet_worker *fw, uint32_t epoch)
{
	const struct view_node *n = fw->view ? view_find(fw->view, epoch) : NULL;
	return n ? n->speaks : 0;
}

bool fleet_all_speak(const struct fleet_worker *fw, unsigned version)
{
	for (unsigned i = 0; fw->view && i < fw->view->n; i++)
		if (view_is_alive(fw->view, fw->view->nodes[i].epoch) && fw->view->nodes[i].speaks < version)
			return false;
	return fw->view != NULL;
}

uint32_t fleet_elsewhere(struct node_worker *nw, struct str bare)
{
	if (!nw->fleet)
		return 0;
	uint32_t home = homes_where(nw->fleet->homes, fleet_fp(nw, bare));
	return home == homes_self(nw->fleet->homes) ? 0 : home;
}

static const struct view_node *node_at(const struct fleet_worker *fw, uint32_t epoch)
{
	return fw->view ? view_find(fw->view, epoch) : NULL;
}

bool fleet_is_full(const struct node_worker *nw, uint32_t epoch)
{
	const struct view_node *n = node_at(nw->fleet, epoch);
	return n && n->full;
}

bool fleet_is_slow(const struct node_worker *nw, uint32_t epoch)
{
	const struct view_node *n = node_at(nw->fleet, epoch);
	return n && n->slow;
}

/* Consumes st. */
static void forward(struct node_worker *nw, uint32_t home, uint8_t ttl, uint64_t passed, struct stanza *st)
{
	const struct view_node *to = node_at(nw->fleet, home);
	if (passed || !fan_add(nw, to, ttl, st)) {
		struct frame_record r = fleet_record(FLEET_STANZA, fleet_fp(nw, jid_bare_str(&st->to)), 0);
		r.dst_sid = ways_passed(homes_ways(nw->fleet->homes), passed);
		r.ttl = ttl;
		r.rule = (uint8_t)st->kind;
		r.osm = rein_name(nw, &r.oseq);
		size_t bytes = fleet_send_stanza(nw, home, &r, st);
		if (st->kind != STANZA_PRESENCE)
			leash_sent(nw, home, r.dst_fp, bytes);
	}
	fleet_slow_if_full(nw, home, &st->from);
	stanza_unref(st);
}

static uint32_t home_of(const struct node_worker *nw, const struct stanza *st)
{
	return homes_where(nw->fleet->homes, fleet_fp(nw, jid_bare_str(&st->to)));
}

void fleet_move_on(struct node_worker *nw, uint8_t ttl, uint64_t passed, struct stanza *st)
{
	uint32_t home = home_of(nw, st);
	if (home == homes_self(nw->fleet->homes) || !ttl)
		arrive(nw, st);
	else
		forward(nw, home, ttl, passed, st);
}

/* What waited, as something else goes to the same account now, slow or not. */
static void go_before(struct node_worker *nw, struct stanza *st)
{
	if (!detour_takes(nw, home_of(nw, st), FRAME_TTL, 0, st))
		fleet_move_on(nw, FRAME_TTL, 0, st);
}

static bool forwards(struct node_worker *nw, uint8_t ttl, uint64_t passed, struct stanza *st)
{
	struct fleet_worker *fw = nw->fleet;
	uint32_t home = home_of(nw, st);
	const struct view_node *to = node_at(fw, home);
	bool is_elsewhere = home != homes_self(fw->homes) && ttl;
	if (is_elsewhere && to && to->slow && jam_takes(fw->jam, st))
		return true;
	jam_release(fw->jam, st, go_before);
	if (detour_takes(nw, home, ttl, passed, st))
		return true;
	if (is_elsewhere)
		forward(nw, home, ttl, passed, st);
	return is_elsewhere;
}

bool fleet_forwards(struct node_worker *nw, struct stanza *st)
{
	return forwards(nw, FRAME_TTL, 0, st);
}

/* ---- slowing down who fills a link ---- */

struct slowing {
	struct message message;
	struct arena *arena;
	struct jid jid;
	uint32_t for_ms;
};

static void slow_here(struct node_worker *nw, const struct jid *full, uint32_t for_ms)
{
	struct user *u = user_find(nw, jid_bare_str(full));
	struct session *s = u ? user_session(u, jid_resource(full)) : NULL;
	if (s && s->outlet && s->outlet->ops->pause)
		s->outlet->ops->pause(s->outlet, for_ms);
}

static void on_slow(struct worker *w, struct message *m, bool cancelled)
{
	struct slowing *s = (struct slowing *)m;
	if (!cancelled)
		slow_here(nw_of(w), &s->jid, s->for_ms);
	arena_free(s->arena);
}

void fleet_slow(struct node_worker *nw, const struct jid *full, uint32_t for_ms)
{
	struct worker *shard = node_shard(nw->node, jid_bare_str(full));
	count_limit(nw, LIMIT_MAILBOX);
	if (shard == nw->worker) {
		slow_here(nw, full, for_ms);
		return;
	}
	struct arena *a = arena_new(512);
	struct slowing *s = arena_zalloc(a, sizeof *s);
	*s = (struct slowing){ .message.run = on_slow, .arena = a, .for_ms = for_ms };
	s->jid = jid_copy(a, full);
	worker_post(shard, &s->message);
}

void fleet_slow_if_full(struct node_worker *nw, uint32_t epoch, const struct jid *sender)
{
	if (fleet_is_full(nw, epoch) && jid_is_full(sender))
		fleet_slow(nw, sender, FLEET_FULL_MS);
}

/* ---- homes: what they ask of the node ---- */

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	fleet_send(((struct fleet_worker *)arg)->nw, epoch, r);
}

static void on_broadcast(void *arg, const struct frame_record *r)
{
	fleet_broadcast(((struct fleet_worker *)arg)->nw, r);
}

static void on_claim(void *arg, struct str bare, uint64_t fp, uint64_t hlc)
{
	fleet_claim(arg, bare, fp, hlc);
}

static void on_release(void *arg, struct str bare)
{
	fleet_release(arg, bare);
}

static bool on_is_busy(void *arg, struct str bare, uint64_t fp)
{
	(void)fp;
	return user_find(((struct fleet_worker *)arg)->nw, bare) != NULL;
}

static void on_settled(void *arg, struct str bare, uint64_t fp, uint32_t epoch)
{
	struct fleet_worker *fw = arg;
	edge_settled(fw->nw, fp, epoch);
	if (epoch == homes_self(fw->homes) && !user_find(fw->nw, bare)) /* whoever wanted it has gone */
		homes_ended(fw->homes, bare, fp);
}

/* The map's hashes are our fingerprints: both are made with hash_key. */
static struct user *user_of_fp(struct node_worker *nw, uint64_t fp)
{
	return map_get_hashed(&nw->users, fp);
}

void fleet_send_away(struct user *u)
{
	u->holds++;
	while (u->sessions) {
		struct session *s = u->sessions;
		s->apart = true;
		if (s->outlet && s->hlc && !far_is(s) && !sm_session_is_detached(s))
			edge_rehome(s);
		else if (s->outlet && far_is(s))
			far_rehome(s);
		else if (s->outlet) /* if it waits for its client it ends, and what it kept goes where its account is */
			session_close(s, STREAM_RESET, STR_NONE);
		else /* it has no stream that could take it along */
			session_end(s);
	}
	user_release(u);
}

static void on_moved(void *arg, uint64_t fp, uint32_t epoch)
{
	struct fleet_worker *fw = arg;
	struct user *u = user_of_fp(fw->nw, fp);
	LOG(LOG_INFO, "fleet", "an account was at home on two nodes; its sessions go to the other",
	    L_STR("jid", u ? jid_str(&u->jid) : STR("")), L_UINT("epoch", epoch));
	if (u)
		fleet_send_away(u);
}

static void on_synced(void *arg)
{
	struct node_worker *nw = ((struct fleet_worker *)arg)->nw;
	if (nw->node->fleet->mesh)
		mesh_synced(nw->node->fleet->mesh, nw->worker);
}

void fleet_user_gone(struct user *u)
{
	struct fleet_worker *fw = u->nw->fleet;
	if (fw)
		homes_ended(fw->homes, jid_str(&u->jid), fleet_fp(u->nw, jid_str(&u->jid)));
}

void fleet_leave(struct node_worker *nw)
{
	nw->fleet->leaving = true;
	far_let_go(nw);
}

void fleet_farewell(struct node_worker *nw)
{
	if (!nw->fleet)
		return;
	nw->fleet->leaving = true;
	if (nw->node->draining) /* it does not only empty itself */
		jam_end(nw->fleet->jam);
	far_rehome_all(nw);
	ghost_farewell(nw);
}

/* ---- records ---- */

static void refuse_astray(struct stanza *st)
{
	LOG(LOG_ERROR, "fleet", "a node sent a stanza to the wrong account");
	stanza_unref(st);
}

/* Its home may have moved since: then it goes on as it is, unless the node there is slow (jam.h), or something else must go first. */
static bool goes_on_unread(struct node_worker *nw, const struct frame_record *r)
{
	uint32_t home = homes_where(nw->fleet->homes, r->dst_fp);
	const struct view_node *to = node_at(nw->fleet, home);
	struct ways *ways = homes_ways(nw->fleet->homes);
	struct frame_record on = *r;
	if (home == homes_self(nw->fleet->homes) || r->ttl <= 1 || (to && to->slow))
		return false;
	if (ways_waits(ways, r->dst_fp, home, r->dst_sid, nw->worker->now_ms))
		return false;
	on.dst_sid = ways_passed(ways, r->dst_sid);
	on.ttl--;
	fleet_send(nw, home, &on);
	return true;
}

static uint8_t ttl_left(const struct frame_record *r)
{
	return r->ttl ? (uint8_t)(r->ttl - 1) : 0;
}

static void on_stanza(struct node_worker *nw, const struct frame_record *r)
{
	struct stanza *st = goes_on_unread(nw, r) ? NULL : fleet_stanza(nw, r);
	if (!st)
		return;
	stanza_written(st, r->xml);
	if (!jid_present(&st->to) || !fleet_is_for(nw, r, &st->to)) {
		refuse_astray(st);
		return;
	}
	nw->sender = rein_sender(nw, r->oseq, r->osm);
	if (!forwards(nw, ttl_left(r), r->dst_sid, st))
		arrive(nw, st);
	nw->sender.sid = 0;
}

/* One of those to whom a fan goes. */
static void on_fan_stanza(struct node_worker *nw, const struct frame_record *r, struct stanza *st)
{
	uint64_t fp = fleet_fp(nw, jid_bare_str(&st->to));
	if (mesh_worker_of(fp, nw->node->n_workers) != nw->worker->index)
		refuse_astray(st);
	else if (!forwards(nw, ttl_left(r), r->dst_sid, st)) /* its home has moved since */
		arrive(nw, st);
}

static void record_here(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	switch ((enum fleet_kind)r->kind) {
	case FLEET_STANZA:
		on_stanza(nw, r);
		break;
	case FLEET_FAN:
		fan_unfold(nw, r, on_fan_stanza);
		break;
	case FLEET_BIND:
	case FLEET_RESUME:
	case FLEET_UP:
	case FLEET_GONE:
	case FLEET_CHOKE:
		far_record(nw, from, r);
		break;
	case FLEET_CROWD:
		crowd_heard(nw, r);
		break;
	case FLEET_CALL:
	case FLEET_ANSWER:
		relay_record(nw, from, r);
		break;
	case FLEET_BORN:
		birth_heard(nw, r->to);
		break;
	case FLEET_STALE:
		telling_record(nw, from, r);
		break;
	case FLEET_BRAKE:
		rein_record(nw, from, r);
		break;
	case FLEET_ECHO:
	case FLEET_ECHOED:
		leash_record(nw, from, r);
		break;
	case FLEET_BURY:
		ghost_bury(nw, r->to, r->ttl);
		break;
	default:
		edge_record(nw, from, r);
		break;
	}
}

static void place_record(struct node_worker *nw, const struct frame_record *r)
{
	struct frame_record in = *r;
	in.kind = (uint8_t)(r->kind - FLEET_PLACE);
	placing_record(nw, &in);
}

static void on_record(struct worker *w, uint32_t from, const struct frame_record *r)
{
	struct node_worker *nw = nw_of(w);
	worker_pass_begin(w);
	if (r->kind < HOMES_KIND_COUNT)
		homes_record(nw->fleet->homes, from, r, w->now_ms);
	else if (r->kind >= FLEET_PLACE && r->kind < FLEET_PLACE + PLACES_KIND_COUNT)
		place_record(nw, r);
	else if (r->kind < FLEET_KIND_COUNT)
		record_here(nw, from, r);
}

/* ---- what a node did not take ---- */

static void forget_lost(struct fleet_worker *fw)
{
	fw->lost = NULL;
	fw->lost_end = &fw->lost;
	fw->n_lost = 0;
}

/* Kept until the view tells where it goes now, which mostly comes next; or for a moment, when the node lives and is full. */
static void keep_lost(struct node_worker *nw, const struct frame_record *r, struct stanza *st)
{
	struct fleet_worker *fw = nw->fleet;
	(void)r;
	if (!st || !jid_present(&st->to)) {
		stanza_unref(st);
		return;
	}
	if (fw->n_lost == LOST_MAX) {
		router_bounce(nw, st, STANZA_RESOURCE_CONSTRAINT, STR("too much waits for the recipient's node"));
		return;
	}
	struct fleet_lost *l = xmalloc(sizeof *l);
	*l = (struct fleet_lost){ .stanza = st };
	*fw->lost_end = l;
	fw->lost_end = &l->next;
	fw->n_lost++;
}

void fleet_orphan(struct node_worker *nw, const struct frame_record *r)
{
	bool is_stanza = r->kind == FLEET_DOWN || r->rule == FLEET_UP_STANZA;
	struct stanza *st = is_stanza ? fleet_stanza(nw, r) : NULL;
	struct user *u = st && r->kind != FLEET_DOWN && jid_is_full(&st->from) ? user_find(nw, jid_bare_str(&st->from)) : NULL;
	struct session *s = u ? user_session(u, jid_resource(&st->from)) : NULL;
	if (s && s->hlc) /* it lives here now */
		router_sent(s, st);
	else if (st && st->kind != STANZA_PRESENCE && jid_present(&st->to))
		router_route(nw, st);
	else
		stanza_unref(st);
}

static void on_lost(struct worker *w, uint32_t to, const struct frame_record *r)
{
	struct node_worker *nw = nw_of(w);
	if (r->kind == FLEET_PLACE + PLACES_STATE) /* we have it still */
		placing_given_back(nw, to, r);
	else if (r->kind == FLEET_DOWN && (r->flags & FRAME_KEPT))
		far_lost(nw, to, r);
	else if (r->kind == FLEET_STANZA || r->kind == FLEET_PLACE + PLACES_DATA || (r->kind == FLEET_DOWN && r->rule != STANZA_PRESENCE))
		keep_lost(nw, r, fleet_stanza(nw, r));
	else if (r->kind == FLEET_FAN)
		fan_unfold(nw, r, keep_lost);
	else if (r->kind == FLEET_CALL)
		relay_lost(nw, r);
	else if (r->kind == FLEET_UP && r->xml.len && !edge_lost(nw, to, r) && !(r->flags & FRAME_KEPT))
		fleet_orphan(nw, r);
}

static void route_lost(struct node_worker *nw)
{
	struct fleet_lost *l = nw->fleet->lost;
	forget_lost(nw->fleet);
	while (l) {
		struct fleet_lost *next = l->next;
		router_route(nw, l->stanza);
		free(l);
		l = next;
	}
}

/* ---- the view ---- */

static void note_state(struct node *n, struct view *v)
{
	struct fleet *f = n->fleet;
	pthread_mutex_lock(&f->lock);
	struct view *old = f->view;
	f->view = view_ref(v);
	pthread_mutex_unlock(&f->lock);
	view_unref(old);
	atomic_store(&f->registry_ok, v->registry_ok);
	unsigned before = atomic_exchange(&f->state, v->state);
	if (v->state == NODE_ISOLATED && before != NODE_ISOLATED)
		atomic_store(&f->isolated_ms, n->workers[0]->now_ms);
	else if (v->state != NODE_ISOLATED)
		atomic_store(&f->isolated_ms, 0);
}

static void nodes_gone(struct node_worker *nw, const struct view *before, const struct view *after)
{
	for (unsigned i = 0; before && i < before->n; i++) {
		uint32_t epoch = before->nodes[i].epoch;
		if (epoch == before->self || !view_is_alive(before, epoch) || view_is_alive(after, epoch))
			continue;
		far_node_gone(nw, epoch);
		edge_node_gone(nw, epoch);
	}
}

/* Main is about to write down what already calls us. */
static void await_mesh(struct fleet *f)
{
	if (f->mesh)
		return;
	pthread_mutex_lock(&f->lock);
	pthread_mutex_unlock(&f->lock);
}

static void on_view(struct worker *w, struct view *v)
{
	struct node_worker *nw = nw_of(w);
	struct fleet_worker *fw = nw->fleet;
	struct view *before = fw->view;
	uint32_t self = homes_self(fw->homes);
	worker_pass_begin(w);
	await_mesh(nw->node->fleet);
	fw->view = view_ref(v);
	homes_view(fw->homes, v, w->now_ms);
	placing_view(nw, v);
	if (w->index == 0)
		note_state(nw->node, v);
	nodes_gone(nw, before, v);
	telling_view(nw, before, v);
	route_lost(nw);
	jam_view(fw->jam, before, v);
	bool back = before && !before->registry_ok && v->registry_ok; /* what was claimed meanwhile it does not know */
	bool renamed = self && v->self && v->self != self;
	if (renamed)
		edge_renamed(nw);
	reunion_view(nw, renamed);
	if (self && v->self && (v->self != self || back))
		fleet_register_all(fw);
	if (back)
		placing_tell_all(nw);
	if (!fw->serving && v->state == NODE_UP) {
		fw->serving = true;
		life_serve(nw);
	}
	view_unref(before);
}

static void on_registry_fresh(struct worker *w)
{
	fleet_register_all(nw_of(w)->fleet);
	placing_tell_all(nw_of(w));
}

/* One whose client is on a node that lives is on its way to another home. */
static void on_purged(struct worker *w, uint32_t dead, const struct registry_row *row)
{
	struct node_worker *nw = nw_of(w);
	struct arena *a = arena_new(512);
	const struct view *v = nw->fleet->view;
	bool lives = row->edge && row->edge != dead && v && (row->edge == v->self || view_is_alive(v, row->edge));
	if (!str_empty(row->resource) && (row->flags & REGISTRY_AVAILABLE) && !lives) {
		struct frame_record r = fleet_record(FLEET_BURY, fleet_fp(nw, row->bare), 0);
		uint32_t home = homes_where(nw->fleet->homes, r.dst_fp);
		r.to = arena_printf(a, "%.*s/%.*s", STR_ARG(row->bare), STR_ARG(row->resource));
		if (home == homes_self(nw->fleet->homes))
			ghost_bury(nw, r.to, FRAME_TTL);
		else
			fleet_send(nw, home, &r);
	}
	arena_free(a);
}

/* ---- life ---- */

static void on_tick(struct timer *t)
{
	struct fleet_worker *fw = (struct fleet_worker *)((char *)t - offsetof(struct fleet_worker, tick));
	struct homes_stats st;
	homes_tick(fw->homes, fw->nw->worker->now_ms);
	route_lost(fw->nw); /* what came after the view, or from a node that is full */
	jam_tick(fw->jam);
	homes_stats(fw->homes, &st);
	atomic_store(&fw->told_entries, st.entries);
	atomic_store(&fw->told_own, st.own);
	atomic_store(&fw->told_bytes, st.bytes);
	atomic_store(&fw->told_mismatches, st.digest_mismatches);
	atomic_store(&fw->told_conflicts, st.conflicts);
	atomic_store(&fw->told_echoes, st.ways.echoes);
	atomic_store(&fw->told_hurried, st.ways.hurried);
	worker_timer_set(fw->nw->worker, t, TICK_MS);
}

struct fleet_worker *fleet_worker_new(struct node_worker *nw)
{
	struct fleet_worker *fw = xzalloc(sizeof *fw);
	struct homes_out out = {
		.arg = fw, .send = on_send, .broadcast = on_broadcast, .claim = on_claim, .release = on_release,
		.is_busy = on_is_busy, .settled = on_settled, .moved = on_moved, .synced = on_synced,
		.go = detour_go, .drop = detour_drop,
	};
	fw->nw = nw;
	fw->homes = homes_new(&out, nw->worker->index, nw->node->n_workers, nw->worker->now_ms);
	fw->fans = fans_new(nw);
	fw->jam = jam_new(nw);
	fw->reins = reins_new(nw);
	fw->leashes = leashes_new(nw);
	forget_lost(fw);
	fw->burials_end = &fw->burials;
	fw->tick.on_timer = on_tick;
	map_init(&fw->edges, nw->node->hash_key);
	map_init(&fw->seeking, nw->node->hash_key);
	return fw;
}

void fleet_worker_start(struct fleet_worker *fw)
{
	worker_timer_set(fw->nw->worker, &fw->tick, TICK_MS);
}

void fleet_worker_free(struct fleet_worker *fw)
{
	if (!fw)
		return;
	while (fw->lost) {
		struct fleet_lost *l = fw->lost;
		fw->lost = l->next;
		stanza_unref(l->stanza);
		free(l);
	}
	BUG_ON(map_count(&fw->edges) || fw->fars || fw->ghosts || fw->pending);
	fans_free(fw->fans);
	jam_free(fw->jam);
	reins_free(fw->reins);
	leashes_free(fw->leashes);
	fleet_register_free(fw->retelling);
	reunion_free(fw);
	map_fini(&fw->edges);
	map_fini(&fw->seeking);
	homes_free(fw->homes);
	view_unref(fw->view);
	free(fw);
}

static uint64_t fp_of(void *arg, struct str bare)
{
	return str_hash(bare, ((struct fleet *)arg)->node->hash_key);
}

void fleet_hooks(struct fleet *f, struct mesh_options *o)
{
	o->on_view = on_view;
	o->on_record = on_record;
	o->on_lost = on_lost;
	o->on_purged = on_purged;
	o->on_registry_fresh = on_registry_fresh;
	o->fp_of = fp_of;
	o->core.clock = &f->clock;
	o->arg = f;
}
