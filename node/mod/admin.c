/*
 * XEP-0133 Service Administration: ad-hoc commands for administrators. Each is a form around commands of starlingctl (node/ctl/order.h), so
 * that both do the same and leave the same line in the audit log.
 *
 * Host administrators reach their host's accounts, server administrators those of every host. Passwords are never told
 * (#get-user-password was retracted), and the list of administrators is the configuration's.
 */
#include "node/api.h"
#include "proto/xml/names.h"

#define FORM_TYPE "http://jabber.org/protocol/admin"
#define NODE(n)   FORM_TYPE "#" n
#define JIDS_MAX  100   /* accounts of one request */
#define LIST_MAX  10000 /* names in one answer */

/* ---- forms ---- */

#define JIDS_ROW(text) { .kind = DATAFORM_JID_MULTI, .var = "accountjids", .label = text, .required = true }
#define JID_ROW(text)  { .kind = DATAFORM_JID_SINGLE, .var = "accountjid", .label = text, .required = true }
#define PASSWORD_ROW   { .kind = DATAFORM_TEXT_PRIVATE, .var = "password", .label = "The password for this account", .required = true }

static const struct dataform_choice max_items[] = {
	{ "25", "25" }, { "50", "50" }, { "75", "75" }, { "100", "100" }, { "150", "150" }, { "200", "200" }, { "none", "None" }, { 0 },
};
static const struct dataform_row add_rows[] = {
	JID_ROW("The Jabber ID for the account to be added"), PASSWORD_ROW,
	{ .kind = DATAFORM_TEXT_PRIVATE, .var = "password-verify", .label = "Retype password", .required = true },
};
static const struct dataform_row password_rows[] = { JID_ROW("The Jabber ID for this account"), PASSWORD_ROW };
static const struct dataform_row delete_rows[] = { JIDS_ROW("The Jabber ID(s) to delete") };
static const struct dataform_row disable_rows[] = { JIDS_ROW("The Jabber ID(s) to disable") };
static const struct dataform_row reenable_rows[] = { JIDS_ROW("The Jabber ID(s) to re-enable") };
static const struct dataform_row end_rows[] = { JIDS_ROW("The Jabber ID(s) for which to end sessions") };
static const struct dataform_row last_rows[] = { JIDS_ROW("The Jabber ID(s) for which to retrieve the last login time") };
static const struct dataform_row stats_rows[] = { JID_ROW("The Jabber ID for statistics") };
static const struct dataform_row list_rows[] = {
	{ .kind = DATAFORM_LIST_SINGLE, .var = "max_items", .label = "Maximum number of items to show", .value = "25",
	  .choices = max_items },
};

static const struct dataform_choice delays[] = {
	{ "30", "30 seconds" }, { "60", "60 seconds" }, { "90", "90 seconds" }, { "120", "2 minutes" }, { "180", "3 minutes" },
	{ "240", "4 minutes" }, { "300", "5 minutes" }, { "0", "None" }, { 0 },
};
static const struct dataform_row shutdown_rows[] = {
	{ .kind = DATAFORM_LIST_SINGLE, .var = "delay", .label = "Time delay before shutting down", .value = "60", .choices = delays },
	{ .kind = DATAFORM_TEXT_MULTI, .var = "announcement", .label = "Announcement" },
};
static const struct dataform_row restart_rows[] = {
	{ .kind = DATAFORM_LIST_SINGLE, .var = "delay", .label = "Time delay before restarting", .value = "60", .choices = delays },
	{ .kind = DATAFORM_TEXT_MULTI, .var = "announcement", .label = "Announcement" },
};

#define STAGE(name, heading, rows_, how)                                                  \
	static const struct adhoc_stage name = { .title = heading, .instructions = how, \
						 .rows = rows_, .n_rows = sizeof rows_ / sizeof *rows_ };
