/*
 * Presence: RFC 6121 section 4. Broadcast goes to contacts that are subscribed and to the account's own resources; probes ask those the
 * user is subscribed to, and are answered as proto/rules/presence.h says.
 */
#include "node/mod/roster/roster.h"
#include "proto/rules/blocking.h"
#include "proto/xml/names.h"

/* ---- broadcast (sections 4.2.2, 4.4.2, 4.5.2) ---- */

static void to_own_resources(struct user *u, const struct stanza *base)
{
	for (struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s))
			session_deliver(s, base);
}

static void to_contacts(struct user *u, struct stanza *base)
{
	const struct roster_list *list = &roster_of(u)->list;
	struct roster_item item;
	roster_walk_begin(u);
	for (uint32_t at = 0; roster_list_next(list, &at, &item);)
		if (subscription_has_from(item.side.state) && hooks_may_leave(u, &item.jid))
			router_route(u->nw, stanza_readdress(base, NULL, &item.jid));
	roster_walk_end(u);
}

/* Section 4.3.1: from the full JID, so that the answers come to the resource that needs them. */
static void probe_contacts(struct session *s)
{
	struct user *u = s->user;
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_PROBE);
	struct stanza *base = stanza_new(&a, root, &s->jid, NULL);
	const struct roster_list *list = &roster_of(u)->list;
	struct roster_item item;
	roster_walk_begin(u);
	for (uint32_t at = 0; roster_list_next(list, &at, &item);)
		if (subscription_has_to(item.side.state) && hooks_may_leave(u, &item.jid))
			router_route(u->nw, stanza_readdress(base, NULL, &item.jid));
	roster_walk_end(u);
	stanza_unref(base);
}

static void tell_of_other_resources(struct session *s)
{
	for (struct session *o = s->user->sessions; o; o = o->next) {
		if (o == s || !session_is_available(o))
			continue;
		struct stanza *st = stanza_readdress(o->presence, NULL, &s->jid);
		session_deliver(s, st);
		stanza_unref(st);
	}
}

static void broadcast_now(struct session *s, struct stanza *st, bool was_available)
{
	struct user *u = s->user;
	if (!was_available && !session_is_available(s)) {
		roster_directed_end(s, st, false);
		return;
	}
	struct stanza *base = stanza_readdress(st, NULL, &u->jid);
	stanza_prewrite(base);
	to_own_resources(u, base);
	to_contacts(u, base);
	if (!session_is_available(s))
		roster_directed_end(s, st, true);
	stanza_unref(base);
	if (was_available || !session_is_available(s))
		return;
	tell_of_other_resources(s);
	probe_contacts(s);
	roster_offer_requests(s);
}

/* ---- broadcast while the roster is not here: only after a failure of the store, as a session waits for its roster ---- */

static void run_broadcast(struct roster_task *t)
{
	struct session *s = session_find(t->user->nw, t->sid);
	if (s && session_is_available(s) == (t->stanza->type == TYPE_AVAILABLE))
		broadcast_now(s, t->stanza, t->flag);
	session_release(t->user->nw, t->sid);
	roster_task_end(t);
}

static void drop_broadcast(struct roster_task *t, enum err why)
{
	if (why == ERR_CANCELLED)
		return;
	LOG(LOG_WARN, "roster", "presence was not sent to contacts", L_STR("jid", jid_str(&t->user->jid)), L_ERR(why));
	session_release(t->user->nw, t->sid);
}

void roster_broadcast(struct session *s, struct stanza *st, bool was_available)
{
	if (roster_is_warm(s->user)) {
		broadcast_now(s, st, was_available);
		return;
	}
	struct roster_task *t = roster_task_new(run_broadcast, drop_broadcast, st);
	t->sid = s->sid;
	t->flag = was_available;
	session_hold(s);
	roster_task_queue(s->user, t);
}

/* ---- to one contact ---- */

void roster_show_presence(struct user *u, const struct jid *to)
{
	if (!hooks_may_leave(u, to))
		return;
	for (struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s))
			router_route(u->nw, stanza_readdress(s->presence, NULL, to));
}

static void say_unavailable(struct user *u, const struct jid *from, const struct jid *to)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_UNAVAILABLE);
	router_route(u->nw, stanza_new(&a, root, from, to));
}

void roster_hide_presence(struct user *u, const struct jid *to)
{
	if (!hooks_may_leave(u, to))
		return;
	for (struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s))
			say_unavailable(u, &s->jid, to);
}

void roster_hides(struct user *u, struct str item, bool hidden)
{
	const struct roster_list *list = &roster_of(u)->list;
	struct roster_item contact;
	roster_walk_begin(u);
	for (uint32_t at = 0; roster_list_next(list, &at, &contact);) {
		if (!subscription_has_from(contact.side.state) || !blocking_item_hits(item, &contact.jid))
			continue;
		if (hidden)
			roster_hide_presence(u, &contact.jid);
		else
			roster_show_presence(u, &contact.jid);
	}
	roster_walk_end(u);
	for (struct session *s = u->sessions; s && hidden; s = s->next)
		roster_directed_hide(s, item);
}

/* ---- probes (section 4.3.2) ---- */

enum probe_sender roster_sender_kind(struct user *u, const struct jid *who)
{
	struct str domain = jid_domain(who), own = u->host->name;
	if (jid_bare_eq(who, &u->jid))
		return PROBE_BY_SELF;
	/* The service itself and what lives on its subdomains: rooms, gateways. Domains of ours hold accounts, who have a localpart. */
	bool is_below = domain.len > own.len + 1 && str_ends(domain, own) && domain.p[domain.len - own.len - 1] == '.';
	return (is_below || str_eq(domain, own)) && !jid_has_local(who) ? PROBE_BY_TRUSTED : PROBE_BY_CONTACT;
}

static void answer_probe(struct user *u, struct stanza *st, const struct probe_facts *f, struct session *one)
{
	struct jid prober = jid_bare(&st->from), probed = f->to_full ? st->to : u->jid;
	switch (presence_probe(f)) {
	case PROBE_UNSUBSCRIBED:
		roster_say(u, &prober, TYPE_UNSUBSCRIBED);
		break;
	case PROBE_UNAVAILABLE:
		say_unavailable(u, &probed, &st->from);
		break;
	case PROBE_ONE:
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
	for (const struct session *s = u->sessions; s; s = s->next)
		f.any_available |= session_is_available(s);
	if (hooks_may_leave(u, &st->from))
		answer_probe(u, st, &f, one);
}

static void probe_warm(struct user *u, struct stanza *st)
{
	struct jid bare = jid_bare(&st->from);
	struct roster_item item = roster_item_or_none(u, &bare);
	probe_known(u, st, item.side.state, false);
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

int roster_probe_arrived(struct user *u, struct stanza *st)
{
	if (st->type != TYPE_PROBE)
		return PASS;
	if (roster_is_warm(u))
		probe_warm(u, st);
	else if (u->n_sessions)
		roster_task_queue(u, roster_task_new(run_probe, drop_probe, st));
	else if (roster_sender_kind(u, &st->from) != PROBE_BY_CONTACT)
		say_unavailable(u, &u->jid, &st->from);
	else
		cold_probe_ask(u, st, false);
	return DONE;
}
