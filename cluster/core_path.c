#include "cluster/core_state.h"

/* A frame from us to p, with all that each frame carries. */
static struct frame frame_to(const struct core *c, const struct core_peer *p, enum frame_type type, uint16_t flags, struct str body)
{
	return (struct frame){
		.type = type,
		.flags = flags,
		.src_node = c->id,
		.dst_node = p->id,
		.src_epoch = c->epoch,
		.dst_epoch = p->epoch,
		.lack = p->in.taken,
		.hlc = c->o.clock ? atomic_load(c->o.clock) : 0,
		.body = body,
	};
}

bool core_put_direct(struct core *c, struct core_peer *p, const struct frame *f)
{
	char header[FRAME_HEADER];
	if (!p->connected || p->blocked || !c->epoch)
		return false;
	frame_write_header(header, f, c->o.checksum);
	if (!c->out.send(c->out.arg, core_slot(c, p), str_span(header, sizeof header), f->body)) {
		p->blocked = true;
		return false;
	}
	p->sent_frames++;
	p->sent_bytes += sizeof header + f->body.len;
	return true;
}

/* Wrapped, by way of q. */
static bool put_relayed(struct core *c, struct core_peer *q, const struct frame *f)
{
	if (f->body.len > FRAME_BODY_MAX)
		return false;
	buf_clear(&c->wrap);
	frame_write(&c->wrap, f, c->o.checksum);
	struct frame outer = frame_to(c, q, FRAME_RELAY, 0, buf_str(&c->wrap));
	return core_put_direct(c, q, &outer);
}

/* The third node that p is reached through: one that hears us, and reaches p. */
static bool may_relay(const struct core *c, const struct core_peer *q, const struct core_peer *p)
{
	return q->used && q != p && q->epoch && core_peer_alive(q) && q->connected && q->path == PATH_DIRECT &&
	       core_peer_hears_directly(c, q) && (core_peer_says(c, q, c->epoch) & SAYS_HEARS) &&
	       (core_peer_says(c, q, p->epoch) & SAYS_REACHES);
}

static struct core_peer *relay_for(struct core *c, const struct core_peer *p)
{
	struct core_peer *best = NULL;
	for (unsigned i = 0; i < c->n_slots; i++) {
		struct core_peer *q = &c->peers[i];
		if (may_relay(c, q, p) && (!best || q->epoch < best->epoch))
			best = q;
	}
	return best;
}

static bool put_frame(struct core *c, struct core_peer *p, const struct frame *f)
{
	bool sent = false;
	if (p->path == PATH_DIRECT) {
		sent = core_put_direct(c, p, f);
	} else if (p->path == PATH_RELAY) {
		struct core_peer *q = core_peer_find(c, p->via);
		sent = q && put_relayed(c, q, f);
	}
	if (sent)
		p->ack_due = false;
	return sent;
}

bool core_put(struct core *c, struct core_peer *p, enum frame_type type, uint16_t flags, struct str body)
{
	struct frame f = frame_to(c, p, type, flags, body);
	return put_frame(c, p, &f);
}

bool core_put_any(struct core *c, struct core_peer *p, enum frame_type type, uint16_t flags, struct str body)
{
	struct frame f = frame_to(c, p, type, flags, body);
	bool sent = core_put_direct(c, p, &f);
	struct core_peer *q = p->path == PATH_DIRECT ? NULL : relay_for(c, p);
	if (q && put_relayed(c, q, &f))
		sent = true;
	return sent;
}

/* ---- HELLO ---- */

static void hello_body(struct core *c, const struct core_peer *p, uint32_t via)
{
	struct core_hello h = {
		.self = { .epoch = c->epoch, .id = c->id, .workers = c->o.workers, .state = c->state, .min = c->o.protocol_min,
			  .max = c->o.protocol_max, .name = str_of(c->name), .addr = str_of(c->addr), .version = str_of(c->version) },
		.birth = c->birth,
		.yours = p->birth,
		.gen = p->gen,
		.via = via,
		.redis_ok = c->registry_ok,
		.seed = p->seed,
		.seed_echo = p->seed_echo,
	};
	core_gossip_fill(c, &c->told, true);
	buf_clear(&c->scratch);
	core_write_hello(&c->scratch, &h, &c->told);
}

static bool say_hello(struct core *c, struct core_peer *p)
{
	bool sent = false;
	if (c->state == NODE_LEFT)
		return false;
	if (p->connected) {
		hello_body(c, p, 0);
		struct frame f = frame_to(c, p, FRAME_HELLO, 0, buf_str(&c->scratch));
		sent = core_put_direct(c, p, &f);
	}
	struct core_peer *q = p->path == PATH_NONE && p->epoch ? relay_for(c, p) : NULL;
	if (q) {
		hello_body(c, p, q->epoch);
		struct frame f = frame_to(c, p, FRAME_HELLO, 0, buf_str(&c->scratch));
		sent |= put_relayed(c, q, &f);
	}
	return sent;
}

