/* Places of a service on one node of two (fleet_rig.h), whose registry grants every claim. */
#define EXTRA_MODULES(X) X(parrot)
#include "node/modules.c"

#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/jam.h"
#include "node/core/leash.h"
#include "node/core/placing.h"
#include "node/core/router.h"

/* ---- a service that says everything again; its state is what it heard last ---- */

static unsigned begun, ended;
static char heard[64];

static struct str domain(struct host *h)
{
	return STR("parrot.localhost");
}

static void begin(struct place *p, struct str state)
{
	begun++;
	snprintf(heard, sizeof heard, "%.*s", STR_ARG(state));
}

static void freeze(struct place *p, struct buf *out)
{
	buf_addz(out, heard);
}

static void end(struct place *p)
{
	ended++;
}

static int take(struct place *p, struct stanza *st)
{
	if (st->kind != STANZA_MESSAGE)
		return st->kind == STANZA_IQ ? -STANZA_FORBIDDEN : PASS;
	snprintf(heard, sizeof heard, "%.*s", STR_ARG(st->id));
	if (str_is(st->id, "enough"))
		place_close(p);
	router_route(p->nw, stanza_readdress(st, &p->jid, &st->from));
	return DONE;
}

static int domain_take(struct node_worker *nw, struct host *h, struct stanza *st)
{
	return -STANZA_NOT_ALLOWED;
}

static const struct service service = {
	.domain = domain, .begin = begin, .freeze = freeze, .end = end, .take = take, .domain_take = domain_take,
};
const struct module mod_parrot = { .name = "parrot", .doc = "A parrot.", .service = &service };

/* ---- */

static struct rig_client client;

static int set_up_places(void **state)
{
	begun = ended = 0;
	places_granted = 100;
	set_up(state);
	other_speaks = PLACES_PROTOCOL;
	look(NODE_UP);
	char user[16], bare[64];
	account_with_place(1, user, bare);
	client = rig_login(0, user, "r");
	return 0;
}

static int tear_down_places(void **state)
{
	rig_hang_up(&client);
	places_granted = 0;
	return tear_down(state);
}

/* A name that hashing puts on this node. */
static const char *name_at(uint32_t epoch)
{
	for (unsigned i = 0;; i++) {
		const char *name = arena_printf(keep, "p%u@parrot.localhost", i).p;
		if (view_place_of(nw_of(node.workers[0])->fleet->view, fp(name), PLACES_PROTOCOL) == epoch)
			return name;
	}
}

static struct frame_record place_record(unsigned kind, const char *name)
{
	struct frame_record r = record(FLEET_PLACE + kind, name, 0);
	r.to = str_of(name);
	return r;
}

static void say(const char *to, const char *id)
{
	rig_say(&client, arena_printf(keep, "<message to='%s' id='%s'><body>%s</body></message>", to, id, id).p);
}

static void a_place_here_answers_and_its_errors_are_heard(void **state)
{
	const char *name = name_at(1);
	say(name, "one");
	RIG_HEAR(&client, "id='one'");
	say(name, "two");
	RIG_HEAR(&client, "id='two'");
	assert_int_equal(begun, 1);
	rig_say(&client, arena_printf(keep, "<iq type='get' id='q' to='%s'><x xmlns='y'/></iq>", name).p);
	RIG_HEAR(&client, "<forbidden");
	rig_say(&client, "<iq type='get' id='q' to='parrot.localhost'><x xmlns='y'/></iq>");
	RIG_HEAR(&client, "<not-allowed");
	rig_say(&client, "<message to='x@carrot.localhost' id='z'/>");
	RIG_HEAR(&client, "<remote-server-not-found");
	say(name, "enough");
	RIG_HEAR(&client, "id='enough'");
	RIG_UNTIL(ended == 1);
	say(name, "again");
	RIG_HEAR(&client, "id='again'");
	assert_int_equal(begun, 2);
}

static void a_place_elsewhere_gets_what_is_sent_to_it_and_its_answers_come(void **state)
{
	const char *name = name_at(OTHER);
	say(name, "far");
	struct frame_record data = expect(FLEET_PLACE + PLACES_DATA);
	assert_true(str_is(data.to, name) && holds(data.xml, "<body>far</body>"));
	assert_int_equal(begun, 0);
	struct frame_record answer = record(FLEET_STANZA, client.bare, 0);
	answer.xml = arena_printf(keep, "<message from='%s' to='%s/r' id='back'/>", name, client.bare);
	other_says(answer);
	RIG_HEAR(&client, "id='back'");
}

