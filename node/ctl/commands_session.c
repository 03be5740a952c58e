/*
 * commands_session.c: who is connected, and ending that; names as in ejabberdctl.
 */
#include <stdlib.h>

#include "node/core/session.h"
#include "node/core/sm_session.h"
#include "node/ctl/errand.h"
#include "node/ctl/show.h"

#define LIMIT_MAX 1000000

/* ---- walks over sessions ---- */

struct who {
	struct visit visit;
	struct call *call;
	struct host *host;           /* NULL: all */
	struct jid jid;              /* of one account; absent: all */
	json_t *(*tell)(const struct session *s);
	json_t *list;
	uint64_t count;
	struct str after;            /* those behind this address */
	uint64_t limit;              /* at most so many; 0: all */
	/* the worker whose turn it is */
	unsigned worker;
	struct str last;             /* told by it; absent: none yet */
	uint64_t here;               /* how many it told */
	bool more;
};

/* ---- a page: the first by address. A heap whose root is the last of them, so that a worker with very many sessions looks at each once,
 * tells a few, and has others served before it tells more. ---- */

#define PAGE_MAX 500

struct page {
	const struct session *at[PAGE_MAX];
	size_t n, max;
};

static int by_address(const struct session *a, const struct session *b)
{
	return str_cmp(jid_str(&a->jid), jid_str(&b->jid));
}

static void page_sink(struct page *p, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < p->n; i = child) {
		if (child + 1 < p->n && by_address(p->at[child + 1], p->at[child]) > 0)
			child++;
		if (by_address(p->at[child], p->at[i]) <= 0)
			return;
		const struct session *s = p->at[i];
		p->at[i] = p->at[child];
		p->at[child] = s;
	}
}

static void page_add(struct page *p, const struct session *s)
{
	if (p->n < p->max) {
		p->at[p->n++] = s;
		for (size_t i = p->n == p->max ? p->n / 2 : 0; i-- > 0;)
			page_sink(p, i);
	} else if (p->n && by_address(s, p->at[0]) < 0) {
		p->at[0] = s;
		page_sink(p, 0);
	}
}

static bool is_wanted(const struct who *w, const struct session *s)
{
	struct str behind = str_present(w->last) ? w->last : w->after;
	return (!w->host || s->user->host == w->host) && (!str_present(behind) || str_cmp(jid_str(&s->jid), behind) > 0);
}

static void page_on_worker(struct visit *v, struct node_worker *nw)
{
	struct who *w = (struct who *)v;
	struct str key;
	void *value;
	struct page page = { .max = w->limit && w->limit - w->here < PAGE_MAX ? w->limit - w->here : PAGE_MAX };
	for (size_t i = 0; map_next(&nw->sessions, &i, &key, &value);)
		if (is_wanted(w, value))
			page_add(&page, value);
	for (size_t i = 0; i < page.n; i++)
		json_array_append_new(w->list, w->tell(page.at[i]));
	w->here += page.n;
	w->more = page.n == page.max && w->here != w->limit;
	if (w->more)
		w->last = arena_str(w->call->arena, jid_str(&page.at[0]->jid));
}

static void count_on_worker(struct visit *v, struct node_worker *nw)
{
	struct who *w = (struct who *)v;
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&nw->sessions, &i, &key, &value);)
		w->count += !w->host || ((const struct session *)value)->user->host == w->host;
}

static void who_of_user(struct visit *v, struct node_worker *nw)
{
	struct who *w = (struct who *)v;
	const struct user *u = user_find(nw, jid_str(&w->jid));
	for (const struct session *s = u ? u->sessions : NULL; s; s = s->next) {
		w->count++;
		if (w->tell)
			json_array_append_new(w->list, w->tell(s));
	}
}

static void on_list(struct visit *v)
{
	struct who *w = (struct who *)v;
	call_ok(w->call, show_sorted(w->list, w->limit), "%s", "");
}

static void on_count(struct visit *v)
{
	struct who *w = (struct who *)v;
	json_decref(w->list);
	call_ok(w->call, json_integer((json_int_t)w->count), "%llu", (unsigned long long)w->count);
}

