/*
 * XEP-0077 In-Band Registration: new accounts on streams that have not logged in (closed unless the operator opens it), and for those who
 * are logged in: another password, and the end of the account.
 *
 * A password crosses the wire, so all of it happens only where a login would be allowed (core/early.h). Names of administrators cannot be
 * registered: whoever came first would be one.
 */
#include <pthread.h>

#include "node/api.h"
#include "proto/addr/escape.h"
#include "proto/base/tally.h"
#include "proto/forms/dataform.h"
#include "proto/xml/names.h"

#define STRANGERS   65536
#define HOUR_MS     3600000
#define INSTRUCTIONS STR("Choose a username and password for use with this service.")

extern const struct module mod_register;

static const struct option options[] = {
	{ .name = "open", .kind = OPTION_BOOL, .default_text = "false", .per_host = true, .needs_restart = true,
	  .doc = "People may make accounts for themselves, from their clients." },
	{ .name = "networks", .kind = OPTION_CIDRS, .per_host = true, .needs_restart = true,
	  .doc = "From which addresses accounts may be made; none given: from all." },
	{ .name = "per_hour", .kind = OPTION_INT, .default_text = "5", .min = 0, .max = 1000000, .unit = "accounts", .per_host = true,
	  .needs_restart = true, .doc = "That one address may make in an hour (limits.exempt aside); 0 means no limit." },
	{ .name = "min_password", .kind = OPTION_INT, .default_text = "6", .min = 1, .max = 1000, .unit = "bytes", .per_host = true,
	  .needs_restart = true, .doc = "Shortest password that a client may set." },
	{ .name = "welcome", .kind = OPTION_STRING, .default_text = "\"\"", .per_host = true, .needs_restart = true,
	  .doc = "A message to whoever made an account; empty: none." },
	{ .name = "change_password", .kind = OPTION_BOOL, .default_text = "true", .per_host = true, .needs_restart = true,
	  .doc = "Who is logged in may set another password." },
	{ .name = "cancel", .kind = OPTION_BOOL, .default_text = "true", .per_host = true, .needs_restart = true,
	  .doc = "Who is logged in may remove the account." },
};

static const struct dataform_row rows[] = {
	{ .kind = DATAFORM_TEXT_SINGLE, .var = "username", .label = "Username", .required = true },
	{ .kind = DATAFORM_TEXT_PRIVATE, .var = "password", .label = "Password", .required = true },
};

struct host_part {
	bool open, may_change, may_cancel;
	const struct cidr *networks;
	size_t n_networks, min_password;
	struct str welcome;
	struct bucket_rate rate;
	pthread_mutex_t lock; /* guards: */
	struct tally made;    /* by address */
};

static enum err host_start(struct host *h, struct buf *why)
{
	struct host_part *p = host_slot(h, &mod_register);
	uint64_t per_hour = (uint64_t)module_int(h, &mod_register, "per_hour");
	p->open = module_bool(h, &mod_register, "open") && !h->anonymous;
	p->may_change = module_bool(h, &mod_register, "change_password") && !h->anonymous;
	p->may_cancel = module_bool(h, &mod_register, "cancel") && !h->anonymous;
	p->networks = option_cidrs(module_value(h, &mod_register, "networks"), &p->n_networks);
	p->min_password = (size_t)module_int(h, &mod_register, "min_password");
	p->welcome = arena_str(h->arena, module_str(h, &mod_register, "welcome"));
	p->rate = bucket_rate_of(per_hour, HOUR_MS, per_hour);
	pthread_mutex_init(&p->lock, NULL);
	tally_init(&p->made, STRANGERS, HOUR_MS);
	return ERR_NONE;
}

static void host_stop(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_register);
	tally_fini(&p->made);
	pthread_mutex_destroy(&p->lock);
}

/* ---- what is asked and answered ---- */

static bool is_open_to(struct host *h, const struct ip *peer)
{
	const struct host_part *p = host_slot(h, &mod_register);
	return p->open && (!p->n_networks || cidr_any_has(p->networks, p->n_networks, peer));
}

struct wishes {
	struct str username, password;
};

/* Both ways of section 4: a form goes before the fields beside it. */
static struct wishes wishes_read(struct arena *a, const struct elem *query)
{
	struct dataform f;
	const struct elem *x = dataform_find(query), *e;
	struct wishes w = { STR_NONE, STR_NONE };
	if (x && dataform_read(a, x, &f) == ERR_NONE) {
		w.username = dataform_str(a, &f, "username");
		w.password = dataform_str(a, &f, "password");
		return w;
	}
	if ((e = elem_child(query, NS_REGISTER, "username")))
		w.username = elem_text(a, e);
	if ((e = elem_child(query, NS_REGISTER, "password")))
		w.password = elem_text(a, e);
	return w;
}

static bool is_set(struct str s)
{
	return str_present(s) && !str_empty(s);
}

