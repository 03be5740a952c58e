#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/ways.h"

/* We are node 1; 2, 3 and 4 are others. */
#define SELF 1
#define NAME 77

enum { ECHO = 5, ECHOED };

struct thing {
	struct ways_item item;
	unsigned number;
};

static struct {
	struct ways ways;
	uint64_t now;
	uint32_t where;
	bool unsettled;
	unsigned went[2000], n_went, dropped;
	struct { uint32_t to; struct frame_record r; } sent[2000];
	unsigned n_sent;
} t;

static uint32_t on_where(void *place, uint64_t fp)
{
	(void)place;
	return fp >= NAME ? t.where : 0;
}

static bool on_is_unsettled(void *place, uint64_t fp)
{
	(void)place;
	(void)fp;
	return t.unsettled;
}

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	(void)arg;
	t.sent[t.n_sent].to = epoch;
	t.sent[t.n_sent++].r = *r;
}

static void on_go(void *arg, struct ways_item *item)
{
	(void)arg;
	t.went[t.n_went++] = ((struct thing *)item)->number;
	free(item);
}

static void on_drop(void *arg, struct ways_item *item)
{
	(void)arg;
	t.dropped++;
	free(item);
}

static void see(uint32_t self, uint32_t dead, uint8_t speaks)
{
	struct view *v = view_new(4);
	v->self = self;
	v->state = NODE_UP;
	for (unsigned i = 0; i < 4; i++)
		v->nodes[i] = (struct view_node){ .epoch = i + 1, .state = i + 1 == dead ? NODE_DEAD : NODE_UP, .speaks = speaks };
	ways_view(&t.ways, v);
	ways_run(&t.ways);
	view_unref(v);
}

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	t.now = 1000000;
	t.where = 2;
	ways_init(&t.ways, &(struct ways_out){ .where = on_where, .is_unsettled = on_is_unsettled, .send = on_send, .go = on_go,
					       .drop = on_drop, .echo = ECHO, .echoed = ECHOED, .ttl = FRAME_TTL,
					       .speaks = WAYS_PROTOCOL });
	see(SELF, 0, WAYS_PROTOCOL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ways_fini(&t.ways);
	return 0;
}

/* What a record says that has gone through these, the last one first. */
static uint64_t through(uint32_t last, uint32_t before)
{
	struct ways at = { .self = before }, then = { .self = last };
	return ways_passed(&then, before ? ways_passed(&at, 0) : 0);
}

/* True: it went at once. */
static bool comes(unsigned number, uint64_t passed)
{
	if (!ways_waits(&t.ways, NAME, t.where, passed, t.now))
		return true;
	struct thing *x = xzalloc(sizeof *x);
	x->number = number;
	x->item.bytes = 100;
	ways_wait(&t.ways, NAME, passed, &x->item, t.now);
	ways_run(&t.ways);
	return false;
}

static void record(unsigned kind, uint64_t osm, uint32_t oseq, uint64_t passed, uint8_t ttl)
{
	struct frame_record r = { .kind = (uint8_t)kind, .ttl = ttl, .dst_fp = NAME, .osm = osm, .oseq = oseq, .dst_sid = passed };
	ways_record(&t.ways, &r, t.now);
	ways_run(&t.ways);
}

