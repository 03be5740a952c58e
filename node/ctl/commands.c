/*
 * commands.c: the commands themselves; names as in ejabberdctl and mongooseimctl.
 */
#include <stdlib.h>

#include "node/core/account.h"
#include "node/core/hooks.h"
#include "node/core/life.h"
#include "node/core/log.h"
#include "node/core/removal.h"
#include "node/core/session.h"
#include "node/ctl/command.h"
#include "node/ctl/visit.h"
#include "node/version.h"
#include "proto/addr/precis.h"
#include "proto/base/encode.h"

#define NAME_CHARS 12 /* of a made user name: 60 random bits */
#define PAGE       1000

/* ---- arguments ---- */

/* Each refuses the call itself when the argument is bad; the call and its arena are gone then. */
static struct host *host_arg(struct call *c, unsigned i)
{
	struct str name;
	struct host *h = precis_domain(c->arena, c->args[i], &name) == ERR_NONE ? host_find(c->node, name) : NULL;
	if (!h)
		call_fail(c, CTL_FAILED, "this node does not serve the host '%s'", c->args[i].p);
	return h;
}

static bool user_arg(struct call *c, unsigned i, const struct host *h, struct jid *out)
{
	if (jid_make(c->arena, c->args[i], h->name, STR_NONE, out) == ERR_NONE && jid_has_local(out))
		return true;
	call_fail(c, CTL_FAILED, "'%s' cannot be a user name", c->args[i].p);
	return false;
}

static bool accounts_here(struct call *c, const struct host *h)
{
	if (h->anonymous)
		call_fail(c, CTL_FAILED, "%s is an anonymous host: it has no accounts", h->name.p);
	return !h->anonymous;
}

/* What a command about one account works on until it is answered. */
struct job_of {
	struct call *call;
	struct host *host;
	struct jid jid;
};

static bool account_args(struct call *c, unsigned user, unsigned host, struct job_of **out)
{
	struct jid jid;
	struct host *h = host_arg(c, host);
	if (!h || !accounts_here(c, h) || !user_arg(c, user, h, &jid))
		return false;
	struct job_of *j = arena_zalloc(c->arena, sizeof *j);
	*j = (struct job_of){ .call = c, .host = h, .jid = jid };
	*out = j;
	return true;
}

static struct account_ask ask_of(struct job_of *j, void (*on_done)(const struct account_answer *a))
{
	return (struct account_ask){
		.store = j->call->node->store, .host = j->host->name, .user = jid_local(&j->jid), .on_done = on_done, .arg = j,
	};
}

/* True when the answer was an error, which it told. */
static bool failed(struct call *c, enum err e, const struct jid *jid)
{
	if (e == ERR_NONE)
		return false;
	if (e == ERR_EXISTS)
		call_fail(c, CTL_FAILED, "User %.*s is already registered", STR_ARG(jid_str(jid)));
	else if (e == ERR_NOT_FOUND)
		call_fail(c, CTL_FAILED, "User %.*s is not registered", STR_ARG(jid_str(jid)));
	else if (e == ERR_INVALID)
		call_fail(c, CTL_FAILED, "that password is empty or has characters that are not allowed in passwords");
	else if (e == ERR_LIMIT)
		call_fail(c, CTL_FAILED, "that password is too long, or too much waits already");
	else
		call_fail(c, CTL_FAILED, "the store answers: %s", err_name(e));
	return true;
}

/* ---- accounts ---- */

static void on_created(const struct account_answer *a)
{
	struct job_of *j = a->arg;
	if (failed(j->call, a->err, &j->jid))
		return;
	LOG(LOG_INFO, "ctl", "account registered", L_STR("jid", jid_str(&j->jid)));
	hooks_account_created(j->host, jid_local(&j->jid));
	call_ok(j->call, json_str(jid_str(&j->jid)), "User %.*s successfully registered", STR_ARG(jid_str(&j->jid)));
}

static void create(struct job_of *j, struct str password)
{
	struct account_ask ask = ask_of(j, on_created);
	failed(j->call, account_create(&ask, password, j->host->scram_iterations), &j->jid);
}

static void run_register(struct call *c)
{
	struct host *h = host_arg(c, 0);
	if (!h || !accounts_here(c, h))
		return;
	struct job_of *j = arena_zalloc(c->arena, sizeof *j);
	j->call = c;
	j->host = h;
	struct str name = rng_token(&c->node->main->rng, c->arena, NAME_CHARS);
	if (jid_make(c->arena, name, j->host->name, STR_NONE, &j->jid) != ERR_NONE)
		call_fail(c, CTL_FAILED, "no user name could be made");
	else
		create(j, c->args[1]);
}

