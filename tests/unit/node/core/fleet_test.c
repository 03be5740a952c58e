/* Sessions of clients on the other node, clients of sessions there: what the two say to one another (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

/* ---- clients here, sessions there ---- */

static void a_client_is_bound_where_its_account_is_at_home(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge);
	assert_null(rig_session(&c, "r"));
	rig_say(&c, "<message to='somebody@localhost' type='chat'><body>up</body></message>");
	struct frame_record up = expect(FLEET_UP);
	assert_int_equal(up.dst_sid, 77);
	assert_true(holds(up.xml, "<body>up</body>") && holds(up.xml, arena_printf(keep, "from='%s/r'", c.bare).p));
	struct frame_record down = record(FLEET_DOWN, c.bare, edge);
	down.xml = STR("<message from='x@localhost'><body>down</body></message>");
	other_says(down);
	RIG_HEAR(&c, "<body>down</body>");
	rig_hang_up(&c);
	assert_int_equal(expect(FLEET_GONE).dst_sid, 77);
}

static void a_client_hears_why_its_home_ends_its_session(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge);
	struct frame_record close = record(FLEET_CLOSE, c.bare, edge);
	close.rule = STREAM_CONFLICT;
	other_says(close);
	RIG_HEAR(&c, "<conflict xmlns");
	rig_hang_up(&c);
}

static void a_client_is_not_read_while_its_home_holds_it(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge);
	other_says(record(FLEET_HOLD, c.bare, edge));
	rig_turns(4);
	rig_say(&c, "<message to='somebody@localhost'><body>later</body></message>");
	rig_turns(10);
	assert_null(next_of(FLEET_UP));
	other_says(record(FLEET_RELEASE, c.bare, edge));
	assert_true(holds(expect(FLEET_UP).xml, "later"));
	rig_hang_up(&c);
}

static void a_client_whose_stanzas_fill_the_way_home_is_slowed_down(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge);
	int64_t before = node_metric(&node, METRIC_LIMITS_HIT_TOTAL);
	rig_say(&c, "<message to='somebody@localhost'><body>one</body></message>");
	assert_true(holds(expect(FLEET_UP).xml, "one"));
	assert_int_equal(node_metric(&node, METRIC_LIMITS_HIT_TOTAL) - before, 0);
	other_slow = true;
	look(NODE_UP);
	rig_say(&c, "<message to='somebody@localhost'><body>two</body></message>");
	assert_true(holds(expect(FLEET_UP).xml, "two"));
	assert_int_equal(node_metric(&node, METRIC_LIMITS_HIT_TOTAL) - before, 1);
	rig_say(&c, "<message to='somebody@localhost'><body>three</body></message>");
	assert_true(holds(expect(FLEET_UP).xml, "three")); /* after a while */
	rig_hang_up(&c);
}

/* Else it would fill what is kept for the home, and then be lost. */
static void a_client_is_not_read_while_its_home_takes_nothing(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge);
	rig_say(&c, "<message to='somebody@localhost'><body>one</body></message>");
	struct frame_record up = expect(FLEET_UP);
	post(up, true);
	rig_turns(4);
	rig_say(&c, "<message to='somebody@localhost'><body>two</body></message>");
	rig_turns(4);
	assert_null(next_of(FLEET_UP));
	up = expect(FLEET_UP); /* after a while */
	assert_true(holds(up.xml, "one"));
	post(up, true); /* in vain */
	assert_true(holds(expect(FLEET_UP).xml, "one"));
	assert_true(holds(expect(FLEET_UP).xml, "two"));
	rig_say(&c, "<message to='somebody@localhost'><body>three</body></message>");
	assert_true(holds(expect(FLEET_UP).xml, "three"));
	rig_hang_up(&c);
}

static void a_refusal_of_the_home_reaches_the_client(void **state)
{
	struct rig_client c = begin_login_there();
	struct frame_record bound = record(FLEET_BOUND, c.bare, expect(FLEET_BIND).dst_sid);
	bound.rule = STANZA_RESOURCE_CONSTRAINT;
	other_says(bound);
	RIG_HEAR(&c, "<resource-constraint");
	rig_hang_up(&c);
}

