#include "node/core/far.h"

#include <endian.h>
#include <stdlib.h>

#include "node/core/freeze.h"
#include "node/core/leash.h"
#include "node/core/limits.h"
#include "node/core/log.h"
#include "node/core/rein.h"
#include "node/core/router.h"
#include "node/core/sm_past.h"
#include "node/core/sm_session.h"
#include "node/core/trace.h"
#include "proto/xml/fragment.h"

#define QUEUE_HIGH (64u << 10) /* bytes that wait here before the client is not read */
#define PAUSE_STEP 100         /* ms by which a pause that the edge knows of is too short before it is told again */

/* What the client sent. */
struct heard {
	struct stanza *stanza; /* NULL: a word, or what its edge has answered */
	struct sm_said said;
	bool word, counts;
};

struct queued {
	struct queued *next;
	struct heard heard;
};

struct far {
	struct outlet outlet;
	struct far *next, **prev;
	struct node_worker *nw;
	uint64_t fp, sid, edge_sid;
	uint32_t edge;
	uint16_t holds, port;
	bool told;                   /* the edge holds its client */
	struct queued *first, **end;
	size_t queued_bytes;
	uint64_t paused_until_ms;    /* as the edge was told */
	struct deferred resume;
	char ip[IP_TEXT_BYTES];
};

static const struct outlet_ops far_ops;

static struct far *far_of(const struct outlet *o)
{
	return (struct far *)((char *)o - offsetof(struct far, outlet));
}

bool far_is(const struct session *s)
{
	return s->outlet && s->outlet->ops == &far_ops;
}

uint32_t far_edge(const struct session *s)
{
	return far_is(s) ? far_of(s->outlet)->edge : 0;
}

static void say(struct far *f, enum fleet_kind kind)
{
	struct frame_record r = fleet_record(kind, f->fp, f->edge_sid);
	fleet_send(f->nw, f->edge, &r);
}

/* ---- life ---- */

static void far_free(struct far *f)
{
	*f->prev = f->next;
	if (f->next)
		f->next->prev = f->prev;
	worker_undefer(f->nw->worker, &f->resume);
	while (f->first) {
		struct queued *q = f->first;
		f->first = q->next;
		stanza_unref(q->heard.stanza);
		free(q);
	}
	count(f->nw, METRIC_HOLDS, -(int)f->holds);
	free(f);
}

static struct session *session_of(const struct far *f)
{
	return session_find(f->nw, f->sid);
}

/* The client is gone; `lost`: without a word. What waits here it has sent, and was not told that it is handled. */
static void far_end(struct far *f, bool lost)
{
	struct session *s = session_of(f);
	if (s)
		s->outlet = NULL;
	if (s && lost)
		session_lost(s);
	else if (s)
		session_end(s);
	far_free(f);
}

/* ---- what the session sees ---- */

/* For the client's edge, which may have to slow its sender down. Presence fans out: nobody waits for it. */
static void name_sender(const struct far *f, struct frame_record *r, uint64_t *room)
{
	if (r->rule == STANZA_PRESENCE || r->rule == OUTLET_WORD)
		return;
	*room = htole64(rein_name(f->nw, &r->oseq));
	if (r->oseq)
		r->from = str_span((const char *)room, sizeof *room);
}

static void far_send(struct outlet *o, const struct stanza *st)
{
	struct far *f = far_of(o);
	struct frame_record r = fleet_record(FLEET_DOWN, f->fp, f->edge_sid);
	r.rule = (uint8_t)st->kind;
	uint64_t name;
	r.osm = f->sid;
	name_sender(f, &r, &name);
	trace_tap(session_of(f), false, st);
	size_t bytes = fleet_send_stanza(f->nw, f->edge, &r, st);
	if (st->kind != STANZA_PRESENCE)
		leash_sent(f->nw, f->edge, f->fp, bytes);
}

static void far_send_wire(struct outlet *o, unsigned kind, struct str bytes)
{
	struct far *f = far_of(o);
	struct frame_record r = fleet_record(FLEET_DOWN, f->fp, f->edge_sid);
	r.rule = (uint8_t)kind;
	r.osm = f->sid;
	uint64_t name;
	r.flags = FRAME_KEPT;
	name_sender(f, &r, &name);
	r.xml = bytes;
	fleet_send(f->nw, f->edge, &r);
	if (kind != STANZA_PRESENCE && kind != OUTLET_WORD)
		leash_sent(f->nw, f->edge, f->fp, bytes.len);
}

static void far_hold(struct outlet *o)
{
	struct far *f = far_of(o);
	f->holds++;
	count(f->nw, METRIC_HOLDS, 1);
}

