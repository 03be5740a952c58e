#include "proto/base/rng.h"
#include "tests/unit/cluster/places_net.h"

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
	its_state_waits_for_a_claim(name);
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
