#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/ghost.h"

/* All on the first worker, at home here while nobody claims them. */
#define MANY 500u

static char names[MANY][32];

static struct node_worker *first(void)
{
	return nw_of(node.workers[0]);
}

static void find_names(void)
{
	static unsigned serial;
	for (unsigned n = 0; n < MANY;) {
		snprintf(names[n], sizeof names[n], "g%u@localhost", serial++);
		if (node_shard(&node, str_of(names[n]))->index == 0 && homes_where(first()->fleet->homes, fp(names[n])) == 1)
			n++;
	}
}

static void bury(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct frame_record r = record(FLEET_BURY, names[i], 0);
		r.to = arena_printf(keep, "%s/r", names[i]);
		other_says(r);
	}
}

static unsigned count_sent(unsigned kind, unsigned ttl)
{
	unsigned n = 0;
	for (struct sent *s; (s = next_of(kind)); n++) {
		assert_int_equal(s->r.ttl, ttl);
		buf_fini(&s->bytes);
		free(s);
	}
	return n;
}

static void ghosts_are_few_at_a_time_and_in_the_end_were_all(void **state)
{
	find_names();
	uint64_t ends = first()->session_ends;
	size_t most = 0;
	bury(MANY);
	do {
		rig_turns(1);
		assert_true(first()->fleet->n_ghosts <= GHOSTS_MAX);
		assert_int_equal(first()->fleet->n_ghosts, node_metric(&node, METRIC_SESSIONS));
		if (first()->fleet->n_ghosts > most)
			most = first()->fleet->n_ghosts;
	} while (first()->session_ends < ends + MANY);
	assert_true(most > 0 && most < MANY);
	assert_int_equal(first()->session_ends, ends + MANY);
	assert_int_equal(first()->fleet->n_burials + first()->fleet->n_ghosts, 0);
}

static void a_ghost_whose_home_has_moved_while_it_waited_is_told_of_there(void **state)
{
	find_names();
	bury(1);
	struct frame_record add = record(HOMES_ADD, names[0], 0);
	add.osm = 5;
	other_says(add);
	struct frame_record r = expect(FLEET_BURY);
	assert_int_equal(r.ttl, FRAME_TTL - 1);
	assert_int_equal(r.dst_fp, add.dst_fp);
	assert_int_equal(first()->fleet->n_burials + first()->fleet->n_ghosts, 0);
	assert_int_equal(first()->session_ends, 0);
}

static unsigned waited, begun, ended;

static void drain(struct node_worker *nw)
{
	struct view *v = view_new(2);
	v->self = 1;
	v->state = NODE_DRAINING;
	v->nodes[0] = (struct view_node){ .epoch = 1, .state = NODE_DRAINING, .workers = 2 };
	v->nodes[1] = (struct view_node){ .epoch = OTHER, .state = NODE_UP, .workers = 1, .linked = true };
	hooks.on_view(nw->worker, v);
	view_unref(v);
	waited = (unsigned)nw->fleet->n_burials;
	begun = (unsigned)nw->fleet->n_ghosts;
	ended = (unsigned)nw->session_ends;
	ghost_farewell(nw);
	assert_int_equal(nw->fleet->n_burials + nw->fleet->n_ghosts, 0);
}

static void ghosts_of_a_node_that_goes_are_told_of_by_the_others(void **state)
{
	find_names();
	bury(MANY);
	RIG_UNTIL(first()->fleet->n_ghosts > 0); /* some have begun */
	rig_order(0, drain);
	RIG_UNTIL(waited);
	assert_int_equal(first()->session_ends, ended + begun);
	assert_int_equal(ended + begun + waited, MANY);
	assert_int_equal(count_sent(FLEET_BURY, FRAME_TTL), begun + waited);
}

static void ghosts_end_with_the_node_whatever_they_wait_for(void **state)
{
	find_names();
	bury(MANY);
	RIG_UNTIL(first()->fleet->n_ghosts > 0);
	rig_order(0, ghost_end_all);
	RIG_UNTIL(first()->fleet->n_burials + first()->fleet->n_ghosts == 0);
	RIG_UNTIL(rig_is_empty()); /* their accounts as well, as what they waited for comes */
}

/* What the registry had of a session of the dead node 5: who sees to its end. */
static void purged(uint32_t edge, const char *name)
{
	struct registry_row row = { str_of(name), STR("r"), REGISTRY_AVAILABLE, edge };
	hooks.on_purged(node.workers[0], 5, &row);
}

static void a_session_whose_client_is_on_a_node_that_lives_is_no_ghost(void **state)
{
	find_names();
	uint64_t ends = first()->session_ends;
	purged(OTHER, names[0]); /* on its way to another home */
	purged(1, names[1]);     /* ours */
	purged(0, names[2]);     /* died with its home */
	purged(5, names[3]);
	purged(4, names[4]);     /* on a node that nobody knows (any more) */
	assert_int_equal(first()->fleet->n_burials, 3);
	RIG_UNTIL(first()->session_ends == ends + 3);
	assert_int_equal(first()->fleet->n_burials, 0);
}

static void ghosts_are_not_of_names_that_are_none(void **state)
{
	find_names();
	snprintf(names[1], sizeof names[1], "@localhost");
	snprintf(names[2], sizeof names[2], "somebody@elsewhere.example");
	uint64_t ends = first()->session_ends;
	bury(1);
	for (unsigned i = 1; i <= 2; i++) {
		struct frame_record r = record(FLEET_BURY, names[0], 0);
		r.to = arena_printf(keep, "%s/r", names[i]);
		other_says(r);
	}
	RIG_UNTIL(first()->session_ends == ends + 1 && first()->fleet->n_burials == 0);
	assert_int_equal(first()->fleet->n_ghosts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ghosts_are_few_at_a_time_and_in_the_end_were_all),
		CASE(a_ghost_whose_home_has_moved_while_it_waited_is_told_of_there),
		CASE(ghosts_of_a_node_that_goes_are_told_of_by_the_others),
		CASE(ghosts_end_with_the_node_whatever_they_wait_for),
		CASE(a_session_whose_client_is_on_a_node_that_lives_is_no_ghost),
		CASE(ghosts_are_not_of_names_that_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
