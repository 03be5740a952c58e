/* Joining, sending, relaying, leaving. */
#include "tests/unit/cluster/core_net.h"

/* ---- joining ---- */

static void core_alone_is_up(void **state)
{
	begin(1);
	run(3000);
	assert_int_equal(net.nodes[0].view->state, NODE_UP);
	assert_int_equal(net.nodes[0].view->n, 1);
	net.redis_away = true;
	run(20000);
	assert_int_equal(net.nodes[0].view->state, NODE_UP);
	assert_false(net.nodes[0].view->registry_ok);
	end();
}

static void cores_find_each_other_and_agree(void **state)
{
	begin(4);
	run(4000);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(net.nodes[i].view->n, 4);
		for (unsigned j = 0; j < 4; j++) {
			const struct view_node *n = view_find(net.nodes[i].view, epoch_of(j));
			assert_non_null(n);
			assert_int_equal(n->state, NODE_UP);
			assert_true(n->linked && !n->relayed);
			assert_int_equal(n->speaks, CORE_PROTOCOL_MAX);
		}
		assert_int_equal(view_place(net.nodes[i].view, 12345), view_place(net.nodes[0].view, 12345));
	}
	end();
}

static void core_joins_once_the_registry_is_there(void **state)
{
	begin(2);
	net.redis_away = true;
	run(10000);
	assert_int_equal(net.nodes[0].view->state, NODE_JOINING);
	assert_int_equal(post(0, 1, 1, 10), ERR_NOT_FOUND);
	net.redis_away = false;
	run(8000);
	assert_int_equal(net.nodes[0].view->state, NODE_UP);
	assert_int_equal(state_at(0, epoch_of(1)), NODE_UP);
	end();
}

static void core_finds_peers_by_a_seed_and_gossip_without_the_registry(void **state)
{
	begin(3);
	run(3000);
	/* A fourth gets its number and then sees no list: only one seed, which is told under another spelling to nobody. */
	start(3);
	settle();
	net.redis_away = true;
	net.n_rows = 0;
	core_seed(net.nodes[3].core, str_of(net.nodes[1].addr));
	core_seed(net.nodes[3].core, str_of(net.nodes[3].addr));
	run(5000);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < 4; j++)
			assert_int_equal(state_at(i, epoch_of(j)), NODE_UP);
	end();
}

static void core_refuses_a_peer_without_a_common_version(void **state)
{
	begin(0);
	net.versions[1] = 9;
	start(0);
	start(1);
	run(4000);
	assert_int_equal(net.nodes[0].events[CORE_INCOMPATIBLE], 1);
	assert_int_equal(net.nodes[1].events[CORE_INCOMPATIBLE], 1);
	assert_false(view_is_alive(net.nodes[0].view, epoch_of(1)));
	assert_int_equal(post(0, epoch_of(1), 1, 10), ERR_NOT_FOUND);
	end();
}

/* ---- sending ---- */

static void bodies_arrive_once_and_in_order(void **state)
{
	begin(2);
	net.checksum = true;
	run(2000);
	for (uint32_t i = 1; i <= 100; i++)
		assert_int_equal(post(0, epoch_of(1), i, 300), ERR_NONE);
	run(100);
	assert_took(1, 1, 100);
	assert_int_equal(net.nodes[1].taken_from[0], epoch_of(0));
	struct core_link_stats s;
	assert_int_equal(core_links(net.nodes[0].core, &s, 1), 1);
	assert_int_equal(s.retained_bytes, 0);
	assert_int_equal(s.retained_frames, 0);
	assert_true(s.direct);
	end();
}

static void bodies_survive_a_connection_that_breaks_with_them(void **state)
{
	begin(2);
	run(2000);
	net.cut[0][1] = true;
	for (uint32_t i = 1; i <= 10; i++)
		assert_int_equal(post(0, epoch_of(1), i, 300), ERR_NONE);
	settle(); /* into the void */
	net.cut[0][1] = false;
	for (unsigned s = 0; s < VIEW_NODES_MAX; s++)
		if (net.nodes[0].slots[s].connected) {
			net.nodes[0].slots[s].connected = false;
			core_disconnected(net.nodes[0].core, s, false);
		}
	assert_int_equal(post(0, epoch_of(1), 11, 300), ERR_NONE);
	run(1000);
	assert_took(1, 1, 11);
	end();
}

