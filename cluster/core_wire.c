#include "cluster/core_state.h"

/*
 * Little endian, without padding:
 *
 *   member   epoch u32, id u16, workers u16, state u8, min u8, max u8, 3 lengths u8, name, addr, version
 *   gossip   n u8, members; n u8, dead (epoch u32, by u32, left u8)
 *   HELLO    member, birth u64, yours u64, gen u32, via u32, redis_ok u8, seed u8, seed_echo u8, gossip
 *   PING     state u8, flags u8, wall i64, digest u64, token u32, echo u32, held u32, n u8, says (epoch u32, flags u8), gossip
 *   HELLO_ACK  gen u32, via u32 (gen 0: a gap); how far it got is the header's lack
 *   REMAP    epoch u32, by u32
 *
 * What follows is ignored: a later version may say more.
 */

enum { PING_REDIS = 1, PING_DEAF = 2 };

static void put(struct buf *b, uint64_t v, unsigned bytes)
{
	char p[8];
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (char)(v >> 8 * i);
	buf_add(b, p, bytes);
}

struct reader {
	struct str rest;
	bool failed;
};

static uint64_t get(struct reader *r, unsigned bytes)
{
	uint64_t v = 0;
	if (r->rest.len < bytes) {
		r->failed = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)(uint8_t)r->rest.p[i] << 8 * i;
	r->rest = str_span(r->rest.p + bytes, r->rest.len - bytes);
	return v;
}

bool core_text_ok(struct str s, size_t max)
{
	if (s.len >= max)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return true;
}

static struct str get_text(struct reader *r, size_t len, size_t max)
{
	if (r->failed || r->rest.len < len || !core_text_ok(str_span(r->rest.p, len), max)) {
		r->failed = true;
		return STR("");
	}
	struct str s = str_span(r->rest.p, len);
	r->rest = str_span(s.p + len, r->rest.len - len);
	return s;
}

static void put_member(struct buf *b, const struct core_member *m)
{
	put(b, m->epoch, 4);
	put(b, m->id, 2);
	put(b, m->workers, 2);
	put(b, m->state, 1);
	put(b, m->min, 1);
	put(b, m->max, 1);
	put(b, m->name.len, 1);
	put(b, m->addr.len, 1);
	put(b, m->version.len, 1);
	buf_add_str(b, m->name);
	buf_add_str(b, m->addr);
	buf_add_str(b, m->version);
}

/* Who takes part says one of these states of itself. */
static bool may_say(uint64_t state)
{
	return state == NODE_SYNCING || state == NODE_UP || state == NODE_ISOLATED || state == NODE_DRAINING;
}

static void get_member(struct reader *r, struct core_member *m)
{
	m->epoch = (uint32_t)get(r, 4);
	m->id = (uint16_t)get(r, 2);
	m->workers = (uint16_t)get(r, 2);
	m->state = (uint8_t)get(r, 1);
	m->min = (uint8_t)get(r, 1);
	m->max = (uint8_t)get(r, 1);
	size_t name = get(r, 1), addr = get(r, 1), version = get(r, 1);
	m->name = get_text(r, name, VIEW_NAME_MAX);
	m->addr = get_text(r, addr, VIEW_ADDR_MAX);
	m->version = get_text(r, version, sizeof(((struct view_node *)0)->version));
	if (!m->epoch || !may_say(m->state) || m->min > m->max || !m->addr.len)
		r->failed = true;
}

static void put_gossip(struct buf *b, const struct core_gossip *g)
{
	put(b, g->n, 1);
	for (unsigned i = 0; i < g->n; i++)
		put_member(b, &g->members[i]);
	put(b, g->n_dead, 1);
	for (unsigned i = 0; i < g->n_dead; i++) {
		put(b, g->dead[i].epoch, 4);
		put(b, g->dead[i].by, 4);
		put(b, g->dead[i].left, 1);
	}
}

