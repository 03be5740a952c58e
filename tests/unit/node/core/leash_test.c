/* How far clients may be ahead of what the other node has handled (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/leash.h"
#include "node/core/outlet.h"

#define BODY_BYTES 10000
#define TOO_MANY   (LEASH_BYTES / BODY_BYTES + 1) /* messages of that */

static int set_up_new(void **state)
{
	set_up(state);
	other_speaks = LEASH_PROTOCOL;
	look(NODE_UP);
	return 0;
}

static struct c2s *stream_of(const struct rig_client *c)
{
	struct session *s = rig_session(c, "r");
	return s ? c2s_of(s->outlet) : NULL;
}

static unsigned holds_of(const struct rig_client *c)
{
	return stream_of(c)->holds;
}

/* An account of the other node. */
static void theirs(char bare[64])
{
	char user[16];
	account_with_place(OTHER, user, bare);
}

/* c sends so many messages there, each as soon as it is read again; or presences. */
static void say(struct rig_client *c, const char *to, unsigned n, const char *stanza)
{
	static char body[BODY_BYTES + 1];
	memset(body, 'x', BODY_BYTES);
	for (unsigned i = 0; i < n; i++) {
		rig_say(c, arena_printf(keep, "<%s to='%s'><body>%s</body></%s>", stanza, to, body, stanza).p);
		rig_turns(2);
	}
}

static bool is_sent(unsigned kind)
{
	const struct sent *s = sent;
	while (s && s->r.kind != kind)
		s = s->next;
	return s != NULL;
}

/* In what was sent, after so many stanzas. */
static struct frame_record expect_echo(unsigned after)
{
	unsigned n = 0;
	RIG_UNTIL(is_sent(FLEET_ECHO));
	for (const struct sent *s = sent; s && s->r.kind != FLEET_ECHO; s = s->next)
		n += s->r.kind == FLEET_STANZA;
	assert_int_equal(n, after);
	return expect(FLEET_ECHO);
}

static void echoed(struct frame_record echo)
{
	echo.kind = FLEET_ECHOED;
	other_says(echo);
}

static unsigned echoes(void)
{
	unsigned n = 0;
	for (struct sent *s; (s = next_of(FLEET_ECHO)); n++) {
		buf_fini(&s->bytes);
		free(s);
	}
	return n;
}

static void who_is_far_ahead_waits_for_an_answer(void **state)
{
	char bare[64];
	theirs(bare);
	struct rig_client romeo = login_here("r");
	echoes();
	say(&romeo, bare, TOO_MANY - 1, "message");
	assert_int_equal(holds_of(&romeo), 0);
	say(&romeo, bare, 1, "message");
	struct frame_record echo = expect_echo(TOO_MANY);
	assert_int_equal(echo.dst_fp, fp(bare)); /* to the worker that all of it went to */
	RIG_UNTIL(holds_of(&romeo) == 1);
	echoed(echo);
	RIG_UNTIL(holds_of(&romeo) == 0);
	say(&romeo, bare, TOO_MANY - 1, "message");
	assert_int_equal(echoes(), 0);
	rig_hang_up(&romeo);
}

static void who_writes_to_the_same_account_meanwhile_waits_too(void **state)
{
	char bare[64], other[64];
	theirs(bare);
	theirs(other);
	struct rig_client romeo = login_here("r"), nurse = login_here("r"), paris = login_here("r");
	say(&romeo, bare, TOO_MANY, "message");
	struct frame_record echo = expect_echo(TOO_MANY);
	say(&nurse, bare, 1, "message");
	say(&paris, other, 1, "message");
	RIG_UNTIL(holds_of(&romeo) == 1 && holds_of(&nurse) == 1);
	assert_int_equal(holds_of(&paris), 0);
	assert_int_equal(echoes(), 0);
	echoed(echo);
	RIG_UNTIL(holds_of(&romeo) == 0 && holds_of(&nurse) == 0);
	rig_hang_up(&romeo);
	rig_hang_up(&nurse);
	rig_hang_up(&paris);
}

static void much_that_was_sent_meanwhile_is_waited_for(void **state)
{
	char bare[64];
	struct rig_client many[TOO_MANY + 1];
	theirs(bare);
	struct rig_client romeo = login_here("r");
	for (unsigned i = 0; i <= TOO_MANY; i++)
		many[i] = login_here("r"); /* before the leash is on, which is off again after a while */
	say(&romeo, bare, TOO_MANY, "message");
	struct frame_record echo = expect_echo(TOO_MANY);
	for (unsigned i = 0; i <= TOO_MANY; i++)
		say(&many[i], bare, 1, "message");
	echoed(echo);
	struct frame_record second = expect(FLEET_ECHO);
	assert_true(second.osm != echo.osm);
	echoed(echo); /* says nothing any more */
	rig_turns(4);
	assert_int_equal(holds_of(&romeo), 1);
	echoed(second);
	RIG_UNTIL(holds_of(&romeo) == 0 && holds_of(&many[TOO_MANY]) == 0);
	rig_hang_up(&romeo);
	for (unsigned i = 0; i <= TOO_MANY; i++)
		rig_hang_up(&many[i]);
}

