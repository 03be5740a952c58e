#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/xml/fragment.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

static void check_round_trip(struct xml_parser *p, const char *text)
{
	struct arena *a = arena_new(0);
	struct buf b;
	buf_init(&b, 4096);
	struct elem *e = xml_fragment_read(p, str_of(text), a);
	assert_non_null(e);
	xml_write(&b, e, NS_CLIENT, true);
	buf_addc(&b, 0);
	assert_string_equal(b.p, text);
	buf_fini(&b);
	arena_free(a);
}

static void what_was_written_is_read_back(void **state)
{
	struct xml_parser *p = xml_parser_new(2);
	check_round_trip(p, "<presence type='subscribe' from='a@b'><status>Wherefore &amp; why</status></presence>");
	check_round_trip(p, "<message><x xmlns='jabber:x:data'><y/></x></message>");
	check_round_trip(p, "<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>");
	xml_parser_free(p);
}

static void what_is_no_element_is_refused(void **state)
{
	static const char *const bad[] = { "", "<a", "text", "<a><b></a>", "<a>", "<a b='1' b='2'/>", "</root>" };
	struct xml_parser *p = xml_parser_new(2);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct arena *a = arena_new(0);
		assert_null(xml_fragment_read(p, str_of(bad[i]), a));
		arena_free(a);
	}
	check_round_trip(p, "<a><b/></a>");
	xml_parser_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(what_is_no_element_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
