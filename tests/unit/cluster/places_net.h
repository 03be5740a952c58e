/*
 * places_net.h: a toy service, a counter for each name, on up to four nodes with queues that keep their order, and a registry that gives
 * fences.
 */
#ifndef TESTS_UNIT_CLUSTER_PLACES_NET_H
#define TESTS_UNIT_CLUSTER_PLACES_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/places.h"
#include "proto/base/buf.h"

#define NODES 4
#define NAMES 8

struct counter {
	unsigned node, name;
	uint64_t fence;
	uint32_t n, last;
};

struct mail {
	struct mail *next;
	unsigned from, to;
	struct buf body;
};

static struct net {
	struct places *places[NODES];
	bool alive[NODES];
	struct counter *served[NODES][NAMES];
	struct { uint32_t owner; uint64_t fence, after; } registry[NAMES];
	uint64_t fence, now;
	unsigned refused, taken, stale_writes, renewals;
	uint32_t stored[NAMES];       /* what the service wrote last, and under which fence */
	uint64_t fences[NAMES];
	struct mail *first, **end;
	bool registry_away, no_claims; /* no_claims: answers to those are lost */
	unsigned drains;              /* this node, if it is not 0 */
	unsigned isolated;            /* this one sees nobody, if it is not 0 */
	unsigned suspect;             /* this node, if it is not 0 */
	bool holds;                   /* who begins holds the place */
	bool is_busy;                 /* so does who takes something */
	uint8_t old_speaks;           /* what node 0 speaks, if it is not 0 */
	unsigned lacks;               /* this node has no such service, if it is not 0 */
	unsigned states, declined, echoes;
	bool slow_link;               /* what goes from `slow_from` to `slow_to` stays under way */
	unsigned slow_from, slow_to;
} net;

static unsigned ids[NODES] = { 0, 1, 2, 3 };
static const char *const names[NAMES] = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta" };

static inline unsigned number_of(struct str name)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (str_is(name, names[i]))
			return i;
	fail();
	return 0;
}

static inline unsigned me(void *arg)
{
	return *(unsigned *)arg;
}

static inline uint64_t fp_of(unsigned name)
{
	return str_hash(str_of(names[name]), (const uint64_t[2]){ 1, 2 });
}

static inline void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	struct mail *m = calloc(1, sizeof *m);
	m->from = me(arg);
	m->to = epoch - 10;
	net.states += r->kind == PLACES_STATE;
	net.echoes += r->kind == PLACES_ECHO;
	buf_init(&m->body, FRAME_MAX);
	assert_int_equal(frame_add_record(&m->body, r), ERR_NONE);
	*net.end = m;
	net.end = &m->next;
}

static inline void on_claim(void *arg, struct str name, uint64_t fence)
{
	unsigned n = number_of(name), i = me(arg);
	uint32_t owner = net.registry[n].owner;
	if (net.registry_away || net.no_claims) {
		places_claimed(net.places[i], name, ERR_UNAVAILABLE, 0, 0, 0, net.now);
		return;
	}
	if (!owner || owner == 10 + i || !net.alive[owner - 10]) {
		if (owner != 10 + i)
			net.registry[n].after = net.registry[n].fence;
		net.registry[n].owner = 10 + i;
		net.registry[n].fence = net.fence = (fence > net.fence ? fence : net.fence) + 1;
	}
	places_claimed(net.places[i], name, ERR_NONE, net.registry[n].owner, net.registry[n].fence, net.registry[n].after,
		       net.now);
}

static inline void on_renew(void *arg, struct str name, uint64_t fence)
{
	unsigned n = number_of(name);
	bool ours = net.registry[n].owner == 10 + me(arg) && net.registry[n].fence == fence;
	enum err err = net.registry_away ? ERR_UNAVAILABLE : ours ? ERR_NONE : ERR_DENIED;
	net.renewals++;
	places_renewed(net.places[me(arg)], name, fence, err, net.now);
}

static inline void on_release(void *arg, struct str name, uint64_t fence, uint32_t heir)
{
	unsigned n = number_of(name);
	if (net.registry[n].owner == 10 + me(arg) && net.registry[n].fence == fence && !net.registry_away) {
		net.registry[n].owner = heir;
		net.registry[n].after = fence;
	}
	places_released(net.places[me(arg)], name, fence, net.registry_away ? ERR_UNAVAILABLE : ERR_NONE, net.now);
}

static inline void *on_begin(void *arg, struct str name, uint64_t fence, struct str state)
{
	struct counter *c = calloc(1, sizeof *c);
	c->node = me(arg);
	c->name = number_of(name);
	c->fence = fence;
	c->n = net.stored[c->name];
	if (str_present(state))
		memcpy(&c->n, state.p, sizeof c->n);
	assert_null(net.served[c->node][c->name]);
	net.served[c->node][c->name] = c;
	if (net.holds)
		places_hold(net.places[c->node], name);
	return c;
}

static inline void on_freeze(void *arg, void *place, struct buf *out)
{
	buf_add(out, &((struct counter *)place)->n, sizeof(uint32_t));
}

static inline void on_end(void *arg, void *place)
{
	struct counter *c = place;
	net.served[c->node][c->name] = NULL;
	free(c);
}