static void a_node_that_does_not_answer_is_not_waited_for_long(void **state)
{
	char bare[64];
	theirs(bare);
	struct rig_client romeo = login_here("r");
	uint64_t begin = nw_of(node.workers[romeo.worker])->worker->now_ms;
	say(&romeo, bare, TOO_MANY, "message");
	RIG_UNTIL(holds_of(&romeo) == 1);
	RIG_UNTIL(holds_of(&romeo) == 0);
	assert_in_range(nw_of(node.workers[romeo.worker])->worker->now_ms - begin, LEASH_MS - 100, 10 * LEASH_MS);
	rig_hang_up(&romeo);
}

static void a_node_of_an_older_version_is_not_asked(void **state)
{
	char bare[64];
	other_speaks = LEASH_PROTOCOL - 1;
	look(NODE_UP);
	theirs(bare);
	struct rig_client romeo = login_here("r");
	say(&romeo, bare, 2 * TOO_MANY, "message");
	assert_int_equal(holds_of(&romeo), 0);
	assert_int_equal(echoes(), 0);
	rig_hang_up(&romeo);
}

static void presence_is_not_counted(void **state)
{
	char bare[64];
	theirs(bare);
	struct rig_client romeo = login_here("r");
	say(&romeo, bare, 2 * TOO_MANY, "presence");
	assert_int_equal(echoes(), 0);
	rig_hang_up(&romeo);
}

/* What went long ago has arrived. */
static void chat_is_not_counted_for_ever(void **state)
{
	char bare[64];
	theirs(bare);
	struct rig_client romeo = login_here("r");
	const struct worker *w = node.workers[0];
	say(&romeo, bare, TOO_MANY - 1, "message");
	uint64_t begin = w->now_ms;
	RIG_UNTIL(w->now_ms - begin > 2500);
	say(&romeo, bare, TOO_MANY - 1, "message");
	assert_int_equal(echoes(), 0);
	say(&romeo, bare, 1, "message");
	expect(FLEET_ECHO);
	rig_hang_up(&romeo);
}

static void an_echo_is_answered_by_who_had_what_came_before(void **state)
{
	struct rig_client juliet = login_here("r");
	struct frame_record r = record(FLEET_ECHO, juliet.bare, 0);
	r.osm = 1234;
	other_says(r);
	struct frame_record answer = expect(FLEET_ECHOED);
	assert_int_equal(answer.osm, 1234);
	assert_int_equal(answer.dst_fp, fp(juliet.bare));
	rig_hang_up(&juliet);
}

/* The home of an account, on the way to its client: it tells the sender's home. */
static void what_goes_down_to_a_client_is_counted(void **state)
{
	struct rig_client anchor = login_here("r");
	struct frame_record bind = bind_of_far(anchor.bare), r = record(FLEET_STANZA, anchor.bare, 0);
	static char body[BODY_BYTES + 1];
	memset(body, 'x', BODY_BYTES);
	other_says(bind);
	expect(FLEET_BOUND);
	r.osm = 9;
	r.oseq = OTHER;
	r.xml = arena_printf(keep, "<message xmlns='jabber:client' from='romeo@localhost/r' to='%s/far'><body>%s</body></message>",
			     anchor.bare, body);
	for (unsigned i = 0; i < TOO_MANY; i++)
		other_says(r);
	struct frame_record echo = expect(FLEET_ECHO), brake = expect(FLEET_BRAKE);
	assert_int_equal(echo.dst_fp, fp(anchor.bare));
	assert_int_equal(brake.dst_sid, 9);
	assert_true(brake.oseq != 0);
	echoed(echo);
	brake = expect(FLEET_BRAKE);
	assert_int_equal(brake.oseq, 0);
	rig_hang_up(&anchor);
}

static void a_client_that_leaves_while_it_waits_is_not_missed(void **state)
{
	char bare[64];
	theirs(bare);
	struct rig_client romeo = login_here("r");
	say(&romeo, bare, TOO_MANY, "message");
	struct frame_record echo = expect_echo(TOO_MANY);
	conn_abort(stream_of(&romeo)->conn, END_RESET);
	RIG_UNTIL(!rig_session(&romeo, "r"));
	echoed(echo);
	rig_turns(4);
	rig_hang_up(&romeo);
}

static void who_waits_when_the_node_ends_is_no_leak(void **state)
{
	char bare[64];
	theirs(bare);
	struct rig_client romeo = login_here("r");
	say(&romeo, bare, TOO_MANY, "message");
	RIG_UNTIL(holds_of(&romeo) == 1);
	rig_hang_up(&romeo);
}

int main(void)
{
#define NEW(f) cmocka_unit_test_setup_teardown(f, set_up_new, tear_down)
	const struct CMUnitTest cases[] = {
		NEW(who_is_far_ahead_waits_for_an_answer),
		NEW(who_writes_to_the_same_account_meanwhile_waits_too),
		NEW(much_that_was_sent_meanwhile_is_waited_for),
		NEW(a_node_that_does_not_answer_is_not_waited_for_long),
		NEW(a_node_of_an_older_version_is_not_asked),
		NEW(presence_is_not_counted),
		NEW(chat_is_not_counted_for_ever),
		NEW(an_echo_is_answered_by_who_had_what_came_before),
		NEW(what_goes_down_to_a_client_is_counted),
		NEW(a_client_that_leaves_while_it_waits_is_not_missed),
		NEW(who_waits_when_the_node_ends_is_no_leak),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
