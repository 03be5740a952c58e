#include "node/core/drain.h"

#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/ghost.h"
#include "node/core/life.h"
#include "node/core/log.h"
#include "node/core/session.h"
#include "node/core/sm_session.h"
#include "node/net/listener.h"
#include "node/stream/c2s.h"

#define STEP_MS   100
#define CLIENT_MS 10000 /* that sessions are kept for which clients must come back, when nothing else keeps the node */

struct emptying {
	struct message message;
	unsigned rate; /* streams a step */
};

static void on_step(struct timer *t)
{
	struct fleet_worker *fw = (struct fleet_worker *)((char *)t - offsetof(struct fleet_worker, empty));
	unsigned left = sm_session_ask_last(fw->nw, fw->empty_since_ms) ? 0 : fw->empty_rate;
	for (struct c2s *c = fw->nw->streams, *next; c && left; c = next) {
		next = c->next;
		if (c->state == C2S_CLOSING)
			continue;
		c2s_close(c, STREAM_SYSTEM_SHUTDOWN, STR("this node empties itself; log in again"));
		left--;
	}
	fleet_leave(fw->nw);
	worker_timer_set(fw->nw->worker, t, STEP_MS);
}

static void on_worker(struct worker *w, struct message *m, bool cancelled)
{
	struct emptying *e = (struct emptying *)m;
	struct node_worker *nw = nw_of(w);
	if (!cancelled) {
		nw->draining = true;
		listener_stop_all(nw);
		fleet_leave(nw);
		ghost_farewell(nw);
		nw->fleet->empty_rate = e->rate;
		nw->fleet->empty.on_timer = on_step;
		nw->fleet->empty_since_ms = w->now_ms;
		worker_timer_set(w, &nw->fleet->empty, 0);
	}
	free(e);
}

bool drain_is_on(const struct node *n)
{
	return n->fleet && atomic_load(&n->fleet->drains);
}

bool drain_leaves(const struct node *n)
{
	return n->fleet && !n->draining && config_bool(n->config, "cluster.leave_on_signal") && !atomic_load(&n->fleet->ends_empty);
}

/* Sessions whose clients resume them at other nodes (sm_session.h) go there then. */
static bool waits_for_clients(struct fleet *f)
{
	uint64_t now_ms = f->node->main->now_ms;
	if (!f->alone_ms)
		f->alone_ms = now_ms;
	return now_ms - f->alone_ms < CLIENT_MS;
}

/* Main: is it empty? */
static void on_look(struct timer *t)
{
	struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, look));
	struct node *n = f->node;
	bool detached = node_metric(n, METRIC_SM_DETACHED) > 0;
	/* Beside those that are detached: their accounts' other sessions, which go when they do. */
	bool others = !detached && node_metric(n, METRIC_SESSIONS);
	bool empty = !node_metric(n, METRIC_CONNECTIONS) && !others && !(detached && waits_for_clients(f));
	if (!empty || !atomic_load(&f->ends_empty)) {
		worker_timer_set(f->node->main, t, STEP_MS);
		return;
	}
	LOG(LOG_INFO, "cluster", "empty; the node ends");
	life_drain(f->node);
}

void drain_begin(struct node *n, bool then_end)
{
	struct fleet *f = n->fleet;
	if (then_end)
		atomic_store(&f->ends_empty, true);
	if (atomic_exchange(&f->drains, true))
		return;
	unsigned rate = (unsigned)config_int(n->config, "cluster.drain_rate") / (1000 / STEP_MS) / n->n_workers;
	LOG(LOG_INFO, "cluster", "draining", L_INT("sessions", node_metric(n, METRIC_SESSIONS)));
	fleet_drain(n);
	for (unsigned i = 0; i < n->n_workers; i++) {
		struct emptying *e = xzalloc(sizeof *e);
		e->message.run = on_worker;
		e->rate = rate ? rate : 1;
		worker_post(n->workers[i], &e->message);
	}
	f->look.on_timer = on_look;
	worker_timer_set(n->main, &f->look, STEP_MS);
}
