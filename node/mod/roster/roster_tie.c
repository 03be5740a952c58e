/*
 * Contacts that the service gives (core/tie.h): they come into the list when the roster is loaded, and change when ties do. Nothing of them
 * is stored.
 *
 * A change that comes while a task writes, or somebody walks over the list, waits for that (roster.h); then all ties are looked up again.
 */
#include <stdlib.h>

#include "node/mod/roster/roster.h"

/* A version of what the service adds, mixed into the roster's own: the same for the same contacts, whatever process asks. */
static uint64_t version_of(const struct roster_item *item)
{
	static const uint64_t key[2] = { 0x73686172656420, 0x726f7374657273 };
	const uint64_t parts[3] = { str_hash(jid_bare_str(&item->jid), key), str_hash(item->tie_groups, key), item->tie_from };
	return item->tie_to ? str_hash(str_span((const char *)parts, sizeof parts), key) : 0;
}

static int by_jid(const void *a, const void *b)
{
	return str_cmp(jid_str(&((const struct tie *)a)->jid), jid_str(&((const struct tie *)b)->jid));
}

/* In order of their addresses. */
static struct tie_list look_up(struct user *u, const struct jid *who, struct arena *a)
{
	struct tie_list l = { .arena = a, .max = roster_limits(u->host)->ties };
	hooks_ties(u, who, &l);
	if (l.more) {
		count_limit(u->nw, LIMIT_ROSTER_TIES);
		LOG(LOG_WARN, "roster", "shared groups have more contacts than a roster may have of them",
		    L_STR("jid", jid_str(&u->jid)), L_UINT("shown", l.n));
	}
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_jid);
	return l;
}

/* A group may be large and the user's own part small: who is in both is looked for in the small one. */
void roster_ties_load(struct user *u)
{
	struct roster *r = roster_of(u);
	struct arena *a = arena_new(0);
	struct tie_list l = look_up(u, NULL, a);
	struct roster_list own = r->list;
	struct roster_item item;
	if (l.n)
		r->list = (struct roster_list){ 0 };
	for (uint32_t i = 0; i < l.n; i++) {
		const struct tie *t = &l.v[i];
		bool both = roster_list_find(&own, jid_bare_str(&t->jid), &item);
		if (!both)
			item = (struct roster_item){ .jid = t->jid, .name = STR(""), .groups = STR("") };
		item.tie_to = t->to;
		item.tie_from = t->from;
		item.tie_groups = t->to ? t->groups : STR("");
		roster_list_append(&r->list, &item);
		r->tie_ver += version_of(&item);
		if (both)
			roster_list_del(&own, jid_bare_str(&t->jid));
	}
	for (uint32_t at = 0; l.n && roster_list_next(&own, &at, &item);)
		roster_list_append(&r->list, &item);
	if (l.n)
		roster_list_fini(&own);
	arena_free(a);
}

void roster_ties_keep(struct roster *r, const struct roster_list *before)
{
	struct roster_item item;
	for (uint32_t at = 0; roster_list_next(before, &at, &item);)
		if (item.tie_to || item.tie_from)
			roster_list_tie(&r->list, &(struct tie){ item.jid, item.tie_to, item.tie_from, item.tie_groups }, item.tie_fresh);
}

/* ---- a change ---- */

enum when { WITH_ALL, LATE }; /* LATE: others have changed long since, and may have shown their presence to who did not know them yet */

static void probe(struct user *u, const struct jid *to)
{
	for (struct session *s = u->sessions; s; s = s->next) {
		struct arena *a = arena_new(512);
		if (session_is_available(s) && hooks_may_leave(u, to))
			router_route(u->nw, stanza_new(&a, stanza_root(a, STANZA_PRESENCE, TYPE_PROBE), &s->jid, to));
		else
			arena_free(a);
	}
}

