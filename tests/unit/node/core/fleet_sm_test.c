/* Stream management between the node where a client is and the one where its account is at home. */
#include "tests/unit/node/core/fleet_sm_rig.h"

/* ---- clients here, sessions there ---- */

static void words_go_to_the_home_in_order(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there_with_sm(&edge);
	rig_say(&c, "<message to='x@localhost'/>" ASK "<iq type='set' id='i'/><a xmlns='urn:xmpp:sm:3' h='0'/>");
	struct frame_record up = expect(FLEET_UP);
	assert_int_equal(up.rule, FLEET_UP_STANZA);
	assert_int_equal(up.flags & FRAME_KEPT, FRAME_KEPT);
	assert_int_equal((up = expect(FLEET_UP)).rule, FLEET_UP_WORD);
	assert_true(holds(up.xml, "<r "));
	assert_int_equal(expect(FLEET_UP).rule, FLEET_UP_ANSWERED); /* malformed: refused here, counted there */
	assert_true(holds((up = expect(FLEET_UP)).xml, "h='0'"));
	rig_hang_up(&c);
	struct frame_record gone = expect(FLEET_GONE);
	assert_int_equal(gone.rule, 1);
	assert_int_equal(gone.osm, edge);
}

static void a_client_that_ends_its_stream_is_not_lost(void **state)
{
	uint64_t edge;
	struct rig_client c = login_there_with_sm(&edge);
	rig_say(&c, "</stream:stream>");
	assert_int_equal(expect(FLEET_GONE).rule, 0);
	rig_hang_up(&c);
}

static void nothing_is_offered_while_a_node_does_not_know_it(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	struct rig_client now = rig_authenticate(1, user);
	assert_true(rig_heard(&now, "urn:xmpp:sm:3"));
	other_speaks = FLEET_SM - 1;
	look(NODE_UP);
	other_claims(bare);
	struct rig_client then = rig_authenticate(1, user), c = far_login(user, &edge);
	assert_false(rig_heard(&then, "urn:xmpp:sm:3"));
	rig_hang_up(&now);
	rig_hang_up(&then);
	rig_say(&c, ENABLE);
	RIG_HEAR(&c, "<feature-not-implemented");
	assert_null(next_of(FLEET_UP));
	rig_hang_up(&c);
}

/* What is asked of the stream is answered by homes since they know it. */
static void what_an_older_home_does_not_answer_is_answered_here(void **state)
{
	static const char session[] = "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>";
	static const char binding[] = "<iq type='set' id='b2'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
	uint64_t edge;
	struct rig_client now = login_there(&edge);
	rig_say(&now, session);
	assert_true(holds(expect(FLEET_UP).xml, "<session"));
	other_speaks = FLEET_SM - 1;
	look(NODE_UP);
	rig_say(&now, session);
	RIG_HEAR(&now, "<iq type='result' id='s'");
	rig_say(&now, binding);
	RIG_HEAR(&now, "<not-allowed");
	assert_null(next_of(FLEET_UP));
	rig_say(&now, "<iq type='set' id='x'><query xmlns='x'/></iq>");
	assert_true(holds(expect(FLEET_UP).xml, "id='x'"));
	rig_hang_up(&now);
}

