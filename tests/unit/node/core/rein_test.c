/* Clients of one node who flood those of another: who is told to wait, how long, and what waits meanwhile (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/rein.h"
#include "node/store/fault.h"
#include "node/stream/jam.h"

#define THEIRS     (UINT64_C(3) << 56 | 9) /* romeo, of the other node: on its worker 3, session 9 */
#define BODY_BYTES 4000

/* An account that is at home here, with a client here. */
static struct rig_client log_in(void)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	return rig_login(0, user, "r");
}

static const char *type; /* of the messages that they send */

static int set_up_new(void **state)
{
	set_up(state);
	type = "chat";
	other_speaks = REIN_PROTOCOL;
	look(NODE_UP);
	while (next_of(FLEET_BRAKE))
		;
	return 0;
}

static struct c2s *stream_of(const struct rig_client *c)
{
	struct session *s = rig_session(c, "r");
	return s ? c2s_of(s->outlet) : NULL;
}

static struct str message_to(const char *to, unsigned i)
{
	static char text[BODY_BYTES + 300];
	static const char head[] = "<message xmlns='jabber:client' type='%s' from='romeo@localhost/r' to='%s' id='m%04u'><body>";
	int n = snprintf(text, sizeof text, head, type, to, i);
	memset(text + n, 'x', BODY_BYTES);
	n += BODY_BYTES;
	n += snprintf(text + n, sizeof text - (size_t)n, "</body></message>");
	return str_span(text, (size_t)n);
}

/* romeo, of the other node, sends `c` that many; turned once a while, as they would come. */
static void they_flood(const struct rig_client *c, unsigned from, unsigned to)
{
	struct frame_record r = record(FLEET_STANZA, c->bare, 0);
	char full[80];
	snprintf(full, sizeof full, "%s/r", c->bare);
	r.osm = THEIRS;
	r.oseq = OTHER;
	for (unsigned i = from; i < to; i++) {
		r.xml = arena_str(keep, message_to(full, i));
		other_says(r);
		if (i % 16 == 0)
			rig_turn();
	}
	rig_turns(2);
}

static void all_came_in_order(struct rig_client *c, unsigned n)
{
	char last[16];
	unsigned next = 0;
	snprintf(last, sizeof last, "id='m%04u'", n - 1);
	RIG_UNTIL(rig_heard(c, last));
	for (const char *p = c->heard.p; (p = memmem(p, (size_t)(c->heard.p + c->heard.len - p), "id='m", 5)); p += 5)
		assert_int_equal(strtoul(p + 5, NULL, 10), next++);
	assert_int_equal(next, n);
}

static void expect_brake(bool on)
{
	struct frame_record r = expect(FLEET_BRAKE);
	assert_int_equal(r.dst_sid, 9);
	assert_true(r.dst_fp != 0); /* not for all workers */
	assert_int_equal(r.oseq != 0, on);
	assert_true(r.oseq <= REIN_MAX_MS);
}

/* ---- here is the recipient ---- */

/* 3 MB: three times what may wait for somebody whom clients of his own node flood. */
static void who_floods_from_another_node_is_told_once_to_wait(void **state)
{
	struct rig_client juliet = log_in();
	they_flood(&juliet, 0, 200);
	expect_brake(true);
	they_flood(&juliet, 200, 750);
	assert_null(next_of(FLEET_BRAKE));
	assert_true(conn_unsent(stream_of(&juliet)->conn) > node.settings.out_max);
	all_came_in_order(&juliet, 750);
	expect_brake(false);
	assert_null(next_of(FLEET_BRAKE));
	RIG_UNTIL((rig_heard(&juliet, "?"), !stream_of(&juliet)->jam));
	assert_int_equal(conn_out(stream_of(&juliet)->conn)->max, node.settings.out_max);
	rig_hang_up(&juliet);
}

