#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <malloc.h>

#include "tests/unit/proto/xml/transcript.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

static struct xml_parser *parser;
static struct xml_reader *reader;

static struct buf made; /* a stanza being made */

static int set_up(void **state)
{
	buf_init(&made, 1 << 20);
	parser = xml_parser_new(2);
	reader = xml_reader_new(&usual_limits);
	struct str in = STR(HEADER);
	struct xml_item item;
	assert_int_equal(xml_reader_next(reader, parser, &in, &item), XML_STREAM_OPEN);
	arena_free(item.arena);
	return 0;
}

static int tear_down(void **state)
{
	xml_reader_free(reader);
	xml_parser_free(parser);
	buf_fini(&made);
	return 0;
}

static enum xml_event feed(const char *p, size_t n, enum stream_error *error)
{
	struct str in = str_span(p, n);
	struct xml_item item;
	enum xml_event event = xml_reader_next(reader, parser, &in, &item);
	if (event != XML_MORE)
		*error = item.error;
	arena_free(item.arena);
	return event;
}

static void assert_policy_violation(const char *z)
{
	enum stream_error error = STREAM_ERROR_NONE;
	assert_int_equal(feed(z, strlen(z), &error), XML_REFUSED);
	assert_int_equal(error, STREAM_POLICY_VIOLATION);
}

static void assert_stanza(const char *z)
{
	enum stream_error error = STREAM_ERROR_NONE;
	assert_int_equal(feed(z, strlen(z), &error), XML_STANZA);
}

static void repeat(const char *z, int n)
{
	while (n--)
		buf_addz(&made, z);
}

/* What was made, as a C string; it stays. */
static const char *finished(void)
{
	buf_addc(&made, '\0');
	assert_int_equal(buf_status(&made), ERR_NONE);
	made.len--;
	return made.p;
}

static void limit_to(uint32_t bytes, uint32_t depth, uint32_t attrs, uint32_t elements)
{
	struct xml_limits l = { bytes, depth, attrs, elements };
	xml_reader_set_limits(reader, &l);
}

static void bytes_are_counted_up_to_the_ceiling(void **state)
{
	limit_to(10, 64, 64, 64);
	assert_stanza("      <a>345</a>");
	assert_policy_violation("<a>3456</a>");
}

static void too_big_is_said_before_the_element_ends(void **state)
{
	limit_to(10, 64, 64, 64);
	assert_policy_violation("<a>34567890");
}

static void depth_is_counted_from_the_stanza(void **state)
{
	limit_to(1000, 2, 64, 64);
	assert_stanza("<a><b/><b></b></a>");
	assert_policy_violation("<a><b><c");
}

static void attributes_are_counted_with_declarations(void **state)
{
	limit_to(1000, 64, 2, 64);
	assert_stanza("<a b='' xmlns=''><c d='' e=''/></a>");
	assert_policy_violation("<a b='' xmlns='' c='");
}

static void elements_are_counted_per_stanza(void **state)
{
	limit_to(1000, 64, 64, 3);
	assert_stanza("<a><b/><b/></a>");
	assert_stanza("<a><b/><b/></a>");
	assert_policy_violation("<a><b/><b/><b");
}

static void declare_100_in_each_of(int levels)
{
	buf_clear(&made);
	for (int level = 0; level < levels; level++) {
		buf_addz(&made, "<a");
		for (int i = 0; i < 100; i++)
			buf_addf(&made, " xmlns:n%d_%d='u'", level, i);
		buf_addc(&made, '>');
	}
	repeat("</a>", levels);
}

/* Each prefix is looked up in all of them: nested a few levels, they would cost more time than their bytes are worth. */
static void namespaces_in_force_at_once_are_counted(void **state)
{
	declare_100_in_each_of(2);
	assert_stanza(finished());
	assert_stanza(finished()); /* the first were forgotten */
	declare_100_in_each_of(3);
	assert_policy_violation(finished());
}

static void long_namespace_used_often_is_refused(void **state)
{
	buf_addf(&made, "<a xmlns:p='%01000d'>", 0);
	repeat("<p:b/>", 30);
	buf_addz(&made, "</a>");
	assert_stanza(finished());
	made.len -= strlen("</a>");
	repeat("<b p:x=''/>", 10);
	buf_addz(&made, "</a>");
	assert_policy_violation(finished());
}

static void prefixed_attributes_at_every_level_are_refused(void **state)
{
	buf_addz(&made, "<a");
	for (int i = 0; i < 20; i++)
		buf_addf(&made, " xmlns:n%d='urn:%d'", i, i);
	for (int level = 0; level < 8; level++) {
		buf_addz(&made, level ? "<a" : "");
		for (int i = 0; i < 20; i++)
			buf_addf(&made, " n%d:x=''", i);
		buf_addc(&made, '>');
	}
	repeat("</a>", 8);
	assert_policy_violation(finished());
}

