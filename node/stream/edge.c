#include "node/stream/edge.h"

#include <endian.h>
#include <stdlib.h>

#include "node/core/freeze.h"
#include "node/core/iq.h"
#include "node/core/log.h"
#include "node/core/rein.h"
#include "node/core/session.h"
#include "node/core/sm_session.h"
#include "node/stream/edge_private.h"
#include "node/stream/replay.h"
#include "node/stream/seeking.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

#define ANSWER_MS 10000 /* for FLEET_BOUND: longer than a dead node takes to be found dead */
#define AGAIN_MS  100   /* when a home says that it is none */
#define TRIES     50
#define BACK_MS   2000 /* for what is under way to a home that gives us up to come back */
#define RESEND_MS 500
#define PAUSE_MAX_MS 10000 /* that a home may ask for */
#define COUNTS_ROOM  64

static struct str key_of(const uint64_t *sid)
{
	return str_span((const char *)sid, sizeof *sid);
}

static struct edge *edge_find(struct node_worker *nw, uint64_t sid)
{
	return map_get(&nw->fleet->edges, key_of(&sid));
}

/* ---- life ---- */

static void on_timer(struct timer *t);

/* Its state or what is to be sent again has changed. */
static void weigh(struct edge *e)
{
	uint32_t now = (uint32_t)(sizeof *e + e->jid.len + 1 + e->state.cap + e->again.cap);
	count_at(e->nw, METRIC_MEMORY_BYTES, MEMORY_EDGE, (int64_t)now - e->bytes);
	e->bytes = now;
}

static struct edge *edge_new(struct c2s *c, const struct jid *full, uint64_t hlc)
{
	struct edge *e = xzalloc(sizeof *e);
	e->stream = c;
	e->nw = c->nw;
	e->fp = fleet_fp(c->nw, jid_bare_str(full));
	e->sid = ++c->nw->next_sid;
	e->hlc = hlc;
	e->jid = *full;
	e->jid.text = xstrndup(full->text, full->len);
	e->timer.on_timer = on_timer;
	buf_init(&e->state, FREEZE_MAX);
	buf_init(&e->again, FRAME_MAX);
	map_put(&c->nw->fleet->edges, key_of(&e->sid), e);
	c->edge = e;
	c2s_hold(c);
	weigh(e);
	return e;
}

/* Lets go of the stream, which stays as it is. */
static void edge_free(struct edge *e)
{
	e->stream->edge = NULL;
	e->stream->who = NULL;
	count_at(e->nw, METRIC_MEMORY_BYTES, MEMORY_EDGE, -(int64_t)e->bytes);
	worker_timer_cancel(e->nw->worker, &e->timer);
	seeking_remove(e);
	map_del(&e->nw->fleet->edges, key_of(&e->sid));
	stanza_unref(e->request);
	buf_fini(&e->state);
	buf_fini(&e->again);
	free((char *)e->jid.text);
	free(e);
}

static void say_gone(struct node_worker *nw, uint32_t home, uint64_t fp, uint64_t home_sid, uint64_t edge_sid, bool lost)
{
	struct frame_record r = fleet_record(FLEET_GONE, fp, home_sid);
	r.osm = edge_sid;
	r.rule = lost;
	fleet_send(nw, home, &r);
}

/* Its last home has given the session up, and no other has it yet: what waited for the client is here alone. */
static void give_back(struct edge *e)
{
	if (e->step != EDGE_FINDS || !e->state.len)
		return;
	struct user *u = user_hold(e->nw, e->stream->host, &e->jid);
	freeze_give_back(u, buf_str(&e->state));
	user_release(u);
}

void edge_drop(struct edge *e, bool lost)
{
	if (e->step == EDGE_BOUND)
		say_gone(e->nw, e->home, e->fp, e->home_sid, e->sid, lost);
	give_back(e);
	edge_free(e);
}

/* Ends the stream; the edge with it. */
static void edge_close_with(struct edge *e, enum stream_error error, struct str text, struct str extra)
{
	struct c2s *c = e->stream;
	give_back(e);
	edge_free(e);
	c2s_close_with(c, error, text, extra);
}

static void edge_close(struct edge *e, enum stream_error error, struct str text)
{
	edge_close_with(e, error, text, STR_NONE);
}

