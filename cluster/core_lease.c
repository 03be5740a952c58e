#include "cluster/core_state.h"

#define NODES_MS      2000
#define RETRY_MS      500
#define JOIN_MAX_MS   4000
#define TELL_RETRY_MS 2000

static struct registry_call *ask_of(struct core *c, struct core_ask *a, enum registry_verb verb)
{
	a->call = (struct registry_call){ .verb = verb, .epoch = c->epoch };
	a->busy = true;
	return &a->call;
}

static void ask(struct core *c, struct core_ask *a)
{
	c->out.ask(c->out.arg, &a->call);
}

static bool reachable(enum err e)
{
	return e != ERR_UNAVAILABLE && e != ERR_TIMEOUT && e != ERR_IO && e != ERR_CANCELLED;
}

static void registry_is(struct core *c, bool ok)
{
	if (c->registry_known && c->registry_ok == ok)
		return;
	bool told = c->registry_known || !ok;
	c->registry_known = true;
	c->registry_ok = ok;
	if (ok) /* our lease may have ended, and others could claim what is ours */
		c->renew.at = c->now;
	c->dirty = c->ping_now = true;
	if (told)
		core_event(c, ok ? CORE_REGISTRY_UP : CORE_REGISTRY_DOWN, c->epoch, ok ? "it answers" : "it does not answer");
}

/* ---- JOIN ---- */

static void ask_join(struct core *c)
{
	struct registry_call *j = ask_of(c, &c->join, REGISTRY_JOIN);
	/* Asked again, because the answer was lost, it is to get the same number. */
	while (!c->join_token)
		c->join_token = rng_u64(c->rng);
	j->sid = c->epoch ? c->birth : c->join_token;
	j->fence = c->seen_epoch;
	j->id = c->id;
	j->limit = c->o.lease_ms;
	j->state = c->epoch ? c->state : NODE_SYNCING;
	j->self = (struct registry_node){
		.epoch = c->epoch, .id = c->id, .workers = c->o.workers, .state = j->state, .speaks_min = c->o.protocol_min,
		.speaks_max = c->o.protocol_max, .name = str_of(c->name), .addr = str_of(c->addr), .version = str_of(c->version),
	};
	ask(c, &c->join);
}

static void take_row(struct core *c, const struct registry_node *n)
{
	struct core_peer *p = core_peer_find(c, n->epoch);
	struct core_dead *d = core_dead_find(c, n->epoch);
	if (n->dead || n->state == NODE_DEAD || n->state == NODE_LEFT) {
		if (p && !core_peer_gone(p))
			core_peer_dead(c, n->epoch, n->state == NODE_LEFT, 0);
		if (d && d->left && !d->fenced && n->state != NODE_LEFT) {
			d->fenced = true;
			d->ms = c->now; /* who did tells us soon, if he lives */
		}
		return;
	}
	/* The registry has not heard that it is gone: it was away then, and whoever was to tell it died. */
	if (d && n->lease_ms <= 0)
		d->tell = true;
	if (d || n->epoch == c->epoch || !core_text_ok(n->addr, VIEW_ADDR_MAX))
		return;
	struct core_member m = {
		.epoch = n->epoch, .id = n->id, .workers = n->workers, .state = n->state, .min = n->speaks_min, .max = n->speaks_max,
		.name = n->name, .addr = n->addr, .version = n->version,
	};
	if (m.state != NODE_UP && m.state != NODE_DRAINING && m.state != NODE_ISOLATED)
		m.state = NODE_SYNCING;
	p = core_peer_add(c, &m);
	if (p)
		p->lease_gone = n->lease_ms <= 0;
}

static bool is_listed(const struct registry_call *a, uint32_t epoch)
{
	for (unsigned i = 0; i < a->n_nodes; i++)
		if (a->nodes[i].epoch == epoch)
			return true;
	return false;
}

