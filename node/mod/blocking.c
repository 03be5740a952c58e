/*
 * XEP-0191 Blocking Command: each user's list of addresses that it neither hears from nor is heard by (rules: proto/rules/blocking.h).
 *
 * The list is read when the account comes to life: for a session before its client's first stanza is looked at (the stream is held),
 * for an account without sessions when something arrives, which waits meanwhile in the order of its arrival. It stays in memory while the
 * account lives. A list that cannot be read blocks everything: somebody hides, and we do not know from whom.
 *
 * After the account's life it is remembered until REMEMBERED_MS from its reading: what arrives for somebody who is away often does so
 * together, and each stanza would read it again. In that time nobody but the account's own sessions, which are here, changes the list of
 * an account that exists (an import that is just making it is noticed so much later); of one that does not exist, or no longer does, and
 * of one whose session goes on elsewhere, nothing is remembered.
 *
 *   UNKNOWN -arrival, session-> LOADING -read-> DRAINING (what waited goes on) -> KNOWN      LOADING -failed-> UNKNOWN
 */
#include <stdlib.h>

#include "node/api.h"
#include "proto/base/recent.h"
#include "proto/rules/blocking.h"
#include "proto/xml/names.h"

#define WAITING_MAX   1000 /* stanzas that wait for one account's list */
#define REMEMBERED_MS 10000

extern const struct module mod_blocking;

static const struct store_space space = { "blocking", STORE_MAP }; /* field: a JID; value: empty */

static const struct option options[] = {
	{ .name = "max_items", .kind = OPTION_INT, .default_text = "1000", .min = 1, .max = STORE_ROWS_MAX, .unit = "addresses",
	  .doc = "Addresses that one user may block." },
	{ .name = "remembered", .kind = OPTION_INT, .default_text = "4096", .min = 0, .max = 10000000, .unit = "lists and addresses",
	  .doc = "How many block lists of accounts that are not there each worker keeps in memory for 10 seconds; each address on them "
		 "counts as one more. With several nodes none is: another one may change it meanwhile, and each message to somebody "
		 "who is not there reads his list." },
};

struct host_part {
	struct recent *lists; /* localpart -> struct blocking of an account that is not alive; one for each worker */
	unsigned n_workers;
};
struct waiting {
	struct waiting *next;
	struct stanza *stanza;
	struct sender sender; /* waits as well */
	size_t bytes;
};
enum state { UNKNOWN, LOADING, DRAINING, KNOWN };
struct user_part {
	struct blocking list;
	struct waiting *first, **last;
	const struct stanza *turn; /* DRAINING: whose turn it is */
	unsigned n_waiting;
	size_t waiting_bytes;
	uint64_t read_ms; /* when the list was read */
	bool lasts;       /* it may be remembered */
	enum state state;
};
struct session_part {
	bool held;    /* waits for the list */
	bool listens; /* asked for the list: hears of changes */
};

/* ---- what is remembered of accounts that are not alive ---- */

static struct recent *lists_of(const struct user *u)
{
	const struct host_part *h = host_slot(u->host, &mod_blocking);
	return &h->lists[u->nw->worker->index];
}

static void drop_list(void *value)
{
	blocking_fini(value);
	free(value);
}

static void remember(struct user *u, struct user_part *p)
{
	struct blocking *list = xmalloc(sizeof *list);
	*list = p->list;
	p->list = (struct blocking){ 0 };
	recent_put(lists_of(u), jid_local(&u->jid), list, 1 + list->n, p->read_ms, u->nw->worker->now_ms);
}

static void recall(struct user *u, struct user_part *p)
{
	struct blocking *list = recent_take(lists_of(u), jid_local(&u->jid), u->nw->worker->now_ms, &p->read_ms);
	if (!list)
		return;
	p->list = *list;
	p->lasts = true;
	p->state = KNOWN;
	free(list);
}

static struct user_part *part_of(struct user *u)
{
	struct user_part *p = user_slot(u, &mod_blocking);
	if (p->state == UNKNOWN && u->host->anonymous)
		p->state = KNOWN; /* nothing is stored there: the list lives with the account */
	else if (p->state == UNKNOWN)
		recall(u, p);
	return p;
}

/* ---- the list and those who wait for it ---- */

static struct waiting *take_first(struct user_part *p)
{
	struct waiting *w = p->first;
	p->first = w->next;
	p->n_waiting--;
	p->waiting_bytes -= w->bytes;
	return w;
}

