/*
 * What a scrape costs a node with very many sessions: they are counted as they come and go, so that nobody has to look at them.
 */
#include "tests/unit/node/node_rig.h"

#include <time.h>

#include "node/core/outlet.h"
#include "node/http/scrape.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SESSIONS = 2000, SLOWER = 20 };
#else
enum { SESSIONS = 100000, SLOWER = 1 };
#endif
enum { SCRAPES = 50, BUDGET_US = 2000 };

/* Clients that only are there. */
static void on_send(struct outlet *o, const struct stanza *st) { }
static void on_count(struct outlet *o) { }
static void on_close(struct outlet *o, enum stream_error e, struct str text, struct str extra) { }
static const struct outlet_ops ops = { .send = on_send, .hold = on_count, .release = on_count, .close = on_close };
static struct outlet outlet = { .ops = &ops, .transport = TRANSPORT_STARTTLS };

static struct session **made;

/* What belongs to a worker happens there: its part of a thousand sessions, or the end of all its own. */
struct batch {
	struct message message;
	int from;
	bool ends, done;
};

static void one_more(struct node_worker *nw, int i)
{
	struct arena *a = arena_new(256);
	struct jid jid;
	assert_int_equal(jid_parse(a, arena_printf(a, "user%d@localhost/r", i), &jid), ERR_NONE);
	if (node_shard(&node, jid_bare_str(&jid)) == nw->worker)
		made[i] = session_new(nw, node.hosts[0], &jid, &outlet, 0);
	arena_free(a);
}

static void on_batch(struct worker *w, struct message *m, bool cancelled)
{
	struct batch *b = (struct batch *)m;
	for (int i = b->from; i < b->from + 1000; i++) {
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
	for (int from = 0; from < SESSIONS; from += 1000) {
		for (unsigned k = 0; k < node.n_workers; k++) {
			struct batch b = { .message.run = on_batch, .from = from, .ends = ends };
			worker_post(node.workers[k], &b.message);
			RIG_UNTIL(b.done);
		}
	}
}

static int64_t scrape_us(void)
{
	struct timespec begin, end;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (int i = 0; i < SCRAPES; i++) {
		struct buf out;
		buf_init(&out, SCRAPE_MAX);
		scrape_write(&node, false, &out);
		assert_int_equal(buf_status(&out), ERR_NONE);
		buf_fini(&out);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return ((end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000) / SCRAPES;
}

static void a_scrape_costs_at_most_two_milliseconds_at_100000_sessions(void **state)
{
	rig_start("");
	int64_t empty_us = scrape_us();
	made = xzalloc(SESSIONS * sizeof *made);
	for_all(false);
	assert_int_equal(node_metric(&node, METRIC_SESSIONS), SESSIONS);
	int64_t full_us = scrape_us();
	print_message("a scrape: %lld us without sessions, %lld us with %d\n", (long long)empty_us, (long long)full_us, (int)SESSIONS);
	assert_true(full_us < BUDGET_US * SLOWER);
	for_all(true);
	free(made);
	assert_int_equal(node_metric(&node, METRIC_SESSIONS), 0);
	rig_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_scrape_costs_at_most_two_milliseconds_at_100000_sessions) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