/* Nobody renews a dead one's lease: a registry that forgot gave its number to another. That one is told that it is dead, and takes a new
 * number, unless it holds us for dead too, for the same reason: then neither listens to the other. While the registry is to be told of a
 * majority's word it may be that one itself; if it is only asked who is to purge it, it would have said so by now. */
static bool is_deaf_to_us(struct core *c, const struct registry_node *n)
{
	struct core_dead *d = core_dead_find(c, n->epoch);
	if (!d || (d->tell && d->votes) || n->dead || n->lease_ms <= 0 || c->now - d->ms <= 2 * (uint64_t)c->o.lease_ms)
		return false;
	d->ms = c->now; /* under our new number it will listen; it has as long again */
	return true;
}

static void take_rows(struct core *c, const struct registry_call *a)
{
	bool deaf = false;
	for (unsigned i = 0; i < a->n_nodes; i++)
		deaf |= is_deaf_to_us(c, &a->nodes[i]);
	if (deaf) {
		core_fenced(c, "a node with the number of a dead one does not hear us");
		return;
	}
	for (unsigned i = 0; i < a->n_nodes; i++) {
		const struct registry_node *n = &a->nodes[i];
		if (n->epoch != c->epoch || (!n->dead && str_is(n->addr, c->addr)))
			continue;
		core_fenced(c, n->dead ? "the registry says that we are dead" : "another node has our number");
		return;
	}
	for (unsigned i = 0; i < a->n_nodes; i++)
		take_row(c, &a->nodes[i]);
	/* Who is not there has left, or the registry forgot all; either way no lease holds it. */
	for (unsigned i = 0; i < c->n_slots; i++) {
		struct core_peer *p = &c->peers[i];
		if (!p->epoch || core_peer_gone(p) || is_listed(a, p->epoch))
			continue;
		p->lease_gone = true;
		if (p->incompatible)
			core_peer_dead(c, p->epoch, true, 0);
	}
	if (!is_listed(a, c->epoch))
		c->again = true;
}

/* Perhaps nobody is left who purges them: see core_inherit_purges. */
static void find_dead(struct core *c, const struct registry_call *a)
{
	unsigned n = 0;
	for (unsigned i = a->n_nodes; i && n < CORE_FOUND_DEAD; i--) {
		const struct registry_node *r = &a->nodes[i - 1];
		if (!r->epoch || !r->dead || r->state == NODE_LEFT || core_dead_find(c, r->epoch))
			continue;
		core_dead_add(c, r->epoch, false, 0);
		n++;
	}
}

static void joined(struct core *c, const struct registry_call *a)
{
	c->epoch = a->epoch;
	c->id = a->id;
	c->birth = c->join_token;
	c->join_token = 0;
	if (c->epoch > c->seen_epoch)
		c->seen_epoch = c->epoch;
	core_set_state(c, NODE_SYNCING);
	c->state_asked = NODE_SYNCING;
	c->join_wait = 0;
	c->safe_ms = c->now;
	c->renew.at = c->now + c->o.renew_ms;
	c->nodes.at = c->now + RETRY_MS;
	core_event(c, CORE_JOINED, c->epoch, "as node %u", c->id);
	take_rows(c, a);
	if (!c->epoch) /* given up again already: what else is in there is heard at the next */
		return;
	find_dead(c, a);
	c->again = false;
	/* What listened at our address before us cannot live: we listen there. Only once, lest two that were given one address by mistake
	 * fence one another for ever. */
	for (unsigned i = 0; i < c->n_slots && !c->joined_once; i++)
		if (core_peer_alive(&c->peers[i]) && c->peers[i].epoch < c->epoch && strcmp(c->peers[i].addr, c->addr) == 0)
			c->peers[i].predecessor = true;
	c->joined_once = true;
}

static void join_later(struct core *c)
{
	c->join_wait = c->join_wait ? c->join_wait * 2 : RETRY_MS / 2;
	if (c->join_wait > JOIN_MAX_MS)
		c->join_wait = JOIN_MAX_MS;
	c->join.at = c->now + c->join_wait + rng_u64(c->rng) % (c->join_wait / 2 + 1);
}

