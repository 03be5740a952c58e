#include "node/core/sm_session.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "node/core/hooks.h"
#include "node/core/log.h"
#include "node/core/node.h"
#include "node/core/router.h"
#include "node/core/sm_back.h"
#include "node/core/sm_past.h"
#include "node/core/sm_private.h"
#include "node/core/trace.h"

static const struct sm_settings *settings_of(const struct session *s)
{
	return &s->nw->node->settings.sm;
}

static void set_timer(struct sm_session *sm, enum sm_phase phase, uint64_t after_ms)
{
	sm->phase = (uint8_t)phase;
	worker_timer_set(sm->nw->worker, &sm->timer, after_ms);
}

static void set_idle(struct sm_session *sm)
{
	sm->phase = SM_IDLE;
	worker_timer_cancel(sm->nw->worker, &sm->timer);
}

/* ---- words to the client ---- */

static void say(struct session *s, struct buf *word)
{
	BUG_ON(buf_status(word) != ERR_NONE);
	if (s->outlet)
		s->outlet->ops->send_wire(s->outlet, OUTLET_WORD, buf_str(word));
	buf_fini(word);
}

static void say_failed(struct session *s, enum stanza_error e)
{
	struct buf b;
	buf_init(&b, SM_WORD_MAX);
	sm_write_failed(&b, e, NULL);
	say(s, &b);
}

static void say_handled(struct session *s)
{
	struct buf b;
	buf_init(&b, SM_WORD_MAX);
	sm_write_a(&b, s->sm->handled);
	say(s, &b);
}

static void ask(struct session *s)
{
	struct sm_session *sm = s->sm;
	struct buf b;
	buf_init(&b, SM_WORD_MAX);
	sm_write_r(&b);
	say(s, &b);
	sm->asked = sm->queue.sent;
	sm->unasked_bytes = 0;
	sm->heard = false;
	set_timer(sm, SM_ASKED, settings_of(s)->ack_ms);
}

/* ---- time ---- */

/* The answer may be on its way: nothing is read from its client, or more comes from it, of which the answer may be the last. Only the node
 * that it is connected to knows of all pauses; but if a client sends so much that it is paused there, some of it comes. */
static bool may_have_answered(const struct session *s)
{
	struct outlet_info info;
	if (!s->outlet)
		return false;
	s->outlet->ops->describe(s->outlet, &info);
	return info.holds > 0 || s->sm->heard;
}

static void on_timer(struct timer *t)
{
	struct sm_session *sm = (struct sm_session *)((char *)t - offsetof(struct sm_session, timer));
	struct session *s = sm->session;
	if (sm->phase == SM_SOON) {
		ask(s);
	} else if (sm->phase == SM_ASKED && may_have_answered(s)) { /* who falls silent, or is read again, has as long again */
		sm->heard = false;
		set_timer(sm, SM_ASKED, settings_of(s)->ack_ms);
	} else if (sm->phase == SM_ASKED) {
		LOG(LOG_INFO, "sm", "a client does not acknowledge: its stream counts as dead", L_STR("jid", jid_str(&s->jid)),
		    L_UINT("unacked", sm->queue.n));
		session_close(s, STREAM_CONNECTION_TIMEOUT, STR("you did not answer a request for acknowledgement"));
	} else if (sm->phase == SM_DETACHED) {
		LOG(LOG_INFO, "sm", "session was not resumed: it ends", L_STR("jid", jid_str(&s->jid)), L_UINT("unacked", sm->queue.n));
		session_end(s);
	}
}

/* ---- sending ---- */

void sm_session_drop_queue(struct sm_session *sm)
{
	count_at(sm->nw, METRIC_MEMORY_BYTES, MEMORY_UNACKED, -(int64_t)sm->queue.bytes);
	unacked_drop(&sm->queue);
}

