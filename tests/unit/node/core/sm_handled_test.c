/* A client is told that its stanzas are handled when they are, and not before. */
#include "tests/unit/node/node_rig.h"

#include "node/core/sm_session.h"
#include "node/store/fault.h"

#define DELAY_MS 60

static char alice[16], near[16], far[16];
static struct rig_client a;

/* alice and near live on worker 0, far on worker 1; the store takes its time. */
static int set_up(void **state)
{
	rig_start("");
	struct store_options options = { .max_waiting_bytes = 1u << 20 };
	node.store = fault_store_open(&node.store, 1, &(struct fault_odds){ 0 }, &options);
	node.hosts[0]->store = node.store;
	rig_account_on(0, alice);
	rig_account_on(0, near);
	rig_account_on(1, far);
	a = rig_login(0, alice, "r");
	rig_say(&a, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
	RIG_HEAR(&a, "<enabled ");
	fault_store_set(node.store, &(struct fault_odds){ .delay_min_ms = DELAY_MS });
	return 0;
}

static int tear_down(void **state)
{
	rig_hang_up(&a);
	rig_stop();
	return 0;
}

static void send_and_ask(const char *to, unsigned n)
{
	char text[2000];
	size_t len = 0;
	for (unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "<message to='%s@localhost'><body>x</body></message>", to);
	snprintf(text + len, sizeof text - len, "<r xmlns='urn:xmpp:sm:3'/>");
	rig_say(&a, text);
}

/* When he hears that so many are handled, so many are in the store. */
static void is_told_when_stored(const char *to, unsigned n)
{
	char answer[64];
	snprintf(answer, sizeof answer, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", n);
	send_and_ask(to, n);
	RIG_UNTIL(rig_heard(&a, answer));
	assert_int_equal(node_metric(&node, METRIC_OFFLINE_STORED_TOTAL), n);
	RIG_UNTIL(node_metric(&node, METRIC_HOLDS) == 0);
}

static void message_is_handled_when_it_is_stored(void **state)
{
	is_told_when_stored(near, 1);
}

static void message_is_handled_when_another_worker_has_stored_it(void **state)
{
	is_told_when_stored(far, 1);
}

static void messages_are_handled_in_order(void **state)
{
	is_told_when_stored(far, 5);
}

static void message_that_cannot_be_stored_is_handled_when_its_sender_hears_so(void **state)
{
	fault_store_set(node.store, &(struct fault_odds){ .delay_min_ms = DELAY_MS, .io = 1000 });
	send_and_ask(far, 1);
	RIG_UNTIL(rig_heard(&a, "<a xmlns='urn:xmpp:sm:3' h='1'/>"));
	assert_int_equal(node_metric(&node, METRIC_STANZAS_BOUNCED_TOTAL), 1);
	RIG_UNTIL(rig_heard(&a, "<error "));
}

static void question_of_a_client_that_is_lost_is_forgotten(void **state)
{
	send_and_ask(far, 1);
	rig_turns(3);
	rig_hang_up(&a);
	RIG_UNTIL(node_metric(&node, METRIC_SM_DETACHED) == 1);
	RIG_UNTIL(node_metric(&node, METRIC_OFFLINE_STORED_TOTAL) == 1);
	a = rig_connect(0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(message_is_handled_when_it_is_stored),
		CASE(message_is_handled_when_another_worker_has_stored_it),
		CASE(messages_are_handled_in_order),
		CASE(message_that_cannot_be_stored_is_handled_when_its_sender_hears_so),
		CASE(question_of_a_client_that_is_lost_is_forgotten),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
