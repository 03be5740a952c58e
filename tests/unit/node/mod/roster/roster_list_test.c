#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/mod/roster/roster_list.h"

enum { MANY = 300 };

static struct roster_item make(struct arena *a, unsigned n, enum subscription state)
{
	struct roster_item item = { .side = { state, n % 3 == 0 }, .listed = n % 5 != 0, .groups = STR("") };
	struct str text = arena_printf(a, "user%u@example.org", n);
	assert_int_equal(jid_parse(a, text, &item.jid), ERR_NONE);
	item.name = arena_printf(a, "%.*s", (int)(n % 40), "a name that is now longer, now shorter than before");
	return item;
}

static void check_same(const struct roster_item *a, const struct roster_item *b)
{
	assert_true(jid_eq(&a->jid, &b->jid));
	assert_int_equal(a->jid.local_len, b->jid.local_len);
	assert_int_equal(a->side.state, b->side.state);
	assert_int_equal(a->side.approved, b->side.approved);
	assert_int_equal(a->listed, b->listed);
	assert_true(str_eq(a->name, b->name));
	assert_true(str_eq(a->groups, b->groups));
}

static void an_empty_list_has_nothing(void **state)
{
	struct roster_list l = { 0 };
	struct roster_item item;
	uint32_t at = 0;
	assert_false(roster_list_find(&l, STR("a@b"), &item));
	assert_false(roster_list_next(&l, &at, &item));
	roster_list_del(&l, STR("a@b"));
	roster_list_trim(&l);
	roster_list_fini(&l);
}

static void items_come_back_as_they_were_put(void **state)
{
	struct arena *a = arena_new(0);
	struct roster_list l = { 0 };
	struct roster_item items[MANY], got;
	for (unsigned i = 0; i < MANY; i++) {
		items[i] = make(a, i, (enum subscription)(i % SUBSCRIPTION_COUNT));
		roster_list_put(&l, &items[i]);
	}
	roster_list_trim(&l);
	assert_int_equal(l.n, MANY);
	assert_int_equal(l.cap, l.used);
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(roster_list_find(&l, jid_bare_str(&items[i].jid), &got));
		check_same(&got, &items[i]);
	}
	unsigned seen = 0;
	for (uint32_t at = 0; roster_list_next(&l, &at, &got); seen++)
		check_same(&got, &items[seen]);
	assert_int_equal(seen, MANY);
	roster_list_fini(&l);
	arena_free(a);
}

/* Replaces and deletes at random, beside an array that says what should be there. */
static void changes_leave_the_others_alone(void **state)
{
	struct arena *a = arena_new(0);
	struct roster_list l = { 0 };
	struct roster_item items[MANY], got;
	bool there[MANY] = { false };
	struct rng rng;
	rng_init_seeded(&rng, 7);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = (unsigned)(rng_u64(&rng) % MANY);
		struct roster_item item = make(a, i, (enum subscription)(rng_u64(&rng) % SUBSCRIPTION_COUNT));
		item.name = arena_printf(a, "%.*s", (int)(rng_u64(&rng) % 30), "abcdefghijklmnopqrstuvwxyz0123456789");
		if (rng_u64(&rng) % 3) {
			roster_list_put(&l, &item);
			items[i] = item;
			there[i] = true;
		} else {
			roster_list_del(&l, jid_bare_str(&item.jid));
			there[i] = false;
		}
		if (step % 500 == 0)
			roster_list_trim(&l);
	}
	unsigned n = 0, listed = 0, pending = 0;
	for (unsigned i = 0; i < MANY; i++) {
		struct roster_item probe = make(a, i, SUBSCRIPTION_NONE);
		assert_int_equal(roster_list_find(&l, jid_bare_str(&probe.jid), &got), there[i]);
		if (!there[i])
			continue;
		check_same(&got, &items[i]);
		n++;
		listed += items[i].listed;
		pending += subscription_is_pending_in(items[i].side.state);
	}
	assert_int_equal(l.n, n);
	assert_int_equal(l.n_listed, listed);
	assert_int_equal(l.n_pending, pending);
	roster_list_fini(&l);
	arena_free(a);
}