static struct who *who_new(struct call *c, json_t *(*tell)(const struct session *s))
{
	struct who *w = arena_zalloc(c->arena, sizeof *w);
	w->call = c;
	w->tell = tell;
	w->list = json_array();
	return w;
}

static void on_page(struct visit *v);

static void page_ask(struct who *w)
{
	struct node *n = w->call->node;
	w->more = false;
	visit_one(&w->visit, n, n->workers[w->worker], page_on_worker, on_page);
}

static void on_page(struct visit *v)
{
	struct who *w = (struct who *)v;
	if (!w->more) {
		w->worker++;
		w->last = STR_NONE;
		w->here = 0;
	}
	if (w->worker == w->call->node->n_workers) {
		on_list(v);
	} else if (w->call->node->draining) { /* the next worker may have ended */
		json_decref(w->list);
		call_fail(w->call, CTL_FAILED, "the node is stopping");
	} else {
		page_ask(w);
	}
}

static void list_all(struct call *c, json_t *(*tell)(const struct session *s))
{
	struct host *h = NULL;
	struct str text = call_option(c, "limit");
	uint64_t limit = 0;
	if ((c->n_args && !(h = call_host(c, 0))) || (str_present(text) && !call_number(c, text, "--limit", 1, LIMIT_MAX, &limit)))
		return;
	struct who *w = who_new(c, tell);
	w->host = h;
	w->limit = limit;
	w->after = call_option(c, "after");
	page_ask(w);
}

static void list_user(struct call *c, json_t *(*tell)(const struct session *s), void (*on_done)(struct visit *v))
{
	struct jid jid;
	struct host *h = call_host(c, 1);
	if (!h || !call_user(c, 0, h, &jid))
		return;
	struct who *w = who_new(c, tell);
	w->jid = jid;
	visit_one(&w->visit, c->node, node_shard(c->node, jid_str(&w->jid)), who_of_user, on_done);
}

/* ---- what is told of one ---- */

static json_t *tell_jid(const struct session *s)
{
	return json_str(jid_str(&s->jid));
}

static json_t *tell_resource(const struct session *s)
{
	return json_str(jid_resource(&s->jid));
}

static void add_outlet(json_t *o, const struct outlet *outlet)
{
	struct outlet_info info;
	outlet->ops->describe(outlet, &info);
	json_object_set_new(o, "ip", json_string(info.ip));
	json_object_set_new(o, "port", json_integer(info.port));
	json_object_set_new(o, "tls", *info.tls ? json_string(info.tls) : json_null());
	json_object_set_new(o, "queue_bytes", json_integer((json_int_t)info.queue_bytes));
	json_object_set_new(o, "held", json_integer(info.holds));
}

/* As ejabberdctl says it: what the presence shows. */
static json_t *tell_status(const struct session *s)
{
	const struct elem *show = s->presence ? elem_child(s->presence->root, s->presence->root->ns, "show") : NULL;
	struct arena *a = arena_new(256);
	struct str text = show ? str_trim(elem_text(a, show)) : STR("");
	json_t *status = !s->presence ? json_string("unavailable") : text.len ? json_str(text) : json_string("available");
	arena_free(a);
	return status;
}

/* What its client has not acknowledged, and how long it is waited for. */
static void add_sm(json_t *o, const struct session *s)
{
	struct sm_info info;
	sm_session_describe(s, &info);
	json_object_set_new(o, "sm", json_string(info.state));
	json_object_set_new(o, "queue", json_integer(info.unacked));
	if (sm_session_is_detached(s))
		json_object_set_new(o, "detached_s", json_integer((json_int_t)(info.left_ms + 999) / 1000));
}

static json_t *tell_all(const struct session *s)
{
	json_t *o = json_object();
	json_object_set_new(o, "jid", tell_jid(s));
	json_object_set_new(o, "resource", tell_resource(s));
	json_object_set_new(o, "available", json_boolean(session_is_available(s)));
	json_object_set_new(o, "priority", json_integer(s->priority));
	json_object_set_new(o, "status", tell_status(s));
	json_object_set_new(o, "uptime_s", json_integer((worker_wall_ms() - s->bound_wall_ms) / 1000));
	json_object_set_new(o, "worker", json_string(s->nw->worker->name));
	json_object_set_new(o, "connection", json_string(sm_session_is_detached(s) ? "detached" : s->secure ? "c2s_tls" : "c2s"));
	if (s->outlet)
		add_outlet(o, s->outlet);
	add_sm(o, s);
	return o;
}