static void far_release(struct outlet *o)
{
	struct far *f = far_of(o);
	BUG_ON(f->holds == 0);
	count(f->nw, METRIC_HOLDS, -1);
	if (--f->holds == 0)
		worker_defer(f->nw->worker, &f->resume);
}

static void far_pause(struct outlet *o, uint32_t for_ms)
{
	struct far *f = far_of(o);
	struct frame_record r = fleet_record(FLEET_PAUSE, f->fp, f->edge_sid);
	r.oseq = for_ms;
	fleet_send(f->nw, f->edge, &r);
}

static void send_close(struct node_worker *nw, uint32_t edge, uint64_t fp, uint64_t edge_sid, enum stream_error e, struct str text,
		       struct str extra)
{
	struct frame_record r = fleet_record(FLEET_CLOSE, fp, edge_sid);
	r.rule = (uint8_t)e;
	r.xml = text;
	r.from = extra;
	fleet_send(nw, edge, &r);
}

static void far_close(struct outlet *o, enum stream_error e, struct str text, struct str extra)
{
	struct far *f = far_of(o);
	send_close(f->nw, f->edge, f->fp, f->edge_sid, e, text, extra);
	far_end(f, e == STREAM_CONNECTION_TIMEOUT);
}

static void far_leave(struct outlet *o)
{
	struct far *f = far_of(o);
	send_close(f->nw, f->edge, f->fp, f->edge_sid, STREAM_CONFLICT, STR("the session goes on at another connection"), STR_NONE);
	far_free(f);
}

static void far_describe(const struct outlet *o, struct outlet_info *out)
{
	const struct far *f = far_of(o);
	const struct view_node *n = f->nw->fleet->view ? view_find(f->nw->fleet->view, f->edge) : NULL;
	bool paused = f->paused_until_ms > f->nw->worker->now_ms;
	*out = (struct outlet_info){ .port = f->port, .queue_bytes = f->queued_bytes, .holds = f->holds + paused };
	memcpy(out->ip, f->ip, sizeof out->ip);
	if (n)
		memcpy(out->node, n->name, sizeof out->node);
}

static void far_changed(struct outlet *o)
{
	struct far *f = far_of(o);
	struct session *s = session_of(f);
	struct frame_record r = fleet_record(FLEET_STATE, f->fp, f->edge_sid);
	struct buf b;
	if (!s)
		return;
	buf_init(&b, FREEZE_MAX);
	freeze_session(s, &b);
	r.xml = buf_str(&b);
	fleet_send(f->nw, f->edge, &r);
	buf_fini(&b);
}

static const struct outlet_ops far_ops = {
	.send = far_send, .send_wire = far_send_wire, .hold = far_hold, .release = far_release, .pause = far_pause, .close = far_close,
	.leave = far_leave, .describe = far_describe, .changed = far_changed,
};

/* ---- going elsewhere ---- */

void far_rehome(struct session *s)
{
	struct far *f = far_of(s->outlet);
	struct frame_record r = fleet_record(FLEET_REHOME, f->fp, f->edge_sid);
	struct buf b;
	buf_init(&b, FREEZE_MAX);
	if (freeze_moving(s, &b)) {
		r.xml = buf_str(&b);
		fleet_send(f->nw, f->edge, &r);
		s->outlet = NULL;
		session_depart(s);
		far_free(f);
	} else {
		session_close(s, STREAM_RESET, str_of(FREEZE_TOO_LARGE));
	}
	buf_fini(&b);
}

void far_rehome_all(struct node_worker *nw)
{
	while (nw->fleet->fars)
		far_rehome(session_of(nw->fleet->fars));
}

static bool is_all_far(const struct user *u)
{
	for (const struct session *s = u->sessions; s; s = s->next)
		if (!far_is(s))
			return false;
	return true;
}

static void let_go(struct user *u)
{
	if (!is_all_far(u))
		return;
	u->holds++;
	while (u->sessions)
		far_rehome(u->sessions);
	user_release(u);
}

/* Collected first, by name: one goes with all of its account. */
void far_let_go(struct node_worker *nw)
{
	size_t n = 0;
	for (const struct far *f = nw->fleet->fars; f; f = f->next)
		n++;
	uint64_t *found = xmalloc((n + 1) * sizeof *found);
	n = 0;
	for (const struct far *f = nw->fleet->fars; f; f = f->next)
		found[n++] = f->sid;
	for (size_t i = 0; i < n; i++) {
		struct session *s = session_find(nw, found[i]);
		if (s)
			let_go(s->user);
	}
	free(found);
}