static void get_gossip(struct reader *r, struct core_gossip *g)
{
	g->n = (unsigned)get(r, 1);
	if (g->n > VIEW_NODES_MAX + 1)
		r->failed = true;
	for (unsigned i = 0; i < g->n && !r->failed; i++)
		get_member(r, &g->members[i]);
	g->n_dead = (unsigned)get(r, 1);
	if (g->n_dead > CORE_GOSSIP_DEAD)
		r->failed = true;
	for (unsigned i = 0; i < g->n_dead && !r->failed; i++) {
		g->dead[i].epoch = (uint32_t)get(r, 4);
		g->dead[i].by = (uint32_t)get(r, 4);
		g->dead[i].left = get(r, 1) != 0;
	}
	if (r->failed)
		g->n = g->n_dead = 0;
}

void core_write_hello(struct buf *b, const struct core_hello *h, const struct core_gossip *g)
{
	put_member(b, &h->self);
	put(b, h->birth, 8);
	put(b, h->yours, 8);
	put(b, h->gen, 4);
	put(b, h->via, 4);
	put(b, h->redis_ok, 1);
	put(b, h->seed, 1);
	put(b, h->seed_echo, 1);
	put_gossip(b, g);
}

enum err core_read_hello(struct str body, struct core_hello *h, struct core_gossip *g)
{
	struct reader r = { .rest = body };
	get_member(&r, &h->self);
	h->birth = get(&r, 8);
	h->yours = get(&r, 8);
	h->gen = (uint32_t)get(&r, 4);
	h->via = (uint32_t)get(&r, 4);
	h->redis_ok = get(&r, 1) != 0;
	h->seed = (uint8_t)get(&r, 1);
	h->seed_echo = (uint8_t)get(&r, 1);
	get_gossip(&r, g);
	return r.failed ? ERR_INVALID : ERR_NONE;
}

void core_write_ping(struct buf *b, const struct core_ping *p, const struct core_gossip *g)
{
	put(b, p->state, 1);
	put(b, (p->redis_ok ? PING_REDIS : 0) | (p->deaf ? PING_DEAF : 0), 1);
	put(b, (uint64_t)p->wall_ms, 8);
	put(b, p->digest, 8);
	put(b, p->token, 4);
	put(b, p->echo, 4);
	put(b, p->echo_held_ms, 4);
	put(b, p->n_says, 1);
	for (unsigned i = 0; i < p->n_says; i++) {
		put(b, p->says[i].epoch, 4);
		put(b, p->says[i].flags, 1);
	}
	put_gossip(b, g);
}

enum err core_read_ping(struct str body, struct core_ping *p, struct core_gossip *g)
{
	struct reader r = { .rest = body };
	p->state = (uint8_t)get(&r, 1);
	uint64_t flags = get(&r, 1);
	p->redis_ok = flags & PING_REDIS;
	p->deaf = flags & PING_DEAF;
	p->wall_ms = (int64_t)get(&r, 8);
	p->digest = get(&r, 8);
	p->token = (uint32_t)get(&r, 4);
	p->echo = (uint32_t)get(&r, 4);
	p->echo_held_ms = (uint32_t)get(&r, 4);
	p->n_says = (unsigned)get(&r, 1);
	if (!may_say(p->state) || p->n_says > VIEW_NODES_MAX)
		r.failed = true;
	for (unsigned i = 0; i < p->n_says && !r.failed; i++) {
		p->says[i].epoch = (uint32_t)get(&r, 4);
		p->says[i].flags = (uint8_t)get(&r, 1);
	}
	get_gossip(&r, g);
	return r.failed ? ERR_INVALID : ERR_NONE;
}

static void put_pair(struct buf *b, uint32_t one, uint32_t two)
{
	put(b, one, 4);
	put(b, two, 4);
}

static enum err get_pair(struct str body, uint32_t *one, uint32_t *two)
{
	struct reader r = { .rest = body };
	*one = (uint32_t)get(&r, 4);
	*two = (uint32_t)get(&r, 4);
	return r.failed ? ERR_INVALID : ERR_NONE;
}

void core_write_answer(struct buf *b, uint32_t gen, uint32_t via)
{
	put_pair(b, gen, via);
}

enum err core_read_answer(struct str body, uint32_t *gen, uint32_t *via)
{
	return get_pair(body, gen, via);
}

void core_write_remap(struct buf *b, uint32_t epoch, uint32_t by)
{
	put_pair(b, epoch, by);
}

enum err core_read_remap(struct str body, uint32_t *epoch, uint32_t *by)
{
	return get_pair(body, epoch, by);
}
