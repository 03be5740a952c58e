#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proto/addr/jid.h"

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	arena = NULL;
	return 0;
}

static void is_text(struct str got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.p ? got.p : "", want, got.len);
}

static void is_str(struct str got, const char *want)
{
	if (!want)
		assert_int_equal(got.len, 0);
	else
		is_text(got, want);
}

static void gives(const char *text, const char *local, const char *domain, const char *resource)
{
	struct jid j, again;
	if (jid_parse(arena, str_of(text), &j))
		fail_msg("refused: %s", text);
	is_str(jid_local(&j), local);
	is_str(jid_domain(&j), domain);
	is_str(jid_resource(&j), resource);
	assert_int_equal(jid_has_local(&j), local != NULL);
	assert_int_equal(jid_is_full(&j), resource != NULL);
	assert_int_equal(jid_parse(arena, jid_str(&j), &again), ERR_NONE);
	assert_true(jid_eq(&j, &again));
	assert_ptr_equal(again.text, j.text); /* canonical: borrowed */
}

static void refuses(const char *text)
{
	struct jid j;
	if (jid_parse(arena, str_of(text), &j) != ERR_INVALID)
		fail_msg("accepted: %s", text);
	assert_false(jid_present(&j));
}

/* RFC 7622 section 3.5, table 1 */
static void jid_accepts_the_examples_of_rfc7622(void **state)
{
	gives("juliet@example.com", "juliet", "example.com", NULL);
	gives("juliet@example.com/foo", "juliet", "example.com", "foo");
	gives("juliet@example.com/foo bar", "juliet", "example.com", "foo bar");
	gives("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar");
	gives("foo\\20bar@example.com", "foo\\20bar", "example.com", NULL);
	gives("fussball@example.com", "fussball", "example.com", NULL);
	gives("fu\u00dfball@example.com", "fu\u00dfball", "example.com", NULL);
	gives("\u03c0@example.com", "\u03c0", "example.com", NULL);
	gives("\u03a3@example.com/foo", "\u03c3", "example.com", "foo");
	gives("\u03c3@example.com/foo", "\u03c3", "example.com", "foo");
	gives("\u03c2@example.com/foo", "\u03c2", "example.com", "foo");
	gives("king@example.com/\u265a", "king", "example.com", "\u265a");
	gives("example.com", NULL, "example.com", NULL);
	gives("example.com/foobar", NULL, "example.com", "foobar");
	gives("a.example.com/b@example.net", NULL, "a.example.com", "b@example.net");
}

/* RFC 7622 section 3.5, table 2, without its example 18: see the next case */
static void jid_refuses_the_non_jids_of_rfc7622(void **state)
{
	refuses("\"juliet\"@example.com");
	refuses("foo bar@example.com");
	refuses("@example.com/");
	refuses("henry\u2163@example.com");
	refuses("\u265a@example.com");
	refuses("juliet@");
	refuses("/foobar");
}

/* Erratum 4560: OpaqueString has no rule against it. */
static void jid_accepts_a_leading_space_in_the_resource(void **state)
{
	gives("juliet@example.com/ foo", "juliet", "example.com", " foo");
	gives("juliet@example.com/ ", "juliet", "example.com", " ");
}

static void jid_parse_rejects_empty_parts(void **state)
{
	refuses("");
	refuses("@");
	refuses("/");
	refuses("@/");
	refuses("@example.com");
	refuses("juliet@/foo");
	refuses("example.com/");
	refuses("juliet@example.com/");
	refuses(".");
	refuses("juliet@./foo");
}

static void jid_parse_rejects_an_absent_text(void **state)
{
	struct jid j;
	assert_int_equal(jid_parse(arena, STR_NONE, &j), ERR_INVALID);
}

static void jid_splits_at_the_first_slash_and_the_first_at(void **state)
{
	gives("a@b/c/d@e", "a", "b", "c/d@e");
	gives("a@b//", "a", "b", "/");
	gives("b/@", NULL, "b", "@");
	refuses("a@b@c");
	refuses("a@b@c/d");
}

static void jid_local_refuses_each_excluded_character(void **state)
{
	for (const char *p = "\"&':<>"; *p; p++) {
		char text[] = "a?b@example.com";
		text[1] = *p;
		refuses(text);
	}
	gives("a!#$%()*+,-.;=?[\\]^_`{|}~b@example.com", "a!#$%()*+,-.;=?[\\]^_`{|}~b", "example.com", NULL);
}

static void jid_local_refuses_characters_that_width_mapping_makes(void **state)
{
	refuses("a\uff20b@example.com"); /* fullwidth @ */
	refuses("a\uff0fb@example.com"); /* fullwidth / */
	refuses("a\uff02b@example.com"); /* fullwidth " */
	refuses("a\u3000b@example.com"); /* ideographic space */
}

static void jid_folds_case_in_local_and_domain_only(void **state)
{
	gives("Juliet@EXAMPLE.com/Balcony", "juliet", "example.com", "Balcony");
	gives("\uff2a\uff35@example.com/\uff2a", "ju", "example.com", "\uff2a");
}

static void jid_controls_and_bad_utf8_are_refused(void **state)
{
	struct jid j;
	refuses("a\tb@example.com");
	refuses("a@example.com/b\x7f");
	refuses("a@example.com/b\n");
	refuses("a@exam\xc3ple.com");
	refuses("\xff@example.com");
	refuses("a@example.com/\xed\xa0\x80");
	assert_int_equal(jid_parse(arena, str_span("a\0b@c", 5), &j), ERR_INVALID);
	assert_int_equal(jid_parse(arena, str_span("a@b/c\0", 6), &j), ERR_INVALID);
	assert_int_equal(jid_parse(arena, str_span("a@[::1\0]", 8), &j), ERR_INVALID);
}

