#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/homes.h"
#include "proto/base/buf.h"

/* Three nodes of one worker each, joined by queues that keep their order; a registry that the test may turn off. */

#define NODES 3
#define BARE  STR("juliet@localhost")

struct mail {
	struct mail *next;
	unsigned from, to;
	struct buf body;
};

static struct net {
	struct homes *homes[NODES];
	uint32_t settled[NODES], moved[NODES];
	unsigned n_settled[NODES], synced[NODES], went[NODES], released;
	bool busy[NODES], registry_away, no_answer, cut[NODES];
	uint32_t registry_epoch;
	uint64_t registry_hlc, now;
	struct mail *first, **end;
} net;

struct self {
	unsigned i;
};
static struct self selves[NODES] = { { 0 }, { 1 }, { 2 } };

static unsigned me(void *arg)
{
	return ((struct self *)arg)->i;
}

static uint32_t epoch_of(unsigned i)
{
	return 10 + i;
}

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	unsigned to = epoch - 10;
	if (to >= NODES || to == me(arg))
		return;
	struct mail *m = calloc(1, sizeof *m);
	m->from = me(arg);
	m->to = to;
	buf_init(&m->body, 1 << 16);
	assert_int_equal(frame_add_record(&m->body, r), ERR_NONE);
	*net.end = m;
	net.end = &m->next;
}

static void on_broadcast(void *arg, const struct frame_record *r)
{
	for (unsigned i = 0; i < NODES; i++)
		on_send(arg, epoch_of(i), r);
}

static void on_claim(void *arg, struct str bare, uint64_t fp, uint64_t hlc)
{
	if (net.no_answer)
		return;
	if (!net.registry_away && !net.registry_epoch) {
		net.registry_epoch = epoch_of(me(arg));
		net.registry_hlc = hlc;
	}
	homes_registered(net.homes[me(arg)], fp, net.registry_away ? ERR_UNAVAILABLE : ERR_NONE, net.registry_epoch, net.registry_hlc,
			 net.now);
}

static void on_release(void *arg, struct str bare)
{
	net.released++;
	net.registry_epoch = 0;
}

static bool on_busy(void *arg, struct str bare, uint64_t fp)
{
	return net.busy[me(arg)];
}

static void on_settled(void *arg, struct str bare, uint64_t fp, uint32_t epoch)
{
	net.settled[me(arg)] = epoch;
	net.n_settled[me(arg)]++;
}

static void on_moved(void *arg, uint64_t fp, uint32_t epoch)
{
	net.moved[me(arg)] = epoch;
}

static void on_synced(void *arg)
{
	net.synced[me(arg)]++;
}

static void on_go(void *arg, struct ways_item *item)
{
	net.went[me(arg)]++;
	free(item);
}

/* Something for an account at node i. True: it goes at once. */
static bool comes(unsigned i, uint64_t fp)
{
	struct ways *w = homes_ways(net.homes[i]);
	if (!ways_waits(w, fp, homes_where(net.homes[i], fp), 0, net.now))
		return true;
	ways_wait(w, fp, 0, xzalloc(sizeof(struct ways_item)), net.now);
	ways_run(w);
	return false;
}

/* Node i sees those of `mask`. */
static void look(unsigned i, unsigned mask)
{
	struct view *v = view_new(NODES);
	v->self = epoch_of(i);
	v->state = NODE_UP;
	v->n = 0;
	for (unsigned n = 0; n < NODES; n++)
		if (mask & 1u << n)
			v->nodes[v->n++] = (struct view_node){ .epoch = epoch_of(n), .state = NODE_UP, .workers = 1, .linked = true,
							      .speaks = WAYS_PROTOCOL };
	homes_view(net.homes[i], v, net.now);
	view_unref(v);
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
		if (!net.cut[m->from] && !net.cut[m->to])
			while (frame_next_record(&body, &r) == ERR_NONE)
				homes_record(net.homes[m->to], epoch_of(m->from), &r, net.now);
		buf_fini(&m->body);
		free(m);
	}
}

