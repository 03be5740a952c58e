/* Sessions with stream management whose home changes: what goes along, and what is given back. */
#include "tests/unit/node/core/fleet_sm_rig.h"

/* The state of a session that is at home here, as its edge would have it: with all that goes along when it moves, or without. */
static struct str state_of(struct rig_client *c, const char *resource, bool moves)
{
	struct buf b;
	buf_init(&b, FREEZE_MAX);
	if (moves)
		assert_true(freeze_moving(rig_session(c, resource), &b));
	else
		freeze_session(rig_session(c, resource), &b);
	struct str copy = arena_str(keep, buf_str(&b));
	buf_fini(&b);
	return copy;
}

/* It comes from its last home to this one; what it is called here. */
static uint64_t arrives(const char *bare, const char *resource, uint64_t edge, struct str frozen)
{
	struct frame_record bind = record(FLEET_BIND, bare, edge);
	bind.to = arena_printf(keep, "%s/%s", bare, resource);
	bind.rule = TRANSPORT_STARTTLS;
	bind.flags = FRAME_REROUTED;
	bind.osm = UINT64_C(2) << 60;
	bind.xml = frozen;
	other_says(bind);
	return expect(FLEET_BOUND).osm;
}

static void a_session_takes_what_waits_along_to_its_next_home(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	uint64_t sid = far_session(c.bare, id);
	rig_say(&c, arena_printf(keep, "<message to='%s/far'><body>one</body></message>", c.bare).p);
	expect(FLEET_DOWN);
	struct str frozen = state_of(&c, "far", true);
	gone(c.bare, sid, 9, false);
	uint64_t next = arrives(c.bare, "far", 11, frozen);
	struct frame_record told = expect(FLEET_STATE); /* its edge must not come back with what it brought */
	assert_true(holds(told.xml, id) && !holds(told.xml, "<body>one</body>"));
	gone(c.bare, next, 11, true);
	assert_true(waits(&c));
	resume(c.bare, 12, id, 0);
	expect_word("<resumed ");
	assert_true(holds(expect(FLEET_DOWN).xml, "<body>one</body>"));
	rig_hang_up(&c);
}

static int64_t kept_offline(void)
{
	return node_metric(&node, METRIC_OFFLINE_STORED_TOTAL);
}

/* What comes to a session next is no message with a body. */
static void no_body_comes(void)
{
	rig_turns(20);
	for (struct sent *s; (s = next_of(FLEET_DOWN));) {
		assert_false(holds(s->r.xml, "<body>"));
		buf_fini(&s->bytes);
		free(s);
	}
}

/* Two devices that move, one after the other, and are lost: of what both got neither gives back more than the last. */
static void what_two_that_moved_got_is_given_back_once(void **state)
{
	static const char *const names[] = { "far", "farther" };
	char id[64];
	uint64_t sids[2];
	struct str frozen[2];
	struct rig_client c = login_here("near");
	for (unsigned i = 0; i < 2; i++) {
		sids[i] = far_session_of(c.bare, names[i], 9 + i, id);
		up(c.bare, sids[i], 9 + i, FLEET_UP_STANZA, arena_printf(keep, "<presence from='%s/%s'/>", c.bare, names[i]).p);
	}
	rig_turns(10);
	rig_say(&c, arena_printf(keep, "<message to='%s' type='chat'><body>both</body></message>", c.bare).p);
	RIG_UNTIL(node_metric(&node, METRIC_STANZAS_ROUTED_TOTAL));
	rig_turns(10);
	for (unsigned i = 0; i < 2; i++) {
		frozen[i] = state_of(&c, names[i], true);
		gone(c.bare, sids[i], 9 + i, false);
	}
	assert_int_equal(kept_offline(), 0); /* it has gone with them */
	for (unsigned i = 0; i < 2; i++)
		sids[i] = arrives(c.bare, names[i], 11 + i, frozen[i]);
	next_of(255);
	gone(c.bare, sids[0], 11, false);
	no_body_comes(); /* who has it gets it no second time */
	gone(c.bare, sids[1], 12, false);
	RIG_UNTIL(kept_offline());
	rig_turns(10);
	assert_int_equal(kept_offline(), 1);
	rig_hang_up(&c);
}

