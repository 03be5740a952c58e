/*
 * core_net.h: several cores in one small network, for the tests of core.c: connections that can be cut one way, nodes that can be killed or
 * frozen, and a registry that can be away or lose its memory. What depends on chance is the simulator's (tests/cluster/sim).
 */
#ifndef TESTS_UNIT_CLUSTER_CORE_NET_H
#define TESTS_UNIT_CLUSTER_CORE_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/core.h"
#include "cluster/hlc.h"

#define NODES 5
#define ROWS  32
#define LOG   4096

struct packet {
	struct packet *next;
	unsigned to;
	struct buf bytes;
};

struct node {
	struct core *core;
	struct view *view;
	struct rng rng;
	char addr[32];
	bool runs, frozen, no_redis;
	struct {
		bool open, connected;
		unsigned to;
	} slots[VIEW_NODES_MAX];
	unsigned events[CORE_EVENT_COUNT], n_taken, n_lost, n_janitor;
	uint32_t taken[LOG], taken_from[LOG], lost[LOG], janitor[ROWS];
	int64_t skew;
	_Atomic uint64_t clock, clock_at_take; /* hlc.h; of its last take */
	bool refuse_send;
	unsigned n_sent, sent_at_view; /* frames; until the last view */
};

struct row {
	uint32_t epoch;
	unsigned node;
	uint64_t lease_until;
	uint8_t state;
	bool dead;
};

static struct net {
	struct node nodes[NODES];
	struct row rows[ROWS];
	unsigned n_rows;
	uint32_t last_epoch;
	bool redis_away, checksum;
	bool older;              /* as if nodes had flags in their PINGs that others do not know */
	uint8_t versions[NODES]; /* 0: the default */
	uint32_t window_frames, hard_bytes;
	bool cut[NODES][NODES];  /* packets from, to */
	struct packet *first, **last;
	struct { unsigned node; struct registry_call *call; } asked[256];
	unsigned n_asked;
	uint64_t now;
} net;

static inline unsigned index_of(struct node *n)
{
	return (unsigned)(n - net.nodes);
}

/* ---- what a core wants ---- */

static inline void on_open(void *arg, unsigned slot, struct str addr)
{
	struct node *n = arg;
	unsigned to = NODES;
	for (unsigned i = 0; i < NODES; i++)
		if (str_is(addr, net.nodes[i].addr))
			to = i;
	assert_false(n->slots[slot].open);
	n->slots[slot].open = true;
	n->slots[slot].connected = false;
	n->slots[slot].to = to;
}

static inline void on_close(void *arg, unsigned slot)
{
	struct node *n = arg;
	assert_true(n->slots[slot].open);
	n->slots[slot].open = false;
}

static inline bool on_send(void *arg, unsigned slot, struct str header, struct str body)
{
	struct node *n = arg;
	assert_true(n->slots[slot].connected);
	assert_true(header.len + body.len <= FRAME_MAX);
	if (n->refuse_send)
		return false;
	n->n_sent++;
	struct packet *p = calloc(1, sizeof *p);
	p->to = n->slots[slot].to;
	buf_init(&p->bytes, FRAME_MAX);
	buf_add_str(&p->bytes, header);
	buf_add_str(&p->bytes, body);
	if (net.older && p->bytes.p[5] == FRAME_PING)
		p->bytes.p[FRAME_HEADER + 1] &= 1;
	if (net.cut[index_of(n)][p->to]) {
		buf_fini(&p->bytes);
		free(p);
		return true;
	}
	*net.last = p;
	net.last = &p->next;
	return true;
}

static inline void on_ask(void *arg, struct registry_call *c)
{
	assert_true(net.n_asked < 256);
	net.asked[net.n_asked].node = index_of(arg);
	net.asked[net.n_asked++].call = c;
}

static inline uint32_t number_of(struct str body)
{
	struct frame_record r;
	assert_int_equal(frame_next_record(&body, &r), ERR_NONE);
	return r.oseq;
}

static inline void on_take(void *arg, uint32_t from, uint32_t nrec, struct str body)
{
	struct node *n = arg;
	assert_true(n->n_taken < LOG);
	n->taken_from[n->n_taken] = from;
	n->taken[n->n_taken++] = number_of(body);
	n->clock_at_take = n->clock;
}

static inline void on_lost(void *arg, uint32_t to, struct blob *body)
{
	struct node *n = arg;
	assert_true(n->n_lost < LOG);
	n->lost[n->n_lost++] = number_of(blob_str(body));
}

static inline void on_view(void *arg, struct view *v)
{
	struct node *n = arg;
	if (n->view)
		assert_true(v->version == n->view->version + 1);
	view_unref(n->view);
	n->view = v;
	n->sent_at_view = n->n_sent;
}

