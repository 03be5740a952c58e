#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/places.h"
#include "proto/base/buf.h"
#include "proto/base/rng.h"

/* A toy service, a counter for each name, on up to four nodes with queues that keep their order, and a registry that gives fences. */

#define NODES 4
#define NAMES 8

struct counter {
	unsigned node, name;
	uint64_t fence;
	uint32_t n;
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
	struct { uint32_t owner; uint64_t fence; } registry[NAMES];
	uint64_t fence, now;
	unsigned refused, taken, stale_writes;
	uint32_t stored[NAMES];       /* what the service wrote last, under the fence of registry */
	struct mail *first, **end;
	bool registry_away;
	unsigned drains;              /* this node, if it is not 0 */
} net;

static unsigned ids[NODES] = { 0, 1, 2, 3 };
static const char *const names[NAMES] = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta" };

static unsigned number_of(struct str name)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (str_is(name, names[i]))
			return i;
	fail();
	return 0;
}

static unsigned me(void *arg)
{
	return *(unsigned *)arg;
}

static uint64_t fp_of(unsigned name)
{
	return str_hash(str_of(names[name]), (const uint64_t[2]){ 7, 9 });
}

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	struct mail *m = calloc(1, sizeof *m);
	m->from = me(arg);
	m->to = epoch - 10;
	buf_init(&m->body, FRAME_MAX);
	assert_int_equal(frame_add_record(&m->body, r), ERR_NONE);
	*net.end = m;
	net.end = &m->next;
}

static void on_claim(void *arg, struct str name, uint64_t fence)
{
	unsigned n = number_of(name), i = me(arg);
	uint32_t owner = net.registry[n].owner;
	if (net.registry_away) {
		places_claimed(net.places[i], name, ERR_UNAVAILABLE, 0, 0, net.now);
		return;
	}
	if (!owner || !net.alive[owner - 10]) {
		net.registry[n].owner = 10 + i;
		net.registry[n].fence = net.fence = (fence > net.fence ? fence : net.fence) + 1;
	}
	places_claimed(net.places[i], name, ERR_NONE, net.registry[n].owner, net.registry[n].fence, net.now);
}

static void on_renew(void *arg, struct str name, uint64_t fence)
{
	unsigned n = number_of(name);
	bool ours = net.registry[n].owner == 10 + me(arg) && net.registry[n].fence == fence;
	places_renewed(net.places[me(arg)], name, ours ? ERR_NONE : ERR_DENIED);
}

static void on_release(void *arg, struct str name, uint64_t fence)
{
	unsigned n = number_of(name);
	if (net.registry[n].owner == 10 + me(arg) && net.registry[n].fence == fence)
		net.registry[n].owner = 0;
}

static void *on_begin(void *arg, struct str name, uint64_t fence, struct str state)
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
	return c;
}

static void on_freeze(void *arg, void *place, struct buf *out)
{
	buf_add(out, &((struct counter *)place)->n, sizeof(uint32_t));
}

static void on_end(void *arg, void *place)
{
	struct counter *c = place;
	net.served[c->node][c->name] = NULL;
	free(c);
}

static void on_take(void *arg, void *place, const struct frame_record *r)
{
	struct counter *c = place;
	c->n++;
	net.taken++;
	if (net.registry[c->name].fence == c->fence) /* a write under its fence */
		net.stored[c->name] = c->n;
	else
		net.stale_writes++;
}

static void on_refuse(void *arg, const struct frame_record *r)
{
	net.refused++;
}

static void look(void)
{
	for (unsigned i = 0; i < NODES; i++) {
		struct view *v = view_new(NODES);
		v->self = 10 + i;
		v->state = NODE_UP;
		v->n = 0;
		for (unsigned n = 0; n < NODES; n++)
			if (net.alive[n])
				v->nodes[v->n++] = (struct view_node){
					.epoch = 10 + n, .state = net.drains && n == net.drains ? NODE_DRAINING : NODE_UP, .workers = 1,
				};
		if (net.alive[i])
			places_view(net.places[i], v, net.now);
		view_unref(v);
	}
}

static void deliver(void)
{
	struct mail *m;
	while ((m = net.first)) {
		net.first = m->next;
		if (!net.first)
			net.end = &net.first;
		struct str body = buf_str(&m->body);
		struct frame_record r;
		while (net.alive[m->to] && frame_next_record(&body, &r) == ERR_NONE)
			places_record(net.places[m->to], &r, net.now);
		buf_fini(&m->body);
		free(m);
	}
}

static void tick(uint64_t ms)
{
	net.now += ms;
	for (unsigned i = 0; i < NODES; i++)
		if (net.alive[i])
			places_tick(net.places[i], net.now);
	deliver();
}

static void count_up(unsigned at, unsigned name)
{
	struct frame_record r = { .kind = PLACES_DATA, .ttl = FRAME_TTL, .dst_fp = fp_of(name), .to = str_of(names[name]) };
	places_record(net.places[at], &r, net.now);
}