/* A resumption comes to nothing here; the stream goes on. `h`: absent, or 4 bytes. */
static void resumption_fails(struct edge *e, bool again, struct str h)
{
	struct c2s *c = e->stream;
	uint32_t handled = 0;
	bool known = h.len == sizeof handled;
	if (known)
		memcpy(&handled, h.p, sizeof handled);
	handled = le32toh(handled);
	edge_free(e);
	c2s_release(c);
	if (again)
		sm_stream_again(c);
	else
		sm_stream_refused(c, known ? &handled : NULL);
}

/* What passes is told as resource-constraint, whose type is "wait": the client may try again (RFC 6120 section 7.7.2.1). */
static void edge_fail(struct edge *e, enum stanza_error error, const char *text)
{
	struct c2s *c = e->stream;
	struct stanza *request = e->request;
	e->request = NULL;
	if (c->resume) {
		resumption_fails(e, false, STR_NONE);
		return;
	}
	if (!request) {
		bool passes = error == STANZA_RESOURCE_CONSTRAINT;
		edge_close(e, passes ? STREAM_RESOURCE_CONSTRAINT : STREAM_INTERNAL_SERVER_ERROR, str_of(text));
		return;
	}
	edge_free(e);
	bind_refuse(c, request, error, str_of(text));
	c2s_release(c);
}

/* ---- finding a home ---- */

static void edge_go(struct edge *e, uint32_t home);

static void edge_seek(struct edge *e)
{
	e->step = EDGE_FINDS;
	seeking_add(e); /* it may be told, and gone, before homes_want returns 0 */
	uint32_t home = homes_want(e->nw->fleet->homes, jid_bare_str(&e->jid), e->fp, e->hlc, e->nw->worker->now_ms);
	if (home)
		edge_go(e, home);
}

/* `flags`: FRAME_COUNTED: all of it is counted in the state that its home has now. */
static void send_again(struct edge *e, uint8_t flags)
{
	struct buf was = e->again;
	struct str left = buf_str(&was);
	struct frame_record up;
	buf_init(&e->again, FRAME_MAX); /* what is lost once more comes in here */
	weigh(e);
	while (frame_next_record(&left, &up) == ERR_NONE) {
		up.dst_sid = e->home_sid;
		up.flags |= FRAME_MAYBE_DUP | flags;
		fleet_send(e->nw, e->home, &up);
	}
	buf_fini(&was);
}

/* For one of the reasons that there are to do so. */
static void hold(struct edge *e, bool *why, bool on)
{
	if (*why != on && on)
		c2s_hold(e->stream);
	else if (*why != on)
		c2s_release(e->stream);
	*why = on;
}

/* What the home, which lives, did not take is sent again, until nothing comes back. */
static void try_way(struct edge *e)
{
	if (!e->again.len) {
		hold(e, &e->held_by_way, false);
		return;
	}
	send_again(e, 0);
	worker_timer_set(e->nw->worker, &e->timer, RESEND_MS);
}

static void on_timer(struct timer *t)
{
	struct edge *e = (struct edge *)((char *)t - offsetof(struct edge, timer));
	if (e->step == EDGE_FINDS)
		edge_seek(e);
	else if (e->step == EDGE_BOUND)
		try_way(e);
	else
		edge_fail(e, STANZA_RESOURCE_CONSTRAINT, "the node that knows your account does not answer");
}

/* Appends to its state what the edge has counted. Before the client has got stream management its next home, which is asked for it again,
 * counts from there on. */
static void add_counts(struct edge *e, struct buf *state)
{
	e->counts_told = e->sm_on;
	if (e->sm_on)
		freeze_add_counts(state, e->handled, e->sent);
}

/* Its home is here: bound as on a node alone. */
static void settle_here(struct edge *e)
{
	struct c2s *c = e->stream;
	struct stanza *request = e->request;
	struct jid jid = e->jid;
	char *text = (char *)e->jid.text;
	struct buf state = e->state, again = e->again;
	uint64_t hlc = e->hlc;
	add_counts(e, &state);
	bool counted = e->counts_told;
	e->request = NULL;
	e->jid.text = NULL;
	buf_init(&e->state, FREEZE_MAX);
	buf_init(&e->again, FRAME_MAX);
	edge_free(e);
	struct user *u = user_hold(c->nw, c->host, &jid);
	if (request) {
		bind_here(c, request, &jid, hlc);
	} else if (session_is_overtaken(c->nw, &jid, hlc)) {
		c2s_close(c, STREAM_CONFLICT, STR("another client has taken this resource"));
	} else if (session_make_room(c->nw, &jid) != STANZA_ERROR_NONE) {
		c2s_close(c, STREAM_RESOURCE_CONSTRAINT, STR_NONE);
	} else {
		c2s_open(c, &jid, hlc);
		freeze_thaw(c->session, buf_str(&state));
	}
	if (c->state != C2S_CLOSING && again.len && c->session)
		replay_begin(c, &again, counted);
	else if (c->state != C2S_CLOSING)
		c2s_release(c);
	user_release(u);
	buf_fini(&state);
	buf_fini(&again);
	free(text);
}

