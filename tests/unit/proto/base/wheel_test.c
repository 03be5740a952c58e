#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/rng.h"
#include "proto/base/wheel.h"

#define HOUR_MS 3600000ull

struct alarm {
	struct timer timer; /* first: callbacks cast */
	uint64_t at_ms, set_ms;
	int fired;
	bool set;
};

static struct wheel wheel;
static uint64_t now_ms;

static void on_alarm(struct timer *t)
{
	struct alarm *a = (struct alarm *)t;
	assert_false(timer_is_set(t));
	assert_true(now_ms >= a->at_ms);
	a->fired++;
	a->set = false;
}

static void set_alarm(struct alarm *a, uint64_t at_ms)
{
	a->timer.on_timer = on_alarm;
	a->at_ms = at_ms;
	a->set_ms = now_ms;
	a->set = true;
	timer_set(&wheel, &a->timer, at_ms);
}

static void advance(uint64_t to_ms)
{
	now_ms = to_ms;
	wheel_advance(&wheel, now_ms);
}

static void start(uint64_t at_ms)
{
	now_ms = at_ms;
	wheel_init(&wheel, now_ms);
}

static void wheel_fires_at_its_time_never_before(void **state)
{
	struct alarm a = { 0 };
	start(1000);
	set_alarm(&a, 1100);
	assert_true(timer_is_set(&a.timer));
	advance(1099);
	assert_int_equal(a.fired, 0);
	advance(1100 + 32);
	assert_int_equal(a.fired, 1);
	assert_false(timer_is_set(&a.timer));
	advance(100000);
	assert_int_equal(a.fired, 1);
	assert_int_equal(wheel.count, 0);
}

static void timer_cancel_is_harmless_when_not_set(void **state)
{
	struct alarm a = { 0 };
	start(0);
	timer_cancel(&wheel, &a.timer);
	set_alarm(&a, 50);
	timer_cancel(&wheel, &a.timer);
	timer_cancel(&wheel, &a.timer);
	advance(1000);
	assert_int_equal(a.fired, 0);
	assert_int_equal(wheel_sleep_ms(&wheel, now_ms), -1);
}

static void timer_set_again_moves_the_timer(void **state)
{
	struct alarm a = { 0 };
	start(0);
	set_alarm(&a, 100);
	set_alarm(&a, 5000);
	assert_int_equal(wheel.count, 1);
	advance(4999);
	assert_int_equal(a.fired, 0);
	advance(5040);
	assert_int_equal(a.fired, 1);
}

static void wheel_fires_a_timer_of_the_past_at_the_next_advance(void **state)
{
	struct alarm a = { 0 };
	start(5000);
	set_alarm(&a, 1);
	assert_int_equal(wheel_sleep_ms(&wheel, now_ms), 0);
	advance(5000);
	assert_int_equal(a.fired, 1);
}

static void on_again(struct timer *t)
{
	struct alarm *a = (struct alarm *)t;
	a->fired++;
	timer_set(&wheel, t, now_ms);
}

static void timer_set_from_its_callback_fires_once_an_advance(void **state)
{
	struct alarm a = { .timer.on_timer = on_again };
	start(0);
	timer_set(&wheel, &a.timer, 0);
	for (int i = 1; i < 10; i++) {
		advance(now_ms + 32);
		assert_int_equal(a.fired, i);
	}
	timer_cancel(&wheel, &a.timer);
}

static struct alarm *victim;

static void on_kill(struct timer *t)
{
	((struct alarm *)t)->fired++;
	timer_cancel(&wheel, &victim->timer);
}

static void timer_cancelled_by_another_due_timer_does_not_fire(void **state)
{
	struct alarm a = { .timer.on_timer = on_kill }, b = { .timer.on_timer = on_kill };
	start(0);
	timer_set(&wheel, &a.timer, 100);
	timer_set(&wheel, &b.timer, 200);
	victim = &b;
	advance(300);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 0);
	assert_int_equal(wheel.count, 0);
}

static void wheel_holds_timers_beyond_its_span(void **state)
{
	struct alarm a = { 0 };
	start(123);
	set_alarm(&a, 1000 * HOUR_MS);
	while (now_ms < 1000 * HOUR_MS - HOUR_MS) {
		int64_t sleep = wheel_sleep_ms(&wheel, now_ms);
		assert_true(sleep > 0);
		advance(now_ms + HOUR_MS);
		assert_int_equal(a.fired, 0);
	}
	advance(1000 * HOUR_MS - 1);
	assert_int_equal(a.fired, 0);
	advance(1000 * HOUR_MS + 32);
	assert_int_equal(a.fired, 1);
}