static void node_begin(unsigned i)
{
	struct places_out out = { &ids[i], on_send, on_claim, on_renew, on_release, on_begin, on_freeze, on_end, on_take, on_refuse };
	net.places[i] = places_new(&out, (const uint64_t[2]){ 1, 2 });
	net.alive[i] = true;
}

static int set_up(void **state)
{
	memset(&net, 0, sizeof net);
	net.end = &net.first;
	for (unsigned i = 0; i < 3; i++)
		node_begin(i);
	look();
	return 0;
}

static int tear_down(void **state)
{
	deliver();
	for (unsigned i = 0; i < NODES; i++)
		places_free(net.places[i]);
	return 0;
}

static struct counter *only(unsigned name)
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

static void places_are_served_by_one_node_whoever_asks(void **state)
{
	for (unsigned at = 0; at < 3; at++)
		for (unsigned name = 0; name < NAMES; name++)
			count_up(at, name);
	deliver();
	for (unsigned name = 0; name < NAMES; name++)
		assert_int_equal(only(name)->n, 3);
	assert_int_equal(net.refused, 0);
}

static void places_take_their_state_along_when_a_node_comes_and_when_it_goes(void **state)
{
	for (unsigned name = 0; name < NAMES; name++)
		count_up(0, name);
	deliver();
	node_begin(3);
	look();
	deliver();
	for (int i = 0; i < 5; i++)
		tick(500);
	unsigned moved = 0;
	for (unsigned name = 0; name < NAMES; name++) {
		count_up(1, name);
		deliver();
		assert_int_equal(only(name)->n, 2);
		moved += only(name)->node == 3;
	}
	assert_int_not_equal(moved, 0);
	/* It leaves in order: no view has a place for it any more. */
	net.drains = 3;
	look();
	deliver();
	for (int i = 0; i < 5; i++)
		tick(500);
	assert_int_equal(places_count(net.places[3]), 0);
	for (unsigned name = 0; name < NAMES; name++)
		assert_int_equal(only(name)->n, 2);
	assert_int_equal(net.refused, 0);
}

static void places_of_a_dead_node_are_claimed_under_a_higher_fence(void **state)
{
	for (unsigned name = 0; name < NAMES; name++)
		count_up(0, name);
	deliver();
	uint64_t before[NAMES];
	for (unsigned name = 0; name < NAMES; name++)
		before[name] = only(name)->fence;
	net.alive[2] = false;
	look();
	for (unsigned name = 0; name < NAMES; name++)
		count_up(0, name);
	deliver();
	for (unsigned name = 0; name < NAMES; name++) {
		assert_int_equal(only(name)->n, 2); /* what the store has goes on */
		if (net.served[2][name]) /* it lives, and does not know yet */
			assert_true(only(name)->fence > before[name]);
	}
	/* It thaws: what it writes is refused by its fence, and its next renewal ends it. */
	unsigned stale = 0;
	net.alive[2] = true;
	for (unsigned name = 0; name < NAMES; name++) {
		if (!net.served[2][name])
			continue;
		stale++;
		count_up(2, name);
	}
	assert_int_not_equal(stale, 0);
	assert_int_equal(net.stale_writes, stale);
	net.now += 5000;
	places_tick(net.places[2], net.now);
	for (unsigned name = 0; name < NAMES; name++) {
		assert_null(net.served[2][name]);
		assert_int_equal(net.stored[name], 2);
	}
}

static void places_wait_for_a_registry_and_refuse_in_the_end(void **state)
{
	net.registry_away = true;
	count_up(0, 0);
	deliver();
	tick(500);
	assert_null(only(0));
	net.registry_away = false;
	tick(500);
	assert_int_equal(only(0)->n, 1);
	net.registry_away = true;
	count_up(0, 1);
	deliver();
	for (int i = 0; i < 80; i++)
		tick(500);
	assert_int_equal(net.refused, 1);
}

static void places_count_everything_once_while_nodes_come_and_go(void **state)
{
	struct rng rng;
	unsigned asked = 0;
	rng_init_seeded(&rng, 5);
	for (unsigned step = 0; step < 3000; step++) {
		uint64_t x = rng_u64(&rng);
		if (x % 50 == 0) {
			if (!net.alive[3]) {
				if (net.places[3])
					places_free(net.places[3]);
				node_begin(3);
			}
			look();
		}
		count_up((unsigned)(x >> 8) % 3, (unsigned)(x >> 16) % NAMES);
		asked++;
		if (x % 3 == 0)
			deliver();
		if (x % 7 == 0)
			tick(100);
	}
	deliver();
	for (int i = 0; i < 80; i++)
		tick(500);
	unsigned sum = 0;
	for (unsigned name = 0; name < NAMES; name++)
		sum += only(name) ? only(name)->n : 0;
	assert_int_equal(sum + net.refused, asked);
	assert_int_equal(net.taken + net.refused, asked);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(places_are_served_by_one_node_whoever_asks),
		CASE(places_take_their_state_along_when_a_node_comes_and_when_it_goes),
		CASE(places_of_a_dead_node_are_claimed_under_a_higher_fence),
		CASE(places_wait_for_a_registry_and_refuse_in_the_end),
		CASE(places_count_everything_once_while_nodes_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