void far_node_gone(struct node_worker *nw, uint32_t epoch)
{
	for (struct far *f = nw->fleet->fars, *next; f; f = next) {
		next = f->next;
		if (f->edge == epoch)
			far_end(f, true);
	}
}

/* ---- what the client sends ---- */

static void take(struct far *f, const struct heard *h)
{
	struct session *s = session_of(f);
	if (!s) {
		stanza_unref(h->stanza);
		return;
	}
	if (h->counts)
		sm_session_took(s);
	if (h->stanza) {
		trace_tap(s, true, h->stanza);
		router_sent(s, h->stanza);
	} else if (h->word) {
		sm_session_heard(s, &h->said);
	}
}

static size_t heard_bytes(const struct heard *h)
{
	return sizeof(struct queued) + (h->stanza ? arena_bytes(h->stanza->arena) : 0);
}

static bool lives(struct node_worker *nw, uint64_t sid, const struct far *f)
{
	const struct session *s = session_find(nw, sid);
	return s && s->outlet == &f->outlet;
}

static void on_resume(struct deferred *d)
{
	struct far *f = (struct far *)((char *)d - offsetof(struct far, resume));
	struct node_worker *nw = f->nw;
	uint64_t sid = f->sid;
	while (!f->holds && f->first) {
		struct queued *q = f->first;
		struct heard h = q->heard;
		f->first = q->next;
		if (!f->first)
			f->end = &f->first;
		f->queued_bytes -= heard_bytes(&h);
		free(q);
		take(f, &h);
		if (!lives(nw, sid, f)) /* what it sent has ended it */
			return;
	}
	if (f->told && !f->first) {
		f->told = false;
		say(f, FLEET_RELEASE);
	}
}

static void queue(struct far *f, const struct heard *h)
{
	struct queued *q = xmalloc(sizeof *q);
	*q = (struct queued){ .heard = *h };
	*f->end = q;
	f->end = &q->next;
	f->queued_bytes += heard_bytes(h);
	if (f->told || f->queued_bytes < QUEUE_HIGH)
		return;
	f->told = true;
	say(f, FLEET_HOLD);
}

/* All clients of an account share a rate (limits.h), wherever they are. What is under way when the edge hears of a pause comes still, and
 * makes it longer. */
static void pay(struct far *f, struct user *u)
{
	uint64_t now_ms = f->nw->worker->now_ms;
	uint64_t wait_ms = bucket_take(&u->stanzas, &limits_rates(f->nw->node->limits)->account, 1, now_ms);
	bool paused = f->paused_until_ms > now_ms;
	if (!wait_ms || (paused && now_ms + wait_ms < f->paused_until_ms + PAUSE_STEP))
		return;
	if (!paused) {
		LOG(LOG_INFO, "fleet", "a client sends too fast: it is not read for a while", L_UINT("edge", f->edge),
		    L_Z("limit", limit_text(LIMIT_ACCOUNT_RATE)), L_STR("jid", jid_str(&u->jid)), L_UINT("wait_ms", wait_ms));
		count_limit(f->nw, LIMIT_ACCOUNT_RATE);
	}
	f->paused_until_ms = now_ms + wait_ms;
	far_pause(&f->outlet, wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX);
}

/* The session that this record of that node is for. */
static struct far *far_find(struct node_worker *nw, uint32_t from, uint64_t sid)
{
	struct session *s = session_find(nw, sid);
	struct far *f = s && far_is(s) ? far_of(s->outlet) : NULL;
	return f && f->edge == from ? f : NULL;
}

/* An older edge of the same client does not speak for the new one. */
static struct far *far_of_edge(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct far *f = far_find(nw, from, r->dst_sid);
	return f && (!r->osm || r->osm == f->edge_sid) ? f : NULL;
}

static bool word_read(struct node_worker *nw, struct str xml, struct sm_said *out)
{
	struct arena *a = arena_new(512);
	const struct elem *root = xml_fragment_read(nw->parser, xml, a);
	bool valid = root && sm_read(root, out) == ERR_NONE;
	out->previd = STR_NONE; /* a bound client has no use for it */
	arena_free(a);
	return valid;
}

/* False: there is nothing in it for us. */
static bool heard_read(struct node_worker *nw, const struct frame_record *r, struct heard *out)
{
	*out = (struct heard){ .counts = r->rule != FLEET_UP_WORD && !(r->flags & FRAME_COUNTED) };
	if (!r->xml.len || r->rule == FLEET_UP_ANSWERED)
		return r->xml.len > 0;
	if (r->rule == FLEET_UP_WORD) {
		out->word = word_read(nw, r->xml, &out->said);
		return out->word;
	}
	out->stanza = fleet_stanza(nw, r);
	return out->stanza != NULL;
}