static void bodies_lost_without_a_disconnect_are_sent_again(void **state)
{
	begin(2);
	run(2000);
	net.cut[0][1] = true;
	assert_int_equal(post(0, epoch_of(1), 1, 300), ERR_NONE);
	settle();
	net.cut[0][1] = false;
	assert_int_equal(post(0, epoch_of(1), 2, 300), ERR_NONE);
	settle(); /* a gap: it is told at once */
	assert_took(1, 1, 2);
	net.cut[0][1] = true;
	assert_int_equal(post(0, epoch_of(1), 3, 300), ERR_NONE);
	settle();
	net.cut[0][1] = false;
	run(4000); /* nothing follows: the stall is seen */
	assert_took(1, 1, 3);
	end();
}

static void a_connection_that_takes_nothing_makes_bodies_wait(void **state)
{
	begin(2);
	run(2000);
	net.nodes[0].refuse_send = true;
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(post(0, epoch_of(1), i, 300), ERR_NONE);
	settle();
	assert_int_equal(net.nodes[1].n_taken, 0);
	net.nodes[0].refuse_send = false;
	for (unsigned s = 0; s < VIEW_NODES_MAX; s++)
		if (net.nodes[0].slots[s].connected)
			core_writable(net.nodes[0].core, s);
	settle();
	assert_took(1, 1, 5);
	end();
}

static void window_is_told_and_the_ceiling_refuses(void **state)
{
	begin(0);
	net.window_frames = 10;
	net.hard_bytes = 100000;
	start(0);
	start(1);
	run(3000);
	net.nodes[1].frozen = true;
	uint32_t peer = epoch_of(1);
	for (uint32_t i = 1; i < 10; i++)
		assert_int_equal(post(0, peer, i, 300), ERR_NONE);
	assert_false(view_find(net.nodes[0].view, peer)->full);
	assert_int_equal(post(0, peer, 10, 300), ERR_NONE);
	assert_true(view_find(net.nodes[0].view, peer)->full);
	assert_int_equal(post(0, peer, 11, 99000), ERR_LIMIT);
	assert_int_equal(post(0, peer, 11, 90000), ERR_NONE);
	net.nodes[1].frozen = false;
	run(4000);
	assert_took(1, 1, 11);
	assert_false(view_find(net.nodes[0].view, peer)->full);
	end();
}

/* What is retained is acknowledged by nobody: a peer that hears us not, though we hear it, as its lease lives. */
static void a_full_window_makes_a_peer_slow_and_then_suspect(void **state)
{
	begin(0);
	net.window_frames = 10;
	start(0);
	start(1);
	run(3000);
	uint32_t peer = epoch_of(1);
	const struct node *n = &net.nodes[0];
	net.cut[0][1] = true;
	for (uint32_t i = 1; i <= 10; i++)
		assert_int_equal(post(0, peer, i, 300), ERR_NONE);
	run(4800);
	assert_true(view_find(n->view, peer)->full && !view_find(n->view, peer)->slow);
	assert_int_equal(n->events[CORE_PEER_SLOW], 0);
	run(400);
	assert_true(view_find(n->view, peer)->slow);
	assert_int_equal(n->events[CORE_PEER_SLOW], 1);
	run(9600);
	assert_int_equal(state_at(0, peer), NODE_UP); /* it is heard */
	run(400);
	assert_int_equal(state_at(0, peer), NODE_SUSPECT);
	net.cut[0][1] = false;
	run(4000);
	assert_took(1, 1, 10);
	assert_false(view_find(n->view, peer)->full || view_find(n->view, peer)->slow);
	assert_int_equal(n->events[CORE_PEER_SLOW], 2);
	assert_int_equal(state_at(0, peer), NODE_UP);
	assert_int_equal(n->events[CORE_PEER_DEAD], 0);
	end();
}

