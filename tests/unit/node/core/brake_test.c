/* Whoever makes the store queue up is not read while it does: on the worker of the account that he writes to, and on another. */
#include "tests/unit/node/node_rig.h"

#include "node/store/fault.h"

#define BODY_BYTES 20000
#define MESSAGES   150
#define CEILING    (1u << 20)

static char alice[16], near[16], far[16];
static struct rig_client a;
static uint64_t most_bytes;

/* alice and near live on worker 0, far on worker 1; the store takes its time. */
static int set_up(void **state)
{
	struct store_options options = { .max_waiting_bytes = CEILING };
	rig_start("modules:\n  offline:\n    messages: 1000\n");
	node.store = fault_store_open(&node.store, 1, &(struct fault_odds){ 0 }, &options);
	node.hosts[0]->store = node.store;
	rig_account_on(0, alice);
	rig_account_on(0, near);
	rig_account_on(1, far);
	a = rig_login(0, alice, "r");
	fault_store_set(node.store, &(struct fault_odds){ .delay_min_ms = 30 });
	most_bytes = 0;
	return 0;
}

static int tear_down(void **state)
{
	rig_hang_up(&a);
	rig_stop();
	return 0;
}

static void look(void)
{
	struct store_stats stats;
	store_stats(node.store, &stats);
	if (stats.waiting_bytes > most_bytes)
		most_bytes = stats.waiting_bytes;
}

static size_t message_write(char *out, size_t size, const char *to)
{
	int n = snprintf(out, size, "<message type='chat' id='m' to='%s@localhost'><body>", to);
	memset(out + n, 'x', BODY_BYTES);
	n += BODY_BYTES;
	return (size_t)n + (size_t)snprintf(out + n, size - (size_t)n, "</body></message>");
}

/* Sends all it can now; true when MESSAGES are sent. */
static bool send_on(const char *text, size_t len, size_t *sent)
{
	while (*sent < len * MESSAGES) {
		size_t at = *sent % len;
		ssize_t n = send(a.fd, text + at, len - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		*sent += (size_t)n;
	}
	look();
	return *sent == len * MESSAGES;
}

static void flood(const char *to)
{
	static char text[BODY_BYTES + 200];
	size_t len = message_write(text, sizeof text, to), sent = 0;
	int64_t kept = node_metric(&node, METRIC_OFFLINE_STORED_TOTAL);
	RIG_UNTIL(send_on(text, len, &sent));
	RIG_UNTIL((look(), node_metric(&node, METRIC_OFFLINE_STORED_TOTAL) - kept == MESSAGES));
}

static void nothing_was_refused(void)
{
	struct store_stats stats;
	store_stats(node.store, &stats);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(node_metric(&node, METRIC_STANZAS_BOUNCED_TOTAL), 0);
	RIG_UNTIL(node_metric(&node, METRIC_HOLDS) == 0);
	assert_true(metrics_get(&nw_of(node.workers[0])->metrics, METRIC_LIMITS_HIT_TOTAL) +
			    metrics_get(&nw_of(node.workers[1])->metrics, METRIC_LIMITS_HIT_TOTAL) > 0);
}

static void flooder_waits_for_the_store_on_his_own_worker(void **state)
{
	flood(near);
	assert_in_range(most_bytes, CEILING / 4, CEILING / 2);
	nothing_was_refused();
}

static void flooder_waits_for_the_store_on_another_worker(void **state)
{
	flood(far);
	assert_in_range(most_bytes, CEILING / 4, CEILING);
	nothing_was_refused();
}

static void flooder_that_dies_while_held_is_not_missed(void **state)
{
	static char text[BODY_BYTES + 200];
	size_t len = message_write(text, sizeof text, far), sent = 0;
	for (int tries = 0; !node_metric(&node, METRIC_HOLDS) && tries < 4000; tries++) {
		send_on(text, len, &sent);
		rig_turn();
	}
	assert_true(node_metric(&node, METRIC_HOLDS) > 0);
	conn_abort(c2s_of(rig_session(&a, "r")->outlet)->conn, END_RESET);
	RIG_UNTIL(rig_is_empty());
	assert_int_equal(node_metric(&node, METRIC_HOLDS), 0);
}

static void store_that_fails_lets_the_flooder_go_on(void **state)
{
	static char text[BODY_BYTES + 200];
	size_t len = message_write(text, sizeof text, far), sent = 0;
	fault_store_set(node.store, &(struct fault_odds){ .delay_min_ms = 30, .io = 1000 });
	RIG_UNTIL(send_on(text, len, &sent));
	RIG_UNTIL(node_metric(&node, METRIC_STANZAS_BOUNCED_TOTAL) == MESSAGES);
	RIG_UNTIL(node_metric(&node, METRIC_HOLDS) == 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(flooder_waits_for_the_store_on_his_own_worker),
		CASE(flooder_waits_for_the_store_on_another_worker),
		CASE(flooder_that_dies_while_held_is_not_missed),
		CASE(store_that_fails_lets_the_flooder_go_on),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
