/*
 * XEP-0160 Offline Messages: what nobody was there to take is kept, and delivered with a delay stamp (XEP-0203) when the account is
 * reachable again.
 *
 * Deleted only when safe: after a page of messages the client is pinged (XEP-0199); its answer, whatever it says, proves that all before
 * it was read from the wire, and only then is the page deleted. A client that dies before leaves them for the next one.
 *
 * Order: while older messages are on their way, newer ones wait (arrive_behind): for the moment of a look into the store in memory, so
 * that whoever logs in to an empty store gets them as if nothing had been, and longer in the log, behind the older ones. Store ops of one
 * account happen in the order of their submission, so none is missed and none overtakes.
 *
 *   IDLE -some session turns reachable-> READING -rows-> WAITING -its answer-> READING (when there may be more) or TRIMMING -> IDLE
 *   READING -none-> IDLE;   any -that session ends-> IDLE, or READING for another;   WAITING -deadline-> IDLE
 */
#include "node/api.h"

#include <stdlib.h>

#include "proto/forms/delay.h"
#include "proto/forms/hints.h"
#include "proto/rules/keep.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

#define PAGE_ROWS    100
#define ANSWER_MS    120000 /* for the answer to our ping */
#define SWEEP_ROWS   1000   /* entries an op */
#define SWEEP_MS     3600000
#define SWEEP_MIN_MS 1000
#define TOKEN_CHARS  16
#define QUEUE_MAX    64           /* messages that wait in memory; more go into the log */
#define QUEUE_BYTES  (256u << 10)

extern const struct module mod_offline;
static const struct store_space space = { "offline", STORE_LOG };

struct host_part {
	uint32_t max_messages, max_bytes;
	int64_t expire_ms; /* 0: never */
	struct host *host;
	struct timer sweep;
	uint64_t cursor;
};

enum flush_state { FLUSH_READING, FLUSH_WAITING, FLUSH_TRIMMING };

/* The way of an account's messages to one of its sessions. */
struct flush {
	struct user *user;
	uint64_t sid;
	enum flush_state state;
	bool started;       /* newest is known */
	bool more;          /* the log goes on behind up_to */
	uint64_t up_to;     /* the last entry that was written to the session */
	uint64_t newest;    /* what came later was meant for all sessions */
	uint32_t delivered; /* since the last ping */
	struct stanza *queue[QUEUE_MAX]; /* while READING */
	uint32_t queued;
	size_t queued_bytes;
	char ping[TOKEN_CHARS];
	struct timer deadline;
};

struct user_part {
	struct flush *flush;  /* NULL: idle */
	bool empty;           /* the log is known to be */
	bool late;            /* something was appended after the last read was submitted */
};

struct session_part {
	bool refused; /* it did not answer, or did so badly: it gets no kept messages any more */
};

static struct user_part *part_of(struct user *u)
{
	return user_slot(u, &mod_offline);
}

static void refuse(struct node_worker *nw, uint64_t sid)
{
	struct session *s = session_find(nw, sid);
	if (s)
		((struct session_part *)session_slot(s, &mod_offline))->refused = true;
}

static void flush_begin(struct user *u);
static void flush_read(struct flush *f);
static void flush_trim(struct flush *f);

/* ---- keeping ---- */

struct keeping {
	struct user *user;
	struct stanza *stanza;
};

static void deliver_live(struct user *u, struct stanza *st)
{
	struct session *next;
	for (struct session *s = u->sessions; s; s = next) {
		next = s->next;
		if (session_is_available(s) && s->priority >= 0)
			session_deliver(s, st);
	}
}

static void on_kept(struct store_op *op)
{
	struct keeping *k = op->arg;
	struct user *u = k->user;
	if (op->err == ERR_NONE) {
		count(u->nw, METRIC_OFFLINE_STORED_TOTAL, 1);
		stanza_unref(k->stanza);
		flush_begin(u);
	} else if (op->err != ERR_NOT_FOUND && user_is_reachable(u)) {
		deliver_live(u, k->stanza); /* out of order is better than not at all */
		stanza_unref(k->stanza);
	} else {
		/* Full or no such account: the same answer, so that nobody can tell (RFC 6121 section 8.5.1). */
		bool ours = op->err != ERR_NOT_FOUND && op->err != ERR_LIMIT;
		router_bounce(u->nw, k->stanza, ours ? STANZA_INTERNAL_SERVER_ERROR : STANZA_SERVICE_UNAVAILABLE, STR_NONE);
	}
	free(k);
	user_release(u);
}

