#include "node/mod/offline/flush.h"

#include <stdlib.h>

#include "proto/forms/delay.h"
#include "proto/xml/names.h"

#define PAGE_ROWS   100
#define PAGE_SHARE  4            /* of what may wait for a client: as much at once */
#define ANSWER_MS   120000       /* for the answer to our ping */
#define TOKEN_CHARS 16
#define QUEUE_MAX   64           /* messages that wait in memory; more go into the log */
#define QUEUE_BYTES (256u << 10)

enum flush_state { FLUSH_READING, FLUSH_WAITING, FLUSH_TRIMMING };

/* An entry of the log that was written to the session, and the number of the last stanza that it was sent then. */
struct written {
	uint64_t seq;
	uint32_t number;
};

/* The way of an account's messages to one of its sessions. */
struct flush {
	struct user *user;
	uint64_t sid;
	enum flush_state state;
	bool started;       /* newest is known */
	bool more;          /* the log goes on behind up_to */
	bool rest;          /* a part of the page stays: it was not acknowledged */
	uint64_t up_to;     /* the last entry that was written to the session */
	uint64_t newest;    /* what came later was meant for all sessions */
	uint32_t delivered; /* since the last ping */
	struct stanza *queue[QUEUE_MAX]; /* while READING */
	uint32_t queued;
	size_t queued_bytes;
	char ping[TOKEN_CHARS];
	bool acknowledges;  /* the session does: no ping */
	struct written page[PAGE_ROWS]; /* then: what waits for its acknowledgement */
	uint32_t n_page;
	struct timer deadline;
};

static void flush_read(struct flush *f);
static void flush_trim(struct flush *f);

static void refuse(struct node_worker *nw, uint64_t sid)
{
	struct session *s = session_find(nw, sid);
	if (s)
		((struct offline_session *)session_slot(s, &mod_offline))->refused = true;
}

/* ---- waiting behind ---- */

static bool queue_add(struct flush *f, struct stanza *st)
{
	size_t bytes = arena_bytes(st->arena);
	if (f->state != FLUSH_READING || offline_of(f->user)->late || f->queued == QUEUE_MAX || f->queued_bytes + bytes > QUEUE_BYTES)
		return false;
	f->queue[f->queued++] = stanza_ref(st);
	f->queued_bytes += bytes;
	return true;
}

int flush_behind(struct user *u, struct stanza *st)
{
	const struct offline_user *p = offline_of(u);
	struct flush *f = p->flush;
	if (!f || !(f->state == FLUSH_READING || f->more || p->late))
		return PASS;
	if (queue_add(f, st))
		return HOLD;
	return offline_verdict(st) == KEEP_STORE && offline_keep(u, st) == HOLD ? HOLD : PASS;
}

/* Empties the queue: to the sessions, or into the log behind what is there. */
static void queue_settle(struct flush *f, bool deliver)
{
	struct user *u = f->user;
	for (uint32_t i = 0; i < f->queued; i++) {
		struct stanza *st = f->queue[i];
		enum keep_verdict v = offline_verdict(st);
		bool kept = !deliver && v == KEEP_STORE && offline_keep(u, st) == HOLD;
		if (!kept && user_is_reachable(u))
			user_deliver(u, st, 0, false);
		else if (!kept && v != KEEP_DROP)
			router_bounce(u->nw, stanza_ref(st), STANZA_SERVICE_UNAVAILABLE, STR_NONE);
		stanza_unref(st);
	}
	f->queued = 0;
	f->queued_bytes = 0;
}

/* ---- delivering ---- */

static bool is_reachable(const struct session *s)
{
	return session_is_available(s) && s->priority >= 0;
}

static struct session *session_for(struct user *u)
{
	for (struct session *s = u->sessions; s; s = s->next)
		if (is_reachable(s) && !((struct offline_session *)session_slot(s, &mod_offline))->refused)
			return s;
	return NULL;
}

void flush_begin(struct user *u)
{
	struct offline_user *p = offline_of(u);
	struct session *s = p->flush || p->empty || u->host->anonymous ? NULL : session_for(u);
	if (!s)
		return;
	struct flush *f = p->flush = xzalloc(sizeof *f);
	f->user = u;
	f->sid = s->sid;
	flush_read(f);
}

