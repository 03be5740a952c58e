#include "node/ctl/errand.h"

#include "node/core/session.h"

bool errand_has_accounts(struct call *c, const struct host *h)
{
	if (h->anonymous)
		call_fail(c, CTL_FAILED, "%s is an anonymous host: it has no accounts", h->name.p);
	return !h->anonymous;
}

struct errand *errand_of(struct call *c, struct host *h, const struct jid *jid)
{
	struct errand *e = arena_zalloc(c->arena, sizeof *e);
	e->call = c;
	e->host = h;
	if (jid)
		e->jid = *jid;
	return e;
}

bool errand_new(struct call *c, unsigned user, unsigned host, struct errand **out)
{
	struct jid jid;
	struct host *h = call_host(c, host);
	if (!h || !errand_has_accounts(c, h) || !call_user(c, user, h, &jid))
		return false;
	*out = errand_of(c, h, &jid);
	return true;
}

struct account_ask errand_ask(struct errand *e, void (*on_done)(const struct account_answer *a))
{
	return (struct account_ask){
		.store = e->host->store, .host = e->host->name, .user = jid_local(&e->jid), .on_done = on_done, .arg = e,
	};
}

bool errand_failed(struct errand *e, enum err err)
{
	struct call *c = e->call;
	if (err == ERR_NONE)
		return false;
	c->err = err;
	if (err == ERR_EXISTS)
		call_fail(c, CTL_FAILED, "User %.*s is already registered", STR_ARG(jid_str(&e->jid)));
	else if (err == ERR_NOT_FOUND)
		call_fail(c, CTL_FAILED, "User %.*s is not registered", STR_ARG(jid_str(&e->jid)));
	else if (err == ERR_INVALID)
		call_fail(c, CTL_FAILED, "that password is empty or has characters that are not allowed in passwords");
	else if (err == ERR_LIMIT)
		call_fail(c, CTL_FAILED, "an argument is too long, or too much waits already");
	else
		call_fail(c, CTL_FAILED, "the store answers: %s", err_name(err));
	return true;
}

/* ---- kicking ---- */

static void on_kicked(struct visit *v)
{
	struct errand *e = (struct errand *)v;
	e->then(e);
}

static struct session *next_to_kick(const struct errand *e, struct node_worker *nw)
{
	const struct user *u = user_find(nw, jid_bare_str(&e->jid));
	if (!u)
		return NULL;
	return str_present(e->resource) ? user_session(u, e->resource) : u->sessions;
}

/* The user may go with its last session: it is looked up again each time. */
static void kick_on_worker(struct visit *v, struct node_worker *nw)
{
	struct errand *e = (struct errand *)v;
	struct session *s, *before = NULL;
	while ((s = next_to_kick(e, nw)) && s != before) {
		before = s;
		session_close(s, STREAM_NOT_AUTHORIZED, str_of(e->why));
		e->kicked++;
	}
}

void errand_kick(struct errand *e, const char *why, void (*then)(struct errand *e))
{
	e->why = why;
	e->then = then;
	visit_one(&e->visit, e->call->node, node_shard(e->call->node, jid_bare_str(&e->jid)), kick_on_worker, on_kicked);
}