static int keep(struct user *u, struct stanza *st)
{
	const struct host_part *h = host_slot(u->host, &mod_offline);
	struct buf b;
	buf_init(&b, h->max_bytes);
	xml_write(&b, st->root, NS_CLIENT, true);
	if (buf_status(&b) != ERR_NONE) {
		buf_fini(&b);
		count(u->nw, METRIC_LIMITS_HIT_TOTAL, 1);
		return -STANZA_POLICY_VIOLATION;
	}
	struct keeping *k = xzalloc(sizeof *k);
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_kept, k);
	store_kv_get(op, &account_space);
	store_log_append(op, &space, worker_wall_ms(), STR_NONE, buf_str(&b), h->max_messages);
	buf_fini(&b);
	if (store_submit(u->host->store, op) != ERR_NONE) {
		free(k);
		return -STANZA_RESOURCE_CONSTRAINT;
	}
	k->user = user_hold(u->nw, u->host, &u->jid);
	k->stanza = stanza_ref(st);
	part_of(u)->late = true;
	part_of(u)->empty = false;
	return HOLD;
}

static enum keep_verdict verdict_on(const struct stanza *st)
{
	unsigned hints = hints_read(st->root);
	struct keep_facts f = {
		.kind = st->type == TYPE_CHAT ? DELIVERY_MESSAGE_CHAT : DELIVERY_MESSAGE_NORMAL,
		.has_body = elem_child(st->root, st->root->ns, "body") != NULL,
		.only_state = hints_is_only_state(st->root),
		.no_store = hints & HINT_NO_STORE,
		.store = hints & HINT_STORE,
	};
	return keep_offline(&f);
}

static int arrive_offline(struct user *u, struct stanza *st)
{
	if (u->host->anonymous || (st->type != TYPE_NORMAL && st->type != TYPE_CHAT))
		return PASS;
	enum keep_verdict v = verdict_on(st);
	if (v == KEEP_DROP)
		count(u->nw, METRIC_STANZAS_DROPPED_TOTAL, 1);
	return v == KEEP_STORE ? keep(u, st) : v == KEEP_DROP ? DONE : PASS;
}

static bool queue_add(struct flush *f, struct stanza *st)
{
	size_t bytes = arena_bytes(st->arena);
	if (f->state != FLUSH_READING || part_of(f->user)->late || f->queued == QUEUE_MAX || f->queued_bytes + bytes > QUEUE_BYTES)
		return false;
	f->queue[f->queued++] = stanza_ref(st);
	f->queued_bytes += bytes;
	return true;
}

/* What would not be kept goes ahead. */
static int arrive_behind(struct user *u, struct stanza *st)
{
	const struct user_part *p = part_of(u);
	struct flush *f = p->flush;
	if (!f || !(f->state == FLUSH_READING || f->more || p->late) || verdict_on(st) != KEEP_STORE)
		return PASS;
	if (queue_add(f, st))
		return HOLD;
	int v = keep(u, st);
	return v < 0 ? PASS : v;
}

