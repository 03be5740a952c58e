#include "tests/cluster/sim/world.h"

#include <stdlib.h>

#define HOLDS_MAX 64 /* packets of a connection, until it takes no more */

static struct sim_conn *conn_of(struct sim_world *w, unsigned node, unsigned slot)
{
	return &w->nodes[node].conns[slot];
}

static void drop_all(struct sim_conn *c)
{
	while (c->first) {
		struct sim_packet *p = c->first;
		c->first = p->next;
		free(p);
	}
	c->last = &c->first;
	c->n = 0;
}

void net_free(struct sim_node *n)
{
	for (unsigned i = 0; i < VIEW_NODES_MAX; i++) {
		n->conns[i].last = n->conns[i].last ? n->conns[i].last : &n->conns[i].first;
		drop_all(&n->conns[i]);
		uint32_t gen = n->conns[i].gen;
		n->conns[i] = (struct sim_conn){ .gen = gen + 1 };
		n->conns[i].last = &n->conns[i].first;
	}
}

static bool is_cut(const struct sim_world *w, unsigned a, unsigned b)
{
	return w->cut[a][b] || w->cut[b][a];
}

void net_open(struct sim_world *w, unsigned node, unsigned slot, struct str addr)
{
	struct sim_conn *c = conn_of(w, node, slot);
	uint32_t gen = c->gen + 1;
	if (c->open)
		sim_fail(w, "node %u opens slot %u twice", node, slot);
	*c = (struct sim_conn){ .open = true, .gen = gen, .to = SIM_NODES };
	c->last = &c->first;
	c->retry_at = w->now + 1 + sim_rand(w, 80);
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (str_is(addr, w->nodes[i].addr))
			c->to = (uint8_t)i;
}

void net_close(struct sim_world *w, unsigned node, unsigned slot)
{
	struct sim_conn *c = conn_of(w, node, slot);
	if (!c->open)
		sim_fail(w, "node %u closes slot %u, which is not open", node, slot);
	drop_all(c);
	c->open = c->up = c->told_up = false;
	c->gen++;
}

static void schedule(struct sim_world *w, unsigned node, unsigned slot, uint64_t at)
{
	struct sim_conn *c = conn_of(w, node, slot);
	if (c->scheduled)
		return;
	c->scheduled = true;
	struct sim_event *e = sim_at(w, at, EV_CONN, node);
	e->slot = (uint16_t)slot;
	e->gen = c->gen;
}

/* An answer to HELLO that says one more than was taken: what is replayed lacks one. */
static void mutate_answer(struct sim_world *w, char *bytes)
{
	if (w->mutation == MUTATE_DROP_REPLAY && bytes[5] == FRAME_HELLO_ACK && bytes[32] && sim_chance(w, 50))
		bytes[32]++;
}

bool net_send(struct sim_world *w, unsigned node, unsigned slot, struct str header, struct str body)
{
	struct sim_conn *c = conn_of(w, node, slot);
	if (header.len + body.len > FRAME_MAX)
		sim_fail(w, "node %u sends a frame of %zu bytes", node, header.len + body.len);
	if (!c->told_up)
		sim_fail(w, "node %u sends on slot %u, which is not connected", node, slot);
	if (!c->up)
		return true; /* it broke, which is not told yet: into the void */
	if (c->n >= HOLDS_MAX) {
		c->blocked = true;
		return false;
	}
	struct sim_packet *p = xmalloc(sizeof *p + header.len + body.len);
	*p = (struct sim_packet){ .to = c->to, .len = (uint32_t)(header.len + body.len) };
	memcpy(p->bytes, header.p, header.len);
	if (body.len)
		memcpy(p->bytes + header.len, body.p, body.len);
	mutate_answer(w, p->bytes);
	p->at = w->now + 1 + sim_rand(w, sim_chance(w, 3) ? 200 : 4);
	if (p->at < c->last_at)
		p->at = c->last_at;
	c->last_at = p->at;
	*c->last = p;
	c->last = &p->next;
	c->n++;
	schedule(w, node, slot, p->at);
	return true;
}

static void deliver(struct sim_world *w, unsigned to, struct sim_packet *p)
{
	core_frame(w->nodes[to].core, str_span(p->bytes, p->len));
	sim_after(w, to);
}

static void arrive(struct sim_world *w, unsigned node, unsigned slot)
{
	struct sim_conn *c = conn_of(w, node, slot);
	struct sim_packet *p = c->first;
	unsigned to = c->to;
	if (!p)
		return;
	if (w->cut[node][to] || sim_is_frozen(w, to)) {
		schedule(w, node, slot, w->now + 50);
		return;
	}
	if (p->at > w->now) {
		schedule(w, node, slot, p->at);
		return;
	}
	c->first = p->next;
	if (!c->first)
		c->last = &c->first;
	c->n--;
	if (c->first)
		schedule(w, node, slot, c->first->at > w->now ? c->first->at : w->now);
	bool writable = c->blocked && c->n < HOLDS_MAX / 2;
	if (w->nodes[to].runs)
		deliver(w, to, p);
	free(p);
	if (writable && w->nodes[node].runs && c->blocked) {
		c->blocked = false;
		core_writable(w->nodes[node].core, slot);
		sim_after(w, node);
	}
}

/* What the receiver's kernel had already, or another connection brought: it comes, some time. */
static void send_late(struct sim_world *w, struct sim_packet *p, uint64_t at)
{
	struct sim_event *e = sim_at(w, at, EV_LATE, p->to);
	e->what = p;
	e->life = w->nodes[p->to].life;
}