static void a_client_asks_again_when_its_home_has_just_gone(void **state)
{
	struct rig_client c = begin_login_there();
	struct frame_record no = record(FLEET_BOUND, c.bare, expect(FLEET_BIND).dst_sid);
	other_says(record(HOMES_DEL, c.bare, 0));
	other_says(no);
	RIG_HEAR(&c, "</iq>");
	assert_non_null(rig_session(&c, "r"));
	rig_hang_up(&c);
}

static void a_session_comes_here_when_its_home_dies(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there(&edge), d = login_here("r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>one</body></message>", d.bare).p);
	struct frame_record lost = expect(FLEET_UP), state_now = record(FLEET_STATE, c.bare, edge);
	struct buf b;
	buf_init(&b, 1000);
	static const char presence[] = "<presence><priority>7</priority></presence>";
	buf_addf(&b, "%cpresence%c%c%c%c%s", 8, (int)sizeof presence - 1, 0, 0, 0, presence);
	state_now.xml = buf_str(&b);
	other_says(state_now);
	rig_turns(4);
	buf_fini(&b);
	post(lost, true);
	rig_turns(4);
	look(NODE_DEAD);
	RIG_UNTIL(rig_session(&c, "r"));
	assert_int_equal(rig_session(&c, "r")->priority, 7);
	RIG_HEAR(&d, "<body>one</body>");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>two</body></message>", d.bare).p);
	RIG_HEAR(&d, "<body>two</body>");
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void a_login_waits_for_another_home_when_the_first_dies(void **state)
{
	struct rig_client c = begin_login_there();
	expect(FLEET_BIND);
	look(NODE_DEAD);
	RIG_HEAR(&c, "</iq>");
	assert_non_null(rig_session(&c, "r"));
	rig_hang_up(&c);
}

/* ---- sessions here, clients there ---- */

/* A client of the other node, its edge 9, is bound here, by an account that a client here has made ours. */
static uint64_t far_session(const char *bare)
{
	other_says(bind_of_far(bare));
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.dst_sid, 9);
	assert_int_not_equal(bound.osm, 0);
	return bound.osm;
}

static void a_session_serves_a_client_of_another_node(void **state)
{
	struct rig_client c = login_here("near");
	uint64_t sid = far_session(c.bare);
	assert_non_null(rig_session(&c, "far"));
	struct frame_record up = record(FLEET_UP, c.bare, sid);
	up.xml = arena_printf(keep, "<message from='%s/far' to='%s/near' type='chat'><body>from afar</body></message>", c.bare, c.bare);
	other_says(up);
	RIG_HEAR(&c, "<body>from afar</body>");
	rig_say(&c, arena_printf(keep, "<message to='%s/far' type='chat'><body>to afar</body></message>", c.bare).p);
	struct frame_record down = expect(FLEET_DOWN);
	assert_int_equal(down.dst_sid, 9);
	assert_true(holds(down.xml, "<body>to afar</body>"));
	other_says(record(FLEET_GONE, c.bare, sid));
	RIG_UNTIL(!rig_session(&c, "far"));
	rig_hang_up(&c);
}

static void a_session_ends_with_the_node_of_its_client(void **state)
{
	struct rig_client c = login_here("near");
	far_session(c.bare);
	look(NODE_DEAD);
	assert_null(rig_session(&c, "far"));
	assert_non_null(rig_session(&c, "near"));
	rig_hang_up(&c);
}

static void a_newer_client_here_ends_the_older_one_there(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near"), d;
	far_session(bare);
	d = rig_login(0, user, "far");
	struct frame_record close = expect(FLEET_CLOSE);
	assert_int_equal(close.dst_sid, 9);
	assert_int_equal(close.rule, STREAM_CONFLICT);
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void an_account_stays_at_home_while_its_only_session_is_replaced(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "far"), d;
	far_session(bare); /* the client here hears that it is replaced */
	RIG_HEAR(&c, "<conflict xmlns");
	assert_int_equal(homes_claimed(nw_of(node.workers[0])->fleet->homes, fp(bare)), 1);
	d = rig_login(0, user, "far");
	assert_int_equal(homes_claimed(nw_of(node.workers[0])->fleet->homes, fp(bare)), 1);
	assert_null(next_of(HOMES_DEL));
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void a_node_that_is_no_home_says_so(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", bare);
	other_says(bind);
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.osm, 0);
	assert_int_equal(bound.rule, 0);
}

