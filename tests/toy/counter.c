/*
 * A toy service: each name@toy.<host> is a counter. A message to it, of any body, adds one and is answered with
 * "<number> <fence> <name of the node>"; the number is in the store before anybody hears it. Two bodies say something else: "subscribe"
 * (the sender hears every number from then on; who did is in the state alone) and "close" (the place ends; the number stays). IQs to the
 * domain itself are answered with an empty result.
 */
#include <stdlib.h>

#include "node/api.h"
#include "proto/xml/names.h"

extern const struct module mod_counter;

static const struct store_space space = { "counter", STORE_KV };

#define SUBSCRIBERS_MAX 100

struct counter {
	uint64_t n;
	unsigned n_subscribers;
	char *subscribers[SUBSCRIBERS_MAX]; /* full JIDs */
};

/* What waits for the store; the place is held meanwhile. */
struct addition {
	struct place *place;
	struct stanza *stanza;
	uint64_t n;
};

static struct str domain(struct host *h)
{
	return h->anonymous ? STR_NONE : arena_printf(h->arena, "toy.%.*s", STR_ARG(h->name));
}

static struct store_op *op_new(struct place *p, void (*on_done)(struct store_op *op), void *arg)
{
	return store_op_new(jid_domain(&p->jid), jid_local(&p->jid), on_done, arg);
}

/* ---- beginning ---- */

static void on_number(struct store_op *op)
{
	struct place *p = op->arg;
	struct counter *c = p->own;
	if (op->err == ERR_NONE)
		BUG_ON(!str_to_u64(op->first->value, &c->n));
	else if (op->err != ERR_NOT_FOUND)
		place_close(p); /* what comes next tries again */
	place_release(p);
}

static void on_fence(struct store_op *op)
{
	struct place *p = op->arg;
	if (op->err == ERR_NONE) { /* nobody else writes any more: it is what it will be */
		struct store_op *get = op_new(p, on_number, p);
		store_kv_get(get, &space);
		if (store_submit(p->host->store, get) == ERR_NONE)
			return;
		place_close(p);
	} else if (op->err == ERR_DENIED) {
		place_lose(p, op->first->version);
	} else {
		place_close(p);
	}
	place_release(p);
}

static void subscribe(struct counter *c, struct str who)
{
	for (unsigned i = 0; i < c->n_subscribers; i++)
		if (str_is(who, c->subscribers[i]))
			return;
	if (c->n_subscribers == SUBSCRIBERS_MAX)
		return;
	char *copy = xzalloc(who.len + 1);
	memcpy(copy, who.p, who.len);
	c->subscribers[c->n_subscribers++] = copy;
}

/* "<number>\n<subscriber>\n..." */
static void thaw(struct counter *c, struct str state)
{
	BUG_ON(!str_to_u64(str_cut(&state, '\n'), &c->n));
	while (str_present(state) && state.len)
		subscribe(c, str_cut(&state, '\n'));
}

static void begin(struct place *p, struct str state)
{
	struct counter *c = p->own = xzalloc(sizeof *c);
	if (str_present(state)) {
		thaw(c, state);
		return;
	}
	struct store_op *op = op_new(p, on_fence, p);
	store_fence(op, p->fence);
	place_hold(p);
	if (store_submit(p->host->store, op) == ERR_NONE)
		return;
	place_close(p);
	place_release(p);
}

static void freeze(struct place *p, struct buf *out)
{
	const struct counter *c = p->own;
	buf_addf(out, "%llu\n", (unsigned long long)c->n);
	for (unsigned i = 0; i < c->n_subscribers; i++)
		buf_addf(out, "%s\n", c->subscribers[i]);
}

static void end(struct place *p)
{
	struct counter *c = p->own;
	for (unsigned i = 0; i < c->n_subscribers; i++)
		free(c->subscribers[i]);
	free(c);
}

/* ---- counting ---- */

static void say(struct place *p, const struct jid *to, struct str id, struct str body)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_MESSAGE, TYPE_NORMAL);
	if (str_present(id))
		elem_set(a, root, STR("id"), arena_str(a, id));
	elem_add_text(a, root, STR("body"), arena_str(a, body));
	router_route(p->nw, stanza_new(&a, root, &p->jid, to));
}

static void tell_subscribers(struct place *p, const struct counter *c, struct str body)
{
	for (unsigned i = 0; i < c->n_subscribers; i++) {
		struct jid to;
		struct arena *a = arena_new(256);
		BUG_ON(jid_parse(a, str_of(c->subscribers[i]), &to) != ERR_NONE);
		say(p, &to, STR("news"), body);
		arena_free(a);
	}
}

static void on_added(struct store_op *op)
{
	struct addition *add = op->arg;
	struct place *p = add->place;
	struct counter *c = p->own;
	if (op->err == ERR_NONE) {
		struct str body = arena_printf(op->arena, "%llu %llu %.*s", (unsigned long long)add->n, (unsigned long long)p->fence,
					       STR_ARG(config_str(p->nw->node->config, "cluster.name")));
		c->n = add->n;
		say(p, &add->stanza->from, add->stanza->id, body);
		tell_subscribers(p, c, body);
		stanza_unref(add->stanza);
	} else {
		if (op->err == ERR_DENIED)
			place_lose(p, 0);
		else
			place_close(p); /* it may have been written: the store knows */
		router_bounce(p->nw, add->stanza, op->err == ERR_DENIED ? STANZA_GONE : STANZA_INTERNAL_SERVER_ERROR, STR_NONE);
	}
	free(add);
	place_release(p);
}

static int add_one(struct place *p, struct stanza *st)
{
	char text[24];
	struct counter *c = p->own;
	struct addition *add = xzalloc(sizeof *add);
	*add = (struct addition){ .place = p, .stanza = stanza_ref(st), .n = c->n + 1 };
	struct store_op *op = op_new(p, on_added, add);
	store_fence(op, p->fence);
	snprintf(text, sizeof text, "%llu", (unsigned long long)add->n);
	store_kv_put(op, &space, str_of(text));
	place_hold(p);
	if (store_submit(p->host->store, op) == ERR_NONE)
		return HOLD;
	stanza_unref(add->stanza);
	free(add);
	place_release(p);
	return -STANZA_RESOURCE_CONSTRAINT;
}

static bool says(const struct stanza *st, const char *text)
{
	struct arena *a = arena_new(256);
	const struct elem *body = elem_child(st->root, NS_CLIENT, "body");
	bool yes = body && str_is(elem_text(a, body), text);
	arena_free(a);
	return yes;
}

static int take(struct place *p, struct stanza *st)
{
	if (st->kind != STANZA_MESSAGE || st->type == TYPE_ERROR)
		return st->kind == STANZA_IQ ? PASS : DONE;
	if (says(st, "close")) {
		place_close(p);
		return DONE;
	}
	if (says(st, "subscribe")) {
		subscribe(p->own, jid_str(&st->from));
		say(p, &st->from, st->id, STR("subscribed"));
		return DONE;
	}
	return add_one(p, st);
}

static int domain_take(struct node_worker *nw, struct host *h, struct stanza *st)
{
	struct elem *root;
	(void)h;
	if (!stanza_is_request(st))
		return PASS;
	router_route(nw, stanza_result(st, &root));
	return DONE;
}

static const struct service service = {
	.domain = domain, .begin = begin, .freeze = freeze, .end = end, .take = take, .domain_take = domain_take,
};

const struct module mod_counter = {
	.name = "counter",
	.doc = "A toy.",
	.service = &service,
};