static inline void on_event(void *arg, enum core_event e, uint32_t epoch, const char *text)
{
	struct node *n = arg;
	n->events[e]++;
	if (getenv("CORE_TEST_LOG"))
		printf("%6llu n%u %u/%u %s\n", (unsigned long long)net.now, index_of(n), e, epoch, text);
}

static inline void on_janitor(void *arg, uint32_t epoch)
{
	struct node *n = arg;
	n->janitor[n->n_janitor++] = epoch;
}

/* ---- the registry ---- */

static inline struct row *row_of(uint32_t epoch)
{
	for (unsigned i = 0; i < net.n_rows; i++)
		if (net.rows[i].epoch == epoch)
			return &net.rows[i];
	return NULL;
}

static inline void list_rows(struct registry_call *c)
{
	c->arena = arena_new(0);
	c->nodes = arena_zalloc(c->arena, ROWS * sizeof *c->nodes);
	for (unsigned i = 0; i < net.n_rows; i++) {
		struct row *r = &net.rows[i];
		c->nodes[c->n_nodes++] = (struct registry_node){
			.epoch = r->epoch, .id = (uint16_t)(r->node + 1), .workers = 2, .state = r->state, .speaks_min = 1, .speaks_max = 1,
			.dead = r->dead, .lease_ms = r->lease_until > net.now ? (int64_t)(r->lease_until - net.now) : 0,
			.name = STR("node"), .addr = str_of(net.nodes[r->node].addr), .version = STR("1.0"),
		};
	}
}

static inline void join(unsigned node, struct registry_call *c)
{
	if (!c->self.epoch) {
		net.last_epoch = (net.last_epoch > c->fence ? net.last_epoch : (uint32_t)c->fence) + 1;
		c->epoch = net.last_epoch;
	}
	struct row *r = row_of(c->epoch);
	if (r && r->dead) {
		c->err = ERR_DENIED;
		return;
	}
	if (!r)
		r = &net.rows[net.n_rows++];
	*r = (struct row){ .epoch = c->epoch, .node = node, .lease_until = net.now + 8000, .state = c->self.state };
	if (net.last_epoch < c->epoch)
		net.last_epoch = c->epoch;
	c->id = (uint16_t)(node + 1);
	list_rows(c);
}

static inline enum err fence(const struct registry_call *c)
{
	struct row *r = row_of(c->epoch);
	unsigned live = 0;
	if (!r)
		return ERR_NOT_FOUND;
	if (r->dead)
		return ERR_EXISTS;
	for (unsigned i = 0; i < net.n_rows; i++)
		live += !net.rows[i].dead && net.rows[i].lease_until > net.now;
	if (r->lease_until > net.now && !(c->refused && c->votes * 2 > live))
		return ERR_DENIED;
	r->dead = true;
	return ERR_NONE;
}

static inline void answer(unsigned node, struct registry_call *c)
{
	struct row *r = row_of(c->epoch);
	c->err = ERR_NONE;
	if (net.redis_away || net.nodes[node].no_redis)
		c->err = ERR_UNAVAILABLE;
	else if (c->verb == REGISTRY_JOIN)
		join(node, c);
	else if (c->verb == REGISTRY_NODES)
		list_rows(c);
	else if (c->verb == REGISTRY_FENCE)
		c->err = fence(c);
	else if (!r)
		c->err = ERR_NOT_FOUND;
	else if (r->dead)
		c->err = ERR_DENIED;
	else if (c->verb == REGISTRY_RENEW)
		r->lease_until = net.now + 8000;
	else if (c->verb == REGISTRY_STATE)
		r->state = c->state;
	else if (c->verb == REGISTRY_LEAVE)
		*r = net.rows[--net.n_rows];
}

/* ---- the network ---- */

static inline bool reaches(struct node *n, unsigned to)
{
	return to < NODES && net.nodes[to].runs && !net.cut[index_of(n)][to] && !net.cut[to][index_of(n)];
}

static inline void connections(struct node *n)
{
	for (unsigned s = 0; s < VIEW_NODES_MAX && n->runs && !n->frozen; s++) {
		bool can = n->slots[s].open && n->slots[s].to < NODES && net.nodes[n->slots[s].to].runs;
		if (!n->slots[s].open) {
			n->slots[s].connected = false;
		} else if (n->slots[s].connected && !can) {
			n->slots[s].connected = false;
			core_disconnected(n->core, s, false);
		} else if (!n->slots[s].connected && reaches(n, n->slots[s].to)) {
			n->slots[s].connected = true;
			core_connected(n->core, s);
		} else if (!n->slots[s].connected && !can) {
			core_disconnected(n->core, s, true);
		}
	}
}

