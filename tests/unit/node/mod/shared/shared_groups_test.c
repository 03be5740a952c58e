#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "node/mod/shared/shared_groups.h"

enum { GROUPS = 70, PEOPLE = 40, STEPS = 3000 }; /* more groups than a word has bits */

static const uint64_t key[2] = { 1, 2 };

/* What should be there, said plainly. */
struct model {
	bool exists[GROUPS], all[GROUPS], online[GROUPS], shows[GROUPS][GROUPS], member[GROUPS][PEOPLE];
	bool account[PEOPLE], is_online[PEOPLE];
};

static struct str group_name(struct arena *a, unsigned i)
{
	return arena_printf(a, "g%u", i);
}

static struct str user_name(struct arena *a, unsigned i)
{
	return arena_printf(a, "u%u", i);
}

static bool is_in(const struct model *m, unsigned group, unsigned user)
{
	return m->exists[group] && (m->member[group][user] || (m->all[group] && m->account[user]) ||
				     (m->online[group] && m->is_online[user]));
}

static bool sees(const struct model *m, unsigned one, unsigned other)
{
	for (unsigned mine = 0; mine < GROUPS; mine++)
		for (unsigned theirs = 0; is_in(m, mine, one) && theirs < GROUPS; theirs++)
			if (m->shows[mine][theirs] && is_in(m, theirs, other))
				return true;
	return false;
}

static void forget(struct model *m, unsigned group)
{
	m->exists[group] = m->all[group] = m->online[group] = false;
	for (unsigned i = 0; i < GROUPS; i++)
		m->shows[group][i] = false;
	for (unsigned u = 0; u < PEOPLE; u++)
		m->member[group][u] = false;
}

static void put(struct arena *a, struct rng *rng, struct shared_groups *g, struct model *m, unsigned group)
{
	struct buf shows;
	buf_init(&shows, 4096);
	for (unsigned i = 0; i < GROUPS; i++) {
		m->shows[group][i] = rng_u64(rng) % 20 == 0; /* also of groups that are not there (yet) */
		if (m->shows[group][i])
			roster_group_add(&shows, group_name(a, i));
	}
	m->exists[group] = true;
	assert_non_null(shared_put(g, group_name(a, group), group_name(a, group), STR(""), buf_str(&shows)));
	buf_fini(&shows);
}

static void step(struct arena *a, struct rng *rng, struct shared_groups *g, struct model *m)
{
	unsigned group = (unsigned)(rng_u64(rng) % GROUPS), user = (unsigned)(rng_u64(rng) % PEOPLE);
	unsigned what = (unsigned)(rng_u64(rng) % 12);
	bool yes = rng_u64(rng) % 3 != 0;
	struct shared_group *found = shared_find(g, group_name(a, group));
	assert_int_equal(found != NULL, m->exists[group]);
	if (what == 0) {
		put(a, rng, g, m, group);
	} else if (what == 1) {
		assert_int_equal(shared_set_account(g, user_name(a, user), yes), m->account[user] != yes);
		m->account[user] = yes;
	} else if (what == 2) {
		assert_int_equal(shared_set_online(g, user_name(a, user), SHARED_HERE, yes), m->is_online[user] != yes);
		m->is_online[user] = yes;
	} else if (found && what == 3 && group % 5 == 0) {
		shared_del(g, found);
		forget(m, group);
	} else if (found && what == 4 && group % 7 == 0) {
		(yes ? shared_join : shared_leave)(g, found, SHARED_ALL);
		m->all[group] = yes;
	} else if (found && what == 5 && group % 11 == 0) {
		(yes ? shared_join : shared_leave)(g, found, SHARED_ONLINE);
		m->online[group] = yes;
	} else if (found) {
		(yes ? shared_join : shared_leave)(g, found, user_name(a, user));
		m->member[group][user] = yes;
	}
}

static void check(struct shared_groups *g, const struct model *m, unsigned user)
{
	struct arena *a = arena_new(0);
	struct tie_list all = { .arena = a, .max = PEOPLE };
	unsigned at = 0;
	shared_ties(g, STR("example.org"), user_name(a, user), STR_NONE, &all);
	for (unsigned other = 0; other < PEOPLE; other++) {
		struct tie_list one = { .arena = a, .max = 1 };
		bool to = other != user && sees(m, user, other), from = other != user && sees(m, other, user);
		shared_ties(g, STR("example.org"), user_name(a, user), user_name(a, other), &one);
		assert_int_equal(one.n, to || from);
		if (!one.n)
			continue;
		assert_true(one.v[0].to == to && one.v[0].from == from);
		assert_int_equal(one.v[0].groups.len > 0, to);
		at++;
	}
	assert_int_equal(all.n, at);
	for (unsigned i = 1; i < all.n; i++)
		assert_true(str_cmp(jid_str(&all.v[i - 1].jid), jid_str(&all.v[i].jid)) < 0);
	arena_free(a);
}

