/*
 * commands_account.c: accounts; names as in ejabberdctl.
 */
#include "node/core/birth.h"
#include "node/core/log.h"
#include "node/core/removal.h"
#include "node/ctl/banned.h"
#include "node/ctl/errand.h"
#include "node/ctl/sweep.h"
#include "proto/base/encode.h"

#define NAME_CHARS 12 /* of a made user name: 60 random bits */

/* ---- making and removing ---- */

static void on_created(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (errand_failed(e, a->err))
		return;
	call_ok(e->call, json_str(jid_str(&e->jid)), "User %.*s successfully registered", STR_ARG(jid_str(&e->jid)));
}

static void run_register(struct call *c)
{
	struct host *h = call_host(c, 0);
	if (!h || !errand_has_accounts(c, h))
		return;
	struct errand *e = errand_of(c, h, NULL);
	struct str name = rng_token(&c->node->main->rng, c->arena, NAME_CHARS);
	if (jid_make(c->arena, name, h->name, STR_NONE, &e->jid) != ERR_NONE)
		call_fail(c, CTL_FAILED, "no user name could be made");
	else
		account_add(h, &e->jid, c->args[1], on_created, e);
}

static void run_register_identified(struct call *c)
{
	struct errand *e;
	if (errand_new(c, 0, 1, &e))
		account_add(e->host, &e->jid, c->args[2], on_created, e);
}

static void on_removed(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (!errand_failed(e, a->err))
		call_ok(e->call, json_str(jid_str(&e->jid)), "User %.*s unregistered", STR_ARG(jid_str(&e->jid)));
}

static void run_unregister(struct call *c)
{
	struct errand *e;
	if (errand_new(c, 0, 1, &e))
		account_remove(e->host, &e->jid, "your account was removed", on_removed, e);
}

/* ---- passwords ---- */

static void on_changed(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (errand_failed(e, a->err))
		return;
	LOG(LOG_INFO, "ctl", "password changed", L_STR("jid", jid_str(&e->jid)));
	call_ok(e->call, NULL, "Password of %.*s changed", STR_ARG(jid_str(&e->jid)));
}

static void run_change_password(struct call *c)
{
	struct errand *e;
	if (!errand_new(c, 0, 1, &e))
		return;
	struct account_ask ask = errand_ask(e, on_changed);
	errand_failed(e, account_set_password(&ask, c->args[2], e->host->scram_iterations));
}

static void on_password_checked(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (errand_failed(e, a->err))
		return;
	if (a->matches)
		call_ok(e->call, json_true(), "That is the password of %.*s", STR_ARG(jid_str(&e->jid)));
	else
		call_fail(e->call, CTL_FAILED, "That is not the password of %.*s", STR_ARG(jid_str(&e->jid)));
}

static void run_check_password(struct call *c)
{
	struct errand *e;
	if (!errand_new(c, 0, 1, &e))
		return;
	struct account_ask ask = errand_ask(e, on_password_checked);
	errand_failed(e, account_check_password(&ask, c->args[2]));
}

/* ---- banning ---- */

static void on_ban_kicked(struct errand *e)
{
	LOG(LOG_INFO, "ctl", "account banned", L_STR("jid", jid_str(&e->jid)), L_UINT("sessions", e->kicked));
	call_ok(e->call, json_integer(e->kicked), "User %.*s is banned; %u session%s ended", STR_ARG(jid_str(&e->jid)), e->kicked,
		e->kicked == 1 ? "" : "s");
}

static void on_banned(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (!errand_failed(e, a->err))
		errand_kick(e, "this account is banned", on_ban_kicked);
}

static void run_ban_account(struct call *c)
{
	struct errand *e;
	if (!errand_new(c, 0, 1, &e))
		return;
	struct account_ask ask = errand_ask(e, on_banned);
	errand_failed(e, account_set_disabled(&ask, c->n_args > 2 ? c->args[2] : STR("")));
}

static void on_unbanned(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (errand_failed(e, a->err))
		return;
	LOG(LOG_INFO, "ctl", "account unbanned", L_STR("jid", jid_str(&e->jid)));
	call_ok(e->call, NULL, "User %.*s may log in again", STR_ARG(jid_str(&e->jid)));
}

static void run_unban_account(struct call *c)
{
	struct errand *e;
	if (!errand_new(c, 0, 1, &e))
		return;
	struct account_ask ask = errand_ask(e, on_unbanned);
	errand_failed(e, account_set_disabled(&ask, STR_NONE));
}

/* ---- looking ---- */

static void on_checked(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (!errand_failed(e, a->err))
		call_ok(e->call, json_true(), "User %.*s exists", STR_ARG(jid_str(&e->jid)));
}

static void run_check_account(struct call *c)
{
	struct errand *e;
	if (!errand_new(c, 0, 1, &e))
		return;
	struct account_ask ask = errand_ask(e, on_checked);
	errand_failed(e, account_get(&ask));
}

static void add_time(json_t *o, const char *name, int64_t ms)
{
	char stamp[STAMP_BYTES];
	json_object_set_new(o, name, ms ? json_str(stamp_format(stamp, ms, false)) : json_null());
}

