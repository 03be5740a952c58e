/* One stanza for many who are at home on the other node: what leaves, what comes, what is given back (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

#include "cluster/addressees.h"
#include "node/core/fan.h"
#include "node/core/router.h"

/* ---- the other node, and who is at home there ---- */

/* It speaks this version of the protocol and has so many workers. */
static void other_is(uint8_t speaks)
{
	other_speaks = speaks;
	look(NODE_UP);
}

/* The next name whose account belongs to our first worker; at home there, or nowhere yet. */
static void name_contact(char bare[64], bool there)
{
	static unsigned number;
	do {
		snprintf(bare, 64, "contact%u@localhost", ++number);
	} while (node_shard(&node, str_of(bare))->index != 0);
	if (there)
		other_claims(bare);
}

static struct str xml_of(const char *bare)
{
	return arena_printf(keep, "<presence from='romeo@localhost/r' to='%s'><status>one</status></presence>", bare);
}

/* ---- a worker of ours sends ---- */

struct sending {
	struct message message;
	const char *from, *body; /* body NULL: a message that nobody shares */
	const char (*to)[64];
	unsigned n;
};

static struct stanza *new_stanza(const struct sending *s, const char *to)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, s->body ? STANZA_PRESENCE : STANZA_MESSAGE, s->body ? TYPE_AVAILABLE : TYPE_CHAT);
	struct jid from_jid, to_jid;
	assert_int_equal(jid_parse(a, str_of(s->from), &from_jid), ERR_NONE);
	assert_int_equal(jid_parse(a, str_of(to), &to_jid), ERR_NONE);
	elem_add_text(a, root, STR("status"), arena_str(a, str_of(s->body ? s->body : "alone")));
	return stanza_new(&a, root, &from_jid, &to_jid);
}

static void on_sending(struct worker *w, struct message *m, bool cancelled)
{
	struct sending *s = (struct sending *)m;
	struct stanza *base = new_stanza(s, s->to[0]);
	struct arena *a = arena_new(512);
	if (s->body)
		stanza_prewrite(base);
	for (unsigned i = 0; i < s->n; i++) {
		struct jid to;
		assert_int_equal(jid_parse(a, str_of(s->to[i]), &to), ERR_NONE);
		router_route(nw_of(w), stanza_readdress(base, NULL, &to));
	}
	stanza_unref(base);
	arena_free(a);
	free(s);
}

/* In the pass that the next turn makes, all that was said before it. */
static void worker_sends(const char *from, const char *body, const char (*to)[64], unsigned n)
{
	struct sending *s = calloc(1, sizeof *s);
	*s = (struct sending){ .message.run = on_sending, .from = from, .body = body, .to = to, .n = n };
	worker_post(node.workers[0], &s->message);
}

/* The next stanza that was sent, of whichever kind. */
static struct frame_record next_sent(void)
{
	for (;;) {
		RIG_UNTIL(sent);
		struct frame_record r = expect(sent->r.kind);
		if (r.kind == FLEET_STANZA || r.kind == FLEET_FAN)
			return r;
	}
}

static void assert_others(const struct frame_record *r, const char (*to)[64], unsigned n)
{
	struct str rest = r->to, one;
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(addressees_next(&rest, &one), ERR_NONE);
		assert_true(str_is(one, to[i]));
	}
	assert_int_equal(addressees_next(&rest, &one), ERR_NOT_FOUND);
}

/* ---- out ---- */

static void a_broadcast_goes_to_a_node_once(void **state)
{
	char to[3][64];
	other_is(2);
	for (int i = 0; i < 3; i++)
		name_contact(to[i], true);
	worker_sends("romeo@localhost/r", "one", to, 3);
	struct frame_record r = next_sent();
	assert_int_equal(r.kind, FLEET_FAN);
	assert_int_equal(r.dst_fp, fp(to[0]));
	assert_int_equal(r.ttl, FRAME_TTL);
	assert_true(holds(r.xml, arena_printf(keep, "to='%s'", to[0]).p) && holds(r.xml, "<status>one</status>"));
	assert_others(&r, to + 1, 2);
	rig_turns(4);
	assert_null(next_of(FLEET_STANZA));
}