static void join_answered(struct core *c, const struct registry_call *a)
{
	bool again = a->self.epoch != 0;
	if (again && a->self.epoch == c->epoch && a->err == ERR_NONE) {
		c->again = false;
		c->state_asked = a->state;
	} else if (again && a->self.epoch == c->epoch && a->err == ERR_DENIED) {
		core_fenced(c, "the registry says that we are dead");
	} else if (!again && a->err == ERR_NONE && a->epoch && !c->epoch && !c->leaving && !core_peer_find(c, a->epoch) &&
		   !core_dead_find(c, a->epoch)) {
		joined(c, a);
	} else {
		if (!again && reachable(a->err))
			c->join_token = 0; /* that number is no good */
		join_later(c);
	}
}

/* ---- fences ---- */

void core_fence_ask(struct core *c, uint32_t epoch, uint32_t votes, bool refused)
{
	struct registry_call *f = ask_of(c, &c->fence, REGISTRY_FENCE);
	f->epoch = epoch;
	f->votes = votes;
	f->refused = refused;
	ask(c, &c->fence);
}

static void fence_answered(struct core *c, const struct registry_call *a)
{
	struct core_peer *p = core_peer_find(c, a->epoch);
	bool unsure = p && p->fence_unsure;
	struct core_dead *d = core_dead_find(c, a->epoch);
	if (d && !reachable(a->err)) /* heard of meanwhile: as in core_peer_dead */
		d->tell = d->unsure = true;
	if (p)
		p->fence_unsure = !reachable(a->err) || (unsure && a->err == ERR_DENIED);
	if (a->err != ERR_NONE && a->err != ERR_EXISTS)
		return;
	/* Perhaps it was we, and the answer was lost. */
	bool ours = a->err == ERR_NONE || unsure;
	core_peer_dead(c, a->epoch, false, ours ? c->epoch : 0);
	core_remap_all(c, a->epoch, ours ? c->epoch : 0);
	if (ours)
		c->out.janitor(c->out.arg, a->epoch);
}

/* The majority found it dead while the registry was away, which must learn of it. */
static void tell_the_dead(struct core *c)
{
	for (unsigned i = 0; i < c->n_dead && !c->tell.busy; i++) {
		struct core_dead *d = &c->dead[i];
		if (!d->tell || c->now < d->tell_at)
			continue;
		d->tell_at = c->now + TELL_RETRY_MS;
		struct registry_call *f = ask_of(c, &c->tell, REGISTRY_FENCE);
		f->epoch = d->epoch;
		f->votes = d->votes;
		f->refused = true;
		ask(c, &c->tell);
	}
}

static void tell_answered(struct core *c, const struct registry_call *a)
{
	struct core_dead *d = core_dead_find(c, a->epoch);
	if (!d)
		return;
	bool ours = a->err == ERR_NONE || (a->err == ERR_EXISTS && d->unsure);
	d->unsure |= !reachable(a->err);
	if (a->err != ERR_NONE && a->err != ERR_EXISTS && a->err != ERR_NOT_FOUND)
		return;
	d->tell = false;
	d->by = ours ? c->epoch : 0;
	d->ms = c->now;
	if (!ours)
		return;
	core_remap_all(c, a->epoch, c->epoch);
	c->out.janitor(c->out.arg, a->epoch);
}

void core_fenced(struct core *c, const char *why)
{
	if (!c->epoch || c->state == NODE_LEFT)
		return;
	core_event(c, CORE_FENCED, c->epoch, "%s", why);
	core_dead_add(c, c->epoch, false, 0);
	c->epoch = 0;
	for (unsigned i = 0; i < c->n_slots; i++) {
		struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p))
			continue;
		core_path_none(c, p);
		core_peer_orphan(c, p);
		p->answer_hello = p->knows_us = false;
		/* What the connection still holds is the old incarnation's. */
		if (p->opened) {
			c->out.close(c->out.arg, core_slot(c, p));
			p->connected = false;
			c->out.open(c->out.arg, core_slot(c, p), str_of(p->addr));
		}
	}
	core_set_state(c, NODE_JOINING);
	c->again = false;
	c->join.at = c->now;
	c->join_wait = 0;
	c->dirty = true;
}

