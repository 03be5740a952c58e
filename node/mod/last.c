/*
 * XEP-0012 Last Activity: of the service how long it runs, of an account how long nobody has been available, and with which words the last
 * one left. Only those who may see the account's presence are told; others hear `forbidden`, whether it exists or not.
 *
 * What asks a resource is the client's to answer. A stranger hears service-unavailable there, not the `forbidden` of section 4: where no
 * such resource is he would hear the former, and could tell who is online, which section 8 forbids.
 */
#include "node/api.h"

#include "proto/base/encode.h"
#include "proto/xml/names.h"

#define STATUS_MAX 1024

extern const struct module mod_last;

/* ---- writing ---- */

static void on_written(struct store_op *op)
{
	if (op->err != ERR_NONE && op->err != ERR_NOT_FOUND)
		LOG(LOG_WARN, "last", "the time of a logout was not stored", L_STR("user", op->owner), L_Z("reason", err_name(op->err)));
	user_release(op->arg);
}

static bool somebody_is_available(const struct user *u)
{
	for (const struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s))
			return true;
	return false;
}

static struct str status_of(struct stanza *st)
{
	const struct elem *e = elem_child(st->root, st->root->ns, "status");
	struct str text = e ? elem_text(st->arena, e) : STR("");
	if (text.len > STATUS_MAX) /* at the begin of a character */
		for (text.len = STATUS_MAX; text.len && ((unsigned char)text.p[text.len] & 0xC0) == 0x80;)
			text.len--;
	return text;
}

static void session_broadcast(struct session *s, struct stanza *st, bool was_available)
{
	struct user *u = s->user;
	if (st->type != TYPE_UNAVAILABLE || !was_available || u->host->anonymous || somebody_is_available(u))
		return;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_written, u);
	store_kv_get(op, &account_space);
	store_kv_put(op, &last_space, last_record_format(op->arena, worker_wall_ms(), status_of(st)));
	u->holds++;
	if (store_submit(u->host->store, op) != ERR_NONE)
		user_release(u);
}

/* ---- answering ---- */

static struct stanza *answer(struct iq *iq, uint64_t seconds, struct str status)
{
	struct elem *root;
	struct stanza *reply = iq_result(iq, &root);
	struct elem *q = elem_add(reply->arena, root, NS_LAST, STR("query"));
	elem_set(reply->arena, q, STR("seconds"), arena_printf(reply->arena, "%llu", (unsigned long long)seconds));
	elem_append_text(reply->arena, q, arena_str(reply->arena, status));
	return reply;
}

static void on_read(struct store_op *op)
{
	struct iq *iq = op->arg;
	struct stanza *reply = NULL;
	int64_t at_ms, now_ms = worker_wall_ms();
	struct str status;
	if (op->err == ERR_NONE && last_record_parse(op->first->value, &at_ms, &status))
		reply = answer(iq, at_ms < now_ms ? (uint64_t)(now_ms - at_ms) / 1000 : 0, status);
	iq_finish(iq, reply, op->err ? stored_error(op->err) : STANZA_INTERNAL_SERVER_ERROR, STR_NONE);
}

static int on_account(struct iq *iq)
{
	if (iq->user->n_sessions) {
		iq_send(iq, answer(iq, 0, STR("")));
		return DONE;
	}
	struct store_op *op = store_op_new(iq->host->name, jid_local(&iq->user->jid), on_read, NULL);
	store_kv_get(op, &last_space);
	struct iq *held = op->arg = iq_hold(iq);
	if (store_submit(iq->host->store, op) != ERR_NONE)
		iq_finish(held, NULL, STANZA_RESOURCE_CONSTRAINT, STR_NONE);
	return HOLD;
}

/* Section 4.1 wants this condition. */
static int on_stranger(struct iq *iq)
{
	return -STANZA_FORBIDDEN;
}

static int on_service(struct iq *iq)
{
	int64_t up_ms = worker_wall_ms() - iq->host->node->started_wall_ms;
	iq_send(iq, answer(iq, up_ms > 0 ? (uint64_t)up_ms / 1000 : 0, STR("")));
	return DONE;
}

/* ---- moving accounts: as an answer would be, but with the time itself ---- */

static void put_last(struct pie_put *p, const struct store_row *rows, uint32_t n)
{
	char stamp[STAMP_BYTES];
	int64_t at_ms;
	struct str status;
	if (!last_record_parse(rows->value, &at_ms, &status)) {
		p->broken++;
		return;
	}
	struct elem *q = elem_add(p->arena, p->user, NS_LAST, STR("query"));
	elem_set(p->arena, q, STR("stamp"), arena_str(p->arena, stamp_format(stamp, at_ms, true)));
	elem_append_text(p->arena, q, status);
}

static void take_last(struct pie_take *t, const struct elem *user)
{
	const struct elem *q = elem_child(user, NS_LAST, "query");
	struct str status = elem_text(t->arena, q);
	int64_t at_ms;
	if (stamp_parse(elem_attr(q, "stamp"), &at_ms) != ERR_NONE || at_ms < 0 || status.len > STORE_VALUE_MAX / 2) {
		pie_left(t, STR("last activity"), "it has no time");
		return;
	}
	store_kv_put(pie_op(t), &last_space, last_record_format(t->arena, at_ms, status));
	pie_taken(t, "last activities");
}

static const struct pie_part parts[] = {
	{ &last_space, put_last, { { &NS_LAST, "query" } }, take_last },
};

/* ---- the module ---- */

static const struct iq_route iqs[] = {
	{ IQ_HOST, TYPE_GET, &NS_LAST, "query", on_service },
	{ IQ_OWN | IQ_FRIEND, TYPE_GET, &NS_LAST, "query", on_account },
	{ IQ_STRANGER, TYPE_GET, &NS_LAST, "query", on_stranger },
};
static const char *const features[] = { "jabber:iq:last", NULL };

const struct module mod_last = {
	.name = "last",
	.xep = "XEP-0012",
	.version = "2.0",
	.doc = "Tells those who may see an account's presence when it was last there.",
	.features = features,
	.account_features = features,
	.iqs = iqs,
	.n_iqs = sizeof iqs / sizeof *iqs,
	.hooks = { .session_broadcast = session_broadcast },
	.parts = parts,
	.n_parts = 1,
};