void core_path_hello(struct core *c, struct core_peer *p)
{
	uint64_t ping = c->o.ping_ms;
	if (!say_hello(c, p)) {
		p->hello_at = c->now + ping / 5;
		return;
	}
	p->hello_wait = p->hello_wait ? p->hello_wait * 2 : ping;
	if (p->hello_wait > 4 * ping)
		p->hello_wait = 4 * ping;
	p->hello_at = c->now + p->hello_wait;
}

void core_path_answer(struct core *c, struct core_peer *p)
{
	if (!p->answer_hello || !c->epoch)
		return;
	buf_clear(&c->scratch);
	core_write_answer(&c->scratch, p->answer_gen, p->answer_via);
	if (core_put_any(c, p, FRAME_HELLO_ACK, 0, buf_str(&c->scratch)))
		p->answer_hello = false;
}

void core_path_none(struct core *c, struct core_peer *p)
{
	if (p->path != PATH_NONE)
		c->dirty = true;
	p->path = PATH_NONE;
	p->via = 0;
	link_out_down(&p->out);
	p->gen++;
	p->hello_at = c->now;
	p->hello_wait = 0;
	p->stall_wait = 0;
}

/* A new connection, or a reason to begin again. */
void core_path_open(struct core *c, struct core_peer *p)
{
	p->blocked = false;
	if (p->path != PATH_RELAY) {
		core_path_none(c, p);
	} else {
		p->hello_at = c->now;
		p->hello_wait = 0;
	}
	core_path_hello(c, p);
	core_path_answer(c, p);
}

static void path_set(struct core *c, struct core_peer *p, enum core_path path, uint32_t via)
{
	if (path == PATH_RELAY && (p->path != path || p->via != via))
		core_event(c, CORE_RELAYING, p->epoch, "%s is reached through incarnation %u", p->name, via);
	if (p->path != path || p->via != via)
		c->dirty = true;
	p->path = path;
	p->via = via;
	p->path_ms = c->now;
}

void core_path_answered(struct core *c, struct core_peer *p, uint32_t gen, uint32_t via, uint64_t last)
{
	bool gap = gen == 0;
	if (gap ? p->path == PATH_NONE : gen != p->gen)
		return;
	if (!gap) {
		bool direct = via == 0;
		if (direct ? !p->connected : p->path == PATH_DIRECT)
			return;
		path_set(c, p, direct ? PATH_DIRECT : PATH_RELAY, via);
		p->hello_wait = 0;
		p->hello_at = c->now + 2 * (uint64_t)c->o.ping_ms; /* a RELAY goes on to try the direct way */
	}
	if (link_out_up(&p->out, last) != ERR_NONE) {
		core_event(c, CORE_BAD_FRAME, p->epoch, "%s acknowledges what was never sent", p->name);
		return;
	}
	p->stall_acked = p->out.acked;
	p->stall_ms = c->now;
	core_path_full(c, p);
	core_path_pump(c, p);
}

/* ---- what is retained goes out ---- */

void core_path_pump(struct core *c, struct core_peer *p)
{
	const struct link_frame *f;
	if (p->path == PATH_NONE || !c->epoch)
		return;
	while ((f = link_out_next(&p->out)) != NULL) {
		struct frame frame = frame_to(c, p, FRAME_DATA, 0, blob_str(f->body));
		frame.link_seq = f->seq;
		frame.nrec = f->nrec;
		if (!put_frame(c, p, &frame)) {
			link_out_unsend(&p->out, f);
			return;
		}
		if (f->seq <= p->high_seq)
			p->replayed_frames++;
		else
			p->high_seq = f->seq;
	}
}

void core_path_ack(struct core *c, struct core_peer *p)
{
	if (p->ack_due && c->epoch)
		core_put(c, p, FRAME_ACKONLY, 0, STR(""));
}

/* Full for a while it is slow: less is sent there. For longer it is SUSPECT, though it may be heard: who takes nothing serves nobody. */
static void watch_full(struct core *c, struct core_peer *p)
{
	bool slow = p->full && c->now - p->full_ms >= c->o.slow_ms;
	bool stuck = p->full && (p->stuck || c->now - p->full_ms >= c->o.stuck_ms);
	if (slow != p->slow) {
		p->slow = slow;
		c->dirty = true;
		core_event(c, CORE_PEER_SLOW, p->epoch, slow ? "%s has taken too little for %llu ms" : "%s takes what waited again",
			   p->name, (unsigned long long)(c->now - p->full_ms));
	}
	if (stuck != p->stuck) {
		p->stuck = stuck;
		core_peer_believe(c, p);
	}
}

