/*
 * roster_pie.c: rosters and waiting requests in files of XEP-0227 (sections 4.3 and 4.8): rosters as a client gets them, with `ask` and
 * `approved`; that a request waits is told by the request alone.
 */
#include "node/mod/roster/roster.h"

#include "proto/xml/names.h"

#define NAME_MAX_BYTES 4096

/* ---- out ---- */

static void put_items(struct pie_put *p, const struct store_row *rows, uint32_t n)
{
	struct arena *a = p->arena;
	struct elem *query = elem_add(a, p->user, NS_ROSTER, STR("query"));
	for (uint32_t i = 0; i < n; i++) {
		struct roster_item item;
		struct str rest, group;
		if (roster_record_parse(a, rows[i].value, &item) != ERR_NONE) {
			p->broken++;
			continue;
		}
		struct elem *e = elem_add(a, query, STR_NONE, STR("item"));
		elem_set(a, e, STR("jid"), rows[i].key);
		elem_set(a, e, STR("name"), item.name.len ? item.name : STR_NONE);
		elem_set(a, e, STR("subscription"), subscription_attr(item.side.state));
		elem_set(a, e, STR("ask"), subscription_is_pending_out(item.side.state) ? STR("subscribe") : STR_NONE);
		elem_set(a, e, STR("approved"), item.side.approved ? STR("true") : STR_NONE);
		for (rest = item.groups; roster_group_next(&rest, &group);)
			elem_add_text(a, e, STR("group"), group);
	}
}

static void put_requests(struct pie_put *p, const struct store_row *rows, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct elem *e = pie_read(p, rows[i].value);
		if (e)
			elem_append(p->arena, p->user, e);
	}
}

/* ---- in ---- */

/* The bare address of an item or a request; false, and left, when there is none. */
static bool contact_of(struct pie_take *t, struct str text, const char *what, struct jid *out)
{
	struct str told = arena_printf(t->arena, "%s '%.*s'", what, STR_ARG(text));
	if (!str_present(text) || jid_parse(t->arena, text, out) != ERR_NONE) {
		pie_left(t, told, "it is no address");
		return false;
	}
	*out = jid_bare(out);
	if (jid_eq(out, &t->jid)) {
		pie_left(t, told, "it is the user");
		return false;
	}
	return true;
}

static bool is_request(const struct elem *e)
{
	return elem_is(e, NS_CLIENT, "presence") && str_is(elem_attr(e, "type"), "subscribe");
}

static bool has_request_of(struct pie_take *t, const struct elem *user, const struct jid *contact)
{
	for (const struct elem *e = elem_first(user); e; e = elem_next(e)) {
		struct jid from;
		struct str text = is_request(e) ? elem_attr(e, "from") : STR_NONE;
		if (str_present(text) && jid_parse(t->arena, text, &from) == ERR_NONE && jid_bare_eq(&from, contact))
			return true;
	}
	return false;
}

static struct str groups_of(struct pie_take *t, const struct elem *e, const struct jid *contact)
{
	struct buf packed;
	buf_init(&packed, ROSTER_GROUPS_BYTES_MAX);
	for (const struct elem *c = elem_first(e); c; c = elem_next(c)) {
		struct str group = elem_is(c, NS_ROSTER, "group") ? elem_text(t->arena, c) : STR("");
		if (group.len > ROSTER_GROUP_MAX || packed.len + group.len + 2 > packed.max)
			pie_left(t, arena_printf(t->arena, "a group of contact %.*s", STR_ARG(jid_str(contact))), "it is too long");
		else if (group.len)
			roster_group_add(&packed, group);
	}
	struct str out = packed.len ? arena_str(t->arena, buf_str(&packed)) : STR("");
	buf_fini(&packed);
	return out;
}

static void take_item(struct pie_take *t, const struct elem *user, const struct elem *e)
{
	struct roster_item item = { .listed = true, .name = elem_attr(e, "name") };
	struct str sub = elem_attr(e, "subscription"), approved = elem_attr(e, "approved");
	if (!elem_is(e, NS_ROSTER, "item") || str_is(sub, "remove")) {
		pie_left(t, STR("something in a roster"), "it is no contact");
		return;
	}
	if (!contact_of(t, elem_attr(e, "jid"), "contact", &item.jid))
		return;
	if (item.name.len > NAME_MAX_BYTES || !str_present(item.name)) {
		if (item.name.len)
			pie_left(t, arena_printf(t->arena, "the name of contact %.*s", STR_ARG(jid_str(&item.jid))), "it is too long");
		item.name = STR("");
	}
	bool both = str_is(sub, "both"), to = both || str_is(sub, "to"), from = both || str_is(sub, "from");
	bool asks = str_is(elem_attr(e, "ask"), "subscribe") && !to;
	item.side.state = subscription_of(to, from, asks, !from && has_request_of(t, user, &item.jid));
	item.side.approved = str_is(approved, "true") || str_is(approved, "1");
	item.groups = groups_of(t, e, &item.jid);
	store_map_put(pie_op(t), &roster_space, jid_str(&item.jid), roster_record_format(t->arena, &item), 0);
	pie_taken(t, "roster items");
}

static void take_roster(struct pie_take *t, const struct elem *user)
{
	for (const struct elem *q = elem_first(user); q; q = elem_next(q))
		for (const struct elem *e = elem_is(q, NS_ROSTER, "query") ? elem_first(q) : NULL; e; e = elem_next(e))
			take_item(t, user, e);
}

static void take_requests(struct pie_take *t, const struct elem *user)
{
	for (const struct elem *e = elem_first(user); e; e = elem_next(e)) {
		struct jid from;
		struct str value;
		if (!elem_is(e, NS_CLIENT, "presence"))
			continue;
		if (!is_request(e)) {
			pie_left(t, STR("presence"), "it is no subscription request");
			continue;
		}
		if (!contact_of(t, elem_attr(e, "from"), "request of", &from))
			continue;
		struct elem *request = elem_reroot(t->arena, e);
		elem_set(t->arena, request, STR("from"), jid_str(&from));
		elem_set(t->arena, request, STR("to"), jid_str(&t->jid));
		if (!pie_write(t, request, "subscription request", &value))
			continue;
		store_map_put(pie_op(t), &roster_requests_space, jid_str(&from), value, 0);
		pie_taken(t, "subscription requests");
	}
}

const struct pie_part roster_parts[2] = {
	{ &roster_space, put_items, { { &NS_ROSTER, "query" } }, take_roster },
	{ &roster_requests_space, put_requests, { { &NS_CLIENT, "presence" } }, take_requests },
};
