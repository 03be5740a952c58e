/* What is for accounts on a node that takes too little: presence waits, IQs are refused, messages go on for a while (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/jam.h"
#include "node/core/router.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"

static char contact[64]; /* at home there; our first worker's */

static void other_is_slow(bool slow)
{
	other_slow = slow;
	look(NODE_UP);
}

/* Forgets what was sent so far. */
static void begin(void)
{
	static unsigned number;
	do {
		snprintf(contact, sizeof contact, "contact%u@localhost", ++number);
	} while (node_shard(&node, str_of(contact))->index != 0);
	other_claims(contact);
	other_is_slow(true);
	assert_null(next_of(255));
}

struct saying {
	struct message message;
	struct str xml;
};

static void on_saying(struct worker *w, struct message *m, bool cancelled)
{
	struct saying *s = (struct saying *)m;
	enum stanza_error e;
	struct arena *a = arena_new(s->xml.len + 1024);
	struct stanza *st = stanza_from_elem(&a, xml_fragment_read(nw_of(w)->parser, s->xml, a), NS_CLIENT, &e);
	assert_non_null(st);
	assert_int_equal(e, STANZA_ERROR_NONE);
	router_route(nw_of(w), st);
	free(s);
}

/* Somebody of ours sends it to the contact: `head` is what stands before the addresses, `tail` what comes after them. */
static void say(const char *head, const char *from, const char *tail)
{
	struct saying *s = calloc(1, sizeof *s);
	*s = (struct saying){ .message.run = on_saying, .xml = arena_printf(keep, "<%s from='%s' to='%s'%s", head, from, contact, tail) };
	worker_post(node.workers[0], &s->message);
	rig_turns(4);
}

static void assert_sent(const char *what)
{
	struct sent *s = next_of(FLEET_STANZA);
	assert_non_null(s);
	if (!holds(s->r.xml, what))
		fail_msg("expected %s in %.*s", what, STR_ARG(s->r.xml));
	buf_fini(&s->bytes);
	free(s);
}

static void assert_nothing_sent(void)
{
	assert_null(next_of(FLEET_STANZA));
}

static void only_the_last_presence_is_sent_when_a_node_takes_it_again(void **state)
{
	begin();
	int64_t before = node_metric(&node, METRIC_PRESENCES_COALESCED_TOTAL);
	say("presence", "romeo@localhost/r", "><status>one</status></presence>");
	say("presence", "romeo@localhost/r", " type='probe'/>");
	say("presence", "romeo@localhost/garden", "><status>here</status></presence>");
	say("presence", "romeo@localhost/r", "><status>two</status></presence>");
	say("presence", "romeo@localhost/r", " type='probe'/>");
	say("presence", "romeo@localhost/garden", " type='unavailable'/>");
	look(NODE_UP); /* another view that says the same */
	assert_nothing_sent();
	assert_int_equal(node_metric(&node, METRIC_PRESENCES_COALESCED_TOTAL) - before, 3);
	other_is_slow(false);
	assert_sent("<status>two</status>");
	assert_sent("type='probe'");
	assert_sent("type='unavailable'");
	assert_nothing_sent();
}

static void what_goes_on_goes_after_what_was_kept(void **state)
{
	begin();
	say("presence", "romeo@localhost/r", "><status>one</status></presence>");
	say("presence", "juliet@localhost/r", "><status>hers</status></presence>");
	say("message", "romeo@localhost/r", " type='chat'><body>hello</body></message>");
	assert_sent("<status>one</status>");
	assert_sent("<body>hello</body>");
	assert_nothing_sent();
	say("presence", "juliet@localhost", " type='subscribed'/>");
	assert_sent("<status>hers</status>");
	assert_sent("type='subscribed'");
	say("iq id='1' type='result'", "juliet@localhost/r", "/>");
	say("message type='error'", "juliet@localhost/r", "/>");
	say("presence type='error'", "juliet@localhost/r", "/>");
	assert_sent("<iq");
	assert_sent("<message");
	assert_sent("<presence");
}

static void a_request_is_refused_and_may_be_made_again(void **state)
{
	struct rig_client c = login_here("r");
	begin();
	rig_say(&c, arena_printf(keep, "<iq type='get' id='q' to='%s/r'><ping xmlns='urn:xmpp:ping'/></iq>", contact).p);
	RIG_HEAR(&c, "<error type='wait'><resource-constraint");
	assert_nothing_sent();
	other_is_slow(false);
	rig_say(&c, arena_printf(keep, "<iq type='get' id='q' to='%s/r'><ping xmlns='urn:xmpp:ping'/></iq>", contact).p);
	RIG_UNTIL(sent && sent->r.kind == FLEET_STANZA);
	assert_sent("<ping");
	rig_hang_up(&c);
}