static struct rig_client begin_resumption(const char *user, const char *previd, unsigned h)
{
	struct rig_client c = rig_authenticate(1, user);
	rig_say(&c, arena_printf(keep, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", previd, h).p);
	return c;
}

/* By an account that is at home there. */
static struct rig_client begin_resumption_there(void)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	return begin_resumption(user, "abc", 3);
}

static void a_resumption_is_asked_for_at_the_home(void **state)
{
	struct rig_client c = begin_resumption_there();
	struct frame_record ask = expect(FLEET_RESUME), bound = record(FLEET_BOUND, c.bare, ask.dst_sid);
	assert_true(str_is(ask.to, c.bare) && str_is(ask.xml, "abc"));
	assert_int_equal(ask.osm, 3);
	bound.osm = 77;
	bound.oseq = 9;
	bound.to = arena_printf(keep, "%s/r", c.bare);
	bound.xml = STR("12345678");
	other_says(bound);
	other_says(down(c.bare, ask.dst_sid, OUTLET_WORD, "<resumed xmlns='urn:xmpp:sm:3' previd='abc' h='9'/>"));
	RIG_HEAR(&c, "<resumed ");
	rig_say(&c, "<message to='x@localhost'/>");
	struct frame_record up = expect(FLEET_UP);
	assert_int_equal(up.dst_sid, 77);
	assert_true(holds(up.xml, arena_printf(keep, "from='%s/r'", c.bare).p));
	rig_hang_up(&c);
	assert_int_equal(expect(FLEET_GONE).rule, 1);
}

static void a_refused_resumption_leaves_the_stream_to_be_bound(void **state)
{
	struct rig_client c = begin_resumption_there();
	struct frame_record bound = record(FLEET_BOUND, c.bare, expect(FLEET_RESUME).dst_sid);
	bound.rule = STANZA_ITEM_NOT_FOUND;
	bound.xml = str_span("\7\0\0\0", 4);
	other_says(bound);
	RIG_HEAR(&c, "<failed xmlns='urn:xmpp:sm:3' h='7'><item-not-found");
	rig_say(&c, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
	expect(FLEET_BIND);
	rig_hang_up(&c);
}

/* Its home asks to be asked again: its last stanza is in a handler still. */
static void a_home_is_told_when_it_is_asked_for_the_last_time(void **state)
{
	struct rig_client c = begin_resumption_there();
	struct frame_record ask = expect(FLEET_RESUME);
	assert_int_equal(ask.flags & FRAME_REROUTED, 0);
	nw_of(node.workers[0])->streams->resume->tries = 49; /* five seconds */
	for (int i = 0; i < 2; i++) {
		other_says(record(FLEET_BOUND, c.bare, ask.dst_sid));
		ask = i == 0 ? expect(FLEET_RESUME) : ask;
	}
	assert_int_equal(ask.flags & FRAME_REROUTED, FRAME_REROUTED);
	RIG_HEAR(&c, "<item-not-found"); /* of a home that does not know this */
	rig_hang_up(&c);
}

static void a_resumption_that_is_refused_is_counted(void **state)
{
	struct rig_client c = begin_resumption_there();
	struct frame_record bound = record(FLEET_BOUND, c.bare, expect(FLEET_RESUME).dst_sid);
	bound.rule = STANZA_ITEM_NOT_FOUND;
	other_says(bound);
	RIG_HEAR(&c, "<item-not-found");
	assert_int_equal(node_metric(&node, METRIC_SM_RESUME_FAILURES_TOTAL), 1);
	rig_say(&c, "<resume xmlns='urn:xmpp:sm:3' previd='abc' h='900'/>");
	struct frame_record close = record(FLEET_CLOSE, c.bare, expect(FLEET_RESUME).dst_sid);
	close.rule = STREAM_UNDEFINED_CONDITION; /* too high */
	other_says(close);
	RIG_HEAR(&c, "<undefined-condition");
	assert_int_equal(node_metric(&node, METRIC_SM_RESUME_FAILURES_TOTAL), 2);
	rig_hang_up(&c);
}

static int64_t edge_bytes(void)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < node.n_workers; i++)
		sum += nw_of(node.workers[i])->metrics.v[METRIC_AT_MEMORY_BYTES + MEMORY_EDGE];
	return sum;
}

static void the_state_that_an_edge_keeps_is_counted(void **state)
{
	uint64_t edge;
	char *large = arena_zalloc(keep, 100000);
	struct rig_client c = login_there(&edge);
	int64_t empty = edge_bytes();
	assert_true(empty > 0 && empty < 2000);
	struct frame_record told = record(FLEET_STATE, c.bare, edge);
	told.xml = str_span(large, 100000);
	other_says(told);
	RIG_UNTIL(edge_bytes() >= empty + 100000);
	told.xml = str_span(large, 100);
	other_says(told);
	RIG_UNTIL(edge_bytes() < empty + 1000);
	assert_true(edge_bytes() >= empty + 100);
	rig_hang_up(&c);
	expect(FLEET_GONE);
	assert_int_equal(edge_bytes(), 0);
}