static void drain(struct user *u, struct user_part *p)
{
	p->state = DRAINING;
	while (p->first) {
		struct waiting *w = take_first(p);
		u->nw->sender = w->sender;
		p->turn = w->stanza;
		router_arrive(u, w->stanza);
		u->nw->sender.sid = 0;
		brake_off(u->nw, &w->sender);
		free(w);
	}
	p->turn = NULL;
	p->state = KNOWN;
}

static void refuse_waiting(struct user *u, struct user_part *p)
{
	while (p->first) {
		struct waiting *w = take_first(p);
		router_bounce(u->nw, w->stanza, STANZA_RESOURCE_CONSTRAINT, STR("the store does not answer, try again later"));
		brake_off(u->nw, &w->sender);
		free(w);
	}
}

static void release_sessions(struct user *u)
{
	for (struct session *s = u->sessions; s; s = s->next) {
		struct session_part *sp = session_slot(s, &mod_blocking);
		if (sp->held)
			session_release(u->nw, s->sid);
		sp->held = false;
	}
}

static void on_loaded(struct store_op *op)
{
	struct user *u = op->arg;
	struct user_part *p = user_slot(u, &mod_blocking);
	release_sessions(u);
	for (uint32_t i = 0; !op->err && i < op->first->n_rows; i++)
		blocking_add(&p->list, op->first->rows[i].key);
	p->read_ms = u->nw->worker->now_ms;
	p->lasts = !op->err;
	if (op->err && op->err != ERR_NOT_FOUND) { /* no such account: no list */
		LOG(LOG_ERROR, "blocking", "a block list cannot be read", L_STR("user", jid_str(&u->jid)), L_ERR(op->err));
		p->state = UNKNOWN;
		refuse_waiting(u, p);
	} else {
		drain(u, p);
	}
	user_release(u);
}

static bool load(struct user *u, struct user_part *p)
{
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_loaded, u);
	store_map_all(op, &space, STR_NONE, 0);
	stored_if_account(op, u->host);
	if (store_submit(u->host->store, op) != ERR_NONE)
		return false;
	u->holds++;
	p->state = LOADING;
	return true;
}

static void session_bound(struct session *s)
{
	struct user_part *p = part_of(s->user);
	struct session_part *sp = session_slot(s, &mod_blocking);
	if (p->state == UNKNOWN && !load(s->user, p))
		return; /* `accept` ends the session */
	sp->held = p->state == LOADING;
	if (sp->held)
		session_hold(s);
}

static void session_freeze(struct session *s, struct buf *out)
{
	if (((const struct session_part *)session_slot(s, &mod_blocking))->listens)
		buf_addc(out, 1);
	part_of(s->user)->lasts = false; /* it may be changed where the session goes on */
}

static void session_thaw(struct session *s, struct str state)
{
	((struct session_part *)session_slot(s, &mod_blocking))->listens = state.len > 0;
}

static void user_free(struct user *u)
{
	struct user_part *p = user_slot(u, &mod_blocking);
	while (p->first) {
		struct waiting *w = p->first;
		p->first = w->next;
		stanza_unref(w->stanza);
		free(w);
	}
	if (p->state == KNOWN && p->lasts)
		remember(u, p);
	blocking_fini(&p->list);
}

/* Whoever comes by that name next is somebody else. */
static void account_ended(struct user *u, bool removed)
{
	struct user_part *p = part_of(u);
	if (!removed)
		return;
	blocking_fini(&p->list);
	p->lasts = false;
}

/* ---- what passes ---- */

static int wait_for_list(struct user *u, struct user_part *p, struct stanza *st)
{
	size_t bytes = arena_bytes(st->arena);
	if (p->n_waiting >= WAITING_MAX || (p->first && p->waiting_bytes + bytes > u->nw->node->settings.mailbox_bytes))
		return -STANZA_RESOURCE_CONSTRAINT;
	struct waiting *w = xzalloc(sizeof *w);
	w->stanza = stanza_ref(st);
	w->sender = u->nw->sender;
	brake_on(u->nw, &w->sender);
	w->bytes = bytes;
	p->waiting_bytes += bytes;
	if (!p->first)
		p->last = &p->first;
	*p->last = w;
	p->last = &w->next;
	p->n_waiting++;
	return HOLD;
}

static int arrive_policy(struct user *u, struct stanza *st)
{
	struct user_part *p = part_of(u);
	if (p->state == UNKNOWN && !load(u, p))
		return -STANZA_RESOURCE_CONSTRAINT;
	if (p->state == LOADING || (p->state == DRAINING && st != p->turn))
		return wait_for_list(u, p, st);
	if (!blocking_stands_between(&p->list, &u->jid, &st->from))
		return PASS;
	return st->kind == STANZA_PRESENCE ? DONE : -STANZA_SERVICE_UNAVAILABLE;
}