static bool is_full(const struct sm_session *sm)
{
	const struct sm_settings *set = settings_of(sm->session);
	return sm->queue.n > set->queue_stanzas || sm->queue.bytes > set->queue_bytes;
}

/* Whoever sends may be walking over sessions: one without a stream ends at the next pass. */
static void look_at_ceiling(struct session *s)
{
	struct sm_session *sm = s->sm;
	if (!is_full(sm))
		return;
	if (sm->phase == SM_DETACHED) {
		if (sm->ends_ms > s->nw->worker->now_ms)
			count_limit(s->nw, LIMIT_SM_QUEUE);
		sm->ends_ms = s->nw->worker->now_ms;
		set_timer(sm, SM_DETACHED, 0);
		return;
	}
	LOG(LOG_INFO, "sm", "a client acknowledges nothing: its session cannot be resumed any more", L_STR("jid", jid_str(&s->jid)),
	    L_UINT("unacked", sm->queue.n), L_UINT("bytes", sm->queue.bytes));
	count_limit(s->nw, LIMIT_SM_QUEUE);
	sm_session_drop_queue(sm);
	sm->resumable = false;
	sm->given_up = true;
}

static void look_whether_to_ask(struct session *s)
{
	struct sm_session *sm = s->sm;
	const struct sm_settings *set = settings_of(s);
	if (sm->phase != SM_IDLE && sm->phase != SM_SOON)
		return;
	if (sm->queue.sent - sm->asked >= set->ask_stanzas || sm->unasked_bytes >= set->ask_bytes)
		ask(s);
	else if (sm->phase == SM_IDLE && sm->queue.sent != sm->asked)
		set_timer(sm, SM_SOON, set->ask_after_ms);
}

bool sm_session_ask_last(struct node_worker *nw, uint64_t since_ms)
{
	struct str key;
	void *value;
	bool any = false;
	for (size_t i = 0; map_next(&nw->sessions, &i, &key, &value);) {
		struct session *s = value;
		bool may = s->sm && s->outlet && s->sm->phase != SM_DETACHED && s->sm->queue.sent != s->sm->queue.acked;
		any |= may;
		if (may && s->sm->phase != SM_ASKED)
			ask(s);
	}
	return any && nw->worker->now_ms - since_ms < SM_LAST_MS;
}

static void keep(struct session *s, const struct stanza *st, struct str bytes, struct unacked_share *share, bool kept)
{
	struct unacked *q = &s->sm->queue;
	size_t before = q->bytes;
	if (s->sm->given_up) {
		unacked_skip(q);
		return;
	}
	int64_t at_ms = st->received_ms ? st->received_ms : worker_wall_ms();
	unacked_add(q, st->kind, bytes, at_ms, share)->kept = kept;
	count_at(s->nw, METRIC_MEMORY_BYTES, MEMORY_UNACKED, (int64_t)(q->bytes - before));
}

void sm_session_send(struct session *s, const struct stanza *st, struct unacked_share *share, bool kept)
{
	struct buf b;
	buf_init(&b, SIZE_MAX); /* it was read within a ceiling, or made by us */
	stanza_write(&b, st);
	keep(s, st, buf_str(&b), share, kept);
	s->sm->unasked_bytes += b.len;
	if (s->outlet) {
		trace_tap(s, false, st);
		s->outlet->ops->send_wire(s->outlet, st->kind, buf_str(&b));
		look_at_ceiling(s);
		look_whether_to_ask(s);
	}
	buf_fini(&b);
}

/* ---- what the client says ---- */

void sm_session_took(struct session *s)
{
	if (!s->sm)
		return;
	s->sm->handled++;
	s->sm->heard = true;
}

static void count_session(const struct sm_session *sm, int n)
{
	count(sm->nw, METRIC_SM_SESSIONS, n);
	count_at(sm->nw, METRIC_MEMORY_BYTES, MEMORY_SESSION, n * (int64_t)sizeof *sm);
}

