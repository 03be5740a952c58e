#include "node/mod/shared/shared_deeds.h"

#include <stdlib.h>

#define WAITING_MAX 1000
#define AGAIN_MS    5000
#define PAGE        1000

const struct store_space shared_space = { "shared-groups", STORE_MAP };

/* ---- the queue ---- */

static void pump(struct shared_host *p)
{
	if (p->busy || !p->ready || !p->first)
		return;
	struct shared_deed *d = p->first;
	p->first = d->next;
	p->n_waiting--;
	p->busy = true;
	d->run(d);
}

static void next(struct shared_host *p)
{
	p->busy = false;
	pump(p);
}

void shared_deed_end(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	arena_free(d->arena);
	next(p);
}

void shared_deed_fail(struct shared_deed *d, const char *why)
{
	if (d->call)
		call_fail(d->call, CTL_FAILED, "%s", why);
	else
		LOG(LOG_ERROR, "shared", "shared groups cannot be read or written", L_STR("host", d->host->name), L_Z("reason", why));
	shared_deed_end(d);
}

void shared_deed_done(void *arg)
{
	struct shared_deed *d = arg;
	if (d->call)
		call_ok(d->call, NULL, "%s", d->done);
	shared_deed_end(d);
}

/* ---- all nodes hear of a change ---- */

enum step { STEP_CHANGE, STEP_SETTLE };

static const struct jid *whom(const struct shared_deed *d)
{
	return jid_present(&d->user) ? &d->user : NULL;
}

static void on_settled_everywhere(void *arg)
{
	struct shared_deed *d = arg;
	call_ok(d->call, NULL, "%s", d->done);
	arena_free(d->arena);
}

static void on_settled(void *arg)
{
	struct shared_deed *d = arg;
	accord(d->host, &mod_shared, STEP_SETTLE, on_settled_everywhere, d);
}

static void on_changed_everywhere(void *arg)
{
	struct shared_deed *d = arg;
	ties_run(d->host, whom(d), 1u << TIES_SETTLE, on_settled, d);
}

/* The next deed begins: another node's may be waiting for it, as this one for that node's. */
static void on_changed(void *arg)
{
	struct shared_deed *d = arg;
	next(shared_host(d->host));
	accord(d->host, &mod_shared, STEP_CHANGE, on_changed_everywhere, d);
}

void shared_deed_spread(struct shared_deed *d)
{
	ties_run(d->host, whom(d), 1u << TIES_LOOK | 1u << TIES_CHANGE, on_changed, d);
}

struct shared_deed *shared_deed_new(struct host *h, void (*run)(struct shared_deed *d))
{
	struct arena *a = arena_new(512);
	struct shared_deed *d = arena_zalloc(a, sizeof *d);
	*d = (struct shared_deed){ .arena = a, .host = h, .run = run };
	return d;
}

void shared_deed_queue(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	if (d->call && p->n_waiting >= WAITING_MAX) {
		call_fail(d->call, CTL_FAILED, "too many changes of shared groups wait already");
		arena_free(d->arena);
		return;
	}
	if (!p->first)
		p->end = &p->first;
	*p->end = d;
	p->end = &d->next;
	p->n_waiting++;
	pump(p);
}

void shared_drop(struct shared_host *p)
{
	while (p->first) {
		struct shared_deed *d = p->first;
		p->first = d->next;
		arena_free(d->arena);
	}
}

/* ---- loading ---- */

static void load(struct shared_host *p);

static void on_again(struct timer *t)
{
	load((struct shared_host *)((char *)t - offsetof(struct shared_host, again)));
}

static void load_later(struct shared_host *p, enum err err)
{
	LOG(LOG_ERROR, "shared", "shared groups cannot be read, trying again", L_STR("host", p->host->name), L_ERR(err));
	p->again.on_timer = on_again;
	worker_timer_set(p->host->node->main, &p->again, AGAIN_MS);
}

static void loaded(void *arg)
{
	struct shared_host *p = arg;
	p->ready = true;
	atomic_fetch_sub(&p->host->node->loading, 1);
	pump(p);
}

