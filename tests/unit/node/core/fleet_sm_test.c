/* Stream management between the node where a client is and the one where its account is at home (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/outlet.h"
#include "node/core/sm_session.h"

#define ENABLE "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
#define ASK    "<r xmlns='urn:xmpp:sm:3'/>"

/* Both nodes know it. */
static int sm_set_up(void **state)
{
	set_up(state);
	other_speaks = FLEET_SM;
	look(NODE_UP);
	return 0;
}

#define SM_CASE(f) cmocka_unit_test_setup_teardown(f, sm_set_up, tear_down)

/* ---- clients here, sessions there ---- */

static struct frame_record down(const char *bare, uint64_t edge, unsigned kind, const char *xml)
{
	struct frame_record r = record(FLEET_DOWN, bare, edge);
	r.rule = (uint8_t)kind;
	r.flags = FRAME_KEPT;
	r.osm = 77;
	r.xml = str_of(xml);
	return r;
}

/* Bound there, with stream management. */
static struct rig_client far_login_with_sm(const char *user, uint64_t *edge)
{
	struct rig_client c = far_login(user, edge);
	rig_say(&c, ENABLE);
	struct frame_record word = expect(FLEET_UP);
	assert_int_equal(word.rule, FLEET_UP_WORD);
	assert_true(holds(word.xml, "<enable "));
	other_says(down(c.bare, *edge, OUTLET_WORD, "<enabled xmlns='urn:xmpp:sm:3' id='abc' resume='true' max='300'/>"));
	RIG_HEAR(&c, "<enabled ");
	return c;
}

/* The same by an account that would be at home here, had it not been there before. */
static struct rig_client login_there_with_sm(uint64_t *edge)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	return far_login_with_sm(user, edge);
}

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

static void up(const char *bare, uint64_t sid, uint64_t edge, enum fleet_up what, const char *xml)
{
	struct frame_record r = record(FLEET_UP, bare, sid);
	r.osm = edge;
	r.rule = (uint8_t)what;
	r.xml = str_of(xml);
	other_says(r);
}

static struct frame_record expect_word(const char *text)
{
	struct frame_record r;
	do
		r = expect(FLEET_DOWN);
	while (r.rule != OUTLET_WORD || !holds(r.xml, text));
	return r;
}

/* A client of the other node, its edge 9, bound here with stream management, by an account that a client here has made ours. */
static uint64_t far_session_of(const char *bare, const char *resource, uint64_t edge, char id[64])
{
	struct frame_record bind = bind_of_far(bare);
	bind.dst_sid = edge;
	bind.to = arena_printf(keep, "%s/%s", bare, resource);
	other_says(bind);
	uint64_t sid = expect(FLEET_BOUND).osm;
	up(bare, sid, edge, FLEET_UP_WORD, ENABLE);
	struct frame_record enabled = expect_word("<enabled ");
	assert_int_equal(sscanf(arena_strz(keep, enabled.xml), "<enabled xmlns='urn:xmpp:sm:3' id='%63[^']'", id), 1);
	return sid;
}

static uint64_t far_session(const char *bare, char id[64])
{
	return far_session_of(bare, "far", 9, id);
}

static void gone(const char *bare, uint64_t sid, uint64_t edge, bool lost)
{
	struct frame_record r = record(FLEET_GONE, bare, sid);
	r.osm = edge;
	r.rule = lost;
	other_says(r);
	rig_turns(4);
}

static void resume_with(const char *bare, uint64_t edge, const char *id, uint32_t h, uint8_t flags)
{
	struct frame_record r = record(FLEET_RESUME, bare, edge);
	r.to = str_of(bare);
	r.rule = TRANSPORT_STARTTLS;
	r.flags = flags;
	r.osm = h;
	r.xml = str_of(id);
	other_says(r);
}

static void resume(const char *bare, uint64_t edge, const char *id, uint32_t h)
{
	resume_with(bare, edge, id, h, 0);
}

static bool waits(const struct rig_client *c)
{
	const struct session *s = rig_session(c, "far");
	return s && sm_session_is_detached(s);
}

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

/* ---- homes that change ---- */

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
		SM_CASE(words_go_to_the_home_in_order),
		SM_CASE(a_client_that_ends_its_stream_is_not_lost),
		SM_CASE(what_an_older_home_does_not_answer_is_answered_here),
		SM_CASE(nothing_is_offered_while_a_node_does_not_know_it),
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
		SM_CASE(a_session_takes_what_waits_along_to_its_next_home),
		SM_CASE(what_two_that_moved_got_is_given_back_once),
		SM_CASE(kept_messages_that_were_under_way_are_acknowledged_at_the_next_home),
		SM_CASE(what_waited_for_a_client_that_is_lost_between_two_homes_is_given_back),
		SM_CASE(a_home_that_leaves_serves_an_account_until_all_of_it_can_go),
		SM_CASE(what_cannot_move_with_a_session_is_given_back),
		SM_CASE(numbers_go_on_when_a_home_dies),
		SM_CASE(what_follows_the_wish_is_counted_here_when_the_home_dies),
		SM_CASE(what_follows_the_wish_is_to_be_counted_by_the_next_home),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
