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

/* Whatever attributes stand before it, and whatever looks like it. */
static void the_recipient_is_found_where_the_writer_put_it(void **state)
{
	static const char *const texts[] = {
		"<message to='a@b'/>",
		"<message from='to@x/&apos;to=' to='a@b/&lt;&amp;&apos;'><body> to='c@d'</body></message>",
		"<presence xmlns:n='urn:to' n:to='no' to=''/>",
		"<iq id=' to=' type='get' to='x'/>",
		"<message from='to@x'><to/><a to='no'/></message>",
		"<message/>",
		"<message xmlns='urn:other' tox='1'> to='c'</message>",
	};
	struct xml_parser *p = xml_parser_new(2);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct xml_patch want;
		struct arena *a = arena_new(0);
		struct buf b;
		buf_init(&b, 4096);
		xml_write_patch(&b, xml_fragment_read(p, str_of(texts[i]), a), NS_CLIENT, &want);
		struct xml_patch got = xml_fragment_patch(buf_str(&b));
		assert_int_equal(got.to_start, want.to_start);
		assert_int_equal(got.to_end, want.to_end);
		buf_fini(&b);
		arena_free(a);
	}
	xml_parser_free(p);
}

static void bytes_that_nobody_wrote_have_no_recipient(void **state)
{
	static const char *const bad[] = {
		"", " ", "<", "<a ", "<a to", "<a to=", "<a to='", "<a to='x", "<a b='c' to='x", "<a =", "<a  to='x'",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct xml_patch got = xml_fragment_patch(str_of(bad[i]));
		assert_true(got.to_start == 0 && got.to_end == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(what_is_no_element_is_refused),
		cmocka_unit_test(the_recipient_is_found_where_the_writer_put_it),
		cmocka_unit_test(bytes_that_nobody_wrote_have_no_recipient),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