static void one_recipient_needs_no_fan(void **state)
{
	char to[2][64], user[16];
	other_is(2);
	name_contact(to[0], true);
	account_with_place(1, user, to[1]); /* who is at home here is none of its business */
	worker_sends("romeo@localhost/r", "one", to, 2);
	struct frame_record r = next_sent();
	assert_int_equal(r.kind, FLEET_STANZA);
	assert_int_equal(r.to.len, 0);
	rig_turns(4);
	assert_null(next_of(FLEET_FAN));
}

static void an_older_node_gets_each_alone(void **state)
{
	char to[2][64];
	other_is(1);
	for (int i = 0; i < 2; i++)
		name_contact(to[i], true);
	worker_sends("romeo@localhost/r", "one", to, 2);
	for (int i = 0; i < 2; i++) {
		struct frame_record r = next_sent();
		assert_int_equal(r.kind, FLEET_STANZA);
		assert_int_equal(r.dst_fp, fp(to[i]));
	}
}

static void nothing_overtakes_a_fan(void **state)
{
	char to[2][64];
	other_is(2);
	for (int i = 0; i < 2; i++)
		name_contact(to[i], true);
	worker_sends("romeo@localhost/r", "one", to, 2);
	worker_sends("juliet@localhost/r", NULL, to, 1);
	worker_sends("romeo@localhost/r", "two", to, 2);
	worker_sends("juliet@localhost/r", "mine", to, 2); /* beside his: they may stay open together */
	worker_sends("romeo@localhost/r", "three", to, 2);
	static const char *const expected[] = { "one", "alone", "two", "mine", "three" };
	for (int i = 0; i < 5; i++) {
		struct frame_record r = next_sent();
		assert_int_equal(r.kind, i == 1 ? FLEET_STANZA : FLEET_FAN);
		assert_true(holds(r.xml, expected[i]));
	}
}

static void so_many_fans_are_open_at_once(void **state)
{
	char to[1][64], from[FANS_OPEN + 1][64];
	other_is(2);
	name_contact(to[0], true);
	rig_turns(4);
	while (sent)
		(void)expect(sent->r.kind);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i <= FANS_OPEN; i++) {
			snprintf(from[i], sizeof from[i], "sender%d@localhost/r", i);
			worker_sends(from[i], from[i], to, 1);
		}
	for (int i = 0; i < 2 * (FANS_OPEN + 1); i++)
		assert_true(holds(next_sent().xml, from[i % (FANS_OPEN + 1)]));
}

static void a_fan_has_so_many_recipients(void **state)
{
	enum { N = ADDRESSEES_MAX + 3 };
	char(*to)[64] = calloc(N, sizeof *to);
	other_is(2);
	for (unsigned i = 0; i < N; i++)
		name_contact(to[i], true);
	worker_sends("romeo@localhost/r", "one", to, N);
	struct frame_record r = next_sent();
	assert_int_equal(r.kind, FLEET_FAN);
	assert_others(&r, to + 1, ADDRESSEES_MAX);
	r = next_sent();
	assert_int_equal(r.dst_fp, fp(to[ADDRESSEES_MAX + 1]));
	assert_others(&r, to + ADDRESSEES_MAX + 2, 1);
	free(to);
}

/* ---- in ---- */

static struct frame_record fan_to(const char (*to)[64], unsigned n)
{
	struct frame_record r = record(FLEET_FAN, to[0], 0);
	struct buf run;
	buf_init(&run, ADDRESSEES_BYTES);
	for (unsigned i = 1; i < n; i++)
		assert_int_equal(addressees_add(&run, i - 1, str_of(to[i])), ERR_NONE);
	r.to = arena_str(keep, buf_str(&run));
	r.rule = STANZA_PRESENCE;
	r.xml = xml_of(to[0]);
	buf_fini(&run);
	return r;
}

/* Two clients of the first worker, with presence. */
static void two_clients(struct rig_client c[2], char to[2][64])
{
	for (int i = 0; i < 2; i++) {
		char user[16];
		account_with_place(1, user, to[i]);
		c[i] = rig_login(0, user, "r");
		rig_say(&c[i], "<presence/>");
		RIG_HEAR(&c[i], arena_printf(keep, "from='%s/r'", to[i]).p);
	}
}

