#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/proto/xml/transcript.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>"

/* Bytes that come in pieces must say what they say in one. */
static const char *const conversations[] = {
	"<?xml version='1.0' encoding='UTF-8'?>\n" HEADER
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>",
	"\xEF\xBB\xBF<?xml version='1.0'?>" HEADER
	" \n <presence/><message a=\"'>'\" b='\"/>'><body>x &gt; <![CDATA[]]]>]]&]]></body></message></stream:stream>  ",
	HEADER "<m xml:lang='\xC3\xA9'>\xF0\x9F\x98\x80\xE2\x82\xAC</m><iq/></stream:stream>",
	"<f:stream xmlns:f='http://etherx.jabber.org/streams' xmlns:g='urn:g'/>more",
	"<f:stream xmlns:f='http://etherx.jabber.org/streams' xmlns:g='urn:g'><g:x/><y g:z='1'\r\n/></f:stream >",
	HEADER "<a><b/><c></c>text</a  ><a/>text",
	HEADER "<a/><b>\xC3<c/></b>",
	HEADER "<a/><b>\xC3\xA9\x01<!-- --></b>",
	HEADER "<a><!-- \xFF --></a>",
	HEADER "<a/><x:y/><b/>",
	HEADER "<a>\xFF",
	HEADER "<a \xC3=",
	HEADER "<a b\xC3'1'/>",
	HEADER "<a>&nbsp;</a>",
	HEADER "<![CDATA[",
	HEADER "<a><![CDAT [",
	HEADER "</stream:strean>",
	HEADER "<message><body>No closing tag!</message>",
	HEADER "<a><presence x='1'><b></b ></presence></a ><a><bc></b>",
	HEADER "<a><presence/><bcdefghijk></bcdefghijkl></a>",
	HEADER "<a><b></></a>",
	HEADER "<a><b></ b></a>",
	HEADER "<a><b></bÃ>",
	HEADER "<1><2><3><4><5><6><7><8><9>",
	HEADER "<a><b><c><d><e><f><g><h><i><j1 k='l'></j1></i\n></h></g></f></e></d></c></b></a><a><b><c><d><e><f><g><h><i></j></i>",
	HEADER "\x1B",
	"<?xml version='1.0' encoding='latin1'?>" HEADER,
	"<?xml version='1.0'?>\n<?xml version='1.0'?>" HEADER,
	"\xEF\xBB<a>",
	"\xFF\xFE<",
	"<\x01",
	" hello",
};

static struct xml_parser *parser;

static int set_up(void **state)
{
	parser = xml_parser_new(4);
	return 0;
}

static int tear_down(void **state)
{
	xml_parser_free(parser);
	return 0;
}

/* The transcript of `s` cut at `a` and `b`. */
static void say(struct buf *out, const struct xml_limits *limits, struct str s, size_t a, size_t b)
{
	struct xml_reader *r = xml_reader_new(limits);
	if (transcribe(out, r, parser, str_span(s.p, a)) != XML_REFUSED &&
	    transcribe(out, r, parser, str_span(s.p + a, b - a)) != XML_REFUSED)
		transcribe(out, r, parser, str_span(s.p + b, s.len - b));
	xml_reader_free(r);
}

static void assert_same(const struct buf *want, struct buf *got, struct str s, size_t a, size_t b)
{
	assert_int_equal(buf_status(got), ERR_NONE);
	if (!str_eq(buf_str(want), buf_str(got)))
		fail_msg("split at %zu and %zu of %.*s:\n%.*s---\n%.*s", a, b, STR_ARG(s), STR_ARG(buf_str(want)), STR_ARG(buf_str(got)));
	buf_clear(got);
}

static void assert_splits_agree(const struct xml_limits *limits, struct str s)
{
	struct buf want, got;
	buf_init(&want, 1 << 16);
	buf_init(&got, 1 << 16);
	say(&want, limits, s, 0, 0);
	for (size_t a = 0; a < s.len; a++) {
		say(&got, limits, s, a, a);
		assert_same(&want, &got, s, a, a);
		say(&got, limits, s, a, a + 1); /* one byte alone */
		assert_same(&want, &got, s, a, a + 1);
	}
	struct xml_reader *r = xml_reader_new(limits);
	for (size_t a = 0; a < s.len; a++)
		if (transcribe(&got, r, parser, str_span(s.p + a, 1)) == XML_REFUSED)
			break;
	assert_same(&want, &got, s, s.len, s.len);
	xml_reader_free(r);
	buf_fini(&want);
	buf_fini(&got);
}

static void every_split_gives_the_same_events(void **state)
{
	for (size_t i = 0; i < sizeof(conversations) / sizeof(conversations[0]); i++)
		assert_splits_agree(&usual_limits, str_of(conversations[i]));
	assert_splits_agree(&usual_limits, STR("<\0s"));
	assert_splits_agree(&usual_limits, STR(HEADER "<a>\0</a>"));
}

static void every_split_gives_the_same_events_under_tight_limits(void **state)
{
	for (size_t i = 0; i < sizeof(conversations) / sizeof(conversations[0]); i++) {
		struct xml_limits tight = { .max_bytes = 120, .max_depth = 1, .max_attrs = 4, .max_elements = 2 };
		assert_splits_agree(&tight, str_of(conversations[i]));
		tight = (struct xml_limits){ .max_bytes = 117, .max_depth = 2, .max_attrs = 5, .max_elements = 2 };
		assert_splits_agree(&tight, str_of(conversations[i]));
		tight.max_bytes = (uint32_t)(i % 10 * 4);
		assert_splits_agree(&tight, str_of(conversations[i]));
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(every_split_gives_the_same_events),
		cmocka_unit_test(every_split_gives_the_same_events_under_tight_limits),
	};
	return cmocka_run_group_tests(cases, set_up, tear_down);
}
