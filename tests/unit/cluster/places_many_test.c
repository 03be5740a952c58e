/* One node that serves more places than a tick renews: the turn of each comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cluster/places.h"

#define PLACES  20000
#define TICK_MS 500
#define SELF    7

static struct {
	struct places *places;
	uint64_t now, fence;
	uint64_t renewed_ms[PLACES];
	unsigned renewals, at_once; /* of this tick; the most of any */
	bool answers;
} all;

static unsigned number_of(struct str name)
{
	uint64_t n;
	assert_true(str_to_u64(str_span(name.p + 1, name.len - 1), &n) && n < PLACES);
	return (unsigned)n;
}

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	fail();
}

static void on_claim(void *arg, struct str name, uint64_t fence)
{
	places_claimed(all.places, name, ERR_NONE, SELF, ++all.fence, 0, all.now);
}

static void on_renew(void *arg, struct str name, uint64_t fence)
{
	if (!all.answers)
		return;
	all.renewed_ms[number_of(name)] = all.now;
	all.renewals++;
	places_renewed(all.places, name, fence, ERR_NONE, all.now);
}

static void on_release(void *arg, struct str name, uint64_t fence, uint32_t heir)
{
}

static void *on_begin(void *arg, struct str name, uint64_t fence, struct str state)
{
	return &all;
}

static void on_freeze(void *arg, void *place, struct buf *out)
{
}

static void on_end(void *arg, void *place)
{
}

static void on_take(void *arg, void *place, const struct frame_record *r)
{
}

static void on_declined(void *arg, struct str name, uint32_t epoch)
{
	fail();
}

static void on_refuse(void *arg, const struct frame_record *r)
{
	fail();
}

static int set_up(void **state)
{
	static const uint64_t seed[2] = { 1, 2 };
	struct places_out out = { .send = on_send, .claim = on_claim, .renew = on_renew, .release = on_release, .begin = on_begin,
				  .freeze = on_freeze, .end = on_end, .take = on_take, .refuse = on_refuse, .declined = on_declined };
	struct view *v = view_new(1);
	memset(&all, 0, sizeof all);
	all.now = 1000;
	all.answers = true;
	all.places = places_new(&out, seed, PLACES);
	v->self = SELF;
	v->state = NODE_UP;
	v->registry_ok = true;
	v->nodes[0] = (struct view_node){ .epoch = SELF, .state = NODE_UP, .speaks = PLACES_PROTOCOL };
	places_view(all.places, v, all.now);
	view_unref(v);
	for (unsigned i = 0; i < PLACES; i++) {
		char name[16];
		snprintf(name, sizeof name, "p%u", i);
		struct frame_record r = { .kind = PLACES_DATA, .ttl = FRAME_TTL, .to = str_of(name) };
		r.dst_fp = str_hash(r.to, seed);
		places_record(all.places, &r, all.now);
		all.renewed_ms[i] = all.now;
	}
	return 0;
}

static int tear_down(void **state)
{
	places_free(all.places);
	return 0;
}

static void run(uint64_t ms)
{
	for (uint64_t end = all.now + ms; all.now < end;) {
		all.now += TICK_MS;
		all.renewals = 0;
		places_tick(all.places, all.now);
		if (all.renewals > all.at_once)
			all.at_once = all.renewals;
	}
}

static uint64_t longest_ago(void)
{
	uint64_t oldest = UINT64_MAX;
	for (unsigned i = 0; i < PLACES; i++)
		if (all.renewed_ms[i] < oldest)
			oldest = all.renewed_ms[i];
	return all.now - oldest;
}

static void each_is_renewed_in_its_time_and_not_all_at_once(void **state)
{
	for (unsigned i = 0; i < 10; i++) {
		run(20000);
		assert_true(longest_ago() < 50000);
	}
	assert_in_range(all.at_once, 1, PLACES / 10);
}

static void each_is_told_again_soon_when_the_registry_has_forgotten(void **state)
{
	places_tell_all(all.places);
	run(15000);
	assert_true(longest_ago() <= 15000);
	assert_in_range(all.at_once, 1, PLACES / 10);
}

/* Those whose answers are due do not stand before the others. */
static void who_waits_for_an_answer_keeps_nobody_back(void **state)
{
	all.answers = false;
	places_tell_all(all.places);
	run(5000);
	all.answers = true;
	run(10000);
	unsigned told = 0;
	for (unsigned i = 0; i < PLACES; i++)
		told += all.renewed_ms[i] > 1000;
	assert_in_range(told, PLACES / 4, PLACES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_is_renewed_in_its_time_and_not_all_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_is_told_again_soon_when_the_registry_has_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_for_an_answer_keeps_nobody_back, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