static void who_sees_whom_is_what_the_definition_says(void **state)
{
	for (uint64_t seed = 1; seed < 6; seed++) {
		struct arena *a = arena_new(0);
		struct model *m = arena_zalloc(a, sizeof *m);
		struct shared_groups *g = arena_zalloc(a, sizeof *g);
		struct rng rng;
		rng_init_seeded(&rng, seed);
		shared_init(g, key);
		for (unsigned i = 0; i < STEPS; i++) {
			step(a, &rng, g, m);
			if (i % 100 == 0)
				check(g, m, (unsigned)(rng_u64(&rng) % PEOPLE));
		}
		for (unsigned user = 0; user < PEOPLE; user++)
			check(g, m, user);
		while (g->n)
			shared_del(g, g->v[0]);
		for (unsigned user = 0; user < PEOPLE; user++) {
			shared_set_account(g, user_name(a, user), false);
			shared_set_online(g, user_name(a, user), SHARED_HERE, false);
		}
		assert_int_equal(map_count(&g->people), 0); /* nobody is remembered for nothing */
		shared_fini(g);
		arena_free(a);
	}
}

static void a_ceiling_keeps_the_first_by_address(void **state)
{
	struct arena *a = arena_new(0);
	struct shared_groups *g = arena_zalloc(a, sizeof *g);
	struct tie_list l = { .arena = a, .max = 2 };
	struct buf own;
	shared_init(g, key);
	buf_init(&own, 64);
	roster_group_add(&own, STR("g"));
	struct shared_group *group = shared_put(g, STR("g"), STR("G"), STR(""), buf_str(&own));
	static const char *const names[] = { "d", "a", "c", "b" };
	for (unsigned i = 0; i < 4; i++)
		shared_join(g, group, str_of(names[i]));
	shared_ties(g, STR("x"), STR("d"), STR_NONE, &l);
	assert_true(l.n == 2 && l.more);
	assert_true(str_is(jid_str(&l.v[0].jid), "a@x") && str_is(jid_str(&l.v[1].jid), "b@x"));
	buf_fini(&own);
	shared_fini(g);
	arena_free(a);
}

static void accounts_that_are_not_told_of_again_are_gone(void **state)
{
	struct arena *a = arena_new(0);
	struct shared_groups *g = arena_zalloc(a, sizeof *g);
	shared_init(g, key);
	assert_true(shared_set_account(g, STR("a"), true) && shared_set_account(g, STR("b"), true));
	shared_accounts_begin(g);
	assert_false(shared_set_account(g, STR("a"), true));
	assert_true(shared_set_account(g, STR("c"), true)); /* born meanwhile */
	shared_accounts_end(g);
	assert_int_equal(g->n_accounts, 2);
	assert_null(map_get(&g->people, STR("b")));
	shared_fini(g);
	arena_free(a);
}

static void a_group_is_read_as_it_was_written(void **state)
{
	struct arena *a = arena_new(0);
	struct shared_groups *g = arena_zalloc(a, sizeof *g);
	shared_init(g, key);
	struct str text = STR("{\"label\":\"G\",\"description\":\"d\",\"shows\":[\"g\",\"h\"],\"members\":[\"@all@\",\"juliet\"]}");
	assert_int_equal(shared_parse(g, a, STR("g"), text), ERR_NONE);
	struct shared_group *group = shared_find(g, STR("g"));
	assert_true(group->all && !group->online && group->n_members == 1);
	struct str again = shared_format(a, group, STR(""), false);
	assert_true(str_eq(again, text));
	struct str joined = shared_format(a, group, STR("romeo"), true), left = shared_format(a, group, STR("juliet"), false);
	assert_non_null(strstr(joined.p, "[\"@all@\",\"juliet\",\"romeo\"]"));
	assert_non_null(strstr(left.p, "[\"@all@\"]"));
	assert_int_equal(shared_parse(g, a, STR("g"), STR("[]")), ERR_INVALID);
	assert_int_equal(shared_parse(g, a, STR("g"), STR("{\"label\"")), ERR_INVALID);
	shared_fini(g);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_sees_whom_is_what_the_definition_says),
		cmocka_unit_test(a_ceiling_keeps_the_first_by_address),
		cmocka_unit_test(accounts_that_are_not_told_of_again_are_gone),
		cmocka_unit_test(a_group_is_read_as_it_was_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