static void run_register_identified(struct call *c)
{
	struct job_of *j;
	if (account_args(c, 0, 1, &j))
		create(j, c->args[2]);
}

struct kick {
	struct visit visit;
	struct call *call;
	struct host *host;
	struct jid jid;
	unsigned n;
	const char *text;
};

static void kick_on_worker(struct visit *v, struct node_worker *nw)
{
	struct kick *k = (struct kick *)v;
	struct user *u = user_find(nw, jid_bare_str(&k->jid));
	while (u && u->sessions) { /* the last one takes the user with it */
		bool last = !u->sessions->next;
		session_close(u->sessions, STREAM_NOT_AUTHORIZED, str_of(k->text));
		k->n++;
		if (last)
			break;
	}
}

static void kick(struct call *c, struct host *h, const struct jid *jid, const char *text, void (*on_done)(struct visit *v))
{
	struct kick *k = arena_zalloc(c->arena, sizeof *k);
	k->call = c;
	k->host = h;
	k->jid = *jid;
	k->text = text;
	visit_one(&k->visit, c->node, node_shard(c->node, jid_bare_str(jid)), kick_on_worker, on_done);
}

static void on_removed(const struct account_answer *a)
{
	struct job_of *j = a->arg;
	if (!failed(j->call, a->err, &j->jid))
		call_ok(j->call, json_str(jid_str(&j->jid)), "User %.*s unregistered", STR_ARG(jid_str(&j->jid)));
}

static void run_unregister(struct call *c)
{
	struct job_of *j;
	if (account_args(c, 0, 1, &j))
		account_remove(j->host, &j->jid, "your account was removed", on_removed, j);
}

static void on_changed(const struct account_answer *a)
{
	struct job_of *j = a->arg;
	if (failed(j->call, a->err, &j->jid))
		return;
	LOG(LOG_INFO, "ctl", "password changed", L_STR("jid", jid_str(&j->jid)));
	call_ok(j->call, NULL, "Password of %.*s changed", STR_ARG(jid_str(&j->jid)));
}

static void run_change_password(struct call *c)
{
	struct job_of *j;
	if (!account_args(c, 0, 1, &j))
		return;
	struct account_ask ask = ask_of(j, on_changed);
	failed(c, account_set_password(&ask, c->args[2], j->host->scram_iterations), &j->jid);
}

static void on_checked(const struct account_answer *a)
{
	struct job_of *j = a->arg;
	if (!failed(j->call, a->err, &j->jid))
		call_ok(j->call, json_true(), "User %.*s exists", STR_ARG(jid_str(&j->jid)));
}

static void run_check_account(struct call *c)
{
	struct job_of *j;
	if (!account_args(c, 0, 1, &j))
		return;
	struct account_ask ask = ask_of(j, on_checked);
	failed(c, account_get(&ask), &j->jid);
}

/* ---- lists ---- */

struct listing {
	struct call *call;
	struct host *host;
	json_t *names;
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
	for (uint32_t i = 0; i < a->n_rows; i++)
		json_array_append_new(l->names, json_str(a->rows[i].key));
	if (a->more && a->n_rows)
		list_page(l, arena_str(l->call->arena, a->rows[a->n_rows - 1].key));
	else
		call_ok(l->call, l->names, "%s", "");
}

static void list_page(struct listing *l, struct str after)
{
	struct account_ask ask = { .store = l->call->node->store, .host = l->host->name, .on_done = on_page, .arg = l };
	if (account_list(&ask, after, PAGE) == ERR_NONE)
		return;
	json_decref(l->names);
	call_fail(l->call, CTL_FAILED, "the store takes no more questions now");
}

static void run_registered_users(struct call *c)
{
	struct host *h = host_arg(c, 0);
	if (!h)
		return;
	struct listing *l = arena_zalloc(c->arena, sizeof *l);
	l->call = c;
	l->host = h;
	l->names = json_array();
	list_page(l, STR_NONE);
}

struct who {
	struct visit visit;
	struct call *call;
	struct host *host; /* NULL: all */
	json_t *list;
};

static void who_on_worker(struct visit *v, struct node_worker *nw)
{
	struct who *w = (struct who *)v;
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&nw->sessions, &i, &key, &value);) {
		const struct session *s = value;
		if (!w->host || s->user->host == w->host)
			json_array_append_new(w->list, json_str(jid_str(&s->jid)));
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* In order, so that two listings can be compared. */
static json_t *sorted(json_t *list)
{
	size_t n = json_array_size(list);
	json_t **items = xmalloc((n + 1) * sizeof *items), *out = json_array();
	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(list, i);
	qsort(items, n, sizeof *items, by_text);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, items[i]);
	free(items);
	json_decref(list);
	return out;
}

