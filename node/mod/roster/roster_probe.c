/*
 * Presence probes: RFC 6121 section 4.3.2. What is answered is said by proto/rules/presence.h; here it is found out and sent.
 */
#include "node/mod/roster/roster.h"
#include "proto/forms/delay.h"

static bool somebody_is_available(const struct user *u)
{
	for (const struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s))
			return true;
	return false;
}

enum probe_sender roster_sender_kind(struct user *u, const struct jid *who)
{
	struct str domain = jid_domain(who), own = u->host->name;
	if (jid_bare_eq(who, &u->jid))
		return PROBE_BY_SELF;
	/* The service itself and what lives on its subdomains: rooms, gateways. Domains of ours hold accounts, who have a localpart. */
	bool is_below = domain.len > own.len + 1 && str_ends(domain, own) &&
			str_is(str_span(domain.p + (domain.len - own.len - 1), 1), ".");
	return (is_below || str_eq(domain, own)) && !jid_has_local(who) ? PROBE_BY_TRUSTED : PROBE_BY_CONTACT;
}

/* Section 4.3.2.1: what is no resource's own presence has the probe's id. */
static void answer_as(struct user *u, const struct stanza *probe, enum stanza_type type, const struct jid *from, const struct jid *to)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, type);
	elem_set(a, root, STR("id"), arena_str(a, probe->id));
	router_route(u->nw, stanza_new(&a, root, from, to));
}

/* ---- somebody is away: since when, and with which words, if that is known ---- */

struct absence {
	struct user *user;     /* held */
	struct jid to;
	struct str id;         /* the probe's; may be absent */
};

static struct stanza *absence_new(const struct absence *absence, const struct store_op *op)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_UNAVAILABLE);
	const struct user *u = absence->user;
	int64_t at_ms;
	struct str status;
	elem_set(a, root, STR("id"), arena_str(a, absence->id));
	if (op->err == ERR_NONE && last_record_parse(op->first->value, &at_ms, &status)) {
		if (status.len)
			elem_add_text(a, root, STR("status"), arena_str(a, status));
		root = delay_stamp(a, root, arena_str(a, jid_str(&u->jid)), at_ms, STR_NONE);
	}
	return stanza_new(&a, root, &u->jid, &absence->to);
}

/* Who has come back meanwhile has said so himself, and must not be called away again. */
static void on_absence(struct store_op *op)
{
	const struct absence *absence = op->arg;
	struct user *u = absence->user;
	if (!somebody_is_available(u))
		router_route(u->nw, absence_new(absence, op));
	user_release(u);
}

static void tell_absence(struct user *u, const struct stanza *probe)
{
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_absence, NULL);
	struct absence *absence = arena_zalloc(op->arena, sizeof *absence);
	*absence = (struct absence){ .user = u, .to = jid_copy(op->arena, &probe->from), .id = arena_str(op->arena, probe->id) };
	op->arg = absence;
	store_kv_get(op, &last_space);
	u->holds++;
	if (store_submit(u->host->store, op) == ERR_NONE)
		return;
	answer_as(u, probe, TYPE_UNAVAILABLE, &u->jid, &probe->from);
	user_release(u);
}

static void answer_probe(struct user *u, struct stanza *st, const struct probe_facts *f, struct session *one)
{
	struct jid prober = jid_bare(&st->from);
	switch (presence_probe(f)) {
	case PROBE_UNSUBSCRIBED:
		answer_as(u, st, TYPE_UNSUBSCRIBED, &u->jid, &prober);
		break;
	case PROBE_UNAVAILABLE:
		if (f->to_full)
			answer_as(u, st, TYPE_UNAVAILABLE, &st->to, &st->from);
		else
			tell_absence(u, st);
		break;
	case PROBE_ONE:
		BUG_ON(!one); /* the facts said that there is one */
		router_route(u->nw, stanza_readdress(one->presence, NULL, &st->from));
		break;
	case PROBE_ALL:
		roster_show_presence(u, &st->from);
		break;
	default:
		break;
	}
}