static void on_up(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct heard h;
	struct far *f = far_of_edge(nw, from, r);
	if (!f) { /* it has gone elsewhere while this was under way, or was closed: the edge knows, or learns it now */
		struct frame_record back = *r;
		back.kind = FLEET_BACK;
		back.dst_sid = r->osm;
		back.osm = r->dst_sid;
		fleet_send(nw, from, &back);
		return;
	}
	if (!heard_read(nw, r, &h))
		return;
	pay(f, session_of(f)->user);
	if (f->holds || f->first)
		queue(f, &h);
	else
		take(f, &h);
}

static void on_gone(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct far *f = far_of_edge(nw, from, r);
	if (f)
		far_end(f, r->rule != 0);
}

static void on_choke(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct far *f = far_of_edge(nw, from, r);
	if (f)
		f->outlet.choked = r->rule != 0;
}

void far_lost(struct node_worker *nw, uint32_t to, const struct frame_record *r)
{
	struct far *f = far_find(nw, to, r->osm);
	if (!f || f->edge_sid != r->dst_sid)
		return;
	send_close(nw, to, f->fp, f->edge_sid, STREAM_CONNECTION_TIMEOUT, STR("something for you was lost; resume"), STR_NONE);
	far_end(f, true);
}

/* ---- binding ---- */

static void answer(struct node_worker *nw, uint32_t edge, const struct frame_record *bind, uint64_t sid, enum stanza_error e)
{
	struct frame_record r = fleet_record(FLEET_BOUND, bind->dst_fp, bind->dst_sid);
	r.osm = sid;
	r.rule = (uint8_t)e;
	fleet_send(nw, edge, &r);
}

/* We were taken for dead, and are asked again by the edge that we still serve: one client, not two that want one name. */
static void forget_same_client(struct node_worker *nw, uint32_t edge, uint64_t edge_sid, const struct jid *full)
{
	struct user *u = user_find(nw, jid_bare_str(full));
	struct session *s = u ? user_session(u, jid_resource(full)) : NULL;
	struct far *f = s && far_is(s) ? far_of(s->outlet) : NULL;
	if (!f || f->edge != edge || f->edge_sid != edge_sid)
		return;
	s->outlet = NULL;
	session_depart(s);
	far_free(f);
}

static struct far *far_new(struct node_worker *nw, uint32_t edge, const struct frame_record *r)
{
	struct far *f = xzalloc(sizeof *f);
	f->nw = nw;
	f->fp = r->dst_fp;
	f->edge = edge;
	f->edge_sid = r->dst_sid;
	f->port = (uint16_t)r->oseq;
	f->end = &f->first;
	f->resume.fn = on_resume;
	f->outlet.ops = &far_ops;
	f->outlet.transport = r->rule < TRANSPORT_COUNT ? r->rule : TRANSPORT_STARTTLS;
	f->outlet.secure = f->outlet.transport != TRANSPORT_PLAIN;
	if (r->from.len)
		memcpy(f->ip, r->from.p, r->from.len < sizeof f->ip ? r->from.len : sizeof f->ip - 1);
	f->next = nw->fleet->fars;
	f->prev = &nw->fleet->fars;
	if (f->next)
		f->next->prev = &f->next;
	nw->fleet->fars = f;
	return f;
}

/* Its edge still has the state that it came with, which has what waited for the client then: it must not come back with that. */
static void thaw(struct session *s, struct str state)
{
	struct node_worker *nw = s->nw;
	uint64_t sid = s->sid;
	freeze_thaw(s, state);
	if (session_find(nw, sid))
		session_restated(s);
}

static void bind_here(struct node_worker *nw, uint32_t from, const struct frame_record *r, struct host *h, const struct jid *full)
{
	struct far *f = far_new(nw, from, r);
	answer(nw, from, r, nw->next_sid + 1, STANZA_ERROR_NONE);
	f->sid = nw->next_sid + 1;
	struct session *s = session_new(nw, h, full, &f->outlet, r->osm);
	BUG_ON(s->sid != f->sid);
	if (r->xml.len)
		thaw(s, r->xml);
	LOG(LOG_INFO, "fleet", "session bound for a client of another node", L_STR("jid", jid_str(full)), L_UINT("edge", from),
	    L_BOOL("moved", r->xml.len > 0));
}

/* This node leaves, and all sessions of the account have: its claim ends now. */
static bool has_left(const struct node_worker *nw, const struct jid *full)
{
	const struct user *u = user_find((struct node_worker *)nw, jid_bare_str(full));
	return nw->fleet->leaving && (!u || !u->sessions);
}