static void change(struct user *u, const struct tie *t, enum when when)
{
	struct roster *r = roster_of(u);
	struct roster_item item = roster_item_or_none(u, &t->jid);
	enum subscription before = roster_item_state(&item);
	bool shown = roster_item_shows(&item);
	if (item.tie_to == t->to && item.tie_from == t->from && (!t->to || str_eq(item.tie_groups, t->groups)))
		return;
	struct roster_item after = item;
	after.tie_to = t->to;
	after.tie_from = t->from;
	after.tie_groups = t->groups;
	r->tie_ver += version_of(&after) - version_of(&item);
	bool to = subscription_has_to(item.side.state) || t->to, from = subscription_has_from(item.side.state) || t->from;
	bool gains = from && !subscription_has_from(before);
	if (!from && subscription_has_from(before))
		roster_hide_presence(u, &t->jid);
	roster_list_tie(&r->list, t, gains && when == WITH_ALL);
	if (shown || t->to)
		roster_push(u, &t->jid);
	if (gains && when == LATE)
		roster_show_presence(u, &t->jid);
	if (to && !subscription_has_to(before) && when == LATE)
		probe(u, &t->jid);
}

/* The tied contacts that are none any more; texts live in the arena. */
static struct tie_list lost_of(struct user *u, const struct tie_list *now, struct arena *a)
{
	const struct roster_list *list = &roster_of(u)->list;
	struct tie_list lost = { .arena = a, .max = UINT32_MAX };
	struct roster_item item;
	for (uint32_t at = 0; roster_list_next(list, &at, &item);) {
		struct tie none = { .jid = item.jid, .groups = STR("") };
		if ((item.tie_to || item.tie_from) && !(now->n && bsearch(&none, now->v, now->n, sizeof none, by_jid)))
			ties_add(&lost, &none);
	}
	return lost;
}

static void change_all(struct user *u, enum when when)
{
	struct arena *a = arena_new(0);
	struct tie_list now = look_up(u, NULL, a), lost = lost_of(u, &now, a);
	for (uint32_t i = 0; i < lost.n; i++)
		change(u, &lost.v[i], when);
	for (uint32_t i = 0; i < now.n; i++)
		change(u, &now.v[i], when);
	arena_free(a);
}

static void change_one(struct user *u, const struct jid *who, enum when when)
{
	struct arena *a = arena_new(0);
	struct tie_list now = look_up(u, who, a);
	struct roster_item item = roster_item_or_none(u, who);
	bool is_new = now.n && !item.tie_to && !item.tie_from;
	if (is_new && roster_of(u)->list.n_tied >= now.max)
		count_limit(u->nw, LIMIT_ROSTER_TIES);
	else
		change(u, now.n ? &now.v[0] : &(struct tie){ .jid = jid_bare(who), .groups = STR("") }, when);
	arena_free(a);
}

/* Presence for those who gained the sight of it: their clients know the user by now. */
static void settle(struct user *u)
{
	struct roster *r = roster_of(u);
	struct arena *a = arena_new(0);
	struct tie_list fresh = { .arena = a, .max = UINT32_MAX };
	struct roster_item item;
	for (uint32_t at = 0; r->list.n_fresh && roster_list_next(&r->list, &at, &item);)
		if (item.tie_fresh)
			ties_add(&fresh, &(struct tie){ item.jid, item.tie_to, item.tie_from, item.tie_groups });
	for (uint32_t i = 0; i < fresh.n; i++) {
		roster_list_tie(&r->list, &fresh.v[i], false);
		roster_show_presence(u, &fresh.v[i].jid);
	}
	arena_free(a);
}

void roster_ties_changed(struct user *u, const struct jid *who, int phase)
{
	struct roster *r = roster_of(u);
	if (phase == TIES_LOOK || !roster_is_here(u) || r->ending)
		return;
	if (r->current || r->walks || r->pumping) {
		r->ties_late |= phase != TIES_SETTLE; /* what is fresh is shown then, too */
		return;
	}
	enum when when = phase == TIES_LATE ? LATE : WITH_ALL;
	if (phase == TIES_SETTLE)
		settle(u);
	else if (who)
		change_one(u, who, when);
	else
		change_all(u, when);
}

void roster_ties_late(struct user *u)
{
	roster_of(u)->ties_late = false;
	settle(u);
	change_all(u, LATE);
}
