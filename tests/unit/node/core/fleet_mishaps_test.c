/* What goes wrong between two nodes: records that come too late, twice, or are none (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

#include "cluster/hlc.h"

static void what_was_under_way_to_a_home_that_gives_up_a_session_comes_with_it(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge), d = login_here("r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>one</body></message>", d.bare).p);
	struct frame_record back = expect(FLEET_UP);
	other_says(record(HOMES_DEL, c.bare, 0));
	other_says(record(FLEET_REHOME, c.bare, edge));
	struct frame_record last = expect(FLEET_UP);
	assert_int_equal(last.dst_sid, 77);
	assert_int_equal(last.xml.len, 0);
	rig_turns(10);
	assert_null(rig_session(&c, "r")); /* it waits for what is under way */
	back.kind = last.kind = FLEET_BACK;
	back.dst_sid = last.dst_sid = edge;
	back.osm = last.osm = 77;
	other_says(back);
	other_says(last);
	RIG_UNTIL(rig_session(&c, "r"));
	RIG_HEAR(&d, "<body>one</body>");
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void a_client_whose_home_has_lost_its_session_gets_another(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge), d = login_here("r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>one</body></message>", d.bare).p);
	struct frame_record back = expect(FLEET_UP);
	other_says(record(HOMES_DEL, c.bare, 0));
	back.kind = FLEET_BACK;
	back.dst_sid = edge;
	back.osm = 77;
	other_says(back);
	RIG_HEAR(&d, "<body>one</body>");
	assert_non_null(rig_session(&c, "r"));
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void what_comes_back_when_its_edge_is_gone_is_sent_all_the_same(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge), d = login_here("r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>last words</body></message>", d.bare).p);
	struct frame_record lost = expect(FLEET_UP);
	rig_hang_up(&c);
	expect(FLEET_GONE);
	post(lost, true);
	RIG_HEAR(&d, "<body>last words</body>");
	rig_hang_up(&d);
}

static void a_message_for_a_client_that_has_gone_is_not_lost(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	struct frame_record down = record(FLEET_DOWN, bare, 99);
	down.osm = 77;
	down.rule = STANZA_MESSAGE;
	down.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s/r' type='chat'><body>for whom</body></message>", bare);
	other_says(down);
	assert_int_equal(expect(FLEET_GONE).dst_sid, 77); /* first: its home must not send it here again */
	assert_true(holds(expect(FLEET_STANZA).xml, "for whom"));
}

static void what_goes_up_to_a_session_that_is_not_here_goes_back(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct frame_record up = record(FLEET_UP, bare, 1234567);
	up.osm = 9;
	up.xml = STR("<message/>");
	other_says(up);
	struct frame_record back = expect(FLEET_BACK);
	assert_int_equal(back.dst_sid, 9);
	assert_int_equal(back.osm, 1234567);
	assert_true(holds(back.xml, "<message/>"));
}

static void what_a_node_does_not_take_has_a_ceiling(void **state)
{
	struct rig_client c = login_here("r");
	struct frame_record st = record(FLEET_STANZA, "absent@localhost", 0);
	struct fleet_worker *fw = nw_of(node_shard(&node, STR("absent@localhost")))->fleet;
	other_claims("absent@localhost");
	fw->n_lost = 10000;
	st.xml = arena_printf(keep, "<message from='%s/r' to='absent@localhost/x' type='chat'><body>too much</body></message>", c.bare);
	post(st, true);
	RIG_HEAR(&c, "<resource-constraint");
	assert_null(fw->lost);
	fw->n_lost = 0;
	st.xml = arena_printf(keep, "<message from='x@localhost' to='%s/r' type='chat'><body>after the view</body></message>", c.bare);
	st.dst_fp = fp(c.bare);
	fleet_worker_start(nw_of(node.workers[c.worker])->fleet);
	post(st, true);
	RIG_HEAR(&c, "after the view"); /* although no view comes */
	worker_timer_cancel(node.workers[c.worker], &nw_of(node.workers[c.worker])->fleet->tick);
	rig_hang_up(&c);
}

/* Until the next view or tick tells where it goes: the node does not end before that (ending.c). */
static void what_comes_back_is_waited_for(void **state)
{
	struct rig_client c = login_here("r");
	struct frame_record st = record(FLEET_STANZA, c.bare, 0);
	st.xml = arena_printf(keep, "<message from='x@localhost' to='%s/r' type='chat'><body>waits</body></message>", c.bare);
	assert_int_equal(fleet_waiting(&node), 0);
	post(st, true);
	RIG_UNTIL(fleet_waiting(&node) == 1);
	look(NODE_UP);
	RIG_HEAR(&c, "<body>waits</body>");
	assert_int_equal(fleet_waiting(&node), 0);
	rig_hang_up(&c);
}

