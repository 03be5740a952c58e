/* How a state gets to the node where its place belongs now. */
#include "tests/unit/cluster/places_net.h"

/* Its state is on its way from node 2, and nobody has it yet. */
static unsigned name_that_is_given(void)
{
	unsigned name = name_at(2);
	net.stored[name] = 0;
	net.states = 0;
	net.drains = 2;
	look();
	assert_int_equal(net.states, 1);
	return name;
}

static void wait_without_mail(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 500) {
		net.now += 500;
		places_tick(net.places[2], net.now);
	}
}

static void places_send_a_state_again_only_after_long_and_ever_longer(void **state)
{
	name_that_is_given();
	wait_without_mail(7500);
	assert_int_equal(net.states, 1);
	wait_without_mail(500);
	assert_int_equal(net.states, 2);
	wait_without_mail(15500);
	assert_int_equal(net.states, 2);
	wait_without_mail(500);
	assert_int_equal(net.states, 3);
	for (int i = 0; i < 10; i++)
		wait_without_mail(128000);
	assert_int_equal(net.states, 14); /* after 32 and 64 s, and then every 128 */
}

static void places_send_a_state_again_that_a_link_gives_back(void **state)
{
	unsigned name = name_that_is_given(), to = net.first->to;
	struct frame_record r;
	struct str body = buf_str(&net.first->body);
	assert_int_equal(frame_next_record(&body, &r), ERR_NONE);
	places_given_back(net.places[2], 10 + 3 - to, &r, net.now); /* it went to another */
	wait_without_mail(500);
	assert_int_equal(net.states, 1);
	places_given_back(net.places[2], 10 + to, &r, net.now);
	drop_mail();
	assert_int_equal(net.states, 1);
	wait_without_mail(500);
	assert_int_equal(net.states, 2);
	deliver();
	tick(500);
	assert_int_equal(only(name)->node, to);
	assert_true(only(name)->n > 0);
}

static void places_whose_service_the_next_node_lacks_are_kept_and_told_once(void **state)
{
	unsigned name = name_that_is_given(), to = net.first->to;
	net.lacks = to;
	deliver();
	assert_int_equal(net.declined, 1);
	assert_int_equal(places_leaving(net.places[2]), 0); /* nobody need wait for that */
	for (int i = 0; i < 400; i++)
		tick(500);
	assert_int_equal(net.states, 1);
	assert_int_equal(net.declined, 1);
	assert_int_equal(places_count(net.places[2]), 1);
	net.lacks = 0;
	net.alive[to] = false;
	look();
	deliver();
	tick(500);
	tick(500);
	assert_int_equal(only(name)->node, 1 - to);
	assert_true(only(name)->n > 0); /* with its state: the store has none */
}

static void places_that_find_no_room_are_sent_again_each_time_later(void **state)
{
	unsigned name = name_that_is_given(), to = net.first->to;
	struct places *full = net.places[to];
	struct places_out out = { &ids[to], on_send, on_claim, on_renew, on_release, on_begin, on_freeze, on_end, on_take, on_refuse,
				  on_declined };
	net.places[to] = places_new(&out, (const uint64_t[2]){ 1, 2 }, 0);
	look();
	for (int i = 0; i < 40; i++)
		tick(500);
	assert_int_equal(net.states, 1 + 4); /* after 1, 2, 4 and 8 s */
	places_free(net.places[to]);
	net.places[to] = full;
	look();
	for (int i = 0; i < 20; i++)
		tick(500);
	assert_int_equal(only(name)->node, to);
	assert_int_equal(net.declined, 0);
}

/* It says nothing of a state that it cannot take. */
static void places_ask_no_word_of_a_node_that_does_not_know_it(void **state)
{
	unsigned name;
	net.old_speaks = PLACES_ANSWERS - 1;
	look();
	name = name_at(0);
	net.lacks = 2;
	struct frame_record r = {
		.kind = PLACES_STATE, .rule = 1, .ttl = FRAME_TTL, .osm = 5, .dst_fp = fp_of(name), .dst_sid = 10,
		.to = str_of(names[name]),
	};
	arrive(2, &r);
	assert_null(net.first);
	r.dst_sid = 11;
	arrive(2, &r);
	assert_non_null(net.first);
	drop_mail();
}

