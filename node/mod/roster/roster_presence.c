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
		if (subscription_has_from(roster_item_state(&item)) && hooks_may_leave(u, &item.jid))
			router_route(u->nw, stanza_readdress(base, NULL, &item.jid));
	roster_walk_end(u);
}

/* Section 4.3.1: from the full JID, so that the answers come to the resource that needs them. */
static void probe_contacts(struct session *s)
{
	struct user *u = s->user;
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_PROBE);
	struct stanza *base = stanza_new(&a, root, &s->jid, &u->jid);
	stanza_prewrite(base);
	const struct roster_list *list = &roster_of(u)->list;
	struct roster_item item;
	roster_walk_begin(u);
	for (uint32_t at = 0; roster_list_next(list, &at, &item);)
		if (subscription_has_to(roster_item_state(&item)) && hooks_may_leave(u, &item.jid))
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
	if (roster_is_here(s->user)) {
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

void roster_say_unavailable(struct user *u, const struct jid *from, const struct jid *to)
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
			roster_say_unavailable(u, &s->jid, to);
}

void roster_hides(struct user *u, struct str item, bool hidden)
{
	const struct roster_list *list = &roster_of(u)->list;
	struct roster_item contact;
	roster_walk_begin(u);
	for (uint32_t at = 0; roster_list_next(list, &at, &contact);) {
		if (!subscription_has_from(roster_item_state(&contact)) || !blocking_item_hits(item, &contact.jid))
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