static int set_up(void **state)
{
	memset(&net, 0, sizeof net);
	net.end = &net.first;
	net.now = 1000;
	for (unsigned i = 0; i < NODES; i++) {
		struct homes_out out = { &selves[i], on_send,	 on_broadcast, on_claim, on_release,
					 on_busy,    on_settled, on_moved,     on_synced,	  on_go,    on_go };
		net.homes[i] = homes_new(&out, 0, 1, net.now);
	}
	for (unsigned i = 0; i < NODES; i++)
		look(i, 7);
	deliver();
	return 0;
}

static int tear_down(void **state)
{
	deliver();
	for (unsigned i = 0; i < NODES; i++)
		homes_free(net.homes[i]);
	return 0;
}

/* A fingerprint whose place is that node. */
static uint64_t fp_at(unsigned node)
{
	uint64_t fp = 1000;
	while (homes_where(net.homes[0], fp) != epoch_of(node))
		fp++;
	return fp;
}

static void tick(uint64_t ms)
{
	net.now += ms;
	for (unsigned i = 0; i < NODES; i++)
		homes_tick(net.homes[i], net.now);
	deliver();
}

static uint32_t want(unsigned i, uint64_t fp, uint64_t hlc)
{
	return homes_want(net.homes[i], BARE, fp, hlc, net.now);
}

static void homes_hear_one_another_and_are_synced(void **state)
{
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(net.synced[i], 1);
}

static void homes_give_an_account_to_the_node_that_wants_it_first(void **state)
{
	uint64_t fp = fp_at(2);
	assert_int_equal(want(0, fp, 5), 0);
	deliver();
	assert_int_equal(net.settled[0], epoch_of(0));
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(homes_where(net.homes[i], fp), epoch_of(0));
	assert_int_equal(want(1, fp, 6), epoch_of(0));
	assert_int_equal(net.n_settled[1], 0);
}

static void homes_of_two_that_want_at_once_give_one_and_tell_the_other(void **state)
{
	uint64_t fp = fp_at(2);
	want(0, fp, 5);
	want(1, fp, 4);
	deliver();
	assert_int_equal(net.settled[0], net.settled[1]);
	assert_int_equal(net.registry_epoch, net.settled[0]);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(homes_where(net.homes[i], fp), net.settled[0]);
}

static void homes_that_end_go_back_to_their_place(void **state)
{
	uint64_t fp = fp_at(2);
	want(0, fp, 5);
	deliver();
	homes_ended(net.homes[0], BARE, fp);
	deliver();
	assert_int_equal(net.released, 1);
	for (unsigned i = 0; i < NODES; i++) {
		assert_int_equal(homes_claimed(net.homes[i], fp), 0);
		assert_int_equal(homes_where(net.homes[i], fp), epoch_of(2));
	}
}

static void homes_grant_when_the_place_has_finished(void **state)
{
	uint64_t fp = fp_at(2);
	net.busy[2] = true;
	want(0, fp, 5);
	deliver();
	tick(3000); /* asks again meanwhile */
	assert_int_equal(net.n_settled[0], 0);
	net.busy[2] = false;
	homes_ended(net.homes[2], BARE, fp);
	deliver();
	assert_int_equal(net.settled[0], epoch_of(0));
	assert_int_equal(net.n_settled[0], 1);
}

/* Whoever gets the account looks for what the place has kept of it. */
static void homes_grant_when_what_waits_at_the_place_has_come(void **state)
{
	uint64_t fp = fp_at(2);
	want(1, fp, 5);
	deliver();
	assert_true(comes(2, fp)); /* to node 1 */
	homes_ended(net.homes[1], BARE, fp);
	while (homes_where(net.homes[2], fp) != epoch_of(2))
		deliver();
	assert_false(comes(2, fp));
	net.cut[1] = true;
	want(0, fp, 6);
	deliver();
	assert_int_equal(net.n_settled[0], 0);
	homes_ended(net.homes[2], BARE, fp); /* of something else there */
	deliver();
	assert_int_equal(net.n_settled[0], 0);
	tick(2000);
	assert_int_equal(net.went[2], 1);
	deliver();
	assert_int_equal(net.settled[0], epoch_of(0));
}