/* A client that was being sent kept messages moves: they are deleted when it acknowledges them at its next home, and do not come again. */
static void kept_messages_that_were_under_way_are_acknowledged_at_the_next_home(void **state)
{
	char id[64];
	struct rig_client c = login_here("near");
	for (int i = 1; i <= 3; i++) {
		rig_say(&c, arena_printf(keep, "<message to='%s' type='chat'><body>%d</body></message>", c.bare, i).p);
		RIG_UNTIL(kept_offline() == i);
	}
	uint64_t sid = far_session(c.bare, id);
	up(c.bare, sid, 9, FLEET_UP_STANZA, arena_printf(keep, "<presence from='%s/far'/>", c.bare).p);
	while (!holds(expect(FLEET_DOWN).xml, "<body>3</body>"))
		;
	struct str frozen = state_of(&c, "far", true);
	gone(c.bare, sid, 9, false);
	sid = arrives(c.bare, "far", 11, frozen);
	no_body_comes();
	up(c.bare, sid, 11, FLEET_UP_WORD, "<a xmlns='urn:xmpp:sm:3' h='3'/>");
	rig_turns(10);
	assert_int_equal(node_metric(&node, METRIC_OFFLINE_DELIVERED_TOTAL), 0);
	up(c.bare, sid, 11, FLEET_UP_WORD, "<a xmlns='urn:xmpp:sm:3' h='4'/>");
	RIG_UNTIL(node_metric(&node, METRIC_OFFLINE_DELIVERED_TOTAL) == 3);
	rig_hang_up(&c);
}

