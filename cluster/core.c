#include "cluster/core_state.h"

#include <stdlib.h>

#define LEFT_AGAIN_MS 100
#define LEFT_HEARD_MS 1000

static uint32_t or_default(uint32_t value, uint32_t preset)
{
	return value ? value : preset;
}

static void set_text(char *to, size_t size, struct str s)
{
	BUG_ON(!core_text_ok(s, size)); /* the configuration's checks are the node's */
	if (s.len)
		memcpy(to, s.p, s.len);
}

struct core *core_new(const struct core_options *o, const struct core_out *out, struct rng *rng)
{
	struct core *c = xzalloc(sizeof *c);
	c->o = *o;
	set_text(c->name, sizeof c->name, o->name);
	set_text(c->addr, sizeof c->addr, o->addr);
	set_text(c->version, sizeof c->version, o->version);
	c->o.protocol_min = (uint8_t)or_default(o->protocol_min, CORE_PROTOCOL_MIN);
	c->o.protocol_max = (uint8_t)or_default(o->protocol_max, CORE_PROTOCOL_MAX);
	c->o.ping_ms = or_default(o->ping_ms, 500);
	c->o.suspect_ms = or_default(o->suspect_ms, 2000);
	c->o.slow_ms = or_default(o->slow_ms, 5000);
	c->o.stuck_ms = or_default(o->stuck_ms, 15000);
	c->o.renew_ms = or_default(o->renew_ms, 2000);
	c->o.lease_ms = or_default(o->lease_ms, 8000);
	c->o.isolated_ms = or_default(o->isolated_ms, 6000);
	c->o.window_bytes = o->window_bytes ? o->window_bytes : 8u << 20;
	c->o.window_frames = o->window_frames ? o->window_frames : 4096;
	c->o.hard_bytes = o->hard_bytes ? o->hard_bytes : 64u << 20;
	c->out = *out;
	c->rng = rng;
	c->peers = xzalloc(VIEW_NODES_MAX * sizeof c->peers[0]);
	buf_init(&c->scratch, FRAME_BODY_MAX);
	buf_init(&c->wrap, FRAME_MAX);
	return c;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->n_slots; i++)
		link_out_fini(&c->peers[i].out);
	view_unref(c->last);
	buf_fini(&c->scratch);
	buf_fini(&c->wrap);
	free(c->peers);
	free(c);
}

void core_start(struct core *c, uint64_t now_ms, int64_t wall_ms)
{
	BUG_ON(c->started);
	c->started = c->dirty = true;
	c->now = c->last_tick = c->next_ping = c->safe_ms = now_ms;
	c->wall = wall_ms;
	core_lease_tick(c);
	core_view(c);
}

/* ---- time ---- */

uint64_t core_next_ms(const struct core *c)
{
	return c->last_tick + (c->o.ping_ms < 50 ? 10 : c->o.ping_ms / 5);
}

/* We did not listen: that we heard nobody meanwhile says nothing about them. */
static void forgive(struct core *c, uint64_t gap)
{
	c->safe_ms += gap;
	for (unsigned i = 0; i < c->n_slots; i++) {
		c->peers[i].heard_ms += gap;
		c->peers[i].full_ms += gap;
		c->peers[i].path_ms = c->peers[i].stall_ms = c->now;
	}
}

static void tick_pings(struct core *c)
{
	if (c->now < c->next_ping && !c->ping_now)
		return;
	if (c->now >= c->next_ping)
		c->next_ping = c->now + c->o.ping_ms;
	core_ping_all(c);
}

static void tick_peers(struct core *c)
{
	for (unsigned i = 0; i < c->n_slots; i++) {
		struct core_peer *p = &c->peers[i];
		if (!core_peer_gone(p) && p->used && !p->incompatible)
			core_path_tick(c, p);
		else if (core_peer_gone(p) && c->now - p->dead_ms > CORE_BURY_MS)
			core_peer_release(c, p);
	}
}

/* ---- leaving ---- */

bool core_all_is_taken(const struct core *c)
{
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]) && c->peers[i].out.oldest)
			return false;
	return true;
}