/* Section 3.3: the sender is told that it has blocked the recipient itself. */
static int accept_sent(struct session *s, struct stanza *st)
{
	struct user_part *p = part_of(s->user);
	if (p->state != KNOWN) {
		session_close(s, STREAM_INTERNAL_SERVER_ERROR, STR("the store does not answer"));
		return DONE;
	}
	if (!jid_present(&st->to) || !blocking_stands_between(&p->list, &s->user->jid, &st->to))
		return PASS;
	struct arena *a = arena_new(256);
	struct elem *blocked = elem_new(a, NS_BLOCKING_ERRORS, STR("blocked"));
	struct stanza *reply = stanza_error_reply_as(st, STANZA_NOT_ACCEPTABLE, STR("cancel"), STR_NONE, blocked);
	if (reply)
		session_deliver(s, reply);
	stanza_unref(reply);
	arena_free(a);
	return DONE;
}

static int leave_policy(struct user *u, const struct jid *to)
{
	struct user_part *p = part_of(u);
	return blocking_stands_between(&p->list, &u->jid, to) ? DONE : PASS;
}

/* ---- changes ---- */

/* A request that changes the list, part by part: an op has a ceiling on its steps. */
struct change {
	struct arena *arena;
	struct iq *iq; /* held */
	bool block;
	struct str *jids;
	size_t n, at, part; /* at: done so far; part: under way */
};

/* Sections 3.3 to 3.5: every resource that asked for the list hears of the change, the one that made it included. */
static void push(struct user *u, const struct change *c)
{
	for (struct session *s = u->sessions; s; s = s->next) {
		const struct session_part *sp = session_slot(s, &mod_blocking);
		if (!sp->listens)
			continue;
		struct arena *a = arena_new(1024);
		struct elem *root = stanza_root(a, STANZA_IQ, TYPE_SET);
		elem_set(a, root, STR("id"), rng_token(&u->nw->worker->rng, a, 12));
		struct elem *e = elem_add(a, root, NS_BLOCKING, c->block ? STR("block") : STR("unblock"));
		for (size_t i = 0; i < c->at; i++)
			elem_set(a, elem_add(a, e, STR_NONE, STR("item")), STR("jid"), arena_str(a, c->jids[i]));
		struct stanza *st = stanza_new(&a, root, NULL, &s->jid);
		session_deliver(s, st);
		stanza_unref(st);
	}
}

static void change_end(struct change *c, enum err err)
{
	struct elem *root;
	struct user *u = c->iq->user;
	struct stanza *reply = err ? NULL : iq_result(c->iq, &root);
	bool full = err == ERR_LIMIT;
	u->holds++;
	iq_finish(c->iq, reply, full ? STANZA_POLICY_VIOLATION : STANZA_INTERNAL_SERVER_ERROR,
		  full ? STR("your block list is full") : STR("the block list could not be changed"));
	if (c->at || !err)
		push(u, c);
	user_release(u);
	arena_free(c->arena);
}

/* In this order: those who are blocked see the user leave, and those who no longer are see it come. */
static void apply(struct user *u, bool block, struct str jid)
{
	struct user_part *p = part_of(u);
	if (block && !blocking_has(&p->list, jid)) {
		hooks_hides(u, jid, true);
		blocking_add(&p->list, jid);
	} else if (!block && blocking_remove(&p->list, jid)) {
		hooks_hides(u, jid, false);
	}
}

static void change_part(struct change *c);

static void on_part(struct store_op *op)
{
	struct change *c = op->arg;
	for (size_t i = 0; !op->err && i < c->part; i++)
		apply(c->iq->user, c->block, c->jids[c->at + i]);
	if (!op->err)
		c->at += c->part;
	if (op->err || c->at == c->n)
		change_end(c, op->err);
	else
		change_part(c);
}

static void change_part(struct change *c)
{
	struct user *u = c->iq->user;
	uint32_t max = (uint32_t)module_int(u->host, &mod_blocking, "max_items");
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_part, c);
	stored_if_account(op, u->host);
	c->part = c->n - c->at < STORE_STEPS_MAX ? c->n - c->at : STORE_STEPS_MAX - 1;
	for (size_t i = c->at; i < c->at + c->part; i++) {
		if (c->block)
			store_map_put(op, &space, c->jids[i], STR(""), max);
		else
			store_map_delete(op, &space, c->jids[i]);
	}
	enum err err = store_submit(u->host->store, op);
	if (err)
		change_end(c, err == ERR_LIMIT ? ERR_UNAVAILABLE : err);
}