static void each_recipient_gets_a_fan_that_comes_once(void **state)
{
	char to[2][64];
	struct rig_client c[2];
	two_clients(c, to);
	struct frame_record r = fan_to(to, 2);
	other_says(r);
	for (int i = 0; i < 2; i++) {
		RIG_HEAR(&c[i], arena_printf(keep, "to='%s'><status>one</status>", to[i]).p);
		assert_false(rig_heard(&c[i], "<status>one</status>"));
		rig_hang_up(&c[i]);
	}
}

static void a_fan_of_nonsense_reaches_nobody(void **state)
{
	char to[2][64];
	struct rig_client c[2];
	two_clients(c, to);
	struct frame_record r = fan_to(to, 2);
	r.to = STR("\xff\xffromeo@localhost");
	other_says(r);
	r = fan_to(to, 2);
	r.xml = STR("<presence");
	other_says(r);
	r = fan_to(to, 2);
	r.xml = STR("<presence><status>one</status></presence>");
	other_says(r);
	rig_turns(10);
	for (int i = 0; i < 2; i++)
		assert_false(rig_heard(&c[i], "<status>one</status>"));
	/* Of a sound run only what is wrong with an address of it is passed over: here one that is none, and one of the other worker. */
	char mixed[4][64], stranger[16];
	memcpy(mixed[0], to[0], 64);
	snprintf(mixed[1], 64, "@/");
	do {
		rig_account_on(1, stranger);
		snprintf(mixed[2], 64, "%s@localhost", stranger);
	} while (homes_where(nw_of(node.workers[1])->fleet->homes, fp(mixed[2])) != 1);
	memcpy(mixed[3], to[1], 64);
	struct rig_client d = rig_login(0, stranger, "r");
	rig_say(&d, "<presence/>");
	other_says(fan_to(mixed, 4));
	for (int i = 0; i < 2; i++) {
		RIG_HEAR(&c[i], "<status>one</status>");
		rig_hang_up(&c[i]);
	}
	rig_turns(4);
	assert_false(rig_heard(&d, "<status>one</status>"));
	rig_hang_up(&d);
}

static void a_fan_follows_those_whose_home_has_moved(void **state)
{
	char to[4][64];
	struct rig_client c[2];
	other_is(2);
	two_clients(c, to);
	name_contact(to[2], true);
	name_contact(to[3], true);
	struct frame_record r = fan_to(to, 4);
	other_says(r);
	RIG_HEAR(&c[1], "<status>one</status>");
	r = expect(FLEET_FAN);
	assert_int_equal(r.ttl, FRAME_TTL - 1);
	assert_int_equal(r.dst_fp, fp(to[2]));
	assert_others(&r, to + 3, 1);
	r = fan_to(to, 4);
	r.ttl = 1; /* it has gone in circles */
	other_says(r);
	rig_turns(10);
	assert_null(next_of(FLEET_FAN));
	for (int i = 0; i < 2; i++)
		rig_hang_up(&c[i]);
}

/* ---- given back ---- */

static void a_fan_that_a_dead_node_did_not_take_is_taken_apart(void **state)
{
	char to[3][64];
	struct rig_client c[2];
	two_clients(c, to);
	name_contact(to[2], true); /* at home there, and nobody's now */
	post(fan_to(to, 3), true);
	rig_turns(4);
	for (int i = 0; i < 2; i++)
		assert_false(rig_heard(&c[i], "<status>one</status>"));
	look(NODE_DEAD);
	for (int i = 0; i < 2; i++) {
		RIG_HEAR(&c[i], "<status>one</status>");
		rig_hang_up(&c[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_broadcast_goes_to_a_node_once),
		CASE(one_recipient_needs_no_fan),
		CASE(an_older_node_gets_each_alone),
		CASE(nothing_overtakes_a_fan),
		CASE(so_many_fans_are_open_at_once),
		CASE(a_fan_has_so_many_recipients),
		CASE(each_recipient_gets_a_fan_that_comes_once),
		CASE(a_fan_of_nonsense_reaches_nobody),
		CASE(a_fan_follows_those_whose_home_has_moved),
		CASE(a_fan_that_a_dead_node_did_not_take_is_taken_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