static void on_details(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (errand_failed(e, a->err))
		return;
	json_t *o = json_object();
	json_object_set_new(o, "jid", json_str(jid_str(&e->jid)));
	add_time(o, "created", a->account->created_ms);
	add_time(o, "password_changed", a->account->changed_ms);
	add_time(o, "last_login", a->account->login_ms);
	json_object_set_new(o, "password", json_boolean(a->account->has_keys));
	json_object_set_new(o, "banned", json_boolean(a->account->disabled));
	json_object_set_new(o, "reason", a->account->disabled ? json_str(a->account->reason) : json_null());
	call_ok(e->call, o, "%s", "");
}

static void run_account_details(struct call *c)
{
	struct errand *e;
	if (!errand_new(c, 0, 1, &e))
		return;
	struct account_ask ask = errand_ask(e, on_details);
	errand_failed(e, account_get(&ask));
}

/* ---- lists ---- */

#define PAGE      1000
#define LIMIT_MAX 1000000

struct listing {
	struct call *call;
	struct host *host;
	json_t *names;
	uint64_t left;
};

static void list_page(struct listing *l, struct str after);

static void on_page(const struct account_answer *a)
{
	struct listing *l = a->arg;
	if (a->err != ERR_NONE) {
		json_decref(l->names);
		call_fail(l->call, CTL_FAILED, "the store answers: %s", err_name(a->err));
		return;
	}
	for (uint32_t i = 0; i < a->n_rows && l->left; i++, l->left--)
		json_array_append_new(l->names, json_str(a->rows[i].key));
	if (a->more && a->n_rows && l->left)
		list_page(l, arena_str(l->call->arena, a->rows[a->n_rows - 1].key));
	else
		call_ok(l->call, l->names, "%s", "");
}

static void list_page(struct listing *l, struct str after)
{
	struct account_ask ask = { .store = l->host->store, .host = l->host->name, .on_done = on_page, .arg = l };
	if (account_list(&ask, after, l->left < PAGE ? (uint32_t)l->left : PAGE) == ERR_NONE)
		return;
	json_decref(l->names);
	call_fail(l->call, CTL_FAILED, "the store takes no more questions now");
}

static void run_registered_users(struct call *c)
{
	struct str limit = call_option(c, "limit");
	uint64_t most = LIMIT_MAX;
	struct host *h = call_host(c, 0);
	if (!h || (str_present(limit) && !call_number(c, limit, "--limit", 1, LIMIT_MAX, &most)))
		return;
	struct listing *l = arena_zalloc(c->arena, sizeof *l);
	*l = (struct listing){ .call = c, .host = h, .left = most, .names = json_array() };
	list_page(l, call_option(c, "after"));
}

static void on_counted(const struct account_answer *a)
{
	struct errand *e = a->arg;
	if (!errand_failed(e, a->err))
		call_ok(e->call, json_integer((json_int_t)a->count), "%llu", (unsigned long long)a->count);
}

static void run_count_users(struct call *c)
{
	struct host *h = call_host(c, 0);
	if (!h)
		return;
	struct errand *e = errand_of(c, h, NULL);
	struct account_ask ask = errand_ask(e, on_counted);
	errand_failed(e, account_count(&ask));
}

static const struct command commands[] = {
	{ "register", "HOST PASSWORD", 0, "Makes an account with a unique user name.", run_register },
	{ "register_identified", "USER HOST PASSWORD", 0, "Makes an account.", run_register_identified },
	{ "unregister", "USER HOST", COMMAND_HOME, "Removes an account and all that belongs to it; its sessions end.", run_unregister },
	{ "change_password", "USER HOST PASSWORD", 0, "Sets an account's password.", run_change_password },
	{ "check_password", "USER HOST PASSWORD", COMMAND_READS,
	  "Tells whether that is the password (exit code 0 or 1).", run_check_password },
	{ "check_account", "USER HOST", COMMAND_READS, "Tells whether an account exists (exit code 0 or 1).", run_check_account },
	{ "account_details", "USER HOST", COMMAND_READS,
	  "Tells when an account was made and last used, and whether it is banned.", run_account_details },
	{ "ban_account", "USER HOST [REASON...]", COMMAND_HOME,
	  "Ends an account's sessions and lets it log in no more; the client is told why.", run_ban_account },
	{ "unban_account", "USER HOST", 0, "Lets a banned account log in again, with the password that it had.", run_unban_account },
	{ "banned_users", "HOST --limit=N", COMMAND_READS, "Lists a host's banned accounts by name.", banned_run },
	{ "registered_users", "HOST --limit=N --after=USER", COMMAND_READS, "Lists a host's accounts by name.", run_registered_users },
	{ "count_users", "HOST", COMMAND_READS, "Tells how many accounts a host has.", run_count_users },
	{ "delete_old_users", "DAYS --dry_run", 0,
	  "Removes the accounts of all hosts that nobody has used for that long.", sweep_run_all },
	{ "delete_old_users_vhost", "HOST DAYS --dry_run", 0, "The same for one host.", sweep_run_vhost },
	{ 0 },
};

const struct command_group ctl_account = { "account", "Accounts.", commands };