static inline void on_take(void *arg, void *place, const struct frame_record *r)
{
	struct counter *c = place;
	c->n++;
	net.taken++;
	if (net.is_busy)
		places_hold(net.places[c->node], str_of(names[c->name]));
	if (r->oseq) { /* in the order in which they were sent */
		assert_true(r->oseq > c->last);
		c->last = r->oseq;
	}
	if (net.fences[c->name] > c->fence) {
		net.stale_writes++;
		places_lose(net.places[c->node], str_of(names[c->name]), net.fences[c->name], net.now);
		return;
	}
	net.fences[c->name] = c->fence;
	net.stored[c->name] = c->n;
}

static inline void on_refuse(void *arg, const struct frame_record *r)
{
	net.refused++;
}

static inline void on_declined(void *arg, struct str name, uint32_t epoch)
{
	assert_int_equal(epoch, 10 + net.lacks);
	net.declined++;
}

static inline void look_at(unsigned i)
{
	bool alone = net.isolated && i == net.isolated;
	struct view *v = view_new(NODES);
	v->self = 10 + i;
	v->registry_ok = !net.registry_away;
	v->state = alone ? NODE_ISOLATED : NODE_UP;
	v->n = 0;
	for (unsigned n = 0; n < NODES; n++)
		if (net.alive[n])
			v->nodes[v->n++] = (struct view_node){
				.epoch = 10 + n, .workers = 1,
				.state = net.drains && n == net.drains ? NODE_DRAINING :
					 net.suspect && n == net.suspect ? NODE_SUSPECT : NODE_UP,
				.speaks = n == 0 && net.old_speaks ? net.old_speaks : PLACES_ANSWERS,
			};
	if (net.alive[i])
		places_view(net.places[i], v, net.now);
	view_unref(v);
}

static inline void look(void)
{
	for (unsigned i = 0; i < NODES; i++)
		look_at(i);
}

static inline void arrive(unsigned at, const struct frame_record *r)
{
	if (net.lacks && net.lacks == at && r->kind == PLACES_STATE)
		places_decline(net.places[at], r);
	else
		places_record(net.places[at], r, net.now);
}

/* The first that may be delivered; NULL: none. */
static inline struct mail *take_mail(void)
{
	for (struct mail **at = &net.first; *at; at = &(*at)->next) {
		struct mail *m = *at;
		if (net.slow_link && m->from == net.slow_from && m->to == net.slow_to)
			continue;
		*at = m->next;
		if (!m->next)
			net.end = at;
		return m;
	}
	return NULL;
}

static inline void deliver(void)
{
	struct mail *m;
	while ((m = take_mail())) {
		struct str body = buf_str(&m->body);
		struct frame_record r;
		while (net.alive[m->to] && frame_next_record(&body, &r) == ERR_NONE)
			arrive(m->to, &r);
		buf_fini(&m->body);
		free(m);
	}
}

static inline void tick(uint64_t ms)
{
	net.now += ms;
	for (unsigned i = 0; i < NODES; i++)
		if (net.alive[i])
			places_tick(net.places[i], net.now);
	deliver();
}

static inline void count_up_as(unsigned at, unsigned name, uint32_t number)
{
	struct frame_record r = {
		.kind = PLACES_DATA, .ttl = PLACES_TTL, .oseq = number, .dst_fp = fp_of(name), .to = str_of(names[name]),
	};
	places_record(net.places[at], &r, net.now);
}

static inline void count_up(unsigned at, unsigned name)
{
	count_up_as(at, name, 0);
}

static inline void node_begin(unsigned i)
{
	struct places_out out = { &ids[i], on_send, on_claim, on_renew, on_release, on_begin, on_freeze, on_end, on_take, on_refuse,
				  on_declined };
	net.places[i] = places_new(&out, (const uint64_t[2]){ 1, 2 }, NAMES - 1);
	net.alive[i] = true;
}

static inline int set_up(void **state)
{
	memset(&net, 0, sizeof net);
	net.end = &net.first;
	net.now = 1000;
	for (unsigned i = 0; i < 3; i++)
		node_begin(i);
	look();
	return 0;
}

static inline int tear_down(void **state)
{
	net.slow_link = false;
	deliver();
	for (unsigned i = 0; i < NODES; i++)
		places_free(net.places[i]);
	return 0;
}

static inline struct counter *only(unsigned name)
{
	struct counter *found = NULL;
	for (unsigned i = 0; i < NODES; i++) {
		if (!net.alive[i] || !net.served[i][name])
			continue;
		assert_null(found);
		found = net.served[i][name];
	}
	return found;
}

/* The name of a place that is served at this node. */
static inline unsigned name_at(unsigned node)
{
	for (unsigned name = 0; name < NAMES - 1; name++) {
		count_up(0, name);
		deliver();
		if (net.served[node][name])
			return name;
	}
	fail();
	return 0;
}

static inline void drop_mail(void)
{
	struct mail *m;
	while ((m = net.first)) {
		net.first = m->next;
		buf_fini(&m->body);
		free(m);
	}
	net.end = &net.first;
}

/* It was on its way to node 2 as that began to drain, which cannot claim the place now and gives it on as soon as it can. */
static inline void its_state_waits_for_a_claim(unsigned name)
{
	net.stored[name] = 0;
	net.alive[0] = false;
	net.drains = 1;
	look();
	net.no_claims = true;
	deliver();
	net.drains = 2;
	look();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
