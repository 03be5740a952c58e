#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "cluster/worker.h"

#define SENDERS  4
#define MESSAGES 20000

/* ---- a worker on the test's own thread: worker_run until something stops it ---- */

static struct worker *w;

static int set_up(void **state)
{
	w = worker_new(0, "test");
	return 0;
}

static int tear_down(void **state)
{
	worker_free(w);
	w = NULL;
	return 0;
}

static void stop_now(struct timer *t)
{
	worker_stop(w);
}

static struct timer stopper = { .on_timer = stop_now };

static void run_for(uint64_t ms)
{
	worker_timer_set(w, &stopper, ms);
	worker_run(w);
}

/* ---- messages ---- */

struct note {
	struct message message;
	unsigned sender, number;
};

static unsigned seen[SENDERS], total, cancelled_total;
static bool in_order;
static struct worker *ran_on;

static void on_note(struct worker *on, struct message *m, bool cancelled)
{
	struct note *n = (struct note *)m;
	in_order &= n->number == seen[n->sender]++;
	total += !cancelled;
	cancelled_total += cancelled;
	ran_on = worker_current();
	free(n);
	if (total == SENDERS * MESSAGES)
		worker_stop(on);
}

static void notes_begin(void)
{
	memset(seen, 0, sizeof seen);
	total = cancelled_total = 0;
	in_order = true;
	ran_on = NULL;
}

static void post_note(struct worker *to, unsigned sender, unsigned number)
{
	struct note *n = calloc(1, sizeof *n);
	n->message.run = on_note;
	n->sender = sender;
	n->number = number;
	worker_post(to, &n->message);
}

struct sender {
	uv_thread_t thread;
	unsigned index;
	struct worker *to;
};

static void send_all(void *arg)
{
	struct sender *s = arg;
	for (unsigned i = 0; i < MESSAGES; i++)
		post_note(s->to, s->index, i);
}

static void messages_of_each_sender_arrive_in_order(void **state)
{
	struct sender senders[SENDERS];
	struct worker *t = worker_new(1, "t");
	notes_begin();
	assert_int_equal(worker_start(t, NULL, NULL), ERR_NONE);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ .index = i, .to = t };
		assert_int_equal(uv_thread_create(&senders[i].thread, send_all, &senders[i]), 0);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		uv_thread_join(&senders[i].thread);
	worker_join(t); /* the last message stops it */
	assert_int_equal(total, SENDERS * MESSAGES);
	assert_true(in_order);
	assert_ptr_equal(ran_on, t);
	struct worker_stats stats;
	worker_stats(t, &stats);
	assert_int_equal(stats.posted, SENDERS * MESSAGES);
	assert_int_equal(stats.mailbox_depth, 0);
	worker_free(t);
}

static void messages_posted_before_the_start_run_after_it(void **state)
{
	notes_begin();
	post_note(w, 0, 0);
	post_note(w, 0, 1);
	assert_int_equal(total, 0);
	run_for(1);
	assert_int_equal(total, 2);
	assert_true(in_order);
	assert_int_equal(cancelled_total, 0);
}

static void messages_of_a_worker_that_never_ran_are_cancelled(void **state)
{
	notes_begin();
	post_note(w, 0, 0);
	post_note(w, 0, 1);
	worker_free(w);
	assert_int_equal(total, 0);
	assert_int_equal(cancelled_total, 2);
	assert_true(in_order);
	w = worker_new(0, "test");
}

static void messages_posted_after_the_stop_are_cancelled(void **state)
{
	notes_begin();
	run_for(1);
	post_note(w, 0, 0);
	worker_free(w);
	assert_int_equal(cancelled_total, 1);
	w = worker_new(0, "test");
}

static void messages_posted_before_the_stop_are_not_cancelled(void **state)
{
	notes_begin();
	post_note(w, 0, 0);
	worker_stop(w);
	post_note(w, 0, 1);
	worker_run(w);
	assert_int_equal(total, 2);
}

static struct note again;
static unsigned again_left;

static void on_again(struct worker *on, struct message *m, bool cancelled)
{
	if (again_left-- > 0)
		worker_post(on, m);
	else
		worker_stop(on);
}