/* A state that node 1 has frozen comes to where the place is now; its giver is gone before he can give the claim. */
static void give_state(unsigned to, unsigned name, uint64_t fence, uint32_t n)
{
	struct frame_record r = {
		.kind = PLACES_STATE, .ttl = FRAME_TTL, .dst_fp = fp_of(name), .dst_sid = 10 + 1, .osm = fence, .rule = 1,
		.to = str_of(names[name]), .xml = str_span((const char *)&n, sizeof n),
	};
	arrive(to, &r);
	tick(1000);
}

static void places_begin_without_a_state_when_somebody_served_since_it_was_frozen(void **state)
{
	unsigned to = 2, name = name_at(to);
	places_close(net.places[to], str_of(names[name]), net.now);
	uint64_t last = net.registry[name].fence;
	net.stored[name] = 7;
	give_state(to, name, last - 1, 3); /* older than what was served here just now, and is nobody's any more */
	assert_int_equal(only(name)->n, 7);
	places_close(net.places[to], str_of(names[name]), net.now);
	last = net.registry[name].fence;
	give_state(to, name, last, 9); /* nobody has served it after that */
	assert_int_equal(only(name)->n, 9);
}

/* It was given, taken back, and given again, when the answer to the first comes: of the second nothing is there yet. */
static void places_that_were_taken_back_are_given_when_that_is_answered(void **state)
{
	unsigned name = name_that_is_given(), to = net.first->to;
	struct frame_record r, late = {
		.kind = PLACES_GOT, .ttl = FRAME_TTL, .dst_fp = fp_of(name), .dst_sid = 10 + to, .osm = net.registry[name].fence,
		.to = str_of(names[name]),
	};
	struct str body = buf_str(&net.first->body);
	assert_int_equal(frame_next_record(&body, &r), ERR_NONE);
	late.oseq = r.oseq;
	net.drains = 0;
	look();
	uint32_t n = only(name)->n;
	net.drains = 2;
	look();
	places_record(net.places[2], &late, net.now);
	assert_int_equal(net.registry[name].owner, 10 + 2);
	deliver();
	tick(500);
	assert_int_equal(only(name)->node, to);
	assert_int_equal(only(name)->n, n);
}

/* The registry is back, and knows that node 2 is gone. */
static void node_2_is_gone_and_the_registry_back(void)
{
	deliver();
	net.alive[2] = net.registry_away = net.no_claims = false;
	net.suspect = 0;
	look();
	for (int i = 0; i < 3; i++)
		tick(500);
}

/* It may not be the owner any more, so that it cannot give it away. */
static void places_that_are_in_doubt_as_their_node_ends_leave_their_state_to_the_next(void **state)
{
	unsigned name = name_at(2);
	uint32_t n = only(name)->n;
	net.stored[name] = 0;
	net.registry_away = true;
	look();
	net.suspect = 1;
	look();
	tick(5000);
	net.drains = 2;
	look();
	assert_non_null(net.served[2][name]);
	places_end_all(net.places[2]);
	assert_null(net.served[2][name]);
	node_2_is_gone_and_the_registry_back();
	assert_non_null(only(name));
	assert_int_equal(only(name)->n, n);
}

static void a_state_that_waits_for_its_claim_goes_on_as_its_node_ends(void **state)
{
	unsigned name = name_at(1);
	uint32_t n = only(name)->n;
	its_state_waits_for_a_claim(name);
	places_end_all(net.places[2]);
	node_2_is_gone_and_the_registry_back();
	assert_non_null(only(name));
	assert_int_equal(only(name)->node, 1);
	assert_int_equal(only(name)->n, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(places_send_a_state_again_only_after_long_and_ever_longer),
		CASE(places_send_a_state_again_that_a_link_gives_back),
		CASE(places_whose_service_the_next_node_lacks_are_kept_and_told_once),
		CASE(places_that_find_no_room_are_sent_again_each_time_later),
		CASE(places_ask_no_word_of_a_node_that_does_not_know_it),
		CASE(places_that_were_taken_back_are_given_when_that_is_answered),
		CASE(places_that_are_in_doubt_as_their_node_ends_leave_their_state_to_the_next),
		CASE(a_state_that_waits_for_its_claim_goes_on_as_its_node_ends),
		CASE(places_begin_without_a_state_when_somebody_served_since_it_was_frozen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