static bool all_know(const struct core *c)
{
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]) && c->peers[i].path != PATH_NONE && !c->peers[i].left_told)
			return false;
	return true;
}

static void tell_left(struct core *c)
{
	c->left_again = c->now + LEFT_AGAIN_MS;
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]) && !c->peers[i].left_told)
			core_put_any(c, &c->peers[i], FRAME_DRAIN, CORE_DRAIN_LEFT, STR(""));
}

static void leave_now(struct core *c)
{
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]))
			core_peer_orphan(c, &c->peers[i]);
	core_set_state(c, NODE_LEFT);
	c->left_ms = c->now;
	if (!c->epoch) {
		c->gone = true;
		return;
	}
	c->leave.call = (struct registry_call){ .verb = REGISTRY_LEAVE, .epoch = c->epoch };
	c->leave.busy = true;
	c->out.ask(c->out.arg, &c->leave.call);
	tell_left(c);
}

static void leave_tick(struct core *c)
{
	if (!c->leaving || c->gone)
		return;
	if (c->state != NODE_LEFT) {
		if (!c->epoch || core_all_is_taken(c) || c->now - c->leave_ms >= CORE_LEAVE_MS)
			leave_now(c);
		return;
	}
	if ((all_know(c) && !c->leave.busy) || c->now - c->left_ms >= LEFT_HEARD_MS)
		c->gone = true;
	else if (c->now >= c->left_again)
		tell_left(c);
}

void core_tick(struct core *c, uint64_t now_ms, int64_t wall_ms)
{
	uint64_t gap = now_ms - c->last_tick;
	c->now = c->last_tick = now_ms;
	c->wall = wall_ms;
	if (gap > 2 * (uint64_t)c->o.ping_ms)
		forgive(c, gap);
	core_lease_tick(c);
	if (c->epoch && c->state != NODE_LEFT) {
		core_seeds_tick(c);
		core_vote_tick(c);
		tick_peers(c);
		tick_pings(c);
	}
	leave_tick(c);
	core_view(c);
}

/* ---- what happens ---- */

void core_seed(struct core *c, struct str addr)
{
	if (c->n_seeds == CORE_SEEDS_MAX || !core_text_ok(addr, VIEW_ADDR_MAX) || !addr.len)
		return;
	memcpy(c->seeds[c->n_seeds++].addr, addr.p, addr.len);
	if (c->started)
		core_seeds_tick(c);
}

void core_connected(struct core *c, unsigned slot)
{
	struct core_peer *p = &c->peers[slot];
	if (slot >= VIEW_NODES_MAX || !p->used || !p->opened)
		return;
	p->connected = true;
	p->refused = false;
	if (core_peer_gone(p))
		core_remap_all(c, p->epoch, 0);
	else
		core_path_open(c, p); /* one that speaks no version of ours is told so by our HELLO */
	core_view(c);
}

void core_disconnected(struct core *c, unsigned slot, bool refused)
{
	struct core_peer *p = &c->peers[slot];
	if (slot >= VIEW_NODES_MAX || !p->used)
		return;
	p->connected = p->blocked = false;
	if (p->path == PATH_DIRECT)
		core_path_none(c, p);
	if (refused)
		core_refused(c, p);
	core_view(c);
}

void core_writable(struct core *c, unsigned slot)
{
	struct core_peer *p = &c->peers[slot];
	if (slot >= VIEW_NODES_MAX || !p->used)
		return;
	p->blocked = false;
	/* Others may have waited for it to pass on theirs. */
	for (unsigned i = 0; i < c->n_slots; i++)
		if (&c->peers[i] == p || (c->peers[i].path == PATH_RELAY && c->peers[i].via == p->epoch))
			core_path_pump(c, &c->peers[i]);
	core_view(c);
}

void core_frame(struct core *c, struct str bytes)
{
	core_talk(c, bytes, 0);
	core_view(c);
}

