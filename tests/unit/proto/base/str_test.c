#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/str.h"

static void str_eq_ignores_where_empty_strings_point(void **state)
{
	assert_true(str_eq(STR_NONE, STR("")));
	assert_true(str_eq(STR("ab"), str_of("ab")));
	assert_false(str_eq(STR("ab"), STR("ac")));
	assert_false(str_eq(STR("ab"), STR("abc")));
	assert_true(str_is(STR("x\0y"), "x") == false);
	assert_false(str_present(str_of(NULL)));
	assert_true(str_present(STR("")));
}

static void str_cmp_orders_like_memcmp_with_the_shorter_first(void **state)
{
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("b"), STR("a")) > 0);
	assert_true(str_cmp(STR("a"), STR("ab")) < 0);
	assert_true(str_cmp(STR("ab"), STR("a")) > 0);
	assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
	assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
	assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
}

static void str_caseeq_folds_ascii_only(void **state)
{
	assert_true(str_caseeq(STR("StartTLS"), STR("starttls")));
	assert_false(str_caseeq(STR("["), STR("{")));
	assert_false(str_caseeq(STR("@"), STR("`")));
	assert_false(str_caseeq(STR("\xc3\x84"), STR("\xc3\xa4")));
	assert_false(str_caseeq(STR("a"), STR("aa")));
}

static void str_starts_and_ends_look_at_the_edges(void **state)
{
	assert_true(str_starts(STR("urn:xmpp:ping"), STR("urn:")));
	assert_true(str_starts(STR_NONE, STR("")));
	assert_false(str_starts(STR("ur"), STR("urn:")));
	assert_true(str_ends(STR("a.example"), STR(".example")));
	assert_false(str_ends(STR("example"), STR(".example")));
	assert_true(str_ends(STR("x"), STR_NONE));
}

static void str_chr_finds_the_first_one(void **state)
{
	struct str s = STR("a@b@c");
	assert_ptr_equal(str_chr(s, '@'), s.p + 1);
	assert_null(str_chr(s, '/'));
	assert_null(str_chr(STR_NONE, '/'));
	assert_null(str_chr(str_span(s.p, 1), '@'));
}

static void str_cut_walks_all_fields_and_ends_absent(void **state)
{
	struct str rest = STR("a,,b");
	assert_true(str_is(str_cut(&rest, ','), "a"));
	assert_true(str_is(str_cut(&rest, ','), ""));
	assert_true(str_present(rest));
	assert_true(str_is(str_cut(&rest, ','), "b"));
	assert_false(str_present(rest));
	assert_false(str_present(str_cut(&rest, ',')));

	rest = STR("a,");
	assert_true(str_is(str_cut(&rest, ','), "a"));
	struct str last = str_cut(&rest, ',');
	assert_true(str_present(last) && str_empty(last));
	assert_false(str_present(rest));
}

static void str_trim_strips_both_ends(void **state)
{
	assert_true(str_is(str_trim(STR(" \t\r\n a b \n")), "a b"));
	assert_true(str_is(str_trim(STR(" \n ")), ""));
	assert_true(str_is(str_trim(STR("a")), "a"));
	assert_true(str_is(str_trim(STR("\v")), "\v"));
	assert_false(str_present(str_trim(STR_NONE)));
}

static void str_to_u64_takes_digits_that_fit(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "007", true, 7 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "184467440737095516150", false, 0 },
		{ "", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "0x1", false, 0 },
		{ "1:", false, 0 },
		{ "1/", false, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t v = 42;
		assert_int_equal(str_to_u64(str_of(rows[i].text), &v), rows[i].ok);
		assert_true(v == (rows[i].ok ? rows[i].value : 42));
	}
	uint64_t v;
	assert_false(str_to_u64(STR_NONE, &v));
}

static const struct {
	struct str text;
	bool ok;
} utf8_rows[] = {
	{ STR_INIT(""), true },
	{ STR_INIT("plain ascii, longer than one word"), true },
	{ STR_INIT("\x7f"), true },
	{ STR_INIT("a\0b"), true },
	{ STR_INIT("\xc2\x80"), true },
	{ STR_INIT("\xdf\xbf"), true },
	{ STR_INIT("\xe0\xa0\x80"), true },
	{ STR_INIT("\xed\x9f\xbf"), true },     /* U+D7FF */
	{ STR_INIT("\xee\x80\x80"), true },     /* U+E000 */
	{ STR_INIT("\xef\xbf\xbf"), true },     /* U+FFFF */
	{ STR_INIT("\xf0\x90\x80\x80"), true }, /* U+10000 */
	{ STR_INIT("\xf4\x8f\xbf\xbf"), true }, /* U+10FFFF */
	{ STR_INIT("1234567\xc3\xa4"), true },  /* across a word */
	{ STR_INIT("\x80"), false },
	{ STR_INIT("\xbf"), false },
	{ STR_INIT("\xc0\x80"), false }, /* overlong NUL */
	{ STR_INIT("\xc1\xbf"), false },
	{ STR_INIT("\xe0\x9f\xbf"), false },
	{ STR_INIT("\xf0\x8f\xbf\xbf"), false },
	{ STR_INIT("\xed\xa0\x80"), false }, /* U+D800 */
	{ STR_INIT("\xed\xbf\xbf"), false }, /* U+DFFF */
	{ STR_INIT("\xf4\x90\x80\x80"), false },
	{ STR_INIT("\xf5\x80\x80\x80"), false },
	{ STR_INIT("\xfe"), false },
	{ STR_INIT("\xff"), false },
	{ STR_INIT("\xc3"), false }, /* cut short */
	{ STR_INIT("\xe2\x82"), false },
	{ STR_INIT("\xf0\x9f\x98"), false },
	{ STR_INIT("\xc3\x28"), false },
	{ STR_INIT("\xe2\x28\xa1"), false },
	{ STR_INIT("\xe2\x82\x28"), false },
	{ STR_INIT("\xf0\x9f\x98\x28"), false },
	{ STR_INIT("12345678\xc3"), false },
	{ STR_INIT("1234567\xff"), false },
};

