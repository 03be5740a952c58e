#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/routes.h"
#include "proto/base/rng.h"

static void routes_find_what_was_put_last(void **state)
{
	struct routes r;
	routes_init(&r);
	assert_null(routes_find(&r, 7));
	routes_put(&r, 7, 1, 10);
	routes_put(&r, 0, 3, 30);
	routes_put(&r, 7, 2, 20);
	assert_int_equal(r.n, 2);
	assert_int_equal(routes_find(&r, 7)->epoch, 2);
	assert_int_equal(routes_find(&r, 0)->hlc, 30);
	routes_del(&r, 7);
	routes_del(&r, 8);
	assert_null(routes_find(&r, 7));
	assert_int_equal(r.n, 1);
	routes_fini(&r);
}

static bool is_of_one(const struct route *e, void *arg)
{
	return e->epoch == 1;
}

static void routes_that_stay_in_a_sweep_stay_hearsay(void **state)
{
	struct routes r;
	routes_init(&r);
	routes_put(&r, 7, 1, 10);
	routes_put(&r, 8, 2, 10);
	routes_put(&r, 9, 2, 10);
	routes_find(&r, 8)->hearsay = 1;
	routes_sweep(&r, is_of_one, NULL);
	assert_null(routes_find(&r, 7));
	assert_int_equal(routes_find(&r, 8)->hearsay, 1);
	assert_int_equal(routes_find(&r, 9)->hearsay, 0);
	routes_fini(&r);
}

#define NAMES 3000

/* Fingerprints whose slots collide often; a plain array tells what should be there. */
static uint64_t fp_of(unsigned name)
{
	return ((uint64_t)(name % 97) << 20) + ((uint64_t)name << 45) + 4;
}

static void routes_agree_with_a_plain_array_through_random_changes(void **state)
{
	static uint32_t truth[NAMES];
	struct rng rng;
	struct routes r;
	size_t n = 0;
	rng_init_seeded(&rng, 41);
	routes_init(&r);
	for (unsigned step = 0; step < 60000; step++) {
		unsigned name = (unsigned)(rng_u64(&rng) % NAMES);
		if (rng_u64(&rng) % 100 < (step % 20000 < 12000 ? 65 : 25)) {
			n += !truth[name];
			truth[name] = step + 1;
			routes_put(&r, fp_of(name), truth[name], step);
		} else {
			n -= truth[name] != 0;
			truth[name] = 0;
			routes_del(&r, fp_of(name));
		}
		assert_int_equal(r.n, n);
		if (step % 1000)
			continue;
		for (unsigned i = 0; i < NAMES; i++) {
			const struct route *e = routes_find(&r, fp_of(i));
			assert_int_equal(e ? e->epoch : 0, truth[i]);
		}
	}
	routes_fini(&r);
}

static bool is_odd(const struct route *e, void *arg)
{
	return e->epoch % 2;
}

static void routes_sweep_drops_what_goes_and_walks_over_the_rest(void **state)
{
	struct routes r;
	routes_init(&r);
	for (uint32_t i = 1; i <= 1000; i++)
		routes_put(&r, (uint64_t)i << 24, i, i);
	routes_sweep(&r, is_odd, NULL);
	assert_int_equal(r.n, 500);
	size_t at = 0, n = 0;
	for (const struct route *e; (e = routes_next(&r, &at)); n++)
		assert_int_equal(e->epoch % 2, 0);
	assert_int_equal(n, 500);
	routes_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_find_what_was_put_last),
		cmocka_unit_test(routes_that_stay_in_a_sweep_stay_hearsay),
		cmocka_unit_test(routes_agree_with_a_plain_array_through_random_changes),
		cmocka_unit_test(routes_sweep_drops_what_goes_and_walks_over_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