static void a_prefix_of_an_address_is_another_one(void **state)
{
	struct arena *a = arena_new(0);
	struct roster_list l = { 0 };
	struct roster_item item = make(a, 12, SUBSCRIPTION_BOTH), got;
	roster_list_put(&l, &item);
	assert_false(roster_list_find(&l, STR("user12@example.or"), &got));
	assert_false(roster_list_find(&l, STR("user1@example.org"), &got));
	assert_false(roster_list_find(&l, STR("user13@example.org"), &got));
	assert_true(roster_list_find(&l, STR("user12@example.org"), &got));
	roster_list_fini(&l);
	arena_free(a);
}

static void twenty_contacts_take_little(void **state)
{
	struct arena *a = arena_new(0);
	struct roster_list l = { 0 };
	for (unsigned i = 0; i < 20; i++) {
		struct roster_item item = make(a, i + 1000, SUBSCRIPTION_BOTH);
		item.name = STR("Somebody");
		roster_list_put(&l, &item);
	}
	roster_list_trim(&l);
	assert_true(l.cap < 1024);
	roster_list_fini(&l);
	arena_free(a);
}

/* The two parts change at random, beside two arrays that say what should be there. */
static void a_tie_and_what_the_user_made_live_apart(void **state)
{
	struct arena *a = arena_new(0);
	struct roster_list l = { 0 };
	struct roster_item items[MANY], got;
	bool own[MANY] = { false }, to[MANY] = { false }, from[MANY] = { false };
	struct rng rng;
	rng_init_seeded(&rng, 11);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = (unsigned)(rng_u64(&rng) % MANY), kind = (unsigned)(rng_u64(&rng) % 4);
		struct roster_item item = make(a, i, SUBSCRIPTION_TO);
		if (kind == 0) {
			roster_list_put(&l, &item);
			items[i] = item;
			own[i] = true;
		} else if (kind == 1) {
			roster_list_del(&l, jid_bare_str(&item.jid));
			own[i] = false;
		} else {
			to[i] = rng_u64(&rng) % 2;
			from[i] = rng_u64(&rng) % 2;
			roster_list_tie(&l, &(struct tie){ item.jid, to[i], from[i], STR("\0\5Staff") }, i % 2);
		}
	}
	unsigned n = 0, tied = 0, fresh = 0;
	for (unsigned i = 0; i < MANY; i++) {
		struct roster_item probe = make(a, i, SUBSCRIPTION_NONE);
		bool has_tie = to[i] || from[i];
		assert_int_equal(roster_list_find(&l, jid_bare_str(&probe.jid), &got), own[i] || has_tie);
		n += own[i] || has_tie;
		tied += has_tie;
		fresh += from[i] && i % 2;
		if (own[i])
			check_same(&got, &items[i]);
		if (!own[i] && !has_tie)
			continue;
		assert_true(got.tie_to == to[i] && got.tie_from == from[i] && got.tie_fresh == (from[i] && i % 2));
		assert_int_equal(got.tie_groups.len, to[i] ? 7 : 0);
		assert_int_equal(roster_item_shows(&got), (own[i] && items[i].listed) || to[i]);
		assert_int_equal(subscription_has_to(roster_item_state(&got)), own[i] || to[i]);
		assert_int_equal(subscription_has_from(roster_item_state(&got)), from[i]);
	}
	assert_true(l.n == n && l.n_tied == tied && l.n_fresh == fresh);
	for (unsigned i = 0; i < MANY; i++) {
		struct roster_item probe = make(a, i, SUBSCRIPTION_NONE);
		roster_list_tie(&l, &(struct tie){ probe.jid, false, false, STR("") }, false);
	}
	assert_true(l.tied == 0 && l.n_tied == 0 && l.n_fresh == 0);
	roster_list_fini(&l);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_has_nothing),
		cmocka_unit_test(items_come_back_as_they_were_put),
		cmocka_unit_test(changes_leave_the_others_alone),
		cmocka_unit_test(a_prefix_of_an_address_is_another_one),
		cmocka_unit_test(twenty_contacts_take_little),
		cmocka_unit_test(a_tie_and_what_the_user_made_live_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