static void str_is_utf8_follows_the_table_of_well_formed_sequences(void **state)
{
	for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++)
		assert_int_equal(str_is_utf8(utf8_rows[i].text), utf8_rows[i].ok);
	assert_true(str_is_utf8(STR_NONE));
}

/* The first eight outputs of the authors' vectors: key 00..0f, input 00, 00 01, ... */
static void str_hash_matches_the_siphash_vectors(void **state)
{
	static const uint64_t expected[] = {
		0x726fdb47dd0e0e31u, 0x74f839c593dc67fdu, 0x0d6c8009d9a94f5au, 0x85676696d7fb7e2du, 0xcf2794e0277187b7u,
		0x18765564cd99a68du, 0xcbc9466e58fee3ceu, 0xab0200f58b01d137u, 0x93f5f5799a932462u, 0x9e0082df0ba9e4b0u,
	};
	static const uint64_t key[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
	char in[16];
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)i;
	for (size_t n = 0; n < sizeof(expected) / sizeof(expected[0]); n++)
		assert_true(str_hash(str_span(in, n), key) == expected[n]);
	assert_true(str_hash(str_span(in, 15), key) == 0xa129ca6149be45e5u); /* the paper's example */
}

static void str_hash_depends_on_the_key(void **state)
{
	static const uint64_t one[2] = { 1, 2 }, two[2] = { 1, 3 };
	assert_true(str_hash(STR("juliet"), one) != str_hash(STR("juliet"), two));
	assert_true(str_hash(STR_NONE, one) == str_hash(STR(""), one));
}

static void str_eq_consttime_agrees_with_str_eq(void **state)
{
	assert_true(str_eq_consttime(STR("secret"), STR("secret")));
	assert_false(str_eq_consttime(STR("secret"), STR("secreT")));
	assert_false(str_eq_consttime(STR("Secret"), STR("secret")));
	assert_false(str_eq_consttime(STR("secret"), STR("secre")));
	assert_true(str_eq_consttime(STR_NONE, STR("")));
}

static void str_distance_counts_edits_and_swaps(void **state)
{
	assert_int_equal(str_distance(STR("port"), STR("port")), 0);
	assert_int_equal(str_distance(STR("prot"), STR("port")), 1);
	assert_int_equal(str_distance(STR("ports"), STR("port")), 1);
	assert_int_equal(str_distance(STR("kitten"), STR("sitting")), 3);
	assert_int_equal(str_distance(STR("ca"), STR("abc")), 3); /* optimal alignment, not full Damerau */
	assert_int_equal(str_distance(STR(""), STR("abc")), 3);
	assert_int_equal(str_distance(STR("abc"), STR_NONE), 3);
}

static void str_distance_refuses_long_strings(void **state)
{
	char a[65], b[64];
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	assert_int_equal(str_distance(str_span(a, 64), str_span(b, 64)), 64);
	assert_int_equal(str_distance(str_span(a, 65), str_span(a, 64)), 65);
	assert_int_equal(str_distance(STR(""), str_span(a, 65)), 65);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(str_eq_ignores_where_empty_strings_point),
		cmocka_unit_test(str_cmp_orders_like_memcmp_with_the_shorter_first),
		cmocka_unit_test(str_caseeq_folds_ascii_only),
		cmocka_unit_test(str_starts_and_ends_look_at_the_edges),
		cmocka_unit_test(str_chr_finds_the_first_one),
		cmocka_unit_test(str_cut_walks_all_fields_and_ends_absent),
		cmocka_unit_test(str_trim_strips_both_ends),
		cmocka_unit_test(str_to_u64_takes_digits_that_fit),
		cmocka_unit_test(str_is_utf8_follows_the_table_of_well_formed_sequences),
		cmocka_unit_test(str_hash_matches_the_siphash_vectors),
		cmocka_unit_test(str_hash_depends_on_the_key),
		cmocka_unit_test(str_eq_consttime_agrees_with_str_eq),
		cmocka_unit_test(str_distance_counts_edits_and_swaps),
		cmocka_unit_test(str_distance_refuses_long_strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
