/* Rule 8 of places.h. That things are taken in the order in which they were sent on_take of places_net.h asserts. */
#include "tests/unit/cluster/places_net.h"

static void slow_link(unsigned from, unsigned to)
{
	net.slow_link = true;
	net.slow_from = from;
	net.slow_to = to;
}

static uint64_t hurried(unsigned at)
{
	struct places_stats st;
	places_stats(net.places[at], &st);
	return st.hurried;
}

/* Served by node 2, to which node 0 has sent something that is under way as the place moves. */
static unsigned name_that_moves(void)
{
	unsigned name = name_at(2);
	slow_link(0, 2);
	count_up_as(0, name, 1);
	net.drains = 2;
	look();
	deliver();
	return name;
}

static void what_is_on_its_way_to_the_former_node_is_taken_first(void **state)
{
	unsigned name = name_that_moves();
	uint32_t before = net.stored[name];
	count_up_as(0, name, 2);
	count_up_as(0, name, 3);
	deliver();
	tick(500);
	assert_int_equal(net.stored[name], before);
	assert_int_equal(net.echoes, 1);
	assert_true(places_leaving(net.places[0]) > 0); /* a node that drains waits for that */
	net.slow_link = false;
	deliver();
	assert_int_equal(net.stored[name], before + 3);
	assert_int_not_equal(only(name)->node, 2);
	assert_int_equal(hurried(0), 0);
	assert_int_equal(places_leaving(net.places[0]), 0);
	count_up_as(0, name, 4);
	deliver();
	assert_int_equal(net.stored[name], before + 4);
	assert_int_equal(net.echoes, 1 + (only(name)->node != 0)); /* its own, and as it went on to the new node */
}

static void who_has_sent_nothing_there_does_not_wait(void **state)
{
	unsigned name = name_that_moves();
	uint32_t before = net.stored[name];
	count_up(1, name);
	deliver();
	assert_int_equal(net.stored[name], before + 1);
}

/* One that counts up waits for the service, and the place is to go. */
static void it_drains_with_one_that_waits(unsigned name)
{
	places_hold(net.places[2], str_of(names[name]));
	count_up_as(0, name, 1);
	deliver();
	net.drains = 2;
	look();
}

/* What it follows waits for the service, which waits for its store. */
static void an_echo_waits_where_what_it_follows_waits(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = net.stored[name];
	it_drains_with_one_that_waits(name);
	count_up_as(0, name, 2);
	deliver();
	tick(500);
	assert_int_equal(net.stored[name], before);
	assert_int_equal(net.served[2][name]->n, before);
	places_release(net.places[2], str_of(names[name]), net.now);
	deliver();
	assert_int_equal(net.stored[name], before + 2);
	assert_int_not_equal(only(name)->node, 2);
	assert_int_equal(hurried(0), 0);
}

/* To the former node, which has the place again before the next one had it. */
static void what_was_given_along_comes_back_first(void **state)
{
	unsigned name = name_at(2);
	uint32_t before = net.stored[name];
	it_drains_with_one_that_waits(name);
	places_release(net.places[2], str_of(names[name]), net.now); /* its state, and what waited, is on its way */
	unsigned to = net.first->to;
	slow_link(2, to);
	net.drains = 0;
	look();
	count_up_as(0, name, 2);
	count_up(2, name);
	deliver();
	assert_int_equal(net.stored[name], before);
	net.slow_link = false;
	deliver();
	tick(500);
	assert_int_equal(only(name)->node, 2);
	assert_int_equal(net.stored[name], before + 3);
	assert_int_equal(hurried(0) + hurried(2), 0);
}

static void nothing_waits_for_ever(void **state)
{
	unsigned name = name_that_moves();
	uint32_t before = net.stored[name];
	count_up(0, name);
	for (int i = 0; i < 3; i++)
		tick(500);
	assert_int_equal(net.stored[name], before);
	tick(500);
	assert_int_equal(net.stored[name], before + 1);
	assert_int_equal(hurried(0), 1);
	count_up(0, name); /* it has another way now */
	deliver();
	assert_int_equal(net.stored[name], before + 2);
	assert_int_equal(places_leaving(net.places[0]), 0);
}

static void nothing_waits_for_a_dead_node(void **state)
{
	unsigned name = name_that_moves();
	uint32_t before = net.stored[name];
	count_up(0, name);
	deliver();
	assert_int_equal(net.stored[name], before);
	net.alive[2] = false;
	look();
	deliver();
	assert_int_equal(net.stored[name], before + 1);
}

static void nothing_waits_for_a_node_that_knows_no_echo(void **state)
{
	net.old_speaks = PLACES_ANSWERS - 1;
	look();
	for (unsigned name = 0; name < NAMES - 1; name++)
		count_up(1, name);
	deliver();
	slow_link(1, 0);
	node_begin(3);
	look();
	deliver();
	unsigned moved = 0;
	for (unsigned name = 0; name < NAMES - 1; name++) {
		uint32_t before = net.stored[name];
		if (net.served[0][name] || !net.served[3][name])
			continue;
		count_up(1, name);
		deliver();
		moved += net.stored[name] == before + 1;
	}
	assert_true(moved > 0);
	assert_int_equal(hurried(1), 0);
}

static void a_node_that_ends_lets_everything_go(void **state)
{
	unsigned name = name_that_moves(), refused = net.refused;
	uint32_t before = net.stored[name];
	count_up(0, name);
	deliver();
	assert_int_equal(net.stored[name], before);
	bool here = only(name)->node == 0;
	places_end_all(net.places[0]);
	deliver();
	assert_int_equal(net.refused - refused, here);
	assert_int_equal(net.stored[name], before + !here);
}

static void what_waits_is_refused_when_a_node_is_no_more(void **state)
{
	unsigned name = name_that_moves(), refused = net.refused;
	count_up(0, name);
	count_up(0, name);
	places_free(net.places[0]);
	net.places[0] = NULL;
	net.alive[0] = false;
	assert_int_equal(net.refused - refused, 2);
}

static struct frame_record echo(unsigned name)
{
	return (struct frame_record){
		.kind = PLACES_ECHO, .ttl = PLACES_TTL, .osm = 7, .oseq = 11, .dst_fp = fp_of(name), .to = str_of(names[name]),
	};
}

static void an_echo_makes_no_place_and_has_an_end(void **state)
{
	struct frame_record e = echo(0);
	for (unsigned at = 0; at < 3; at++)
		places_record(net.places[at], &e, net.now);
	deliver();
	for (unsigned at = 0; at < 3; at++)
		assert_int_equal(places_count(net.places[at]), 0);
	assert_null(net.first);
	/* Two that send it to and fro. */
	unsigned name = name_at(2);
	places_close(net.places[2], str_of(names[name]), net.now);
	net.drains = 2;
	look_at(2);
	net.echoes = 0;
	e = echo(name);
	places_record(net.places[0], &e, net.now);
	deliver();
	assert_in_range(net.echoes, 1, PLACES_TTL);
	assert_null(net.first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_on_its_way_to_the_former_node_is_taken_first),
		CASE(who_has_sent_nothing_there_does_not_wait),
		CASE(an_echo_waits_where_what_it_follows_waits),
		CASE(what_was_given_along_comes_back_first),
		CASE(nothing_waits_for_ever),
		CASE(nothing_waits_for_a_dead_node),
		CASE(nothing_waits_for_a_node_that_knows_no_echo),
		CASE(a_node_that_ends_lets_everything_go),
		CASE(what_waits_is_refused_when_a_node_is_no_more),
		CASE(an_echo_makes_no_place_and_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
