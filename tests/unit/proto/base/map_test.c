#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "proto/base/map.h"
#include "proto/base/rng.h"

static const uint64_t seed[2] = { 1, 2 };

static void map_put_get_and_del_one_entry(void **state)
{
	struct map m;
	int one = 1, two = 2;
	map_init(&m, seed);
	assert_null(map_get(&m, STR("a")));
	assert_null(map_del(&m, STR("a")));
	assert_null(map_put(&m, STR("a"), &one));
	assert_ptr_equal(map_get(&m, STR("a")), &one);
	assert_ptr_equal(map_put(&m, STR("a"), &two), &one);
	assert_int_equal(map_count(&m), 1);
	assert_ptr_equal(map_del(&m, STR("a")), &two);
	assert_null(map_get(&m, STR("a")));
	assert_int_equal(map_count(&m), 0);
	map_fini(&m);
}

static void map_takes_empty_and_binary_keys(void **state)
{
	struct map m;
	int v[3];
	map_init(&m, seed);
	map_put(&m, STR(""), &v[0]);
	map_put(&m, STR("a\0b"), &v[1]);
	map_put(&m, STR("a\0c"), &v[2]);
	assert_ptr_equal(map_get(&m, STR_NONE), &v[0]);
	assert_ptr_equal(map_get(&m, STR("a\0b")), &v[1]);
	assert_ptr_equal(map_get(&m, STR("a\0c")), &v[2]);
	assert_null(map_get(&m, STR("a")));
	map_fini(&m);
}

static void map_put_on_an_old_key_keeps_the_new_keys_bytes(void **state)
{
	struct map m;
	char first[] = "key", second[] = "key";
	map_init(&m, seed);
	map_put(&m, str_of(first), first);
	assert_ptr_equal(map_put(&m, str_of(second), second), first);
	memset(first, 'x', 3); /* the old owner may go away now */
	assert_ptr_equal(map_get(&m, STR("key")), second);
	map_fini(&m);
}

static void map_finds_by_the_hash_of_a_key(void **state)
{
	struct map m;
	static char keys[200][8];
	map_init(&m, seed);
	assert_null(map_get_hashed(&m, str_hash(STR("a"), seed)));
	for (int i = 0; i < 200; i++) {
		snprintf(keys[i], sizeof keys[i], "k%d", i);
		map_put(&m, str_of(keys[i]), keys[i]);
	}
	for (int i = 0; i < 200; i += 2)
		map_del(&m, str_of(keys[i]));
	for (int i = 0; i < 200; i++)
		assert_ptr_equal(map_get_hashed(&m, str_hash(str_of(keys[i]), seed)), i % 2 ? keys[i] : NULL);
	assert_null(map_get_hashed(&m, str_hash(str_of(keys[1]), seed) ^ UINT64_C(0x0100000001000000))); /* folds to the same */
	map_fini(&m);
}

static void map_next_visits_each_entry_once(void **state)
{
	struct map m;
	char keys[100][8];
	int seen[100] = { 0 };
	size_t i = 0;
	struct str key;
	void *value;
	map_init(&m, seed);
	assert_false(map_next(&m, &i, &key, &value));
	for (int n = 0; n < 100; n++) {
		snprintf(keys[n], sizeof(keys[n]), "k%d", n);
		map_put(&m, str_of(keys[n]), &seen[n]);
	}
	for (i = 0; map_next(&m, &i, &key, &value);) {
		int n = (int)((int *)value - seen);
		assert_true(str_is(key, keys[n]));
		seen[n]++;
	}
	for (int n = 0; n < 100; n++)
		assert_int_equal(seen[n], 1);
	map_fini(&m);
}

static void map_shrinks_and_reuses_tombstones(void **state)
{
	struct map m;
	char keys[4000][8];
	map_init(&m, seed);
	for (int n = 0; n < 4000; n++) {
		snprintf(keys[n], sizeof(keys[n]), "%d", n);
		map_put(&m, str_of(keys[n]), keys[n]);
	}
	for (int n = 0; n < 3990; n++)
		assert_ptr_equal(map_del(&m, str_of(keys[n])), keys[n]);
	assert_true(m.cap <= 128);
	for (int n = 3990; n < 4000; n++)
		assert_ptr_equal(map_get(&m, str_of(keys[n])), keys[n]);
	size_t cap = m.cap;
	for (int round = 0; round < 10000; round++) { /* coming and going needs no growth */
		map_put(&m, str_of(keys[round % 3000]), keys[0]);
		map_del(&m, str_of(keys[round % 3000]));
	}
	assert_true(m.cap <= cap);
	map_fini(&m);
}

#define KEYS 300

static void map_behaves_like_a_naive_table_over_random_operations(void **state)
{
	struct map m;
	struct rng r;
	char keys[KEYS][8];
	void *model[KEYS] = { 0 };
	size_t count = 0;
	map_init(&m, seed);
	rng_init_seeded(&r, 7);
	for (int n = 0; n < KEYS; n++)
		snprintf(keys[n], sizeof(keys[n]), "key%d", n);
	for (int step = 0; step < 60000; step++) {
		uint64_t x = rng_u64(&r);
		int n = (int)(x % KEYS);
		bool growing = (step / 5000) % 2 == 0; /* phases, so that both growth and shrinking happen */
		if ((x >> 32) % 8 < (growing ? 6 : 2)) {
			void *value = &keys[(x >> 16) % KEYS];
			assert_ptr_equal(map_put(&m, str_of(keys[n]), value), model[n]);
			count += !model[n];
			model[n] = value;
		} else {
			assert_ptr_equal(map_del(&m, str_of(keys[n])), model[n]);
			count -= !!model[n];
			model[n] = NULL;
		}
		int k = (int)((x >> 40) % KEYS);
		assert_ptr_equal(map_get(&m, str_of(keys[k])), model[k]);
		assert_int_equal(map_count(&m), count);
		assert_true(m.used < m.cap);
	}
	map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_put_get_and_del_one_entry),
		cmocka_unit_test(map_takes_empty_and_binary_keys),
		cmocka_unit_test(map_put_on_an_old_key_keeps_the_new_keys_bytes),
		cmocka_unit_test(map_finds_by_the_hash_of_a_key),
		cmocka_unit_test(map_next_visits_each_entry_once),
		cmocka_unit_test(map_shrinks_and_reuses_tombstones),
		cmocka_unit_test(map_behaves_like_a_naive_table_over_random_operations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
