/* Who fills the output of a client that does not keep up waits for it; who does not, does not; and nobody waits for long. */
#include "tests/unit/node/node_rig.h"

#define BODY_BYTES 4000
#define MESSAGES   400

static char names[3][16];
static struct rig_client romeo, juliet, nurse; /* on workers 0, 1 and 0: who floods juliet does so from another worker */

static void start(const char *options)
{
	rig_start(options);
	struct rig_client *all[] = { &romeo, &juliet, &nurse };
	for (unsigned i = 0; i < 3; i++) {
		rig_account_on(i % 2, names[i]);
		*all[i] = rig_login(i % 2, names[i], "r");
	}
}

static int set_up(void **state)
{
	start("limits:\n  unsent_wait: 60s\n");
	return 0;
}

static int set_up_hasty(void **state)
{
	start("limits:\n  unsent_wait: 100ms\n");
	return 0;
}

static int tear_down(void **state)
{
	rig_hang_up(&romeo);
	rig_hang_up(&juliet);
	rig_hang_up(&nurse);
	rig_stop();
	return 0;
}

static struct c2s *stream_of(const struct rig_client *c)
{
	struct session *s = rig_session(c, "r");
	return s ? c2s_of(s->outlet) : NULL;
}

static unsigned holds_of(const struct rig_client *c)
{
	return stream_of(c) ? stream_of(c)->holds : 0;
}

struct flood {
	struct rig_client *from;
	char text[BODY_BYTES + 200];
	size_t len, sent, number;
};

static void flood_init(struct flood *f, struct rig_client *from, const struct rig_client *to)
{
	memset(f, 0, sizeof *f);
	f->from = from;
	int n = snprintf(f->text, sizeof f->text, "<message type='chat' id='m0000' to='%s/r'><body>", to->bare);
	memset(f->text + n, 'x', BODY_BYTES);
	n += BODY_BYTES;
	f->len = (size_t)n + (size_t)snprintf(f->text + n, sizeof f->text - (size_t)n, "</body></message>");
}

/* Sends all that goes now; true when MESSAGES were sent, or nobody takes them any more. */
static bool flood_on(struct flood *f)
{
	while (f->number < MESSAGES) {
		size_t at = f->sent % f->len;
		if (at == 0) {
			char digits[5];
			snprintf(digits, sizeof digits, "%04u", (unsigned)f->number);
			memcpy(strstr(f->text, "id='m") + 5, digits, 4);
		}
		ssize_t n = send(f->from->fd, f->text + at, f->len - at, MSG_NOSIGNAL);
		if (n < 0)
			return errno != EAGAIN;
		f->sent += (size_t)n;
		f->number += f->sent % f->len == 0;
	}
	return true;
}

/* Until `to` is full and the flooder waits. */
static void flood_until_held(struct flood *f)
{
	RIG_UNTIL((flood_on(f), holds_of(f->from) > 0));
	for (int i = 0; i < 200; i++) {
		flood_on(f);
		rig_turn();
	}
	assert_in_range(holds_of(f->from), 1, 1);
	assert_true(f->number < MESSAGES);
}

static void all_came_in_order(struct rig_client *c)
{
	RIG_UNTIL(rig_heard(c, "id='m0399'"));
	unsigned next = 0;
	for (const char *p = c->heard.p; (p = memmem(p, (size_t)(c->heard.p + c->heard.len - p), "id='m", 5)); p += 5)
		assert_int_equal(strtoul(p + 5, NULL, 10), next++);
	assert_int_equal(next, MESSAGES);
}

static void check_slow_reader(struct rig_client *from, struct rig_client *to)
{
	struct flood f;
	flood_init(&f, from, to);
	flood_until_held(&f);
	size_t mark = node.settings.out_mark;
	assert_in_range(conn_unsent(stream_of(to)->conn), mark, mark + mark / 2);
	for (int i = 0; i < 4000 && !flood_on(&f); i++) {
		rig_heard(to, "?");
		rig_turn();
		assert_non_null(stream_of(to));
		assert_true(conn_unsent(stream_of(to)->conn) <= mark * 2);
	}
	all_came_in_order(to);
	RIG_UNTIL(node_metric(&node, METRIC_HOLDS) == 0);
	assert_null(stream_of(to)->jam);
}