STAGE(add_stage, "Adding a User", add_rows, "Fill out this form to add a user.")
STAGE(password_stage, "Changing a User Password", password_rows, "Fill out this form to change a user's password.")
STAGE(delete_stage, "Deleting one or more users", delete_rows, "Fill out this form to delete users.")
STAGE(disable_stage, "Disabling one or more users", disable_rows, "Fill out this form to disable users.")
STAGE(reenable_stage, "Re-Enabling one or more users", reenable_rows, "Fill out this form to re-enable users.")
STAGE(end_stage, "Ending Sessions for one or more users", end_rows, "Fill out this form to end users' sessions.")
STAGE(last_stage, "Getting the Last Login Time", last_rows, "Fill out this form to get users' last login time.")
STAGE(stats_stage, "Getting User Statistics", stats_rows, "Fill out this form to gather user statistics.")
STAGE(list_stage, "Requesting a List of Users", list_rows, "Fill out this form to request the list of users.")
STAGE(shutdown_stage, "Shutting Down the Service", shutdown_rows, "Fill out this form to shut down the service.")
STAGE(restart_stage, "Restarting the Service", restart_rows, "Fill out this form to restart the service.")

/* ---- one account ---- */

/* What a run works on. */
struct work {
	struct adhoc *x;
	struct jid jid;             /* the account that it is about now */
	const struct elem *next;    /* the next value of accountjids */
	unsigned n, n_failed;
	enum err err;               /* of the last that failed */
	struct str problems;
	struct elem *form, *fields[2]; /* a result */
};

static struct work *work_of(struct adhoc *x)
{
	struct work *w = arena_zalloc(x->arena, sizeof *w);
	w->x = x;
	x->state = w;
	return w;
}

static struct host *host_of(const struct work *w)
{
	return host_find(w->x->host->node, jid_domain(&w->jid));
}

/* The address of an account that this administrator may touch. */
static enum stanza_error may_touch(struct work *w, struct str text)
{
	if (jid_parse(w->x->arena, str_trim(text), &w->jid) != ERR_NONE || !jid_has_local(&w->jid))
		return STANZA_JID_MALFORMED;
	const struct host *h = host_of(w);
	if (!h)
		return STANZA_ITEM_NOT_FOUND;
	return role_of(h, &w->x->who) < ROLE_HOST_ADMIN ? STANZA_FORBIDDEN : STANZA_ERROR_NONE;
}

static struct order order_of(struct work *w, const char *command, void (*on_done)(const struct order_answer *a))
{
	struct order o = { .command = command, .by = jid_str(&w->x->who), .on_done = on_done, .arg = w };
	if (jid_present(&w->jid)) {
		o.args[o.n_args++] = jid_local(&w->jid);
		o.args[o.n_args++] = jid_domain(&w->jid);
	} else {
		o.args[o.n_args++] = w->x->host->name;
	}
	return o;
}

static enum stanza_error error_of(enum err err)
{
	switch (err) {
	case ERR_EXISTS:
		return STANZA_CONFLICT;
	case ERR_NOT_FOUND:
		return STANZA_ITEM_NOT_FOUND;
	case ERR_INVALID:
		return STANZA_NOT_ACCEPTABLE;
	case ERR_LIMIT:
		return STANZA_RESOURCE_CONSTRAINT;
	default:
		return STANZA_ERROR_NONE;
	}
}

/* Section 6: what has a condition is an error, the rest a note. */
static void fail(struct work *w, enum err err, struct str text)
{
	enum stanza_error e = error_of(err);
	if (e)
		adhoc_refuse(w->x, e, text);
	else
		adhoc_failed(w->x, text);
}

static void on_changed(const struct order_answer *a)
{
	struct work *w = a->arg;
	if (a->code == CTL_OK)
		adhoc_done(w->x, arena_str(w->x->arena, a->text), NULL);
	else
		fail(w, a->err, a->text);
}

static void run_with_password(struct adhoc *x, const char *command)
{
	struct work *w = work_of(x);
	enum stanza_error e = may_touch(w, dataform_str(x->arena, &x->forms[0], "accountjid"));
	if (e) {
		adhoc_refuse(x, e, STR_NONE);
		return;
	}
	struct order o = order_of(w, command, on_changed);
	o.args[o.n_args++] = dataform_str(x->arena, &x->forms[0], "password");
	order_run(x->host->node, &o);
}

