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
	struct { uint32_t owner; uint64_t fence; } registry[NAMES];
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
	if (net.registry_away || net.no_claims) {
		places_claimed(net.places[i], name, ERR_UNAVAILABLE, 0, 0, net.now);
		return;
	}
	if (!owner || owner == 10 + i || !net.alive[owner - 10]) {
		net.registry[n].owner = 10 + i;
		net.registry[n].fence = net.fence = (fence > net.fence ? fence : net.fence) + 1;
	}
	places_claimed(net.places[i], name, ERR_NONE, net.registry[n].owner, net.registry[n].fence, net.now);
}

static void on_renew(void *arg, struct str name, uint64_t fence)
{
	unsigned n = number_of(name);
	bool ours = net.registry[n].owner == 10 + me(arg) && net.registry[n].fence == fence;
	enum err err = net.registry_away ? ERR_UNAVAILABLE : ours ? ERR_NONE : ERR_DENIED;
	net.renewals++;
	places_renewed(net.places[me(arg)], name, fence, err, net.now);
}

static void on_release(void *arg, struct str name, uint64_t fence, uint32_t heir)
{
	unsigned n = number_of(name);
	if (net.registry[n].owner == 10 + me(arg) && net.registry[n].fence == fence)
		net.registry[n].owner = net.registry_away ? net.registry[n].owner : heir;
	places_released(net.places[me(arg)], name, fence, net.registry_away ? ERR_UNAVAILABLE : ERR_NONE, net.now);
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
	if (net.holds)
		places_hold(net.places[c->node], name);
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

static void on_refuse(void *arg, const struct frame_record *r)
{
	net.refused++;
}

static void look_at(unsigned i)
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
				.speaks = n == 0 && net.old_speaks ? net.old_speaks : PLACES_PROTOCOL,
			};
	if (net.alive[i])
		places_view(net.places[i], v, net.now);
	view_unref(v);
}