struct sm_session *sm_session_new(struct session *s)
{
	struct sm_session *sm = s->sm = xzalloc(sizeof *sm);
	sm->nw = s->nw;
	sm->session = s;
	sm->timer.on_timer = on_timer;
	unacked_init(&sm->queue);
	count_session(sm, 1);
	return sm;
}

static void enable(struct session *s, const struct sm_said *said)
{
	const struct sm_settings *set = settings_of(s);
	uint64_t wanted_ms = said->max_s ? (uint64_t)said->max_s * 1000 : UINT64_MAX;
	struct sm_session *sm = sm_session_new(s);
	struct buf b;
	/* A guest cannot log in as the same guest again. */
	sm->resumable = said->resume && set->resume_ms && !s->anonymous;
	sm->max_ms = wanted_ms < set->resume_ms ? wanted_ms : set->resume_ms;
	if (sm->resumable) {
		struct arena *a = arena_new(64);
		memcpy(sm->id, rng_token(&s->nw->worker->rng, a, SM_ID_CHARS).p, SM_ID_CHARS);
		arena_free(a);
	}
	buf_init(&b, SM_WORD_MAX);
	sm_write_enabled(&b, sm->resumable ? str_of(sm->id) : STR_NONE, (uint32_t)((sm->max_ms + 999) / 1000));
	say(s, &b);
	session_restated(s);
}

void sm_session_too_high(const struct session *s, uint32_t h, struct buf *text, struct buf *extra)
{
	uint32_t sent = s->sm->queue.sent;
	sm_write_too_high(extra, h, sent);
	buf_addf(text, "You acknowledged %u stanzas, but I only sent you %u so far.", h, sent);
}

static void close_too_high(struct session *s, uint32_t h)
{
	struct buf extra, text;
	buf_init(&extra, SM_WORD_MAX);
	buf_init(&text, SM_WORD_MAX);
	sm_session_too_high(s, h, &text, &extra);
	session_close_with(s, STREAM_UNDEFINED_CONDITION, buf_str(&text), buf_str(&extra));
	buf_fini(&extra);
	buf_fini(&text);
}

static enum unacked_verdict acknowledge(struct session *s, uint32_t h)
{
	struct unacked *q = &s->sm->queue;
	size_t before = q->bytes;
	enum unacked_verdict v = unacked_ack(q, h);
	count_at(s->nw, METRIC_MEMORY_BYTES, MEMORY_UNACKED, (int64_t)q->bytes - (int64_t)before);
	return v;
}

static void heard_ack(struct session *s, uint32_t h)
{
	struct sm_session *sm = s->sm;
	if (acknowledge(s, h) == UNACKED_TOO_HIGH) {
		close_too_high(s, h);
		return;
	}
	if (sm->queue.sent == sm->queue.acked) { /* unasked, maybe */
		sm->asked = sm->queue.sent;
		sm->unasked_bytes = 0;
		set_idle(sm);
	} else if (sm->phase == SM_ASKED) {
		set_idle(sm);
	}
	look_whether_to_ask(s);
	hooks_session_acked(s);
}

static void heard_request(struct session *s)
{
	if (s->through)
		router_breathe(s);
	s->sm->answer_due = s->holds;
	if (!s->holds)
		say_handled(s);
}

void sm_session_released(struct session *s)
{
	if (s->sm->answer_due && !sm_session_is_detached(s))
		say_handled(s);
	s->sm->answer_due = false;
}

void sm_session_heard(struct session *s, const struct sm_said *said)
{
	if (said->word == SM_ENABLE && !s->sm)
		enable(s, said);
	else if (!s->sm || said->word == SM_ENABLE || said->word == SM_RESUME)
		say_failed(s, STANZA_UNEXPECTED_REQUEST);
	else if (said->word == SM_R)
		heard_request(s);
	else
		heard_ack(s, said->h);
}

/* ---- without a stream ---- */