void core_answered(struct core *c, struct registry_call *answer)
{
	struct core_ask *all[] = { &c->join, &c->renew, &c->nodes, &c->proxy, &c->fence, &c->tell, &c->leave, &c->told_state };
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
		if (&all[i]->call == answer)
			core_lease_answered(c, all[i]);
	core_view(c);
}

/* ---- what the node wants ---- */

static bool body_ok(const struct blob *body, uint32_t nrec)
{
	return nrec && nrec <= FRAME_RECORDS_MAX && body->len <= FRAME_BODY_MAX;
}

enum err core_send(struct core *c, uint32_t epoch, struct blob *body, uint32_t nrec)
{
	uint64_t seq;
	struct core_peer *p = core_peer_find(c, epoch);
	if (!body_ok(body, nrec))
		return ERR_INVALID;
	if (!c->epoch || c->state == NODE_LEFT || !p || !core_peer_alive(p) || p->deaf)
		return ERR_NOT_FOUND;
	/* The last quarter of either is kept for what everybody must hear. */
	if (p->out.frames && (p->out.bytes + body->len > c->o.hard_bytes || p->out.frames >= 12 * c->o.window_frames)) {
		core_path_stuck(c, p);
		return ERR_LIMIT;
	}
	if (link_send(&p->out, body, nrec, &seq) != ERR_NONE)
		return ERR_LIMIT;
	core_path_full(c, p);
	core_view(c);
	return ERR_NONE;
}

void core_broadcast(struct core *c, struct blob *body, uint32_t nrec)
{
	uint64_t seq;
	if (!c->epoch || c->state == NODE_LEFT || !body_ok(body, nrec))
		return;
	for (unsigned i = 0; i < c->n_slots && c->epoch; i++) {
		struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p))
			continue;
		if (p->deaf)
			c->out.lost(c->out.arg, p->epoch, body);
		else if (link_send(&p->out, body, nrec, &seq) != ERR_NONE)
			core_fenced(c, "too much waits for a peer that lives and cannot be reached");
		else
			core_path_full(c, p);
	}
	core_view(c);
}

bool core_pump(struct core *c)
{
	bool due = false;
	for (unsigned i = 0; i < c->n_slots && c->state != NODE_LEFT; i++) {
		struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p))
			continue;
		core_path_pump(c, p);
		due |= p->ack_due;
	}
	return due;
}

void core_flush(struct core *c)
{
	if (!core_pump(c))
		return;
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]))
			core_path_ack(c, &c->peers[i]);
}

void core_synced(struct core *c)
{
	if (c->state != NODE_SYNCING)
		return;
	core_set_state(c, c->draining ? NODE_DRAINING : NODE_UP);
	core_view(c);
}

void core_drain(struct core *c)
{
	c->draining = true;
	if (c->state == NODE_SYNCING || c->state == NODE_UP || c->state == NODE_ISOLATED)
		core_set_state(c, NODE_DRAINING);
	core_view(c);
}

void core_deafen(struct core *c)
{
	if (c->deaf)
		return;
	c->deaf = true;
	core_ping_all(c);
}

void core_leave(struct core *c)
{
	if (c->leaving)
		return;
	core_drain(c);
	c->leaving = true;
	c->leave_ms = c->now;
	core_flush(c);
	leave_tick(c);
	core_view(c);
}

bool core_is_gone(const struct core *c)
{
	return c->gone;
}

unsigned core_links(const struct core *c, struct core_link_stats *out, unsigned max)
{
	unsigned n = 0;
	for (unsigned i = 0; i < c->n_slots && n < max; i++) {
		const struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p))
			continue;
		out[n++] = (struct core_link_stats){
			.epoch = p->epoch, .retained_bytes = p->out.bytes, .retained_frames = p->out.frames,
			.sent_frames = p->sent_frames, .sent_bytes = p->sent_bytes, .taken_frames = p->taken_frames,
			.replayed_frames = p->replayed_frames, .silent_ms = c->now - p->heard_ms, .rtt_us = p->rtt_us,
			.direct = p->path == PATH_DIRECT, .relayed = p->path == PATH_RELAY,
		};
	}
	return n;
}