/* 300 who send one message each, which is less than one alone may add. */
static void of_many_each_waits_for_the_little_that_he_sends(void **state)
{
	struct rig_client juliet = log_in();
	struct frame_record r = record(FLEET_STANZA, juliet.bare, 0);
	char full[80];
	bool braked[300] = { false };
	unsigned n = 0;
	snprintf(full, sizeof full, "%s/r", juliet.bare);
	r.oseq = OTHER;
	for (unsigned i = 0; i < 300; i++) {
		r.osm = i + 1;
		r.xml = arena_str(keep, message_to(full, i));
		other_says(r);
	}
	rig_turns(4);
	for (struct sent *s; (s = next_of(FLEET_BRAKE)); buf_fini(&s->bytes), free(s))
		braked[s->r.dst_sid - 1] |= s->r.oseq != 0;
	for (unsigned i = 0; i < 300; i++)
		n += braked[i];
	assert_false(braked[64]); /* who said a word, as few did */
	assert_true(braked[299]);
	assert_true(n > 50);
	all_came_in_order(&juliet, 300);
	rig_hang_up(&juliet);
}

static void a_brake_is_renewed_while_it_is_on(void **state)
{
	struct rig_client juliet = log_in();
	they_flood(&juliet, 0, 200);
	expect_brake(true);
	expect_brake(true);
	all_came_in_order(&juliet, 200);
	expect_brake(false);
	rig_hang_up(&juliet);
}

/* How many of their messages came back, one after the other; which was the first. */
static unsigned refused(unsigned *first)
{
	unsigned n = 0;
	for (struct sent *s; (s = next_of(FLEET_STANZA)); n++) {
		const char *id = memmem(s->r.xml.p, s->r.xml.len, "id='m", 5);
		assert_non_null(id);
		if (n == 0)
			*first = (unsigned)strtoul(id + 5, NULL, 10);
		assert_int_equal(strtoul(id + 5, NULL, 10), *first + n);
		assert_true(holds(s->r.xml, "<error type='wait'") && holds(s->r.xml, "<resource-constraint "));
		buf_fini(&s->bytes);
		free(s);
	}
	return n;
}

static void who_has_nearly_too_much_is_sent_no_more_and_its_senders_hear(void **state)
{
	struct rig_client juliet = log_in();
	unsigned first = 0, n;
	node.settings.late_max = 4u << 20;
	other_claims("romeo@localhost");
	they_flood(&juliet, 0, 1500); /* 6 MB */
	assert_true(stream_of(&juliet)->outlet.choked);
	assert_in_range(conn_unsent(stream_of(&juliet)->conn), 4u << 20, (4u << 20) + 2 * BODY_BYTES);
	n = refused(&first);
	assert_int_equal(n, 1500 - first);
	all_came_in_order(&juliet, first);
	RIG_UNTIL((rig_heard(&juliet, "?"), !stream_of(&juliet)->outlet.choked));
	they_flood(&juliet, 1500, 1501);
	RIG_UNTIL(rig_heard(&juliet, "id='m1500'"));
	rig_hang_up(&juliet);
}

