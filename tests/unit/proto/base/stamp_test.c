#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/encode.h"
#include "proto/base/rng.h"

static const struct {
	const char *text;
	int64_t unix_ms;
} formatted[] = {
	{ "1970-01-01T00:00:00.000Z", 0 },
	{ "1969-12-31T23:59:59.999Z", -1 },
	{ "1969-07-21T02:56:15.000Z", -14159025000 },
	{ "2000-02-29T12:00:00.001Z", 951825600001 },
	{ "2026-11-22T07:17:54.120Z", 1795331874120 },
	{ "2100-03-01T00:00:00.000Z", 4107542400000 },
	{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	{ "0000-01-01T00:00:00.000Z", -62167219200000 },
};

static void stamp_format_writes_utc(void **state)
{
	char out[STAMP_BYTES];
	for (size_t i = 0; i < sizeof(formatted) / sizeof(formatted[0]); i++) {
		struct str s = stamp_format(out, formatted[i].unix_ms, true);
		assert_string_equal(out, formatted[i].text);
		assert_int_equal(s.len, strlen(formatted[i].text));
		assert_ptr_equal(s.p, out);
	}
	assert_true(str_is(stamp_format(out, 1795331874120, false), "2026-11-22T07:17:54Z"));
	assert_true(str_is(stamp_format(out, -1, false), "1969-12-31T23:59:59Z"));
}

static void stamp_format_clamps_years_of_more_than_four_digits(void **state)
{
	char out[STAMP_BYTES];
	assert_true(str_is(stamp_format(out, INT64_MAX, true), "9999-12-31T23:59:59.999Z"));
	assert_true(str_is(stamp_format(out, INT64_MIN, true), "0000-01-01T00:00:00.000Z"));
}

static void stamp_parse_reads_every_form_of_xep_0082(void **state)
{
	static const struct {
		const char *text;
		int64_t unix_ms;
	} rows[] = {
		{ "1969-07-21T02:56:15Z", -14159025000 },
		{ "1969-07-20T21:56:15-05:00", -14159025000 },
		{ "2026-11-22T07:17:54.12Z", 1795331874120 },
		{ "2026-11-22T07:17:54.1209999999Z", 1795331874120 },
		{ "2026-11-22T09:17:54.120+02:00", 1795331874120 },
		{ "2026-11-22T21:17:54.120+14:00", 1795331874120 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "2000-02-29T12:00:00Z", 951825600000 },
		{ "1970-01-01T00:00:00-00:00", 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ms = 1;
		assert_int_equal(stamp_parse(str_of(rows[i].text), &ms), ERR_NONE);
		assert_true(ms == rows[i].unix_ms);
	}
}

static void stamp_parse_refuses_what_is_not_a_time(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-11-22",
		"2026-11-22T07:17:54",
		"2026-11-22T07:17Z",
		"2026-11-22 07:17:54Z",
		"2026-11-22t07:17:54Z",
		"2026-11-22T07:17:54z",
		"2026-11-22T07:17:54.Z",
		"2026-11-22T07:17:54,1Z",
		"2026-11-22T07:17:54ZZ",
		"2026-11-22T07:17:54Z ",
		"2026-11-22T07:17:54+0200",
		"2026-11-22T07:17:54+02",
		"2026-11-22T07:17:54+14:01",
		"2026-11-22T07:17:54+02:60",
		"2026-13-22T07:17:54Z",
		"2026-00-22T07:17:54Z",
		"2026-11-00T07:17:54Z",
		"2026-11-31T07:17:54Z",
		"2026-02-29T07:17:54Z",
		"1900-02-29T07:17:54Z",
		"2026-11-22T24:00:00Z",
		"2026-11-22T07:60:54Z",
		"2026-11-22T07:17:60Z",
		"-2026-11-22T07:17:54Z",
		"12026-11-22T07:17:54Z",
		"26-11-22T07:17:54Z",
		"2026-11-22T07:17:-4Z",
		"20261122T07:17:54",
		"2026-11-22T07:17:54.00000000000000000000000000000000000000000000000Z",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ms;
		assert_int_equal(stamp_parse(str_of(bad[i]), &ms), ERR_INVALID);
	}
	int64_t ms;
	assert_int_equal(stamp_parse(STR_NONE, &ms), ERR_INVALID);
}

static void stamp_parse_inverts_stamp_format(void **state)
{
	struct rng r;
	char out[STAMP_BYTES];
	rng_init_seeded(&r, 4);
	for (int i = 0; i < 20000; i++) {
		int64_t back, ms = (int64_t)(rng_u64(&r) % 315569520000000u) - 62167219200000;
		assert_int_equal(stamp_parse(stamp_format(out, ms, true), &back), ERR_NONE);
		assert_true(back == ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamp_format_writes_utc),
		cmocka_unit_test(stamp_format_clamps_years_of_more_than_four_digits),
		cmocka_unit_test(stamp_parse_reads_every_form_of_xep_0082),
		cmocka_unit_test(stamp_parse_refuses_what_is_not_a_time),
		cmocka_unit_test(stamp_parse_inverts_stamp_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