static void roll_call(struct shared_roll *r, struct str after);

static void on_names(const struct account_answer *a)
{
	struct shared_roll *r = a->arg;
	struct shared_host *p = r->p;
	bool full = false;
	if (a->err) {
		r->then(r, a->err);
		return;
	}
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; i < a->n_rows && !full; i++) {
		full = p->groups.n_told >= p->max_accounts;
		if (!full)
			shared_set_account(&p->groups, a->rows[i].key, true);
	}
	pthread_mutex_unlock(&p->lock);
	if (full)
		LOG(LOG_WARN, "shared", "more accounts than count for groups of all", L_STR("host", p->host->name),
		    L_UINT("accounts", p->max_accounts));
	if (a->more && a->n_rows && !full) {
		roll_call(r, a->rows[a->n_rows - 1].key);
		return;
	}
	pthread_mutex_lock(&p->lock);
	shared_accounts_end(&p->groups);
	pthread_mutex_unlock(&p->lock);
	r->then(r, ERR_NONE);
}

static void roll_call(struct shared_roll *r, struct str after)
{
	struct account_ask ask = { .store = r->p->host->store, .host = r->p->host->name, .on_done = on_names, .arg = r };
	enum err err = account_list(&ask, after, PAGE);
	if (err)
		r->then(r, err);
}

void shared_roll_call(struct shared_host *p, struct shared_deed *d, void (*then)(struct shared_roll *r, enum err err))
{
	struct shared_roll *r = xzalloc(sizeof *r);
	*r = (struct shared_roll){ .p = p, .deed = d, .then = then };
	p->counts_accounts = true;
	pthread_mutex_lock(&p->lock);
	shared_accounts_begin(&p->groups);
	pthread_mutex_unlock(&p->lock);
	roll_call(r, STR_NONE);
}

static void on_loaded_names(struct shared_roll *r, enum err err)
{
	struct shared_host *p = r->p;
	free(r);
	if (err)
		load_later(p, err);
	else
		ties_spread(p->host, NULL, loaded, p);
}

/* Puts what is stored in the place of what was known. True: some group is of all accounts. */
static bool take_rows(struct shared_host *p, const struct store_op *op)
{
	bool all = false, online = false;
	pthread_mutex_lock(&p->lock);
	while (p->groups.n)
		shared_del(&p->groups, p->groups.v[p->groups.n - 1]);
	for (uint32_t i = 0; i < op->first->n_rows; i++)
		if (shared_parse(&p->groups, op->arena, op->first->rows[i].key, op->first->rows[i].value) != ERR_NONE)
			LOG(LOG_WARN, "shared", "a stored group cannot be used", L_STR("group", op->first->rows[i].key));
	for (unsigned i = 0; i < p->groups.n; i++) {
		all |= p->groups.v[i]->all;
		online |= p->groups.v[i]->online;
	}
	p->any = p->groups.n > 0;
	p->counts_online |= online;
	pthread_mutex_unlock(&p->lock);
	return all;
}

static void on_rows(struct store_op *op)
{
	struct shared_host *p = op->arg;
	if (op->err) {
		load_later(p, op->err);
		return;
	}
	if (take_rows(p, op))
		shared_roll_call(p, NULL, on_loaded_names);
	else if (p->any)
		ties_spread(p->host, NULL, loaded, p);
	else
		loaded(p);
}

static void load(struct shared_host *p)
{
	struct store_op *op = store_op_new(p->host->name, STR(""), on_rows, p);
	store_map_all(op, &shared_space, STR_NONE, SHARED_GROUPS_MAX);
	enum err err = store_submit(p->host->store, op);
	if (err)
		load_later(p, err);
}

void shared_boot(struct worker *w, struct message *m, bool cancelled)
{
	if (!cancelled)
		load((struct shared_host *)((char *)m - offsetof(struct shared_host, boot)));
}

/* ---- what other nodes have changed: a deed like others, so that it does not undo what is under way ---- */