static void run_add(struct adhoc *x)
{
	struct str one = dataform_str(x->arena, &x->forms[0], "password"), two = dataform_str(x->arena, &x->forms[0], "password-verify");
	if (!str_eq(one, two))
		adhoc_refuse(x, STANZA_NOT_ACCEPTABLE, STR("the two passwords differ"));
	else
		run_with_password(x, "register_identified");
}

static void run_password(struct adhoc *x)
{
	run_with_password(x, "change_password");
}

/* ---- several accounts, one after the other ---- */

static void batch_next(struct work *w);

static void batch_end(struct work *w)
{
	if (!w->n_failed)
		adhoc_done(w->x, STR_NONE, w->form);
	else if (w->n == 1)
		fail(w, w->err, w->problems);
	else
		adhoc_failed(w->x, w->problems);
}

static void batch_failed(struct work *w, enum err err, struct str text)
{
	w->n_failed++;
	w->err = err;
	w->problems = str_present(w->problems) ? arena_printf(w->x->arena, "%.*s; %.*s", STR_ARG(w->problems), STR_ARG(text))
					       : arena_str(w->x->arena, text);
}

static void on_one(const struct order_answer *a)
{
	struct work *w = a->arg;
	if (a->code != CTL_OK)
		batch_failed(w, a->err, a->text);
	batch_next(w);
}

