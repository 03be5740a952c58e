#include "tests/unit/node/node_rig.h"

static int set_up(void **state)
{
	rig_start("limits:\n  unsent_wait: 100ms\n");
	return 0;
}

static int tear_down(void **state)
{
	rig_stop();
	return 0;
}

static void stream_moves_to_its_accounts_worker(void **state)
{
	char user[2][16];
	for (unsigned on = 0; on < 2; on++) {
		rig_account_on(on, user[on]);
		for (unsigned from = 0; from < 2; from++) {
			struct rig_client c = rig_login(from, user[on], "r");
			struct session *s = rig_session(&c, "r");
			assert_non_null(s);
			assert_ptr_equal(s->nw, nw_of(node.workers[on]));
			assert_int_equal(atomic_load(&node.moving), 0);
			rig_hang_up(&c);
			RIG_UNTIL(rig_is_empty());
		}
	}
}

/* ---- streams that end while others look on ---- */

struct kick {
	struct message message;
	const char *bare;
};

static void on_kick(struct worker *w, struct message *m, bool cancelled)
{
	struct user *u = user_find(nw_of(w), str_of(((struct kick *)m)->bare));
	struct session *s;
	u->holds++;
	while ((s = u->sessions))
		session_close(s, STREAM_NOT_AUTHORIZED, STR("go"));
	user_release(u);
}

static void all_sessions_of_an_account_can_be_closed_in_a_loop(void **state)
{
	char user[16];
	struct rig_client c[3];
	rig_account_on(0, user);
	for (int i = 0; i < 3; i++) {
		char resource[2] = { (char)('a' + i), 0 };
		c[i] = rig_login((unsigned)i % 2, user, resource);
		rig_say(&c[i], "<presence/>");
	}
	RIG_UNTIL(rig_session(&c[2], "c")->presence);
	struct kick kick = { .message.run = on_kick, .bare = c[0].bare };
	worker_post(node.workers[0], &kick.message);
	for (int i = 0; i < 3; i++) {
		RIG_HEAR(&c[i], "<not-authorized");
		rig_hang_up(&c[i]);
	}
	RIG_UNTIL(rig_is_empty());
	assert_int_equal(node_metric(&node, METRIC_SESSIONS), 0);
}

static void conflict_ends_the_older_session(void **state)
{
	char user[16];
	rig_account_on(1, user);
	struct rig_client old = rig_login(0, user, "r"), fresh = rig_login(1, user, "r");
	RIG_HEAR(&old, "<conflict");
	assert_non_null(rig_session(&fresh, "r"));
	assert_int_equal(node_metric(&node, METRIC_SESSIONS), 1);
	rig_hang_up(&old);
	rig_hang_up(&fresh);
}

/* Repeats the text without end, as much as the socket takes now. */
static void send_some(struct rig_client *c, const char *text, size_t len, size_t *sent)
{
	ssize_t n = send(c->fd, text + *sent % len, len - *sent % len, MSG_NOSIGNAL);
	*sent += n > 0 ? (size_t)n : 0;
}

/* The socket takes some, then the queue fills: the stream ends, and nobody who was walking over sessions notices. */
static void client_that_does_not_read_is_ended_while_its_sibling_goes_on(void **state)
{
	static char text[16384];
	char user[16], sender[16];
	rig_account_on(0, user);
	rig_account_on(0, sender);
	struct rig_client deaf = rig_login(0, user, "deaf"), good = rig_login(0, user, "good"), from = rig_login(0, sender, "r");
	rig_say(&deaf, "<presence/>");
	rig_say(&good, "<presence/>");
	RIG_UNTIL(rig_session(&deaf, "deaf")->presence && rig_session(&good, "good")->presence);
	int n = snprintf(text, sizeof text, "<message type='headline' to='%s'><body>", deaf.bare);
	memset(text + n, 'x', 15000);
	memcpy(text + n + 15000, "</body></message>", sizeof "</body></message>");
	size_t sent = 0, len = strlen(text);
	RIG_UNTIL((send_some(&from, text, len, &sent), rig_heard(&good, "nothing"), buf_clear(&good.heard), !rig_session(&deaf, "deaf")));
	assert_non_null(rig_session(&good, "good"));
	rig_hang_up(&deaf);
	rig_hang_up(&good);
	rig_hang_up(&from);
}

static void stream_that_arrives_where_the_end_has_begun_is_told_so(void **state)
{
	char user[16];
	rig_account_on(1, user);
	struct rig_client c = rig_connect(0);
	struct arena *a = arena_new(256);
	struct str secret = arena_printf(a, "%c%s%cp", 0, user, 0);
	rig_say(&c, RIG_HEADER);
	RIG_HEAR(&c, "</stream:features>");
	rig_held = 1;
	rig_say(&c, arena_printf(a, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%.*s</auth>",
				 STR_ARG(b64_encode(a, secret))).p);
	RIG_UNTIL(atomic_load(&node.moving) == 1);
	nw_of(node.workers[1])->draining = true;
	rig_held = UINT32_MAX;
	RIG_HEAR(&c, "<system-shutdown");
	assert_int_equal(atomic_load(&node.moving), 0);
	arena_free(a);
	rig_hang_up(&c);
}

static void login_that_is_cut_leaves_nothing(void **state)
{
	char user[16];
	rig_account_on(1, user);
	for (int i = 0; i < 8; i++) {
		struct rig_client c = rig_connect((unsigned)i % 2);
		struct arena *a = arena_new(256);
		struct str secret = arena_printf(a, "%c%s%cp", 0, user, 0);
		rig_say(&c, RIG_HEADER);
		rig_say(&c, arena_printf(a, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%.*s</auth>",
					 STR_ARG(b64_encode(a, secret))).p);
		rig_turns(i);
		rig_hang_up(&c);
		arena_free(a);
		RIG_UNTIL(rig_is_empty() && pool_waiting() == 0 && atomic_load(&node.moving) == 0);
	}
	assert_int_equal(node_metric(&node, METRIC_HOLDS), 0);
	assert_int_equal(node_metric(&node, METRIC_CONNECTIONS), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(stream_moves_to_its_accounts_worker),
		CASE(all_sessions_of_an_account_can_be_closed_in_a_loop),
		CASE(conflict_ends_the_older_session),
		CASE(client_that_does_not_read_is_ended_while_its_sibling_goes_on),
		CASE(stream_that_arrives_where_the_end_has_begun_is_told_so),
		CASE(login_that_is_cut_leaves_nothing),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