static void clients_that_wait_for_one_home_are_told_in_order(void **state)
{
	char user[16], bare[64], other_user[16], other_bare[64];
	account_with_place(OTHER, user, bare);
	account_with_place(OTHER, other_user, other_bare);
	struct rig_client c = begin_login(user);
	assert_int_equal(expect(HOMES_CLAIM).dst_fp, fp(bare));
	struct rig_client d = begin_login(user), e = begin_login(other_user);
	assert_int_equal(expect(HOMES_CLAIM).dst_fp, fp(other_bare));
	struct frame_record grant = record(HOMES_GRANT, bare, 1);
	grant.to = str_of(bare);
	other_says(grant);
	RIG_HEAR(&c, "<conflict xmlns"); /* the later one has its resource now */
	RIG_HEAR(&d, "</iq>");
	assert_non_null(rig_session(&d, "r"));
	assert_false(rig_heard(&e, "</iq>"));
	rig_hang_up(&c);
	rig_hang_up(&d);
	rig_hang_up(&e); /* while it waits */
}

static void an_isolated_node_takes_no_new_sessions_after_a_while(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	atomic_store(&node.fleet->isolated_ms, 1); /* long ago */
	struct rig_client c = begin_login(user);
	RIG_HEAR(&c, "<system-shutdown xmlns");
	rig_hang_up(&c);
}

static void a_registry_that_forgot_is_told_in_steps(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	struct fleet_worker *fw = nw_of(node.workers[c.worker])->fleet;
	for (int i = 0; i < 3000; i++) { /* accounts that are at home here */
		char name[64];
		struct jid jid;
		snprintf(name, sizeof name, "crowd%d@localhost", i);
		assert_int_equal(jid_parse(keep, str_of(name), &jid), ERR_NONE);
		struct user *u = user_hold(fw->nw, node.hosts[0], &jid);
		homes_want(fw->homes, jid_str(&jid), fp(name), 5, fw->nw->worker->now_ms);
		homes_registered(fw->homes, fp(name), ERR_NONE, 1, 5, fw->nw->worker->now_ms);
		(void)u;
	}
	rig_turns(4);
	asked = 0;
	fleet_register_all(fw);
	assert_in_range(asked, 200, 400); /* a tenth of a second's, of one of two workers */
	fleet_register_all(fw);           /* from the beginning, before it is done */
	assert_non_null(fw->retelling);
	for (int i = 0; i < 3000; i++) {
		char name[64];
		snprintf(name, sizeof name, "crowd%d@localhost", i);
		user_release(user_find(fw->nw, str_of(name)));
	}
	rig_hang_up(&c);
}

static void a_new_client_with_a_slow_clock_takes_its_resource_and_an_old_one_does_not(void **state)
{
	struct rig_client c = login_here("far");
	struct frame_record bind = record(FLEET_BIND, c.bare, 9);
	bind.to = arena_printf(keep, "%s/far", c.bare);
	bind.osm = 1;
	bind.flags = FRAME_REROUTED;
	other_says(bind);
	assert_int_equal(expect(FLEET_CLOSE).rule, STREAM_CONFLICT);
	assert_non_null(rig_session(&c, "far"));
	bind.flags = 0;
	other_says(bind);
	RIG_HEAR(&c, "<conflict xmlns");
	assert_int_not_equal(expect(FLEET_BOUND).osm, 0);
	/* The same client once more: it does not hear that it has replaced itself. */
	bind.flags = FRAME_REROUTED;
	other_says(bind);
	assert_int_not_equal(expect(FLEET_BOUND).osm, 0);
	rig_turns(4);
	assert_null(next_of(FLEET_CLOSE));
	rig_hang_up(&c);
}

/* A client that logs in here after another did there is newer, although our wall clock is behind. */
static void what_happens_after_something_was_heard_is_later(void **state)
{
	uint64_t heard = hlc_of(worker_wall_ms() + HLC_AHEAD_MS - 1000);
	hlc_hear(hooks.core.clock, heard, worker_wall_ms()); /* as the mesh does with each frame */
	char user[16], bare[64];
	account_with_place(OTHER, user, bare);
	other_claims(bare);
	struct rig_client c = begin_login(user);
	struct frame_record bind = expect(FLEET_BIND);
	assert_true(bind.osm > heard);
	assert_true(bind.osm < hlc_of(worker_wall_ms() + HLC_AHEAD_MS));
	rig_hang_up(&c);
}

