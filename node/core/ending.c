#include "node/core/ending.h"

#include <stdlib.h>

#include "cluster/pool.h"
#include "node/core/detour.h"
#include "node/core/fleet.h"
#include "node/core/ghost.h"
#include "node/core/log.h"
#include "node/core/placing.h"
#include "node/core/session.h"
#include "node/core/sm_session.h"
#include "node/ctl/relay.h"
#include "node/ctl/server.h"
#include "node/net/listener.h"
#include "node/stream/c2s.h"

#define GOODBYE_MS  5000  /* for streams */
#define ACCOUNTS_MS 15000 /* for what their ends began: longer than the deadline of a store's op */
#define PLACES_MS   15000 /* for places to go to other nodes */
#define HOLDS_MS    45000 /* for what places wait for: longer than all that comes before, and the deadline of a store's op */
#define REST_MS     15000 /* for commands, and again for the rest: longer than a node lives that is silent (core.h, lease_ms) */
#define LAST_MS     12000 /* for what came from other nodes meanwhile: longer than the deadline of a store's op */
#define LATE_MS     2000  /* the same, when there was no end of what was before: of that no more is to be expected */
#define LOOK_MS     20

/* What is looked at to see that nothing moves; unchanged between two looks, and zero where it must be. */
struct traces {
	uint64_t answered, posted;
	uint64_t waiting;
};

struct ending {
	struct node *node;
	struct ctl_server *ctl;
	struct timer look, limit;
	struct traces before;
	unsigned busy_workers;
	bool begun, late, deaf;
	void (*on_end)(struct node *n);
	_Atomic unsigned begun_workers;
};

/* ---- one worker ---- */

struct farewell {
	struct message message;
	struct ending *ending;
	struct worker *worker;
	struct timer look;
	uint64_t begun_ms;
};

static void on_worker_empty(struct worker *w, struct message *m, bool cancelled);

/* Nobody may come any more: no worker accepts, and no stream is under way. */
static bool nobody_comes(const struct ending *e)
{
	return atomic_load(&e->begun_workers) == e->node->n_workers && atomic_load(&e->node->moving) == 0;
}

static void on_look(struct timer *t)
{
	struct farewell *f = (struct farewell *)((char *)t - offsetof(struct farewell, look));
	struct node_worker *nw = nw_of(f->worker);
	uint64_t since_ms = f->worker->now_ms - f->begun_ms;
	if (since_ms >= GOODBYE_MS) {
		c2s_abort_all(nw);
		ghost_end_all(nw);
		relay_give_up(nw);
	}
	bool accounts = map_count(&nw->users) && since_ms < ACCOUNTS_MS;
	bool asks = nw->fleet && nw->fleet->pending;
	bool places = placing_is_leaving(nw) && since_ms < PLACES_MS;
	bool detours = detour_is_on(nw); /* it has a deadline of its own */
	if (nw->streams || accounts || asks || places || detours || !nobody_comes(f->ending)) {
		worker_timer_set(f->worker, &f->look, LOOK_MS);
		return;
	}
	detour_end(nw);
	placing_end(nw);
	if (placing_is_held(nw) && since_ms < HOLDS_MS) {
		worker_timer_set(f->worker, &f->look, LOOK_MS);
		return;
	}
	f->message.run = on_worker_empty;
	worker_post(nw->node->main, &f->message);
}

/* Until clients have said what they have got; then all in one pass: whoever is at home here is there to the last. */
static void on_goodbye(struct timer *t)
{
	struct farewell *f = (struct farewell *)((char *)t - offsetof(struct farewell, look));
	struct node_worker *nw = nw_of(f->worker);
	if (sm_session_ask_last(nw, f->begun_ms)) {
		worker_timer_set(f->worker, t, LOOK_MS);
		return;
	}
	fleet_farewell(nw);
	c2s_close_all(nw, STREAM_SYSTEM_SHUTDOWN);
	sm_session_end_detached(nw);
	atomic_fetch_add(&f->ending->begun_workers, 1);
	f->begun_ms = f->worker->now_ms;
	f->look.on_timer = on_look;
	worker_timer_set(f->worker, t, 0);
}

static void on_farewell(struct worker *w, struct message *m, bool cancelled)
{
	struct farewell *f = (struct farewell *)m;
	struct node_worker *nw = nw_of(w);
	if (cancelled) {
		free(f);
		return;
	}
	nw->draining = true;
	listener_stop_all(nw);
	f->worker = w;
	f->begun_ms = w->now_ms;
	f->look.on_timer = on_goodbye;
	worker_timer_set(w, &f->look, 0);
}

/* ---- main ---- */