static void jid_drops_a_trailing_dot_of_the_domain(void **state)
{
	gives("a@example.com.", "a", "example.com", NULL);
	gives("a@example.com./b", "a", "example.com", "b");
	refuses("a@example.com..");
}

static void jid_parts_hold_1023_bytes_and_not_more(void **state)
{
	char local[1030], text[4000], resource[1030];
	struct jid j;
	memset(local, 'a', sizeof(local));
	memset(resource, 'R', sizeof(resource));
	snprintf(text, sizeof(text), "%.1023s@example.com/%.1023s", local, resource);
	assert_int_equal(jid_parse(arena, str_of(text), &j), ERR_NONE);
	assert_int_equal(j.local_len, 1023);
	assert_int_equal(jid_resource(&j).len, 1023);
	snprintf(text, sizeof(text), "%.1024s@example.com", local);
	refuses(text);
	snprintf(text, sizeof(text), "a@example.com/%.1024s", resource);
	refuses(text);
}

static void jid_limit_counts_prepared_bytes(void **state)
{
	char text[4000] = "";
	struct jid j;
	/* 1023 fullwidth letters take 3069 bytes and become 1023. */
	for (int i = 0; i < 1023; i++)
		memcpy(text + 3 * i, "\uff41", 3);
	memcpy(text + 3069, "@b", 3);
	assert_int_equal(jid_parse(arena, str_of(text), &j), ERR_NONE);
	assert_int_equal(j.local_len, 1023);
	memcpy(text + 3069, "\uff41@b", 6);
	refuses(text);
	/* 512 letters of two bytes are 1024. */
	text[0] = '\0';
	for (int i = 0; i < 512; i++)
		memcpy(text + 2 * i, "\u03c0", 2);
	memcpy(text + 1024, "@b", 3);
	refuses(text);
}

static void jid_canonical_input_is_borrowed(void **state)
{
	const char *text = "juliet@example.com/balcony";
	struct jid j;
	assert_int_equal(jid_parse(arena, str_of(text), &j), ERR_NONE);
	assert_ptr_equal(j.text, text);
}

static void jid_make_prepares_and_joins(void **state)
{
	struct jid j;
	assert_int_equal(jid_make(arena, STR("Juliet"), STR("Example.COM."), STR("B c"), &j), ERR_NONE);
	assert_string_equal(j.text, "juliet@example.com/B c");
	assert_int_equal(jid_make(arena, STR_NONE, STR("example.com"), STR(""), &j), ERR_NONE);
	assert_string_equal(j.text, "example.com");
	assert_false(jid_has_local(&j));
	assert_int_equal(jid_make(arena, STR("a@b"), STR("example.com"), STR_NONE, &j), ERR_INVALID);
	assert_int_equal(jid_make(arena, STR("a"), STR("b/c"), STR_NONE, &j), ERR_INVALID);
	assert_int_equal(jid_make(arena, STR("a"), STR("b@c"), STR_NONE, &j), ERR_INVALID);
	assert_int_equal(jid_make(arena, STR("a"), STR(""), STR_NONE, &j), ERR_INVALID);
}

static void jid_with_resource_replaces_it(void **state)
{
	struct jid j, full, other;
	assert_int_equal(jid_parse(arena, STR("juliet@example.com/a"), &j), ERR_NONE);
	assert_int_equal(jid_with_resource(arena, &j, STR("b\u00a0c"), &full), ERR_NONE);
	assert_string_equal(full.text, "juliet@example.com/b c");
	assert_int_equal(jid_with_resource(arena, &j, STR(""), &other), ERR_INVALID);
	assert_int_equal(jid_with_resource(arena, &j, STR("\t"), &other), ERR_INVALID);
	assert_true(jid_bare_eq(&j, &full));
	assert_false(jid_eq(&j, &full));
}

static void jid_bare_host_and_copy_are_views_and_copies(void **state)
{
	struct jid j, bare, host, copy, none = { .text = NULL };
	assert_int_equal(jid_parse(arena, STR("juliet@example.com/a"), &j), ERR_NONE);
	bare = jid_bare(&j);
	is_text(jid_str(&bare), "juliet@example.com");
	assert_ptr_equal(bare.text, j.text);
	host = jid_host(&j);
	is_text(jid_str(&host), "example.com");
	is_text(jid_domain(&host), "example.com");
	assert_false(jid_has_local(&host));
	copy = jid_copy(arena, &bare);
	assert_string_equal(copy.text, "juliet@example.com");
	assert_ptr_not_equal(copy.text, j.text);
	copy = jid_copy(arena, &none);
	assert_false(jid_present(&copy));
	host = jid_host(&none);
	assert_false(jid_present(&host));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(jid_accepts_the_examples_of_rfc7622),
		T(jid_refuses_the_non_jids_of_rfc7622),
		T(jid_accepts_a_leading_space_in_the_resource),
		T(jid_parse_rejects_empty_parts),
		T(jid_parse_rejects_an_absent_text),
		T(jid_splits_at_the_first_slash_and_the_first_at),
		T(jid_local_refuses_each_excluded_character),
		T(jid_local_refuses_characters_that_width_mapping_makes),
		T(jid_folds_case_in_local_and_domain_only),
		T(jid_controls_and_bad_utf8_are_refused),
		T(jid_drops_a_trailing_dot_of_the_domain),
		T(jid_parts_hold_1023_bytes_and_not_more),
		T(jid_limit_counts_prepared_bytes),
		T(jid_canonical_input_is_borrowed),
		T(jid_make_prepares_and_joins),
		T(jid_with_resource_replaces_it),
		T(jid_bare_host_and_copy_are_views_and_copies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