static void homes_that_move_keep_the_order(void **state)
{
	uint64_t fp = fp_at(2);
	assert_true(comes(1, fp));
	want(0, fp, 5);
	deliver();
	assert_int_equal(homes_where(net.homes[1], fp), epoch_of(0));
	assert_false(comes(1, fp));
	assert_false(comes(1, fp));
	assert_int_equal(net.went[1], 0);
	deliver(); /* 1 asks 2, which asks 0, which answers */
	assert_int_equal(net.went[1], 2);
	assert_true(comes(1, fp));
}

/* The place has granted it to us and sends what comes to us; until the registry has answered we do not send it back. */
static void homes_that_are_granted_wait_for_the_registry(void **state)
{
	uint64_t fp = fp_at(2);
	net.no_answer = true;
	want(0, fp, 5);
	deliver();
	assert_false(comes(0, fp));
	assert_int_equal(net.went[0], 0);
	homes_registered(net.homes[0], fp, ERR_NONE, epoch_of(0), 5, net.now);
	assert_int_equal(net.went[0], 1);
	deliver();
}

static void homes_grant_in_the_end_although_the_place_never_finishes(void **state)
{
	uint64_t fp = fp_at(2);
	net.busy[2] = true;
	want(0, fp, 5);
	deliver();
	for (int i = 0; i < 11; i++)
		tick(1000);
	assert_int_equal(net.settled[0], epoch_of(0));
}

/* All clients of a node that has died come at once. */
static void homes_keep_those_waiting_that_are_too_many_at_once(void **state)
{
	struct homes_stats s;
	uint64_t fp = 1000;
	net.registry_away = true;
	net.cut[2] = true;
	for (unsigned n = 0; n < 10005; fp++)
		if (homes_where(net.homes[0], fp) == epoch_of(2)) {
			assert_int_equal(want(0, fp, 5), 0);
			n++;
		}
	deliver();
	homes_stats(net.homes[0], &s);
	assert_int_equal(net.n_settled[0], 0);
	assert_int_equal(s.claims, 10000);
	assert_int_equal(s.waiting, 5);
	net.cut[2] = false;
	tick(3000); /* they ask again, and as those are answered the others do */
	assert_int_equal(net.n_settled[0], 10005);
	assert_int_equal(net.settled[0], epoch_of(0));
	homes_stats(net.homes[2], &s);
	assert_int_equal(s.entries, 10005);
	homes_stats(net.homes[0], &s);
	assert_int_equal(s.claims + s.waiting, 0);
	assert_int_equal(s.own, 10005);
}

static void homes_that_wait_in_line_are_given_to_others_meanwhile(void **state)
{
	net.registry_away = true;
	net.cut[2] = true;
	uint64_t fp = 1000;
	for (unsigned n = 0; n < 10000; fp++)
		if (homes_where(net.homes[0], fp) == epoch_of(2)) {
			want(0, fp, 5);
			n++;
		}
	while (homes_where(net.homes[0], fp) != epoch_of(0))
		fp++;
	want(0, fp, 5);
	deliver();
	want(1, fp, 6);
	deliver();
	assert_int_equal(net.settled[1], epoch_of(1));
	assert_int_equal(homes_claimed(net.homes[0], fp), epoch_of(1));
	tick(20000); /* the others give up */
	assert_int_equal(net.n_settled[0], 10001);
	assert_int_equal(homes_own_claim(net.homes[0], fp), 0);
}

