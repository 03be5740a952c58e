/*
 * XEP-0160 Offline Messages: what nobody was there to take is kept, and delivered with a delay stamp (XEP-0203) when the account is
 * reachable again. This file: what is kept, and for how long; flush.h: how it reaches a client.
 */
#include "node/mod/offline/flush.h"

#include <stdlib.h>

#include "proto/forms/delay.h"
#include "proto/forms/hints.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

#define SWEEP_ROWS   1000 /* entries an op */
#define SWEEP_MS     3600000
#define SWEEP_MIN_MS 1000

const struct store_space offline_space = { "offline", STORE_LOG };

/* ---- keeping ---- */

/* The stanza itself is not held meanwhile: the op has all of it. */
struct keeping {
	struct user *user;
	struct sender sender; /* waits, when the store is behind, or when he is told when it is safe */
};

/* The stanza of an op that failed, as it came; NULL when the memory of it is broken. */
static struct stanza *stanza_of(struct user *u, const struct store_op *op)
{
	enum stanza_error e = STANZA_ERROR_NONE;
	struct str value = op->last->in;
	struct arena *a = arena_new(value.len + 512);
	struct elem *root = stored_read(u->nw, a, value, "message that was not kept");
	struct stanza *st = root ? stanza_from_elem(&a, root, NS_CLIENT, &e) : NULL;
	arena_free(a);
	return st;
}

static void not_kept(struct user *u, const struct store_op *op)
{
	struct stanza *st = stanza_of(u, op);
	if (!st)
		return;
	if (op->err != ERR_NOT_FOUND && user_is_reachable(u)) {
		user_deliver(u, st, 0, false); /* out of order is better than not at all */
		stanza_unref(st);
		return;
	}
	/* Full or no such account: the same answer, so that nobody can tell (RFC 6121 section 8.5.1). */
	bool ours = op->err != ERR_NOT_FOUND && op->err != ERR_LIMIT;
	if (op->err == ERR_LIMIT)
		count_limit(u->nw, LIMIT_OFFLINE_COUNT);
	router_bounce(u->nw, st, ours ? STANZA_INTERNAL_SERVER_ERROR : STANZA_SERVICE_UNAVAILABLE, STR_NONE);
}

static void on_kept(struct store_op *op)
{
	struct keeping *k = op->arg;
	struct user *u = k->user;
	brake_off(u->nw, &k->sender);
	if (op->err == ERR_NONE) {
		count(u->nw, METRIC_OFFLINE_STORED_TOTAL, 1);
		flush_begin(u);
	} else {
		not_kept(u, op);
	}
	free(k);
	user_release(u);
}

int offline_keep(struct user *u, struct stanza *st)
{
	const struct offline_host *h = host_slot(u->host, &mod_offline);
	struct buf b;
	buf_init(&b, h->max_bytes);
	xml_write(&b, st->root, NS_CLIENT, true);
	if (buf_status(&b) != ERR_NONE) {
		buf_fini(&b);
		count_limit(u->nw, LIMIT_OFFLINE_SIZE);
		return -STANZA_POLICY_VIOLATION;
	}
	struct keeping *k = xzalloc(sizeof *k);
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_kept, k);
	store_kv_get(op, &account_space);
	int64_t at_ms = st->received_ms ? st->received_ms : worker_wall_ms();
	store_log_append(op, &offline_space, at_ms, STR_NONE, buf_str(&b), h->max_messages);
	buf_fini(&b);
	if (store_submit(u->host->store, op) != ERR_NONE) {
		free(k);
		return -STANZA_RESOURCE_CONSTRAINT;
	}
	k->user = user_hold(u->nw, u->host, &u->jid);
	bool behind = store_is_behind(u->host->store);
	if (behind)
		count_limit(u->nw, LIMIT_STORE_BEHIND);
	if (behind || u->nw->sender.acknowledged) {
		k->sender = u->nw->sender;
		brake_on(u->nw, &k->sender);
	}
	offline_of(u)->late = true;
	offline_of(u)->empty = false;
	offline_of(u)->glance = NULL;
	return HOLD;
}