/* Empties the queue: to the sessions, or into the log behind what is there. */
static void queue_settle(struct flush *f, bool deliver)
{
	struct user *u = f->user;
	for (uint32_t i = 0; i < f->queued; i++) {
		struct stanza *st = f->queue[i];
		bool kept = !deliver && keep(u, st) == HOLD;
		if (!kept && user_is_reachable(u))
			deliver_live(u, st);
		else if (!kept)
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
		if (is_reachable(s) && !((struct session_part *)session_slot(s, &mod_offline))->refused)
			return s;
	return NULL;
}

static void flush_begin(struct user *u)
{
	struct user_part *p = part_of(u);
	struct session *s = p->flush || p->empty || u->host->anonymous ? NULL : session_for(u);
	if (!s)
		return;
	struct flush *f = p->flush = xzalloc(sizeof *f);
	f->user = u;
	f->sid = s->sid;
	flush_read(f);
}

static void flush_end(struct flush *f)
{
	struct user *u = f->user;
	worker_timer_cancel(u->nw->worker, &f->deadline);
	part_of(u)->flush = NULL;
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
	const struct host_part *h = host_slot(f->user->host, &mod_offline);
	bool is_late = row->seq > f->newest;
	if (!is_late && h->expire_ms && row->at_ms < worker_wall_ms() - h->expire_ms)
		return;
	struct stanza *st = stanza_of_row(f->user, row);
	if (st && is_late)
		deliver_live(f->user, st);
	else if (st)
		session_deliver(s, st);
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

static void send_ping(struct flush *f, struct session *s)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_IQ, TYPE_GET);
	struct str token = rng_token(&s->nw->worker->rng, a, TOKEN_CHARS);
	memcpy(f->ping, token.p, TOKEN_CHARS);
	elem_set(a, root, STR("id"), token);
	elem_add(a, root, NS_PING, STR("ping"));
	struct stanza *st = stanza_new(&a, root, &f->user->host->jid, &s->jid);
	f->state = FLUSH_WAITING;
	f->deadline.on_timer = on_no_answer;
	worker_timer_set(s->nw->worker, &f->deadline, ANSWER_MS);
	session_deliver(s, st);
	stanza_unref(st);
}

/* Writes a page to the session. False when that was too much for it, and it is gone. */
static bool deliver_page(struct flush *f, const struct store_step *range)
{
	struct node_worker *nw = f->user->nw;
	size_t bytes = 0, ceiling = nw->node->settings.out_max / 4;
	f->more = range->more;
	for (uint32_t i = 0; i < range->n_rows; i++) {
		struct session *s = session_find(nw, f->sid);
		bytes += range->rows[i].value.len;
		if (!s)
			return false;
		if (i > 0 && bytes > ceiling) {
			f->more = true;
			break;
		}
		f->up_to = range->rows[i].seq;
		deliver_row(f, s, &range->rows[i]);
	}
	return session_find(nw, f->sid) != NULL;
}

/* The flush is over; what came meanwhile may need another. */
static void flush_over(struct flush *f, bool empty)
{
	struct user *u = f->user;
	part_of(u)->empty = empty && !part_of(u)->late;
	flush_end(f);
	flush_begin(u);
}

/* What was written up to now is done with. */
static void flush_go_on(struct flush *f)
{
	if (f->more || part_of(f->user)->late)
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
		queue_settle(f, alive && !f->more && !part_of(u)->late);
		if (!alive || !range->n_rows)
			flush_over(f, alive);
		else if (f->delivered)
			send_ping(f, session_find(u->nw, f->sid));
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
	flush_over(f, op->err == ERR_NONE);
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
	struct store_range page = { .limit = PAGE_ROWS }, newest = { .limit = 1, .newest_first = true };
	if (f->up_to)
		store_log_trim(op, &space, f->up_to);
	store_log_range(op, &space, &page);
	if (!f->started)
		store_log_range(op, &space, &newest);
	f->state = FLUSH_READING;
	part_of(u)->late = false;
	flush_submit(f, op);
}

static void flush_trim(struct flush *f)
{
	struct user *u = f->user;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_trimmed, f);
	store_log_trim(op, &space, f->up_to);
	f->state = FLUSH_TRIMMING;
	flush_submit(f, op);
}

/* ---- hooks ---- */

/* The answer to our ping, result or error: the client has read all that was before it. */
static int iq_sent(struct session *s, struct stanza *st)
{
	struct flush *f = part_of(s->user)->flush;
	bool answer = f && f->state == FLUSH_WAITING && f->sid == s->sid && (st->type == TYPE_RESULT || st->type == TYPE_ERROR);
	if (!answer || !str_eq(st->id, str_span(f->ping, TOKEN_CHARS)))
		return PASS;
	worker_timer_cancel(s->nw->worker, &f->deadline);
	flush_go_on(f);
	return DONE;
}