static void a_place_comes_with_its_state_and_goes_with_it(void **state)
{
	const char *name = name_at(1);
	struct frame_record come = place_record(PLACES_STATE, name);
	come.rule = 1;
	come.osm = 50;
	come.dst_sid = OTHER;
	come.xml = STR("learnt there");
	other_says(come);
	assert_int_equal(expect(FLEET_PLACE + PLACES_GOT).osm, 50);
	struct frame_record yours = place_record(PLACES_YOURS, name);
	yours.rule = 1;
	yours.osm = 50;
	other_says(yours);
	RIG_UNTIL(begun == 1);
	assert_string_equal(heard, "learnt there");
	/* This node drains: hashing puts it on the other one. */
	struct node_worker *nw = node_shard(&node, str_of(name))->node;
	nw->fleet->view->nodes[0].state = NODE_DRAINING;
	placing_view(nw, nw->fleet->view);
	struct frame_record gone = expect(FLEET_PLACE + PLACES_STATE);
	assert_true(str_is(gone.xml, "learnt there"));
	assert_int_equal(ended, 1);
	post(gone, true); /* the link has lost it */
	gone = expect(FLEET_PLACE + PLACES_STATE);
	assert_true(str_is(gone.xml, "learnt there"));
	struct frame_record got = place_record(PLACES_GOT, name);
	got.osm = gone.osm;
	got.dst_sid = OTHER;
	other_says(got);
	assert_int_equal(expect(FLEET_PLACE + PLACES_YOURS).rule, 1);
}

static void records_of_a_node_with_a_bug_make_no_places(void **state)
{
	static const char *const names[] = { "no name", "parrot.localhost", "p@parrot.localhost/r", "P@parrot.localhost" };
	for (unsigned i = 0; i < 4; i++)
		other_says(place_record(PLACES_DATA, names[i]));
	struct frame_record wrong = place_record(PLACES_DATA, name_at(1));
	wrong.xml = arena_printf(keep, "<message from='%s/r' to='another@parrot.localhost' id='w'/>", client.bare);
	wrong.dst_fp ^= 2; /* the same worker of two */
	other_says(wrong);
	rig_turns(10);
	assert_int_equal(begun, 0);
	wrong.dst_fp ^= 2;
	other_says(wrong);
	RIG_UNTIL(begun == 1);
	rig_turns(4);
	assert_string_equal(heard, ""); /* it was not for this place */
	struct frame_record unknown = place_record(PLACES_DATA, "x@carrot.localhost");
	unknown.xml = arena_printf(keep, "<message from='%s/r' to='x@carrot.localhost' id='u'/>", client.bare);
	other_says(unknown);
	RIG_HEAR(&client, "<remote-server-not-found");
}

/* Its giver keeps it, and need not try again. */
static void a_state_of_a_service_that_is_none_here_is_declined(void **state)
{
	other_speaks = PLACES_ANSWERS;
	look(NODE_UP);
	struct frame_record come = place_record(PLACES_STATE, "x@carrot.localhost");
	come.osm = 50;
	come.dst_sid = OTHER;
	other_says(come);
	struct frame_record not = expect(FLEET_PLACE + PLACES_NOT);
	assert_int_equal(not.osm, 50);
	assert_int_equal(not.rule, 1);
	assert_true(str_is(not.to, "x@carrot.localhost"));
}

static void an_echo_is_answered_and_makes_no_place(void **state)
{
	const char *const names[] = { name_at(1), "x@carrot.localhost" };
	other_speaks = PLACES_ANSWERS - 1; /* it is sent on to nobody */
	look(NODE_UP);
	for (unsigned i = 0; i < 2; i++) {
		struct frame_record echo = place_record(PLACES_ECHO, names[i]);
		echo.osm = 70 + i;
		echo.oseq = OTHER;
		other_says(echo);
		struct frame_record answer = expect(FLEET_PLACE + PLACES_ECHOED);
		assert_int_equal(answer.osm, 70 + i);
		assert_int_equal(answer.dst_fp, echo.dst_fp);
		other_says(answer); /* to somebody else: it is nobody's here */
	}
	rig_turns(4);
	assert_int_equal(begun, 0);
}

/* ---- a node that takes too little ---- */

static char *long_text(size_t n)
{
	char *text = arena_zalloc(keep, n + 1);
	memset(text, 'x', n);
	return text;
}

static void other_is_slow(bool slow)
{
	other_slow = slow;
	look(NODE_UP);
}

/* So many messages as go to the place until one is refused. */
static unsigned fill(const char *name, const char *text)
{
	unsigned n = 0;
	while (!rig_heard(&client, "<resource-constraint")) {
		rig_say(&client, arena_printf(keep, "<message to='%s' id='m%u'><body>%s</body></message>", name, n, text).p);
		RIG_UNTIL((sent && sent->r.kind == FLEET_PLACE + PLACES_DATA) || rig_heard(&client, "<resource-constraint"));
		if (rig_heard(&client, "<resource-constraint"))
			break;
		n += holds(expect(FLEET_PLACE + PLACES_DATA).xml, "xxx");
		assert_true(n < 2000);
	}
	buf_clear(&client.heard);
	return n;
}

