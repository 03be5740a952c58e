#include "cluster/core_state.h"

static void bad(struct core *c, uint32_t epoch, const char *what)
{
	core_event(c, CORE_BAD_FRAME, epoch, "%s", what);
}

static void heard(struct core *c, struct core_peer *p, bool direct)
{
	p->heard_ms = c->now;
	if (direct) {
		p->direct_ms = c->now;
		p->refused = false;
	}
	if (!p->suspect)
		return;
	p->suspect = false;
	core_peer_believe(c, p);
}

static void tell_dead(struct core *c, struct core_peer *p, uint32_t epoch, uint32_t by)
{
	buf_clear(&c->scratch);
	core_write_remap(&c->scratch, epoch, by);
	core_put_any(c, p, FRAME_REMAP, 0, buf_str(&c->scratch));
}

void core_remap_all(struct core *c, uint32_t epoch, uint32_t by)
{
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]) || c->peers[i].epoch == epoch)
			tell_dead(c, &c->peers[i], epoch, by);
}

/* Somebody who is gone speaks: it is told so, where there is a way. */
static void talk_dead(struct core *c, const struct frame *f, const struct core_dead *d)
{
	struct core_peer *p = core_peer_find(c, f->src_epoch);
	if (!p)
		return;
	p->dead_ms = c->now;
	if (d->left && f->type == FRAME_DRAIN)
		core_put_any(c, p, FRAME_DRAIN, CORE_DRAIN_HEARD, STR(""));
	else if (c->now - p->gap_ms >= c->o.ping_ms / 2) {
		p->gap_ms = c->now;
		tell_dead(c, p, d->epoch, d->by);
	}
}

/* Our own voice, by way of a seed; or another node that got our number from a registry that forgot. */
static void talk_self(struct core *c, const struct frame *f)
{
	struct core_hello h;
	if (f->type != FRAME_HELLO || core_read_hello(f->body, &h, &c->heard) != ERR_NONE)
		return;
	if (h.birth != c->birth)
		core_fenced(c, "another node has our number");
	else if (h.seed && h.seed <= c->n_seeds)
		c->seeds[h.seed - 1].ours = true;
}

/* ---- HELLO ---- */

static void learn(struct core *c, struct core_peer *p, const struct core_hello *h)
{
	uint8_t min = h->self.min > c->o.protocol_min ? h->self.min : c->o.protocol_min;
	uint8_t max = h->self.max < c->o.protocol_max ? h->self.max : c->o.protocol_max;
	p->met = true;
	p->said = h->self.state;
	p->redis_ok = h->redis_ok;
	p->min = h->self.min;
	p->max = h->self.max;
	p->id = h->self.id;
	p->workers = h->self.workers;
	if (h->seed)
		p->seed_echo = h->seed;
	if (h->seed_echo && h->seed_echo <= c->n_seeds)
		c->seeds[h->seed_echo - 1].epoch = p->epoch;
	if (p->speaks != max)
		c->dirty = true;
	p->speaks = max;
	if (min > max)
		core_peer_incompatible(c, p);
	core_peer_believe(c, p);
}

/* It does not know this incarnation of ours. */
static void introduce(struct core *c, struct core_peer *p)
{
	if (!p->connected || c->now < p->introduced_ms + c->o.ping_ms / 2)
		return;
	p->introduced_ms = c->now;
	core_path_hello(c, p);
}