static inline void deliver(void)
{
	while (net.first) {
		struct packet *p = net.first;
		net.first = p->next;
		if (!net.first)
			net.last = &net.first;
		if (net.nodes[p->to].runs && !net.nodes[p->to].frozen)
			core_frame(net.nodes[p->to].core, buf_str(&p->bytes));
		buf_fini(&p->bytes);
		free(p);
	}
}

static inline void settle(void)
{
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < net.n_asked; i++)
			answer(net.asked[i].node, net.asked[i].call);
		unsigned n = net.n_asked;
		net.n_asked = 0;
		for (unsigned i = 0; i < n; i++)
			core_answered(net.nodes[net.asked[i].node].core, net.asked[i].call);
		deliver();
		for (unsigned i = 0; i < NODES; i++)
			if (net.nodes[i].runs && !net.nodes[i].frozen)
				core_flush(net.nodes[i].core);
	}
	deliver();
}

static inline int64_t wall_of(unsigned i)
{
	return (int64_t)net.now + 1000000 + net.nodes[i].skew;
}

static inline void run(uint64_t ms)
{
	for (uint64_t end = net.now + ms; net.now < end;) {
		net.now += 100;
		for (unsigned i = 0; i < NODES; i++) {
			struct node *n = &net.nodes[i];
			if (!n->runs || n->frozen)
				continue;
			core_tick(n->core, net.now, wall_of(i));
			connections(n);
			if (n->view->state == NODE_SYNCING)
				core_synced(n->core);
		}
		settle();
	}
}

static inline void start(unsigned i)
{
	struct node *n = &net.nodes[i];
	struct core_out out = { .arg = n, .open = on_open, .close = on_close, .send = on_send, .ask = on_ask, .take = on_take,
				.lost = on_lost, .view = on_view, .event = on_event, .janitor = on_janitor };
	*n = (struct node){ .runs = true };
	snprintf(n->addr, sizeof n->addr, "tcp://10.0.0.%u:7400", i + 1);
	rng_init_seeded(&n->rng, i + net.now);
	struct core_options o = { .name = STR("node"), .addr = str_of(n->addr), .version = STR("1.0"), .workers = 2,
				  .checksum = net.checksum, .protocol_min = net.versions[i], .protocol_max = net.versions[i],
				  .window_frames = net.window_frames, .hard_bytes = net.hard_bytes, .clock = &n->clock };
	n->core = core_new(&o, &out, &n->rng);
	core_start(n->core, net.now, (int64_t)net.now);
}

/* What it asked stays unanswered: the process is gone. */
static inline void stop(unsigned i)
{
	struct node *n = &net.nodes[i];
	unsigned kept = 0;
	for (unsigned j = 0; j < net.n_asked; j++)
		if (net.asked[j].node != i)
			net.asked[kept++] = net.asked[j];
	net.n_asked = kept;
	n->runs = false;
	core_free(n->core);
	view_unref(n->view);
	n->view = NULL;
	n->core = NULL;
}

static inline void begin(unsigned n)
{
	net = (struct net){ .now = 1000 };
	net.last = &net.first;
	for (unsigned i = 0; i < n; i++)
		start(i);
	for (unsigned i = n; i < NODES; i++)
		snprintf(net.nodes[i].addr, sizeof net.nodes[i].addr, "tcp://10.0.0.%u:7400", i + 1);
}

static inline void end(void)
{
	for (unsigned i = 0; i < NODES; i++)
		if (net.nodes[i].runs)
			stop(i);
	while (net.first) {
		struct packet *p = net.first;
		net.first = p->next;
		buf_fini(&p->bytes);
		free(p);
	}
}

static inline void cut(unsigned a, unsigned b, bool on)
{
	net.cut[a][b] = net.cut[b][a] = on;
}

static inline uint32_t epoch_of(unsigned i)
{
	return net.nodes[i].view->self;
}

static inline unsigned state_at(unsigned at, uint32_t epoch)
{
	const struct view_node *n = view_find(net.nodes[at].view, epoch);
	return n ? n->state : NODE_STATE_COUNT;
}

static inline struct blob *body_of(uint32_t number, size_t bytes)
{
	static char text[FRAME_MAX];
	struct buf b;
	buf_init(&b, FRAME_MAX);
	assert_int_equal(frame_add_record(&b, &(struct frame_record){ .oseq = number, .xml = str_span(text, bytes) }), ERR_NONE);
	struct blob *body = blob_new(buf_str(&b));
	buf_fini(&b);
	return body;
}

static inline enum err post(unsigned from, uint32_t to, uint32_t number, size_t bytes)
{
	struct blob *body = body_of(number, bytes);
	enum err e = core_send(net.nodes[from].core, to, body, 1);
	blob_unref(body);
	return e;
}

static inline void assert_took(unsigned at, uint32_t first, unsigned n)
{
	struct node *node = &net.nodes[at];
	assert_int_equal(node->n_taken, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(node->taken[i], first + i);
}

#endif
