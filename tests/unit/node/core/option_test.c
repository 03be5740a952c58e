#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/core/option.h"

static struct arena *arena;
static struct buf why;

static int setup(void **state)
{
	arena = arena_new(0);
	buf_init(&why, 4096);
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	buf_fini(&why);
	return 0;
}

/* Parses and gives back the reason, NUL-terminated; "" on success. */
static const char *parse(const struct option *o, const char *text, struct option_value *v)
{
	buf_clear(&why);
	*v = (struct option_value){ .option = o };
	enum err e = option_parse(o, arena, str_of(text), v, &why);
	assert_int_equal(e != ERR_NONE, why.len > 0);
	return arena_str(arena, str_span(why.p ? why.p : "", why.len)).p;
}

static const char *format(const struct option_value *v)
{
	buf_clear(&why);
	option_add_value(&why, v);
	return arena_str(arena, buf_str(&why)).p;
}

static void option_parse_duration_knows_its_units(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{ "100ms", 100 }, { "30s", 30000 }, { "5m", 300000 }, { "1h", 3600000 }, { "2d", 172800000 }, { "0", 0 }, { "5 m", 300000 },
		{ "0s", 0 },      { "30", -1 },     { "", -1 },       { "s", -1 },       { "-1s", -1 },       { "1.5h", -1 },
		  { "1h30m", -1 },
		{ "1H", -1 },     { "1w", -1 },     { "9223372036854775807d", -1 },      { "18446744073709551615ms", -1 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ms = 0;
		assert_int_equal(option_parse_duration(str_of(rows[i].text), &ms), rows[i].ms < 0 ? ERR_INVALID : ERR_NONE);
		assert_true(rows[i].ms < 0 || ms == rows[i].ms);
	}
}

static void option_parse_size_knows_its_units(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} rows[] = {
		{ "0", 0 },         { "10000", 10000 }, { "10000 bytes", 10000 }, { "5B", 5 },   { "64 KiB", 65536 },  { "64KiB", 65536 },
		{ "1 MiB", 1 << 20 }, { "2GiB", 2ll << 30 }, { "64KB", -1 },      { "64K", -1 }, { "KiB", -1 },        { "", -1 },
		{ "-1", -1 },       { "1.5 MiB", -1 },  { "1 kib", -1 },          { "9223372036854775807 GiB", -1 },   { "0x10", -1 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t bytes = 0;
		assert_int_equal(option_parse_size(str_of(rows[i].text), &bytes), rows[i].bytes < 0 ? ERR_INVALID : ERR_NONE);
		assert_true(rows[i].bytes < 0 || bytes == rows[i].bytes);
	}
}

static void option_parse_reads_booleans_and_numbers(void **state)
{
	static const struct option flag = { .name = "flag", .kind = OPTION_BOOL }, count = { .name = "count", .kind = OPTION_INT,
		.min = -5, .max = 5 };
	struct option_value v;
	static const char *const yes[] = { "true", "yes", "on", "True", " true " }, *const no[] = { "false", "no", "off", "OFF" };
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		assert_string_equal(parse(&flag, yes[i], &v), "");
		assert_true(option_bool(&v));
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_string_equal(parse(&flag, no[i], &v), "");
		assert_false(option_bool(&v));
	}
	assert_string_equal(parse(&flag, "1", &v), "expected true or false; found \"1\"");
	assert_string_equal(parse(&count, "-5", &v), "");
	assert_int_equal(option_int(&v), -5);
	assert_string_equal(parse(&count, "many\n", &v), "expected a whole number; found \"many\"");
	assert_string_equal(parse(&count, "--1", &v), "expected a whole number; found \"--1\"");
	assert_string_equal(parse(&count, "99999999999999999999", &v), "expected a whole number; found \"99999999999999999999\"");
}

