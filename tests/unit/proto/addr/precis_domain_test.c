#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proto/addr/precis.h"

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

static void gives(const char *in, const char *want)
{
	struct str out, again;
	if (precis_domain(arena, str_of(in), &out))
		fail_msg("refused: %s", in);
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.p, want, out.len);
	assert_int_equal(precis_domain(arena, out, &again), ERR_NONE);
	assert_ptr_equal(again.p, out.p);
	assert_int_equal(again.len, out.len);
}

static void refuses(const char *in)
{
	struct str out;
	enum err err = precis_domain(arena, str_of(in), &out);
	if (err != ERR_INVALID)
		fail_msg("%s: %s", err_name(err), in);
}

static void domain_takes_ldh_names(void **state)
{
	gives("example.com", "example.com");
	gives("EXAMPLE.Com", "example.com");
	gives("localhost", "localhost");
	gives("a-b.3com.example", "a-b.3com.example");
	gives("r3---sn.example", "r3---sn.example"); /* its code points are those of NR-LDH labels */
	gives("example.com.", "example.com");
	refuses("");
	refuses(".");
	refuses("a..b");
	refuses(".a");
	refuses("a..");
	refuses("a\u3002.");
	refuses("-a.example");
	refuses("a-.example");
	refuses("a_b.example");
	refuses("a b");
	refuses("a@b");
	refuses("a/b");
	refuses("a:5222");
}

static void domain_takes_ip_addresses_in_one_spelling(void **state)
{
	gives("127.0.0.1", "127.0.0.1");
	gives("[::1]", "[::1]");
	gives("[2001:DB8:0:0::1]", "[2001:db8::1]");
	gives("[0:0:0:0:0:0:0:1]", "[::1]");
	refuses("::1");
	refuses("[::1");
	refuses("[]");
	refuses("[");
	refuses("[127.0.0.1]");
	refuses("[fe80::1%eth0]");
	refuses("[v1.x]");
	refuses("[::1]x");
	refuses("[12345::1]");
}

static void domain_gives_u_labels(void **state)
{
	gives("xn--fuball-cta.example", "fu\u00dfball.example");
	gives("XN--FUBALL-CTA.EXAMPLE", "fu\u00dfball.example");
	gives("fu\u00dfball.example", "fu\u00dfball.example");
	gives("B\u00dcCHER.example", "b\u00fccher.example");
	gives("bu\u0308cher.example", "b\u00fccher.example");
	gives("xn--bcher-kva.example.", "b\u00fccher.example");
	gives("\uff45\uff58.\uff23om", "ex.com");
	gives("\u4f8b\u3048\uff61\u30c6\u30b9\u30c8", "\u4f8b\u3048.\u30c6\u30b9\u30c8");
	gives("\u4f8b.", "\u4f8b");
	gives("\u4f8b\u3002", "\u4f8b");
	gives("\u03b2\u03cc\u03bb\u03bf\u03c2.com", "\u03b2\u03cc\u03bb\u03bf\u03c2.com");
	gives("\u0392\u038c\u039b\u039f\u03a3.com", "\u03b2\u03cc\u03bb\u03bf\u03c3.com");
}

static void domain_refuses_what_idna2008_refuses(void **state)
{
	refuses("xn--ls8h.example");     /* decodes to a pictograph */
	refuses("\U0001f4a9.example");
	refuses("i\u2764.example");
	refuses("xn--a.example");        /* decodes badly */
	refuses("xn--n--bbe");            /* decodes to a label that ends in a hyphen */
	refuses("xn--.example");
	refuses("xn--abc-.example");
	refuses("xn--bcher-KVA\u00e9");
	refuses("\u0301a.example");      /* leading combining mark */
	refuses("a\u200db.example");
	refuses("\ufb01.example");       /* ligature */
	refuses("\u2163.example");
	refuses("-\u00fc.example");
	refuses("\u00fc-.example");
	refuses("\u00fc_.example");
	refuses("a\u3002\u3002b");
	refuses("\u3002");
	refuses("\uff20.example");
	refuses("\xff.example");
	refuses("\xc3");
}

static void domain_obeys_the_bidi_rule_in_every_label(void **state)
{
	gives("\u05d0\u05d1.example", "\u05d0\u05d1.example");
	gives("9abc.example", "9abc.example");
	refuses("9abc.\u05d0\u05d1");
	refuses("a\u05d0.example");
}

static void domain_labels_hold_63_bytes_and_names_1023(void **state)
{
	char text[1100];
	struct str out;
	memset(text, 'a', sizeof(text));
	assert_int_equal(precis_domain(arena, str_span(text, 63), &out), ERR_NONE);
	assert_int_equal(precis_domain(arena, str_span(text, 64), &out), ERR_INVALID);
	for (size_t i = 63; i < sizeof(text); i += 64)
		text[i] = '.';
	assert_int_equal(precis_domain(arena, str_span(text, 1023), &out), ERR_NONE);
	assert_int_equal(precis_domain(arena, str_span(text, 1025), &out), ERR_LIMIT);
	text[0] = 'A';
	assert_int_equal(precis_domain(arena, str_span(text, 1023), &out), ERR_NONE);
	assert_int_equal(precis_domain(arena, str_span(text, 1025), &out), ERR_LIMIT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(domain_takes_ldh_names),
		T(domain_takes_ip_addresses_in_one_spelling),
		T(domain_gives_u_labels),
		T(domain_refuses_what_idna2008_refuses),
		T(domain_obeys_the_bidi_rule_in_every_label),
		T(domain_labels_hold_63_bytes_and_names_1023),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