static void a_resumption_fails_when_its_home_dies(void **state)
{
	struct rig_client c = begin_resumption_there();
	expect(FLEET_RESUME);
	look(NODE_DEAD);
	RIG_HEAR(&c, "<item-not-found");
	rig_hang_up(&c);
}

/* ---- sessions here, clients there ---- */

static void a_session_waits_for_its_client_and_goes_on_at_another_edge(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	uint64_t sid = far_session(c.bare, id);
	up(c.bare, sid, 9, FLEET_UP_STANZA,
	   arena_printf(keep, "<message from='%s/far' to='%s/near'><body>hello</body></message>", c.bare, c.bare).p);
	up(c.bare, sid, 9, FLEET_UP_ANSWERED, "-");
	RIG_HEAR(&c, "<body>hello</body>");
	gone(c.bare, sid, 9, true);
	assert_true(waits(&c));
	rig_say(&c, arena_printf(keep, "<message to='%s/far'><body>kept</body></message>", c.bare).p);
	rig_turns(10);
	assert_null(next_of(FLEET_DOWN));
	resume(c.bare, 10, id, 0);
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.dst_sid, 10);
	assert_int_equal(bound.osm, sid);
	assert_int_equal(bound.oseq, 2);
	assert_true(str_is(bound.to, arena_printf(keep, "%s/far", c.bare).p));
	assert_true(holds(expect_word("<resumed ").xml, "h='2'"));
	struct frame_record again = expect(FLEET_DOWN);
	assert_int_equal(again.dst_sid, 10);
	assert_true(holds(again.xml, "<body>kept</body>") && holds(again.xml, "urn:xmpp:delay"));
	/* What the first edge has still to say is nothing any more. */
	gone(c.bare, sid, 9, false);
	up(c.bare, sid, 9, FLEET_UP_STANZA, "<message to='nobody@localhost'/>");
	assert_int_equal(expect(FLEET_BACK).dst_sid, 9);
	assert_true(rig_session(&c, "far") && !waits(&c));
	gone(c.bare, sid, 10, false);
	assert_null(rig_session(&c, "far"));
	rig_hang_up(&c);
}

/* It has no stream that could take it along: it ends, and its client, which resumes where its account is now, hears so. Nothing is lost. */
static void what_waits_for_a_client_goes_where_its_account_goes(void **state)
{
	char user[16], bare[64], id[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near");
	uint64_t sid = far_session(bare, id);
	gone(bare, sid, 9, true);
	assert_true(waits(&c));
	rig_say(&c, arena_printf(keep, "<message to='%s/far' type='chat'><body>kept</body></message>", bare).p);
	rig_turns(10);
	assert_null(next_of(255));
	other_claims(bare); /* earlier than we did, in another part of a split cluster */
	struct frame_record r = expect(FLEET_STANZA);
	assert_true(holds(r.xml, "<body>kept</body>") && holds(r.xml, "urn:xmpp:delay"));
	assert_int_equal(r.dst_fp, fp(bare));
	assert_null(rig_session(&c, "far"));
	rig_hang_up(&c);
}

static void a_session_waits_when_its_clients_node_dies(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	far_session(c.bare, id);
	look(NODE_DEAD);
	assert_true(waits(&c));
	rig_hang_up(&c);
}

/* Whoever buries a dead node's sessions must know whose client lives on, and where. */
static void the_registry_knows_the_node_of_a_client_that_comes_and_goes(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	uint64_t sid = far_session(c.bare, id);
	assert_int_equal(told_edge, OTHER);
	gone(c.bare, sid, 9, true);
	assert_true(waits(&c));
	assert_int_equal(told_edge, self_epoch); /* nobody's but its home's */
	resume(c.bare, 10, id, 0);
	expect(FLEET_BOUND);
	assert_int_equal(told_edge, OTHER);
	struct rig_client d = begin_resumption(arena_strz(keep, jid_local(&rig_session(&c, "far")->user->jid)), id, 0);
	RIG_HEAR(&d, "<resumed ");
	assert_int_equal(told_edge, self_epoch);
	rig_hang_up(&d);
	rig_hang_up(&c);
}

static void the_edge_that_lives_hears_of_the_conflict(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	far_session(c.bare, id);
	resume(c.bare, 10, id, 0);
	expect(FLEET_BOUND);
	struct frame_record close = expect(FLEET_CLOSE);
	assert_int_equal(close.dst_sid, 9);
	assert_int_equal(close.rule, STREAM_CONFLICT);
	rig_hang_up(&c);
}

static void resumptions_are_refused_for_what_they_are(void **state)
{
	char user[16], bare[64], other[16], other_bare[64], id[64];
	account_with_place(1, user, bare);
	account_with_place(1, other, other_bare);
	struct rig_client c = rig_login(0, user, "near");
	far_session(bare, id);
	resume(bare, 10, "abc", 0);
	assert_int_equal(expect(FLEET_BOUND).rule, STANZA_ITEM_NOT_FOUND);
	resume(other_bare, 10, id, 0); /* another account's */
	assert_int_equal(expect(FLEET_BOUND).rule, STANZA_ITEM_NOT_FOUND);
	resume(bare, 10, id, 1);
	struct frame_record close = expect(FLEET_CLOSE);
	assert_int_equal(close.dst_sid, 10);
	assert_int_equal(close.rule, STREAM_UNDEFINED_CONDITION);
	assert_true(holds(close.from, "<handled-count-too-high"));
	assert_true(rig_session(&c, "far") && !waits(&c));
	rig_hang_up(&c);
}

static uint64_t held;

static void hold(struct node_worker *nw)
{
	session_hold(session_find(nw, held));
}

static void release(struct node_worker *nw)
{
	session_release(nw, held);
}

/* A handler has its last stanza, and does not come back. */
static void a_session_that_stays_busy_is_resumed_in_the_end(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	held = far_session(c.bare, id);
	rig_order(0, hold);
	gone(c.bare, held, 9, true);
	resume(c.bare, 10, id, 0);
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.osm, 0);
	assert_int_equal(bound.rule, STANZA_ERROR_NONE); /* again */
	resume_with(c.bare, 10, id, 0, FRAME_REROUTED);
	assert_int_equal(expect(FLEET_BOUND).osm, held);
	expect_word("<resumed ");
	rig_order(0, release);
	rig_turns(4);
	rig_hang_up(&c);
}

