/*
 * XEP-0133 sections 4.10 and 4.13 to 4.22: figures and lists.
 */
#include "node/mod/admin/admin.h"

#define LIST_MAX 10000 /* names in one answer */

/* ---- figures ---- */

static void on_count(const struct order_answer *a)
{
	struct admin_work *w = a->arg;
	struct adhoc *x = w->x;
	bool online = strcmp(x->command->node, NODE("get-online-users-num")) == 0;
	if (a->code != CTL_OK) {
		adhoc_failed(x, a->text);
		return;
	}
	struct elem *form = adhoc_result(x);
	struct str label = online ? STR("The number of online users") : STR("The number of registered users");
	dataform_field(x->arena, form, DATAFORM_TEXT_SINGLE, online ? STR("onlineusersnum") : STR("registeredusersnum"), label,
		       arena_printf(x->arena, "%lld", (long long)json_integer_value(a->data)));
	adhoc_done(x, STR_NONE, form);
}

void admin_run_registered_num(struct adhoc *x)
{
	struct order o = admin_order_of(admin_work_of(x), "count_users", on_count);
	order_run(x->host->node, &o);
}

void admin_run_online_num(struct adhoc *x)
{
	struct order o = admin_order_of(admin_work_of(x), "connected_users_number", on_count);
	order_run(x->host->node, &o);
}

/* ---- lists ---- */

static uint64_t most_items(struct adhoc *x)
{
	uint64_t most;
	return str_to_u64(dataform_str(x->arena, &x->forms[0], "max_items"), &most) && most < LIST_MAX ? most : LIST_MAX;
}

static struct elem *list_field(struct adhoc *x, struct elem *form, enum dataform_kind kind, struct str var, struct str label)
{
	return dataform_field(x->arena, form, kind, var, label, STR_NONE);
}

static void on_registered(const struct order_answer *a)
{
	struct adhoc *x = ((struct admin_work *)a->arg)->x;
	size_t i;
	json_t *name;
	if (a->code != CTL_OK) {
		adhoc_failed(x, a->text);
		return;
	}
	struct elem *form = adhoc_result(x);
	struct elem *f = list_field(x, form, DATAFORM_JID_MULTI, STR("registereduserjids"), STR("The list of all users"));
	json_array_foreach(a->data, i, name)
		dataform_value(x->arena, f, arena_printf(x->arena, "%s@%s", json_string_value(name), x->host->name.p));
	adhoc_done(x, STR_NONE, form);
}

void admin_run_registered_list(struct adhoc *x)
{
	struct order o = admin_order_of(admin_work_of(x), "registered_users", on_registered);
	o.option = (struct call_option){ STR("limit"), arena_printf(x->arena, "%llu", (unsigned long long)most_items(x)) };
	order_run(x->host->node, &o);
}

/* Of each user once, however many resources: the list is in order. */
static void on_online(const struct order_answer *a)
{
	struct adhoc *x = ((struct admin_work *)a->arg)->x;
	size_t i;
	json_t *text;
	struct str before = STR_NONE;
	uint64_t left = most_items(x);
	if (a->code != CTL_OK) {
		adhoc_failed(x, a->text);
		return;
	}
	struct elem *form = adhoc_result(x);
	struct elem *f = list_field(x, form, DATAFORM_JID_MULTI, STR("onlineuserjids"), STR("The list of all online users"));
	json_array_foreach(a->data, i, text) {
		struct str full = str_of(json_string_value(text)), bare = str_cut(&full, '/');
		if (!left || str_eq(bare, before))
			continue;
		before = arena_str(x->arena, bare);
		dataform_value(x->arena, f, before);
		left--;
	}
	adhoc_done(x, STR_NONE, form);
}

void admin_run_online_list(struct adhoc *x)
{
	struct order o = admin_order_of(admin_work_of(x), "connected_users", on_online);
	order_run(x->host->node, &o);
}

/* ---- one user's sessions ---- */

static void on_sessions(const struct order_answer *a)
{
	struct adhoc *x = ((struct admin_work *)a->arg)->x;
	size_t i;
	json_t *o;
	if (a->code != CTL_OK) {
		adhoc_failed(x, a->text);
		return;
	}
	struct elem *form = adhoc_result(x);
	struct elem *addresses = list_field(x, form, DATAFORM_TEXT_MULTI, STR("ipaddresses"), STR("The addresses"));
	struct elem *resources = list_field(x, form, DATAFORM_TEXT_MULTI, STR("onlineresources"), STR("The resources"));
	json_array_foreach(a->data, i, o) {
		const char *ip = json_string_value(json_object_get(o, "ip")), *resource = json_string_value(json_object_get(o, "resource"));
		if (ip)
			dataform_value(x->arena, addresses, arena_str(x->arena, str_of(ip)));
		if (resource)
			dataform_value(x->arena, resources, arena_str(x->arena, str_of(resource)));
	}
	adhoc_done(x, STR_NONE, form);
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