static void values_that_are_none_end_a_stream_or_nothing(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge);
	struct frame_record down = record(FLEET_DOWN, c.bare, edge);
	down.rule = 200;
	down.xml = STR("<message><body>of no kind</body></message>");
	other_says(down);
	down.rule = STANZA_MESSAGE;
	down.xml = STR("<message><body>of a kind</body></message>");
	other_says(down);
	RIG_HEAR(&c, "of a kind");
	assert_false(rig_heard(&c, "of no kind"));
	struct frame_record close = record(FLEET_CLOSE, c.bare, edge);
	close.rule = 200;
	other_says(close);
	RIG_HEAR(&c, "<internal-server-error xmlns");
	rig_hang_up(&c);
}

static void a_refusal_that_is_none_is_an_internal_error(void **state)
{
	struct rig_client c = begin_login_there();
	struct frame_record bound = record(FLEET_BOUND, c.bare, expect(FLEET_BIND).dst_sid);
	bound.rule = 200;
	other_says(bound);
	RIG_HEAR(&c, "<internal-server-error");
	rig_hang_up(&c);
}

/* Another account of the worker to which `bare` does not belong, and is at home here. */
static void a_record_for_another_account_than_it_says_is_refused(void **state)
{
	char user[16], bare[64], other[64] = "stranger0@localhost";
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near");
	for (int i = 1; node_shard(&node, str_of(other)) == node.workers[c.worker]; i++)
		snprintf(other, sizeof other, "stranger%d@localhost", i);
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", other);
	bind.osm = UINT64_C(1) << 60;
	other_says(bind);
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.osm, 0);
	assert_int_equal(bound.rule, STANZA_INTERNAL_SERVER_ERROR);
	struct frame_record st = record(FLEET_STANZA, bare, 0);
	st.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s'><body>astray</body></message>", other);
	other_says(st);
	struct frame_record bury = record(FLEET_BURY, bare, 0);
	bury.to = bind.to;
	other_says(bury);
	struct frame_record born = record(FLEET_BORN, bare, 0);
	born.to = str_of(other);
	other_says(born);
	rig_turns(10);
	RIG_UNTIL(!nw_of(node.workers[c.worker])->fleet->n_burials); /* its turn has come */
	assert_null(user_find(nw_of(node.workers[c.worker]), str_of(other)));
	rig_hang_up(&c);
}

static void clients_of_a_node_that_was_taken_for_dead_log_in_again(void **state)
{
	char user[16], bare[64], waits[16], waits_bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	account_with_place(1, waits, waits_bare);
	other_claims(bare);
	other_claims(waits_bare);
	struct rig_client c = far_login(user, &edge), d = begin_login(waits);
	expect(FLEET_BIND);
	self_epoch = 3;
	look(NODE_UP);
	RIG_HEAR(&c, "<reset xmlns");
	other_claims(waits_bare); /* the new name hears all homes anew, and who waits asks again */
	rig_turns(10);
	rig_hang_up(&c);
	rig_hang_up(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_under_way_to_a_home_that_gives_up_a_session_comes_with_it),
		CASE(a_client_whose_home_has_lost_its_session_gets_another),
		CASE(what_comes_back_when_its_edge_is_gone_is_sent_all_the_same),
		CASE(a_message_for_a_client_that_has_gone_is_not_lost),
		CASE(what_goes_up_to_a_session_that_is_not_here_goes_back),
		CASE(what_a_node_does_not_take_has_a_ceiling),
		CASE(what_comes_back_is_waited_for),
		CASE(clients_that_wait_for_one_home_are_told_in_order),
		CASE(an_isolated_node_takes_no_new_sessions_after_a_while),
		CASE(a_registry_that_forgot_is_told_in_steps),
		CASE(a_new_client_with_a_slow_clock_takes_its_resource_and_an_old_one_does_not),
		CASE(what_happens_after_something_was_heard_is_later),
		CASE(values_that_are_none_end_a_stream_or_nothing),
		CASE(a_refusal_that_is_none_is_an_internal_error),
		CASE(a_record_for_another_account_than_it_says_is_refused),
		CASE(clients_of_a_node_that_was_taken_for_dead_log_in_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
