#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proto/addr/precis.h"

typedef enum err profile(struct arena *a, struct str s, struct str *out);

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

static void gives(profile *p, const char *in, const char *want)
{
	struct str out, again;
	if (p(arena, str_of(in), &out))
		fail_msg("refused: %s", in);
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.p, want, out.len);
	assert_int_equal(p(arena, out, &again), ERR_NONE);
	assert_ptr_equal(again.p, out.p); /* what is prepared is borrowed */
	assert_int_equal(again.len, out.len);
}

static void refuses(profile *p, const char *in)
{
	struct str out;
	enum err err = p(arena, str_of(in), &out);
	if (err != ERR_INVALID)
		fail_msg("%s: %s", err_name(err), in);
}

/* RFC 8265 section 3.5, tables 2 and 3 */
static void username_follows_the_examples_of_rfc8265(void **state)
{
	gives(precis_username, "juliet@example.com", "juliet@example.com");
	gives(precis_username, "fussball", "fussball");
	gives(precis_username, "fu\u00dfball", "fu\u00dfball");
	gives(precis_username, "\u03c0", "\u03c0");
	gives(precis_username, "\u03a3", "\u03c3");
	gives(precis_username, "\u03c3", "\u03c3");
	gives(precis_username, "\u03c2", "\u03c2");
	refuses(precis_username, "foo bar");
	refuses(precis_username, "");
	refuses(precis_username, "henry\u2163");
	refuses(precis_username, "\u221e");
}

static void username_maps_width_case_and_normal_form(void **state)
{
	gives(precis_username, "\uff2a\uff55\uff4c", "jul");
	gives(precis_username, "\uff76\uff9e", "\u30ac");       /* halfwidth ka + voiced mark: one katakana ga */
	gives(precis_username, "A\u0301", "\u00e1");             /* NFC after lower case */
	gives(precis_username, "\u00c5ngstr\u00f6m", "\u00e5ngstr\u00f6m");
	gives(precis_username, "\u0130", "i\u0307");             /* full lower case, not simple */
	gives(precis_username, "\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"); /* final sigma by context */
	gives(precis_username, "\u1e9e", "\u00df");             /* lower case, not folded to ss */
	gives(precis_username, "\u3007\u0f0b", "\u3007\u0f0b");  /* exceptions: PVALID */
}

static void username_refuses_what_is_no_identifier(void **state)
{
	refuses(precis_username, "\u2126");   /* ohm sign: HasCompat */
	refuses(precis_username, "\ufb03");   /* ffi ligature */
	refuses(precis_username, "a\u00adb"); /* soft hyphen: default ignorable */
	refuses(precis_username, "a\u200bb");
	refuses(precis_username, "a\u202eb"); /* bidi override */
	refuses(precis_username, "\u1100\u1161"); /* conjoining jamo */
	refuses(precis_username, "\u0640");   /* exceptions: DISALLOWED */
	refuses(precis_username, "\u302e");
	refuses(precis_username, "\U0001f600");
	refuses(precis_username, "\u0378");   /* unassigned */
	refuses(precis_username, "\ufdd0");   /* noncharacter */
	refuses(precis_username, "\ue000");   /* private use */
	refuses(precis_username, "a\u00a0b");
	refuses(precis_username, "a\x01");
	refuses(precis_username, "\xc3");
	refuses(precis_username, "\xc0\xaf");
}

/* RFC 5892 appendix A */
static void contextual_code_points_follow_their_rules(void **state)
{
	gives(precis_username, "\u0915\u094d\u200c\u0937", "\u0915\u094d\u200c\u0937"); /* A.1: after a virama */
	gives(precis_username, "\u0628\u200c\u0628", "\u0628\u200c\u0628");             /* A.1: between joining letters */
	gives(precis_username, "\u0628\u064b\u200c\u064b\u0628", "\u0628\u064b\u200c\u064b\u0628");
	refuses(precis_username, "a\u200cb");
	refuses(precis_username, "\u200c");
	refuses(precis_username, "\u0628\u200c");
	gives(precis_username, "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"); /* A.2 */
	refuses(precis_username, "\u0628\u200d\u0628");
	refuses(precis_username, "\u200d");
	gives(precis_username, "col\u00b7lecci\u00f3", "col\u00b7lecci\u00f3"); /* A.3 */
	refuses(precis_username, "co\u00b7lleccio");
	refuses(precis_username, "l\u00b7");
	refuses(precis_username, "\u00b7l");
	gives(precis_username, "\u0375\u03b1", "\u0375\u03b1"); /* A.4 */
	refuses(precis_username, "\u0375a");
	refuses(precis_username, "\u0375");
	gives(precis_username, "\u05d0\u05f3", "\u05d0\u05f3"); /* A.5, A.6 */
	gives(precis_username, "\u05d0\u05f4\u05d0", "\u05d0\u05f4\u05d0");
	refuses(precis_username, "\u05f3\u05d0");
	refuses(precis_username, "a\u05f4");
	gives(precis_username, "\u30a2\u30fb\u30a2", "\u30a2\u30fb\u30a2"); /* A.7 */
	gives(precis_username, "a\u30fb\u6f22", "a\u30fb\u6f22");
	refuses(precis_username, "a\u30fbb");
	gives(precis_username, "\u0628\u0661", "\u0628\u0661"); /* A.8, A.9 */
	gives(precis_username, "\u0628\u06f1", "\u0628\u06f1");
	refuses(precis_username, "\u0628\u0661\u06f1");
}