static void homes_fail_a_claim_past_the_end_of_the_line(void **state)
{
	net.cut[2] = true;
	uint64_t fp = fp_at(2);
	for (unsigned n = 0; n < 110000; fp++)
		if (homes_where(net.homes[0], fp) == epoch_of(2)) {
			want(0, fp, 5);
			n++;
		}
	assert_int_equal(net.n_settled[0], 0);
	while (homes_where(net.homes[0], fp) != epoch_of(2))
		fp++;
	want(0, fp, 5);
	assert_int_equal(net.n_settled[0], 1);
	assert_int_equal(net.settled[0], 0);
}

static void homes_do_without_a_registry(void **state)
{
	uint64_t fp = fp_at(1);
	net.registry_away = true;
	want(0, fp, 5);
	deliver();
	assert_int_equal(net.settled[0], epoch_of(0));
	assert_int_equal(homes_where(net.homes[2], fp), epoch_of(0));
}

static void homes_claimed_on_both_sides_of_a_split_go_to_the_older_claim(void **state)
{
	uint64_t fp = fp_at(2);
	net.registry_away = true;
	look(0, 1);
	look(1, 6);
	look(2, 6);
	want(0, fp, 9);
	want(1, fp, 8);
	net.cut[0] = true;
	deliver();
	assert_int_equal(net.settled[0], epoch_of(0));
	assert_int_equal(net.settled[1], epoch_of(1));
	net.cut[0] = false;
	for (unsigned i = 0; i < NODES; i++)
		look(i, 7);
	deliver();
	assert_int_equal(net.moved[0], epoch_of(1));
	assert_int_equal(net.moved[1], 0);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(homes_where(net.homes[i], fp), epoch_of(1));
}

static void homes_ask_another_arbiter_when_theirs_dies(void **state)
{
	uint64_t fp = fp_at(2);
	net.cut[2] = true;
	want(0, fp, 5);
	deliver();
	assert_int_equal(net.n_settled[0], 0);
	look(0, 3);
	look(1, 3);
	deliver();
	assert_int_equal(net.settled[0], epoch_of(0));
	assert_int_equal(homes_where(net.homes[1], fp), epoch_of(0));
}

static void homes_of_a_dead_node_are_none(void **state)
{
	uint64_t fp = fp_at(2);
	want(0, fp, 5);
	deliver();
	look(1, 6);
	assert_int_equal(homes_claimed(net.homes[1], fp), 0);
	net.registry_epoch = 0; /* fenced: it gives the claim to who asks */
	want(1, fp, 6);
	look(2, 6);
	deliver();
	assert_int_equal(net.settled[1], epoch_of(1));
	assert_int_equal(homes_where(net.homes[2], fp), epoch_of(1));
}

static void homes_mend_what_a_peer_has_wrong(void **state)
{
	uint64_t fp = fp_at(2), other = fp + 12345;
	struct homes_stats s;
	want(0, fp, 5);
	deliver();
	struct frame_record lie = { .kind = HOMES_ADD, .dst_fp = other, .osm = 3 };
	homes_record(net.homes[1], epoch_of(0), &lie, net.now);
	struct frame_record gone = { .kind = HOMES_DEL, .dst_fp = fp };
	homes_record(net.homes[1], epoch_of(0), &gone, net.now);
	tick(30000);
	assert_int_equal(homes_claimed(net.homes[1], fp), epoch_of(0));
	assert_int_equal(homes_claimed(net.homes[1], other), 0);
	homes_stats(net.homes[1], &s);
	assert_int_equal(s.digest_mismatches, 1);
	tick(30000);
	homes_stats(net.homes[1], &s);
	assert_int_equal(s.digest_mismatches, 1);
}

static void homes_keep_their_own_under_a_new_name(void **state)
{
	uint64_t fp = fp_at(2);
	want(0, fp, 5);
	deliver();
	struct view *v = view_new(1);
	v->self = 99;
	v->state = NODE_UP;
	v->nodes[0] = (struct view_node){ .epoch = 99, .state = NODE_UP, .workers = 1 };
	homes_view(net.homes[0], v, net.now);
	view_unref(v);
	assert_int_equal(homes_claimed(net.homes[0], fp), 99);
	assert_int_equal(homes_own_claim(net.homes[0], fp), 5);
}