/* Asked by another node, which settles when all know; or all at once. */
static void spread_again(struct shared_deed *d)
{
	ties_run(d->host, NULL, 1u << TIES_LOOK | 1u << (d->call ? TIES_CHANGE : TIES_LATE), shared_deed_done, d);
}

static void on_names_again(struct shared_roll *r, enum err err)
{
	struct shared_deed *d = r->deed;
	free(r);
	if (err)
		LOG(LOG_ERROR, "shared", "accounts cannot be listed again", L_STR("host", d->host->name), L_ERR(err));
	spread_again(d);
}

static void on_rows_again(struct store_op *op)
{
	struct shared_deed *d = op->arg;
	struct shared_host *p = shared_host(d->host);
	if (op->err) {
		shared_deed_fail(d, err_name(op->err));
	} else if (take_rows(p, op)) {
		shared_roll_call(p, d, on_names_again);
	} else {
		spread_again(d);
	}
}

static void read_again(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	if (!d->call)
		p->stale = false;
	struct store_op *op = store_op_new(d->host->name, STR(""), on_rows_again, d);
	store_map_all(op, &shared_space, STR_NONE, SHARED_GROUPS_MAX);
	enum err err = store_submit(d->host->store, op);
	if (err)
		shared_deed_fail(d, err_name(err));
}

static void on_stale(struct worker *w, struct message *m, bool cancelled)
{
	struct shared_deed *d = (struct shared_deed *)m;
	if (cancelled)
		arena_free(d->arena);
	else
		shared_deed_queue(d);
}

void shared_stale(struct host *h)
{
	struct shared_host *p = shared_host(h);
	if (h->anonymous || atomic_exchange(&p->stale, true)) /* one that has not begun sees this change as well */
		return;
	struct shared_deed *d = shared_deed_new(h, read_again);
	d->message.run = on_stale;
	worker_post(h->node->main, &d->message);
}

static void on_step_settled(void *arg)
{
	call_ok(arg, NULL, "%s", "settled");
}

void shared_step(struct host *h, unsigned step, struct call *c)
{
	if (h->anonymous || step > STEP_SETTLE) {
		call_fail(c, CTL_USAGE, "there is no such step here");
	} else if (step == STEP_SETTLE) {
		ties_run(h, NULL, 1u << TIES_SETTLE, on_step_settled, c);
	} else {
		struct shared_deed *d = shared_deed_new(h, read_again);
		d->call = c;
		d->done = "changed";
		shared_deed_queue(d);
	}
}

/* ---- removed accounts ---- */

static void on_rewritten(struct store_op *op);

/* As many groups at once as an op takes. */
static void rewrite(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	struct store_op *op = store_op_new(d->host->name, STR(""), on_rewritten, d);
	struct str name;
	pthread_mutex_lock(&p->lock);
	while (op->n_steps < STORE_STEPS_MAX && roster_group_next(&d->names, &name)) {
		const struct shared_group *group = shared_find(&p->groups, name);
		if (group)
			store_map_put(op, &shared_space, name, shared_format(op->arena, group, STR(""), false), 0);
	}
	pthread_mutex_unlock(&p->lock);
	if (!op->n_steps) {
		store_op_cancel(&op);
		shared_deed_end(d);
		return;
	}
	enum err err = store_submit(d->host->store, op);
	if (err)
		shared_deed_fail(d, err_name(err));
}

static void on_rewritten(struct store_op *op)
{
	struct shared_deed *d = op->arg;
	host_changed(d->host, &mod_shared);
	if (op->err)
		shared_deed_fail(op->arg, err_name(op->err));
	else
		rewrite(op->arg);
}

static void on_forget(struct worker *w, struct message *m, bool cancelled)
{
	struct shared_deed *d = (struct shared_deed *)m;
	if (cancelled)
		arena_free(d->arena);
	else
		shared_deed_queue(d);
}

void shared_forget(struct host *h, struct str names)
{
	struct shared_deed *d = shared_deed_new(h, rewrite);
	d->names = arena_str(d->arena, names);
	d->message.run = on_forget;
	worker_post(h->node->main, &d->message);
}