static void message_may_be_posted_again_by_its_own_run(void **state)
{
	again.message.run = on_again;
	again_left = 1000;
	worker_post(w, &again.message);
	worker_run(w);
	assert_int_equal(again_left, UINT32_MAX);
}

/* ---- life ---- */

static struct worker *started_on, *stopped_on;
static char started_as[16];

static void on_start(struct worker *on)
{
	started_on = worker_current();
	pthread_getname_np(pthread_self(), started_as, sizeof started_as);
}

static void on_stop(struct worker *on)
{
	stopped_on = worker_current();
}

static void start_and_stop_run_on_the_workers_thread(void **state)
{
	struct worker *t = worker_new(3, "t");
	assert_int_equal(worker_start(t, on_start, on_stop), ERR_NONE);
	worker_stop(t);
	worker_stop(t);
	worker_join(t);
	assert_ptr_equal(started_on, t);
	assert_ptr_equal(stopped_on, t);
	assert_string_equal(started_as, "t"); /* the kernel's name of it, which top shows */
	assert_null(worker_current());
	worker_stop(t); /* once more, after its end */
	worker_free(t);
}

/* ---- timers ---- */

struct alarm {
	struct timer timer;
	uint64_t fired_ms;
	unsigned fired;
	struct alarm *next; /* set when this one fires */
};

static void on_alarm(struct timer *t)
{
	struct alarm *a = (struct alarm *)t;
	a->fired++;
	a->fired_ms = w->now_ms;
	if (a->next)
		worker_timer_set(w, &a->next->timer, 20);
}

static void timers_fire_at_their_time_and_never_before(void **state)
{
	struct alarm later = { .timer.on_timer = on_alarm };
	struct alarm first = { .timer.on_timer = on_alarm, .next = &later }, never = { .timer.on_timer = on_alarm };
	uint64_t begin = w->now_ms;
	worker_timer_set(w, &never.timer, 10);
	worker_timer_set(w, &first.timer, 10);
	worker_timer_cancel(w, &never.timer);
	run_for(120);
	assert_int_equal(first.fired, 1);
	assert_int_equal(later.fired, 1);
	assert_int_equal(never.fired, 0);
	assert_true(first.fired_ms >= begin + 10);
	assert_true(later.fired_ms >= first.fired_ms + 20);
}

static void worker_without_work_sleeps(void **state)
{
	struct worker_stats before, after;
	struct worker *t = worker_new(1, "t");
	struct alarm far = { .timer.on_timer = on_alarm };
	worker_timer_set(t, &far.timer, 3600000);
	assert_int_equal(worker_start(t, NULL, NULL), ERR_NONE);
	run_for(60);
	worker_stats(t, &before);
	worker_free(w);
	w = worker_new(0, "test");
	run_for(150);
	worker_stats(t, &after);
	assert_int_equal(before.passes, after.passes);
	worker_stop(t);
	worker_join(t);
	worker_timer_cancel(t, &far.timer);
	worker_free(t);
}

/* Something that is posted on, at the end of a pass. */
struct hop {
	struct message message;
	struct deferred deferred;
	struct worker *to;
	_Atomic bool flushes, goes_on;
};

static void on_hop_end(struct deferred *d)
{
	struct hop *h = (struct hop *)((char *)d - offsetof(struct hop, deferred));
	h->flushes = true;
	while (!h->goes_on)
		usleep(1000);
	post_note(h->to, 0, 0);
}

static void on_hop(struct worker *on, struct message *m, bool cancelled)
{
	worker_defer(on, &((struct hop *)m)->deferred);
}

static void what_is_on_its_way_is_seen_all_the_time(void **state)
{
	struct worker_stats stats;
	struct worker *t = worker_new(1, "t");
	struct hop h = { .message.run = on_hop, .deferred.fn = on_hop_end, .to = w };
	notes_begin();
	assert_int_equal(worker_start(t, NULL, NULL), ERR_NONE);
	worker_post(t, &h.message);
	do {
		worker_stats(t, &stats);
		assert_true(stats.mailbox_depth || stats.busy);
	} while (!h.flushes);
	worker_stats(t, &stats);
	assert_true(!stats.mailbox_depth && stats.busy);
	h.goes_on = true;
	do
		worker_stats(t, &stats);
	while (stats.busy);
	worker_stats(w, &stats);
	assert_int_equal(stats.mailbox_depth, 1);
	worker_stop(t);
	worker_join(t);
	worker_free(t);
}