static enum stanza_error error_of(enum err err)
{
	return err == ERR_EXISTS ? STANZA_CONFLICT : err == ERR_INVALID ? STANZA_NOT_ACCEPTABLE : stored_error(err);
}

/* ---- new accounts, before login ---- */

static bool take_turn(struct host *h, const struct ip *peer, uint64_t now_ms)
{
	struct host_part *p = host_slot(h, &mod_register);
	uint64_t key = limits_address_key(h->node->limits, peer);
	if (!key)
		return true;
	pthread_mutex_lock(&p->lock);
	bool fine = bucket_try(&tally_touch(&p->made, key, now_ms)->bucket, &p->rate, 1, now_ms);
	pthread_mutex_unlock(&p->lock);
	return fine;
}

static void tell_too_many(const struct early *e)
{
	char text[IP_TEXT_BYTES];
	LOG(LOG_WARN, "register", "too many accounts from one address (modules.register.per_hour)",
	    L_STR("peer", ip_format(text, &e->peer)), L_STR("host", e->host->name));
	count_limit(e->nw, LIMIT_REGISTRATIONS);
}

struct birth_wish {
	struct early *early; /* held */
	struct jid jid;      /* in the stanza's arena's copy below */
	struct arena *arena;
};

static void on_made(const struct account_answer *a)
{
	struct birth_wish *w = a->arg;
	struct early *e = w->early;
	struct host *h = e->host;
	const struct host_part *p = host_slot(h, &mod_register);
	struct elem *root;
	struct stanza *reply = a->err ? NULL : stanza_result(e->stanza, &root);
	if (!a->err && p->welcome.len) {
		struct stanza *st = crowd_message(h, TYPE_NORMAL, STR("Welcome!"), p->welcome);
		stanza_stamp_to(st, &w->jid);
		router_route(e->nw, st);
	}
	early_finish(e, reply, error_of(a->err), STR_NONE);
	arena_free(w->arena);
}

/* A name that no account can have; if it could be escaped, how (XEP-0106): what people type holds spaces and at signs. */
static int refuse_name(struct early *e, struct arena *a, struct str name)
{
	struct jid jid;
	struct str escaped, text = STR_NONE;
	if (jid_escape(a, name, &escaped) == ERR_NONE && jid_make(a, escaped, e->host->name, STR_NONE, &jid) == ERR_NONE)
		text = arena_printf(a, "a user name cannot be like this; '%.*s' would do", STR_ARG(jid_local(&jid)));
	early_finish(early_hold(e), NULL, STANZA_NOT_ACCEPTABLE, text);
	arena_free(a);
	return HOLD;
}

static int make(struct early *e)
{
	struct host *h = e->host;
	const struct host_part *p = host_slot(h, &mod_register);
	struct arena *a = arena_new(1024);
	struct birth_wish *w = arena_zalloc(a, sizeof *w);
	struct wishes wish = wishes_read(a, e->payload);
	enum stanza_error error = STANZA_ERROR_NONE;
	if (!is_set(wish.username) || !is_set(wish.password) || wish.password.len < p->min_password)
		error = STANZA_NOT_ACCEPTABLE;
	else if (jid_make(a, wish.username, h->name, STR_NONE, &w->jid) != ERR_NONE || !jid_has_local(&w->jid))
		return refuse_name(e, a, wish.username);
	else if (role_of(h, &w->jid) > ROLE_USER)
		error = STANZA_NOT_ALLOWED;
	else if (!take_turn(h, &e->peer, e->nw->worker->now_ms))
		error = STANZA_RESOURCE_CONSTRAINT;
	if (error == STANZA_RESOURCE_CONSTRAINT)
		tell_too_many(e);
	if (error) {
		arena_free(a);
		return -(int)error;
	}
	w->arena = a;
	w->early = early_hold(e);
	account_add(h, &w->jid, wish.password, on_made, w);
	return HOLD;
}

static int early_iq(struct early *e)
{
	struct elem *root;
	const struct host_part *p = host_slot(e->host, &mod_register);
	if (!elem_is(e->payload, NS_REGISTER, "query"))
		return PASS;
	if (e->stanza->type == TYPE_SET && elem_child(e->payload, NS_REGISTER, "remove")) /* of whom? section 3.2 */
		return -STANZA_UNEXPECTED_REQUEST;
	if (!is_open_to(e->host, &e->peer))
		return p->open ? -STANZA_NOT_ALLOWED : -STANZA_SERVICE_UNAVAILABLE;
	if (e->stanza->type == TYPE_SET)
		return make(e);
	struct stanza *reply = stanza_result(e->stanza, &root);
	struct arena *a = reply->arena;
	struct elem *q = elem_add(a, root, NS_REGISTER, STR("query"));
	elem_add_text(a, q, STR("instructions"), INSTRUCTIONS);
	elem_add(a, q, STR_NONE, STR("username"));
	elem_add(a, q, STR_NONE, STR("password"));
	struct elem *x = dataform_titled(a, q, DATAFORM_FORM, NS_REGISTER, STR("Registration"), INSTRUCTIONS);
	dataform_rows_write(a, x, rows, sizeof rows / sizeof *rows);
	early_send(e, reply);
	return DONE;
}

