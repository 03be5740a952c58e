#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/encode.h"
#include "proto/base/rng.h"

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	return 0;
}

static void b64_matches_the_vectors_of_rfc_4648(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },         { "f", "Zg==" },        { "fo", "Zm8=" },           { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str out, text = b64_encode(arena, str_of(rows[i][0]));
		assert_string_equal(text.p, rows[i][1]);
		assert_int_equal(b64_decode(arena, str_of(rows[i][1]), &out), ERR_NONE);
		assert_true(str_is(out, rows[i][0]));
		assert_int_equal(out.p[out.len], '\0');
	}
	assert_true(str_is(b64_encode(arena, STR("\xfb\xff\xbf")), "+/+/"));
	assert_true(str_is(b64_encode(arena, STR_NONE), ""));
}

static void b64_decode_is_strict(void **state)
{
	static const char *const bad[] = {
		"Z",     "Zg",   "Zg=",   "Zg===",  "Zm9",      "====", "=",         "Z===",    "Zg==Zg==", "Zm9v\n", "Zm 9v",
		"Zm9v ", "Zh==", "Zm9=",  "Z=g=",   "=Zg=",     "Zm-_", "Zm9v====",  "Zg==\n\n\n\n", "Zm\x80v",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str out;
		assert_int_equal(b64_decode(arena, str_of(bad[i]), &out), ERR_INVALID);
	}
	struct str out;
	assert_int_equal(b64_decode(arena, STR("Zm\0v"), &out), ERR_INVALID);
}

static void b64_and_hex_give_back_random_bytes(void **state)
{
	struct rng r;
	char bytes[70];
	rng_init_seeded(&r, 11);
	for (size_t n = 0; n < sizeof(bytes); n++) {
		struct str out, in = str_span(bytes, n);
		rng_fill(&r, bytes, n);
		assert_int_equal(b64_decode(arena, b64_encode(arena, in), &out), ERR_NONE);
		assert_true(str_eq(in, out));
		assert_int_equal(hex_decode(arena, hex_encode(arena, in), &out), ERR_NONE);
		assert_true(str_eq(in, out));
	}
}

static void hex_writes_lower_case_and_reads_both(void **state)
{
	struct str out;
	assert_string_equal(hex_encode(arena, STR("\x00\xab\xff")).p, "00abff");
	assert_int_equal(hex_decode(arena, STR("00aBFf"), &out), ERR_NONE);
	assert_true(str_eq(out, STR("\x00\xab\xff")));
	assert_int_equal(hex_decode(arena, STR(""), &out), ERR_NONE);
	assert_int_equal(out.len, 0);
}

static void hex_decode_refuses_what_is_not_hex(void **state)
{
	static const char *const bad[] = { "a", "abc", "0g", "g0", "0x", " 0", "0:", "0/", "0@", "0`" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str out;
		assert_int_equal(hex_decode(arena, str_of(bad[i]), &out), ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(b64_matches_the_vectors_of_rfc_4648),
		cmocka_unit_test(b64_decode_is_strict),
		cmocka_unit_test(b64_and_hex_give_back_random_bytes),
		cmocka_unit_test(hex_writes_lower_case_and_reads_both),
		cmocka_unit_test(hex_decode_refuses_what_is_not_hex),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
