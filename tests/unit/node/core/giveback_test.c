#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/core/giveback.h"
#include "node/http/scrape.h"

#if defined(__has_feature)
#define HAS_FEATURE(f) __has_feature(f)
#else
#define HAS_FEATURE(f) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define KEEPS_WHAT_IS_FREED 1 /* to catch who still uses it */
#else
#define KEEPS_WHAT_IS_FREED 0
#endif

#define MIB (UINT64_C(1) << 20)

static void growth_that_is_in_use_is_left_alone(void **state)
{
	struct giveback g = { 0 };
	for (uint64_t n = 0; n < 1000; n += 10)
		assert_false(giveback_wants(&g, (20 + n) * MIB, (5 + n) * MIB));
}

static void what_is_freed_and_stays_is_given_back(void **state)
{
	struct giveback g = { 0 };
	assert_false(giveback_wants(&g, 20 * MIB, 5 * MIB));
	assert_false(giveback_wants(&g, 60 * MIB, 45 * MIB));
	assert_false(giveback_wants(&g, 60 * MIB, 42 * MIB));
	assert_true(giveback_wants(&g, 60 * MIB, 6 * MIB));
}

static void less_idle_memory_is_the_new_measure(void **state)
{
	struct giveback g = { 0 };
	giveback_wants(&g, 20 * MIB, 5 * MIB);
	assert_false(giveback_wants(&g, 20 * MIB, 12 * MIB));
	assert_true(giveback_wants(&g, 20 * MIB, 8 * MIB));
}

/* Small blocks that keep their place between long ones that are freed: no heap may shrink below the last of them by itself. */
static void holes_between_blocks_in_use_are_given_back(void **state)
{
	enum { N = 400, LONG = 100 << 10 };
	static char *longs[N], *smalls[N];
	struct giveback g = { 0 };
	giveback_look(&g);
	uint64_t before = scrape_resident_bytes();
	for (int i = 0; i < N; i++) {
		longs[i] = memset(malloc(LONG), 1, LONG);
		smalls[i] = memset(malloc(100), 1, 100);
	}
	assert_true(scrape_resident_bytes() >= before + 30 * MIB);
	giveback_look(&g);
	assert_true(scrape_resident_bytes() >= before + 30 * MIB);
	for (int i = 0; i < N; i++)
		free(longs[i]);
	giveback_look(&g);
	if (!KEEPS_WHAT_IS_FREED)
		assert_true(scrape_resident_bytes() < before + 8 * MIB);
	for (int i = 0; i < N; i++)
		free(smalls[i]);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(growth_that_is_in_use_is_left_alone),
		cmocka_unit_test(what_is_freed_and_stays_is_given_back),
		cmocka_unit_test(less_idle_memory_is_the_new_measure),
		cmocka_unit_test(holes_between_blocks_in_use_are_given_back),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
