#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/base/rng.h"
#include "proto/xml/names.h"
#include "proto/xml/reader.h"
#include "proto/xml/writer.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

static struct rng rng;

static unsigned pick(unsigned n)
{
	return (unsigned)(rng_u64(&rng) % n);
}
#define ONE_OF(list) (list)[pick(sizeof(list) / sizeof((list)[0]))]

static struct str random_text(struct arena *a)
{
	static const char *const pieces[] = { "]]>", "]]", ">", "<", "&", "'", "\"", "\r\n", "\r", "\n", "\t", " ", "abc", "&amp;",
		"\xC3\xA9", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD", "\x7F", "0123456789abcdef0123456789abcdef0123456789" };
	struct buf b;
	buf_init(&b, 4096);
	for (unsigned n = pick(5); n; n--)
		buf_addz(&b, ONE_OF(pieces));
	struct str s = arena_str(a, b.len ? buf_str(&b) : STR(""));
	buf_fini(&b);
	return s;
}

static struct str random_ns(void)
{
	static const char *const list[] = { "", "jabber:client", "jabber:server", "http://etherx.jabber.org/streams", "urn:a", "urn:b",
		"it's <&\"", "http://www.w3.org/XML/1998/namespace" };
	return str_of(ONE_OF(list));
}

static struct str random_name(void)
{
	static const char *const list[] = { "message", "a", "b", "c-d.e", "_x", "\xC3\xA9t\xC3\xA9", "xmlish", "stream", "lang" };
	return str_of(ONE_OF(list));
}

static void fill(struct arena *a, struct elem *e, unsigned depth)
{
	for (unsigned n = pick(4); n; n--)
		elem_set_ns(a, e, pick(3) ? STR_NONE : random_ns(), random_name(), random_text(a));
	for (unsigned n = pick(4); n; n--)
		if (pick(2))
			elem_append_text(a, e, random_text(a));
		else if (depth)
			fill(a, elem_add(a, e, pick(2) ? STR_NONE : random_ns(), random_name()), depth - 1);
}

/* What the stream's header declares, the writer may leave out. */
static struct xml_parser *parser;
static const struct xml_limits limits = { .max_bytes = 1 << 20, .max_depth = 100, .max_attrs = 100, .max_elements = 10000 };

static void assert_comes_back(const struct elem *e, const char *header, struct str default_ns, bool stream_prefix)
{
	struct buf out;
	struct xml_item item;
	struct xml_reader *r = xml_reader_new(&limits);
	struct str in = str_of(header);
	assert_int_equal(xml_reader_next(r, parser, &in, &item), XML_STREAM_OPEN);
	assert_true(str_eq(item.default_ns, default_ns));
	arena_free(item.arena);
	buf_init(&out, 1 << 20);
	xml_write(&out, e, default_ns, stream_prefix);
	assert_int_equal(buf_status(&out), ERR_NONE);
	in = buf_str(&out);
	if (xml_reader_next(r, parser, &in, &item) != XML_STANZA || !elem_eq(e, item.root))
		fail_msg("%s: %.*s", item.why ? item.why : "another tree", STR_ARG(buf_str(&out)));
	assert_int_equal(in.len, 0);
	arena_free(item.arena);
	buf_fini(&out);
	xml_reader_free(r);
}

static void what_is_written_reads_back_as_the_same_tree(void **state)
{
	parser = xml_parser_new(4);
	rng_init_seeded(&rng, 6120);
	for (int i = 0; i < 20000; i++) {
		struct arena *a = arena_new(0);
		struct elem *e = elem_new(a, random_ns(), random_name());
		fill(a, e, 4);
		assert_comes_back(e, HEADER, NS_CLIENT, true);
		assert_comes_back(e, "<stream>", STR_NONE, false);
		assert_comes_back(e, "<s xmlns='urn:a'>", STR("urn:a"), false);
		arena_free(a);
	}
	xml_parser_free(parser);
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(what_is_written_reads_back_as_the_same_tree) };
	return cmocka_run_group_tests(cases, NULL, NULL);
}