/* Everything that is on the list now; told as section 3.5 wants: an empty <unblock/>. */
static void on_cleared(struct store_op *op)
{
	struct change *c = op->arg;
	struct user *u = c->iq->user;
	struct user_part *p = part_of(u);
	while (!op->err && p->list.n)
		apply(u, false, arena_str(c->arena, str_of(p->list.items[p->list.n - 1])));
	change_end(c, op->err);
}

static void clear(struct change *c)
{
	struct user *u = c->iq->user;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_cleared, c);
	store_map_clear(op, &space);
	enum err err = store_submit(u->host->store, op);
	if (err)
		change_end(c, ERR_UNAVAILABLE);
}

/* Without a store the list lives with the account. */
static void change_in_memory(struct change *c)
{
	struct user_part *p = part_of(c->iq->user);
	size_t max = (size_t)module_int(c->iq->host, &mod_blocking, "max_items");
	enum err err = c->block && p->list.n + c->n > max ? ERR_LIMIT : ERR_NONE;
	for (; !err && c->at < c->n; c->at++)
		apply(c->iq->user, c->block, c->jids[c->at]);
	while (!c->n && p->list.n)
		apply(c->iq->user, false, arena_str(c->arena, str_of(p->list.items[p->list.n - 1])));
	change_end(c, err);
}

/* The items' addresses, prepared. */
static enum stanza_error read_items(struct iq *iq, struct change *c)
{
	size_t n = 0, max = (size_t)module_int(iq->host, &mod_blocking, "max_items");
	for (const struct elem *e = elem_first(iq->payload); e; e = elem_next(e))
		n++;
	if (n > max)
		return STANZA_POLICY_VIOLATION;
	c->jids = arena_alloc(c->arena, n * sizeof *c->jids);
	for (const struct elem *e = elem_first(iq->payload); e; e = elem_next(e)) {
		struct jid jid;
		struct str text = elem_attr(e, "jid");
		if (!elem_is(e, NS_BLOCKING, "item") || !str_present(text))
			return STANZA_BAD_REQUEST;
		if (jid_parse(c->arena, text, &jid) != ERR_NONE)
			return STANZA_JID_MALFORMED;
		c->jids[c->n++] = arena_str(c->arena, jid_str(&jid));
	}
	return STANZA_ERROR_NONE;
}

static int on_change(struct iq *iq, bool block)
{
	struct arena *a = arena_new(1024);
	struct change *c = arena_zalloc(a, sizeof *c);
	c->arena = a;
	c->block = block;
	enum stanza_error e = read_items(iq, c);
	if (!e && block && !c->n)
		e = STANZA_BAD_REQUEST;
	if (e) {
		arena_free(a);
		return -(int)e;
	}
	c->iq = iq_hold(iq);
	if (iq->host->anonymous)
		change_in_memory(c);
	else if (c->n)
		change_part(c);
	else
		clear(c);
	return HOLD;
}

static int on_block(struct iq *iq)
{
	return on_change(iq, true);
}

static int on_unblock(struct iq *iq)
{
	return on_change(iq, false);
}

static int on_list(struct iq *iq)
{
	struct elem *root;
	struct session *s = iq_session(iq);
	const struct user_part *p = part_of(iq->user);
	if (s) {
		((struct session_part *)session_slot(s, &mod_blocking))->listens = true;
		session_changed(s);
	}
	struct stanza *reply = iq_result(iq, &root);
	struct elem *list = elem_add(reply->arena, root, NS_BLOCKING, STR("blocklist"));
	for (size_t i = 0; i < p->list.n; i++)
		elem_set(reply->arena, elem_add(reply->arena, list, STR_NONE, STR("item")), STR("jid"),
			 arena_str(reply->arena, str_of(p->list.items[i])));
	iq_send(iq, reply);
	return DONE;
}

static const struct iq_route iqs[] = {
	{ IQ_OWN, TYPE_GET, &NS_BLOCKING, "blocklist", on_list },
	{ IQ_OWN, TYPE_SET, &NS_BLOCKING, "block", on_block },
	{ IQ_OWN, TYPE_SET, &NS_BLOCKING, "unblock", on_unblock },
};
static const char *const features[] = { "urn:xmpp:blocking", NULL };

/* ---- moving accounts: as the privacy list that other servers know (XEP-0227 section 4.7) ---- */

static const struct str list_name = STR_INIT("blocked");

