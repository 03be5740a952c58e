#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/view.h"
#include "proto/base/err.h"

/* Nodes with the epochs 10, 20, ... in these states; the first is ourselves. */
static struct view *view_of(const uint8_t *states, unsigned n)
{
	struct view *v = view_new(n);
	v->self = n ? 10 : 7;
	for (unsigned i = 0; i < n; i++)
		v->nodes[i] = (struct view_node){ .epoch = 10 * (i + 1), .state = states[i] };
	v->state = n ? states[0] : NODE_JOINING;
	return v;
}

static void view_finds_each_epoch_and_no_other(void **state)
{
	const uint8_t up[] = { NODE_UP, NODE_UP, NODE_UP, NODE_UP, NODE_UP };
	struct view *v = view_of(up, 5);
	for (uint32_t e = 0; e < 60; e++) {
		const struct view_node *n = view_find(v, e);
		assert_int_equal(n != NULL, e && e % 10 == 0 && e <= 50);
		if (n)
			assert_int_equal(n->epoch, e);
	}
	view_unref(v);
	v = view_of(NULL, 0);
	assert_null(view_find(v, 7));
	view_unref(v);
}

static void view_goes_with_its_last_reference(void **state)
{
	const uint8_t up[] = { NODE_UP };
	struct view *v = view_of(up, 1);
	assert_ptr_equal(view_ref(v), v);
	view_unref(v);
	assert_int_equal(v->n, 1);
	view_unref(v);
	view_unref(NULL);
}

static void view_knows_who_takes_part(void **state)
{
	const uint8_t all[] = { NODE_JOINING, NODE_SYNCING, NODE_UP, NODE_SUSPECT, NODE_ISOLATED, NODE_DRAINING, NODE_DEAD, NODE_LEFT };
	const bool alive[] = { false, true, true, true, true, true, false, false };
	struct view *v = view_of(all, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(view_is_alive(v, 10 * (i + 1)), alive[i]);
	assert_false(view_is_alive(v, 0));
	assert_false(view_is_alive(v, 15));
	view_unref(v);
}

static void view_places_only_on_nodes_that_take_work(void **state)
{
	const uint8_t s[] = { NODE_SYNCING, NODE_UP, NODE_SUSPECT, NODE_ISOLATED, NODE_DRAINING, NODE_DEAD, NODE_LEFT, NODE_JOINING };
	unsigned hits[9] = { 0 };
	struct view *v = view_of(s, 8);
	for (uint64_t fp = 0; fp < 4000; fp++)
		hits[view_place(v, fp * 0x9e3779b97f4a7c15u) / 10]++;
	assert_int_equal(hits[2] + hits[3], 4000);
	assert_in_range(hits[2], 1800, 2200);
	view_unref(v);
}

static void view_places_on_ourselves_when_isolated_or_alone(void **state)
{
	const uint8_t isolated[] = { NODE_ISOLATED, NODE_DEAD }, syncing[] = { NODE_SYNCING, NODE_DRAINING };
	struct view *v = view_of(isolated, 2);
	assert_int_equal(view_place(v, 99), 10);
	view_unref(v);
	v = view_of(syncing, 2);
	assert_int_equal(view_place(v, 99), 10);
	view_unref(v);
	v = view_of(NULL, 0);
	assert_int_equal(view_place(v, 99), 7);
	view_unref(v);
}

static void view_moves_only_what_was_on_a_node_that_goes(void **state)
{
	const uint8_t before[] = { NODE_UP, NODE_UP, NODE_UP, NODE_UP }, after[] = { NODE_UP, NODE_UP, NODE_DEAD, NODE_UP };
	struct view *a = view_of(before, 4), *b = view_of(after, 4);
	unsigned moved = 0;
	for (uint64_t fp = 1; fp <= 8000; fp++) {
		uint32_t was = view_place(a, fp * 0x9e3779b97f4a7c15u), is = view_place(b, fp * 0x9e3779b97f4a7c15u);
		if (was == 30)
			moved++;
		else
			assert_int_equal(was, is);
		assert_int_not_equal(is, 30);
	}
	assert_in_range(moved, 1800, 2200);
	view_unref(a);
	view_unref(b);
}

static void view_names_states(void **state)
{
	assert_string_equal(node_state_name(NODE_JOINING), "joining");
	assert_string_equal(node_state_name(NODE_LEFT), "left");
	assert_string_equal(node_state_name(NODE_STATE_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(view_finds_each_epoch_and_no_other),
		cmocka_unit_test(view_goes_with_its_last_reference),
		cmocka_unit_test(view_knows_who_takes_part),
		cmocka_unit_test(view_places_only_on_nodes_that_take_work),
		cmocka_unit_test(view_places_on_ourselves_when_isolated_or_alone),
		cmocka_unit_test(view_moves_only_what_was_on_a_node_that_goes),
		cmocka_unit_test(view_names_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