static void messages_go_on_up_to_a_ceiling(void **state)
{
	enum { SIZE = 200000 };
	char *body = malloc(SIZE + 1);
	unsigned n = 0;
	struct rig_client c = login_here("r");
	begin();
	memset(body, 'x', SIZE);
	body[SIZE] = '\0';
	const char *from = arena_printf(keep, "%s/r", c.bare).p;
	const char *tail = arena_printf(keep, " type='chat'><body>%s</body></message>", body).p;
	for (; !rig_heard(&c, "<resource-constraint"); n++)
		say("message", from, tail);
	assert_in_range(n, JAM_MESSAGES / (2 * SIZE), JAM_MESSAGES / SIZE + 1);
	while (--n)
		assert_sent("<body>xxx");
	assert_nothing_sent();
	buf_clear(&c.heard);
	other_is_slow(false);
	other_is_slow(true); /* another time, another ceiling */
	say("message", from, tail);
	assert_sent("<body>xxx");
	assert_false(rig_heard(&c, "<resource-constraint"));
	free(body);
	rig_hang_up(&c);
}

static void past_a_ceiling_presence_goes_on(void **state)
{
	begin();
	for (unsigned i = 0; i < JAM_PER_PAIR; i++)
		say("presence", arena_printf(keep, "romeo@localhost/r%u", i).p, "/>");
	assert_nothing_sent();
	say("presence", "romeo@localhost/more", "/>");
	for (unsigned i = 0; i < JAM_PER_PAIR; i++)
		assert_sent(arena_printf(keep, "romeo@localhost/r%u'", i).p);
	assert_sent("romeo@localhost/more");
	assert_nothing_sent();
}

static void what_waits_has_so_many_bytes(void **state)
{
	enum { SIZE = 200000 };
	char *status = malloc(SIZE + 1);
	begin();
	memset(status, 'x', SIZE);
	status[SIZE] = '\0';
	const char *tail = arena_printf(keep, "><status>%s</status></presence>", status).p;
	unsigned n = 0;
	while (!sent && n < 2 * JAM_BYTES / SIZE)
		say("presence", arena_printf(keep, "sender%u@localhost/r", n++).p, tail);
	assert_in_range(n, JAM_BYTES / (2 * SIZE), JAM_BYTES / SIZE + 1);
	assert_sent(arena_printf(keep, "sender%u@localhost/r", n - 1).p); /* only he */
	assert_nothing_sent();
	other_is_slow(false);
	for (unsigned i = 0; i + 1 < n; i++)
		assert_sent(arena_printf(keep, "sender%u@localhost/r'", i).p);
	assert_nothing_sent();
	free(status);
}

static void what_replaces_what_waits_has_so_many_bytes(void **state)
{
	enum { SIZE = 200000, SENDERS = 2 * JAM_BYTES / SIZE };
	char *status = malloc(SIZE + 1);
	begin();
	memset(status, 'x', SIZE);
	status[SIZE] = '\0';
	const char *tail = arena_printf(keep, "><status>%s</status></presence>", status).p;
	for (unsigned i = 0; i < SENDERS; i++)
		say("presence", arena_printf(keep, "sender%u@localhost/r", i).p, "/>");
	assert_null(sent);
	unsigned n = 0;
	while (!sent && n < SENDERS)
		say("presence", arena_printf(keep, "sender%u@localhost/r", n++).p, tail);
	assert_in_range(n, JAM_BYTES / (2 * SIZE), JAM_BYTES / SIZE + 1);
	const char *last = arena_printf(keep, "sender%u@localhost/r'", n - 1).p;
	assert_sent(last); /* what waited goes before */
	assert_sent("<status>xxx");
	assert_nothing_sent();
	free(status);
}

/* From a node that believes the account at home here still. */
static void hear(const char *head, const char *from, const char *tail)
{
	struct frame_record r = record(FLEET_STANZA, contact, 0);
	r.xml = arena_printf(keep, "<%s from='%s' to='%s'%s", head, from, contact, tail);
	other_says(r);
	rig_turns(4);
}

static void what_goes_on_from_another_node_waits_as_well(void **state)
{
	begin();
	hear("presence", "romeo@localhost/r", "><status>one</status></presence>");
	assert_nothing_sent();
	hear("presence", "romeo@localhost/r", " type='unavailable'/>");
	assert_nothing_sent();
	other_is_slow(false);
	assert_sent("type='unavailable'");
	assert_nothing_sent();
	hear("presence", "romeo@localhost/r", "><status>two</status></presence>");
	assert_sent("<status>two</status>");
}