static void put_list(struct pie_put *p, const struct store_row *rows, uint32_t n)
{
	struct elem *query = elem_add(p->arena, p->user, NS_PRIVACY, STR("query"));
	elem_set(p->arena, elem_add(p->arena, query, STR_NONE, STR("default")), STR("name"), list_name);
	struct elem *list = elem_add(p->arena, query, STR_NONE, STR("list"));
	elem_set(p->arena, list, STR("name"), list_name);
	for (uint32_t i = 0; i < n; i++) {
		struct elem *item = elem_add(p->arena, list, STR_NONE, STR("item"));
		elem_set(p->arena, item, STR("type"), STR("jid"));
		elem_set(p->arena, item, STR("value"), rows[i].key);
		elem_set(p->arena, item, STR("action"), STR("deny"));
		elem_set(p->arena, item, STR("order"), arena_printf(p->arena, "%u", i));
	}
}

static void take_address(struct pie_take *t, struct str text)
{
	struct jid jid;
	if (!str_present(text) || jid_parse(t->arena, text, &jid) != ERR_NONE) {
		pie_left(t, arena_printf(t->arena, "blocked address '%.*s'", STR_ARG(text)), "it is no address");
		return;
	}
	store_map_put(pie_op(t), &space, jid_str(&jid), STR(""), 0);
	pie_taken(t, "blocked addresses");
}

/* Denying all stanzas of an address is blocking; whatever else privacy lists can say is not. */
static void take_privacy(struct pie_take *t, const struct elem *query)
{
	const struct elem *by_default = elem_child(query, NS_PRIVACY, "default");
	struct str name = by_default ? elem_attr(by_default, "name") : STR_NONE;
	for (const struct elem *l = elem_first(query); l; l = elem_next(l)) {
		bool in_force = elem_is(l, NS_PRIVACY, "list") && str_present(name) && str_eq(elem_attr(l, "name"), name);
		if (elem_is(l, NS_PRIVACY, "list") && !in_force)
			pie_left(t, arena_printf(t->arena, "privacy list '%.*s'", STR_ARG(elem_attr(l, "name"))),
				 "only the default list is taken");
		for (const struct elem *i = in_force ? elem_first(l) : NULL; i; i = elem_next(i)) {
			bool blocks = str_is(elem_attr(i, "action"), "deny") && str_is(elem_attr(i, "type"), "jid") && !elem_first(i);
			if (blocks)
				take_address(t, elem_attr(i, "value"));
			else if (str_is(elem_attr(i, "action"), "deny"))
				pie_left(t, arena_printf(t->arena, "rule %.*s of a privacy list", STR_ARG(elem_attr(i, "order"))),
					 "only rules that deny all of an address are taken");
		}
	}
}

static void take_list(struct pie_take *t, const struct elem *user)
{
	for (const struct elem *c = elem_first(user); c; c = elem_next(c)) {
		if (elem_is(c, NS_PRIVACY, "query"))
			take_privacy(t, c);
		for (const struct elem *i = elem_is(c, NS_BLOCKING, "blocklist") ? elem_first(c) : NULL; i; i = elem_next(i))
			take_address(t, elem_attr(i, "jid"));
	}
}

static const struct pie_part parts[] = {
	{ &space, put_list, { { &NS_PRIVACY, "query" }, { &NS_BLOCKING, "blocklist" } }, take_list },
};

static enum err host_start(struct host *h, struct buf *why)
{
	struct host_part *p = host_slot(h, &mod_blocking);
	/* In a cluster another node may change the list of an account that is at home here only while it is away. */
	size_t weight = h->node->fleet ? 0 : (size_t)module_int(h, &mod_blocking, "remembered");
	p->n_workers = h->node->n_workers;
	p->lists = arena_alloc(h->arena, p->n_workers * sizeof *p->lists);
	for (unsigned i = 0; i < p->n_workers; i++)
		recent_init(&p->lists[i], h->node->hash_key, weight, REMEMBERED_MS, drop_list);
	return ERR_NONE;
}

static void host_stop(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_blocking);
	for (unsigned i = 0; i < p->n_workers; i++)
		recent_fini(&p->lists[i]);
}

const struct module mod_blocking = {
	.name = "blocking",
	.xep = "XEP-0191",
	.version = "1.3",
	.doc = "Lets users block whom they do not want to hear from.",
	.features = features,
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.iqs = iqs,
	.n_iqs = 3,
	.parts = parts,
	.n_parts = 1,
	.hooks = { .accept = accept_sent,
		   .arrive_policy = arrive_policy,
		   .leave_policy = leave_policy,
		   .session_bound = session_bound,
		   .session_freeze = session_freeze,
		   .session_thaw = session_thaw,
		   .account_ended = account_ended,
		   .user_free = user_free },
	.host_start = host_start,
	.host_stop = host_stop,
	.host_slot = sizeof(struct host_part),
	.user_slot = sizeof(struct user_part),
	.session_slot = sizeof(struct session_part),
};