static void option_parse_names_the_range_and_its_unit(void **state)
{
	static const struct option workers = { .name = "workers", .kind = OPTION_INT, .min = 1, .max = 64, .unit = "threads" };
	static const struct option wait = { .name = "wait", .kind = OPTION_DURATION, .min = 1000, .max = 3600000 };
	static const struct option stanza = { .name = "stanza", .kind = OPTION_SIZE, .min = 10000, .max = 16 << 20 };
	struct option_value v;
	assert_string_equal(parse(&workers, "65", &v), "\"65\" is out of range; expected 1 to 64 threads");
	assert_string_equal(parse(&wait, "2h", &v), "\"2h\" is out of range; expected 1s to 1h");
	assert_string_equal(parse(&wait, "90", &v), "expected a duration such as 30s (units: ms, s, m, h, d); found \"90\"");
	assert_string_equal(parse(&stanza, "9 KiB", &v), "\"9 KiB\" is out of range; expected 10000 bytes to 16 MiB");
	assert_string_equal(parse(&stanza, "10000", &v), "");
	assert_string_equal(format(&v), "10000 bytes");
	assert_string_equal(parse(&stanza, "65536", &v), "");
	assert_string_equal(format(&v), "64 KiB");
	assert_string_equal(parse(&wait, "90s", &v), "");
	assert_string_equal(format(&v), "90s");
	assert_string_equal(parse(&wait, "60s", &v), "");
	assert_string_equal(format(&v), "1m");
}

static void option_parse_of_an_enum_offers_the_nearest_choice(void **state)
{
	static const struct option tls = { .name = "tls", .kind = OPTION_ENUM, .choices = "starttls direct none" };
	struct option_value v;
	assert_string_equal(parse(&tls, "direct", &v), "");
	assert_int_equal(option_enum(&v), 1);
	assert_string_equal(format(&v), "direct");
	assert_string_equal(parse(&tls, "startls", &v),
		"expected one of starttls, direct, none; found \"startls\"; did you mean \"starttls\"?");
	assert_string_equal(parse(&tls, "ssl", &v), "expected one of starttls, direct, none; found \"ssl\"");
	assert_string_equal(parse(&tls, "", &v), "expected one of starttls, direct, none; found \"\"");
}

static void option_parse_bounds_texts(void **state)
{
	static const struct option name = { .name = "name", .kind = OPTION_STRING, .min = 2, .max = 4 }, path = { .name = "p",
		.kind = OPTION_PATH };
	struct option_value v;
	assert_string_equal(parse(&name, "abcd", &v), "");
	assert_string_equal(option_str(&v).p, "abcd");
	assert_string_equal(parse(&name, "a", &v), "expected 2 to 4 bytes of text; found 1");
	assert_string_equal(parse(&name, "abcde", &v), "expected 2 to 4 bytes of text; found 5");
	assert_string_equal(parse(&name, "\xff\xff", &v), "expected text in UTF-8 without NUL bytes");
	assert_string_equal(parse(&path, "", &v), "expected 1 to 4096 bytes of text; found 0");
	buf_clear(&why);
	assert_int_equal(option_parse(&name, arena, STR("a\0b"), &v, &why), ERR_INVALID);
}

static void option_add_quoted_escapes(void **state)
{
	buf_clear(&why);
	option_add_quoted(&why, STR("a\"b\\c\n\x7f\xc3\xa4"));
	assert_true(str_is(buf_str(&why), "\"a\\\"b\\\\c\\x0a\\x7f\xc3\xa4\""));
}

static void option_add_shown_cuts_and_cleans(void **state)
{
	buf_clear(&why);
	option_add_shown(&why, STR("a\nb\x1b"));
	assert_true(str_is(buf_str(&why), "\"a?b?\""));
	buf_clear(&why);
	option_add_shown(&why, STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa4yz")); /* never through a letter */
	assert_true(str_is(buf_str(&why), "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\""));
}

static void option_nearest_offers_only_what_may_have_been_meant(void **state)
{
	static const char *const words[] = { "port", "address", "certificate" };
	assert_string_equal(option_nearest(STR("prot"), words, 3), "port");
	assert_string_equal(option_nearest(STR("adress"), words, 3), "address");
	assert_string_equal(option_nearest(STR("certficat"), words, 3), "certificate");
	assert_null(option_nearest(STR("key"), words, 3));
	assert_null(option_nearest(STR(""), words, 3));
	assert_null(option_nearest(STR("pr"), words, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(option_parse_duration_knows_its_units),
		cmocka_unit_test(option_parse_size_knows_its_units),
		cmocka_unit_test(option_parse_reads_booleans_and_numbers),
		cmocka_unit_test(option_parse_names_the_range_and_its_unit),
		cmocka_unit_test(option_parse_of_an_enum_offers_the_nearest_choice),
		cmocka_unit_test(option_parse_bounds_texts),
		cmocka_unit_test(option_add_quoted_escapes),
		cmocka_unit_test(option_add_shown_cuts_and_cleans),
		cmocka_unit_test(option_nearest_offers_only_what_may_have_been_meant),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