/* ---- deferred ---- */

struct late {
	struct deferred deferred;
	unsigned ran, stop_after;
	char name;
	bool again;
};

static char order[16];
static unsigned order_len;

static void on_late(struct deferred *d)
{
	struct late *l = (struct late *)d;
	if (order_len < sizeof order - 1)
		order[order_len++] = l->name;
	l->ran++;
	if (l->again)
		worker_defer(w, d);
	if (l->stop_after && l->ran == l->stop_after)
		worker_stop(w);
}

static struct late late(char name)
{
	return (struct late){ .deferred.fn = on_late, .name = name };
}

static void deferred_run_once_and_in_order(void **state)
{
	struct late a = late('a'), b = late('b'), c = late('c');
	memset(order, 0, sizeof order);
	order_len = 0;
	worker_defer(w, &a.deferred);
	worker_defer(w, &b.deferred);
	worker_defer(w, &a.deferred);
	worker_defer(w, &c.deferred);
	run_for(1);
	assert_string_equal(order, "abc");
}

static void undeferred_ones_do_not_run(void **state)
{
	struct late a = late('a'), b = late('b'), c = late('c'), d = late('d');
	memset(order, 0, sizeof order);
	order_len = 0;
	worker_defer(w, &a.deferred);
	worker_defer(w, &b.deferred);
	worker_defer(w, &c.deferred);
	worker_undefer(w, &b.deferred); /* in the middle */
	worker_undefer(w, &c.deferred); /* at the end */
	worker_undefer(w, &d.deferred); /* not there */
	worker_defer(w, &d.deferred);
	worker_undefer(w, &a.deferred); /* at the start */
	worker_defer(w, &a.deferred);
	run_for(1);
	assert_string_equal(order, "da");
}

static void deferred_that_comes_back_does_not_keep_others_waiting(void **state)
{
	struct late busy = late('x');
	struct alarm alarm = { .timer.on_timer = on_alarm };
	busy.again = true;
	notes_begin();
	worker_defer(w, &busy.deferred);
	worker_timer_set(w, &alarm.timer, 5);
	post_note(w, 0, 0);
	run_for(60);
	assert_int_equal(alarm.fired, 1);
	assert_int_equal(total, 1);
	assert_true(busy.ran > 1);
}

static void free_late(struct deferred *d)
{
	free(d);
	worker_stop(w);
}

static void deferred_may_free_its_owner(void **state)
{
	struct late *l = calloc(1, sizeof *l);
	l->deferred.fn = free_late;
	worker_defer(w, &l->deferred);
	worker_run(w);
}

static void defer_from_stop(struct worker *on)
{
	static struct late last;
	last = late('z');
	worker_defer(on, &last.deferred);
}

static void what_the_stop_defers_still_runs(void **state)
{
	memset(order, 0, sizeof order);
	order_len = 0;
	struct worker *t = worker_new(1, "t");
	assert_int_equal(worker_start(t, NULL, defer_from_stop), ERR_NONE);
	worker_stop(t);
	worker_join(t);
	worker_free(t);
	assert_string_equal(order, "z");
}

/* ---- watchdog ---- */

static void watchdog_names_what_takes_long_once(void **state)
{
	struct watchdog dog;
	uint64_t for_ms = 0;
	watchdog_init(&dog, w, 50);
	assert_null(watchdog_look(&dog, 1000, &for_ms));
	worker_doing(w, "socket");
	assert_null(watchdog_look(&dog, 1010, &for_ms)); /* first seen */
	assert_null(watchdog_look(&dog, 1050, &for_ms));
	assert_string_equal(watchdog_look(&dog, 1060, &for_ms), "socket");
	assert_int_equal(for_ms, 50);
	assert_null(watchdog_look(&dog, 1500, &for_ms));
	worker_doing(w, "socket"); /* another one, however alike */
	assert_null(watchdog_look(&dog, 1510, &for_ms));
	assert_string_equal(watchdog_look(&dog, 1600, &for_ms), "socket");
	worker_doing(w, NULL);
	assert_null(watchdog_look(&dog, 2000, &for_ms));
	assert_null(watchdog_look(&dog, 3000, &for_ms));
	struct worker_stats stats;
	worker_stats(w, &stats);
	assert_int_equal(stats.slow_callbacks, 2);
}

