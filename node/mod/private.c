/*
 * XEP-0049 Private XML Storage: elements that clients keep for themselves, one for each name and namespace.
 *
 * An element without content is not kept: reading what is not there gives the same.
 */
#include "node/api.h"

#include "proto/xml/names.h"

#define ELEMENTS_AT_ONCE 32

extern const struct module mod_private;
static const struct store_space space = { "private", STORE_MAP };

struct host_part {
	uint32_t max_elements, max_bytes;
};

/* Section 2.3: namespaces of the protocols themselves are no place for data. */
static bool is_reserved(struct str ns)
{
	return str_starts(ns, STR("jabber:")) || str_starts(ns, STR("http://jabber.org/")) || str_eq(ns, NS_VCARD);
}

/* A refusal of this element as a key, or STANZA_ERROR_NONE. */
static enum stanza_error refusal_of(const struct elem *e)
{
	if (!str_present(e->ns) || str_empty(e->ns) || str_eq(e->ns, NS_PRIVATE) || str_eq(e->ns, NS_CLIENT))
		return STANZA_BAD_REQUEST;
	if (e->ns.len + e->name.len + 1 > STORE_FIELD_MAX || is_reserved(e->ns))
		return STANZA_NOT_ACCEPTABLE;
	return STANZA_ERROR_NONE;
}

static struct str key_of(struct arena *a, const struct elem *e)
{
	return arena_printf(a, "%.*s %.*s", STR_ARG(e->name), STR_ARG(e->ns));
}

static struct store_op *op_of(struct iq *iq, void (*on_done)(struct store_op *op))
{
	return store_op_new(iq->host->name, jid_local(&iq->user->jid), on_done, NULL);
}

static int submit(struct iq *iq, struct store_op *op)
{
	struct iq *held = op->arg = iq_hold(iq);
	if (store_submit(iq->host->store, op) != ERR_NONE)
		iq_finish(held, NULL, STANZA_RESOURCE_CONSTRAINT, STR_NONE);
	return HOLD;
}

static void on_read(struct store_op *op)
{
	struct iq *iq = op->arg;
	struct elem *root, *kept = NULL;
	if (op->err != ERR_NONE && op->err != ERR_NOT_FOUND) {
		iq_finish(iq, NULL, stored_error(op->err), STR_NONE);
		return;
	}
	struct stanza *reply = iq_result(iq, &root);
	struct elem *query = elem_add(reply->arena, root, NS_PRIVATE, STR("query"));
	if (op->err == ERR_NONE)
		kept = stored_read(iq->nw, reply->arena, op->first->value, "private data");
	elem_append(reply->arena, query, kept ? kept : elem_copy(reply->arena, elem_first(iq->payload)));
	iq_finish(iq, reply, STANZA_ERROR_NONE, STR_NONE);
}

static int on_get(struct iq *iq)
{
	const struct elem *wanted = elem_first(iq->payload);
	if (!wanted || elem_next(wanted))
		return -STANZA_BAD_REQUEST;
	enum stanza_error refusal = refusal_of(wanted);
	if (refusal)
		return -(int)refusal;
	struct store_op *op = op_of(iq, on_read);
	store_map_get(op, &space, key_of(op->arena, wanted));
	return submit(iq, op);
}

static void on_written(struct store_op *op)
{
	struct iq *iq = op->arg;
	struct elem *root;
	iq_finish(iq, op->err ? NULL : iq_result(iq, &root), stored_error(op->err), STR_NONE);
}

static bool is_hollow(const struct elem *e)
{
	return !e->children && !e->attrs;
}

/* Adds the step for one element. */
static enum stanza_error write_one(struct iq *iq, struct store_op *op, const struct elem *e)
{
	const struct host_part *h = host_slot(iq->host, &mod_private);
	enum stanza_error refusal = refusal_of(e);
	struct str value;
	if (refusal)
		return refusal;
	if (op->n_steps > ELEMENTS_AT_ONCE)
		return STANZA_POLICY_VIOLATION;
	if (is_hollow(e)) {
		store_map_delete(op, &space, key_of(op->arena, e));
		return STANZA_ERROR_NONE;
	}
	if (stored_write(op->arena, e, h->max_bytes, &value) != ERR_NONE)
		return STANZA_POLICY_VIOLATION;
	store_map_put(op, &space, key_of(op->arena, e), value, h->max_elements);
	return STANZA_ERROR_NONE;
}