/* With hysteresis: half of the window must be free again. */
void core_path_full(struct core *c, struct core_peer *p)
{
	bool over = p->out.bytes >= c->o.window_bytes || p->out.frames >= c->o.window_frames;
	bool under = p->out.bytes < c->o.window_bytes / 2 && p->out.frames < c->o.window_frames / 2;
	bool full = p->full ? !under : over;
	if (full != p->full)
		c->dirty = true;
	if (full && !p->full)
		p->full_ms = c->now;
	p->full = full;
	watch_full(c, p);
}

void core_path_stuck(struct core *c, struct core_peer *p)
{
	if (!p->full || p->stuck)
		return;
	p->stuck = true;
	core_peer_believe(c, p);
	core_view(c);
}

static void fill_says(struct core *c, struct core_ping *ping)
{
	for (unsigned i = 0; i < c->n_slots; i++) {
		struct core_peer *q = &c->peers[i];
		if (!q->used || !q->epoch || !core_peer_alive(q))
			continue;
		uint8_t flags = core_vote_of(c, q);
		bool hears = core_peer_hears_directly(c, q);
		if (hears)
			flags |= SAYS_HEARS;
		if (hears && q->path == PATH_DIRECT && (core_peer_says(c, q, c->epoch) & SAYS_HEARS))
			flags |= SAYS_REACHES;
		if (flags)
			ping->says[ping->n_says++] = (struct core_says){ .epoch = q->epoch, .flags = flags };
	}
}

void core_ping(struct core *c, struct core_peer *p)
{
	struct core_ping ping = {
		.state = c->state,
		.redis_ok = c->registry_ok,
		.deaf = c->deaf,
		.wall_ms = c->wall,
		.digest = core_digest(c),
		.token = (uint32_t)c->now,
		.echo = p->echo_token,
		.echo_held_ms = p->echo_ms ? (uint32_t)(c->now - p->echo_ms) : 0,
	};
	fill_says(c, &ping);
	core_gossip_fill(c, &c->told, p->digest != ping.digest);
	buf_clear(&c->scratch);
	core_write_ping(&c->scratch, &ping, &c->told);
	/* Directly as well while it goes through a third node: so that the peer can say that it hears us again. */
	if (p->path == PATH_DIRECT)
		core_put(c, p, FRAME_PING, 0, buf_str(&c->scratch));
	else
		core_put_any(c, p, FRAME_PING, 0, buf_str(&c->scratch));
}

void core_ping_all(struct core *c)
{
	c->ping_now = false;
	if (!c->epoch || c->state == NODE_LEFT)
		return;
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]))
			core_ping(c, &c->peers[i]);
}

/* ---- is the way still good? ---- */

static bool relay_is_good(struct core *c, struct core_peer *p)
{
	struct core_peer *q = core_peer_find(c, p->via);
	return q && may_relay(c, q, p);
}

/* It hears us on other ways only, or not at all; or is silent, so that we cannot know. */
static bool direct_is_good(const struct core *c, const struct core_peer *p)
{
	if (!p->connected || p->suspect)
		return false;
	if (c->now - p->path_ms <= c->o.suspect_ms || !p->ping_ms || c->now - p->ping_ms > c->o.suspect_ms)
		return true;
	return core_peer_says(c, p, c->epoch) & SAYS_HEARS;
}

/* Sent long ago and not acknowledged, although it is heard: lost where no disconnect was seen. */
static void watch_stall(struct core *c, struct core_peer *p)
{
	if (!p->out.up || !p->out.oldest || p->out.acked != p->stall_acked || p->out.sent < p->out.oldest->seq) {
		p->stall_acked = p->out.acked;
		p->stall_ms = c->now;
		p->stall_wait = 0;
		return;
	}
	uint64_t wait = p->stall_wait ? p->stall_wait : 3 * (uint64_t)c->o.ping_ms;
	if (p->suspect || c->now - p->stall_ms < wait)
		return;
	core_path_none(c, p);
	p->stall_wait = wait * 2 > 16000 ? 16000 : wait * 2;
}

void core_path_tick(struct core *c, struct core_peer *p)
{
	if (p->path == PATH_RELAY && !relay_is_good(c, p))
		core_path_none(c, p);
	if (p->path == PATH_DIRECT && !direct_is_good(c, p))
		core_path_none(c, p);
	watch_full(c, p);
	if (p->path != PATH_NONE)
		watch_stall(c, p);
	if (p->path != PATH_DIRECT && c->now >= p->hello_at)
		core_path_hello(c, p);
	core_path_answer(c, p);
}