static void talk_hello(struct core *c, const struct frame *f, bool direct)
{
	struct core_hello h;
	if (core_read_hello(f->body, &h, &c->heard) != ERR_NONE || h.self.epoch != f->src_epoch) {
		bad(c, f->src_epoch, "a HELLO that makes no sense");
		return;
	}
	struct core_dead *d = core_dead_find(c, f->src_epoch);
	struct core_peer *p = core_peer_find(c, f->src_epoch);
	/* Of two with one number the other one was buried: this one can be told only where it is. */
	if (d && p && !str_is(h.self.addr, p->addr))
		core_peer_release(c, p);
	p = core_peer_add(c, &h.self);
	if (d) {
		talk_dead(c, f, d);
		return;
	}
	if (!p)
		return;
	/* A registry that forgot gave its number again. Which of the two this or that peer means nobody can tell: both give it up. */
	if (p->birth && p->birth != h.birth) {
		core_peer_dead(c, p->epoch, false, 0);
		core_remap_all(c, p->epoch, 0);
		return;
	}
	p->birth = h.birth;
	core_peer_readdress(c, p, &h.self);
	learn(c, p, &h);
	if (p->incompatible)
		return;
	heard(c, p, direct);
	bool to_us = f->dst_epoch == c->epoch;
	if (to_us && h.yours && h.yours != c->birth) {
		core_fenced(c, "a peer knows another node by our number");
		return;
	}
	p->knows_us |= to_us;
	if (to_us && link_acked(&p->out, f->lack) != ERR_NONE) {
		bad(c, f->src_epoch, "a HELLO that acknowledges what was never sent");
		return;
	}
	core_path_full(c, p);
	core_gossip_take(c, &c->heard, p->epoch);
	if (!c->epoch || !core_peer_alive(p))
		return;
	if (!to_us) {
		introduce(c, p);
		return;
	}
	p->answer_hello = true;
	p->answer_gen = h.gen;
	p->answer_via = h.via;
	core_path_answer(c, p);
}

/* ---- the others ---- */

static void talk_answer(struct core *c, struct core_peer *p, const struct frame *f)
{
	uint32_t gen, via;
	if (core_read_answer(f->body, &gen, &via) != ERR_NONE)
		bad(c, p->epoch, "a HELLO_ACK that makes no sense");
	else
		core_path_answered(c, p, gen, via, f->lack);
}

static void talk_ping(struct core *c, struct core_peer *p, const struct frame *f)
{
	struct core_ping ping;
	if (core_read_ping(f->body, &ping, &c->heard) != ERR_NONE) {
		bad(c, p->epoch, "a PING that makes no sense");
		return;
	}
	p->met = true;
	p->said = ping.state;
	p->redis_ok = ping.redis_ok;
	p->digest = ping.digest;
	p->ping_ms = c->now;
	p->skew_ms = ping.wall_ms - c->wall;
	p->skew_known = true;
	if (ping.echo) {
		uint32_t took = (uint32_t)c->now - ping.echo;
		p->rtt_us = took > ping.echo_held_ms ? (took - ping.echo_held_ms) * (uint64_t)1000 : 0;
	}
	p->echo_token = ping.token;
	p->echo_ms = c->now;
	p->n_says = ping.n_says;
	memcpy(p->says, ping.says, ping.n_says * sizeof p->says[0]);
	core_peer_believe(c, p);
	if (ping.deaf)
		core_peer_deaf(c, p);
	core_gossip_take(c, &c->heard, p->epoch);
}

static void talk_data(struct core *c, struct core_peer *p, const struct frame *f)
{
	if (f->link_seq == 0 || f->nrec == 0 || frame_check_records(f) != ERR_NONE) {
		bad(c, p->epoch, "DATA whose records do not fit");
		return;
	}
	if (c->deaf && f->link_seq > p->in.taken)
		return;
	switch (link_take(&p->in, f->src_epoch, f->link_seq)) {
	case LINK_TAKE:
		p->taken_frames++;
		p->ack_due = true;
		c->out.take(c->out.arg, p->epoch, f->nrec, f->body);
		break;
	case LINK_DUPLICATE:
		p->ack_due = true;
		break;
	case LINK_GAP:
		if (p->gap_ms && p->gap_told == p->in.taken && c->now - p->gap_ms < c->o.ping_ms)
			break;
		p->gap_told = p->in.taken;
		p->gap_ms = c->now;
		buf_clear(&c->scratch);
		core_write_answer(&c->scratch, 0, 0);
		core_put_any(c, p, FRAME_HELLO_ACK, 0, buf_str(&c->scratch));
		break;
	case LINK_STALE:
		introduce(c, p);
		break;
	}
}