static void ask_home(struct edge *e)
{
	char ip[IP_TEXT_BYTES];
	const struct resumption *resume = e->stream->resume;
	struct frame_record r = fleet_record(resume ? FLEET_RESUME : FLEET_BIND, e->fp, e->sid);
	struct buf state;
	buf_init(&state, FREEZE_MAX + COUNTS_ROOM);
	buf_add_str(&state, buf_str(&e->state));
	add_counts(e, &state);
	e->step = EDGE_ASKS;
	r.to = jid_str(&e->jid);
	r.from = conn_peer_text(e->stream->conn, ip);
	r.oseq = e->stream->conn->peer_port;
	r.rule = (uint8_t)c2s_transport(e->stream);
	r.osm = resume ? resume->h : e->hlc;
	bool old = resume ? sm_stream_is_last_try(e->stream) : !e->request;
	r.flags = old ? FRAME_REROUTED : 0;
	r.xml = resume ? resume->previd : buf_str(&state);
	worker_timer_set(e->nw->worker, &e->timer, ANSWER_MS);
	fleet_send(e->nw, e->home, &r);
	buf_fini(&state);
}

static void edge_go(struct edge *e, uint32_t home)
{
	e->home = home;
	seeking_remove(e);
	if (home == homes_self(e->nw->fleet->homes))
		settle_here(e);
	else if (e->sm_on && fleet_speaks(e->nw->fleet, home) < FLEET_SM)
		edge_close(e, STREAM_RESET, STR("your account is on a node of an older version now; log in again"));
	else
		ask_home(e);
}

void edge_settled(struct node_worker *nw, uint64_t fp, uint32_t epoch)
{
	unsigned n = 0;
	struct edge *e;
	for (e = seeking_first(nw, fp); e; e = e->next_seeking)
		n++;
	while (n-- && (e = seeking_first(nw, fp))) {
		seeking_remove(e);
		if (epoch)
			edge_go(e, epoch);
		else
			edge_fail(e, STANZA_RESOURCE_CONSTRAINT, "no node can serve your account now");
	}
}

void edge_bind(struct c2s *c, struct stanza *request, const struct jid *full)
{
	struct edge *e = edge_new(c, full, fleet_now(c->nw->fleet));
	e->request = request;
	edge_seek(e);
}

void edge_resume(struct c2s *c, uint32_t home)
{
	struct arena *a = arena_new(256);
	struct jid bare;
	enum err err = jid_parse(a, str_of(c->account), &bare);
	BUG_ON(err != ERR_NONE);
	struct edge *e = edge_new(c, &bare, 0);
	e->home = home;
	ask_home(e);
	arena_free(a);
}

void edge_rehome(struct session *s)
{
	struct c2s *c = c2s_of(s->outlet);
	struct jid full = s->jid;
	struct buf state;
	uint64_t hlc = s->hlc;
	uint32_t handled, sent;
	bool sm_on = s->sm != NULL;
	buf_init(&state, FREEZE_MAX);
	if (!freeze_moving(s, &state)) {
		buf_fini(&state);
		session_close(s, STREAM_RESET, str_of(FREEZE_TOO_LARGE));
		return;
	}
	char *text = xstrndup(full.text, full.len);
	full.text = text;
	sm_session_counts(s, &handled, &sent);
	c->session = NULL;
	c->who = NULL;
	c2s_forget_holds(c);
	s->outlet = NULL;
	session_depart(s);
	struct edge *e = edge_new(c, &full, hlc);
	buf_fini(&e->state);
	e->state = state;
	e->sm_asked = e->sm_on = sm_on;
	e->handled = handled;
	e->sent = sent;
	buf_add_str(&e->again, replay_left(c));
	replay_drop(c);
	weigh(e);
	c->who = &e->jid;
	free(text);
	edge_seek(e);
}

