/*
 * XEP-0133 Service Administration: ad-hoc commands for administrators. Each is a form around commands of starlingctl (node/ctl/order.h), so
 * that both do the same and leave the same line in the audit log.
 *
 * Host administrators reach their host's accounts, server administrators those of every host.
 *
 * Left out, and why: passwords are never told (4.6 was retracted); who administers (4.29) and the welcome message (4.27, 4.28) are said by
 * the configuration, which a command that writes elsewhere would contradict after the next reload; there are no lists of who may reach the
 * service (4.11, 4.12). Announcements (4.23 to 4.26) are announce.c's.
 */
#include "node/mod/admin/admin.h"

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
static const struct dataform_row roster_rows[] = { JIDS_ROW("The Jabber ID(s) for which to retrieve the roster") };
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
STAGE(roster_stage, "Getting a User's Roster", roster_rows, "Fill out this form to get a user's roster.")
STAGE(stats_stage, "Getting User Statistics", stats_rows, "Fill out this form to gather user statistics.")
STAGE(list_stage, "Requesting a List of Users", list_rows, "Fill out this form to request the list of users.")
STAGE(shutdown_stage, "Shutting Down the Service", shutdown_rows, "Fill out this form to shut down the service.")
STAGE(restart_stage, "Restarting the Service", restart_rows, "Fill out this form to restart the service.")

/* ---- what runs share ---- */

struct admin_work *admin_work_of(struct adhoc *x)
{
	struct admin_work *w = arena_zalloc(x->arena, sizeof *w);
	w->x = x;
	x->state = w;
	return w;
}

static struct host *host_of(const struct admin_work *w)
{
	return host_find(w->x->host->node, jid_domain(&w->jid));
}

enum stanza_error admin_may_touch(struct admin_work *w, struct str text)
{
	if (jid_parse(w->x->arena, str_trim(text), &w->jid) != ERR_NONE || !jid_has_local(&w->jid))
		return STANZA_JID_MALFORMED;
	const struct host *h = host_of(w);
	if (!h)
		return STANZA_ITEM_NOT_FOUND;
	return role_of(h, &w->x->who) < ROLE_HOST_ADMIN ? STANZA_FORBIDDEN : STANZA_ERROR_NONE;
}

struct order admin_order_of(struct admin_work *w, const char *command, void (*on_done)(const struct order_answer *a))
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

void admin_fail(struct admin_work *w, enum err err, struct str text)
{
	enum stanza_error e = error_of(err);
	if (e)
		adhoc_refuse(w->x, e, text);
	else
		adhoc_failed(w->x, text);
}

void admin_on_changed(const struct order_answer *a)
{
	struct admin_work *w = a->arg;
	if (a->code == CTL_OK)
		adhoc_done(w->x, arena_str(w->x->arena, a->text), NULL);
	else
		admin_fail(w, a->err, a->text);
}

/* ---- the service ---- */

static void run_end(struct adhoc *x, const char *command)
{
	struct admin_work *w = admin_work_of(x);
	struct order o = { .command = command, .by = jid_str(&x->who), .on_done = admin_on_changed, .arg = w };
	struct str delay = dataform_str(x->arena, &x->forms[0], "delay"), text = dataform_text(x->arena, &x->forms[0], "announcement");
	o.args[o.n_args++] = str_present(delay) ? delay : STR("60");
	if (str_present(text))
		o.args[o.n_args++] = text;
	order_run(x->host->node, &o);
}

static void admin_run_shutdown(struct adhoc *x)
{
	run_end(x, "stop_kindly");
}

static void admin_run_restart(struct adhoc *x)
{
	run_end(x, "restart_kindly");
}

#define FORM(node_, name_, stage, run_) { NODE(node_), name_, FORM_TYPE, ROLE_HOST_ADMIN, &stage, 1, run_ }
#define BARE(node_, name_, run_)        { NODE(node_), name_, FORM_TYPE, ROLE_HOST_ADMIN, NULL, 0, run_ }
static const struct adhoc_command commands[] = {
	FORM("add-user", "Add User", add_stage, admin_run_add),
	FORM("delete-user", "Delete User", delete_stage, admin_run_batch),
	FORM("disable-user", "Disable User", disable_stage, admin_run_batch),
	FORM("reenable-user", "Re-Enable User", reenable_stage, admin_run_batch),
	FORM("end-user-session", "End User Session", end_stage, admin_run_batch),
	FORM("change-user-password", "Change User Password", password_stage, admin_run_password),
	FORM("get-user-lastlogin", "Get User Last Login Time", last_stage, admin_run_batch),
	FORM("get-user-roster", "Get User Roster", roster_stage, admin_run_batch),
	FORM("user-stats", "Get User Statistics", stats_stage, admin_run_stats),
	BARE("get-registered-users-num", "Get Number of Registered Users", admin_run_list),
	BARE("get-online-users-num", "Get Number of Online Users", admin_run_list),
	BARE("get-disabled-users-num", "Get Number of Disabled Users", admin_run_list),
	BARE("get-active-users-num", "Get Number of Active Users", admin_run_list),
	BARE("get-idle-users-num", "Get Number of Idle Users", admin_run_list),
	FORM("get-registered-users-list", "Get List of Registered Users", list_stage, admin_run_list),
	FORM("get-online-users-list", "Get List of Online Users", list_stage, admin_run_list),
	FORM("get-disabled-users-list", "Get List of Disabled Users", list_stage, admin_run_list),
	FORM("get-active-users", "Get List of Active Users", list_stage, admin_run_list),
	FORM("get-idle-users", "Get List of Idle Users", list_stage, admin_run_list),
	{ NODE("shutdown"), "Shut Down Service", FORM_TYPE, ROLE_SERVER_ADMIN, &shutdown_stage, 1, admin_run_shutdown },
	{ NODE("restart"), "Restart Service", FORM_TYPE, ROLE_SERVER_ADMIN, &restart_stage, 1, admin_run_restart },
};

const struct module mod_admin = {
	.name = "admin",
	.xep = "XEP-0133",
	.version = "1.3.1",
	.doc = "Lets administrators manage accounts from their clients.",
	.adhoc = commands,
	.n_adhoc = sizeof commands / sizeof *commands,
};