static void a_peer_at_its_ceiling_is_suspect_at_once(void **state)
{
	begin(0);
	net.window_frames = 10;
	start(0);
	start(1);
	run(3000);
	uint32_t peer = epoch_of(1), i = 1;
	net.cut[0][1] = true;
	while (post(0, peer, i, 300) == ERR_NONE)
		i++;
	assert_int_equal(i, 12 * 10 + 1);
	assert_int_equal(state_at(0, peer), NODE_SUSPECT);
	net.cut[0][1] = false;
	run(4000);
	assert_took(1, 1, i - 1);
	assert_int_equal(state_at(0, peer), NODE_UP);
	end();
}

static void broadcast_that_cannot_be_kept_begins_a_new_incarnation(void **state)
{
	begin(0);
	net.hard_bytes = 100000;
	start(0);
	start(1);
	run(3000);
	uint32_t before = epoch_of(0);
	cut(0, 1, true);
	struct blob *b = body_of(7, 20000);
	for (unsigned i = 0; i < 8; i++)
		core_broadcast(net.nodes[0].core, b, 1);
	blob_unref(b);
	assert_int_equal(net.nodes[0].events[CORE_FENCED], 1);
	assert_int_equal(net.nodes[0].n_lost, 6);
	cut(0, 1, false);
	run(15000);
	assert_true(epoch_of(0) > before);
	assert_int_equal(state_at(1, epoch_of(0)), NODE_UP);
	assert_true(state_at(1, before) == NODE_DEAD || state_at(1, before) == NODE_STATE_COUNT);
	end();
}

static void invalid_bodies_are_refused(void **state)
{
	static const char zeros[FRAME_BODY_MAX + 1];
	begin(2);
	run(2000);
	struct blob *b = body_of(1, 10), *large = blob_new(str_span(zeros, sizeof zeros));
	assert_int_equal(core_send(net.nodes[0].core, epoch_of(1), b, 0), ERR_INVALID);
	assert_int_equal(core_send(net.nodes[0].core, epoch_of(1), b, FRAME_RECORDS_MAX + 1), ERR_INVALID);
	assert_int_equal(core_send(net.nodes[0].core, epoch_of(1), large, 1), ERR_INVALID);
	assert_int_equal(core_send(net.nodes[0].core, 4711, b, 1), ERR_NOT_FOUND);
	blob_unref(b);
	blob_unref(large);
	end();
}

/* ---- relay ---- */

static void relay_carries_what_a_cut_link_cannot(void **state)
{
	begin(3);
	run(3000);
	cut(0, 1, true);
	for (uint32_t i = 1; i <= 50; i++) {
		assert_int_equal(post(0, epoch_of(1), i, 300), ERR_NONE);
		assert_int_equal(post(1, epoch_of(0), i, 300), ERR_NONE);
		run(100);
	}
	run(3000);
	assert_took(1, 1, 50);
	assert_took(0, 1, 50);
	assert_true(view_find(net.nodes[0].view, epoch_of(1))->relayed);
	assert_true(view_find(net.nodes[0].view, epoch_of(1))->linked);
	assert_int_equal(state_at(0, epoch_of(1)), NODE_UP);
	assert_true(net.nodes[0].events[CORE_RELAYING] >= 1);
	cut(0, 1, false);
	run(4000);
	assert_false(view_find(net.nodes[0].view, epoch_of(1))->relayed);
	assert_int_equal(post(0, epoch_of(1), 51, 300), ERR_NONE);
	run(200);
	assert_took(1, 1, 51);
	assert_int_equal(net.nodes[2].n_taken, 0);
	end();
}

static void one_way_cut_is_noticed_and_relayed(void **state)
{
	begin(3);
	run(3000);
	net.cut[0][1] = true;
	run(6000);
	for (uint32_t i = 1; i <= 20; i++) {
		assert_int_equal(post(0, epoch_of(1), i, 300), ERR_NONE);
		assert_int_equal(post(1, epoch_of(0), i, 300), ERR_NONE);
	}
	run(1000);
	assert_took(1, 1, 20);
	assert_took(0, 1, 20);
	assert_int_equal(net.nodes[0].events[CORE_PEER_DEAD] + net.nodes[1].events[CORE_PEER_DEAD], 0);
	end();
}

static void largest_body_can_be_relayed(void **state)
{
	begin(3);
	run(3000);
	cut(0, 1, true);
	run(5000);
	assert_int_equal(post(0, epoch_of(1), 1, FRAME_BODY_MAX - FRAME_RECORD), ERR_NONE);
	run(500);
	assert_took(1, 1, 1);
	end();
}