/* ---- records ---- */

/* The address and the age of a session that was resumed. False: that is none. */
static bool take_name(struct edge *e, const struct frame_record *r)
{
	struct arena *a = arena_new(512);
	struct jid full;
	bool valid = jid_parse(a, r->to, &full) == ERR_NONE && jid_is_full(&full) && fleet_is_for(e->nw, r, &full) &&
		     r->xml.len == sizeof e->hlc;
	if (valid) {
		free((char *)e->jid.text);
		e->jid = full;
		e->jid.text = xstrndup(full.text, full.len);
		memcpy(&e->hlc, r->xml.p, sizeof e->hlc);
		e->hlc = le64toh(e->hlc);
	}
	arena_free(a);
	return valid;
}

static void on_resumed(struct edge *e, const struct frame_record *r)
{
	struct c2s *c = e->stream;
	if (!r->osm || !take_name(e, r)) {
		resumption_fails(e, !r->osm && !r->rule, r->xml);
		return;
	}
	e->step = EDGE_BOUND;
	e->home_sid = r->osm;
	e->sm_asked = e->sm_on = true;
	e->handled = r->oseq;
	e->sent = c->resume->h;
	sm_stream_resumed(c);
	c->who = &e->jid;
	c2s_release(c);
}

static void on_bound(struct edge *e, const struct frame_record *r)
{
	struct c2s *c = e->stream;
	if (e->step != EDGE_ASKS)
		return;
	worker_timer_cancel(e->nw->worker, &e->timer);
	if (c->resume) {
		on_resumed(e, r);
		return;
	}
	if (!r->osm && r->rule) {
		edge_fail(e, r->rule < STANZA_ERROR_COUNT ? (enum stanza_error)r->rule : STANZA_INTERNAL_SERVER_ERROR, "");
		return;
	}
	if (!r->osm) { /* our table, or its, is behind */
		e->step = EDGE_FINDS;
		if (++e->tries > TRIES)
			edge_fail(e, STANZA_RESOURCE_CONSTRAINT, "no node says that it serves your account");
		else
			worker_timer_set(e->nw->worker, &e->timer, AGAIN_MS);
		return;
	}
	e->step = EDGE_BOUND;
	e->home_sid = r->osm;
	e->tries = 0;
	if (e->request) {
		struct stanza *request = e->request;
		e->request = NULL;
		if (!bind_answer(c, request, &e->jid))
			return;
	}
	c->who = &e->jid;
	if (c->outlet.choked) /* since it had another home */
		edge_choked(e);
	send_again(e, e->counts_told ? FRAME_COUNTED : 0);
	c2s_release(c);
}

static void leave_home(struct edge *e)
{
	if (e->step == EDGE_BOUND)
		c2s_hold(e->stream);
	hold(e, &e->held_by_home, false);
	hold(e, &e->held_by_way, false);
	worker_timer_cancel(e->nw->worker, &e->timer);
	e->step = EDGE_FINDS;
}

static void on_home_gone(struct edge *e)
{
	leave_home(e);
	if (e->stream->resume)
		resumption_fails(e, true, STR_NONE);
	else
		edge_seek(e);
}

/* What we have sent there meanwhile comes back, with the empty one as the last. */
static void on_rehome(struct edge *e)
{
	if (e->step != EDGE_BOUND) {
		on_home_gone(e);
		return;
	}
	struct frame_record last = fleet_record(FLEET_UP, e->fp, e->home_sid);
	last.osm = e->sid;
	leave_home(e);
	worker_timer_set(e->nw->worker, &e->timer, BACK_MS);
	fleet_send(e->nw, e->home, &last);
}

/* What went to an earlier home, `from`, and to its session `sid`, is counted in the state of the next, if that has counts. */
static void keep_again(struct edge *e, const struct frame_record *r, uint32_t from, uint64_t sid)
{
	struct frame_record up = *r;
	up.kind = FLEET_UP;
	up.osm = e->sid;
	if (e->counts_told && (from != e->home || sid != e->home_sid))
		up.flags |= FRAME_COUNTED;
	if (frame_add_record(&e->again, &up) != ERR_NONE)
		LOG(LOG_WARN, "fleet", "a stanza was lost with a node", L_STR("jid", jid_str(&e->jid)));
	weigh(e);
}