static void on_who(struct visit *v)
{
	struct who *w = (struct who *)v;
	call_ok(w->call, sorted(w->list), "%s", "");
}

static void run_connected_users(struct call *c)
{
	bool all = c->n_args == 0;
	struct host *h = all ? NULL : host_arg(c, 0);
	if (!h && !all)
		return;
	struct who *w = arena_zalloc(c->arena, sizeof *w);
	w->call = c;
	w->host = h;
	w->list = json_array();
	visit_all(&w->visit, c->node, who_on_worker, on_who);
}

/* ---- sessions and the node ---- */

static void on_kicked(struct visit *v)
{
	struct kick *k = (struct kick *)v;
	call_ok(k->call, json_integer(k->n), "%u session%s of %.*s ended", k->n, k->n == 1 ? "" : "s", STR_ARG(jid_str(&k->jid)));
}

static void run_kick_user(struct call *c)
{
	struct jid jid;
	struct host *h = host_arg(c, 1);
	if (h && user_arg(c, 0, h, &jid))
		kick(c, h, &jid, "you were disconnected by an administrator", on_kicked);
}

static void run_status(struct call *c)
{
	struct node *n = c->node;
	char stamp[STAMP_BYTES];
	uint64_t up_s = (n->main->now_ms - n->started_ms) / 1000;
	int64_t sessions = node_metric(n, METRIC_SESSIONS);
	json_t *hosts = json_array();
	for (unsigned i = 0; i < n->n_hosts; i++)
		json_array_append_new(hosts, json_str(n->hosts[i]->name));
	json_t *data = json_pack("{s:s, s:s, s:o, s:I, s:i, s:I, s:I, s:b, s:o}", "status", n->draining ? "stopping" : "running", "version",
				 STARLING_VERSION, "started", json_str(stamp_format(stamp, n->started_wall_ms, false)), "uptime_s",
				 (json_int_t)up_s, "workers", (int)n->n_workers, "sessions", (json_int_t)sessions, "connections",
				 (json_int_t)node_metric(n, METRIC_CONNECTIONS), "store_healthy", store_healthy(n->store), "hosts", hosts);
	call_ok(c, data, "Starling %s is %s: up %llu s, %lld session%s, %u worker%s, %u host%s, store %s", STARLING_VERSION,
		n->draining ? "stopping" : "running", (unsigned long long)up_s, (long long)sessions, sessions == 1 ? "" : "s", n->n_workers,
		n->n_workers == 1 ? "" : "s", n->n_hosts, n->n_hosts == 1 ? "" : "s", store_healthy(n->store) ? "works" : "FAILS");
}

static void run_stop(struct call *c)
{
	c->stop_after = true;
	call_ok(c, NULL, "The node is stopping");
}

static void run_reload_certificates(struct call *c)
{
	struct buf why;
	buf_init(&why, 4096);
	if (life_reload_tls(c->node, &why) == ERR_NONE)
		call_ok(c, NULL, "Certificates loaded; new connections use them");
	else
		call_fail(c, CTL_FAILED, "nothing changed: %.*s", STR_ARG(buf_str(&why)));
	buf_fini(&why);
}

const struct command all_commands[] = {
	{ "register", "HOST PASSWORD", 2, 2, "Makes an account with a unique user name.", run_register },
	{ "register_identified", "USER HOST PASSWORD", 3, 3, "Makes an account.", run_register_identified },
	{ "unregister", "USER HOST", 2, 2, "Removes an account and all that belongs to it; its sessions end.", run_unregister },
	{ "change_password", "USER HOST PASSWORD", 3, 3, "Sets an account's password.", run_change_password },
	{ "check_account", "USER HOST", 2, 2, "Tells whether an account exists (exit code 0 or 1).", run_check_account },
	{ "registered_users", "HOST", 1, 1, "Lists a host's accounts.", run_registered_users },
	{ "connected_users", "[HOST]", 0, 1, "Lists connected full JIDs.", run_connected_users },
	{ "kick_user", "USER HOST", 2, 2, "Ends all sessions of an account.", run_kick_user },
	{ "reload_certificates", "", 0, 0, "Reads the certificates again, for new connections.", run_reload_certificates },
	{ "status", "", 0, 0, "Tells whether and how the node runs.", run_status },
	{ "stop", "", 0, 0, "Ends the node: streams are closed, then it exits.", run_stop },
	{ NULL, NULL, 0, 0, NULL, NULL },
};