static void assert_went(unsigned n, const unsigned *numbers)
{
	assert_int_equal(t.n_went, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(t.went[i], numbers[i]);
}

static void assert_sent_last(unsigned kind, uint32_t to)
{
	assert_true(t.n_sent > 0);
	assert_int_equal(t.sent[t.n_sent - 1].r.kind, kind);
	assert_int_equal(t.sent[t.n_sent - 1].to, to);
}

static void answer_last_echo(void)
{
	const struct frame_record *e = &t.sent[t.n_sent - 1].r;
	record(ECHOED, e->osm, e->oseq, 0, FRAME_TTL);
}

/* ---- who waits ---- */

static void ways_nothing_waits_for_a_name_that_stays(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_true(comes(i, 0));
	t.where = SELF;
	assert_int_equal(t.n_sent, 0);
}

static void ways_who_has_sent_nothing_waits_for_nothing(void **state)
{
	(void)state;
	t.where = 3;
	assert_true(comes(1, 0));
	t.where = SELF;
	t.now += 2 * WAYS_KEEP_MS;
	assert_true(comes(2, 0)); /* that was long ago */
	t.where = 2;
	assert_true(comes(3, 0)); /* what was for it here is done with */
	assert_int_equal(t.n_sent, 0);
}

static void ways_a_name_that_moves_is_waited_for_until_the_echo_is_back(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	assert_sent_last(ECHO, 2);
	assert_int_equal(t.sent[0].r.oseq, SELF);
	assert_false(comes(3, 0));
	record(ECHOED, t.sent[0].r.osm + 1, SELF, 0, FRAME_TTL);   /* another's */
	record(ECHOED, t.sent[0].r.osm, SELF + 1, 0, FRAME_TTL);
	assert_went(0, NULL);
	answer_last_echo();
	assert_went(2, (const unsigned[]){ 2, 3 });
	assert_true(comes(4, 0));
	assert_int_equal(t.n_sent, 1);
}

static void ways_a_name_that_comes_here_is_waited_for_too(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.where = SELF;
	assert_false(comes(2, 0));
	assert_true(comes(1, through(2, SELF))); /* what was sent away comes back, before the rest */
	record(ECHO, t.sent[0].r.osm, SELF, through(2, SELF), FRAME_TTL - 1);
	assert_went(1, (const unsigned[]){ 2 });
	assert_int_equal(t.n_sent, 1);
}

static void ways_a_name_that_moves_on_meanwhile_has_one_way_to_be_emptied(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	t.where = 4;
	assert_false(comes(3, 0));
	answer_last_echo();
	assert_went(2, (const unsigned[]){ 2, 3 });
	assert_int_equal(t.n_sent, 1);
	t.where = 2;
	assert_false(comes(4, 0));
	assert_sent_last(ECHO, 4);
}

static void ways_what_comes_again_does_not_hide_what_is_newer(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	assert_true(comes(2, 0));
	t.where = 3;
	assert_true(comes(1, through(2, SELF)));
	assert_false(comes(3, 0)); /* 2 is on its way still */
	assert_sent_last(ECHO, 2);
	assert_true(comes(2, through(2, SELF)));
	answer_last_echo();
	assert_went(1, (const unsigned[]){ 3 });
}

static void ways_nothing_goes_while_nobody_knows_whose_it_is(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.unsettled = true;
	assert_false(comes(3, 0));
	assert_false(comes(1, through(2, SELF)));
	assert_false(comes(4, 0));
	assert_int_equal(t.n_sent, 0);
	t.unsettled = false;
	t.where = SELF;
	ways_settled(&t.ways, NAME);
	ways_run(&t.ways);
	assert_went(1, (const unsigned[]){ 1 }); /* then what is on the old way */
	assert_sent_last(ECHO, 2);
	answer_last_echo();
	assert_went(3, (const unsigned[]){ 1, 3, 4 });
}

/* ---- echoes of others ---- */

static void ways_an_echo_is_answered_where_the_name_is(void **state)
{
	(void)state;
	t.where = SELF;
	record(ECHO, 9, 3, through(2, 3), FRAME_TTL - 1);
	assert_sent_last(ECHOED, 3);
	assert_int_equal(t.sent[0].r.osm, 9);
	assert_int_equal(t.sent[0].r.dst_fp, NAME);
}

static void ways_an_echo_is_passed_on_as_what_it_follows(void **state)
{
	(void)state;
	t.where = 4;
	assert_true(comes(1, through(3, 0)));
	record(ECHO, 9, 3, through(3, 0), FRAME_TTL);
	assert_sent_last(ECHO, 4);
	assert_int_equal(t.sent[0].r.ttl, FRAME_TTL - 1);
	assert_true(t.sent[0].r.dst_sid == through(SELF, 3));
	t.where = 2; /* and waits as that does */
	assert_false(comes(2, through(3, 0)));
	record(ECHO, 10, 3, through(3, 0), FRAME_TTL);
	assert_int_equal(t.n_sent, 2);
	record(ECHOED, t.sent[1].r.osm, SELF, 0, FRAME_TTL);
	assert_went(1, (const unsigned[]){ 2 });
	assert_sent_last(ECHO, 2);
	assert_int_equal(t.sent[2].r.oseq, 3);
}

static void ways_an_echo_that_can_go_no_further_is_answered(void **state)
{
	(void)state;
	record(ECHO, 9, 3, through(4, 3), 1);
	assert_sent_last(ECHOED, 3);
	see(SELF, 0, WAYS_PROTOCOL - 1);
	record(ECHO, 10, 3, through(4, 3), FRAME_TTL);
	assert_sent_last(ECHOED, 3);
	assert_int_equal(t.n_sent, 2);
}

/* Another node gave it something for a newcomer that it has heard of and not spoken with: the echo goes there, too. */
static void ways_an_echo_is_passed_on_to_one_that_has_not_said_what_it_speaks(void **state)
{
	(void)state;
	see(SELF, 0, 0);
	record(ECHO, 9, 3, through(4, 3), FRAME_TTL);
	assert_sent_last(ECHO, 2);
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	assert_sent_last(ECHO, 2);
}

/* ---- the end of waiting ---- */

static void ways_a_dead_node_is_not_waited_for(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	see(SELF, 2, WAYS_PROTOCOL);
	assert_went(1, (const unsigned[]){ 2 });
	assert_true(comes(3, 0));
	t.where = 4;
	see(SELF, 3, WAYS_PROTOCOL);
	assert_true(comes(4, 0)); /* nor asked */
}

static void ways_nor_one_that_knows_no_echo(void **state)
{
	(void)state;
	see(SELF, 0, WAYS_PROTOCOL - 1);
	assert_true(comes(1, 0));
	t.where = 3;
	assert_true(comes(2, 0));
	assert_int_equal(t.n_sent, 0);
}

static void ways_nobody_waits_past_the_deadline(void **state)
{
	struct ways_stats st;
	(void)state;
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	ways_tick(&t.ways, t.now += WAYS_WAIT_MS - 1);
	assert_false(comes(3, 0));
	ways_tick(&t.ways, ++t.now);
	assert_went(2, (const unsigned[]){ 2, 3 });
	assert_true(comes(4, 0));
	ways_stats(&t.ways, &st);
	assert_int_equal(st.hurried, 1);
	assert_int_equal(st.waiting, 0);
	assert_int_equal(st.bytes, 0);
	answer_last_echo(); /* late: nobody asks any more */
	assert_int_equal(t.n_went, 2);
}

static void ways_another_name_of_ours_ends_all_waits(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	see(4, SELF, WAYS_PROTOCOL);
	assert_went(1, (const unsigned[]){ 2 });
}

static void ways_too_much_for_one_name_goes_in_order(void **state)
{
	(void)state;
	assert_true(comes(0, 0));
	t.where = 3;
	for (unsigned i = 1; i <= WAYS_EACH_MAX; i++)
		assert_false(comes(i, 0));
	assert_went(0, NULL);
	comes(WAYS_EACH_MAX + 1, 0);
	assert_int_equal(t.n_went, WAYS_EACH_MAX + 1);
	for (unsigned i = 0; i < t.n_went; i++)
		assert_int_equal(t.went[i], i + 1);
	assert_true(comes(1, 0));
}

static void ways_too_many_names_do_not_wait(void **state)
{
	struct ways_stats st;
	(void)state;
	for (unsigned i = 0; i < WAYS_EMPTYING_MAX + 10; i++)
		assert_false(ways_waits(&t.ways, NAME + i, 2, 0, t.now));
	t.where = 3;
	for (unsigned i = 0; i < WAYS_EMPTYING_MAX + 10; i++) {
		struct thing *x = xzalloc(sizeof *x);
		x->number = i;
		assert_true(ways_waits(&t.ways, NAME + i, 3, 0, t.now));
		t.n_sent = 0;
		ways_wait(&t.ways, NAME + i, 0, &x->item, t.now);
		ways_run(&t.ways);
	}
	ways_stats(&t.ways, &st);
	assert_int_equal(st.waiting, WAYS_EMPTYING_MAX);
	assert_int_equal(t.n_went, 10);
}

static void ways_more_names_than_are_remembered_are_forgotten_in_turn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * WAYS_MAX; i++)
		assert_false(ways_waits(&t.ways, NAME + (uint64_t)i * 2654435761u, 2, 0, t.now));
	assert_true(t.ways.recent.n + t.ways.older.n <= 2 * WAYS_MAX);
	assert_false(ways_waits(&t.ways, NAME, 3, 0, t.now));
	assert_true(ways_waits(&t.ways, NAME + (uint64_t)(3 * WAYS_MAX - 1) * 2654435761u, 3, 0, t.now));
}