static void wheel_survives_a_great_leap_of_the_clock(void **state)
{
	struct alarm a = { 0 }, b = { 0 };
	start(0);
	set_alarm(&a, 500 * HOUR_MS);
	set_alarm(&b, 1ull << 50);
	advance((1ull << 50) - 1000);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 0);
	advance((1ull << 50) + 32);
	assert_int_equal(b.fired, 1);
}

static void wheel_ignores_a_clock_that_goes_back(void **state)
{
	struct alarm a = { 0 };
	start(10000);
	set_alarm(&a, 10100);
	advance(500);
	now_ms = 10132;
	advance(10132);
	assert_int_equal(a.fired, 1);
}

static void wheel_sleep_wakes_in_time_for_the_next_timer(void **state)
{
	static const uint64_t ahead[] = { 1, 16, 500, 1023, 1024, 1025, 5000, 70000, 4 * HOUR_MS, 80 * HOUR_MS };
	for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		struct alarm a = { 0 };
		int wakes = 0;
		start(777 + i * 1000);
		uint64_t at = now_ms + ahead[i];
		set_alarm(&a, at);
		while (!a.fired) {
			int64_t sleep = wheel_sleep_ms(&wheel, now_ms);
			assert_true(sleep >= 0);
			advance(now_ms + (uint64_t)sleep);
			assert_true(++wakes < 12);
		}
		assert_true(now_ms < at + 32);
	}
}

#define ALARMS 200

static uint64_t random_ahead(struct rng *r)
{
	uint64_t x = rng_u64(r);
	static const uint64_t scale[] = { 20, 1000, 2000, 65536, 300000, 4194304, 20000000, 300000000 };
	return x % scale[(x >> 40) % 8];
}

/* The naive model: a flat list, looked through at every step. */
static void check_model(const struct alarm *alarms, const int *fired_before, const bool *set_before)
{
	unsigned set = 0;
	for (int i = 0; i < ALARMS; i++) {
		const struct alarm *a = &alarms[i];
		bool must = set_before[i] && now_ms >= a->at_ms + 32;
		bool may = set_before[i] && now_ms >= a->at_ms;
		int n = a->fired - fired_before[i];
		assert_true(n == 0 || (n == 1 && may));
		assert_true(!must || n == 1);
		assert_int_equal(timer_is_set(&a->timer), a->set);
		set += a->set;
	}
	assert_int_equal(wheel.count, set);
}

static void wheel_behaves_like_a_naive_list_over_random_operations(void **state)
{
	static struct alarm alarms[ALARMS];
	struct rng r;
	rng_init_seeded(&r, 99);
	start(rng_u64(&r) % (1ull << 40));
	for (int step = 0; step < 6000; step++) {
		int fired[ALARMS];
		bool set[ALARMS];
		for (int k = 0; k < 4; k++) {
			struct alarm *a = &alarms[rng_u64(&r) % ALARMS];
			if (rng_u64(&r) % 4) {
				set_alarm(a, now_ms + random_ahead(&r));
			} else {
				timer_cancel(&wheel, &a->timer);
				a->set = false;
			}
		}
		for (int i = 0; i < ALARMS; i++) {
			fired[i] = alarms[i].fired;
			set[i] = alarms[i].set;
		}
		int64_t sleep = wheel_sleep_ms(&wheel, now_ms);
		assert_true(sleep >= 0 || wheel.count == 0);
		for (int i = 0; i < ALARMS && sleep > 0; i++) /* never oversleeps */
			assert_true(!set[i] || now_ms + (uint64_t)sleep < alarms[i].at_ms + 16);
		advance(now_ms + random_ahead(&r) / 4);
		check_model(alarms, fired, set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wheel_fires_at_its_time_never_before),
		cmocka_unit_test(timer_cancel_is_harmless_when_not_set),
		cmocka_unit_test(timer_set_again_moves_the_timer),
		cmocka_unit_test(wheel_fires_a_timer_of_the_past_at_the_next_advance),
		cmocka_unit_test(timer_set_from_its_callback_fires_once_an_advance),
		cmocka_unit_test(timer_cancelled_by_another_due_timer_does_not_fire),
		cmocka_unit_test(wheel_holds_timers_beyond_its_span),
		cmocka_unit_test(wheel_survives_a_great_leap_of_the_clock),
		cmocka_unit_test(wheel_ignores_a_clock_that_goes_back),
		cmocka_unit_test(wheel_sleep_wakes_in_time_for_the_next_timer),
		cmocka_unit_test(wheel_behaves_like_a_naive_list_over_random_operations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