static void session_presence(struct session *s)
{
	if (is_reachable(s))
		flush_begin(s->user);
}

/* While an op is under way, its answer sees to it. */
static void session_gone(struct session *s)
{
	struct user *u = s->user;
	struct flush *f = part_of(u)->flush;
	if (!f || f->sid != s->sid || f->state != FLUSH_WAITING)
		return;
	refuse(u->nw, s->sid); /* it is linked still */
	flush_over(f, false);
}

/* ---- expiry ---- */

static void sweep(struct host_part *h);

static void sweep_later(struct host_part *h)
{
	int64_t wait = h->expire_ms / 4;
	if (wait < SWEEP_MIN_MS)
		wait = SWEEP_MIN_MS;
	worker_timer_set(h->host->node->main, &h->sweep, (uint64_t)(wait < SWEEP_MS ? wait : SWEEP_MS));
}

static void on_swept(struct store_op *op)
{
	struct host_part *h = op->arg;
	if (op->err == ERR_NONE && op->first->count)
		LOG(LOG_INFO, "offline", "expired messages deleted", L_STR("host", h->host->name), L_UINT("count", op->first->count));
	h->cursor = op->err == ERR_NONE && op->first->more ? op->first->cursor : 0;
	if (h->cursor)
		sweep(h);
	else
		sweep_later(h);
}

static void sweep(struct host_part *h)
{
	struct store_op *op = store_op_new(h->host->name, STR(""), on_swept, h);
	store_log_expire(op, &space, worker_wall_ms() - h->expire_ms, SWEEP_ROWS, h->cursor);
	if (store_submit(h->host->store, op) != ERR_NONE)
		sweep_later(h);
}

static void on_sweep(struct timer *t)
{
	sweep((struct host_part *)((char *)t - offsetof(struct host_part, sweep)));
}

/* ---- the module ---- */

static const struct option options[] = {
	{ .name = "messages", .kind = OPTION_INT, .default_text = "1000", .min = 1, .max = 1000000, .unit = "messages", .per_host = true,
	  .doc = "Messages kept for an account; the senders of more get service-unavailable." },
	{ .name = "message_bytes", .kind = OPTION_SIZE, .default_text = "64 KiB", .min = 1024, .max = 512 << 10, .per_host = true,
	  .doc = "Longest message that is kept; the senders of longer ones get policy-violation." },
	{ .name = "expire", .kind = OPTION_DURATION, .default_text = "0", .per_host = true, .needs_restart = true,
	  .doc = "Messages that were kept for longer are deleted without a word; 0: never." },
};

static void host_reload(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_offline);
	p->max_messages = (uint32_t)module_int(h, &mod_offline, "messages");
	p->max_bytes = (uint32_t)module_int(h, &mod_offline, "message_bytes");
}

static enum err host_start(struct host *h, struct buf *why)
{
	struct host_part *p = host_slot(h, &mod_offline);
	p->host = h;
	p->expire_ms = module_int(h, &mod_offline, "expire");
	host_reload(h);
	return ERR_NONE;
}

static void host_ready(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_offline);
	p->sweep.on_timer = on_sweep;
	if (p->expire_ms && !h->anonymous)
		sweep_later(p);
}

static void host_stop(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_offline);
	worker_timer_cancel(h->node->main, &p->sweep);
}

static const char *const features[] = { "msgoffline", NULL };

const struct module mod_offline = {
	.name = "offline",
	.xep = "XEP-0160",
	.version = "1.0.1",
	.doc = "Keeps messages for accounts that nobody is connected for.",
	.features = features,
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.hooks = { .arrive_behind = arrive_behind, .arrive_offline = arrive_offline, .iq_sent = iq_sent,
		   .session_presence = session_presence, .session_gone = session_gone },
	.host_slot = sizeof(struct host_part),
	.user_slot = sizeof(struct user_part),
	.session_slot = sizeof(struct session_part),
	.host_start = host_start,
	.host_reload = host_reload,
	.host_ready = host_ready,
	.host_stop = host_stop,
};