static void ways_at_the_end_nothing_waits(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	ways_end(&t.ways);
	assert_went(1, (const unsigned[]){ 2 });
	t.where = 4;
	assert_true(comes(3, 0));
}

static void ways_what_waits_as_a_node_dies_is_freed(void **state)
{
	(void)state;
	assert_true(comes(1, 0));
	t.where = 3;
	assert_false(comes(2, 0));
	assert_false(comes(3, 0));
	record(ECHO, 9, 3, through(4, 3), FRAME_TTL);
	ways_fini(&t.ways);
	assert_int_equal(t.dropped, 2);
	set_up(NULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(ways_nothing_waits_for_a_name_that_stays),
		CASE(ways_who_has_sent_nothing_waits_for_nothing),
		CASE(ways_a_name_that_moves_is_waited_for_until_the_echo_is_back),
		CASE(ways_a_name_that_comes_here_is_waited_for_too),
		CASE(ways_a_name_that_moves_on_meanwhile_has_one_way_to_be_emptied),
		CASE(ways_what_comes_again_does_not_hide_what_is_newer),
		CASE(ways_nothing_goes_while_nobody_knows_whose_it_is),
		CASE(ways_an_echo_is_answered_where_the_name_is),
		CASE(ways_an_echo_is_passed_on_as_what_it_follows),
		CASE(ways_an_echo_that_can_go_no_further_is_answered),
		CASE(ways_an_echo_is_passed_on_to_one_that_has_not_said_what_it_speaks),
		CASE(ways_a_dead_node_is_not_waited_for),
		CASE(ways_nor_one_that_knows_no_echo),
		CASE(ways_nobody_waits_past_the_deadline),
		CASE(ways_another_name_of_ours_ends_all_waits),
		CASE(ways_too_much_for_one_name_goes_in_order),
		CASE(ways_too_many_names_do_not_wait),
		CASE(ways_more_names_than_are_remembered_are_forgotten_in_turn),
		CASE(ways_at_the_end_nothing_waits),
		CASE(ways_what_waits_as_a_node_dies_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