static struct sm_session *detached_of(struct outlet *o)
{
	return (struct sm_session *)((char *)o - offsetof(struct sm_session, outlet));
}

static void detached_send_wire(struct outlet *o, unsigned kind, struct str bytes)
{
	(void)o; /* it waits in the queue */
	(void)kind;
	(void)bytes;
}

static void detached_hold(struct outlet *o)
{
	(void)o; /* session.h counts them */
}

static void detached_close(struct outlet *o, enum stream_error e, struct str text, struct str extra)
{
	(void)e;
	(void)text;
	(void)extra;
	session_end(detached_of(o)->session);
}

static void detached_describe(const struct outlet *o, struct outlet_info *out)
{
	(void)o;
	*out = (struct outlet_info){ .port = 0 };
}

static void detached_leave(struct outlet *o)
{
	struct sm_session *sm = detached_of(o);
	count(sm->nw, METRIC_SM_DETACHED, -1);
	set_idle(sm);
}

static const struct outlet_ops detached_ops = {
	.send_wire = detached_send_wire, .hold = detached_hold, .release = detached_hold, .close = detached_close,
	.describe = detached_describe, .leave = detached_leave,
};

bool sm_session_is_detached(const struct session *s)
{
	return s->sm && s->sm->phase == SM_DETACHED;
}

/* Room for one more detached session of the account. */
static void make_room(struct user *u)
{
	const struct sm_settings *set = &u->nw->node->settings.sm;
	struct session *oldest = NULL;
	unsigned n = 0;
	for (struct session *s = u->sessions; s; s = s->next) {
		n += sm_session_is_detached(s);
		if (sm_session_is_detached(s) && (!oldest || s->sm->ends_ms < oldest->sm->ends_ms))
			oldest = s;
	}
	if (n < set->detached_max || !oldest)
		return;
	count_limit(u->nw, LIMIT_SM_DETACHED);
	session_end(oldest);
}

bool sm_session_detach(struct session *s)
{
	struct sm_session *sm = s->sm;
	if (!sm || !sm->resumable)
		return false;
	make_room(s->user);
	sm->outlet = (struct outlet){ .ops = &detached_ops, .transport = s->transport, .secure = s->secure };
	s->outlet = &sm->outlet;
	sm->ends_ms = s->nw->worker->now_ms + sm->max_ms;
	set_timer(sm, SM_DETACHED, sm->max_ms);
	count(s->nw, METRIC_SM_DETACHED, 1);
	if (!atomic_load(&s->nw->node->draining)) /* else it ends before anybody could come */
		LOG(LOG_INFO, "sm", "session waits for its client", L_STR("jid", jid_str(&s->jid)), L_UINT("unacked", sm->queue.n));
	return true;
}

void sm_session_end_detached(struct node_worker *nw)
{
	struct str key;
	void *value;
	size_t n = 0;
	uint64_t *found = xmalloc((map_count(&nw->sessions) + 1) * sizeof *found);
	for (size_t i = 0; map_next(&nw->sessions, &i, &key, &value);)
		if (sm_session_is_detached(value))
			found[n++] = ((const struct session *)value)->sid;
	for (size_t i = 0; i < n; i++) {
		struct session *s = session_find(nw, found[i]);
		if (s)
			session_end(s);
	}
	free(found);
}

/* ---- resumption ---- */

struct session *sm_session_find(struct node_worker *nw, struct str bare, struct str previd)
{
	struct user *u = user_find(nw, bare);
	for (struct session *s = u ? u->sessions : NULL; s; s = s->next)
		if (s->sm && s->sm->resumable && previd.len == SM_ID_CHARS && CRYPTO_memcmp(s->sm->id, previd.p, SM_ID_CHARS) == 0)
			return s;
	return NULL;
}