/* Section 4.9: when an account was last used, as exactly as is written down (account.h); at its birth, if not since. */
static void on_last_login(const struct order_answer *a)
{
	struct work *w = a->arg;
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

/* The order for one of them: the command is the run's. */
static struct order batch_order(struct work *w)
{
	const char *node = w->x->command->node;
	if (strcmp(node, NODE("delete-user")) == 0)
		return order_of(w, "unregister", on_one);
	if (strcmp(node, NODE("disable-user")) == 0)
		return order_of(w, "ban_account", on_one);
	if (strcmp(node, NODE("reenable-user")) == 0)
		return order_of(w, "unban_account", on_one);
	if (strcmp(node, NODE("get-user-lastlogin")) == 0)
		return order_of(w, "account_details", on_last_login);
	struct order o = order_of(w, jid_is_full(&w->jid) ? "kick_session" : "kick_user", on_one);
	if (jid_is_full(&w->jid))
		o.args[o.n_args++] = jid_resource(&w->jid);
	return o;
}

static void batch_next(struct work *w)
{
	const struct elem *value = w->next;
	if (!value) {
		batch_end(w);
		return;
	}
	w->next = dataform_next_value(value);
	enum stanza_error e = may_touch(w, elem_text(w->x->arena, value));
	if (e) {
		adhoc_refuse(w->x, e, STR_NONE); /* run_batch has looked: its rights went away meanwhile */
		return;
	}
	w->n++;
	struct order o = batch_order(w);
	order_run(w->x->host->node, &o);
}

/* All are looked at before anything is done: a typing error shall not leave half of it behind. */
static void run_batch(struct adhoc *x)
{
	struct work *w = work_of(x);
	unsigned n = 0;
	enum stanza_error e = STANZA_ERROR_NONE;
	for (const struct elem *v = dataform_first_value(&x->forms[0], "accountjids"); v && !e; v = dataform_next_value(v))
		e = ++n > JIDS_MAX ? STANZA_POLICY_VIOLATION : may_touch(w, elem_text(x->arena, v));
	if (e) {
		adhoc_refuse(x, e, STR_NONE);
		return;
	}
	w->next = dataform_first_value(&x->forms[0], "accountjids");
	batch_next(w);
}

/* ---- figures ---- */

static void on_count(const struct order_answer *a)
{
	struct work *w = a->arg;
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

static void run_registered_num(struct adhoc *x)
{
	struct order o = order_of(work_of(x), "count_users", on_count);
	order_run(x->host->node, &o);
}

static void run_online_num(struct adhoc *x)
{
	struct order o = order_of(work_of(x), "connected_users_number", on_count);
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
	struct adhoc *x = ((struct work *)a->arg)->x;
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

static void run_registered_list(struct adhoc *x)
{
	struct order o = order_of(work_of(x), "registered_users", on_registered);
	o.option = (struct call_option){ STR("limit"), arena_printf(x->arena, "%llu", (unsigned long long)most_items(x)) };
	order_run(x->host->node, &o);
}

/* Of each user once, however many resources: the list is in order. */
static void on_online(const struct order_answer *a)
{
	struct adhoc *x = ((struct work *)a->arg)->x;
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

static void run_online_list(struct adhoc *x)
{
	struct order o = order_of(work_of(x), "connected_users", on_online);
	order_run(x->host->node, &o);
}

/* ---- one user's sessions ---- */

static void on_sessions(const struct order_answer *a)
{
	struct adhoc *x = ((struct work *)a->arg)->x;
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

static void run_stats(struct adhoc *x)
{
	struct work *w = work_of(x);
	enum stanza_error e = may_touch(w, dataform_str(x->arena, &x->forms[0], "accountjid"));
	if (e) {
		adhoc_refuse(x, e, STR_NONE);
		return;
	}
	struct order o = order_of(w, "user_sessions_info", on_sessions);
	order_run(x->host->node, &o);
}

/* ---- the service ---- */

static void run_end(struct adhoc *x, const char *command)
{
	struct work *w = work_of(x);
	struct order o = { .command = command, .by = jid_str(&x->who), .on_done = on_changed, .arg = w };
	struct str delay = dataform_str(x->arena, &x->forms[0], "delay"), text = dataform_text(x->arena, &x->forms[0], "announcement");
	o.args[o.n_args++] = str_present(delay) ? delay : STR("60");
	if (str_present(text))
		o.args[o.n_args++] = text;
	order_run(x->host->node, &o);
}

static void run_shutdown(struct adhoc *x)
{
	run_end(x, "stop_kindly");
}

static void run_restart(struct adhoc *x)
{
	run_end(x, "restart_kindly");
}

#define FORM(node_, name_, stage, run_) { NODE(node_), name_, FORM_TYPE, ROLE_HOST_ADMIN, &stage, 1, run_ }
#define BARE(node_, name_, run_)        { NODE(node_), name_, FORM_TYPE, ROLE_HOST_ADMIN, NULL, 0, run_ }
static const struct adhoc_command commands[] = {
	FORM("add-user", "Add User", add_stage, run_add),
	FORM("delete-user", "Delete User", delete_stage, run_batch),
	FORM("disable-user", "Disable User", disable_stage, run_batch),
	FORM("reenable-user", "Re-Enable User", reenable_stage, run_batch),
	FORM("end-user-session", "End User Session", end_stage, run_batch),
	FORM("change-user-password", "Change User Password", password_stage, run_password),
	FORM("get-user-lastlogin", "Get User Last Login Time", last_stage, run_batch),
	FORM("user-stats", "Get User Statistics", stats_stage, run_stats),
	BARE("get-registered-users-num", "Get Number of Registered Users", run_registered_num),
	BARE("get-online-users-num", "Get Number of Online Users", run_online_num),
	FORM("get-registered-users-list", "Get List of Registered Users", list_stage, run_registered_list),
	FORM("get-online-users-list", "Get List of Online Users", list_stage, run_online_list),
	{ NODE("shutdown"), "Shut Down Service", FORM_TYPE, ROLE_SERVER_ADMIN, &shutdown_stage, 1, run_shutdown },
	{ NODE("restart"), "Restart Service", FORM_TYPE, ROLE_SERVER_ADMIN, &restart_stage, 1, run_restart },
};

const struct module mod_admin = {
	.name = "admin",
	.xep = "XEP-0133",
	.version = "1.3.1",
	.doc = "Lets administrators manage accounts from their clients.",
	.adhoc = commands,
	.n_adhoc = sizeof commands / sizeof *commands,
};