/* An UP that found no session at `from`. */
static void on_back(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct edge *e = edge_find(nw, r->dst_sid);
	bool is_last = !r->xml.len, current = e && e->home == from && r->osm == e->home_sid;
	if (!e && !is_last) {
		if (!(r->flags & FRAME_KEPT)) /* else its client sends it again, where it has resumed its session */
			fleet_orphan(nw, r);
	} else if (is_last) {
		if (current && e->step == EDGE_FINDS && timer_is_set(&e->timer)) {
			worker_timer_cancel(nw->worker, &e->timer);
			edge_seek(e);
		}
	} else if (e->step != EDGE_BOUND) {
		keep_again(e, r, from, r->osm);
	} else {
		keep_again(e, r, from, r->osm);
		if (current) /* it has ended the session, and could not tell */
			on_home_gone(e);
		else
			send_again(e, 0);
	}
}

static void keep_state(struct edge *e, const struct frame_record *r)
{
	buf_fini(&e->state); /* a small one does not keep the room of a large one */
	buf_add_str(&e->state, r->xml);
	weigh(e);
}

static enum stream_error error_of(const struct frame_record *r)
{
	return r->rule < STREAM_ERROR_COUNT ? (enum stream_error)r->rule : STREAM_INTERNAL_SERVER_ERROR;
}

static void on_close(struct edge *e, const struct frame_record *r)
{
	if (e->stream->resume)
		count(e->nw, METRIC_SM_RESUME_FAILURES_TOTAL, 1);
	edge_close_with(e, error_of(r), r->xml, r->from);
}

/* For an edge that is gone, or has another home: the sender must know, and what it sent goes to whoever is there. */
static void for_nobody(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	if ((r->kind != FLEET_BOUND && r->kind != FLEET_DOWN) || !r->osm)
		return;
	say_gone(nw, from, r->dst_fp, r->osm, r->dst_sid, true);
	if (r->kind == FLEET_DOWN && r->rule != STANZA_PRESENCE && !(r->flags & FRAME_KEPT))
		fleet_orphan(nw, r);
}

/* Who has sent it, if its home says so. */
static struct sender sender_of(const struct node_worker *nw, const struct frame_record *r)
{
	uint64_t name = 0;
	if (r->from.len == sizeof name)
		memcpy(&name, r->from.p, sizeof name);
	return rein_sender(nw, r->oseq, le64toh(name));
}

static void on_down(struct edge *e, const struct frame_record *r)
{
	struct node_worker *nw = e->nw;
	if (r->rule <= STANZA_IQ) {
		e->sent++;
		nw->sender = sender_of(nw, r);
		c2s_send_wire(e->stream, (enum stanza_kind)r->rule, r->xml);
		nw->sender.sid = 0;
	} else if (r->rule == OUTLET_WORD) {
		if (str_starts(r->xml, STR("<enabled "))) {
			e->sm_on = true;
			e->sent = 0;
		}
		c2s_send_word(e->stream, r->xml);
	}
}

void edge_record(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct edge *e = edge_find(nw, r->dst_sid);
	if (r->kind == FLEET_BACK) {
		on_back(nw, from, r);
		return;
	}
	if (!e || e->home != from) {
		for_nobody(nw, from, r);
		return;
	}
	switch ((enum fleet_kind)r->kind) {
	case FLEET_BOUND:
		on_bound(e, r);
		break;
	case FLEET_DOWN:
		if (e->step == EDGE_BOUND)
			on_down(e, r);
		break;
	case FLEET_HOLD:
	case FLEET_RELEASE:
		if (e->step == EDGE_BOUND)
			hold(e, &e->held_by_home, r->kind == FLEET_HOLD);
		break;
	case FLEET_PAUSE:
		c2s_pause(e->stream, r->oseq < PAUSE_MAX_MS ? r->oseq : PAUSE_MAX_MS, NULL);
		break;
	case FLEET_CLOSE:
		on_close(e, r);
		break;
	case FLEET_STATE:
		keep_state(e, r);
		break;
	case FLEET_REHOME:
		keep_state(e, r);
		on_rehome(e);
		break;
	default:
		break;
	}
}

static struct frame_record up_of(const struct edge *e, enum fleet_up what)
{
	struct frame_record r = fleet_record(FLEET_UP, e->fp, e->home_sid);
	r.osm = e->sid;
	r.rule = (uint8_t)what;
	r.flags = e->sm_on ? FRAME_KEPT : 0;
	return r;
}