static void homes_take_back_what_the_registry_was_not_told(void **state)
{
	uint64_t fp = fp_at(2);
	/* Node 1 had it, and gave it back while the registry was away. */
	net.registry_epoch = epoch_of(1);
	assert_int_equal(want(0, fp, 5), 0);
	deliver();
	assert_int_equal(net.settled[0], epoch_of(1));
	assert_int_equal(net.released, 1);
	assert_int_equal(homes_claimed(net.homes[0], fp), 0);
	assert_int_equal(want(0, fp, 6), 0);
	deliver();
	assert_int_equal(net.settled[0], epoch_of(0));
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(homes_claimed(net.homes[i], fp), epoch_of(0));
}

static void homes_that_are_granted_what_they_no_longer_want_say_so(void **state)
{
	uint64_t fp = fp_at(2);
	net.busy[2] = true;
	want(0, fp, 5);
	for (int i = 0; i < 8; i++) { /* it gives up before the place has finished */
		deliver();
		net.now += 2000;
		homes_tick(net.homes[0], net.now);
	}
	assert_int_equal(net.n_settled[0], 1);
	assert_int_equal(net.settled[0], 0);
	net.busy[2] = false;
	homes_ended(net.homes[2], BARE, fp);
	deliver();
	assert_int_equal(homes_claimed(net.homes[2], fp), 0);
}

/* An arbiter that drains sends a claim on to where it believes the place to be: with two nodes to the claimant itself. */
static void claim_comes_back(unsigned node, uint64_t fp)
{
	struct frame_record r = { .kind = HOMES_CLAIM, .ttl = FRAME_TTL, .dst_fp = fp, .osm = 5, .dst_sid = epoch_of(node), .to = BARE };
	homes_record(net.homes[node], epoch_of(2), &r, net.now);
	deliver();
}

static void homes_do_not_grant_themselves_what_comes_back(void **state)
{
	uint64_t fp = fp_at(0);
	claim_comes_back(0, fp);
	assert_int_equal(homes_claimed(net.homes[0], fp), 0);
	net.busy[0] = true;
	claim_comes_back(0, fp);
	net.busy[0] = false;
	homes_ended(net.homes[0], BARE, fp);
	tick(20000);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(homes_claimed(net.homes[i], fp), 0);
}

static void homes_whose_claim_comes_back_are_the_place(void **state)
{
	uint64_t fp = fp_at(2);
	net.cut[2] = true;
	want(0, fp, 5);
	deliver();
	struct view *v = view_new(2); /* the arbiter drains: still alive, so not given up */
	v->self = epoch_of(0);
	v->state = NODE_UP;
	v->nodes[0] = (struct view_node){ .epoch = epoch_of(0), .state = NODE_UP, .workers = 1 };
	v->nodes[1] = (struct view_node){ .epoch = epoch_of(2), .state = NODE_DRAINING, .workers = 1, .linked = true };
	homes_view(net.homes[0], v, net.now);
	view_unref(v);
	assert_int_equal(net.n_settled[0], 0);
	claim_comes_back(0, fp);
	assert_int_equal(net.settled[0], epoch_of(0));
	assert_int_equal(homes_own_claim(net.homes[0], fp), 5);
}

static void homes_under_a_new_name_forget_what_others_claimed(void **state)
{
	uint64_t fp = fp_at(2);
	want(1, fp, 5);
	deliver();
	assert_int_equal(homes_claimed(net.homes[0], fp), epoch_of(1));
	struct view *v = view_new(2);
	v->self = 99;
	v->state = NODE_SYNCING;
	v->nodes[0] = (struct view_node){ .epoch = epoch_of(1), .state = NODE_UP, .workers = 1 };
	v->nodes[1] = (struct view_node){ .epoch = 99, .state = NODE_SYNCING, .workers = 1 };
	homes_view(net.homes[0], v, net.now);
	view_unref(v);
	assert_int_equal(homes_claimed(net.homes[0], fp), 0);
	/* They tell it anew. */
	struct frame_record add = { .kind = HOMES_ADD, .dst_fp = fp, .osm = 9 };
	homes_record(net.homes[0], epoch_of(1), &add, net.now);
	assert_int_equal(homes_claimed(net.homes[0], fp), epoch_of(1));
}