static struct sim_packet *copy_of(const struct sim_packet *p)
{
	struct sim_packet *q = xmalloc(sizeof *q + p->len);
	memcpy(q, p, sizeof *p + p->len);
	return q;
}

static void tell(struct sim_world *w, unsigned node, unsigned slot)
{
	struct sim_conn *c = conn_of(w, node, slot);
	c->told_up = false;
	c->retry_at = w->now + 50 + sim_rand(w, 400);
	core_disconnected(w->nodes[node].core, slot, false);
	sim_after(w, node);
}

void net_break(struct sim_world *w, unsigned node, unsigned slot, uint64_t told_in)
{
	struct sim_conn *c = conn_of(w, node, slot);
	if (!c->open || !c->up)
		return;
	unsigned survive = sim_chance(w, 50) ? 0 : (unsigned)sim_rand(w, c->n + 1);
	uint64_t at = w->now + sim_rand(w, 300);
	while (c->first && survive--) {
		struct sim_packet *p = c->first;
		c->first = p->next;
		p->next = NULL;
		at += sim_rand(w, 3);
		if (c->twice)
			send_late(w, copy_of(p), at + sim_rand(w, 500));
		send_late(w, p, at);
	}
	drop_all(c);
	c->up = c->blocked = c->twice = c->scheduled = false;
	c->gen++;
	c->last_at = 0;
	if (!told_in) {
		tell(w, node, slot);
		return;
	}
	struct sim_event *e = sim_at(w, w->now + told_in, EV_TOLD, node);
	e->slot = (uint16_t)slot;
	e->gen = c->gen;
	e->life = w->nodes[node].life;
}

void net_break_between(struct sim_world *w, unsigned from, unsigned to, uint64_t told_in, bool twice)
{
	for (unsigned i = 0; i < VIEW_NODES_MAX && w->nodes[from].runs; i++) {
		struct sim_conn *c = conn_of(w, from, i);
		if (!c->open || c->to != to)
			continue;
		c->twice = twice;
		net_break(w, from, i, told_in);
	}
}

void net_killed(struct sim_world *w, unsigned node)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		for (unsigned s = 0; s < VIEW_NODES_MAX && w->nodes[i].runs && i != node; s++) {
			struct sim_conn *c = conn_of(w, i, s);
			if (!c->open || c->to != node)
				continue;
			struct sim_event *e = sim_at(w, w->now + 1 + sim_rand(w, 20), EV_BREAK, i);
			e->slot = (uint16_t)s;
			e->gen = c->gen;
			e->life = w->nodes[i].life;
		}
}

static void try_connect(struct sim_world *w, unsigned node, unsigned slot)
{
	struct sim_conn *c = conn_of(w, node, slot);
	bool refused = c->to < SIM_NODES && !w->nodes[c->to].runs && !is_cut(w, node, c->to);
	c->retry_at = w->now + 100 + sim_rand(w, 300);
	if (refused || c->to == SIM_NODES || is_cut(w, node, c->to) || sim_is_frozen(w, c->to)) {
		if (!refused)
			c->retry_at += 1200;
		core_disconnected(w->nodes[node].core, slot, refused);
	} else {
		c->up = c->told_up = true;
		c->bad_since = 0;
		core_connected(w->nodes[node].core, slot);
	}
	sim_after(w, node);
}

/* Heartbeats: a connection that is cut, or whose other end stands still, is given up after a while. */
static void heartbeat(struct sim_world *w, unsigned node, unsigned slot)
{
	struct sim_conn *c = conn_of(w, node, slot);
	if (!is_cut(w, node, c->to) && !sim_is_frozen(w, c->to)) {
		c->bad_since = 0;
		return;
	}
	if (!c->bad_since)
		c->bad_since = w->now + sim_rand(w, 2000);
	if (w->now > c->bad_since + 2000)
		net_break(w, node, slot, 0);
}

void net_tick(struct sim_world *w, unsigned node)
{
	uint32_t life = w->nodes[node].life;
	for (unsigned s = 0; s < VIEW_NODES_MAX && w->nodes[node].runs && w->nodes[node].life == life; s++) {
		struct sim_conn *c = conn_of(w, node, s);
		if (!c->open)
			continue;
		if (c->up)
			heartbeat(w, node, s);
		else if (!c->told_up && w->now >= c->retry_at)
			try_connect(w, node, s);
	}
}

void net_event(struct sim_world *w, const struct sim_event *e)
{
	struct sim_node *n = &w->nodes[e->node];
	struct sim_packet *p = e->what;
	if (e->kind == EV_LATE) {
		if (n->runs && n->life == e->life && sim_is_frozen(w, e->node)) {
			send_late(w, p, n->frozen_until + 1);
			return;
		}
		if (n->runs && n->life == e->life)
			deliver(w, e->node, p);
		free(p);
		return;
	}
	struct sim_conn *c = &n->conns[e->slot];
	if (!n->runs || c->gen != e->gen || !c->open)
		return;
	if (e->kind == EV_CONN) {
		c->scheduled = false;
		arrive(w, e->node, e->slot);
	} else if (n->life == e->life && sim_is_frozen(w, e->node)) {
		struct sim_event *later = sim_at(w, n->frozen_until + 1, (enum sim_event_kind)e->kind, e->node);
		later->slot = e->slot;
		later->gen = e->gen;
		later->life = e->life;
	} else if (n->life == e->life && e->kind == EV_BREAK) {
		net_break(w, e->node, e->slot, 0);
	} else if (n->life == e->life && e->kind == EV_TOLD) {
		tell(w, e->node, e->slot);
	}
}
