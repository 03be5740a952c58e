/*
 * Roster get, set, remove and push: RFC 6121 section 2.
 */
#include "node/mod/roster/roster.h"
#include "proto/xml/names.h"

#define PUSH_ID_CHARS 8

/* ---- writing ---- */

static bool has_group(struct str groups, struct str group)
{
	struct str other;
	while (roster_group_next(&groups, &other))
		if (str_eq(group, other))
			return true;
	return false;
}

/* Texts are copied: what is written outlives the list's next change. */
static void write_item(struct arena *a, struct elem *query, const struct roster_item *item)
{
	struct elem *e = elem_add(a, query, NS_ROSTER, STR("item"));
	struct str rest = item->groups, group;
	enum subscription state = roster_item_state(item);
	elem_set(a, e, STR("jid"), arena_str(a, jid_str(&item->jid)));
	if (item->name.len)
		elem_set(a, e, STR("name"), arena_str(a, item->name));
	elem_set(a, e, STR("subscription"), subscription_attr(state));
	if (subscription_is_pending_out(state))
		elem_set(a, e, STR("ask"), STR("subscribe"));
	if (item->side.approved)
		elem_set(a, e, STR("approved"), STR("true"));
	while (roster_group_next(&rest, &group))
		elem_add_text(a, e, STR("group"), arena_str(a, group));
	for (rest = item->tie_groups; roster_group_next(&rest, &group);)
		if (!has_group(item->groups, group))
			elem_add_text(a, e, STR("group"), arena_str(a, group));
}

/* The version that clients see. */
static uint64_t shown_ver(const struct roster *r)
{
	return r->ver + r->tie_ver;
}

static struct elem *add_query(struct arena *a, struct elem *root, const struct roster *r)
{
	struct elem *query = elem_add(a, root, NS_ROSTER, STR("query"));
	elem_set(a, query, STR("ver"), roster_ver_format(a, shown_ver(r)));
	return query;
}

static struct stanza *push_new(struct user *u, const struct jid *bare)
{
	struct arena *a = arena_new(1024);
	struct roster_item item = roster_item_or_none(u, bare);
	struct elem *root = stanza_root(a, STANZA_IQ, TYPE_SET);
	elem_set(a, root, STR("id"), rng_token(&u->nw->worker->rng, a, PUSH_ID_CHARS));
	struct elem *query = add_query(a, root, roster_of(u));
	if (roster_item_shows(&item)) {
		write_item(a, query, &item);
	} else {
		struct elem *e = elem_add(a, query, NS_ROSTER, STR("item"));
		elem_set(a, e, STR("jid"), arena_str(a, jid_bare_str(bare)));
		elem_set(a, e, STR("subscription"), STR("remove"));
	}
	return stanza_new(&a, root, NULL, &u->jid);
}

void roster_push(struct user *u, const struct jid *bare)
{
	struct stanza *base = NULL;
	for (struct session *s = u->sessions; s; s = s->next) {
		if (!roster_session(s)->interested)
			continue;
		if (!base) {
			base = push_new(u, bare);
			stanza_prewrite(base);
		}
		struct stanza *push = stanza_readdress(base, NULL, &s->jid);
		session_deliver(s, push);
		stanza_unref(push);
	}
	stanza_unref(base);
}

/* ---- get ---- */

static struct stanza *answer(struct iq *iq)
{
	struct roster *r = roster_of(iq->user);
	struct str known = elem_attr(iq->payload, "ver");
	struct roster_item item;
	struct elem *root;
	struct stanza *reply = iq_result(iq, &root);
	if (str_present(known) && known.len == ROSTER_VER_CHARS && roster_ver_parse(known) == shown_ver(r))
		return reply; /* section 2.6.2: nothing has changed, and pushes will follow */
	struct elem *query = add_query(reply->arena, root, r);
	for (uint32_t at = 0; roster_list_next(&r->list, &at, &item);)
		if (roster_item_shows(&item))
			write_item(reply->arena, query, &item);
	return reply;
}

static void get_now(struct iq *iq)
{
	struct session *s = iq_session(iq);
	if (s && !roster_session(s)->interested) {
		roster_session(s)->interested = true;
		session_changed(s);
	}
	iq_send(iq, answer(iq));
}