static int on_set(struct iq *iq)
{
	enum stanza_error refusal = elem_first(iq->payload) ? STANZA_ERROR_NONE : STANZA_BAD_REQUEST;
	struct store_op *op = op_of(iq, on_written);
	stored_if_account(op, iq->host);
	for (const struct elem *e = elem_first(iq->payload); e && !refusal; e = elem_next(e))
		refusal = write_one(iq, op, e);
	if (!refusal)
		return submit(iq, op);
	store_op_cancel(&op);
	return -(int)refusal;
}

static int on_other(struct iq *iq)
{
	return -STANZA_FORBIDDEN;
}

/* ---- moving accounts ---- */

static void put_data(struct pie_put *p, const struct store_row *rows, uint32_t n)
{
	struct elem *query = elem_add(p->arena, p->user, NS_PRIVATE, STR("query"));
	for (uint32_t i = 0; i < n; i++) {
		struct elem *e = pie_read(p, rows[i].value);
		if (e)
			elem_append(p->arena, query, e);
	}
}

static void take_one(struct pie_take *t, const struct elem *e)
{
	struct str value, key = key_of(t->arena, e);
	if (is_hollow(e) || !str_present(e->ns) || str_eq(e->ns, NS_PRIVATE) || key.len > STORE_FIELD_MAX) {
		pie_left(t, arena_printf(t->arena, "private data %.*s", STR_ARG(key)),
			 is_hollow(e) ? "it is empty" : "it has no namespace of its own");
	} else if (pie_write(t, e, "private data", &value)) {
		store_map_put(pie_op(t), &space, key, value, 0);
		pie_taken(t, "private data");
	}
}

static void take_data(struct pie_take *t, const struct elem *user)
{
	for (const struct elem *q = elem_first(user); q; q = elem_next(q))
		for (const struct elem *e = elem_is(q, NS_PRIVATE, "query") ? elem_first(q) : NULL; e; e = elem_next(e))
			take_one(t, e);
}

static const struct pie_part parts[] = {
	{ &space, put_data, { { &NS_PRIVATE, "query" } }, take_data },
};

/* ---- the module ---- */

static const struct option options[] = {
	{ .name = "elements", .kind = OPTION_INT, .default_text = "100", .min = 1, .max = 100000, .unit = "elements", .per_host = true,
	  .doc = "Elements that an account may keep; one more is refused with resource-constraint." },
	{ .name = "element_bytes", .kind = OPTION_SIZE, .default_text = "64 KiB", .min = 1024, .max = 1 << 20, .per_host = true,
	  .doc = "Longest element that is kept; longer ones are refused with policy-violation." },
};

static void host_reload(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_private);
	p->max_elements = (uint32_t)module_int(h, &mod_private, "elements");
	p->max_bytes = (uint32_t)module_int(h, &mod_private, "element_bytes");
}

static enum err host_start(struct host *h, struct buf *why)
{
	host_reload(h);
	return ERR_NONE;
}

/* ---- for administrators ---- */

static void run_get_private_count(struct call *c)
{
	kept_count(c, &space);
}

static void run_purge_private(struct call *c)
{
	kept_purge(c, &space);
}

static const struct command commands[] = {
	{ "get_private_count", "USER HOST", COMMAND_READS, "Tells how many private elements an account keeps.", run_get_private_count },
	{ "purge_private", "USER HOST", 0, "Deletes an account's private elements; tells how many.", run_purge_private },
	{ 0 },
};

static const struct iq_route iqs[] = {
	{ IQ_OWN, TYPE_GET, &NS_PRIVATE, "query", on_get },
	{ IQ_OWN, TYPE_SET, &NS_PRIVATE, "query", on_set },
	{ IQ_OTHER, TYPE_GET, &NS_PRIVATE, "query", on_other },
	{ IQ_OTHER, TYPE_SET, &NS_PRIVATE, "query", on_other },
};
static const char *const features[] = { "jabber:iq:private", NULL };

const struct module mod_private = {
	.name = "private",
	.xep = "XEP-0049",
	.version = "1.2",
	.doc = "Keeps XML elements for clients.",
	.features = features,
	.account_features = features,
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.iqs = iqs,
	.n_iqs = sizeof iqs / sizeof *iqs,
	.parts = parts,
	.n_parts = 1,
	.host_slot = sizeof(struct host_part),
	.host_start = host_start,
	.host_reload = host_reload,
	.commands = commands,
};