/* An older home leaves what is of the stream to us. It counts nothing. */
static bool answers_for_home(struct edge *e, struct stanza *st)
{
	bool is_older = st->kind == STANZA_IQ && fleet_speaks(e->nw->fleet, e->home) < FLEET_SM;
	struct stanza *answer = is_older ? iq_answer_of_stream(e->stream->host, st) : NULL;
	if (answer)
		c2s_send(e->stream, answer);
	stanza_unref(answer);
	return answer != NULL;
}

void edge_sent(struct edge *e, struct stanza *st)
{
	if (answers_for_home(e, st)) {
		stanza_unref(st);
		return;
	}
	struct frame_record r = up_of(e, FLEET_UP_STANZA);
	e->handled++;
	fleet_send_stanza(e->nw, e->home, &r, st);
	stanza_unref(st);
	if (fleet_is_full(e->nw, e->home) && !timer_is_set(&e->stream->pause)) {
		count_limit(e->nw, LIMIT_MAILBOX);
		c2s_pause(e->stream, FLEET_FULL_MS, NULL);
	}
}

void edge_answered(struct edge *e)
{
	struct frame_record r = up_of(e, FLEET_UP_ANSWERED);
	if (!e->sm_asked)
		return;
	e->handled++;
	r.xml = STR("-");
	fleet_send(e->nw, e->home, &r);
}

void edge_choked(struct edge *e)
{
	struct frame_record r = fleet_record(FLEET_CHOKE, e->fp, e->home_sid);
	if (e->step != EDGE_BOUND || fleet_speaks(e->nw->fleet, e->home) < FLEET_CHOKES)
		return;
	r.osm = e->sid;
	r.rule = e->stream->outlet.choked;
	fleet_send(e->nw, e->home, &r);
}

bool edge_word(struct edge *e, const struct elem *word, const struct sm_said *said)
{
	struct frame_record r = up_of(e, FLEET_UP_WORD);
	struct buf b;
	if (fleet_speaks(e->nw->fleet, e->home) < FLEET_SM)
		return false;
	if (said->word == SM_ENABLE && !e->sm_asked) {
		e->sm_asked = true;
		e->handled = 0;
	}
	buf_init(&b, FRAME_MAX);
	xml_write(&b, word, NS_CLIENT, true);
	r.xml = buf_str(&b);
	fleet_send(e->nw, e->home, &r);
	buf_fini(&b);
	return true;
}

/* If its home lives, and the way there is full, the client is not read, or more would wait here than there is room for. */
bool edge_lost(struct node_worker *nw, uint32_t to, const struct frame_record *r)
{
	struct edge *e = edge_find(nw, r->osm);
	if (!e)
		return false;
	keep_again(e, r, to, r->dst_sid);
	if (e->step != EDGE_BOUND)
		return true;
	if (e->home != to) {
		send_again(e, 0);
		return true;
	}
	hold(e, &e->held_by_way, true);
	if (!timer_is_set(&e->timer))
		worker_timer_set(nw->worker, &e->timer, RESEND_MS);
	return true;
}

/* Of all edges, as what happens to one may change the map; yours. */
static uint64_t *names_of_all(struct node_worker *nw, size_t *n)
{
	struct str key;
	void *value;
	uint64_t *found = xmalloc((map_count(&nw->fleet->edges) + 1) * sizeof *found);
	*n = 0;
	for (size_t i = 0; map_next(&nw->fleet->edges, &i, &key, &value);)
		found[(*n)++] = ((struct edge *)value)->sid;
	return found;
}

void edge_node_gone(struct node_worker *nw, uint32_t epoch)
{
	size_t n;
	uint64_t *names = names_of_all(nw, &n);
	for (size_t i = 0; i < n; i++) {
		struct edge *e = edge_find(nw, names[i]);
		if (e && e->home == epoch && e->step != EDGE_FINDS)
			on_home_gone(e);
	}
	free(names);
}

/* Our homes have ended the sessions with our old name, and told their contacts so. */
void edge_renamed(struct node_worker *nw)
{
	size_t n;
	uint64_t *names = names_of_all(nw, &n);
	for (size_t i = 0; i < n; i++) {
		struct edge *e = edge_find(nw, names[i]);
		if (e && e->step == EDGE_BOUND)
			edge_close(e, STREAM_RESET, STR("this node was cut off from the one where your account is; log in again"));
		else if (e && e->step == EDGE_ASKS)
			on_home_gone(e);
	}
	free(names);
}