static void on_glanced(struct store_op *op)
{
	struct user *u = op->arg;
	struct offline_user *p = offline_of(u);
	if (p->glance == op) {
		p->glance = NULL;
		p->empty = op->err == ERR_NONE && op->first->count == 0;
	}
	user_release(u);
}

void flush_glance(struct session *s)
{
	struct user *u = s->user;
	struct offline_user *p = offline_of(u);
	if (p->flush || p->empty || p->glance || u->host->anonymous)
		return;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_glanced, u);
	store_log_count(op, &offline_space, NULL);
	if (store_submit(u->host->store, op) != ERR_NONE)
		return; /* whoever is available asks again */
	u->holds++;
	p->glance = op;
}

static void flush_end(struct flush *f)
{
	struct user *u = f->user;
	worker_timer_cancel(u->nw->worker, &f->deadline);
	offline_of(u)->flush = NULL;
	queue_settle(f, false);
	free(f);
}

/* After an op: is there still somebody to deliver to? If not, the flush ends here, and another may begin. */
static bool flush_lives(struct flush *f, enum err err)
{
	struct user *u = f->user;
	struct session *s = session_find(u->nw, f->sid);
	if (err == ERR_NONE && s && is_reachable(s))
		return true;
	if (err != ERR_NONE) {
		LOG(LOG_WARN, "offline", "kept messages could not be read; they stay", L_STR("jid", jid_str(&u->jid)),
		    L_Z("reason", err_name(err)));
		refuse(u->nw, f->sid);
	}
	flush_end(f);
	flush_begin(u);
	return false;
}

static struct stanza *stanza_of_row(struct user *u, const struct store_row *row)
{
	enum stanza_error e = STANZA_ERROR_NONE;
	struct arena *a = arena_new(row->value.len + 512);
	struct elem *root = stored_read(u->nw, a, row->value, "offline message");
	if (root)
		root = delay_stamp(a, root, u->host->name, row->at_ms, STR("Offline storage"));
	struct stanza *st = root ? stanza_from_elem(&a, root, NS_CLIENT, &e) : NULL;
	arena_free(a);
	if (!st || e != STANZA_ERROR_NONE)
		LOG(LOG_ERROR, "offline", "a kept message is broken; it is left out", L_STR("jid", jid_str(&u->jid)),
		    L_UINT("seq", row->seq));
	return st;
}

static void deliver_row(struct flush *f, struct session *s, const struct store_row *row)
{
	const struct offline_host *h = host_slot(f->user->host, &mod_offline);
	bool is_late = row->seq > f->newest;
	if (!is_late && h->expire_ms && row->at_ms < worker_wall_ms() - h->expire_ms)
		return;
	struct stanza *st = stanza_of_row(f->user, row);
	if (st)
		st->received_ms = row->at_ms;
	if (st && is_late)
		user_deliver(f->user, st, 0, true);
	else if (st)
		session_deliver_kept(s, st);
	f->delivered += st != NULL;
	stanza_unref(st);
}

static void on_no_answer(struct timer *t)
{
	struct flush *f = (struct flush *)((char *)t - offsetof(struct flush, deadline));
	struct user *u = f->user;
	LOG(LOG_INFO, "offline", "no answer to a ping after kept messages; they stay", L_STR("jid", jid_str(&u->jid)));
	refuse(u->nw, f->sid);
	flush_end(f);
	flush_begin(u);
}

static void await_ping(struct flush *f, struct session *s)
{
	f->state = FLUSH_WAITING;
	f->deadline.on_timer = on_no_answer;
	worker_timer_set(s->nw->worker, &f->deadline, ANSWER_MS);
}

static void send_ping(struct flush *f, struct session *s)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_IQ, TYPE_GET);
	struct str token = rng_token(&s->nw->worker->rng, a, TOKEN_CHARS);
	memcpy(f->ping, token.p, TOKEN_CHARS);
	elem_set(a, root, STR("id"), token);
	elem_add(a, root, NS_PING, STR("ping"));
	struct stanza *st = stanza_new(&a, root, &f->user->host->jid, &s->jid);
	await_ping(f, s);
	session_deliver(s, st);
	stanza_unref(st);
}

static void await_answer(struct flush *f, struct session *s)
{
	if (f->acknowledges)
		f->state = FLUSH_WAITING;
	else
		send_ping(f, s);
}