static void a_client_must_resume_when_something_for_it_was_lost(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	far_session(c.bare, id);
	rig_say(&c, arena_printf(keep, "<message to='%s/far'><body>lost</body></message>", c.bare).p);
	struct frame_record lost = expect(FLEET_DOWN);
	assert_int_equal(lost.rule, STANZA_MESSAGE);
	post(lost, true);
	assert_int_equal(expect(FLEET_CLOSE).rule, STREAM_CONNECTION_TIMEOUT);
	assert_true(waits(&c));
	resume(c.bare, 10, id, 0);
	expect_word("<resumed ");
	assert_true(holds(expect(FLEET_DOWN).xml, "<body>lost</body>"));
	rig_hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SM_CASE(words_go_to_the_home_in_order),
		SM_CASE(a_client_that_ends_its_stream_is_not_lost),
		SM_CASE(nothing_is_offered_while_a_node_does_not_know_it),
		SM_CASE(what_an_older_home_does_not_answer_is_answered_here),
		SM_CASE(a_resumption_is_asked_for_at_the_home),
		SM_CASE(a_refused_resumption_leaves_the_stream_to_be_bound),
		SM_CASE(a_home_is_told_when_it_is_asked_for_the_last_time),
		SM_CASE(a_resumption_that_is_refused_is_counted),
		SM_CASE(the_state_that_an_edge_keeps_is_counted),
		SM_CASE(a_resumption_fails_when_its_home_dies),
		SM_CASE(a_session_waits_for_its_client_and_goes_on_at_another_edge),
		SM_CASE(what_waits_for_a_client_goes_where_its_account_goes),
		SM_CASE(a_session_waits_when_its_clients_node_dies),
		SM_CASE(the_registry_knows_the_node_of_a_client_that_comes_and_goes),
		SM_CASE(the_edge_that_lives_hears_of_the_conflict),
		SM_CASE(resumptions_are_refused_for_what_they_are),
		SM_CASE(a_session_that_stays_busy_is_resumed_in_the_end),
		SM_CASE(a_client_must_resume_when_something_for_it_was_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