enum sm_resumption sm_session_may_resume(struct session *s, uint32_t h)
{
	const struct unacked *q = &s->sm->queue;
	uint32_t ahead = h - q->acked;
	if (ahead > q->sent - q->acked)
		return (int32_t)ahead < 0 ? SM_UNKNOWN : SM_TOO_HIGH;
	if (q->sent - h > q->n)
		return SM_UNKNOWN;
	if (s->through)
		router_breathe(s);
	return s->holds ? SM_BUSY : SM_MAY_RESUME;
}

static void resend(struct session *s)
{
	const struct unacked_item *i = s->sm->queue.first;
	for (uint32_t n = s->sm->queue.n; n; n--, i = i->next) {
		struct buf b;
		buf_init(&b, SIZE_MAX);
		sm_back_write(&b, s->user, i);
		s->outlet->ops->send_wire(s->outlet, i->kind, buf_str(&b));
		buf_fini(&b);
	}
}

void sm_session_resume(struct session *s, struct outlet *o, uint32_t h)
{
	struct sm_session *sm = s->sm;
	struct outlet *old = s->outlet;
	struct buf b;
	session_attach(s, o);
	old->ops->leave(old);
	set_idle(sm);
	sm->answer_due = false;
	acknowledge(s, h);
	buf_init(&b, SM_WORD_MAX);
	sm_write_resumed(&b, str_of(sm->id), sm->handled);
	say(s, &b);
	LOG(LOG_INFO, "sm", "session resumed", L_STR("jid", jid_str(&s->jid)), L_UINT("sent_again", sm->queue.n));
	count(s->nw, METRIC_SM_RESUMED_TOTAL, 1);
	resend(s);
	sm->asked = sm->queue.acked;
	look_whether_to_ask(s);
	hooks_session_acked(s);
	session_restated(s);
}

void sm_session_counts(const struct session *s, uint32_t *handled, uint32_t *sent)
{
	*handled = s->sm ? s->sm->handled : 0;
	*sent = s->sm ? s->sm->queue.sent : 0;
}

/* ---- the end ---- */

void sm_session_free(struct sm_session *sm)
{
	if (sm->phase == SM_DETACHED)
		count(sm->nw, METRIC_SM_DETACHED, -1);
	set_idle(sm);
	sm_session_drop_queue(sm);
	count_session(sm, -1);
	free(sm);
}

void sm_session_end(struct sm_session *sm, struct user *u)
{
	struct unacked_item *i;
	struct unacked left = sm->queue;
	if (sm->phase == SM_DETACHED)
		sm_past_add(u->nw, jid_str(&u->jid), str_span(sm->id, SM_ID_CHARS), sm->handled);
	count_at(u->nw, METRIC_MEMORY_BYTES, MEMORY_UNACKED, -(int64_t)left.bytes);
	unacked_init(&sm->queue);
	if (!left.first)
		left.end = &left.first;
	while ((i = unacked_take(&left))) {
		if (unacked_item_is_last(i))
			sm_back_give(u, i);
		unacked_item_free(i);
	}
	sm_session_free(sm);
}

/* ---- looks ---- */

void sm_session_describe(const struct session *s, struct sm_info *out)
{
	const struct sm_session *sm = s->sm;
	uint64_t now_ms = s->nw->worker->now_ms;
	*out = (struct sm_info){ .state = "none" };
	if (!sm)
		return;
	out->unacked = sm->queue.sent - sm->queue.acked;
	out->state = sm->phase == SM_DETACHED ? "detached" : sm->resumable ? "resumable" : "acks";
	if (sm->phase == SM_DETACHED && sm->ends_ms > now_ms)
		out->left_ms = sm->ends_ms - now_ms;
}

bool sm_session_sent(const struct session *s, uint32_t *number)
{
	if (s->sm)
		*number = s->sm->queue.sent;
	return s->sm != NULL;
}

bool sm_session_has_acked(const struct session *s, uint32_t number)
{
	return s->sm && unacked_has_acked(&s->sm->queue, number);
}
