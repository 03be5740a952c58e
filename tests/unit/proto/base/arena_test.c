#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/arena.h"

static void arena_alloc_gives_aligned_memory_that_does_not_overlap(void **state)
{
	struct arena *a = arena_new(0);
	char *p[500];
	for (size_t i = 0; i < 500; i++) {
		p[i] = arena_alloc(a, i);
		assert_int_equal((uintptr_t)p[i] % 8, 0);
		memset(p[i], (int)(i & 0xff), i);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal((unsigned char)p[i][k], i & 0xff);
	arena_free(a);
}

static void arena_alloc_of_nothing_is_valid(void **state)
{
	struct arena *a = arena_new(1);
	assert_non_null(arena_alloc(a, 0));
	arena_free(a);
	arena_free(NULL);
}

static void arena_alloc_of_a_big_piece_keeps_the_small_chunk_in_use(void **state)
{
	struct arena *a = arena_new(1024);
	char *small = arena_alloc(a, 8);
	char *big = arena_alloc(a, 1 << 20);
	memset(big, 'x', 1 << 20);
	char *next = arena_alloc(a, 8);
	assert_true(next - small <= 32);
	assert_true(arena_bytes(a) >= 1024 + (1 << 20));
	assert_true(arena_bytes(a) < 1024 + (1 << 20) + 64);
	arena_free(a);
}

static void arena_bytes_counts_the_heap(void **state)
{
	struct arena *a = arena_new(4096);
	assert_int_equal(arena_bytes(a), 4096);
	arena_alloc(a, 1000);
	assert_int_equal(arena_bytes(a), 4096);
	for (int i = 0; i < 1000; i++)
		arena_alloc(a, 100);
	assert_true(arena_bytes(a) >= 100000 && arena_bytes(a) < 250000);
	arena_free(a);
}

static void arena_zalloc_zeroes(void **state)
{
	struct arena *a = arena_new(0);
	char *p = arena_zalloc(a, 300);
	for (int i = 0; i < 300; i++)
		assert_int_equal(p[i], 0);
	arena_free(a);
}

static void arena_str_copies_and_terminates(void **state)
{
	struct arena *a = arena_new(0);
	char src[] = "romeo@montague";
	struct str s = arena_str(a, str_span(src, 5));
	src[0] = 'X';
	assert_string_equal(s.p, "romeo");
	assert_int_equal(s.len, 5);
	assert_string_equal(arena_strz(a, STR("")), "");
	assert_false(str_present(arena_str(a, STR_NONE)));
	assert_null(arena_strz(a, STR_NONE));
	assert_true(str_present(arena_str(a, STR(""))));
	arena_free(a);
}

static void arena_printf_formats_any_length(void **state)
{
	struct arena *a = arena_new(0);
	struct str s = arena_printf(a, "%s=%d", "x", 42);
	assert_string_equal(s.p, "x=42");
	assert_int_equal(s.len, 4);
	s = arena_printf(a, "%05000d", 7);
	assert_int_equal(s.len, 5000);
	assert_int_equal(strlen(s.p), 5000);
	arena_free(a);
}

static char order[8];

static void on_cleanup(void *arg)
{
	size_t n = strlen(order);
	order[n] = *(char *)arg;
	order[n + 1] = '\0';
}

static void arena_free_runs_cleanups_last_first_with_memory_still_there(void **state)
{
	struct arena *a = arena_new(0);
	char *letters = arena_strz(a, STR("abc"));
	order[0] = '\0';
	for (int i = 0; i < 3; i++)
		arena_defer(a, on_cleanup, letters + i);
	arena_free(a);
	assert_string_equal(order, "cba");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_alloc_gives_aligned_memory_that_does_not_overlap),
		cmocka_unit_test(arena_alloc_of_nothing_is_valid),
		cmocka_unit_test(arena_alloc_of_a_big_piece_keeps_the_small_chunk_in_use),
		cmocka_unit_test(arena_bytes_counts_the_heap),
		cmocka_unit_test(arena_zalloc_zeroes),
		cmocka_unit_test(arena_str_copies_and_terminates),
		cmocka_unit_test(arena_printf_formats_any_length),
		cmocka_unit_test(arena_free_runs_cleanups_last_first_with_memory_still_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