static void on_bind(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct jid full;
	struct arena *a = arena_new(512);
	bool valid = jid_parse(a, r->to, &full) == ERR_NONE && jid_is_full(&full) && jid_has_local(&full) && fleet_is_for(nw, r, &full);
	struct host *h = valid ? host_find(nw->node, jid_domain(&full)) : NULL;
	enum stanza_error e = STANZA_ERROR_NONE;
	if (!h) {
		answer(nw, from, r, 0, STANZA_INTERNAL_SERVER_ERROR);
	} else if (homes_claimed(nw->fleet->homes, r->dst_fp) != homes_self(nw->fleet->homes) || has_left(nw, &full)) {
		answer(nw, from, r, 0, STANZA_ERROR_NONE);
	} else if ((r->flags & FRAME_REROUTED) && session_is_overtaken(nw, &full, r->osm)) {
		send_close(nw, from, r->dst_fp, r->dst_sid, STREAM_CONFLICT, STR_NONE, STR_NONE);
	} else {
		struct user *u = user_hold(nw, h, &full); /* its home stays here while one session makes room for the other */
		forget_same_client(nw, from, r->dst_sid, &full);
		if ((e = session_make_room(nw, &full)) != STANZA_ERROR_NONE)
			answer(nw, from, r, 0, e);
		else
			bind_here(nw, from, r, h, &full);
		if (nw->fleet->leaving)
			let_go(u);
		user_release(u);
	}
	arena_free(a);
}

/* ---- resumption ---- */

/* The session goes on at this edge. A node that leaves sends it on to its next home at once, if it can. */
static void resume_here(struct node_worker *nw, uint32_t from, const struct frame_record *r, struct session *s)
{
	struct far *f = far_new(nw, from, r);
	struct frame_record bound = fleet_record(FLEET_BOUND, r->dst_fp, r->dst_sid);
	uint64_t hlc = htole64(s->hlc);
	uint32_t sent;
	f->sid = s->sid;
	bound.osm = s->sid;
	bound.to = jid_str(&s->jid);
	bound.xml = str_span((const char *)&hlc, sizeof hlc);
	sm_session_counts(s, &bound.oseq, &sent);
	fleet_send(nw, from, &bound);
	sm_session_resume(s, &f->outlet, (uint32_t)r->osm);
	if (nw->fleet->leaving)
		let_go(s->user);
}

static void refuse_unknown(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct frame_record bound = fleet_record(FLEET_BOUND, r->dst_fp, r->dst_sid);
	uint32_t h;
	bound.rule = STANZA_ITEM_NOT_FOUND;
	if (sm_past_find(nw, r->to, r->xml, &h)) {
		h = htole32(h);
		bound.xml = str_span((const char *)&h, sizeof h);
	}
	fleet_send(nw, from, &bound);
}

static void refuse_too_high(struct node_worker *nw, uint32_t from, const struct frame_record *r, const struct session *s)
{
	struct buf text, extra;
	buf_init(&text, SM_WORD_MAX);
	buf_init(&extra, SM_WORD_MAX);
	sm_session_too_high(s, (uint32_t)r->osm, &text, &extra);
	send_close(nw, from, r->dst_fp, r->dst_sid, STREAM_UNDEFINED_CONDITION, buf_str(&text), buf_str(&extra));
	buf_fini(&text);
	buf_fini(&extra);
}

static void on_resumption(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	bool ours = fleet_fp(nw, r->to) == r->dst_fp;
	struct session *s = ours ? sm_session_find(nw, r->to, r->xml) : NULL;
	enum sm_resumption what = s ? sm_session_may_resume(s, (uint32_t)r->osm) : SM_UNKNOWN;
	if (what == SM_BUSY && (r->flags & FRAME_REROUTED))
		what = SM_MAY_RESUME;
	switch (what) {
	case SM_UNKNOWN:
		refuse_unknown(nw, from, r);
		break;
	case SM_TOO_HIGH:
		refuse_too_high(nw, from, r, s);
		break;
	case SM_BUSY:
		answer(nw, from, r, 0, STANZA_ERROR_NONE);
		break;
	case SM_MAY_RESUME:
		resume_here(nw, from, r, s);
		break;
	}
}

void far_record(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	if (r->kind == FLEET_BIND)
		on_bind(nw, from, r);
	else if (r->kind == FLEET_RESUME)
		on_resumption(nw, from, r);
	else if (r->kind == FLEET_UP)
		on_up(nw, from, r);
	else if (r->kind == FLEET_CHOKE)
		on_choke(nw, from, r);
	else
		on_gone(nw, from, r);
}