static void probe_known(struct user *u, struct stanza *st, enum subscription state, bool no_account)
{
	struct session *one = jid_is_full(&st->to) ? user_session(u, jid_resource(&st->to)) : NULL;
	struct probe_facts f = {
		.sender = roster_sender_kind(u, &st->from),
		.no_account = no_account,
		.state = state,
		.to_full = jid_is_full(&st->to),
		.resource_available = one && session_is_available(one),
		.resource_told = one && roster_directed_has(one, &st->from),
	};
	f.any_available = somebody_is_available(u);
	if (hooks_may_leave(u, &st->from))
		answer_probe(u, st, &f, one);
}

static void probe_warm(struct user *u, struct stanza *st)
{
	struct jid bare = jid_bare(&st->from);
	struct roster_item item = roster_item_or_none(u, &bare);
	probe_known(u, st, roster_item_state(&item), false);
}

static void run_probe(struct roster_task *t)
{
	probe_warm(t->user, t->stanza);
	roster_task_end(t);
}

static void drop_probe(struct roster_task *t, enum err why)
{
	if (why == ERR_NOT_FOUND)
		probe_known(t->user, t->stanza, SUBSCRIPTION_NONE, true);
}

/* ---- probes of an account without sessions: its roster stays in the store, which is asked for one row. An account that does not exist
 * has none. ---- */

struct cold_probe {
	struct user *user;     /* held */
	struct stanza *stanza; /* goes with the op's arena */
	bool is_request;       /* the second look: does a request of his wait? */
};

static void cold_probe_ask(struct user *u, struct stanza *st, bool is_request);

static void on_cold_probe(struct store_op *op)
{
	struct cold_probe *p = op->arg;
	struct user *u = p->user;
	struct roster_item item = { .side.state = SUBSCRIPTION_NONE };
	if (op->err == ERR_NOT_FOUND && !p->is_request)
		cold_probe_ask(u, p->stanza, true);
	else if (op->err == ERR_NOT_FOUND)
		probe_known(u, p->stanza, SUBSCRIPTION_NONE, true);
	else if (op->err == ERR_NONE && p->is_request)
		probe_known(u, p->stanza, SUBSCRIPTION_NONE_IN, false);
	else if (op->err == ERR_NONE && roster_record_parse(op->arena, op->first->value, &item) == ERR_NONE)
		probe_known(u, p->stanza, item.side.state, false);
	user_release(u);
}

static void unref_later(void *stanza)
{
	stanza_unref(stanza);
}

static void cold_probe_ask(struct user *u, struct stanza *st, bool is_request)
{
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_cold_probe, NULL);
	struct cold_probe *p = arena_zalloc(op->arena, sizeof *p);
	*p = (struct cold_probe){ .user = u, .stanza = stanza_ref(st), .is_request = is_request };
	arena_defer(op->arena, unref_later, st);
	op->arg = p;
	store_map_get(op, is_request ? &roster_requests_space : &roster_space, jid_bare_str(&st->from));
	u->holds++;
	if (store_submit(u->host->store, op) != ERR_NONE)
		user_release(u); /* silence: what cannot be known is not told */
}

/* Whom the service ties to the account needs no row. */
static bool is_tied(struct user *u, const struct jid *who)
{
	struct arena *a = arena_new(512);
	struct tie_list l = { .arena = a, .max = 1 };
	hooks_ties(u, who, &l);
	bool yes = l.n && l.v[0].from;
	arena_free(a);
	return yes;
}

int roster_probe_arrived(struct user *u, struct stanza *st)
{
	if (st->type != TYPE_PROBE)
		return PASS;
	if (roster_is_here(u))
		probe_warm(u, st);
	else if (u->n_sessions)
		roster_task_queue(u, roster_task_new(run_probe, drop_probe, st));
	else if (roster_sender_kind(u, &st->from) != PROBE_BY_CONTACT)
		tell_absence(u, st);
	else if (is_tied(u, &st->from))
		probe_known(u, st, SUBSCRIPTION_FROM, false);
	else
		cold_probe_ask(u, st, false);
	return DONE;
}