/* Its last home has sent it away, and the next one is not found yet. */
static void what_waited_for_a_client_that_is_lost_between_two_homes_is_given_back(void **state)
{
	char user[16], bare[64], id[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near");
	uint64_t sid = far_session(bare, id);
	rig_say(&c, arena_printf(keep, "<message to='%s/far' type='chat'><body>kept</body></message>", bare).p);
	expect(FLEET_DOWN);
	struct frame_record rehome = record(FLEET_REHOME, bare, 0);
	rehome.xml = state_of(&c, "far", true);
	gone(bare, sid, 9, false);
	rig_hang_up(&c);
	RIG_UNTIL(!rig_session(&c, "near"));
	other_claims(bare);
	c = far_login_with_sm(user, &edge);
	rehome.dst_sid = edge;
	other_says(rehome);
	expect(FLEET_UP); /* the empty one */
	rig_order(0, c2s_abort_all);
	struct frame_record back = expect(FLEET_STANZA);
	assert_true(holds(back.xml, "<body>kept</body>") && holds(back.xml, "urn:xmpp:delay"));
	rig_hang_up(&c);
}

/* The same for one that does not acknowledge: it is pinged, and answers at its next home. */
static void kept_messages_that_were_under_way_are_answered_for_at_the_next_home(void **state)
{
	struct rig_client c = login_here("near");
	rig_say(&c, arena_printf(keep, "<message to='%s' type='chat'><body>1</body></message>", c.bare).p);
	RIG_UNTIL(kept_offline() == 1);
	other_says(bind_of_far(c.bare));
	uint64_t sid = expect(FLEET_BOUND).osm;
	up(c.bare, sid, 9, FLEET_UP_STANZA, arena_printf(keep, "<presence from='%s/far'/>", c.bare).p);
	struct frame_record ping;
	do
		ping = expect(FLEET_DOWN);
	while (!holds(ping.xml, "urn:xmpp:ping"));
	char token[17];
	const char *id = memmem(ping.xml.p, ping.xml.len, " id='", 5);
	assert_non_null(id);
	assert_int_equal(sscanf(id, " id='%16[^']'", token), 1);
	struct str frozen = state_of(&c, "far", true);
	gone(c.bare, sid, 9, false);
	sid = arrives(c.bare, "far", 11, frozen);
	no_body_comes();
	up(c.bare, sid, 11, FLEET_UP_STANZA,
	   arena_printf(keep, "<iq type='result' from='%s/far' to='localhost' id='%s'/>", c.bare, token).p);
	RIG_UNTIL(node_metric(&node, METRIC_OFFLINE_DELIVERED_TOTAL) == 1);
	rig_hang_up(&c);
}

static void run_leave(struct node_worker *nw)
{
	fleet_leave(nw);
}

/* One session waits for its client; another client of the account comes, and both go on together when the first has come back. */
static void a_home_that_leaves_serves_an_account_until_all_of_it_can_go(void **state)
{
	char id[64], other[64];
	struct rig_client c = login_here("near");
	uint64_t sid = far_session(c.bare, id);
	gone(c.bare, sid, 9, true);
	rig_order(0, run_leave);
	rig_hang_up(&c);
	RIG_UNTIL(!rig_session(&c, "near"));
	assert_true(far_session_of(c.bare, "farther", 10, other) != 0);
	rig_order(0, run_leave);
	rig_turns(4);
	assert_non_null(rig_session(&c, "farther"));
	resume(c.bare, 11, id, 0);
	assert_int_equal(expect(FLEET_BOUND).osm, sid);
	assert_int_equal(expect(FLEET_REHOME).dst_sid, 11);
	assert_int_equal(expect(FLEET_REHOME).dst_sid, 10);
	other_says(bind_of_far(c.bare)); /* too late */
	assert_int_equal(expect(FLEET_BOUND).osm, 0);
	assert_null(rig_session(&c, "far"));
}

static void run_farewell(struct node_worker *nw)
{
	fleet_farewell(nw);
}

/* More than goes along: the client is told to log in again, and all is given back. */
static void what_cannot_move_with_a_session_is_given_back(void **state)
{
	enum { MESSAGES = 60 };
	char id[64];
	node.settings.sm.queue_bytes = 4u << 20;
	struct rig_client c = login_here("near");
	far_session(c.bare, id);
	for (int i = 0; i < MESSAGES; i++) {
		rig_say(&c, arena_printf(keep, "<message to='%s/far' type='chat'><body>%016000d</body></message>", c.bare, i).p);
		expect(FLEET_DOWN);
	}
	rig_order(0, run_farewell);
	assert_int_equal(expect(FLEET_CLOSE).rule, STREAM_RESET);
	RIG_UNTIL(kept_offline() == MESSAGES);
	assert_null(rig_session(&c, "far"));
	rig_hang_up(&c);
}

static void numbers_go_on_when_a_home_dies(void **state)
{
	char donor[16], donor_bare[64], id[64];
	uint64_t edge;
	account_with_place(1, donor, donor_bare);
	struct rig_client d = rig_login(0, donor, "near");
	far_session(donor_bare, id);
	struct str frozen = state_of(&d, "far", false);
	struct rig_client c = login_there_with_sm(&edge);
	struct frame_record told = record(FLEET_STATE, c.bare, edge);
	told.xml = frozen;
	other_says(told);
	other_says(down(c.bare, edge, STANZA_MESSAGE, "<message from='x@localhost'><body>down</body></message>"));
	RIG_HEAR(&c, "<body>down</body>");
	rig_say(&c, "<message to='nobody@localhost' type='headline'/><presence/>" ASK);
	expect(FLEET_UP);
	struct frame_record lost = expect(FLEET_UP), word = expect(FLEET_UP);
	post(lost, true);
	post(word, true);
	rig_turns(4);
	look(NODE_DEAD);
	RIG_UNTIL(rig_session(&c, "r"));
	RIG_HEAR(&c, "<a xmlns='urn:xmpp:sm:3' h='2'/>"); /* the question comes after the presence, which is not counted twice */
	assert_true(session_is_available(rig_session(&c, "r")));
	rig_say(&c, "<a xmlns='urn:xmpp:sm:3' h='1'/>" ASK);
	RIG_HEAR(&c, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
	rig_hang_up(&c);
	rig_hang_up(&d);
}

/* The home dies, or gives the session up, before it has heard that the client wants stream management. */
static struct rig_client ask_in_vain(uint64_t *edge, struct frame_record up[4])
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = far_login(user, edge);
	rig_say(&c, ENABLE "<message to='nobody@localhost' type='headline'/><iq type='set' id='i'/>" ASK);
	for (int i = 0; i < 4; i++)
		up[i] = expect(FLEET_UP);
	return c;
}

static void what_follows_the_wish_is_counted_here_when_the_home_dies(void **state)
{
	uint64_t edge;
	struct frame_record lost[4];
	struct rig_client c = ask_in_vain(&edge, lost);
	for (int i = 0; i < 4; i++)
		post(lost[i], true);
	rig_turns(4);
	look(NODE_DEAD);
	RIG_HEAR(&c, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
	rig_say(&c, "<presence/>" ASK);
	RIG_HEAR(&c, "<a xmlns='urn:xmpp:sm:3' h='3'/>");
	rig_hang_up(&c);
}

static void what_follows_the_wish_is_to_be_counted_by_the_next_home(void **state)
{
	uint64_t edge;
	struct frame_record back[4];
	struct rig_client c = ask_in_vain(&edge, back);
	other_says(record(FLEET_REHOME, c.bare, edge));
	expect(FLEET_UP); /* the empty one: the last */
	for (int i = 0; i < 4; i++) {
		back[i].kind = FLEET_BACK;
		back[i].dst_sid = edge;
		back[i].osm = 77;
		other_says(back[i]);
	}
	struct frame_record last = record(FLEET_BACK, c.bare, edge), bound = record(FLEET_BOUND, c.bare, edge);
	last.osm = 77;
	other_says(last);
	expect(FLEET_BIND);
	bound.osm = 78;
	other_says(bound);
	for (int i = 0; i < 4; i++)
		assert_int_equal(expect(FLEET_UP).flags & FRAME_COUNTED, 0);
	rig_hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SM_CASE(a_session_takes_what_waits_along_to_its_next_home),
		SM_CASE(what_two_that_moved_got_is_given_back_once),
		SM_CASE(kept_messages_that_were_under_way_are_acknowledged_at_the_next_home),
		SM_CASE(what_waited_for_a_client_that_is_lost_between_two_homes_is_given_back),
		SM_CASE(kept_messages_that_were_under_way_are_answered_for_at_the_next_home),
		SM_CASE(a_home_that_leaves_serves_an_account_until_all_of_it_can_go),
		SM_CASE(what_cannot_move_with_a_session_is_given_back),
		SM_CASE(numbers_go_on_when_a_home_dies),
		SM_CASE(what_follows_the_wish_is_counted_here_when_the_home_dies),
		SM_CASE(what_follows_the_wish_is_to_be_counted_by_the_next_home),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
