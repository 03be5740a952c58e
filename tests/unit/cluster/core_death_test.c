/* Who is suspected, dead, cut off or forgotten. */
#include "tests/unit/cluster/core_net.h"

/* ---- death ---- */

static void silence_makes_suspect_and_traffic_clears_it(void **state)
{
	begin(3);
	run(3000);
	net.nodes[2].frozen = true;
	run(3000);
	assert_int_equal(state_at(0, epoch_of(2)), NODE_SUSPECT);
	assert_int_equal(net.nodes[0].events[CORE_PEER_SUSPECT], 1);
	net.nodes[2].frozen = false;
	run(2000);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(state_at(0, epoch_of(i)), NODE_UP);
	/* It did not listen: that it heard nobody is no reason to suspect them. */
	assert_int_equal(net.nodes[2].events[CORE_PEER_SUSPECT], 0);
	assert_int_equal(net.nodes[2].events[CORE_FENCED], 0);
	end();
}

static unsigned janitors(uint32_t epoch)
{
	unsigned n = 0;
	for (unsigned i = 0; i < NODES; i++)
		for (unsigned j = 0; j < net.nodes[i].n_janitor; j++)
			n += net.nodes[i].janitor[j] == epoch;
	return n;
}

static void killed_node_is_dead_soon_and_one_purges(void **state)
{
	begin(3);
	run(3000);
	uint32_t victim = epoch_of(2);
	for (uint32_t i = 1; i <= 3; i++) {
		net.nodes[2].frozen = true;
		assert_int_equal(post(0, victim, i, 10), ERR_NONE);
	}
	stop(2);
	run(2500);
	assert_int_equal(state_at(0, victim), NODE_DEAD);
	assert_int_equal(state_at(1, victim), NODE_DEAD);
	assert_int_equal(janitors(victim), 1);
	assert_int_equal(net.nodes[0].n_lost, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(net.nodes[0].lost[i], i + 1);
	assert_int_equal(post(0, victim, 4, 10), ERR_NOT_FOUND);
	run(15000);
	assert_int_equal(state_at(0, victim), NODE_STATE_COUNT);
	end();
}

static void frozen_node_is_dead_after_its_lease_and_begins_anew(void **state)
{
	begin(3);
	run(3000);
	uint32_t victim = epoch_of(2);
	assert_int_equal(post(2, epoch_of(0), 1, 10), ERR_NONE);
	net.nodes[2].frozen = true;
	run(6000);
	assert_int_equal(state_at(0, victim), NODE_SUSPECT);
	run(6000);
	assert_int_equal(state_at(0, victim), NODE_DEAD);
	assert_int_equal(state_at(1, victim), NODE_DEAD);
	net.nodes[2].frozen = false;
	run(4000);
	assert_int_equal(net.nodes[2].events[CORE_FENCED], 1);
	assert_int_equal(net.nodes[2].n_lost, 1);
	assert_true(epoch_of(2) > victim);
	assert_int_equal(state_at(0, epoch_of(2)), NODE_UP);
	assert_int_equal(post(0, epoch_of(2), 5, 10), ERR_NONE);
	run(200);
	assert_took(2, 5, 1);
	end();
}

static void of_two_the_survivor_fences_when_the_lease_is_gone(void **state)
{
	begin(2);
	run(3000);
	uint32_t victim = epoch_of(1);
	stop(1);
	run(5000);
	assert_int_equal(state_at(0, victim), NODE_SUSPECT);
	run(6000);
	assert_int_equal(state_at(0, victim), NODE_DEAD);
	assert_int_equal(janitors(victim), 1);
	assert_int_equal(net.nodes[0].view->state, NODE_UP);
	end();
}

static void restarted_node_takes_the_place_of_the_one_before_at_once(void **state)
{
	for (unsigned n = 1; n <= 3; n += 2) {
		begin(n);
		run(3000);
		uint32_t victim = epoch_of(0);
		stop(0);
		start(0);
		run(2500);
		assert_true(epoch_of(0) > victim);
		assert_int_equal(state_at(0, epoch_of(0)), NODE_UP);
		assert_int_equal(state_at(0, victim), NODE_DEAD);
		assert_int_equal(state_at(n - 1, victim), NODE_DEAD);
		assert_int_equal(janitors(victim), 1);
		end();
	}
}

static void another_purges_when_the_one_who_fenced_dies(void **state)
{
	begin(4);
	run(3000);
	uint32_t first = epoch_of(3);
	stop(3);
	run(3000);
	assert_int_equal(janitors(first), 1);
	for (unsigned i = 0; i < 3; i++) {
		if (!net.nodes[i].n_janitor)
			continue;
		uint32_t second = epoch_of(i);
		stop(i);
		net.nodes[i].n_janitor = 0;
		run(4000);
		assert_int_equal(janitors(second), 1);
		break;
	}
	assert_int_equal(janitors(first), 1);
	end();
}

/* It told its peers, and no registry; later one of them told that, and died before it purged. */
static void who_left_and_was_fenced_is_purged_by_another(void **state)
{
	begin(3);
	run(3000);
	uint32_t left = epoch_of(2);
	net.redis_away = true;
	run(500);
	core_leave(net.nodes[2].core);
	run(1000);
	stop(2);
	assert_int_equal(state_at(0, left), NODE_LEFT);
	row_of(left)->dead = true;
	row_of(left)->state = NODE_DEAD;
	net.redis_away = false;
	run(15000);
	assert_int_equal(janitors(left), 1);
	run(60000);
	assert_int_equal(janitors(left), 1);
	end();
}

static void without_the_registry_a_majority_decides(void **state)
{
	begin(3);
	run(3000);
	uint32_t victim = epoch_of(2);
	net.redis_away = true;
	run(3000);
	stop(2);
	run(4000);
	assert_int_equal(state_at(0, victim), NODE_DEAD);
	assert_int_equal(state_at(1, victim), NODE_DEAD);
	assert_int_equal(janitors(victim), 0);
	net.redis_away = false;
	run(5000);
	assert_int_equal(janitors(victim), 1);
	assert_true(row_of(victim)->dead);
	end();
}

static void minority_without_the_registry_is_isolated_and_heals(void **state)
{
	begin(3);
	run(3000);
	net.redis_away = true;
	run(2000);
	cut(0, 2, true);
	cut(1, 2, true);
	run(7500);
	assert_int_equal(net.nodes[2].view->state, NODE_ISOLATED);
	assert_int_equal(net.nodes[0].view->state, NODE_UP);
	cut(0, 2, false);
	cut(1, 2, false);
	run(3000);
	assert_int_equal(net.nodes[2].view->state, NODE_UP);
	assert_int_equal(net.nodes[2].events[CORE_HEALED], 1);
	end();
}

static void those_fenced_by_the_mesh_learn_of_it_from_the_mesh(void **state)
{
	begin(3);
	run(3000);
	uint32_t victim = epoch_of(2);
	net.redis_away = true;
	run(2000);
	cut(0, 2, true);
	cut(1, 2, true);
	run(12000);
	assert_int_equal(state_at(0, victim), NODE_DEAD);
	cut(0, 2, false);
	cut(1, 2, false);
	run(3000);
	assert_int_equal(net.nodes[2].events[CORE_FENCED], 1);
	assert_int_equal(net.nodes[2].view->state, NODE_JOINING);
	net.redis_away = false;
	run(8000);
	assert_int_equal(net.nodes[2].view->state, NODE_UP);
	assert_int_equal(state_at(0, epoch_of(2)), NODE_UP);
	end();
}

/* ---- the registry is cut, or forgets ---- */

static void node_cut_off_from_the_registry_lives_by_its_peers(void **state)
{
	begin(3);
	run(3000);
	net.nodes[2].no_redis = true;
	run(30000);
	assert_int_equal(net.nodes[2].view->state, NODE_UP);
	assert_false(net.nodes[2].view->registry_ok);
	assert_int_equal(state_at(0, epoch_of(2)), NODE_UP);
	assert_int_equal(net.nodes[2].events[CORE_FENCED], 0);
	assert_int_equal(net.nodes[2].events[CORE_REGISTRY_DOWN], 1);
	end();
}

static void nodes_register_again_when_the_registry_forgot_them(void **state)
{
	begin(3);
	run(3000);
	uint32_t epochs[3] = { epoch_of(0), epoch_of(1), epoch_of(2) };
	net.n_rows = 0;
	net.last_epoch = 0;
	run(5000);
	assert_int_equal(net.n_rows, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(epoch_of(i), epochs[i]);
		assert_non_null(row_of(epochs[i]));
		assert_int_equal(net.nodes[i].events[CORE_PEER_DEAD], 0);
	}
	start(3);
	run(4000);
	assert_true(epoch_of(3) > epochs[2]);
	end();
}

/* A registry that forgot gives a newcomer the number of a node that lives, then one that this node knows as a dead one's: each holds the
 * other for dead, and hears nothing of what it says. */
static void who_hold_one_another_for_dead_come_together(void **state)
{
	begin(2);
	run(3000);
	uint32_t dead = epoch_of(1);
	assert_int_equal(dead, epoch_of(0) + 1);
	stop(1);
	run(12000);
	assert_int_equal(state_at(0, dead), NODE_DEAD);
	net.n_rows = 0;
	net.last_epoch = epoch_of(0) - 1;
	start(2);
	settle();
	assert_int_equal(epoch_of(2), epoch_of(0));
	row_of(epoch_of(0))->node = 0; /* which registered again, and as the last of the two */
	run(40000);
	assert_int_not_equal(epoch_of(2), epoch_of(0));
	assert_int_equal(state_at(0, epoch_of(2)), NODE_UP);
	assert_int_equal(state_at(2, epoch_of(0)), NODE_UP);
	end();
}

/* As above, but the other one is not held for dead yet: this node looks for it where it is no more, and never asks where it is. */
static void who_gave_up_a_number_that_lives_on_gives_up_the_next(void **state)
{
	begin(2);
	run(3000);
	uint32_t silent = epoch_of(1);
	stop(1);
	run(500);
	net.n_rows = 0;
	net.last_epoch = epoch_of(0) - 1;
	start(2);
	settle();
	assert_int_equal(epoch_of(2), epoch_of(0));
	row_of(epoch_of(0))->node = 0;
	run(10000);
	assert_int_equal(epoch_of(2), silent);
	assert_int_equal(state_at(0, silent), NODE_SUSPECT);
	run(30000);
	assert_int_not_equal(epoch_of(2), silent);
	assert_int_equal(state_at(0, epoch_of(2)), NODE_UP);
	assert_int_equal(state_at(2, epoch_of(0)), NODE_UP);
	end();
}

/* It joins, is told in the same answer to give that number up again, and of a peer's death as well: which it must not note by half. */
static void who_joins_twice_at_once_buries_the_dead(void **state)
{
	begin(3);
	run(3000);
	uint32_t old = epoch_of(2), victim = epoch_of(1);
	stop(2);
	run(30000);
	net.nodes[0].frozen = true;
	stop(1);
	row_of(victim)->dead = row_of(epoch_of(0))->dead = true;
	*row_of(old) = (struct row){ .epoch = old, .node = 3, .lease_until = net.now + 60000, .state = NODE_UP };
	net.nodes[0].frozen = false;
	run(3000);
	assert_int_equal(net.nodes[0].events[CORE_FENCED], 2);
	assert_int_equal(net.nodes[0].view->state, NODE_UP);
	assert_int_equal(state_at(0, victim), NODE_DEAD);
	end();
}

static void number_given_twice_is_given_up_by_both(void **state)
{
	begin(1);
	run(3000);
	net.n_rows = 0;
	net.last_epoch = 0;
	start(1); /* before the other registers again */
	settle();
	assert_int_equal(epoch_of(1), epoch_of(0));
	core_seed(net.nodes[1].core, str_of(net.nodes[0].addr));
	run(8000);
	assert_int_not_equal(epoch_of(1), epoch_of(0));
	assert_int_equal(state_at(0, epoch_of(1)), NODE_UP);
	assert_int_equal(state_at(1, epoch_of(0)), NODE_UP);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_makes_suspect_and_traffic_clears_it),
		cmocka_unit_test(killed_node_is_dead_soon_and_one_purges),
		cmocka_unit_test(frozen_node_is_dead_after_its_lease_and_begins_anew),
		cmocka_unit_test(of_two_the_survivor_fences_when_the_lease_is_gone),
		cmocka_unit_test(restarted_node_takes_the_place_of_the_one_before_at_once),
		cmocka_unit_test(another_purges_when_the_one_who_fenced_dies),
		cmocka_unit_test(who_left_and_was_fenced_is_purged_by_another),
		cmocka_unit_test(without_the_registry_a_majority_decides),
		cmocka_unit_test(minority_without_the_registry_is_isolated_and_heals),
		cmocka_unit_test(those_fenced_by_the_mesh_learn_of_it_from_the_mesh),
		cmocka_unit_test(node_cut_off_from_the_registry_lives_by_its_peers),
		cmocka_unit_test(nodes_register_again_when_the_registry_forgot_them),
		cmocka_unit_test(who_hold_one_another_for_dead_come_together),
		cmocka_unit_test(who_gave_up_a_number_that_lives_on_gives_up_the_next),
		cmocka_unit_test(who_joins_twice_at_once_buries_the_dead),
		cmocka_unit_test(number_given_twice_is_given_up_by_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
