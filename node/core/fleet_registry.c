/*
 * What the fleet tells the registry: claims of homes, and sessions, for operators and for whoever buries us.
 */
#include <stdlib.h>

#include "node/core/far.h"
#include "node/core/fleet.h"
#include "node/core/log.h"
#include "node/core/placing.h"
#include "node/core/session.h"

#define RETELL_PER_S 5000 /* of a node */
#define RETELL_MS    100

/* One question that lives until its answer. */
struct asking {
	struct registry_call call;
	struct fleet_worker *fw;
	struct arena *arena; /* it lies there */
	uint64_t fp;
};

static struct asking *asking_new(struct fleet_worker *fw, enum registry_verb verb, struct str bare)
{
	struct arena *a = arena_new(512);
	struct asking *q = arena_zalloc(a, sizeof *q);
	q->arena = a;
	q->fw = fw;
	q->call.verb = verb;
	q->call.key = arena_str(a, bare);
	q->call.epoch = homes_self(fw->homes);
	return q;
}

static void asking_free(struct asking *q)
{
	struct arena *a = q->arena;
	arena_free(q->call.arena);
	arena_free(a);
}

static void ask(struct asking *q, void (*on_done)(struct registry_call *c))
{
	struct fleet_worker *fw = q->fw;
	q->call.on_done = on_done;
	if (fw->nw->node->fleet->mesh)
		mesh_ask(fw->nw->node->fleet->mesh, fw->nw->worker, &q->call);
	else
		asking_free(q);
}

static void on_told(struct registry_call *c)
{
	asking_free((struct asking *)c);
}

static void on_claimed(struct registry_call *c)
{
	struct asking *q = (struct asking *)c;
	if (c->err != ERR_CANCELLED)
		homes_registered(q->fw->homes, q->fp, c->err, c->winner, c->winner_hlc, q->fw->nw->worker->now_ms);
	asking_free(q);
}

void fleet_claim(struct fleet_worker *fw, struct str bare, uint64_t fp, uint64_t hlc)
{
	struct asking *q = asking_new(fw, REGISTRY_HOME_CLAIM, bare);
	q->fp = fp;
	q->call.hlc = hlc;
	ask(q, on_claimed);
}

void fleet_release(struct fleet_worker *fw, struct str bare)
{
	ask(asking_new(fw, REGISTRY_HOME_RELEASE, bare), on_told);
}

/* ---- places ---- */

static void on_place(struct registry_call *c)
{
	struct asking *q = (struct asking *)c;
	struct node_worker *nw = q->fw->nw;
	uint64_t now_ms = nw->worker->now_ms;
	if (c->err == ERR_CANCELLED) { /* the end: nobody waits for it */
		asking_free(q);
		return;
	}
	struct places *p = placing_places(nw);
	if (c->verb == REGISTRY_PLACE_CLAIM)
		places_claimed(p, c->key, c->err, c->winner, c->fence, c->after, now_ms);
	else if (c->verb == REGISTRY_PLACE_RENEW)
		places_renewed(p, c->key, c->fence, c->err, now_ms);
	else
		places_released(p, c->key, c->fence, c->err, now_ms);
	asking_free(q);
}

void fleet_place(struct fleet_worker *fw, enum registry_verb verb, struct str name, uint64_t fence, uint32_t heir)
{
	struct asking *q = asking_new(fw, verb, name);
	q->call.edge = heir;
	q->call.fence = fence;
	ask(q, on_place);
}

/* ---- sessions ---- */

static struct asking *about(struct session *s, enum registry_verb verb)
{
	struct asking *q = asking_new(s->nw->fleet, verb, jid_str(&s->user->jid));
	q->call.resource = arena_str(q->arena, jid_resource(&s->jid));
	q->call.sid = s->sid;
	q->call.priority = s->priority;
	q->call.flags = session_is_available(s) ? REGISTRY_AVAILABLE : 0;
	return q;
}

/* Ghosts have no time and are nobody's; one that moves is told of by its next home. */
static bool is_told(const struct session *s)
{
	return s->nw->fleet && s->hlc && !s->moving;
}

void fleet_session_bound(struct session *s)
{
	if (!is_told(s))
		return;
	struct asking *q = about(s, REGISTRY_BIND);
	uint32_t edge = far_edge(s);
	q->call.edge = edge ? edge : homes_self(s->nw->fleet->homes);
	q->call.hlc = s->hlc;
	ask(q, on_told);
}

void fleet_session_presence(struct session *s)
{
	if (is_told(s))
		ask(about(s, REGISTRY_UPDATE), on_told);
}

void fleet_session_gone(struct session *s)
{
	if (is_told(s))
		ask(about(s, REGISTRY_UNBIND), on_told);
}

/* ---- all anew, at a pace that leaves Redis room for those who log in ---- */

/* Under way: whose turn comes. Who comes or goes meanwhile tells for himself. */
struct retelling {
	struct fleet_worker *fw;
	struct timer step;
	struct arena *arena; /* of the names */
	struct str *names;
	size_t n, next;
};

/* Returns how many questions that took. */
static unsigned retell(struct fleet_worker *fw, struct str bare)
{
	struct user *u = user_find(fw->nw, bare);
	uint64_t hlc = u ? homes_own_claim(fw->homes, fleet_fp(fw->nw, bare)) : 0;
	unsigned n = 1;
	if (!hlc)
		return 0;
	struct asking *q = asking_new(fw, REGISTRY_HOME_CLAIM, bare);
	q->call.hlc = hlc;
	q->call.flags = REGISTRY_REPLAY;
	ask(q, on_told);
	for (struct session *s = u->sessions; s; s = s->next, n++)
		fleet_session_bound(s);
	return n;
}

void fleet_register_free(struct retelling *r)
{
	if (!r)
		return;
	arena_free(r->arena);
	free(r->names);
	free(r);
}

static void on_step(struct timer *t)
{
	struct retelling *r = (struct retelling *)((char *)t - offsetof(struct retelling, step));
	struct worker *w = r->fw->nw->worker;
	unsigned rate = RETELL_PER_S / (1000 / RETELL_MS) / r->fw->nw->node->n_workers;
	for (unsigned told = 0; r->next < r->n && told <= rate;)
		told += retell(r->fw, r->names[r->next++]);
	if (r->next < r->n) {
		worker_timer_set(w, t, RETELL_MS);
		return;
	}
	r->fw->retelling = NULL;
	fleet_register_free(r);
}

void fleet_register_all(struct fleet_worker *fw)
{
	struct str key;
	void *value;
	struct retelling *r = xzalloc(sizeof *r);
	if (fw->retelling) { /* from the beginning */
		worker_timer_cancel(fw->nw->worker, &fw->retelling->step);
		fleet_register_free(fw->retelling);
	}
	fw->retelling = r;
	r->fw = fw;
	r->arena = arena_new(0);
	r->names = xmalloc((map_count(&fw->nw->users) + 1) * sizeof *r->names);
	for (size_t i = 0; map_next(&fw->nw->users, &i, &key, &value);)
		r->names[r->n++] = arena_str(r->arena, key);
	r->step.on_timer = on_step;
	on_step(&r->step);
}
