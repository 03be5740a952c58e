#include "node/core/tie.h"

#include <stdlib.h>

#include "node/core/hooks.h"
#include "node/core/node.h"
#include "node/core/session.h"

#define TURN_NS 5000000 /* of a worker in one go: it has others to serve */

void ties_add(struct tie_list *l, const struct tie *t)
{
	if (l->n >= l->max) {
		l->more = true;
		return;
	}
	if (l->n == l->cap) {
		struct tie *v = arena_alloc(l->arena, (l->cap ? l->cap * 2 : 16) * sizeof *v);
		if (l->n)
			memcpy(v, l->v, l->n * sizeof *v);
		l->v = v;
		l->cap = l->cap ? l->cap * 2 : 16;
	}
	struct tie *copy = &l->v[l->n++];
	*copy = *t;
	copy->jid = jid_copy(l->arena, &t->jid);
	copy->groups = arena_str(l->arena, t->groups);
}

/* Goes from worker to worker, once for each phase; on each through the accounts that were there when it came. */
struct spread {
	struct message message;
	struct arena *arena; /* it lies there */
	struct host *host;
	struct jid who;      /* absent: any */
	enum ties_phase phase;
	unsigned phases;     /* bits */
	unsigned worker;
	struct user **users; /* of this worker, held */
	size_t n_users, at;
	void (*on_done)(void *arg);
	void *arg;
};

static void gather(struct spread *s, struct node_worker *nw)
{
	struct str key;
	void *value;
	s->users = xmalloc((map_count(&nw->users) + 1) * sizeof(struct user *));
	s->n_users = s->at = 0;
	for (size_t i = 0; map_next(&nw->users, &i, &key, &value);) {
		struct user *u = value;
		if (u->host != s->host)
			continue;
		u->holds++;
		s->users[s->n_users++] = u;
	}
}

/* True when all on this worker have heard. */
static bool tell_some(struct spread *s, struct node_worker *nw)
{
	if (!s->users)
		gather(s, nw);
	uint64_t begin_ns = uv_hrtime();
	while (s->at < s->n_users && uv_hrtime() - begin_ns < TURN_NS) {
		struct user *u = s->users[s->at++];
		bool himself = jid_present(&s->who) && jid_bare_eq(&s->who, &u->jid);
		hooks_ties_changed(u, jid_present(&s->who) && !himself ? &s->who : NULL, s->phase);
		user_release(u);
	}
	return s->at == s->n_users;
}

static enum ties_phase phase_from(const struct spread *s, unsigned phase)
{
	while (phase < TIES_PHASES && !(s->phases & 1u << phase))
		phase++;
	return (enum ties_phase)phase;
}

static void spread_end(struct spread *s)
{
	if (s->on_done)
		s->on_done(s->arg);
	arena_free(s->arena);
}

/* A worker that stops passes it on all the same: somebody may wait for the end. The accounts that it held go with the worker. */
static void on_spread(struct worker *w, struct message *m, bool cancelled)
{
	struct spread *s = (struct spread *)m;
	struct node *n = s->host->node;
	if (w == n->main) {
		spread_end(s);
		return;
	}
	if (!cancelled && !tell_some(s, nw_of(w))) {
		worker_post(w, &s->message);
		return;
	}
	free(s->users);
	s->users = NULL;
	if (++s->worker == n->n_workers) {
		s->worker = 0;
		s->phase = phase_from(s, s->phase + 1);
	}
	worker_post(s->phase < TIES_PHASES ? n->workers[s->worker] : n->main, &s->message);
}

void ties_run(struct host *h, const struct jid *who, unsigned phases, void (*on_done)(void *arg), void *arg)
{
	struct arena *a = arena_new(512);
	struct spread *s = arena_zalloc(a, sizeof *s);
	*s = (struct spread){ .message.run = on_spread, .arena = a, .host = h, .on_done = on_done, .arg = arg, .phases = phases };
	s->phase = phase_from(s, 0);
	if (who) {
		s->who = jid_bare(who);
		s->who = jid_copy(a, &s->who);
	}
	worker_post(h->node->workers[0], &s->message);
}

void ties_spread(struct host *h, const struct jid *who, void (*on_done)(void *arg), void *arg)
{
	ties_run(h, who, 1u << TIES_LOOK | 1u << TIES_CHANGE | 1u << TIES_SETTLE, on_done, arg);
}