static void run_connected_users(struct call *c)
{
	list_all(c, tell_jid);
}

static void run_connected_users_info(struct call *c)
{
	list_all(c, tell_all);
}

static void run_connected_users_number(struct call *c)
{
	struct host *h = NULL;
	if (c->n_args && !(h = call_host(c, 0)))
		return;
	struct who *w = who_new(c, NULL);
	w->host = h;
	visit_all(&w->visit, c->node, count_on_worker, on_count);
}

static void run_user_resources(struct call *c)
{
	list_user(c, tell_resource, on_list);
}

static void run_user_sessions_info(struct call *c)
{
	list_user(c, tell_all, on_list);
}

static void run_num_resources(struct call *c)
{
	list_user(c, NULL, on_count);
}

/* ---- ending sessions ---- */

static void on_kicked(struct errand *e)
{
	call_ok(e->call, json_integer(e->kicked), "%u session%s of %.*s ended", e->kicked, e->kicked == 1 ? "" : "s",
		STR_ARG(jid_str(&e->jid)));
}

static void run_kick_user(struct call *c)
{
	struct jid jid;
	struct host *h = call_host(c, 1);
	if (h && call_user(c, 0, h, &jid))
		errand_kick(errand_of(c, h, &jid), "you were disconnected by an administrator", on_kicked);
}

static void on_session_kicked(struct errand *e)
{
	if (e->kicked)
		on_kicked(e);
	else
		call_fail(e->call, CTL_FAILED, "%.*s has no session with that resource", STR_ARG(jid_str(&e->jid)));
}

static void run_kick_session(struct call *c)
{
	struct jid jid;
	struct host *h = call_host(c, 1);
	if (!h || !call_user(c, 0, h, &jid))
		return;
	struct errand *e = errand_of(c, h, &jid);
	struct jid full;
	if (jid_make(c->arena, jid_local(&jid), h->name, c->args[2], &full) != ERR_NONE || !jid_is_full(&full)) {
		call_fail(c, CTL_FAILED, "'%s' cannot be a resource", c->args[2].p);
		return;
	}
	e->resource = jid_resource(&full);
	errand_kick(e, c->n_args > 3 ? c->args[3].p : "you were disconnected by an administrator", on_session_kicked);
}

static const struct command commands[] = {
	{ "connected_users", "[HOST] --limit=N --after=JID", COMMAND_READS | COMMAND_EVERYWHERE,
	  "Lists connected full JIDs by address.", run_connected_users },
	{ "connected_users_info", "[HOST] --limit=N --after=JID", COMMAND_READS | COMMAND_EVERYWHERE,
	  "The same with address, TLS, priority, uptime, and what waits to be sent or acknowledged.", run_connected_users_info },
	{ "connected_users_number", "[HOST]", COMMAND_READS | COMMAND_EVERYWHERE,
	  "Tells how many sessions there are.", run_connected_users_number },
	{ "user_resources", "USER HOST", COMMAND_READS | COMMAND_HOME,
	  "Lists an account's connected resources.", run_user_resources },
	{ "user_sessions_info", "USER HOST", COMMAND_READS | COMMAND_HOME,
	  "Like connected_users_info, for one account.", run_user_sessions_info },
	{ "num_resources", "USER HOST", COMMAND_READS | COMMAND_HOME,
	  "Tells how many resources of an account are connected.", run_num_resources },
	{ "kick_user", "USER HOST", COMMAND_HOME, "Ends all sessions of an account.", run_kick_user },
	{ "kick_session", "USER HOST RESOURCE [REASON...]", COMMAND_HOME, "Ends one session.", run_kick_session },
	{ 0 },
};

const struct command_group ctl_session = { "session", "Sessions.", commands };