/* ---- leaving ---- */

static void leaving_flushes_and_is_told(void **state)
{
	begin(3);
	run(3000);
	uint32_t leaver = epoch_of(2);
	core_drain(net.nodes[2].core);
	run(1000);
	assert_int_equal(state_at(0, leaver), NODE_DRAINING);
	assert_int_equal(post(2, epoch_of(0), 1, 300), ERR_NONE);
	assert_int_equal(post(0, leaver, 2, 300), ERR_NONE);
	core_leave(net.nodes[2].core);
	run(500);
	assert_true(core_is_gone(net.nodes[2].core));
	assert_int_equal(net.nodes[2].view->state, NODE_LEFT);
	assert_took(0, 1, 1);
	assert_int_equal(state_at(0, leaver), NODE_LEFT);
	assert_int_equal(state_at(1, leaver), NODE_LEFT);
	assert_int_equal(net.nodes[0].events[CORE_PEER_LEFT], 1);
	assert_int_equal(net.nodes[0].events[CORE_PEER_DEAD], 0);
	assert_int_equal(net.nodes[2].n_lost, 0);
	assert_null(row_of(leaver));
	end();
}

/* Else what a worker sends on, as it is placed elsewhere by its view, would come back from who has not heard of it. */
static void what_we_become_is_told_before_our_workers_see_it(void **state)
{
	begin(3);
	run(3000);
	struct node *n = &net.nodes[2];
	unsigned before = n->n_sent;
	core_drain(n->core);
	assert_int_equal(n->view->state, NODE_DRAINING);
	assert_int_equal(n->sent_at_view, before + 2); /* one to each peer */
	deliver();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(state_at(i, epoch_of(2)), NODE_DRAINING);
	end();
}

static void tell_all(unsigned from, uint32_t number)
{
	struct blob *body = body_of(number, 10);
	core_broadcast(net.nodes[from].core, body, 1);
	blob_unref(body);
}

/* Its peer does not hear it at first, nor that the first body was taken. */
static void who_ends_takes_nothing_more_and_its_peer_gets_that_back(void **state)
{
	begin(2);
	run(3000);
	uint32_t ends = epoch_of(0), other = epoch_of(1);
	net.cut[0][1] = true;
	assert_int_equal(post(1, ends, 1, 10), ERR_NONE);
	settle();
	core_drain(net.nodes[0].core);
	core_deafen(net.nodes[0].core);
	for (uint32_t i = 2; i < 5; i++)
		assert_int_equal(post(1, ends, i, 10), ERR_NONE);
	settle();
	assert_took(0, 1, 1);
	assert_int_equal(net.nodes[1].n_lost, 0);
	assert_false(core_all_is_taken(net.nodes[1].core));
	net.cut[0][1] = false;
	run(600);
	assert_took(0, 1, 1);
	assert_int_equal(net.nodes[1].n_lost, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(net.nodes[1].lost[i], 2 + i);
	assert_true(core_all_is_taken(net.nodes[1].core));
	assert_int_equal(state_at(1, ends), NODE_DRAINING);
	assert_int_equal(post(1, ends, 5, 10), ERR_NOT_FOUND);
	tell_all(1, 6);
	assert_int_equal(net.nodes[1].lost[3], 6);
	assert_int_equal(post(0, other, 9, 10), ERR_NONE); /* what it sends is taken as before */
	settle();
	assert_took(1, 9, 1);
	assert_true(core_all_is_taken(net.nodes[0].core));
	core_leave(net.nodes[0].core);
	run(300);
	assert_true(core_is_gone(net.nodes[0].core));
	assert_int_equal(state_at(1, ends), NODE_LEFT);
	assert_int_equal(net.nodes[1].n_lost, 4);
	end();
}

/* Its peer sends it all again and again, at longer intervals, and waits: neither believes anything bad of the other. */
static void who_ends_is_not_suspected_by_a_peer_that_does_not_know_the_word(void **state)
{
	begin(2);
	net.older = true;
	run(3000);
	uint32_t ends = epoch_of(0);
	core_drain(net.nodes[0].core);
	core_deafen(net.nodes[0].core);
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(post(1, ends, i, 10), ERR_NONE);
	run(15000);
	assert_int_equal(net.nodes[0].n_taken, 0);
	assert_int_equal(net.nodes[1].n_lost, 0);
	assert_int_equal(state_at(1, ends), NODE_DRAINING);
	assert_true(view_find(net.nodes[1].view, ends)->linked);
	struct core_link_stats link;
	assert_int_equal(core_links(net.nodes[1].core, &link, 1), 1);
	assert_in_range(link.replayed_frames, 3, 15); /* after 1.5, 3, 6 s ... */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(net.nodes[i].events[CORE_PEER_SUSPECT] + net.nodes[i].events[CORE_PEER_SLOW], 0);
	core_leave(net.nodes[0].core);
	run(300);
	assert_true(core_is_gone(net.nodes[0].core));
	assert_int_equal(net.nodes[1].n_lost, 3);
	end();
}

static void two_that_end_at_once_do_not_wait_for_one_another(void **state)
{
	begin(2);
	run(3000);
	uint32_t epochs[2] = { epoch_of(0), epoch_of(1) };
	for (unsigned i = 0; i < 2; i++) {
		core_deafen(net.nodes[i].core);
		assert_int_equal(post(i, epochs[1 - i], i, 10), ERR_NONE);
	}
	run(200);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(net.nodes[i].n_taken, 0);
		assert_int_equal(net.nodes[i].n_lost, 1);
		core_leave(net.nodes[i].core);
	}
	run(300);
	for (unsigned i = 0; i < 2; i++)
		assert_true(core_is_gone(net.nodes[i].core));
	end();
}