static void what_goes_on_from_another_node_does_not_overtake(void **state)
{
	begin();
	say("presence", "romeo@localhost/r", "/>");
	hear("message", "romeo@localhost/r", " type='chat'><body>hello</body></message>");
	assert_sent("<presence");
	assert_sent("<body>hello</body>");
	assert_nothing_sent();
}

/* The account is at home here from then on, where its client has come. */
static void what_waits_is_delivered_where_its_account_is_at_home_then(void **state)
{
	char user[16];
	account_with_place(1, user, contact);
	other_claims(contact);
	other_is_slow(true);
	say("presence", "romeo@localhost/r", "><status>one</status></presence>");
	other_says(record(HOMES_DEL, contact, 0));
	struct rig_client c = rig_login(0, user, "r");
	rig_say(&c, "<presence/>");
	RIG_HEAR(&c, "<presence");
	fleet_worker_start(nw_of(node.workers[0])->fleet); /* no view tells: its clock does */
	RIG_HEAR(&c, "<status>one</status>");
	worker_timer_cancel(node.workers[0], &nw_of(node.workers[0])->fleet->tick);
	rig_hang_up(&c);
}

/* A contact asks how somebody is, who is at home here by the time the question goes on, and the answer takes along what waits for the
 * contact: there is less left then than there was. */
static void what_waits_may_go_with_an_answer_to_what_waited(void **state)
{
	char user[16], bare[64], asker[64];
	begin();
	memcpy(asker, contact, sizeof asker);
	account_with_place(1, user, bare);
	memcpy(contact, bare, sizeof contact);
	struct rig_client c = rig_login(0, user, "r");
	rig_say(&c, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq><presence/>");
	say("presence", asker, " type='subscribe'/>");
	RIG_HEAR(&c, "type='subscribe'");
	rig_say(&c, arena_printf(keep, "<presence to='%s' type='subscribed'/>", asker).p);
	RIG_HEAR(&c, "subscription='from'");
	rig_hang_up(&c);
	RIG_UNTIL(!user_find(nw_of(node.workers[0]), str_of(bare)));
	other_is_slow(false); /* what the asker was sent so far does not wait */
	assert_null(next_of(255));
	other_is_slow(true);
	other_claims(bare);
	snprintf(contact, sizeof contact, "%s/r", bare);
	say("presence", asker, " type='probe'/>");
	other_says(record(HOMES_DEL, bare, 0));
	c = rig_login(0, user, "r");
	rig_say(&c, "<presence><status>back</status></presence>");
	RIG_HEAR(&c, "<status>back</status>");
	RIG_UNTIL(pool_waiting() == 0);
	rig_turns(4);
	assert_null(next_of(255));
	other_is_slow(false);
	assert_sent("<status>back</status>"); /* what waited */
	assert_sent("<status>back</status>"); /* the answer */
	assert_nothing_sent();
	rig_hang_up(&c);
}

static void what_waits_for_a_node_that_dies_does_not_wait_any_more(void **state)
{
	begin();
	say("presence", "romeo@localhost/r", "><status>one</status></presence>");
	int64_t before = node_metric(&node, METRIC_STANZAS_DROPPED_TOTAL);
	look(NODE_DEAD);
	assert_nothing_sent();
	assert_int_equal(node_metric(&node, METRIC_STANZAS_DROPPED_TOTAL) - before, 1); /* nobody has logged in here */
}

static void ends(struct node_worker *nw)
{
	node.draining = true;
	fleet_farewell(nw);
	node.draining = false;
	nw->fleet->leaving = false;
}

static void nothing_waits_in_a_node_that_ends(void **state)
{
	begin();
	say("presence", "romeo@localhost/r", "><status>one</status></presence>");
	assert_nothing_sent();
	rig_order(0, ends);
	rig_turns(4);
	assert_sent("<status>one</status>");
	say("presence", "romeo@localhost/r", " type='unavailable'/>");
	assert_sent("unavailable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(only_the_last_presence_is_sent_when_a_node_takes_it_again),
		CASE(what_goes_on_goes_after_what_was_kept),
		CASE(a_request_is_refused_and_may_be_made_again),
		CASE(messages_go_on_up_to_a_ceiling),
		CASE(past_a_ceiling_presence_goes_on),
		CASE(what_waits_has_so_many_bytes),
		CASE(what_replaces_what_waits_has_so_many_bytes),
		CASE(what_goes_on_from_another_node_waits_as_well),
		CASE(what_goes_on_from_another_node_does_not_overtake),
		CASE(what_waits_is_delivered_where_its_account_is_at_home_then),
		CASE(what_waits_may_go_with_an_answer_to_what_waited),
		CASE(what_waits_for_a_node_that_dies_does_not_wait_any_more),
		CASE(nothing_waits_in_a_node_that_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