/* Writes a page to the session. False when that was too much for it, and it is gone. */
static bool deliver_page(struct flush *f, const struct store_step *range)
{
	struct node_worker *nw = f->user->nw;
	f->more = range->more;
	f->n_page = 0;
	for (uint32_t i = 0; i < range->n_rows; i++) {
		struct session *s = session_find(nw, f->sid);
		if (!s)
			return false;
		struct written *w = &f->page[f->n_page++];
		w->seq = f->up_to = range->rows[i].seq;
		deliver_row(f, s, &range->rows[i]);
		f->acknowledges = sm_session_sent(s, &w->number);
	}
	return session_find(nw, f->sid) != NULL;
}

/* The flush is over; what came meanwhile may need another. */
static void flush_over(struct flush *f, bool empty)
{
	struct user *u = f->user;
	offline_of(u)->empty = empty && !offline_of(u)->late;
	flush_end(f);
	flush_begin(u);
}

/* What was written up to now is done with. */
static void flush_go_on(struct flush *f)
{
	if (f->more || offline_of(f->user)->late)
		flush_read(f);
	else
		flush_trim(f);
}

static void on_page(struct store_op *op)
{
	struct flush *f = op->arg;
	struct user *u = f->user;
	const struct store_step *range = op->first->verb == STORE_LOG_TRIM ? op->first->next : op->first;
	if (op->err == ERR_NONE) {
		count(u->nw, METRIC_OFFLINE_DELIVERED_TOTAL, f->delivered);
		f->delivered = 0;
	}
	if (flush_lives(f, op->err)) {
		if (!f->started && op->last->n_rows)
			f->newest = op->last->rows[0].seq;
		f->started = true;
		bool alive = deliver_page(f, range);
		queue_settle(f, alive && !f->more && !offline_of(u)->late);
		if (!alive || !range->n_rows)
			flush_over(f, alive);
		else if (f->delivered)
			await_answer(f, session_find(u->nw, f->sid));
		else
			flush_go_on(f); /* all had expired */
	}
	user_release(u);
}

static void on_trimmed(struct store_op *op)
{
	struct flush *f = op->arg;
	struct user *u = f->user;
	if (op->err == ERR_NONE) {
		count(u->nw, METRIC_OFFLINE_DELIVERED_TOTAL, f->delivered);
	} else {
		LOG(LOG_WARN, "offline", "delivered messages could not be deleted; they will be delivered again",
		    L_STR("jid", jid_str(&u->jid)), L_Z("reason", err_name(op->err)));
		refuse(u->nw, f->sid);
	}
	flush_over(f, op->err == ERR_NONE && !f->rest);
	user_release(u);
}

static void flush_submit(struct flush *f, struct store_op *op)
{
	struct user *u = f->user;
	if (store_submit(u->host->store, op) == ERR_NONE) {
		u->holds++;
		return;
	}
	LOG(LOG_WARN, "offline", "the store takes no question; kept messages stay", L_STR("jid", jid_str(&u->jid)));
	refuse(u->nw, f->sid);
	flush_end(f);
}

/* Deletes what is safely with the client and reads on, in one op. */
static void flush_read(struct flush *f)
{
	struct user *u = f->user;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_page, f);
	uint64_t page_bytes = u->nw->node->settings.out_max / PAGE_SHARE;
	struct store_range page = { .limit = PAGE_ROWS, .max_bytes = page_bytes < UINT32_MAX ? (uint32_t)page_bytes : UINT32_MAX };
	struct store_range newest = { .limit = 1, .newest_first = true };
	if (f->up_to)
		store_log_trim(op, &offline_space, f->up_to);
	store_log_range(op, &offline_space, &page);
	if (!f->started)
		store_log_range(op, &offline_space, &newest);
	f->state = FLUSH_READING;
	offline_of(u)->late = false;
	flush_submit(f, op);
}

static void flush_trim(struct flush *f)
{
	struct user *u = f->user;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_trimmed, f);
	store_log_trim(op, &offline_space, f->up_to);
	f->state = FLUSH_TRIMMING;
	flush_submit(f, op);
}

/* ---- events ---- */

