/*
 * XEP-0133 sections 4.10 and 4.13 to 4.22: figures and lists.
 *
 * A user is active who has a resource that shows itself neither away nor xa; the other online users are idle.
 */
#include "node/mod/admin/admin.h"

#define LIST_MAX 10000 /* names in one answer */

enum pick { PICK_ALL, PICK_ONLINE, PICK_ACTIVE, PICK_IDLE };

/* What is asked for, and of which command. */
static const struct list {
	const char *node, *command, *var, *label;
	enum pick pick; /* PICK_ALL: the command tells names, or a number; else sessions */
	bool number;
} lists[] = {
	{ NODE("get-registered-users-num"), "count_users", "registeredusersnum", "The number of registered users", PICK_ALL, true },
	{ NODE("get-disabled-users-num"), "banned_users", "disabledusersnum", "The number of disabled users", PICK_ALL, true },
	{ NODE("get-online-users-num"), "connected_users_info", "onlineusersnum", "The number of online users", PICK_ONLINE, true },
	{ NODE("get-active-users-num"), "connected_users_info", "activeusersnum", "The number of active users", PICK_ACTIVE, true },
	{ NODE("get-idle-users-num"), "connected_users_info", "idleusersnum", "The number of idle users", PICK_IDLE, true },
	{ NODE("get-registered-users-list"), "registered_users", "registereduserjids", "The list of all users", PICK_ALL, false },
	{ NODE("get-disabled-users-list"), "banned_users", "disableduserjids", "The list of all disabled users", PICK_ALL, false },
	{ NODE("get-online-users-list"), "connected_users_info", "onlineuserjids", "The list of all online users", PICK_ONLINE, false },
	{ NODE("get-active-users"), "connected_users_info", "activeuserjids", "The list of active users", PICK_ACTIVE, false },
	{ NODE("get-idle-users"), "connected_users_info", "idleuserjids", "The list of idle users", PICK_IDLE, false },
};

static const struct list *list_of(const struct adhoc *x)
{
	const struct list *l = lists;
	while (strcmp(l->node, x->command->node) != 0)
		l++;
	return l;
}

static struct elem *list_field(struct adhoc *x, struct elem *form, enum dataform_kind kind, struct str var, struct str label)
{
	return dataform_field(x->arena, form, kind, var, label, STR_NONE);
}

static uint64_t most_items(struct adhoc *x)
{
	uint64_t most;
	return str_to_u64(dataform_str(x->arena, &x->forms[0], "max_items"), &most) && most < LIST_MAX ? most : LIST_MAX;
}

/* ---- who is picked ---- */

/* The addresses that an answer is about: how many there are, and the first of them. */
struct picked {
	struct adhoc *x;
	struct elem *field; /* NULL: they are only counted */
	uint64_t n, most;
};

static void pick(struct picked *p, struct str bare)
{
	if (p->field && p->n < p->most)
		dataform_value(p->x->arena, p->field, arena_str(p->x->arena, bare));
	p->n++;
}

static bool is_active(const json_t *session)
{
	const char *status = json_string_value(json_object_get(session, "status"));
	return status && strcmp(status, "away") != 0 && strcmp(status, "xa") != 0 && strcmp(status, "unavailable") != 0;
}

static struct str owner_of(const json_t *session)
{
	struct str full = str_of(json_string_value(json_object_get(session, "jid")));
	return str_cut(&full, '/');
}

/* Each user once, however many resources: the sessions are in the order of their addresses. */
static void pick_users(struct picked *p, const json_t *sessions, enum pick which)
{
	for (size_t i = 0, n = json_array_size(sessions); i < n;) {
		struct str bare = owner_of(json_array_get(sessions, i));
		bool active = false;
		for (; i < n && str_eq(owner_of(json_array_get(sessions, i)), bare); i++)
			active |= is_active(json_array_get(sessions, i));
		if (which == PICK_ONLINE || active == (which == PICK_ACTIVE))
			pick(p, bare);
	}
}

static void pick_names(struct picked *p, const json_t *names)
{
	size_t i;
	json_t *name;
	json_array_foreach(names, i, name)
		pick(p, arena_printf(p->x->arena, "%s@%s", json_string_value(name), p->x->host->name.p));
}

static void on_list(const struct order_answer *a)
{
	struct adhoc *x = ((struct admin_work *)a->arg)->x;
	const struct list *l = list_of(x);
	if (a->code != CTL_OK) {
		adhoc_failed(x, a->text);
		return;
	}
	struct elem *form = adhoc_result(x);
	struct elem *field = list_field(x, form, l->number ? DATAFORM_TEXT_SINGLE : DATAFORM_JID_MULTI, str_of(l->var), str_of(l->label));
	struct picked p = { .x = x, .field = l->number ? NULL : field, .most = l->number ? 0 : most_items(x) };
	if (json_is_integer(a->data))
		p.n = (uint64_t)json_integer_value(a->data);
	else if (l->pick == PICK_ALL)
		pick_names(&p, a->data);
	else
		pick_users(&p, a->data, l->pick);
	if (l->number)
		dataform_value(x->arena, field, arena_printf(x->arena, "%llu", (unsigned long long)p.n));
	adhoc_done(x, STR_NONE, form);
}

void admin_run_list(struct adhoc *x)
{
	const struct list *l = list_of(x);
	struct order o = admin_order_of(admin_work_of(x), l->command, on_list);
	if (l->pick == PICK_ALL && !l->number)
		o.option = (struct call_option){ STR("limit"), arena_printf(x->arena, "%llu", (unsigned long long)most_items(x)) };
	order_run(x->host->node, &o);
}

/* ---- one user's sessions ---- */

/* Where there are no rosters there is no size of one. */
static void on_roster_size(const struct order_answer *a)
{
	struct admin_work *w = a->arg;
	struct arena *arena = w->x->arena;
	if (a->code == CTL_OK)
		dataform_field(arena, w->form, DATAFORM_TEXT_SINGLE, STR("rostersize"), STR("The number of contacts"),
			       arena_printf(arena, "%zu", json_array_size(a->data)));
	adhoc_done(w->x, STR_NONE, w->form);
}

static void on_sessions(const struct order_answer *a)
{
	struct admin_work *w = a->arg;
	struct adhoc *x = w->x;
	size_t i;
	json_t *o;
	if (a->code != CTL_OK) {
		adhoc_failed(x, a->text);
		return;
	}
	struct elem *form = w->form = adhoc_result(x);
	struct elem *addresses = list_field(x, form, DATAFORM_TEXT_MULTI, STR("ipaddresses"), STR("The addresses"));
	struct elem *resources = list_field(x, form, DATAFORM_TEXT_MULTI, STR("onlineresources"), STR("The resources"));
	json_array_foreach(a->data, i, o) {
		const char *ip = json_string_value(json_object_get(o, "ip")), *resource = json_string_value(json_object_get(o, "resource"));
		if (ip)
			dataform_value(x->arena, addresses, arena_str(x->arena, str_of(ip)));
		if (resource)
			dataform_value(x->arena, resources, arena_str(x->arena, str_of(resource)));
	}
	struct order next = admin_order_of(w, "get_roster", on_roster_size);
	order_run(x->host->node, &next);
}

void admin_run_stats(struct adhoc *x)
{
	struct admin_work *w = admin_work_of(x);
	enum stanza_error e = admin_may_touch(w, dataform_str(x->arena, &x->forms[0], "accountjid"));
	if (e) {
		adhoc_refuse(x, e, STR_NONE);
		return;
	}
	struct order o = admin_order_of(w, "user_sessions_info", on_sessions);
	order_run(x->host->node, &o);
}