static void homes_believe_an_owner_before_hearsay(void **state)
{
	uint64_t fp = fp_at(2);
	net.cut[0] = true; /* node 0 asks the place, and hears no answer */
	struct frame_record claim = { .kind = HOMES_CLAIM, .ttl = 4, .dst_fp = fp, .osm = 3, .dst_sid = epoch_of(0), .to = BARE };
	homes_record(net.homes[2], epoch_of(0), &claim, net.now);
	assert_int_equal(homes_claimed(net.homes[2], fp), epoch_of(0));
	struct frame_record add = { .kind = HOMES_ADD, .dst_fp = fp, .osm = 9 };
	homes_record(net.homes[2], epoch_of(1), &add, net.now);
	assert_int_equal(homes_claimed(net.homes[2], fp), epoch_of(1));
	/* Two that their owners told of: the older one. */
	add.osm = 5;
	homes_record(net.homes[2], epoch_of(0), &add, net.now);
	assert_int_equal(homes_claimed(net.homes[2], fp), epoch_of(0));
	add.osm = 7;
	homes_record(net.homes[2], epoch_of(1), &add, net.now);
	assert_int_equal(homes_claimed(net.homes[2], fp), epoch_of(0));
}

static void homes_that_lose_take_their_claim_back(void **state)
{
	uint64_t fp = fp_at(2);
	want(0, fp, 9);
	deliver();
	assert_int_equal(homes_claimed(net.homes[2], fp), epoch_of(0));
	struct frame_record add = { .kind = HOMES_ADD, .dst_fp = fp, .osm = 8 };
	homes_record(net.homes[0], epoch_of(1), &add, net.now);
	deliver();
	assert_int_equal(net.moved[0], epoch_of(1));
	assert_int_equal(homes_claimed(net.homes[0], fp), epoch_of(1));
	assert_int_equal(homes_claimed(net.homes[2], fp), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(homes_hear_one_another_and_are_synced),
		CASE(homes_give_an_account_to_the_node_that_wants_it_first),
		CASE(homes_of_two_that_want_at_once_give_one_and_tell_the_other),
		CASE(homes_that_end_go_back_to_their_place),
		CASE(homes_grant_when_the_place_has_finished),
		CASE(homes_grant_when_what_waits_at_the_place_has_come),
		CASE(homes_that_move_keep_the_order),
		CASE(homes_that_are_granted_wait_for_the_registry),
		CASE(homes_grant_in_the_end_although_the_place_never_finishes),
		CASE(homes_keep_those_waiting_that_are_too_many_at_once),
		CASE(homes_that_wait_in_line_are_given_to_others_meanwhile),
		CASE(homes_fail_a_claim_past_the_end_of_the_line),
		CASE(homes_do_without_a_registry),
		CASE(homes_claimed_on_both_sides_of_a_split_go_to_the_older_claim),
		CASE(homes_ask_another_arbiter_when_theirs_dies),
		CASE(homes_of_a_dead_node_are_none),
		CASE(homes_mend_what_a_peer_has_wrong),
		CASE(homes_keep_their_own_under_a_new_name),
		CASE(homes_take_back_what_the_registry_was_not_told),
		CASE(homes_that_are_granted_what_they_no_longer_want_say_so),
		CASE(homes_believe_an_owner_before_hearsay),
		CASE(homes_that_lose_take_their_claim_back),
		CASE(homes_do_not_grant_themselves_what_comes_back),
		CASE(homes_whose_claim_comes_back_are_the_place),
		CASE(homes_under_a_new_name_forget_what_others_claimed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