/* Whoever of her clients would have got it: none gets what not all do. */
static void an_account_is_sent_no_more_while_one_of_its_clients_has_too_much(void **state)
{
	char user[16], bare[64];
	unsigned first = 0;
	account_with_place(1, user, bare);
	struct rig_client juliet = rig_login(0, user, "r"), phone = rig_login(0, user, "phone");
	struct frame_record r = record(FLEET_STANZA, bare, 0);
	node.settings.late_max = 4u << 20;
	other_claims("romeo@localhost");
	rig_say(&juliet, "<presence/>");
	rig_say(&phone, "<presence/>");
	RIG_HEAR(&phone, "from='");
	they_flood(&juliet, 0, 1500);
	while (refused(&first))
		;
	r.xml = arena_str(keep, message_to(bare, 2000));
	other_says(r);
	struct frame_record back = expect(FLEET_STANZA);
	assert_true(holds(back.xml, "id='m2000'") && holds(back.xml, "<resource-constraint "));
	rig_say(&phone, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
	RIG_UNTIL(rig_heard(&phone, "id='p'"));
	assert_false(rig_heard(&phone, "id='m2000'"));
	rig_hang_up(&juliet);
	rig_hang_up(&phone);
}

static void what_waits_for_who_is_flooded_has_a_ceiling(void **state)
{
	struct rig_client juliet = log_in();
	unsigned n = (unsigned)((node.settings.out_max + node.settings.late_max) / BODY_BYTES);
	type = "error"; /* which nobody can refuse */
	they_flood(&juliet, 0, n * 3 / 4);
	assert_non_null(stream_of(&juliet));
	they_flood(&juliet, n * 3 / 4, n * 5 / 4);
	RIG_UNTIL(!stream_of(&juliet));
	rig_hang_up(&juliet);
}

static size_t late_of(const struct rig_client *c)
{
	return conn_unsent(stream_of(c)->conn) - node.settings.out_max;
}

/* Both are on one worker. What has come to the mark is for the one who has it; the other's senders hear. */
static void what_waits_for_all_who_are_flooded_has_a_ceiling(void **state)
{
	struct rig_client juliet = log_in(), nurse = log_in();
	unsigned first = 0, n;
	node.settings.late_all = node.n_workers * (4u << 20);
	other_claims("romeo@localhost");
	they_flood(&juliet, 0, 900);
	they_flood(&nurse, 0, 1000);
	assert_int_equal(node_metric(&node, METRIC_LATE_BYTES), late_of(&juliet) + late_of(&nurse));
	assert_in_range(node_metric(&node, METRIC_LATE_BYTES), 3u << 20, (3u << 20) + 2 * BODY_BYTES);
	n = refused(&first);
	assert_int_equal(n, 1000 - first);
	assert_false(stream_of(&juliet)->outlet.choked);
	type = "error"; /* which nobody can refuse */
	they_flood(&nurse, 1000, 1500);
	RIG_UNTIL(!stream_of(&nurse));
	assert_int_equal(node_metric(&node, METRIC_LATE_BYTES), late_of(&juliet));
	all_came_in_order(&juliet, 900);
	assert_int_equal(node_metric(&node, METRIC_LATE_BYTES), 0);
	rig_hang_up(&juliet);
	rig_hang_up(&nurse);
}

static void nobody_waits_for_who_never_reads_and_the_ceiling_is_the_old_one(void **state)
{
	struct rig_client juliet = log_in();
	node.settings.unsent_wait_ms = 100;
	they_flood(&juliet, 0, 500);
	expect_brake(true);
	expect_brake(false);
	assert_non_null(stream_of(&juliet));
	they_flood(&juliet, 500, 501);
	RIG_UNTIL(!stream_of(&juliet));
	rig_hang_up(&juliet);
}

static void a_node_of_an_older_version_is_not_told(void **state)
{
	struct rig_client juliet = log_in();
	other_speaks = REIN_PROTOCOL - 1;
	look(NODE_UP);
	while (next_of(FLEET_BRAKE))
		;
	they_flood(&juliet, 0, 200);
	assert_true(stream_of(&juliet)->jam != NULL);
	assert_null(next_of(FLEET_BRAKE));
	all_came_in_order(&juliet, 200);
	assert_null(next_of(FLEET_BRAKE));
	rig_hang_up(&juliet);
}

static void who_is_flooded_and_dies_lets_the_flooder_go(void **state)
{
	struct rig_client juliet = log_in();
	they_flood(&juliet, 0, 200);
	expect_brake(true);
	rig_hang_up(&juliet);
	expect_brake(false);
}

/* romeo sends so many to a client of ours that is at home there. */
static void flood_down(const char *bare, uint64_t edge, unsigned n)
{
	struct frame_record down = record(FLEET_DOWN, bare, edge);
	static uint64_t name; /* what is posted borrows it */
	name = htole64(THEIRS);
	down.oseq = OTHER;
	down.from = str_span((const char *)&name, sizeof name);
	for (unsigned i = 0; i < n; i++) {
		down.xml = arena_str(keep, message_to(bare, i));
		other_says(down);
		if (i % 16 == 0)
			rig_turn();
	}
	rig_turns(2);
}

/* The same where the recipient is at home at the other node, and its client here. */
static void an_edge_tells_whose_client_fills_it(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client juliet = far_login(user, &edge);
	flood_down(bare, edge, 500);
	expect_brake(true);
	assert_null(next_of(FLEET_BRAKE));
	all_came_in_order(&juliet, 500);
	expect_brake(false);
	rig_hang_up(&juliet);
	assert_int_equal(expect(FLEET_GONE).dst_sid, 77);
}

static void expect_choke(const char *bare, uint64_t edge, bool on)
{
	struct frame_record r = expect(FLEET_CHOKE);
	assert_int_equal(r.dst_fp, fp(bare));
	assert_int_equal(r.dst_sid, 77);
	assert_int_equal(r.osm, edge);
	assert_int_equal(r.rule, on);
}

/* A client here whose home is the other node, which has heard that it has nearly too much. */
static struct rig_client choked(char user[16], char bare[64], uint64_t *edge)
{
	account_with_place(1, user, bare);
	other_claims(bare);
	other_speaks = FLEET_CHOKES;
	look(NODE_UP);
	node.settings.late_max = 4u << 20;
	struct rig_client c = far_login(user, edge);
	flood_down(bare, *edge, 1150);
	expect_choke(bare, *edge, true);
	return c;
}

/* So that it refuses what comes. */
static void an_edge_whose_client_has_nearly_too_much_tells_its_home(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	struct rig_client juliet = choked(user, bare, &edge);
	all_came_in_order(&juliet, 1150); /* what was under way, too */
	expect_choke(bare, edge, false);
	rig_hang_up(&juliet);
	assert_int_equal(expect(FLEET_GONE).dst_sid, 77);
}

static void the_next_home_of_an_edge_is_told_so_too(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	struct rig_client juliet = choked(user, bare, &edge);
	other_says(record(FLEET_REHOME, bare, edge));
	struct frame_record last = expect(FLEET_UP), bound = record(FLEET_BOUND, bare, edge);
	last.kind = FLEET_BACK;
	last.dst_sid = edge;
	last.osm = 77;
	other_says(last);
	expect(FLEET_BIND);
	bound.osm = 78;
	other_says(bound);
	struct frame_record choke = expect(FLEET_CHOKE);
	assert_true(choke.dst_sid == 78 && choke.osm == edge && choke.rule == true);
	all_came_in_order(&juliet, 1150);
	rig_hang_up(&juliet);
}

static void a_home_of_an_older_version_is_not_told_so(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	other_claims(bare);
	other_speaks = FLEET_CHOKES - 1;
	look(NODE_UP);
	node.settings.late_max = 4u << 20;
	struct rig_client juliet = far_login(user, &edge);
	flood_down(bare, edge, 1150);
	assert_null(next_of(FLEET_CHOKE));
	all_came_in_order(&juliet, 1150);
	assert_null(next_of(FLEET_CHOKE));
	rig_hang_up(&juliet);
}

static void a_home_that_is_told_so_refuses_what_comes(void **state)
{
	struct rig_client juliet = login_here("r"), romeo = login_here("r");
	struct frame_record choke = record(FLEET_CHOKE, juliet.bare, 0);
	const char *text = arena_printf(keep, "<message to='%s/far' id='1'><body>hello</body></message>", juliet.bare).p;
	other_says(bind_of_far(juliet.bare));
	choke.dst_sid = expect(FLEET_BOUND).osm;
	choke.osm = 9;
	choke.rule = true;
	other_says(choke);
	rig_turns(4);
	rig_say(&romeo, text);
	RIG_HEAR(&romeo, "<resource-constraint ");
	assert_null(next_of(FLEET_DOWN));
	choke.rule = false;
	other_says(choke);
	rig_turns(4);
	rig_say(&romeo, text);
	assert_true(holds(expect(FLEET_DOWN).xml, "hello"));
	rig_hang_up(&juliet);
	rig_hang_up(&romeo);
}

/* Most waits for a store are over before anybody need know. */
static void a_store_that_is_behind_is_told_of_and_one_that_is_not_is_not(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client nobody = { .fd = -1 };
	snprintf(nobody.bare, sizeof nobody.bare, "%s", bare);
	int64_t kept = node_metric(&node, METRIC_OFFLINE_STORED_TOTAL), told = node_metric(&node, METRIC_BRAKES_TOLD_TOTAL);
	for (unsigned i = 0; i < 20; i++) {
		they_flood(&nobody, i, i + 1);
		RIG_UNTIL(node_metric(&node, METRIC_OFFLINE_STORED_TOTAL) - kept == i + 1);
	}
	assert_true(node_metric(&node, METRIC_BRAKES_TOLD_TOTAL) - told < 10); /* a machine may stand still now and then */
	while (next_of(FLEET_BRAKE))
		;
	node.store = fault_store_open(&node.store, 1, &(struct fault_odds){ 0 }, &(struct store_options){ .max_waiting_bytes = 1 << 20 });
	node.hosts[0]->store = node.store;
	fault_store_set(node.store, &(struct fault_odds){ .delay_min_ms = 200 });
	they_flood(&nobody, 20, 21);
	expect_brake(true);
	expect_brake(false);
	RIG_UNTIL(node_metric(&node, METRIC_OFFLINE_STORED_TOTAL) - kept == 21);
}

/* ---- here is the sender ---- */

static struct frame_record brake_on_us(const struct rig_client *c, uint32_t for_ms)
{
	struct frame_record r = { .kind = FLEET_BRAKE, .ttl = FRAME_TTL, .dst_fp = node.n_workers + c->worker, .oseq = for_ms };
	r.dst_sid = rig_session(c, "r")->sid;
	return r;
}

static unsigned holds_of(const struct rig_client *c)
{
	return stream_of(c)->holds;
}

static void what_a_client_sends_names_it(void **state)
{
	char user[16], bare[64];
	account_with_place(OTHER, user, bare);
	struct rig_client romeo = log_in();
	rig_say(&romeo, arena_printf(keep, "<message to='%s' type='chat'><body>named</body></message>", bare).p);
	struct frame_record r = expect(FLEET_STANZA);
	assert_true(holds(r.xml, "named"));
	assert_int_equal(r.oseq, 1);
	struct sender s = rein_sender(nw_of(node.workers[0]), r.oseq, r.osm);
	assert_ptr_equal(s.worker, node.workers[romeo.worker]);
	assert_int_equal(s.sid, rig_session(&romeo, "r")->sid);
	rig_hang_up(&romeo);
}

static void a_name_that_is_none_is_nobodys(void **state)
{
	const struct node_worker *nw = nw_of(node.workers[0]);
	assert_int_equal(rein_sender(nw, 0, THEIRS).sid, 0);
	assert_int_equal(rein_sender(nw, OTHER, 0).sid, 0);
	assert_int_equal(rein_sender(nw, 1, THEIRS).sid, 0); /* we have no worker 3 */
	assert_int_equal(rein_sender(nw, 1, UINT64_C(1) << 56).sid, 0);
}

static void a_client_is_not_read_while_another_node_brakes_it(void **state)
{
	struct rig_client romeo = log_in();
	other_says(brake_on_us(&romeo, 3000));
	RIG_UNTIL(holds_of(&romeo) == 1);
	other_says(brake_on_us(&romeo, 3000));
	rig_turns(4);
	assert_int_equal(holds_of(&romeo), 1);
	assert_int_equal(node_metric(&node, METRIC_BRAKED), 1);
	struct frame_record second = brake_on_us(&romeo, 3000); /* of another worker there */
	second.osm = 1;
	other_says(second);
	RIG_UNTIL(holds_of(&romeo) == 2);
	other_says(brake_on_us(&romeo, 0));
	RIG_UNTIL(holds_of(&romeo) == 1);
	second.oseq = 0;
	other_says(second);
	RIG_UNTIL(holds_of(&romeo) == 0);
	other_says(second);
	rig_turns(4);
	assert_int_equal(node_metric(&node, METRIC_BRAKED), 0);
	rig_hang_up(&romeo);
}

static void a_brake_that_is_not_renewed_comes_off(void **state)
{
	struct rig_client romeo = log_in();
	other_says(brake_on_us(&romeo, 50));
	RIG_UNTIL(holds_of(&romeo) == 1);
	RIG_UNTIL(holds_of(&romeo) == 0);
	assert_int_equal(node_metric(&node, METRIC_BRAKED), 0);
	rig_hang_up(&romeo);
}

static void no_brake_outlasts_the_longest(void **state)
{
	struct rig_client romeo = log_in();
	uint64_t begin = nw_of(node.workers[romeo.worker])->worker->now_ms;
	other_says(brake_on_us(&romeo, UINT32_MAX));
	RIG_UNTIL(holds_of(&romeo) == 1);
	RIG_UNTIL(holds_of(&romeo) == 0);
	assert_in_range(nw_of(node.workers[romeo.worker])->worker->now_ms - begin, REIN_MAX_MS - 100, 10 * REIN_MAX_MS);
	rig_hang_up(&romeo);
}

static void a_client_that_leaves_while_braked_is_not_missed(void **state)
{
	struct rig_client romeo = log_in();
	struct frame_record r = brake_on_us(&romeo, 3000);
	other_says(r);
	RIG_UNTIL(holds_of(&romeo) == 1);
	conn_abort(stream_of(&romeo)->conn, END_RESET);
	RIG_UNTIL(!rig_session(&romeo, "r"));
	other_says(r); /* renewed */
	r.oseq = 0;
	other_says(r);
	RIG_UNTIL(node_metric(&node, METRIC_BRAKED) == 0);
	r.oseq = 3000;
	other_says(r);
	rig_turns(4);
	assert_int_equal(node_metric(&node, METRIC_BRAKED), 0);
	rig_hang_up(&romeo);
}

static void a_brake_that_is_on_when_the_node_ends_is_no_leak(void **state)
{
	struct rig_client romeo = log_in(), juliet = log_in();
	other_says(brake_on_us(&romeo, 3000));
	RIG_UNTIL(holds_of(&romeo) == 1);
	they_flood(&juliet, 0, 200);
	expect_brake(true);
	rig_hang_up(&romeo);
	rig_hang_up(&juliet);
}

int main(void)
{
#define NEW(f) cmocka_unit_test_setup_teardown(f, set_up_new, tear_down)
	const struct CMUnitTest cases[] = {
		NEW(who_floods_from_another_node_is_told_once_to_wait),
		NEW(of_many_each_waits_for_the_little_that_he_sends),
		NEW(a_brake_is_renewed_while_it_is_on),
		NEW(who_has_nearly_too_much_is_sent_no_more_and_its_senders_hear),
		NEW(an_account_is_sent_no_more_while_one_of_its_clients_has_too_much),
		NEW(what_waits_for_who_is_flooded_has_a_ceiling),
		NEW(what_waits_for_all_who_are_flooded_has_a_ceiling),
		NEW(nobody_waits_for_who_never_reads_and_the_ceiling_is_the_old_one),
		NEW(a_node_of_an_older_version_is_not_told),
		NEW(who_is_flooded_and_dies_lets_the_flooder_go),
		NEW(an_edge_tells_whose_client_fills_it),
		NEW(an_edge_whose_client_has_nearly_too_much_tells_its_home),
		NEW(the_next_home_of_an_edge_is_told_so_too),
		NEW(a_home_of_an_older_version_is_not_told_so),
		NEW(a_home_that_is_told_so_refuses_what_comes),
		NEW(a_store_that_is_behind_is_told_of_and_one_that_is_not_is_not),
		NEW(what_a_client_sends_names_it),
		NEW(a_name_that_is_none_is_nobodys),
		NEW(a_client_is_not_read_while_another_node_brakes_it),
		NEW(a_brake_that_is_not_renewed_comes_off),
		NEW(no_brake_outlasts_the_longest),
		NEW(a_client_that_leaves_while_braked_is_not_missed),
		NEW(a_brake_that_is_on_when_the_node_ends_is_no_leak),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