/* ---- stanzas ---- */

static void a_stanza_goes_to_its_recipients_home(void **state)
{
	struct rig_client c = login_here("r");
	rig_say(&c, "<message to='absent@localhost/x' type='chat'><body>over there</body></message>");
	other_claims("absent@localhost");
	rig_say(&c, "<message to='absent@localhost/x' type='chat'><body>over there</body></message>");
	struct frame_record st = expect(FLEET_STANZA);
	assert_int_equal(st.dst_fp, fp("absent@localhost"));
	assert_true(holds(st.xml, "over there"));
	rig_hang_up(&c);
}

static void a_stanza_for_a_client_here_arrives(void **state)
{
	struct rig_client c = login_here("r");
	struct frame_record st = record(FLEET_STANZA, c.bare, 0);
	st.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s/r' type='chat'><body>hello</body></message>", c.bare);
	other_says(st);
	RIG_HEAR(&c, "<body>hello</body>");
	rig_hang_up(&c);
}

static void what_a_dead_node_did_not_take_goes_where_it_belongs_now(void **state)
{
	struct rig_client c = login_here("r");
	struct frame_record st = record(FLEET_STANZA, c.bare, 0);
	st.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s/r' type='chat'><body>late</body></message>", c.bare);
	post(st, true);
	rig_turns(4);
	assert_false(rig_heard(&c, "late"));
	look(NODE_DEAD);
	RIG_HEAR(&c, "<body>late</body>");
	rig_hang_up(&c);
}

static void an_account_claimed_on_two_nodes_goes_to_the_older_claim(void **state)
{
	struct rig_client c = login_here("r");
	other_claims(c.bare); /* at 5, long ago */
	struct frame_record bind = expect(FLEET_BIND);
	assert_null(rig_session(&c, "r"));
	struct frame_record bound = record(FLEET_BOUND, c.bare, bind.dst_sid);
	bound.osm = 77;
	other_says(bound);
	rig_turns(4);
	rig_say(&c, "<message to='x@localhost'><body>on</body></message>");
	assert_int_equal(expect(FLEET_UP).dst_sid, 77);
	rig_hang_up(&c);
}

static void the_contacts_of_who_died_with_his_node_are_told(void **state)
{
	struct rig_client c = login_here("r");
	rig_say(&c, "<presence/>");
	RIG_HEAR(&c, "<presence");
	struct frame_record bury = record(FLEET_BURY, c.bare, 0);
	bury.to = arena_printf(keep, "%s/other", c.bare);
	other_says(bury);
	RIG_HEAR(&c, "type='unavailable'");
	assert_null(rig_session(&c, "other"));
	rig_hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_client_is_bound_where_its_account_is_at_home),
		CASE(a_client_hears_why_its_home_ends_its_session),
		CASE(a_client_is_not_read_while_its_home_holds_it),
		CASE(a_client_whose_stanzas_fill_the_way_home_is_slowed_down),
		CASE(a_client_is_not_read_while_its_home_takes_nothing),
		CASE(a_refusal_of_the_home_reaches_the_client),
		CASE(a_client_asks_again_when_its_home_has_just_gone),
		CASE(a_session_comes_here_when_its_home_dies),
		CASE(a_login_waits_for_another_home_when_the_first_dies),
		CASE(a_session_serves_a_client_of_another_node),
		CASE(a_session_ends_with_the_node_of_its_client),
		CASE(a_newer_client_here_ends_the_older_one_there),
		CASE(an_account_stays_at_home_while_its_only_session_is_replaced),
		CASE(a_node_that_is_no_home_says_so),
		CASE(a_stanza_goes_to_its_recipients_home),
		CASE(a_stanza_for_a_client_here_arrives),
		CASE(what_a_dead_node_did_not_take_goes_where_it_belongs_now),
		CASE(an_account_claimed_on_two_nodes_goes_to_the_older_claim),
		CASE(the_contacts_of_who_died_with_his_node_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
