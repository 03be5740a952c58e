/* A session that acknowledges, and its stream (XEP-0198): what conversations cannot time. */
#include "tests/unit/node/node_rig.h"

#include "node/core/sm_session.h"
#include "proto/xml/names.h"

#define ENABLE "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"

static int set_up(void **state)
{
	rig_start("sm:\n  ack_timeout: 200ms\n  ask_after: 10ms\n");
	return 0;
}

static int tear_down(void **state)
{
	rig_stop();
	return 0;
}

static struct rig_client login_with_sm(const char *user)
{
	struct rig_client c = rig_login(0, user, "r");
	rig_say(&c, ENABLE);
	RIG_HEAR(&c, "<enabled ");
	return c;
}

/* What the session's worker does in one go. */
struct deed {
	struct message message;
	struct rig_client *client;
	void (*act)(struct session *s);
	bool done;
};

static void on_deed(struct worker *w, struct message *m, bool cancelled)
{
	struct deed *d = (struct deed *)m;
	d->act(rig_session(d->client, "r"));
	d->done = true;
}

static void do_at_once(struct rig_client *c, void (*act)(struct session *s))
{
	struct deed d = { .message.run = on_deed, .client = c, .act = act };
	worker_post(node.workers[c->worker], &d.message);
	RIG_UNTIL(d.done);
}

/* It has acknowledged all that it was sent, and read nothing. */
static void overflow(struct session *s)
{
	struct sm_said ack = { .word = SM_A };
	struct arena *a = arena_new(32768);
	struct elem *root = stanza_root(a, STANZA_MESSAGE, TYPE_HEADLINE);
	char *text = arena_alloc(a, 16000);
	memset(text, 'x', 16000);
	elem_add_text(a, root, STR("body"), str_span(text, 16000));
	struct stanza *st = stanza_new(&a, root, &s->jid, &s->jid);
	while (!c2s_of(s->outlet)->overflowed) {
		session_deliver(s, st);
		assert_true(sm_session_sent(s, &ack.h));
		sm_session_heard(s, &ack);
	}
	stanza_unref(st);
}

static void overflow_and_take_its_name(struct session *s)
{
	struct node_worker *nw = s->nw;
	uint64_t sid = s->sid;
	overflow(s);
	assert_int_equal(session_make_room(nw, &s->jid), STANZA_ERROR_NONE);
	assert_null(session_find(nw, sid));
}

static void whose_name_is_taken_does_not_wait_though_its_stream_overflowed(void **state)
{
	char user[16];
	rig_account_on(0, user);
	struct rig_client c = login_with_sm(user);
	do_at_once(&c, overflow_and_take_its_name);
	assert_null(rig_session(&c, "r"));
	rig_hang_up(&c);
}

static void a_stream_that_overflows_is_lost(void **state)
{
	char user[16];
	rig_account_on(0, user);
	struct rig_client c = login_with_sm(user);
	do_at_once(&c, overflow);
	RIG_UNTIL(sm_session_is_detached(rig_session(&c, "r")));
	rig_hang_up(&c);
}

static uint64_t held_sid;

static void hold(struct session *s)
{
	held_sid = s->sid;
	session_hold(s);
	session_deliver(s, s->presence);
}

static void release(struct session *s)
{
	session_release(s->nw, held_sid);
}

static bool is_detached(const struct rig_client *c)
{
	return sm_session_is_detached(rig_session(c, "r"));
}

static void turn_for(unsigned ms)
{
	for (uint64_t end_ns = uv_hrtime() + ms * UINT64_C(1000000); uv_hrtime() < end_ns; usleep(1000))
		rig_turn();
}

/* It answers, and is not read meanwhile. */
static void a_client_that_is_held_is_not_lost(void **state)
{
	char user[16];
	rig_account_on(0, user);
	struct rig_client c = login_with_sm(user);
	rig_say(&c, "<presence/>");
	RIG_UNTIL(session_is_available(rig_session(&c, "r")));
	rig_say(&c, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	do_at_once(&c, hold);
	RIG_HEAR(&c, "<r xmlns='urn:xmpp:sm:3'/>");
	rig_say(&c, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
	turn_for(600);
	assert_false(is_detached(&c));
	do_at_once(&c, release);
	uint32_t sent;
	assert_true(sm_session_sent(rig_session(&c, "r"), &sent));
	RIG_UNTIL(sm_session_has_acked(rig_session(&c, "r"), sent));
	turn_for(600);
	assert_false(is_detached(&c));
	do_at_once(&c, hold);
	do_at_once(&c, release);
	RIG_UNTIL(is_detached(&c)); /* who does not answer */
	rig_hang_up(&c);
}

/* Its answer may lie behind all that, unread: at the node that it is connected to it may be paused, and only that node knows. */
static void a_client_that_sends_is_not_lost_though_it_does_not_answer(void **state)
{
	char user[16];
	rig_account_on(0, user);
	struct rig_client c = login_with_sm(user);
	rig_say(&c, "<presence/>");
	RIG_HEAR(&c, "<r xmlns='urn:xmpp:sm:3'/>");
	for (uint64_t end_ns = uv_hrtime() + 700 * UINT64_C(1000000); uv_hrtime() < end_ns; usleep(1000)) {
		rig_say(&c, "<message to='nobody@localhost' type='headline'/>");
		rig_turn();
	}
	assert_false(is_detached(&c));
	RIG_UNTIL(is_detached(&c));
	rig_hang_up(&c);
}

static bool awaited;
static uint64_t late_ms;

static void ask_last(struct session *s)
{
	awaited = sm_session_ask_last(s->nw, s->nw->worker->now_ms - late_ms);
}

static void clients_are_asked_before_their_streams_end_and_waited_for_a_while(void **state)
{
	char user[16];
	rig_account_on(0, user);
	struct rig_client c = login_with_sm(user);
	node.settings.sm.ask_after_ms = 600000;
	node.settings.sm.ack_ms = 600000;
	late_ms = 0;
	do_at_once(&c, ask_last);
	assert_false(awaited); /* nobody was sent anything */
	rig_say(&c, "<presence/>");
	RIG_UNTIL(session_is_available(rig_session(&c, "r")));
	do_at_once(&c, ask_last);
	assert_true(awaited);
	RIG_HEAR(&c, "<r xmlns='urn:xmpp:sm:3'/>");
	late_ms = SM_LAST_MS;
	do_at_once(&c, ask_last);
	assert_false(awaited);
	assert_false(rig_heard(&c, "<r xmlns='urn:xmpp:sm:3'/>")); /* it was asked before */
	rig_say(&c, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
	RIG_UNTIL(sm_session_has_acked(rig_session(&c, "r"), 1));
	late_ms = 0;
	do_at_once(&c, ask_last);
	assert_false(awaited);
	rig_hang_up(&c);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(whose_name_is_taken_does_not_wait_though_its_stream_overflowed),
		CASE(a_stream_that_overflows_is_lost),
		CASE(a_client_that_is_held_is_not_lost),
		CASE(clients_are_asked_before_their_streams_end_and_waited_for_a_while),
		CASE(a_client_that_sends_is_not_lost_though_it_does_not_answer),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