static void run_get(struct roster_task *t)
{
	get_now(t->iq);
	iq_abandon(t->iq);
	roster_task_end(t);
}

static void drop_iq(struct roster_task *t, enum err why)
{
	if (why == ERR_CANCELLED)
		iq_abandon(t->iq);
	else if (why == ERR_LIMIT)
		iq_finish(t->iq, NULL, STANZA_RESOURCE_CONSTRAINT, STR("too much waits already"));
	else
		iq_finish(t->iq, NULL, STANZA_INTERNAL_SERVER_ERROR, STR("the roster cannot be read now"));
}

int roster_on_get(struct iq *iq)
{
	if (elem_first(iq->payload)) /* section 2.1.3: a roster get has no items */
		return -STANZA_BAD_REQUEST;
	if (roster_is_here(iq->user)) {
		get_now(iq);
		return DONE;
	}
	struct roster_task *t = roster_task_new(run_get, drop_iq, NULL);
	t->iq = iq_hold(iq);
	roster_task_queue(iq->user, t);
	return HOLD;
}

/* ---- set: what is asked ---- */

static enum stanza_error read_groups(struct arena *a, const struct elem *e, const struct roster_limits *max, struct str *out)
{
	struct buf packed;
	unsigned n = 0;
	enum stanza_error error = STANZA_ERROR_NONE;
	buf_init(&packed, ROSTER_GROUPS_BYTES_MAX);
	for (const struct elem *c = elem_first(e); c && !error; c = elem_next(c)) {
		if (!elem_is(c, NS_ROSTER, "group"))
			continue;
		struct str group = elem_text(a, c), rest = buf_str(&packed), other;
		if (str_empty(group) || group.len > max->group_bytes || ++n > max->groups)
			error = STANZA_NOT_ACCEPTABLE;
		while (!error && roster_group_next(&rest, &other))
			if (str_eq(group, other))
				error = STANZA_BAD_REQUEST;
		if (!error)
			roster_group_add(&packed, group);
	}
	if (buf_status(&packed) != ERR_NONE)
		error = STANZA_NOT_ACCEPTABLE;
	*out = packed.len ? arena_str(a, buf_str(&packed)) : STR("");
	buf_fini(&packed);
	return error;
}

/* Sections 2.3.3 and 2.5.3; what the client says of subscription (but "remove"), ask and approved does not count (2.1.2). */
static enum stanza_error read_item(struct iq *iq, struct roster_task *t)
{
	struct arena *a = iq->stanza->arena;
	const struct roster_limits *max = roster_limits(iq->host);
	const struct elem *e = elem_child(iq->payload, NS_ROSTER, "item");
	struct str text = e ? elem_attr(e, "jid") : STR_NONE, name = e ? elem_attr(e, "name") : STR_NONE;
	if (!str_present(text) || elem_next(e) || elem_first(iq->payload) != e)
		return STANZA_BAD_REQUEST;
	if (jid_parse(a, text, &t->item.jid) != ERR_NONE)
		return STANZA_JID_MALFORMED;
	if (jid_is_full(&t->item.jid)) /* an item is an account, not a client */
		return STANZA_BAD_REQUEST;
	t->flag = str_is(elem_attr(e, "subscription"), "remove");
	if (t->flag)
		return STANZA_ERROR_NONE;
	if (jid_eq(&t->item.jid, &iq->user->jid)) /* section 2.3.3 */
		return STANZA_NOT_ALLOWED;
	if (name.len > max->name_bytes)
		return STANZA_NOT_ACCEPTABLE;
	t->item.name = str_present(name) ? name : STR("");
	return read_groups(a, e, max, &t->item.groups);
}

/* ---- set: what is done ---- */

static void refuse(struct roster_task *t, enum stanza_error e, struct str text)
{
	iq_finish(t->iq, NULL, e, text);
	roster_task_end(t);
}