static void early_features(struct host *h, const struct ip *peer, struct arena *a, struct elem *features)
{
	if (is_open_to(h, peer))
		elem_add(a, features, NS_REGISTER_FEATURE, STR("register"));
}

/* ---- for who is logged in ---- */

static bool is_at_home(const struct iq *iq)
{
	return iq_session(iq) && jid_has_local(&iq->stanza->from) && str_eq(jid_domain(&iq->stanza->from), iq->host->name);
}

static int on_get(struct iq *iq)
{
	struct elem *root;
	const struct host_part *p = host_slot(iq->host, &mod_register);
	if (!is_at_home(iq) || (!p->may_change && !p->may_cancel))
		return -STANZA_SERVICE_UNAVAILABLE;
	struct stanza *reply = iq_result(iq, &root);
	struct arena *a = reply->arena;
	struct elem *q = elem_add(a, root, NS_REGISTER, STR("query"));
	elem_add(a, q, STR_NONE, STR("registered"));
	elem_add_text(a, q, STR("instructions"), STR("You have an account here; you may choose another password for it."));
	elem_add_text(a, q, STR("username"), arena_str(a, jid_local(&iq->stanza->from)));
	elem_add(a, q, STR_NONE, STR("password"));
	iq_send(iq, reply);
	return DONE;
}

static void on_changed(const struct account_answer *a)
{
	struct elem *root;
	struct iq *iq = a->arg;
	iq_finish(iq, a->err ? NULL : iq_result(iq, &root), error_of(a->err), STR_NONE);
}

static int change(struct iq *iq, const struct wishes *w)
{
	const struct host_part *p = host_slot(iq->host, &mod_register);
	if (!p->may_change)
		return -STANZA_NOT_ALLOWED;
	if (!is_set(w->password)) /* the password stays as it is */
		return -STANZA_BAD_REQUEST;
	if (w->password.len < p->min_password)
		return -STANZA_NOT_ACCEPTABLE;
	struct iq *held = iq_hold(iq);
	struct account_ask ask = { .store = iq->host->store, .host = iq->host->name, .user = jid_local(&iq->stanza->from),
				   .on_done = on_changed, .arg = held };
	enum err err = account_set_password(&ask, w->password, iq->host->scram_iterations);
	if (err)
		iq_finish(held, NULL, error_of(err), STR_NONE);
	return HOLD;
}

/* Sections 3.2: alone in its query; its sender's sessions end with it, and so the answer often has nobody to go to. */
static int cancel(struct iq *iq)
{
	const struct host_part *p = host_slot(iq->host, &mod_register);
	const struct elem *first = elem_first(iq->payload);
	if (!p->may_cancel)
		return -STANZA_NOT_ALLOWED;
	if (!first || elem_next(first))
		return -STANZA_BAD_REQUEST;
	account_remove(iq->host, &iq->stanza->from, "you have removed your account", on_changed, iq_hold(iq));
	return HOLD;
}

static int on_set(struct iq *iq)
{
	struct jid named;
	if (!is_at_home(iq))
		return -STANZA_SERVICE_UNAVAILABLE;
	if (elem_child(iq->payload, NS_REGISTER, "remove"))
		return cancel(iq);
	struct arena *a = arena_new(512);
	struct wishes w = wishes_read(a, iq->payload);
	int verdict = is_set(w.username) ? -STANZA_NOT_ACCEPTABLE : -STANZA_BAD_REQUEST;
	if (is_set(w.username) && jid_make(a, w.username, iq->host->name, STR_NONE, &named) == ERR_NONE)
		verdict = jid_bare_eq(&named, &iq->stanza->from) ? change(iq, &w) : -STANZA_NOT_ALLOWED;
	arena_free(a);
	return verdict;
}

static const struct iq_route iqs[] = {
	{ IQ_HOST | IQ_OWN, TYPE_GET, &NS_REGISTER, "query", on_get },
	{ IQ_HOST | IQ_OWN, TYPE_SET, &NS_REGISTER, "query", on_set },
};
static const char *const features[] = { "jabber:iq:register", NULL };

const struct module mod_register = {
	.name = "register",
	.xep = "XEP-0077",
	.version = "2.4",
	.doc = "Lets people make accounts, and change passwords, from their clients.",
	.features = features,
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.iqs = iqs,
	.n_iqs = 2,
	.hooks = { .early_iq = early_iq, .early_features = early_features },
	.host_slot = sizeof(struct host_part),
	.host_start = host_start,
	.host_stop = host_stop,
};
