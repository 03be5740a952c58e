#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/tally.h"
#include "proto/base/rng.h"

#define EPOCHS 3u

static const unsigned ofs[] = { 1, 2, 3, TALLY_PARTS_MAX };

static void put(struct tallies *t, struct routes *r, uint64_t fp, uint32_t epoch, uint64_t hlc)
{
	const struct route *e = routes_find(r, fp);
	if (e)
		tallies_del(t, e);
	routes_put(r, fp, epoch, hlc);
	tallies_add(t, routes_find(r, fp));
}

static void del(struct tallies *t, struct routes *r, uint64_t fp)
{
	const struct route *e = routes_find(r, fp);
	if (e)
		tallies_del(t, e);
	routes_del(r, fp);
}

static void assert_all_are(struct tallies *t, const struct routes *r)
{
	struct tallies anew = { 0 };
	for (uint32_t epoch = 0; epoch < EPOCHS; epoch++)
		for (unsigned i = 0; i < sizeof ofs / sizeof ofs[0]; i++)
			for (unsigned part = 0; part < ofs[i]; part++) {
				struct tally_part kept = tallies_part(t, r, epoch, part, ofs[i]);
				struct tally_part counted = tallies_part(&anew, r, epoch, part, ofs[i]);
				assert_int_equal(kept.sum, counted.sum);
				assert_int_equal(kept.n, counted.n);
			}
	tallies_fini(&anew);
}

static void tallies_stay_what_a_walk_counts_through_random_changes(void **state)
{
	(void)state;
	struct tallies t = { 0 };
	struct routes r;
	struct rng rng;
	rng_init_seeded(&rng, 7);
	routes_init(&r);
	assert_all_are(&t, &r); /* from now on they are kept up */
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 500; i++) {
			uint64_t fp = rng_u64(&rng) % 300; /* 0 is one: it is kept as 1 */
			if (rng_u64(&rng) % 3)
				put(&t, &r, fp, (uint32_t)(rng_u64(&rng) % EPOCHS), rng_u64(&rng) % 5);
			else
				del(&t, &r, fp);
		}
		assert_all_are(&t, &r);
	}
	tallies_fini(&t);
	routes_fini(&r);
}

static void tallies_differ_when_entries_do(void **state)
{
	(void)state;
	struct tallies t = { 0 };
	struct routes r;
	routes_init(&r);
	put(&t, &r, 10, 1, 5);
	struct tally_part one = tallies_part(&t, &r, 1, 0, 2);
	assert_int_equal(one.n, 1);
	assert_int_equal(tallies_part(&t, &r, 1, 1, 2).n, 0);
	put(&t, &r, 10, 1, 6);
	assert_int_not_equal(tallies_part(&t, &r, 1, 0, 2).sum, one.sum);
	put(&t, &r, 10, 2, 5);
	assert_int_equal(tallies_part(&t, &r, 1, 0, 2).n, 0);
	assert_int_equal(tallies_part(&t, &r, 2, 0, 2).sum, one.sum);
	del(&t, &r, 10);
	assert_int_equal(tallies_part(&t, &r, 2, 0, 2).sum, 0);
	tallies_fini(&t);
	routes_fini(&r);
}

static void tallies_past_the_ceiling_are_counted_anew(void **state)
{
	(void)state;
	struct tallies t = { 0 };
	struct routes r;
	routes_init(&r);
	put(&t, &r, 10, 1, 5);
	struct tally_part first = tallies_part(&t, &r, 1, 0, 1);
	for (uint32_t epoch = 2; epoch < TALLIES_MAX + 10; epoch++)
		assert_int_equal(tallies_part(&t, &r, epoch, 0, 1).n, 0);
	assert_int_equal(t.n, TALLIES_MAX);
	assert_int_equal(tallies_part(&t, &r, 1, 0, 1).sum, first.sum);
	assert_int_equal(t.n, TALLIES_MAX);
	tallies_drop(&t, 1);
	assert_int_equal(t.n, TALLIES_MAX - 1);
	tallies_fini(&t);
	routes_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tallies_stay_what_a_walk_counts_through_random_changes),
		cmocka_unit_test(tallies_differ_when_entries_do),
		cmocka_unit_test(tallies_past_the_ceiling_are_counted_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