static void step_on(struct ending *e, uint64_t limit_ms, void (*look)(struct timer *t), void (*limit)(struct timer *t))
{
	struct worker *main = e->node->main;
	e->look.on_timer = look;
	e->limit.on_timer = limit;
	worker_timer_set(main, &e->limit, limit_ms);
	if (look)
		worker_timer_set(main, &e->look, 0);
}

static void add_worker(struct traces *t, const struct worker *w)
{
	struct worker_stats st;
	worker_stats(w, &st);
	t->posted += st.posted;
	t->waiting += st.mailbox_depth + st.busy;
}

static struct traces traces_of(const struct node *n)
{
	struct traces t = { .waiting = pool_waiting() + fleet_waiting(n) };
	struct store *stores[] = { n->store, n->memory };
	for (int i = 0; i < 2; i++) {
		struct store_stats st = { 0 };
		if (stores[i])
			store_stats(stores[i], &st);
		t.answered += st.reads + st.writes;
		t.waiting += st.waiting;
	}
	for (unsigned i = 0; i < n->n_workers; i++)
		add_worker(&t, n->workers[i]);
	if (fleet_mesh_thread(n))
		add_worker(&t, fleet_mesh_thread(n));
	struct worker_stats st;
	worker_stats(n->main, &st); /* which is busy: it looks */
	t.posted += st.posted;
	t.waiting += st.mailbox_depth;
	return t;
}

static void settle(struct ending *e, uint64_t limit_ms);

static void on_deaf(void *arg)
{
	struct ending *e = arg;
	e->deaf = true;
	settle(e, e->late ? LATE_MS : LAST_MS);
}

/* Other nodes have sent something while it became quiet: what was taken of it is done, too, when it is quiet again and nothing more is
 * taken. */
static void on_settled(struct ending *e)
{
	worker_timer_cancel(e->node->main, &e->look);
	worker_timer_cancel(e->node->main, &e->limit);
	if (e->deaf || !fleet_deafen(e->node, on_deaf, e))
		e->on_end(e->node);
}

/* What hops from one counter to another while they are read has left its trace by the next look. */
static void on_look_for_quiet(struct timer *t)
{
	struct ending *e = (struct ending *)((char *)t - offsetof(struct ending, look));
	struct traces now = traces_of(e->node);
	bool quiet = !now.waiting && !e->before.waiting && now.answered == e->before.answered && now.posted == e->before.posted;
	e->before = now;
	if (quiet)
		on_settled(e);
	else
		worker_timer_set(e->node->main, t, LOOK_MS);
}

static void on_never_quiet(struct timer *t)
{
	struct ending *e = (struct ending *)((char *)t - offsetof(struct ending, limit));
	LOG(LOG_WARN, "node", "something begun has not ended: it is left alone", L_UINT("waiting", e->before.waiting));
	e->late = true;
	on_settled(e);
}

/* By two looks at least. */
static void settle(struct ending *e, uint64_t limit_ms)
{
	e->before.waiting = 1;
	step_on(e, limit_ms, on_look_for_quiet, on_never_quiet);
}

static void on_ctl_gone(void *arg)
{
	settle(arg, REST_MS);
}

static void on_slow_commands(struct timer *t)
{
	struct ending *e = (struct ending *)((char *)t - offsetof(struct ending, limit));
	LOG(LOG_WARN, "node", "a command has not ended, or its answer is not read: cut");
	ctl_server_cut(e->ctl);
	on_ctl_gone(e);
}

static void on_worker_empty(struct worker *w, struct message *m, bool cancelled)
{
	struct ending *e = ((struct farewell *)m)->ending;
	free(m);
	(void)w;
	if (--e->busy_workers || cancelled)
		return;
	step_on(e, REST_MS, NULL, on_slow_commands);
	ctl_server_stop(e->ctl, on_ctl_gone, e);
}

void ending_begin(struct ending *e, struct ctl_server *ctl, void (*on_end)(struct node *n))
{
	struct node *n = e->node;
	if (e->begun)
		return;
	e->begun = true;
	e->ctl = ctl;
	e->on_end = on_end;
	atomic_store(&n->draining, true);
	fleet_drain(n);
	LOG(LOG_INFO, "node", "stopping", L_INT("sessions", node_metric(n, METRIC_SESSIONS)));
	e->busy_workers = n->n_workers;
	for (unsigned i = 0; i < n->n_workers; i++) {
		struct farewell *f = xzalloc(sizeof *f);
		f->message.run = on_farewell;
		f->ending = e;
		worker_post(n->workers[i], &f->message);
	}
}

struct ending *ending_new(struct node *n)
{
	struct ending *e = xzalloc(sizeof *e);
	e->node = n;
	return e;
}

void ending_free(struct ending *e)
{
	free(e);
}