static void talk_remap(struct core *c, struct core_peer *p, const struct frame *f)
{
	uint32_t epoch, by;
	if (core_read_remap(f->body, &epoch, &by) != ERR_NONE || !epoch)
		bad(c, p->epoch, "a REMAP that makes no sense");
	else if (epoch == c->epoch)
		core_fenced(c, "a peer says that we are dead");
	else
		core_peer_dead(c, epoch, false, by);
	core_dead_by(c, epoch, by, p->epoch);
}

static void talk_drain(struct core *c, struct core_peer *p, const struct frame *f)
{
	if (f->flags & CORE_DRAIN_LEFT) {
		core_put_any(c, p, FRAME_DRAIN, CORE_DRAIN_HEARD, STR(""));
		core_peer_dead(c, p->epoch, true, 0);
	} else if (f->flags & CORE_DRAIN_HEARD) {
		p->left_told = true;
	}
}

/* From p, who wants it passed on; or from a third, passed on by p. One hop, no more: what was passed on is never passed on again. */
static void talk_relay(struct core *c, struct core_peer *p, const struct frame *f)
{
	struct frame inner;
	if (frame_read(f->body, &inner) != ERR_NONE || inner.type == FRAME_RELAY || !inner.src_epoch) {
		bad(c, p->epoch, "a RELAY of something that makes no sense");
		return;
	}
	if (inner.src_epoch != p->epoch) {
		core_talk(c, f->body, p->epoch);
		return;
	}
	struct core_peer *to = core_peer_find(c, inner.dst_epoch);
	if (!to || to == p || !core_peer_alive(to) || to->path != PATH_DIRECT)
		return;
	core_put(c, to, FRAME_RELAY, 0, f->body);
}

static void dispatch(struct core *c, struct core_peer *p, const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO_ACK:
		talk_answer(c, p, f);
		break;
	case FRAME_DATA:
		talk_data(c, p, f);
		break;
	case FRAME_PING:
		talk_ping(c, p, f);
		break;
	case FRAME_RELAY:
		talk_relay(c, p, f);
		break;
	case FRAME_DRAIN:
		talk_drain(c, p, f);
		break;
	case FRAME_ACKONLY:
		break;
	default:
		bad(c, p->epoch, "a frame of a type that this version does not know");
		break;
	}
}

void core_talk(struct core *c, struct str bytes, uint32_t relayed_by)
{
	struct frame f;
	if (frame_read(bytes, &f) != ERR_NONE || !f.src_epoch) {
		bad(c, relayed_by, "what came is no frame");
		return;
	}
	if (!c->epoch)
		return;
	if (f.src_epoch == c->epoch) {
		talk_self(c, &f);
		return;
	}
	struct core_peer *p = core_peer_find(c, f.src_epoch);
	if (c->state == NODE_LEFT) {
		if (p && f.type == FRAME_DRAIN)
			talk_drain(c, p, &f);
		return;
	}
	if (f.type == FRAME_HELLO) {
		talk_hello(c, &f, !relayed_by);
		return;
	}
	struct core_dead *d = core_dead_find(c, f.src_epoch);
	if (d)
		talk_dead(c, &f, d);
	if (d || !p || p->incompatible)
		return;
	/* Who holds us for dead says nothing else any more. */
	if (f.dst_epoch == c->epoch && f.type == FRAME_REMAP) {
		talk_remap(c, p, &f);
		return;
	}
	if (f.dst_epoch != c->epoch || !p->knows_us) {
		introduce(c, p);
		return;
	}
	heard(c, p, !relayed_by);
	if (c->o.clock)
		hlc_hear(c->o.clock, f.hlc, c->wall);
	if (link_acked(&p->out, f.lack) != ERR_NONE) {
		bad(c, p->epoch, "an acknowledgement of what was never sent");
		return;
	}
	core_path_full(c, p);
	dispatch(c, p, &f);
}
