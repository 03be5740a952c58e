#include "node/core/reunion.h"

#include <stdlib.h>

#include "node/core/log.h"
#include "node/core/session.h"

#define SETTLE_MS 2000 /* for accounts that were claimed on both sides: their sessions move first */
#define STEP_MS   100

/* Under way: whose turn comes. */
struct reunion {
	struct fleet_worker *fw;
	struct timer step;
	struct arena *arena; /* of the names; NULL before they are known */
	struct str *names;
	size_t n, next;
};

static void collect(struct reunion *r)
{
	struct str key;
	void *value;
	const struct map *users = &r->fw->nw->users;
	r->arena = arena_new(0);
	r->names = xmalloc((map_count(users) + 1) * sizeof *r->names);
	for (size_t i = 0; map_next(users, &i, &key, &value);)
		r->names[r->n++] = arena_str(r->arena, key);
	LOG(LOG_INFO, "fleet", "this node was taken for dead: who is here logs in to it anew, unseen", L_UINT("accounts", r->n));
}

/* Its home is given up, and found anew: here, mostly. */
static void renew(struct node_worker *nw, struct str bare)
{
	struct user *u = user_find(nw, bare);
	if (!u || !u->sessions)
		return;
	homes_ended(nw->fleet->homes, bare, fleet_fp(nw, bare));
	fleet_send_away(u);
}

void reunion_free(struct fleet_worker *fw)
{
	struct reunion *r = fw->reunion;
	if (!r)
		return;
	fw->reunion = NULL;
	arena_free(r->arena);
	free(r->names);
	free(r);
}

static void on_step(struct timer *t)
{
	struct reunion *r = (struct reunion *)((char *)t - offsetof(struct reunion, step));
	struct node_worker *nw = r->fw->nw;
	unsigned n = REUNION_PER_S / (1000 / STEP_MS) / nw->node->n_workers + 1;
	if (!r->arena)
		collect(r);
	while (n-- && r->next < r->n)
		renew(nw, r->names[r->next++]);
	if (r->next < r->n)
		worker_timer_set(nw->worker, t, STEP_MS);
	else
		reunion_free(r->fw);
}

void reunion_view(struct node_worker *nw, bool renamed)
{
	struct fleet_worker *fw = nw->fleet;
	fw->apart |= renamed;
	if (!fw->apart || fw->view->state != NODE_UP)
		return;
	fw->apart = false;
	if (fw->reunion) { /* from the beginning */
		worker_timer_cancel(nw->worker, &fw->reunion->step);
		reunion_free(fw);
	}
	fw->reunion = xzalloc(sizeof *fw->reunion);
	fw->reunion->fw = fw;
	fw->reunion->step.on_timer = on_step;
	worker_timer_set(nw->worker, &fw->reunion->step, SETTLE_MS);
}