bool roster_has_room(struct user *u, const struct roster_item *before, const struct roster_item *item)
{
	const struct roster *r = roster_of(u);
	const struct roster_limits *max = roster_limits(u->host);
	size_t old = before->listed ? roster_list_bytes(before) : 0, new = roster_list_bytes(item);
	if (!before->listed && r->list.n_listed >= max->items)
		return false;
	return new <= old || r->list.used - r->list.tied - old + new <= max->bytes;
}

static void set_committed(struct roster_task *t, enum err err)
{
	if (err != ERR_NONE) {
		refuse(t, STANZA_INTERNAL_SERVER_ERROR, STR("the roster cannot be written now"));
		return;
	}
	struct iq *iq = t->iq;
	struct elem *root;
	struct stanza *done = iq_result(iq, &root);
	roster_push(t->user, &t->item.jid);
	iq_finish(iq, done, STANZA_ERROR_NONE, STR_NONE);
	roster_task_end(t);
}

void roster_farewell(struct user *u, const struct roster_item *was)
{
	struct subscription_farewell f = subscription_remove(was->side.state);
	if (f.hides_presence && !was->tie_from)
		roster_hide_presence(u, &was->jid);
	if (f.unsubscribe && !was->tie_to)
		roster_say(u, &was->jid, TYPE_UNSUBSCRIBE);
	if (f.unsubscribed && !was->tie_from)
		roster_say(u, &was->jid, TYPE_UNSUBSCRIBED);
}

static void removal_committed(struct roster_task *t, enum err err)
{
	if (err == ERR_NONE)
		roster_farewell(t->user, &t->item);
	set_committed(t, err);
}

/* What the user says of a contact that the service gives is kept beside it: a name, further groups. The service's groups are not his: the
 * client only says them again. */
static struct str own_groups(struct roster_task *t, const struct roster_item *before)
{
	struct buf packed;
	struct str rest = t->item.groups, group;
	if (!before->tie_groups.len)
		return rest;
	buf_init(&packed, ROSTER_GROUPS_BYTES_MAX);
	while (roster_group_next(&rest, &group))
		if (!has_group(before->tie_groups, group))
			roster_group_add(&packed, group);
	struct str out = packed.len ? arena_str(t->iq->stanza->arena, buf_str(&packed)) : STR("");
	buf_fini(&packed);
	return out;
}

static void run_set(struct roster_task *t)
{
	struct roster_item before = roster_item_or_none(t->user, &t->item.jid);
	struct roster_change change = { .item = t->item };
	if (t->flag && !before.listed && before.tie_to) {
		refuse(t, STANZA_NOT_ALLOWED, STR("the service keeps this contact in your roster"));
		return;
	}
	if (t->flag && !before.listed) {
		refuse(t, STANZA_ITEM_NOT_FOUND, STR_NONE); /* section 2.5.3 */
		return;
	}
	change.item.side = before.side;
	change.item.groups = own_groups(t, &before);
	change.item.listed = before.listed || !before.tie_to || change.item.groups.len || change.item.name.len;
	if (t->flag) {
		t->item.side = before.side;
		t->item.tie_to = before.tie_to;
		t->item.tie_from = before.tie_from;
		change.item = (struct roster_item){ .jid = t->item.jid, .name = STR(""), .groups = STR("") };
		change.drops_request = subscription_is_pending_in(before.side.state);
	} else if (!roster_has_room(t->user, &before, &change.item)) {
		count_limit(t->user->nw, LIMIT_ROSTER);
		refuse(t, STANZA_RESOURCE_CONSTRAINT, STR("your roster is full"));
		return;
	}
	t->committed = t->flag ? removal_committed : set_committed;
	roster_commit(t, &change);
}

int roster_on_set(struct iq *iq)
{
	struct roster_task *t = roster_task_new(run_set, drop_iq, iq->stanza);
	enum stanza_error e = read_item(iq, t);
	if (e != STANZA_ERROR_NONE) {
		roster_task_free(t);
		return -(int)e;
	}
	t->iq = iq_hold(iq);
	roster_task_queue(iq->user, t);
	return HOLD;
}

/* Section 2.1.4 and 2.3.3: somebody else's roster; the same for accounts that do not exist. */
int roster_on_foreign(struct iq *iq)
{
	return -STANZA_FORBIDDEN;
}