static void flooder_on_another_worker_waits_for_a_slow_reader(void **state)
{
	check_slow_reader(&romeo, &juliet);
}

static void flooder_on_the_same_worker_waits_for_a_slow_reader(void **state)
{
	check_slow_reader(&romeo, &nurse);
}

static void who_says_a_word_to_a_flooded_client_does_not_wait(void **state)
{
	struct flood f;
	flood_init(&f, &romeo, &juliet);
	flood_until_held(&f);
	char word[200];
	snprintf(word, sizeof word, "<message type='chat' id='w' to='%s/r'><body>a word</body></message>"
				    "<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", juliet.bare);
	rig_say(&nurse, word);
	RIG_HEAR(&nurse, "id='p'");
	assert_int_equal(holds_of(&nurse), 0);
	RIG_UNTIL((flood_on(&f), rig_heard(&juliet, "a word")));
}

static void nobody_waits_for_who_never_reads(void **state)
{
	struct flood f;
	flood_init(&f, &romeo, &juliet);
	RIG_UNTIL((flood_on(&f), !stream_of(&juliet)));
	RIG_UNTIL(flood_on(&f) && !node_metric(&node, METRIC_HOLDS));
	int64_t kept = node_metric(&node, METRIC_OFFLINE_STORED_TOTAL);
	char word[200];
	snprintf(word, sizeof word, "<message type='chat' id='w' to='%s/r'><body>a word</body></message>", juliet.bare);
	rig_say(&romeo, word);
	RIG_UNTIL(node_metric(&node, METRIC_OFFLINE_STORED_TOTAL) > kept);
	RIG_HEAR(&juliet, "resource-constraint");
}

static void two_that_flood_each_other_do_not_wait_for_ever(void **state)
{
	struct flood f, g;
	flood_init(&f, &romeo, &juliet);
	flood_init(&g, &juliet, &romeo);
	RIG_UNTIL((flood_on(&f), flood_on(&g), !stream_of(&juliet) || !stream_of(&romeo)));
	RIG_UNTIL(node_metric(&node, METRIC_HOLDS) == 0);
}

static void who_floods_itself_waits_until_it_reads(void **state)
{
	struct flood f;
	flood_init(&f, &romeo, &romeo);
	flood_until_held(&f);
	RIG_UNTIL((rig_heard(&romeo, "?"), flood_on(&f)));
	all_came_in_order(&romeo);
	assert_int_equal(holds_of(&romeo), 0);
}

static void flooder_goes_on_when_the_slow_reader_dies(void **state)
{
	struct flood f;
	flood_init(&f, &romeo, &juliet);
	flood_until_held(&f);
	rig_hang_up(&juliet);
	juliet = (struct rig_client){ .fd = -1 };
	RIG_UNTIL((rig_heard(&romeo, "?"), flood_on(&f)) && holds_of(&romeo) == 0);
}

static void slow_reader_forgets_a_flooder_that_died(void **state)
{
	struct flood f;
	flood_init(&f, &romeo, &juliet);
	flood_until_held(&f);
	conn_abort(stream_of(&romeo)->conn, END_RESET);
	RIG_UNTIL(!stream_of(&romeo));
	RIG_UNTIL((rig_heard(&juliet, "?"), !stream_of(&juliet)->jam));
	assert_int_equal(node_metric(&node, METRIC_HOLDS), 0);
}

int main(void)
{
#define CASE(f, set_up) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(flooder_on_another_worker_waits_for_a_slow_reader, set_up),
		CASE(flooder_on_the_same_worker_waits_for_a_slow_reader, set_up),
		CASE(who_says_a_word_to_a_flooded_client_does_not_wait, set_up),
		CASE(nobody_waits_for_who_never_reads, set_up_hasty),
		CASE(two_that_flood_each_other_do_not_wait_for_ever, set_up_hasty),
		CASE(who_floods_itself_waits_until_it_reads, set_up),
		CASE(flooder_goes_on_when_the_slow_reader_dies, set_up),
		CASE(slow_reader_forgets_a_flooder_that_died, set_up),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
