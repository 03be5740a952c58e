#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "cluster/secret.h"

static void each_purpose_has_its_own_key_and_each_node_the_same(void **state)
{
	uint8_t secret[SECRET_BYTES], other[SECRET_BYTES], a[32], b[32];
	memset(secret, 7, sizeof secret);
	memset(other, 8, sizeof other);
	secret_derive(secret, "one", a, sizeof a);
	secret_derive(secret, "one", b, sizeof b);
	assert_memory_equal(a, b, sizeof a);
	secret_derive(secret, "two", b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	secret_derive(other, "one", b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

/* As RFC 5869 has it, computed by another implementation: a change would part a cluster that is upgraded node by node. */
static void a_key_stays_what_it_was(void **state)
{
	static const uint8_t expected[8] = { 0xcc, 0x1e, 0x3f, 0xf1, 0x74, 0x85, 0x0d, 0xca };
	uint8_t secret[SECRET_BYTES], key[8];
	for (size_t i = 0; i < sizeof secret; i++)
		secret[i] = (uint8_t)i;
	secret_derive(secret, "mesh curve 1", key, sizeof key);
	assert_memory_equal(key, expected, sizeof key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_purpose_has_its_own_key_and_each_node_the_same),
		cmocka_unit_test(a_key_stays_what_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
