#include "node/mod/shared/shared_deeds.h"

#include <stdlib.h>

#define WAITING_MAX 1000
#define AGAIN_MS    5000
#define PAGE        1000
#define TRIES       20

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

/* ---- the store did not answer ---- */

static void load(struct shared_host *p);

static void on_again(struct timer *t)
{
	struct shared_host *p = (struct shared_host *)((char *)t - offsetof(struct shared_host, again));
	struct shared_deed *d = p->late;
	if (!p->ready) {
		load(p);
		return;
	}
	if (p->unread)
		shared_stale(p->host);
	p->unread = false;
	p->late = NULL;
	while (d) {
		struct shared_deed *after = d->next;
		d->next = NULL;
		shared_deed_queue(d);
		d = after;
	}
}

static void try_later(struct shared_host *p)
{
	p->again.on_timer = on_again;
	worker_timer_set(p->host->node->main, &p->again, AGAIN_MS);
}

/* A deed that nobody would ask for again: whoever bears the name of an account that is gone must not be in its groups. */
static void try_again(struct shared_deed *d, enum err err)
{
	struct shared_host *p = shared_host(d->host);
	LOG(LOG_ERROR, "shared", "shared groups cannot be written, trying again", L_STR("host", d->host->name), L_ERR(err));
	d->next = p->late;
	p->late = d;
	try_later(p);
	next(p);
}

/* ---- another node was faster ---- */

static void on_read_anew(void *arg, enum err err, bool all)
{
	struct shared_deed *d = arg;
	(void)all; /* who wrote that lets us know */
	if (!err)
		d->run(d);
	else if (d->call)
		shared_deed_fail(d, err_name(err));
	else
		try_again(d, err);
}

bool shared_deed_again(struct store_op *op)
{
	struct shared_deed *d = op->arg;
	struct shared_host *p = shared_host(d->host);
	if (!shared_rows_overtaken(p, op))
		return false;
	if (++d->tries % TRIES)
		shared_rows_read(p, on_read_anew, d);
	else if (d->call)
		shared_deed_fail(d, "other nodes change shared groups all the time");
	else
		try_again(d, op->err);
	return true;
}

/* ---- all nodes hear of a change ---- */

enum step { STEP_CHANGE, STEP_SETTLE };

static const struct jid *whom(const struct shared_deed *d)
{
	return jid_present(&d->user) ? &d->user : NULL;
}

static void on_dropped(void *arg)
{
	arena_free(((struct shared_deed *)arg)->arena);
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
	accord(d->host, &mod_shared, STEP_SETTLE, on_settled_everywhere, on_dropped, d);
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
	accord(d->host, &mod_shared, STEP_CHANGE, on_changed_everywhere, on_dropped, d);
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

static void drop(struct shared_deed *d)
{
	while (d) {
		struct shared_deed *after = d->next;
		arena_free(d->arena);
		d = after;
	}
}

void shared_drop(struct shared_host *p)
{
	drop(p->first);
	drop(p->late);
}

/* ---- loading ---- */

static void read_later(struct shared_host *p, enum err err)
{
	LOG(LOG_ERROR, "shared", "shared groups cannot be read, trying again", L_STR("host", p->host->name), L_ERR(err));
	p->unread = true;
	try_later(p);
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
		read_later(p, err);
	else
		ties_spread(p->host, NULL, loaded, p);
}

static void on_loaded(void *arg, enum err err, bool all)
{
	struct shared_host *p = arg;
	if (err)
		read_later(p, err);
	else if (all)
		shared_roll_call(p, NULL, on_loaded_names);
	else if (p->any)
		ties_spread(p->host, NULL, loaded, p);
	else
		loaded(p);
}

static void load(struct shared_host *p)
{
	shared_rows_read(p, on_loaded, p);
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
		read_later(shared_host(d->host), err);
	spread_again(d);
}

static void on_read_again(void *arg, enum err err, bool all)
{
	struct shared_deed *d = arg;
	struct shared_host *p = shared_host(d->host);
	if (err && d->call) {
		shared_deed_fail(d, err_name(err)); /* who asks lets us know once more */
	} else if (err) {
		read_later(p, err);
		shared_deed_end(d);
	} else if (all) {
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
	shared_rows_read(p, on_read_again, d);
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

/* What was read since he left may have had him in it. */
static void take_out(struct shared_deed *d, struct shared_groups *g, struct shared_group *group)
{
	d->came_back |= shared_has(g, group, d->member);
	shared_leave(g, group, d->member);
}

static void on_rewritten(struct store_op *op);

/* As many groups at once as an op takes. */
static void rewrite(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	struct store_op *op = shared_rows_write_new(p, on_rewritten, d);
	struct str name;
	d->unwritten = d->names;
	pthread_mutex_lock(&p->lock);
	while (shared_rows_has_room(op) && roster_group_next(&d->names, &name)) {
		struct shared_group *group = shared_find(&p->groups, name);
		if (!group)
			continue;
		take_out(d, &p->groups, group);
		shared_rows_put(op, name, shared_format(op->arena, group, STR(""), false), 0);
	}
	pthread_mutex_unlock(&p->lock);
	if (shared_rows_is_empty(op)) {
		store_op_cancel(&op);
		if (d->came_back)
			ties_spread(d->host, &d->user, NULL, NULL);
		shared_deed_end(d);
		return;
	}
	enum err err = store_submit(d->host->store, op);
	if (err) {
		d->names = d->unwritten;
		try_again(d, err);
	}
}

static void on_rewritten(struct store_op *op)
{
	struct shared_deed *d = op->arg;
	struct str rest = d->names;
	d->names = d->unwritten; /* if it begins anew */
	if (shared_deed_again(op))
		return;
	host_changed(d->host, &mod_shared);
	if (!op->err)
		d->names = rest;
	if (op->err)
		try_again(d, op->err);
	else
		rewrite(d);
}

static void on_forget(struct worker *w, struct message *m, bool cancelled)
{
	struct shared_deed *d = (struct shared_deed *)m;
	if (cancelled)
		arena_free(d->arena);
	else
		shared_deed_queue(d);
}

void shared_forget(struct host *h, const struct jid *account, struct str names)
{
	struct shared_deed *d = shared_deed_new(h, rewrite);
	d->names = arena_str(d->arena, names);
	d->user = jid_copy(d->arena, account);
	d->member = jid_local(&d->user);
	d->message.run = on_forget;
	worker_post(h->node->main, &d->message);
}