/* The answer to our ping, result or error: the client has read all that was before it. */
int flush_answered(struct session *s, struct stanza *st)
{
	struct flush *f = offline_of(s->user)->flush;
	bool awaited = f && f->state == FLUSH_WAITING && !f->acknowledges && f->sid == s->sid;
	bool answer = st->type == TYPE_RESULT || st->type == TYPE_ERROR;
	if (!awaited || !answer || !str_eq(st->id, str_span(f->ping, TOKEN_CHARS)))
		return PASS;
	worker_timer_cancel(s->nw->worker, &f->deadline);
	flush_go_on(f);
	return DONE;
}

void flush_acked(struct session *s)
{
	struct flush *f = offline_of(s->user)->flush;
	bool awaited = f && f->state == FLUSH_WAITING && f->acknowledges && f->sid == s->sid;
	if (awaited && sm_session_has_acked(s, f->page[f->n_page - 1].number))
		flush_go_on(f);
}

/* What of the page its client has acknowledged is done with; whoever comes next gets the rest. False: it has acknowledged nothing. */
static bool keep_rest(struct flush *f, const struct session *s)
{
	uint32_t n = 0;
	while (f->acknowledges && n < f->n_page && sm_session_has_acked(s, f->page[n].number))
		n++;
	if (!n)
		return false;
	f->rest = true;
	f->up_to = f->page[n - 1].seq;
	f->delivered = n;
	flush_trim(f);
	return true;
}

/* While an op is under way, its answer sees to it. */
void flush_session_gone(struct session *s)
{
	struct user *u = s->user;
	struct flush *f = offline_of(u)->flush;
	if (!f || f->sid != s->sid || f->state != FLUSH_WAITING)
		return;
	if (s->moving) { /* all of the account's do */
		flush_end(f);
		return;
	}
	refuse(u->nw, s->sid); /* it is linked still */
	if (!keep_rest(f, s))
		flush_over(f, false);
}

/* ---- to another node ---- */

/* state := head page, little endian, as they lie in memory. */
struct frozen {
	uint64_t up_to, newest;
	uint32_t n_page, delivered;
	uint8_t waits, acknowledges; /* else it begins anew */
	char ping[TOKEN_CHARS];
	char padding[6];
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(struct frozen) == 48 && sizeof(struct written) == 16,
	       "frozen flushes are the same on all nodes");

/* Only with a session that moves: of one whose home died nobody knows what it was sent. */
void flush_freeze(struct session *s, struct buf *out)
{
	static const struct frozen anew;
	const struct flush *f = offline_of(s->user)->flush;
	if (s->moving && !f && is_reachable(s)) /* what comes for the account while it is nowhere at home is kept */
		buf_add(out, &anew, sizeof anew);
	if (!s->moving || !f || f->sid != s->sid)
		return;
	struct frozen z = { .waits = f->state == FLUSH_WAITING, .acknowledges = f->acknowledges, .up_to = f->up_to, .newest = f->newest };
	z.n_page = z.waits ? f->n_page : 0;
	z.delivered = f->delivered;
	memcpy(z.ping, f->ping, TOKEN_CHARS);
	buf_add(out, &z, sizeof z);
	buf_add(out, f->page, z.n_page * sizeof *f->page);
}

static void go_on_waiting(struct session *s, const struct frozen *z, const char *page)
{
	struct flush *f = offline_of(s->user)->flush = xzalloc(sizeof *f);
	f->user = s->user;
	f->sid = s->sid;
	f->state = FLUSH_WAITING;
	f->started = f->more = true;
	f->up_to = z->up_to;
	f->newest = z->newest;
	f->delivered = z->delivered;
	f->acknowledges = z->acknowledges;
	f->n_page = z->n_page;
	memcpy(f->page, page, z->n_page * sizeof *f->page);
	memcpy(f->ping, z->ping, TOKEN_CHARS);
	if (!f->acknowledges)
		await_ping(f, s);
}

void flush_thaw(struct session *s, struct str state)
{
	struct frozen z;
	if (state.len < sizeof z || offline_of(s->user)->flush)
		return;
	memcpy(&z, state.p, sizeof z);
	if (!z.waits)
		flush_begin(s->user);
	else if (z.n_page && z.n_page <= PAGE_ROWS && state.len == sizeof z + z.n_page * sizeof(struct written))
		go_on_waiting(s, &z, state.p + sizeof z);
}