static void what_goes_to_a_place_on_a_slow_node_has_a_ceiling(void **state)
{
	enum { SIZE = 200000 };
	const char *name = name_at(OTHER);
	other_is_slow(true);
	rig_say(&client, arena_printf(keep, "<presence to='%s/romeo'/>", name).p);
	assert_true(holds(expect(FLEET_PLACE + PLACES_DATA).xml, "<presence"));
	rig_say(&client, arena_printf(keep, "<iq type='get' id='q' to='%s'><x xmlns='y'/></iq>", name).p);
	RIG_HEAR(&client, "<error type='wait'><resource-constraint");
	buf_clear(&client.heard);
	assert_in_range(fill(name, long_text(SIZE)), JAM_MESSAGES / (2 * SIZE), JAM_MESSAGES / SIZE);
	fill(name, long_text(1000)); /* what is left of it */
	rig_say(&client, arena_printf(keep, "<presence to='%s/romeo'><status>%s</status></presence>", name, long_text(1000)).p);
	RIG_HEAR(&client, "<resource-constraint");
	rig_say(&client, arena_printf(keep, "<presence to='%s/romeo' type='unavailable'><status>%s</status></presence>", name,
				      long_text(1000)).p);
	rig_say(&client, arena_printf(keep, "<message to='%s' type='error'><body>%s</body></message>", name, long_text(1000)).p);
	buf_clear(&client.heard);
	rig_say(&client, "<iq type='get' id='last' to='parrot.localhost'><x xmlns='y'/></iq>");
	RIG_HEAR(&client, "id='last'");
	assert_null(next_of(FLEET_PLACE + PLACES_DATA));
	other_is_slow(false);
	assert_true(holds(expect(FLEET_PLACE + PLACES_DATA).xml, "type='unavailable'"));
	rig_turns(4);
	assert_null(next_of(FLEET_PLACE + PLACES_DATA));
}

static void what_others_send_by_us_to_a_slow_node_has_it_too(void **state)
{
	const char *name = name_at(OTHER), *text = long_text(200000);
	other_is_slow(true);
	unsigned n = 0;
	struct frame_record data = place_record(PLACES_DATA, name);
	data.ttl = PLACES_TTL;
	data.xml = arena_printf(keep, "<message from='%s/r' to='%s' id='m'><body>%s</body></message>", client.bare, name, text);
	for (; !rig_heard(&client, "<resource-constraint"); n++) {
		other_says(data);
		rig_turns(2);
		assert_true(n < 100);
	}
	assert_in_range(n, JAM_MESSAGES / 400000, JAM_MESSAGES / 200000 + 2);
}

static void who_floods_a_place_elsewhere_is_not_read_until_it_is_there(void **state)
{
	const char *name = name_at(OTHER), *text = long_text(150000);
	other_speaks = LEASH_PROTOCOL;
	look(NODE_UP);
	for (unsigned i = 0; i < 2; i++) {
		rig_say(&client, arena_printf(keep, "<message to='%s'><body>%s</body></message>", name, text).p);
		expect(FLEET_PLACE + PLACES_DATA);
	}
	struct frame_record echo = expect(FLEET_ECHO);
	assert_int_equal(echo.dst_fp, fp(name));
	rig_say(&client, arena_printf(keep, "<message to='%s' id='later'/>", name).p);
	rig_turns(20);
	assert_null(next_of(FLEET_PLACE + PLACES_DATA));
	struct frame_record echoed = record(FLEET_ECHOED, name, 0);
	echoed.osm = echo.osm;
	other_says(echoed);
	assert_true(holds(expect(FLEET_PLACE + PLACES_DATA).xml, "id='later'"));
}

static void what_a_dead_node_did_not_take_goes_where_its_place_is_now(void **state)
{
	const char *name = name_at(OTHER);
	say(name, "lost");
	struct frame_record data = expect(FLEET_PLACE + PLACES_DATA);
	post(data, true);
	look(NODE_DEAD);
	RIG_HEAR(&client, "id='lost'");
	assert_int_equal(begun, 1);
	look(NODE_UP);
}

#undef CASE
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up_places, tear_down_places)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_place_here_answers_and_its_errors_are_heard),
		CASE(a_place_elsewhere_gets_what_is_sent_to_it_and_its_answers_come),
		CASE(a_place_comes_with_its_state_and_goes_with_it),
		CASE(records_of_a_node_with_a_bug_make_no_places),
		CASE(a_state_of_a_service_that_is_none_here_is_declined),
		CASE(an_echo_is_answered_and_makes_no_place),
		CASE(what_goes_to_a_place_on_a_slow_node_has_a_ceiling),
		CASE(what_others_send_by_us_to_a_slow_node_has_it_too),
		CASE(who_floods_a_place_elsewhere_is_not_read_until_it_is_there),
		CASE(what_a_dead_node_did_not_take_goes_where_its_place_is_now),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