static void leaving_does_not_wait_for_ever(void **state)
{
	begin(2);
	run(3000);
	net.nodes[1].frozen = true;
	assert_int_equal(post(0, epoch_of(1), 1, 300), ERR_NONE);
	core_leave(net.nodes[0].core);
	run(3200);
	assert_true(core_is_gone(net.nodes[0].core));
	assert_int_equal(net.nodes[0].n_lost, 1);
	end();
}

static void leaving_before_it_joined_is_immediate(void **state)
{
	begin(0);
	net.redis_away = true;
	start(0);
	core_leave(net.nodes[0].core);
	assert_true(core_is_gone(net.nodes[0].core));
	end();
}

/* ---- what is told ---- */

static void clock_that_differs_is_told_once(void **state)
{
	begin(3);
	net.nodes[2].skew = 9000;
	run(10000);
	assert_int_equal(net.nodes[2].events[CORE_CLOCK_SKEW], 1);
	net.nodes[2].skew = 0;
	run(3000);
	net.nodes[2].skew = -9000;
	run(5000);
	assert_int_equal(net.nodes[2].events[CORE_CLOCK_SKEW], 2);
	end();
}

/* What node 2 has done before it sends is earlier than what node 0 does once it has heard, by whatever way. */
static void clocks_of_peers_are_heard_with_what_they_send(void **state)
{
	begin(3);
	net.nodes[2].skew = 3000;
	run(3000);
	for (unsigned i = 0; i < 2; i++) {
		net.nodes[0].clock = 0;
		uint64_t cause = hlc_now(&net.nodes[2].clock, wall_of(2));
		assert_true(hlc_of(wall_of(0)) < cause);
		assert_int_equal(post(2, epoch_of(0), 1 + i, 300), ERR_NONE);
		run(100);
		assert_took(0, 1, 1 + i);
		assert_true(net.nodes[0].clock_at_take >= cause);
		assert_true(hlc_now(&net.nodes[0].clock, wall_of(0)) > cause);
		cut(0, 2, true); /* and once more, by way of node 1 */
		run(5000);
		assert_true(view_find(net.nodes[0].view, epoch_of(2))->relayed);
	}
	end();
}

static void clock_that_is_far_ahead_moves_others_a_little_only(void **state)
{
	begin(3);
	net.nodes[2].skew = 3600000;
	run(3000);
	(void)hlc_now(&net.nodes[2].clock, wall_of(2));
	assert_int_equal(post(2, epoch_of(0), 1, 300), ERR_NONE);
	run(100);
	assert_took(0, 1, 1);
	assert_true(net.nodes[0].clock_at_take > hlc_of(wall_of(0)));
	assert_true(net.nodes[0].clock <= hlc_of(wall_of(0) + HLC_AHEAD_MS));
	assert_true(net.nodes[1].clock <= hlc_of(wall_of(1) + HLC_AHEAD_MS));
	end();
}