/* RFC 5893 section 2 */
static void username_obeys_the_bidi_rule(void **state)
{
	gives(precis_username, "\u05d0\u05d1", "\u05d0\u05d1");
	gives(precis_username, "\u05d01", "\u05d01");
	gives(precis_username, "\u0627\u0661", "\u0627\u0661");
	gives(precis_username, "\u05d0\u05b0", "\u05d0\u05b0"); /* ends with a nonspacing mark */
	gives(precis_username, "1a", "1a");                   /* no right-to-left: no rule */
	refuses(precis_username, "a\u05d0");
	refuses(precis_username, "\u05d0a");
	refuses(precis_username, "1\u05d0");
	refuses(precis_username, "\u05d0-");
	refuses(precis_username, "\u06281\u0661"); /* both kinds of digits */
	refuses(precis_username, "\u0661");        /* AN at the start */
}

/* RFC 8265 section 4.3, tables 5 and 6 */
static void opaque_follows_the_examples_of_rfc8265(void **state)
{
	gives(precis_opaque, "correct horse battery staple", "correct horse battery staple");
	gives(precis_opaque, "Correct Horse Battery Staple", "Correct Horse Battery Staple");
	gives(precis_opaque, "\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5");
	gives(precis_opaque, "Jack of \u2666s", "Jack of \u2666s");
	gives(precis_opaque, "foo\u1680bar", "foo bar");
	refuses(precis_opaque, "");
	refuses(precis_opaque, "my cat is a \tby");
}

static void opaque_keeps_width_and_case_and_normalises(void **state)
{
	gives(precis_opaque, "\uff21", "\uff21");
	gives(precis_opaque, "A\u0301", "\u00c1");
	gives(precis_opaque, "\u3000", " ");
	gives(precis_opaque, "\u2126", "\u03a9");
	gives(precis_opaque, "\U0001f600", "\U0001f600");
	gives(precis_opaque, "a\u05d0", "a\u05d0");
	refuses(precis_opaque, "\u2028");
	refuses(precis_opaque, "\u200b");
	refuses(precis_opaque, "a\u200cb");
	refuses(precis_opaque, "\ufffe");
	refuses(precis_opaque, "\ue000");
	refuses(precis_opaque, "\u0378");
	refuses(precis_opaque, "\xf4\x90\x80\x80");
}

static void profiles_name_the_limit_they_hit(void **state)
{
	char text[4097];
	struct str out, s = { text, 1024 };
	memset(text, 'a', sizeof(text));
	assert_int_equal(precis_username(arena, s, &out), ERR_LIMIT);
	assert_int_equal(precis_opaque(arena, s, &out), ERR_LIMIT);
	assert_int_equal(saslprep(arena, s, &out), ERR_LIMIT);
	memcpy(text, "\u03c0", 2);
	assert_int_equal(precis_username(arena, s, &out), ERR_LIMIT);
	assert_int_equal(precis_opaque(arena, s, &out), ERR_LIMIT);
	assert_int_equal(saslprep(arena, s, &out), ERR_LIMIT);
	s.len = sizeof(text);
	assert_int_equal(precis_username(arena, s, &out), ERR_LIMIT);
	assert_int_equal(precis_opaque(arena, s, &out), ERR_LIMIT);
	assert_int_equal(precis_domain(arena, s, &out), ERR_LIMIT);
	assert_int_equal(saslprep(arena, s, &out), ERR_LIMIT);
	s.len = 1023;
	assert_int_equal(precis_username(arena, s, &out), ERR_NONE);
	/* U+FDFA grows eighteenfold under SASLprep. */
	for (int i = 0; i < 300; i++)
		memcpy(text + 3 * i, "\ufdfa", 3);
	s.len = 900;
	assert_int_equal(saslprep(arena, s, &out), ERR_LIMIT);
}

/* RFC 4013 section 3 */
static void saslprep_follows_the_examples_of_rfc4013(void **state)
{
	gives(saslprep, "I\u00adX", "IX");
	gives(saslprep, "user", "user");
	gives(saslprep, "USER", "USER");
	gives(saslprep, "\u00aa", "a");
	gives(saslprep, "\u2168", "IX");
	refuses(saslprep, "\x07");
	refuses(saslprep, "\u06271");
}

static void saslprep_refuses_and_maps_as_rfc3454_says(void **state)
{
	struct str out;
	gives(saslprep, "a\u00a0b", "a b");
	gives(saslprep, "\u06271\u0628", "\u06271\u0628");
	refuses(saslprep, "");
	refuses(saslprep, "\u00ad");      /* nothing is left */
	refuses(saslprep, "\u0221");      /* unassigned in Unicode 3.2 */
	refuses(saslprep, "\U0001f600");  /* likewise */
	refuses(saslprep, "a\x07\u00e9");
	refuses(saslprep, "\ue000");
	refuses(saslprep, "\u200e");
	refuses(saslprep, "\xe2\x84");
	refuses(saslprep, "p\xff");
	assert_int_equal(saslprep(arena, str_span("\u00e9\0x", 4), &out), ERR_INVALID);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(username_follows_the_examples_of_rfc8265),
		T(username_maps_width_case_and_normal_form),
		T(username_refuses_what_is_no_identifier),
		T(contextual_code_points_follow_their_rules),
		T(username_obeys_the_bidi_rule),
		T(opaque_follows_the_examples_of_rfc8265),
		T(opaque_keeps_width_and_case_and_normalises),
		T(profiles_name_the_limit_they_hit),
		T(saslprep_follows_the_examples_of_rfc4013),
		T(saslprep_refuses_and_maps_as_rfc3454_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
