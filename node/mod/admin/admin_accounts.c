/*
 * XEP-0133 sections 4.1 to 4.9: accounts, one or several.
 */
#include "node/mod/admin/admin.h"
#include "proto/xml/names.h"

#define JIDS_MAX 100 /* accounts of one request */

/* ---- one account ---- */

static void run_with_password(struct adhoc *x, const char *command)
{
	struct admin_work *w = admin_work_of(x);
	enum stanza_error e = admin_may_touch(w, dataform_str(x->arena, &x->forms[0], "accountjid"));
	if (e) {
		adhoc_refuse(x, e, STR_NONE);
		return;
	}
	struct order o = admin_order_of(w, command, admin_on_changed);
	o.args[o.n_args++] = dataform_str(x->arena, &x->forms[0], "password");
	order_run(x->host->node, &o);
}

void admin_run_add(struct adhoc *x)
{
	struct str one = dataform_str(x->arena, &x->forms[0], "password"), two = dataform_str(x->arena, &x->forms[0], "password-verify");
	if (!str_eq(one, two))
		adhoc_refuse(x, STANZA_NOT_ACCEPTABLE, STR("the two passwords differ"));
	else
		run_with_password(x, "register_identified");
}

void admin_run_password(struct adhoc *x)
{
	run_with_password(x, "change_password");
}

/* ---- several accounts, one after the other ---- */

static void batch_next(struct admin_work *w);

static void batch_end(struct admin_work *w)
{
	if (!w->n_failed)
		adhoc_done(w->x, STR_NONE, w->form);
	else if (w->n == 1)
		admin_fail(w, w->err, w->problems);
	else
		adhoc_failed(w->x, w->problems);
}

static void batch_failed(struct admin_work *w, enum err err, struct str text)
{
	w->n_failed++;
	w->err = err;
	w->problems = str_present(w->problems) ? arena_printf(w->x->arena, "%.*s; %.*s", STR_ARG(w->problems), STR_ARG(text))
					       : arena_str(w->x->arena, text);
}

static void on_one(const struct order_answer *a)
{
	struct admin_work *w = a->arg;
	if (a->code != CTL_OK)
		batch_failed(w, a->err, a->text);
	batch_next(w);
}

/* Section 4.9: when an account was last used, as exactly as is written down (account.h); at its birth, if not since. */
static void on_last_login(const struct order_answer *a)
{
	struct admin_work *w = a->arg;
	struct arena *arena = w->x->arena;
	const char *login = json_string_value(json_object_get(a->data, "last_login"));
	const char *stamp = login ? login : json_string_value(json_object_get(a->data, "created"));
	if (a->code != CTL_OK) {
		batch_failed(w, a->err, a->text);
	} else {
		if (!w->form) {
			w->form = adhoc_result(w->x);
			w->fields[0] = dataform_field(arena, w->form, DATAFORM_JID_MULTI, STR("accountjids"), STR_NONE, STR_NONE);
			w->fields[1] = dataform_field(arena, w->form, DATAFORM_TEXT_MULTI, STR("lastlogin"), STR_NONE, STR_NONE);
		}
		dataform_value(arena, w->fields[0], arena_str(arena, jid_bare_str(&w->jid)));
		dataform_value(arena, w->fields[1], stamp ? arena_str(arena, str_of(stamp)) : STR(""));
	}
	batch_next(w);
}

static void start_roster_form(struct admin_work *w)
{
	if (w->form)
		return;
	w->form = adhoc_result(w->x);
	w->fields[0] = dataform_field(w->x->arena, w->form, DATAFORM_JID_MULTI, STR("accountjids"), STR_NONE, STR_NONE);
}

static void add_item(struct arena *a, struct elem *query, const json_t *o)
{
	static const char *const members[] = { "jid", "nick", "subscription" }, *const attrs[] = { "jid", "name", "subscription" };
	struct elem *item = elem_add(a, query, STR_NONE, STR("item"));
	const char *ask = json_string_value(json_object_get(o, "ask"));
	const json_t *group;
	size_t i;
	for (i = 0; i < 3; i++) {
		const char *text = json_string_value(json_object_get(o, members[i]));
		elem_set(a, item, str_of(attrs[i]), text && *text ? arena_str(a, str_of(text)) : STR_NONE);
	}
	if (ask && (strcmp(ask, "out") == 0 || strcmp(ask, "both") == 0))
		elem_set(a, item, STR("ask"), STR("subscribe"));
	json_array_foreach(json_object_get(o, "groups"), i, group)
		elem_add_text(a, item, STR("group"), arena_str(a, str_of(json_string_value(group))));
}

/* Section 4.8: the roster lies beside the form's fields; several in the order of the accounts. */
static void on_roster(const struct order_answer *answer)
{
	struct admin_work *w = answer->arg;
	struct arena *a = w->x->arena;
	size_t i;
	json_t *o;
	if (answer->code != CTL_OK) {
		batch_failed(w, answer->err, answer->text);
	} else {
		start_roster_form(w);
		dataform_value(a, w->fields[0], arena_str(a, jid_bare_str(&w->jid)));
		struct elem *query = elem_add(a, w->form, NS_ROSTER, STR("query"));
		json_array_foreach(answer->data, i, o)
			add_item(a, query, o);
	}
	batch_next(w);
}

/* The order for one of them: the command is the run's. */
static struct order batch_order(struct admin_work *w)
{
	const char *node = w->x->command->node;
	if (strcmp(node, NODE("delete-user")) == 0)
		return admin_order_of(w, "unregister", on_one);
	if (strcmp(node, NODE("disable-user")) == 0)
		return admin_order_of(w, "ban_account", on_one);
	if (strcmp(node, NODE("reenable-user")) == 0)
		return admin_order_of(w, "unban_account", on_one);
	if (strcmp(node, NODE("get-user-lastlogin")) == 0)
		return admin_order_of(w, "account_details", on_last_login);
	if (strcmp(node, NODE("get-user-roster")) == 0)
		return admin_order_of(w, "get_roster", on_roster);
	struct order o = admin_order_of(w, jid_is_full(&w->jid) ? "kick_session" : "kick_user", on_one);
	if (jid_is_full(&w->jid))
		o.args[o.n_args++] = jid_resource(&w->jid);
	return o;
}

static void batch_next(struct admin_work *w)
{
	const struct elem *value = w->next;
	if (!value) {
		batch_end(w);
		return;
	}
	w->next = dataform_next_value(value);
	enum stanza_error e = admin_may_touch(w, elem_text(w->x->arena, value));
	if (e) {
		adhoc_refuse(w->x, e, STR_NONE); /* admin_run_batch has looked: its rights went away meanwhile */
		return;
	}
	w->n++;
	struct order o = batch_order(w);
	order_run(w->x->host->node, &o);
}

/* All are looked at before anything is done: a typing error shall not leave half of it behind. */
void admin_run_batch(struct adhoc *x)
{
	struct admin_work *w = admin_work_of(x);
	unsigned n = 0;
	enum stanza_error e = STANZA_ERROR_NONE;
	for (const struct elem *v = dataform_first_value(&x->forms[0], "accountjids"); v && !e; v = dataform_next_value(v))
		e = ++n > JIDS_MAX ? STANZA_POLICY_VIOLATION : admin_may_touch(w, elem_text(x->arena, v));
	if (e) {
		adhoc_refuse(x, e, STR_NONE);
		return;
	}
	w->next = dataform_first_value(&x->forms[0], "accountjids");
	batch_next(w);
}