static void bad_frames_are_told_and_change_nothing(void **state)
{
	begin(2);
	run(3000);
	struct node *n = &net.nodes[0];
	unsigned before = n->events[CORE_BAD_FRAME];
	uint32_t me = epoch_of(0), peer = epoch_of(1);
	struct buf b;
	buf_init(&b, FRAME_MAX);
	struct frame bads[] = {
		{ .type = FRAME_DATA, .link_seq = 1, .nrec = 1, .body = STR("no record") },
		{ .type = FRAME_DATA, .link_seq = 0, .nrec = 0 },
		{ .type = FRAME_ACKONLY, .lack = 1000 },
		{ .type = FRAME_PING, .body = STR("x") },
		{ .type = FRAME_HELLO, .body = STR("x") },
		{ .type = FRAME_HELLO_ACK },
		{ .type = FRAME_REMAP },
		{ .type = FRAME_RELAY, .body = STR("x") },
		{ .type = FRAME_ROOM },
	};
	unsigned count = sizeof bads / sizeof bads[0];
	for (unsigned i = 0; i < count; i++) {
		bads[i].src_epoch = peer;
		bads[i].dst_epoch = me;
		buf_clear(&b);
		frame_write(&b, &bads[i], false);
		core_frame(n->core, buf_str(&b));
	}
	core_frame(n->core, STR("nonsense"));
	assert_int_equal(n->events[CORE_BAD_FRAME], before + count + 1);
	assert_int_equal(n->n_taken, 0);
	assert_int_equal(post(1, me, 1, 10), ERR_NONE);
	run(200);
	assert_took(0, 1, 1);
	buf_fini(&b);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_alone_is_up),
		cmocka_unit_test(cores_find_each_other_and_agree),
		cmocka_unit_test(core_joins_once_the_registry_is_there),
		cmocka_unit_test(core_finds_peers_by_a_seed_and_gossip_without_the_registry),
		cmocka_unit_test(core_refuses_a_peer_without_a_common_version),
		cmocka_unit_test(bodies_arrive_once_and_in_order),
		cmocka_unit_test(bodies_survive_a_connection_that_breaks_with_them),
		cmocka_unit_test(bodies_lost_without_a_disconnect_are_sent_again),
		cmocka_unit_test(a_connection_that_takes_nothing_makes_bodies_wait),
		cmocka_unit_test(window_is_told_and_the_ceiling_refuses),
		cmocka_unit_test(a_full_window_makes_a_peer_slow_and_then_suspect),
		cmocka_unit_test(a_peer_at_its_ceiling_is_suspect_at_once),
		cmocka_unit_test(broadcast_that_cannot_be_kept_begins_a_new_incarnation),
		cmocka_unit_test(invalid_bodies_are_refused),
		cmocka_unit_test(relay_carries_what_a_cut_link_cannot),
		cmocka_unit_test(one_way_cut_is_noticed_and_relayed),
		cmocka_unit_test(largest_body_can_be_relayed),
		cmocka_unit_test(leaving_flushes_and_is_told),
		cmocka_unit_test(what_we_become_is_told_before_our_workers_see_it),
		cmocka_unit_test(who_ends_takes_nothing_more_and_its_peer_gets_that_back),
		cmocka_unit_test(who_ends_is_not_suspected_by_a_peer_that_does_not_know_the_word),
		cmocka_unit_test(two_that_end_at_once_do_not_wait_for_one_another),
		cmocka_unit_test(leaving_does_not_wait_for_ever),
		cmocka_unit_test(leaving_before_it_joined_is_immediate),
		cmocka_unit_test(clock_that_differs_is_told_once),
		cmocka_unit_test(clocks_of_peers_are_heard_with_what_they_send),
		cmocka_unit_test(clock_that_is_far_ahead_moves_others_a_little_only),
		cmocka_unit_test(bad_frames_are_told_and_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