enum keep_verdict offline_verdict(const struct stanza *st)
{
	unsigned hints = hints_read(st->root);
	struct keep_facts f = {
		.kind = st->type == TYPE_CHAT	    ? DELIVERY_MESSAGE_CHAT
			: st->type == TYPE_HEADLINE ? DELIVERY_MESSAGE_HEADLINE
						    : DELIVERY_MESSAGE_NORMAL,
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
	enum keep_verdict v = offline_verdict(st);
	if (v == KEEP_DROP)
		count(u->nw, METRIC_STANZAS_DROPPED_TOTAL, 1);
	return v == KEEP_STORE ? offline_keep(u, st) : v == KEEP_DROP ? DONE : PASS;
}

static void session_presence(struct session *s)
{
	if (session_is_available(s) && s->priority >= 0)
		flush_begin(s->user);
}

/* ---- expiry ---- */

static void sweep(struct offline_host *h);

static void sweep_later(struct offline_host *h)
{
	int64_t wait = h->expire_ms / 4;
	if (wait < SWEEP_MIN_MS)
		wait = SWEEP_MIN_MS;
	worker_timer_set(h->host->node->main, &h->sweep, (uint64_t)(wait < SWEEP_MS ? wait : SWEEP_MS));
}

static void on_swept(struct store_op *op)
{
	struct offline_host *h = op->arg;
	if (op->err == ERR_NONE && op->first->count)
		LOG(LOG_INFO, "offline", "expired messages deleted", L_STR("host", h->host->name), L_UINT("count", op->first->count));
	h->cursor = op->err == ERR_NONE && op->first->more ? op->first->cursor : 0;
	if (h->cursor)
		sweep(h);
	else
		sweep_later(h);
}

static void sweep(struct offline_host *h)
{
	struct store_op *op = store_op_new(h->host->name, STR(""), on_swept, h);
	store_log_expire(op, &offline_space, worker_wall_ms() - h->expire_ms, SWEEP_ROWS, h->cursor);
	if (store_submit(h->host->store, op) != ERR_NONE)
		sweep_later(h);
}

static void on_sweep(struct timer *t)
{
	sweep((struct offline_host *)((char *)t - offsetof(struct offline_host, sweep)));
}

/* ---- moving accounts ---- */

static void put_messages(struct pie_put *p, const struct store_row *rows, uint32_t n)
{
	struct elem *list = elem_add(p->arena, p->user, NS_IMPORT_EXPORT, STR("offline-messages"));
	for (uint32_t i = 0; i < n; i++) {
		struct elem *e = pie_read(p, rows[i].value);
		if (e)
			elem_append(p->arena, list, delay_stamp(p->arena, e, p->host->name, rows[i].at_ms, STR_NONE));
	}
}

/* With the time that the server of before wrote down; without one it came just now. */
static void take_message(struct pie_take *t, const struct elem *e)
{
	struct str value;
	int64_t at_ms;
	if (!elem_is(e, NS_CLIENT, "message")) {
		pie_left(t, arena_printf(t->arena, "<%.*s/> among offline messages", STR_ARG(e->name)), "it is no message");
		return;
	}
	if (delay_read(e, t->host->name, &at_ms) != ERR_NONE && delay_read(e, STR_NONE, &at_ms) != ERR_NONE)
		at_ms = worker_wall_ms();
	if (!pie_write(t, e, "offline message", &value))
		return;
	store_log_append(pie_op(t), &offline_space, at_ms, STR_NONE, value, 0);
	pie_taken(t, "offline messages");
}

static void take_messages(struct pie_take *t, const struct elem *user)
{
	for (const struct elem *l = elem_first(user); l; l = elem_next(l))
		for (const struct elem *e = elem_is(l, NS_IMPORT_EXPORT, "offline-messages") ? elem_first(l) : NULL; e; e = elem_next(e))
			take_message(t, e);
}

static const struct pie_part parts[] = {
	{ &offline_space, put_messages, { { &NS_IMPORT_EXPORT, "offline-messages" } }, take_messages },
};

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
	struct offline_host *p = host_slot(h, &mod_offline);
	p->max_messages = (uint32_t)module_int(h, &mod_offline, "messages");
	p->max_bytes = (uint32_t)module_int(h, &mod_offline, "message_bytes");
}

static enum err host_start(struct host *h, struct buf *why)
{
	struct offline_host *p = host_slot(h, &mod_offline);
	p->host = h;
	p->expire_ms = module_int(h, &mod_offline, "expire");
	host_reload(h);
	return ERR_NONE;
}

static void host_ready(struct host *h)
{
	struct offline_host *p = host_slot(h, &mod_offline);
	p->sweep.on_timer = on_sweep;
	if (p->expire_ms && !h->anonymous)
		sweep_later(p);
}

static void host_stop(struct host *h)
{
	struct offline_host *p = host_slot(h, &mod_offline);
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
	.commands = offline_commands,
	.hooks = { .arrive_behind = flush_behind, .arrive_offline = arrive_offline, .iq_sent = flush_answered, .session_acked = flush_acked,
		   .session_bound = flush_glance,
		   .session_presence = session_presence, .session_gone = flush_session_gone, .session_freeze = flush_freeze,
		   .session_thaw = flush_thaw },
	.parts = parts,
	.n_parts = 1,
	.host_slot = sizeof(struct offline_host),
	.user_slot = sizeof(struct offline_user),
	.session_slot = sizeof(struct offline_session),
	.host_start = host_start,
	.host_reload = host_reload,
	.host_ready = host_ready,
	.host_stop = host_stop,
};