/* ---- leases of those who cannot renew ---- */

static bool speaks_for_others(const struct core *c)
{
	for (unsigned i = 0; i < c->n_slots; i++) {
		const struct core_peer *q = &c->peers[i];
		if (core_peer_alive(q) && q->redis_ok && core_peer_heard(c, q) && q->epoch < c->epoch)
			return false;
	}
	return true;
}

static void renew_by_proxy(struct core *c)
{
	if (!speaks_for_others(c))
		return;
	for (unsigned i = 0; i < c->n_slots && !c->proxy.busy; i++) {
		struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p) || !p->met || p->redis_ok || !core_peer_heard(c, p) || c->now < p->proxy_at)
			continue;
		p->proxy_at = c->now + c->o.renew_ms;
		struct registry_call *r = ask_of(c, &c->proxy, REGISTRY_RENEW);
		r->epoch = p->epoch;
		r->limit = c->o.lease_ms;
		ask(c, &c->proxy);
	}
}

static void proxy_answered(struct core *c, const struct registry_call *a)
{
	if (a->err != ERR_DENIED || a->epoch == c->epoch)
		return;
	core_peer_dead(c, a->epoch, false, 0);
	core_remap_all(c, a->epoch, 0);
}

/* ---- */

static void renew_answered(struct core *c, const struct registry_call *a)
{
	if (a->epoch != c->epoch)
		return;
	if (a->err == ERR_DENIED)
		core_fenced(c, "the registry says that we are dead");
	else if (a->err == ERR_NOT_FOUND)
		c->again = true;
	else if (!reachable(a->err))
		c->renew.at = c->now + RETRY_MS;
}

void core_lease_tick(struct core *c)
{
	if ((!c->epoch || c->again) && !c->join.busy && c->now >= c->join.at && !c->leaving)
		ask_join(c);
	if (!c->epoch || c->state == NODE_LEFT)
		return;
	if (!c->renew.busy && c->now >= c->renew.at) {
		c->renew.at = c->now + c->o.renew_ms;
		ask_of(c, &c->renew, REGISTRY_RENEW)->limit = c->o.lease_ms;
		ask(c, &c->renew);
	}
	if (!c->nodes.busy && c->now >= c->nodes.at) {
		c->nodes.at = c->now + NODES_MS;
		ask_of(c, &c->nodes, REGISTRY_NODES);
		ask(c, &c->nodes);
	}
	if (!c->registry_ok)
		return;
	if (!c->told_state.busy && c->state_asked != c->state && c->now >= c->told_state.at) {
		c->told_state.at = c->now + RETRY_MS;
		ask_of(c, &c->told_state, REGISTRY_STATE)->state = c->state;
		ask(c, &c->told_state);
	}
	renew_by_proxy(c);
	tell_the_dead(c);
	core_inherit_purges(c);
}

void core_lease_answered(struct core *c, struct core_ask *a)
{
	struct registry_call *r = &a->call;
	a->busy = false;
	if (c->state != NODE_LEFT)
		registry_is(c, reachable(r->err));
	if (a == &c->join)
		join_answered(c, r);
	else if (a == &c->fence)
		fence_answered(c, r);
	else if (a == &c->tell)
		tell_answered(c, r);
	else if (c->state == NODE_LEFT || !c->epoch)
		; /* of an incarnation that is no more */
	else if (a == &c->renew)
		renew_answered(c, r);
	else if (a == &c->nodes && r->err == ERR_NONE && r->epoch == c->epoch)
		take_rows(c, r);
	else if (a == &c->proxy)
		proxy_answered(c, r);
	else if (a == &c->told_state && reachable(r->err) && r->epoch == c->epoch)
		c->state_asked = r->state;
	arena_free(r->arena);
	r->arena = NULL;
}
