#include "tests/unit/node/node_rig.h"

#define BIG 20000

static char alice[16], bob[16];
static struct rig_client a, b;

/* alice lives on worker 0, bob on worker 1. */
static int set_up(void **state)
{
	rig_start("limits:\n  mailbox_bytes: 1 MiB\n");
	rig_account_on(0, alice);
	rig_account_on(1, bob);
	a = rig_login(0, alice, "r");
	b = rig_login(1, bob, "r");
	rig_say(&b, "<presence/>");
	RIG_UNTIL(session_is_available(rig_session(&b, "r")));
	return 0;
}

static int tear_down(void **state)
{
	rig_hang_up(&a);
	rig_hang_up(&b);
	rig_stop();
	return 0;
}

/* A message of about BIG bytes to bob's session, with this number. */
static size_t message_write(char *out, size_t size, unsigned number)
{
	int n = snprintf(out, size, "<message type='chat' id='m%u' to='%s@localhost/r'><body>", number, bob);
	memset(out + n, 'x', BIG);
	n += BIG;
	return (size_t)n + (size_t)snprintf(out + n, size - (size_t)n, "</body></message>");
}

/* Sends until the node does not read any more for a while; how many messages it took as a whole. */
static unsigned flood(unsigned most)
{
	static char text[BIG + 200];
	unsigned n = 0;
	size_t len = 0, at = 0;
	for (int calm = 0; calm < 50 && n < most; calm++) {
		if (at == len) {
			len = message_write(text, sizeof text, n);
			at = 0;
		}
		ssize_t sent = send(a.fd, text + at, len - at, MSG_NOSIGNAL);
		if (sent > 0) {
			at += (size_t)sent;
			n += at == len;
			calm = 0;
		}
		rig_turn();
	}
	return n;
}

static void fast_sender_is_paused_while_the_recipients_worker_is_behind(void **state)
{
	rig_held = 1;
	unsigned n = flood(1000);
	assert_in_range(n, 3, 30); /* what it may be ahead, and the socket's buffer */
	assert_true(c2s_of(rig_session(&a, "r")->outlet)->holds == 1);
	assert_in_range(worker_backlog(node.workers[1]), 20000, 200000);
	assert_int_equal(nw_of(node.workers[0])->input_at, 0); /* it is the client's whose input is handled, not the next one's */
	rig_held = UINT32_MAX;
	char last[32];
	snprintf(last, sizeof last, "id='m%u'", n - 1);
	RIG_UNTIL(rig_heard(&b, last));
	unsigned next = 0;
	for (const char *p = b.heard.p; (p = memmem(p, (size_t)(b.heard.p + b.heard.len - p), "id='m", 5)); p += 5)
		assert_int_equal(strtoul(p + 5, NULL, 10), next++);
	assert_int_equal(next, n);
	RIG_UNTIL(c2s_of(rig_session(&a, "r")->outlet)->holds == 0);
	assert_int_equal(worker_backlog(node.workers[1]), 0);
}

/* One message from each of them is little, and nobody is far ahead; together they fill the mailbox. */
static void many_senders_are_paused_by_a_full_mailbox(void **state)
{
	enum { MANY = 60 };
	static struct rig_client crowd[MANY];
	static char text[BIG + 200];
	char name[16];
	size_t len = message_write(text, sizeof text, 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "c%d", i);
		crowd[i] = rig_login(0, alice, name);
	}
	rig_held = 1;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(send(crowd[i].fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
	rig_turns(20);
	int64_t held = node_metric(&node, METRIC_HOLDS);
	assert_in_range(held, 1, MANY - 40);
	assert_true(worker_backlog(node.workers[1]) > 1u << 20);
	rig_held = UINT32_MAX;
	RIG_UNTIL((rig_heard(&b, "?"), node_metric(&node, METRIC_HOLDS) == 0));
	RIG_UNTIL((rig_heard(&b, "?"), b.heard.len > MANY * BIG));
	for (int i = 0; i < MANY; i++)
		rig_hang_up(&crowd[i]);
}

static void sender_that_dies_while_paused_is_not_missed(void **state)
{
	rig_held = 1;
	flood(1000);
	conn_abort(c2s_of(rig_session(&a, "r")->outlet)->conn, END_RESET);
	rig_turns(5);
	assert_null(rig_session(&a, "r"));
	rig_held = UINT32_MAX;
	RIG_UNTIL(worker_backlog(node.workers[1]) == 0);
	assert_int_equal(node_metric(&node, METRIC_HOLDS), 0);
}

static void recipient_that_dies_meanwhile_lets_the_sender_go_on(void **state)
{
	rig_held = 1;
	flood(1000);
	rig_hang_up(&b);
	b = (struct rig_client){ .fd = -1 };
	rig_held = UINT32_MAX;
	RIG_UNTIL(c2s_of(rig_session(&a, "r")->outlet)->holds == 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(fast_sender_is_paused_while_the_recipients_worker_is_behind),
		CASE(many_senders_are_paused_by_a_full_mailbox),
		CASE(sender_that_dies_while_paused_is_not_missed),
		CASE(recipient_that_dies_meanwhile_lets_the_sender_go_on),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
