/*
 * What the fleet tells the registry: claims of homes, and sessions, for operators and for whoever buries us.
 */
#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/log.h"
#include "node/core/session.h"

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
	q->call.edge = homes_self(s->nw->fleet->homes);
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

void fleet_register_all(struct fleet_worker *fw)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&fw->nw->users, &i, &key, &value);) {
		struct user *u = value;
		uint64_t hlc = homes_own_claim(fw->homes, fleet_fp(fw->nw, key));
		if (!hlc)
			continue;
		struct asking *q = asking_new(fw, REGISTRY_HOME_CLAIM, key);
		q->call.hlc = hlc;
		q->call.flags = REGISTRY_REPLAY;
		ask(q, on_told);
		for (struct session *s = u->sessions; s; s = s->next)
			fleet_session_bound(s);
	}
}
