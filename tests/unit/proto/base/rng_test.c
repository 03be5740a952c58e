#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/rng.h"

static void rng_seeded_repeats_itself(void **state)
{
	struct rng a, b;
	rng_init_seeded(&a, 5);
	rng_init_seeded(&b, 5);
	for (int i = 0; i < 100; i++)
		assert_true(rng_u64(&a) == rng_u64(&b));
	rng_init_seeded(&b, 6);
	assert_true(rng_u64(&a) != rng_u64(&b));
}

/* The published splitmix64 sequence from seed 1234567. */
static void rng_seeded_is_splitmix64(void **state)
{
	struct rng r;
	rng_init_seeded(&r, 1234567);
	assert_true(rng_u64(&r) == 6457827717110365317u);
	assert_true(rng_u64(&r) == 3203168211198807973u);
}

static void rng_fill_fills_any_length_and_no_more(void **state)
{
	struct rng r;
	unsigned char out[32];
	rng_init_seeded(&r, 1);
	for (size_t n = 0; n < 20; n++) {
		memset(out, 0, sizeof(out));
		rng_fill(&r, out, n);
		for (size_t i = n; i < sizeof(out); i++)
			assert_int_equal(out[i], 0);
	}
}

static void rng_token_has_the_length_and_the_alphabet(void **state)
{
	struct rng r;
	struct arena *a = arena_new(0);
	bool seen[256] = { false };
	int kinds = 0;
	rng_init_seeded(&r, 3);
	for (size_t n = 0; n < 100; n++) {
		struct str t = rng_token(&r, a, n);
		assert_int_equal(t.len, n);
		assert_int_equal(t.p[n], '\0');
		for (size_t i = 0; i < n; i++) {
			assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz234567", t.p[i]));
			kinds += !seen[(unsigned char)t.p[i]];
			seen[(unsigned char)t.p[i]] = true;
		}
	}
	assert_int_equal(kinds, 32);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rng_seeded_repeats_itself),
		cmocka_unit_test(rng_seeded_is_splitmix64),
		cmocka_unit_test(rng_fill_fills_any_length_and_no_more),
		cmocka_unit_test(rng_token_has_the_length_and_the_alphabet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
