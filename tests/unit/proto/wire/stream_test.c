#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/wire/stream.h"
#include "proto/xml/names.h"
#include "proto/xml/reader.h"

static struct arena *a;
static struct stream_open open_;

static int set_up(void **state)
{
	a = arena_new(0);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(a);
	return 0;
}

/* A root <stream:stream/> with to, from and version, each absent when NULL. */
static struct elem *root_of(const char *to, const char *from, const char *version)
{
	struct elem *e = elem_new(a, NS_STREAMS, STR("stream"));
	if (to)
		elem_set(a, e, STR("to"), str_of(to));
	if (from)
		elem_set(a, e, STR("from"), str_of(from));
	if (version)
		elem_set(a, e, STR("version"), str_of(version));
	return e;
}

static enum stream_error read_root(const struct elem *root)
{
	return stream_open_read(a, root, NS_CLIENT, NS_CLIENT, &open_);
}

static void usual_header_is_read(void **state)
{
	struct elem *e = root_of("Example.NET", "romeo@example.net", "1.0");
	elem_set_ns(a, e, NS_XML, STR("lang"), STR("de"));
	assert_int_equal(read_root(e), STREAM_ERROR_NONE);
	assert_true(str_is(jid_str(&open_.to), "example.net"));
	assert_true(str_is(jid_str(&open_.from), "romeo@example.net"));
	assert_true(str_is(open_.lang, "de"));
	assert_int_equal(open_.major, 1);
	assert_int_equal(open_.minor, 0);
}

static void header_without_addresses_is_read(void **state)
{
	assert_int_equal(read_root(root_of(NULL, NULL, "1.1")), STREAM_ERROR_NONE);
	assert_false(jid_present(&open_.to));
	assert_false(jid_present(&open_.from));
	assert_int_equal(open_.minor, 1);
}

static void versions_below_one_and_none_are_unsupported(void **state)
{
	static const char *const bad[] = { NULL, "0.9", "", "1", "1.", ".0", "x.y", "1.x", "-1.0", "1000.0" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_root(root_of("example.net", NULL, bad[i])), STREAM_UNSUPPORTED_VERSION);
	assert_int_equal(read_root(root_of("example.net", NULL, "2.0")), STREAM_ERROR_NONE);
}

static void malformed_addresses_have_their_errors(void **state)
{
	assert_int_equal(read_root(root_of("a b@/x", NULL, "1.0")), STREAM_HOST_UNKNOWN);
	assert_int_equal(read_root(root_of("example.net", "@", "1.0")), STREAM_IMPROPER_ADDRESSING);
	assert_true(str_is(jid_str(&open_.to), "example.net")); /* what could be read is there */
}

static void wrong_names_have_their_errors(void **state)
{
	struct elem *e = elem_new(a, NS_STREAMS, STR("streams"));
	elem_set(a, e, STR("version"), STR("1.0"));
	assert_int_equal(read_root(e), STREAM_BAD_FORMAT);
	e = elem_new(a, STR("urn:other"), STR("stream"));
	elem_set(a, e, STR("version"), STR("1.0"));
	assert_int_equal(read_root(e), STREAM_INVALID_NAMESPACE);
	e = root_of(NULL, NULL, "1.0");
	assert_int_equal(stream_open_read(a, e, STR("jabber:other"), NS_CLIENT, &open_), STREAM_INVALID_NAMESPACE);
	assert_int_equal(stream_open_read(a, e, STR_NONE, NS_CLIENT, &open_), STREAM_ERROR_NONE);
}

static void too_long_a_language_is_left_out(void **state)
{
	struct elem *e = root_of(NULL, NULL, "1.0");
	elem_set_ns(a, e, NS_XML, STR("lang"), STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	assert_int_equal(read_root(e), STREAM_ERROR_NONE);
	assert_false(str_present(open_.lang));
}

/* What is written must read back, whatever the strings hold. */
static void what_is_written_is_one_whole_stream(void **state)
{
	static const struct xml_limits limits = { .max_bytes = 4096, .max_depth = 8, .max_attrs = 16, .max_elements = 16 };
	struct xml_reader *r = xml_reader_new(&limits);
	struct xml_parser *p = xml_parser_new(2);
	struct xml_item item;
	struct buf out;
	buf_init(&out, 8192);
	stream_header_write(&out, NS_CLIENT, STR("a'b"), STR("c&d"), STR("<id>"), STR("en"));
	stream_error_write(&out, STREAM_HOST_UNKNOWN, STR("no <such> host & that's it"), STR_NONE);
	assert_int_equal(buf_status(&out), ERR_NONE);
	struct str in = buf_str(&out);
	assert_int_equal(xml_reader_next(r, p, &in, &item), XML_STREAM_OPEN);
	assert_true(str_is(elem_attr(item.root, "from"), "a'b"));
	assert_true(str_is(elem_attr(item.root, "to"), "c&d"));
	assert_true(str_is(elem_attr(item.root, "id"), "<id>"));
	assert_true(str_is(elem_attr(item.root, "version"), "1.0"));
	arena_free(item.arena);
	assert_int_equal(xml_reader_next(r, p, &in, &item), XML_STANZA);
	assert_true(elem_is(item.root, NS_STREAMS, "error"));
	assert_non_null(elem_child(item.root, NS_STREAM_ERRORS, "host-unknown"));
	const struct elem *text = elem_child(item.root, NS_STREAM_ERRORS, "text");
	assert_true(text && str_is(elem_text(item.arena, text), "no <such> host & that's it"));
	arena_free(item.arena);
	assert_int_equal(xml_reader_next(r, p, &in, &item), XML_STREAM_CLOSE);
	xml_reader_free(r);
	xml_parser_free(p);
	buf_fini(&out);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(usual_header_is_read),
		CASE(header_without_addresses_is_read),
		CASE(versions_below_one_and_none_are_unsupported),
		CASE(malformed_addresses_have_their_errors),
		CASE(wrong_names_have_their_errors),
		CASE(too_long_a_language_is_left_out),
		CASE(what_is_written_is_one_whole_stream),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
