#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/forms/caps.h"
#include "proto/xml/names.h"

static struct elem *identity(struct arena *a, struct elem *q, const char *category, const char *type, const char *name, const char *lang)
{
	struct elem *i = elem_add(a, q, NS_DISCO_INFO, STR("identity"));
	elem_set(a, i, STR("category"), str_of(category));
	elem_set(a, i, STR("type"), str_of(type));
	elem_set(a, i, STR("name"), str_of(name));
	if (lang)
		elem_set_ns(a, i, NS_XML, STR("lang"), str_of(lang));
	return i;
}

static void features(struct arena *a, struct elem *q)
{
	static const char *const vars[] = { "http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info",
					    "http://jabber.org/protocol/disco#items", "http://jabber.org/protocol/muc" };
	for (int i = 3; i >= 0; i--)
		elem_set(a, elem_add(a, q, NS_DISCO_INFO, STR("feature")), STR("var"), str_of(vars[i]));
}

static void field(struct arena *a, struct elem *x, const char *var, const char *type, const char *v1, const char *v2)
{
	struct elem *f = elem_add(a, x, NS_DATA_FORMS, STR("field"));
	elem_set(a, f, STR("var"), str_of(var));
	if (type)
		elem_set(a, f, STR("type"), str_of(type));
	elem_add_text(a, f, STR("value"), str_of(v1));
	if (v2)
		elem_add_text(a, f, STR("value"), str_of(v2));
}

static void assert_hash(struct arena *a, const struct elem *q, const char *want)
{
	struct str got;
	assert_int_equal(caps_hash(a, q, &got), ERR_NONE);
	assert_true(str_is(got, want));
}

static void caps_hash_matches_the_simple_example(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *q = elem_new(a, NS_DISCO_INFO, STR("query"));
	identity(a, q, "client", "pc", "Exodus 0.9.1", NULL);
	features(a, q);
	assert_hash(a, q, "QgayPKawpkPSDYmwT/WM94uAlu0=");
	arena_free(a);
}

static void caps_hash_matches_the_complex_example(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *q = elem_new(a, NS_DISCO_INFO, STR("query"));
	identity(a, q, "client", "pc", "Psi 0.11", "en");
	identity(a, q, "client", "pc", "\xce\xa8 0.11", "el");
	features(a, q);
	struct elem *x = elem_add(a, q, NS_DATA_FORMS, STR("x"));
	field(a, x, "FORM_TYPE", "hidden", "urn:xmpp:dataforms:softwareinfo", NULL);
	field(a, x, "ip_version", NULL, "ipv4", "ipv6");
	field(a, x, "os", NULL, "Mac", NULL);
	field(a, x, "os_version", NULL, "10.5.1", NULL);
	field(a, x, "software", NULL, "Psi", NULL);
	field(a, x, "software_version", NULL, "0.11", NULL);
	assert_hash(a, q, "q07IKJEyjvHSyhy//CH0CxmKi8w=");
	arena_free(a);
}

static void caps_hash_refuses_a_feature_that_stands_twice(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *q = elem_new(a, NS_DISCO_INFO, STR("query"));
	struct str out;
	features(a, q);
	features(a, q);
	assert_int_equal(caps_hash(a, q, &out), ERR_INVALID);
	arena_free(a);
}

static void caps_hash_refuses_more_lines_than_its_ceiling(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *q = elem_new(a, NS_DISCO_INFO, STR("query"));
	struct str out;
	for (int i = 0; i < 1001; i++)
		elem_set(a, elem_add(a, q, NS_DISCO_INFO, STR("feature")), STR("var"), arena_printf(a, "f%d", i));
	assert_int_equal(caps_hash(a, q, &out), ERR_LIMIT);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(caps_hash_matches_the_simple_example),
		cmocka_unit_test(caps_hash_matches_the_complex_example),
		cmocka_unit_test(caps_hash_refuses_a_feature_that_stands_twice),
		cmocka_unit_test(caps_hash_refuses_more_lines_than_its_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