static void header_obeys_the_ceilings_too(void **state)
{
	limit_to(30, 64, 1, 64);
	xml_reader_restart(reader);
	assert_policy_violation("<stream to='a' from='b'>");
	xml_reader_restart(reader);
	assert_policy_violation("<stream to='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void header_may_not_keep_much(void **state)
{
	xml_reader_restart(reader);
	buf_addf(&made, "<stream xmlns='%03000d'>", 1);
	assert_policy_violation(finished());
	xml_reader_restart(reader);
	buf_clear(&made);
	buf_addf(&made, "<s%03000d>", 1);
	assert_policy_violation(finished());
}

static void limits_may_change_inside_an_element(void **state)
{
	enum stream_error error;
	limit_to(300, 64, 64, 64);
	char body[500];
	memset(body, 'x', sizeof(body));
	assert_int_equal(feed("<a>", 3, &error), XML_MORE);
	assert_int_equal(feed(body, 290, &error), XML_MORE);
	limit_to(600, 64, 64, 64);
	assert_int_equal(feed(body, 200, &error), XML_MORE);
	limit_to(100, 64, 64, 64);
	assert_int_equal(feed(body, 0, &error), XML_MORE);
	assert_policy_violation("x");
}

static void ten_thousand_levels_are_refused_at_the_first_too_deep(void **state)
{
	enum stream_error error;
	unsigned i = 0;
	while (feed("<a>", 3, &error) == XML_MORE)
		i++;
	assert_int_equal(i, usual_limits.max_depth);
	assert_int_equal(error, STREAM_POLICY_VIOLATION);
}

static void ten_thousand_levels_parse_where_allowed(void **state)
{
	limit_to(100000, 10000, 64, 10000);
	repeat("<a>", 10000);
	repeat("</a>", 10000);
	assert_stanza(finished());
}

static void gigabyte_stanza_never_holds_more_than_the_ceiling(void **state)
{
	static char chunk[65536];
	enum stream_error error = STREAM_ERROR_NONE;
	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(feed("<a>", 3, &error), XML_MORE);
	uint64_t fed = 0;
	for (; fed < 1u << 30; fed += sizeof(chunk)) {
		enum xml_event event = feed(chunk, sizeof(chunk), &error);
		assert_in_range(xml_reader_bytes(reader), 0, usual_limits.max_bytes + 200);
		if (event == XML_REFUSED)
			break;
	}
	assert_in_range(fed, 1, usual_limits.max_bytes);
	assert_int_equal(error, STREAM_POLICY_VIOLATION);
	assert_in_range(xml_reader_bytes(reader), 0, 200);
}

static void big_stanza_leaves_no_memory_behind(void **state)
{
	buf_addz(&made, "<a>");
	repeat("0123456789", 20000);
	buf_addz(&made, "</a>");
	assert_stanza("<a/>");
	const char *big = finished();
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < 20; i++)
		assert_stanza(big);
	assert_stanza("<a/>");
	assert_in_range(mallinfo2().uordblks, 0, before + 20000); /* always true where a sanitizer hides malloc's numbers */
}

/* A libxml2 dictionary never forgets: one long-lived context would grow, and die after some 106,000 names. */
static void ever_new_names_keep_memory_bounded(void **state)
{
	size_t before = 0, most = 0;
	for (int i = 0; i < 300000; i++) {
		buf_clear(&made);
		buf_addf(&made, "<n%d a%d=''><m xmlns='urn:%d'/></n%d>", i, i, i, i);
		assert_stanza(finished());
		size_t now = mallinfo2().uordblks;
		if (i == 1000)
			before = now;
		most = now > most ? now : most;
	}
	assert_in_range(most, 0, before + (1u << 20));
}

/* Long ones, too: here it is the bytes of the names that count. */
static void ever_new_long_names_keep_memory_bounded(void **state)
{
	size_t before = mallinfo2().uordblks, most = 0;
	for (int i = 0; i < 300; i++) {
		buf_clear(&made);
		buf_addf(&made, "<n xmlns='urn:%040000d'/>", i);
		assert_stanza(finished());
		size_t now = mallinfo2().uordblks;
		most = now > most ? now : most;
	}
	assert_in_range(most, 0, before + (2u << 20));
}

static void slow_sender_costs_linear_work(void **state)
{
	enum stream_error error;
	assert_int_equal(feed("<a b='", 6, &error), XML_MORE);
	for (int i = 0; i < 200000; i++) /* quadratic work would take minutes */
		assert_int_equal(feed("x", 1, &error), XML_MORE);
	assert_stanza("'/>");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(bytes_are_counted_up_to_the_ceiling),
		CASE(too_big_is_said_before_the_element_ends),
		CASE(depth_is_counted_from_the_stanza),
		CASE(attributes_are_counted_with_declarations),
		CASE(elements_are_counted_per_stanza),
		CASE(namespaces_in_force_at_once_are_counted),
		CASE(long_namespace_used_often_is_refused),
		CASE(prefixed_attributes_at_every_level_are_refused),
		CASE(header_obeys_the_ceilings_too),
		CASE(header_may_not_keep_much),
		CASE(limits_may_change_inside_an_element),
		CASE(ten_thousand_levels_are_refused_at_the_first_too_deep),
		CASE(ten_thousand_levels_parse_where_allowed),
		CASE(gigabyte_stanza_never_holds_more_than_the_ceiling),
		CASE(big_stanza_leaves_no_memory_behind),
		CASE(ever_new_names_keep_memory_bounded),
		CASE(ever_new_long_names_keep_memory_bounded),
		CASE(slow_sender_costs_linear_work),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