static void look(void)
{
	for (unsigned i = 0; i < NODES; i++)
		look_at(i);
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

static void count_up_as(unsigned at, unsigned name, uint32_t number)
{
	struct frame_record r = {
		.kind = PLACES_DATA, .ttl = PLACES_TTL, .oseq = number, .dst_fp = fp_of(name), .to = str_of(names[name]),
	};
	places_record(net.places[at], &r, net.now);
}

static void count_up(unsigned at, unsigned name)
{
	count_up_as(at, name, 0);
}

static void node_begin(unsigned i)
{
	struct places_out out = { &ids[i], on_send, on_claim, on_renew, on_release, on_begin, on_freeze, on_end, on_take, on_refuse };
	net.places[i] = places_new(&out, (const uint64_t[2]){ 1, 2 }, NAMES - 1);
	net.alive[i] = true;
}

static int set_up(void **state)
{
	memset(&net, 0, sizeof net);
	net.end = &net.first;
	net.now = 1000;
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
	/* It thaws: it knows that it has slept, and serves nothing before a renewal is granted, which is not. */
	unsigned stale = 0;
	net.alive[2] = true;
	net.now += 9000;
	for (unsigned name = 0; name < NAMES; name++) {
		if (!net.served[2][name])
			continue;
		stale++;
		count_up(2, name);
	}
	assert_int_not_equal(stale, 0);
	places_tick(net.places[2], net.now);
	for (unsigned name = 0; name < NAMES; name++)
		assert_null(net.served[2][name]);
	assert_int_equal(net.stale_writes, 0);
}

/* One that does not notice that it slept, as it was frozen in the midst of something. */
static void places_end_when_a_write_is_refused_and_what_waits_goes_where_it_is_served(void **state)
{
	for (unsigned name = 0; name < NAMES; name++)
		count_up(0, name);
	deliver();
	net.alive[2] = false;
	look();
	for (unsigned name = 0; name < NAMES; name++)
		count_up(0, name);
	deliver();
	unsigned stale = 0;
	net.alive[2] = true;
	for (unsigned name = 0; name < NAMES; name++) {
		if (!net.served[2][name])
			continue;
		stale++;
		count_up(2, name);
		assert_null(net.served[2][name]);
		assert_int_equal(net.stored[name], 2);
	}
	assert_int_not_equal(stale, 0);
	assert_int_equal(net.stale_writes, stale);
}

/* The name of a place that is served at this node. */
static unsigned name_at(unsigned node)
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

static void places_that_are_held_move_when_they_are_released_and_in_order(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = only(name)->n;
	places_hold(net.places[2], str_of(names[name]));
	count_up_as(0, name, 1);
	deliver();
	assert_int_equal(only(name)->n, before);
	net.drains = 2;
	look();
	count_up_as(2, name, 2);
	deliver();
	assert_int_equal(only(name)->node, 2);
	assert_int_equal(places_leaving(net.places[2]), places_count(net.places[2]));
	places_release(net.places[2], str_of(names[name]), net.now);
	deliver();
	assert_int_not_equal(only(name)->node, 2);
	assert_int_equal(only(name)->n, before + 2);
	assert_int_equal(places_leaving(net.places[2]), 0);
}

/* Its sender did not know yet that this node drains. */
static void a_state_that_waits_for_its_claim_is_waited_for(void **state)
{
	unsigned name = name_at(1);
	uint32_t before = only(name)->n;
	net.stored[name] = 0;
	net.alive[0] = false;
	net.drains = 1;
	look();
	net.no_claims = true;
	deliver();
	net.drains = 2;
	look();
	deliver(); /* what it served is gone */
	assert_null(net.served[2][name]);
	assert_true(places_leaving(net.places[2]) > 0);
	net.no_claims = false;
	tick(500);
	tick(500);
	assert_int_equal(only(name)->node, 1);
	assert_int_equal(only(name)->n, before);
	assert_int_equal(places_leaving(net.places[2]), 0);
}

static void places_whose_next_node_dies_before_it_has_them_go_to_another(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = only(name)->n;
	net.stored[name] = 0; /* it is not in the store: it can only come along */
	net.drains = 2;
	look(); /* the state is on its way */
	unsigned to = net.first->to;
	net.alive[to] = false;
	deliver();
	look();
	deliver();
	tick(500);
	tick(500);
	assert_int_equal(only(name)->n, before);
	assert_int_equal(only(name)->node, 1 - to);
}

static void places_that_are_put_back_before_anybody_has_them_are_taken_back(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = only(name)->n;
	uint64_t fence = only(name)->fence;
	net.stored[name] = 0;
	net.drains = 2;
	look();
	net.drains = 0;
	look();
	assert_int_equal(net.served[2][name]->n, before);
	assert_int_equal(net.served[2][name]->fence, fence);
	deliver();
	tick(500);
	count_up(1, name);
	deliver();
	assert_int_equal(only(name)->n, before + 1);
}

static void places_of_an_isolated_node_wait_until_their_claims_are_confirmed(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = only(name)->n;
	net.isolated = 2;
	net.registry_away = true;
	look();
	count_up(2, name);
	tick(500);
	assert_int_equal(net.served[2][name]->n, before);
	for (int i = 0; i < 30; i++)
		tick(500);
	assert_int_equal(net.refused, 1); /* it waits no longer; the place is there still */
	count_up(2, name);
	net.isolated = 0;
	net.registry_away = false;
	look();
	tick(500);
	assert_int_equal(only(name)->n, before + 1);
	/* Once more, and meanwhile another has it. */
	net.isolated = 2;
	look();
	net.registry[name].owner = 10;
	net.isolated = 0;
	look();
	tick(500);
	assert_null(net.served[2][name]);
}

static void places_are_served_on_while_the_registry_is_away(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = only(name)->n;
	net.registry_away = true;
	for (int i = 0; i < 200; i++) {
		count_up(0, name);
		tick(500);
	}
	assert_int_equal(only(name)->n, before + 200);
	assert_int_not_equal(net.renewals, 0);
}

/* The registry may be on the other side of a cut, with those that are not seen any more. */
static void places_are_in_doubt_while_the_registry_and_a_node_are_missing(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = only(name)->n;
	net.registry_away = true;
	look();
	net.suspect = 1;
	look();
	tick(3000);
	count_up(2, name);
	assert_int_equal(net.served[2][name]->n, before + 1); /* its lease lasts still */
	tick(1500);
	count_up(2, name);
	net.suspect = 0;
	look();
	tick(500);
	assert_int_equal(net.served[2][name]->n, before + 1); /* it may have been claimed meanwhile */
	net.registry_away = false;
	look();
	tick(500);
	assert_int_equal(net.served[2][name]->n, before + 2);
}

static void places_that_are_closed_give_their_claim_back_and_may_begin_anew(void **state)
{
	unsigned name = name_at(2);
	uint64_t fence = only(name)->fence;
	places_close(net.places[2], str_of(names[name]), net.now);
	assert_null(only(name));
	assert_int_equal(net.registry[name].owner, 0);
	count_up(0, name);
	deliver();
	assert_true(only(name)->fence > fence);
}

static void places_wait_for_a_service_that_holds_them_as_it_begins(void **state)
{
	net.holds = true;
	count_up(0, 0);
	deliver();
	net.holds = false;
	assert_int_equal(only(0)->n, 0);
	assert_false(places_takes(net.places[only(0)->node], str_of(names[0]), fp_of(0), net.now));
	places_release(net.places[only(0)->node], str_of(names[0]), net.now);
	assert_int_equal(only(0)->n, 1);
	assert_true(places_takes(net.places[only(0)->node], str_of(names[0]), fp_of(0), net.now));
}

static void places_that_are_held_at_the_end_of_their_node_end_when_they_are_released(void **state)
{
	unsigned name = name_at(2), refused = net.refused;
	places_hold(net.places[2], str_of(names[name]));
	places_hold(net.places[2], str_of(names[name]));
	count_up_as(2, name, 1);
	deliver();
	places_end_all(net.places[2]);
	assert_int_equal(net.refused, refused + 1); /* it need not wait for what never comes */
	assert_int_equal(places_held(net.places[2]), 1);
	places_release(net.places[2], str_of(names[name]), net.now);
	assert_non_null(net.served[2][name]);
	places_release(net.places[2], str_of(names[name]), net.now);
	assert_null(net.served[2][name]);
	assert_int_equal(places_held(net.places[2]), 0);
	deliver();
}

static void places_are_not_put_on_a_node_that_knows_nothing_of_them(void **state)
{
	net.old_speaks = 1;
	look();
	for (unsigned name = 0; name < NAMES; name++) {
		count_up(1, name);
		deliver();
		assert_int_not_equal(only(name)->node, 0);
	}
}

static void places_have_a_ceiling(void **state)
{
	for (unsigned i = 1; i < 3; i++)
		net.alive[i] = false;
	look();
	for (unsigned name = 0; name < NAMES; name++)
		count_up(0, name);
	assert_int_equal(net.refused, 1);
	assert_int_equal(places_count(net.places[0]), NAMES - 1);
	struct places_stats stats;
	places_stats(net.places[0], &stats);
	assert_int_equal(stats.refused, 1);
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

/* A node drains and has told nobody yet: what it sends on comes back to it. */
static unsigned name_that_goes_round(void)
{
	unsigned name = name_at(2);
	places_close(net.places[2], str_of(names[name]), net.now);
	deliver();
	assert_null(only(name));
	net.drains = 2;
	look_at(2);
	count_up_as(0, name, 1);
	count_up_as(0, name, 2);
	deliver();
	assert_null(only(name));
	assert_int_equal(net.refused, 0);
	return name;
}

static void places_wait_while_nodes_disagree_where_they_are(void **state)
{
	unsigned name = name_that_goes_round();
	uint32_t before = net.stored[name];
	look();
	deliver();
	count_up_as(1, name, 3);
	deliver();
	assert_int_equal(only(name)->n, before + 3); /* and in order, as the counter asserts */
	assert_int_equal(net.refused, 0);
}

/* What has come with its state is not given back at once by who believes that it belongs where it came from. */
static void places_are_served_while_nodes_disagree_where_they_are(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = only(name)->n;
	net.drains = 2;
	look_at(2);
	deliver();
	assert_int_not_equal(only(name)->node, 2);
	for (unsigned at = 0; at < 3; at++)
		count_up(at, name);
	deliver();
	assert_int_equal(only(name)->n, before + 3);
	uint64_t fence = only(name)->fence;
	look();
	deliver();
	tick(500);
	assert_int_equal(only(name)->fence, fence);
	assert_int_equal(net.refused, 0);
}

static void places_refuse_when_nodes_go_on_disagreeing(void **state)
{
	name_that_goes_round();
	for (int i = 0; i < 10; i++)
		tick(500);
	assert_int_equal(net.refused, 0);
	for (int i = 0; i < 20; i++)
		tick(500);
	assert_int_equal(net.refused, 2);
	tick(500);
	for (unsigned i = 0; i < 3; i++) { /* nothing is left of it */
		unsigned served = 0;
		for (unsigned name = 0; name < NAMES; name++)
			served += net.served[i][name] != NULL;
		assert_int_equal(places_count(net.places[i]), served);
	}
}

/* Something has waited all the time, but nothing has waited long. */
static void places_refuse_only_what_has_waited_long(void **state)
{
	net.is_busy = true;
	count_up(0, 0);
	deliver();
	struct places *at = net.places[only(0)->node];
	for (int i = 0; i < 60; i++) {
		count_up(0, 0);
		deliver();
		tick(500);
		if (i >= 4)
			places_release(at, str_of(names[0]), net.now);
	}
	assert_int_equal(net.refused, 0);
	assert_int_equal(net.taken, 57);
	for (int i = 0; i < 24; i++)
		tick(500);
	assert_int_equal(net.refused, 4); /* those that wait, when it hangs */
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
		CASE(places_end_when_a_write_is_refused_and_what_waits_goes_where_it_is_served),
		CASE(places_that_are_held_move_when_they_are_released_and_in_order),
		CASE(a_state_that_waits_for_its_claim_is_waited_for),
		CASE(places_whose_next_node_dies_before_it_has_them_go_to_another),
		CASE(places_that_are_put_back_before_anybody_has_them_are_taken_back),
		CASE(places_of_an_isolated_node_wait_until_their_claims_are_confirmed),
		CASE(places_are_served_on_while_the_registry_is_away),
		CASE(places_are_in_doubt_while_the_registry_and_a_node_are_missing),
		CASE(places_that_are_closed_give_their_claim_back_and_may_begin_anew),
		CASE(places_wait_for_a_service_that_holds_them_as_it_begins),
		CASE(places_that_are_held_at_the_end_of_their_node_end_when_they_are_released),
		CASE(places_are_not_put_on_a_node_that_knows_nothing_of_them),
		CASE(places_have_a_ceiling),
		CASE(places_wait_for_a_registry_and_refuse_in_the_end),
		CASE(places_wait_while_nodes_disagree_where_they_are),
		CASE(places_are_served_while_nodes_disagree_where_they_are),
		CASE(places_refuse_when_nodes_go_on_disagreeing),
		CASE(places_refuse_only_what_has_waited_long),
		CASE(places_count_everything_once_while_nodes_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