static void stall(struct timer *t)
{
	uint64_t until = uv_hrtime() + 60 * UINT64_C(1000000);
	while (uv_hrtime() < until)
		;
	worker_stop(w);
}

static void watchdog_that_slept_tells_of_a_long_pass_afterwards(void **state)
{
	struct watchdog dog;
	struct timer t = { .on_timer = stall };
	uint64_t for_ms = 0;
	watchdog_init(&dog, w, 50);
	assert_null(watchdog_look(&dog, 1000, &for_ms));
	assert_true(dog.quiet);
	worker_timer_set(w, &t, 1);
	worker_run(w);
	assert_string_equal(watchdog_look(&dog, 2000, &for_ms), "pass");
	assert_true(for_ms >= 60);
	assert_false(dog.quiet);
	assert_null(watchdog_look(&dog, 3000, &for_ms));
	assert_true(dog.quiet);
}

static void watchdog_that_looks_often_leaves_passes_to_the_figures(void **state)
{
	struct watchdog dog;
	struct timer t = { .on_timer = stall };
	uint64_t for_ms = 0;
	watchdog_init(&dog, w, 50);
	assert_null(watchdog_look(&dog, 1000, &for_ms));
	worker_timer_set(w, &t, 1);
	worker_run(w);
	assert_null(watchdog_look(&dog, 1010, &for_ms)); /* many short actions make a long pass as well */
}

static void doing_answers_what_was_before(void **state)
{
	assert_null(worker_doing(w, "parse"));
	assert_string_equal(worker_doing(w, "timer"), "parse");
	assert_string_equal(worker_doing(w, NULL), "timer");
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Bytes are drawn ahead: none of them is given twice, whatever sizes are asked for. Eight of them in a row are alike by accident in one
 * of 2^38 runs. */
static void random_bytes_are_given_once(void **state)
{
	enum { LARGEST = 600, WORDS = LARGEST * (LARGEST + 1) / 2 / 8 + LARGEST };
	static uint64_t given[WORDS];
	size_t n = 0;
	for (size_t size = 1; size <= LARGEST; size++) {
		uint64_t bytes[LARGEST / 8 + 1] = { 0 };
		rng_fill(&w->rng, bytes, size);
		for (size_t i = 0; i < size / 8; i++)
			given[n++] = bytes[i];
		assert_true(size % 8 == 0 || bytes[size / 8] >> (8 * (size % 8)) == 0); /* and not one more */
	}
	qsort(given, n, sizeof given[0], by_value);
	for (size_t i = 1; i < n; i++)
		assert_true(given[i] != given[i - 1]);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(messages_of_each_sender_arrive_in_order),
		CASE(messages_posted_before_the_start_run_after_it),
		CASE(messages_of_a_worker_that_never_ran_are_cancelled),
		CASE(messages_posted_after_the_stop_are_cancelled),
		CASE(messages_posted_before_the_stop_are_not_cancelled),
		CASE(message_may_be_posted_again_by_its_own_run),
		CASE(start_and_stop_run_on_the_workers_thread),
		CASE(timers_fire_at_their_time_and_never_before),
		CASE(worker_without_work_sleeps),
		CASE(what_is_on_its_way_is_seen_all_the_time),
		CASE(deferred_run_once_and_in_order),
		CASE(undeferred_ones_do_not_run),
		CASE(deferred_that_comes_back_does_not_keep_others_waiting),
		CASE(deferred_may_free_its_owner),
		CASE(what_the_stop_defers_still_runs),
		CASE(watchdog_names_what_takes_long_once),
		CASE(watchdog_that_slept_tells_of_a_long_pass_afterwards),
		CASE(watchdog_that_looks_often_leaves_passes_to_the_figures),
		CASE(doing_answers_what_was_before),
		CASE(random_bytes_are_given_once),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
