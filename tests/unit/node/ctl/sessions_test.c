/*
 * Who is connected, told of very many sessions: all of them once, in order, and no worker stands still for it.
 */
#include "tests/unit/node/node_rig.h"

#include <time.h>

#include "node/core/outlet.h"
#include "node/ctl/command.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SESSIONS = 10000, SLOWER = 20 };
#else
enum { SESSIONS = 40000, SLOWER = 1 };
#endif

/* Clients that only are there. */
static void on_send(struct outlet *o, const struct stanza *st) { }
static void on_count(struct outlet *o) { }
static void on_close(struct outlet *o, enum stream_error e, struct str text, struct str extra) { }
static void on_describe(const struct outlet *o, struct outlet_info *out) { *out = (struct outlet_info){ .ip = "192.0.2.1" }; }
static const struct outlet_ops ops = { .send = on_send, .hold = on_count, .release = on_count, .close = on_close, .describe = on_describe };
static struct outlet outlet = { .ops = &ops, .transport = TRANSPORT_STARTTLS };
static struct session *made[SESSIONS];

struct batch {
	struct message message;
	bool ends, done;
};

static void one_more(struct node_worker *nw, int i)
{
	struct arena *a = arena_new(256);
	struct jid jid;
	assert_int_equal(jid_parse(a, arena_printf(a, "user%05d@localhost/r", i), &jid), ERR_NONE);
	if (node_shard(&node, jid_bare_str(&jid)) == nw->worker)
		made[i] = session_new(nw, node.hosts[0], &jid, &outlet, 0);
	arena_free(a);
}

static void on_batch(struct worker *w, struct message *m, bool cancelled)
{
	struct batch *b = (struct batch *)m;
	for (int i = 0; i < SESSIONS; i++) {
		if (!b->ends) {
			one_more(nw_of(w), i);
		} else if (made[i] && made[i]->nw == nw_of(w)) {
			session_end(made[i]);
			made[i] = NULL;
		}
	}
	b->done = true;
}

static void for_all(bool ends)
{
	for (unsigned k = 0; k < node.n_workers; k++) {
		struct batch b = { .message.run = on_batch, .ends = ends };
		worker_post(node.workers[k], &b.message);
		RIG_UNTIL(b.done);
	}
}

/* ---- asking ---- */

static json_t *told;
static enum ctl_exit code;
static bool answered;

static void on_done(struct call *c, enum ctl_exit got, struct str text, json_t *data)
{
	told = data;
	code = got;
	answered = true;
	arena_free(c->arena);
}

static int64_t cpu_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The longest pass of a worker until the answer, in us of processor time. */
static int64_t ask(const char *name, const char *limit, const char *after)
{
	struct arena *a = arena_new(1024);
	struct call *c = arena_zalloc(a, sizeof *c);
	int64_t longest = 0;
	*c = (struct call){ .node = &node, .command = command_find(str_of(name)), .arena = a, .by = STR("test"), .done = on_done };
	if (limit)
		c->options[c->n_options++] = (struct call_option){ STR("limit"), str_of(limit) };
	if (after)
		c->options[c->n_options++] = (struct call_option){ STR("after"), str_of(after) };
	answered = false;
	command_run(c);
	while (!answered) {
		for (unsigned k = 0; k < node.n_workers; k++) {
			int64_t begin = cpu_us();
			worker_turn(node.workers[k]);
			longest = cpu_us() - begin > longest ? cpu_us() - begin : longest;
		}
		worker_turn(node.main);
	}
	assert_int_equal(code, CTL_OK);
	return longest;
}

static void assert_told(int from, size_t n)
{
	char want[64];
	assert_int_equal(json_array_size(told), n);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(told, i);
		snprintf(want, sizeof want, "user%05zu@localhost/r", (size_t)from + i);
		assert_string_equal(json_string_value(json_is_object(v) ? json_object_get(v, "jid") : v), want);
	}
	json_decref(told);
}

static void all_are_told_once_in_order_and_no_worker_stands_still(void **state)
{
	int64_t us = ask("connected_users_info", NULL, NULL);
	assert_told(0, SESSIONS);
	print_message("the longest pass of a worker for %d sessions: %lld us\n", (int)SESSIONS, (long long)us);
	assert_true(us < 50000 * SLOWER);
	ask("connected_users", NULL, NULL);
	assert_told(0, SESSIONS);
}

static void a_page_is_told(void **state)
{
	ask("connected_users", "5000", "user00099@localhost/r");
	assert_told(100, 5000);
	ask("connected_users_info", "1", "user00099@localhost/r");
	assert_told(100, 1);
	ask("connected_users", NULL, "user09989@localhost/r");
	assert_told(9990, SESSIONS - 9990);
	ask("connected_users", "10", "user99999@localhost/r");
	assert_told(0, 0);
}

static void they_are_counted(void **state)
{
	ask("connected_users_number", NULL, NULL);
	assert_int_equal(json_integer_value(told), SESSIONS);
	json_decref(told);
}

static bool store_is_quiet(void)
{
	struct store_stats st;
	store_stats(node.store, &st);
	return st.waiting == 0;
}

static int set_up(void **state)
{
	rig_start("");
	for_all(false);
	RIG_UNTIL(store_is_quiet()); /* rosters come */
	rig_turns(3);
	return 0;
}

static int tear_down(void **state)
{
	for_all(true);
	rig_stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_told_once_in_order_and_no_worker_stands_still),
		cmocka_unit_test(a_page_is_told),
		cmocka_unit_test(they_are_counted),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
