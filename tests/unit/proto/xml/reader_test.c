#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "proto/xml/names.h"
#include "tests/unit/proto/xml/transcript.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>"
#define OPENED "open <stream xmlns='http://etherx.jabber.org/streams' to='example.org' version='1.0'/> in 'jabber:client' (116)\n"

static struct xml_parser *parser;
static struct xml_reader *reader;
static struct buf out;

static int set_up(void **state)
{
	parser = xml_parser_new(4);
	reader = xml_reader_new(&usual_limits);
	buf_init(&out, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	xml_reader_free(reader);
	xml_parser_free(parser);
	buf_fini(&out);
	return 0;
}

static void feed(const char *z)
{
	transcribe(&out, reader, parser, str_of(z));
}

static void assert_transcript(const char *want)
{
	buf_addc(&out, '\0');
	assert_int_equal(buf_status(&out), ERR_NONE);
	assert_string_equal(out.p, want);
	buf_clear(&out);
}

/* ---- what passes ---- */

static void conversation_gives_header_stanzas_and_close(void **state)
{
	feed("<?xml version='1.0'?>" HEADER);
	assert_transcript(OPENED);
	feed("<message to='a@b'><body>x</body></message> \n <presence/><iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
	assert_transcript("stanza <message xmlns='jabber:client' to='a@b'><body>x</body></message> (42)\n"
			  "stanza <presence xmlns='jabber:client'/> (11)\n"
			  "stanza <iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq> (56)\n");
	feed("</stream:stream>");
	assert_transcript("close (16)\n");
	feed("<whatever");
	assert_transcript("");
}

static void keepalives_are_silent_and_hold_no_memory(void **state)
{
	feed(HEADER);
	buf_clear(&out);
	size_t idle = xml_reader_bytes(reader);
	for (int i = 0; i < 1000; i++)
		feed(" \r\n\t");
	assert_transcript("");
	assert_int_equal(xml_reader_bytes(reader), idle);
	assert_in_range(idle, 1, 200);
}

static void unfinished_element_is_freed_once_it_is_complete(void **state)
{
	feed(HEADER "<message><bo");
	assert_in_range(xml_reader_bytes(reader), 120, 400);
	feed("dy/></message>");
	assert_in_range(xml_reader_bytes(reader), 1, 200);
	assert_transcript(OPENED "stanza <message xmlns='jabber:client'><body/></message> (26)\n");
}

static void restart_expects_a_header_again(void **state)
{
	feed(HEADER "<auth/>");
	xml_reader_restart(reader);
	buf_clear(&out);
	feed("<?xml version='1.0'?>" HEADER "<iq/>");
	assert_transcript(OPENED "stanza <iq xmlns='jabber:client'/> (5)\n");
	xml_reader_restart(reader);
	feed("<iq");
	xml_reader_restart(reader);
	feed("hello");
	assert_transcript("refused not-well-formed: no XML at the start of the stream (0)\n");
	xml_reader_restart(reader);
	feed(HEADER);
	assert_transcript(OPENED);
}

static void self_closed_header_opens_and_closes(void **state)
{
	feed("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' />");
	assert_transcript("open <stream xmlns='http://etherx.jabber.org/streams'/> in 'jabber:server' (87)\nclose (0)\n");
}

static void declarations_are_taken_in_every_legal_form(void **state)
{
	static const char *const forms[] = { "<?xml version='1.0'?>", "<?xml version=\"1.0\" encoding=\"utf-8\" ?>",
		"<?xml\tversion = '1.0'\r\n encoding = 'UTF-8' standalone='yes'?>", "<?xml version='1.0' standalone='no'?>\n\n",
		"\xEF\xBB\xBF", "\xEF\xBB\xBF<?xml version='1.0'?>", "  \n", "" };
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		xml_reader_restart(reader);
		feed(forms[i]);
		feed(HEADER);
		assert_transcript(OPENED);
	}
}

static void prefixes_of_the_header_work_in_stanzas(void **state)
{
	feed("<foo:stream xmlns:foo='http://etherx.jabber.org/streams' xmlns='jabber:server' xmlns:db='jabber:server:dialback' db:x='1'>");
	assert_transcript("open <stream xmlns='http://etherx.jabber.org/streams' xmlns:a0='jabber:server:dialback' a0:x='1'/>"
			  " in 'jabber:server' (122)\n");
	feed("<db:result from='a'/><message/><foo:error/>");
	assert_transcript("stanza <result xmlns='jabber:server:dialback' from='a'/> (21)\n"
			  "stanza <message xmlns='jabber:server'/> (10)\nstanza <error xmlns='http://etherx.jabber.org/streams'/> (12)\n");
	assert_in_range(xml_reader_bytes(reader), 1, 400);
	feed("</stream:stream>");
	assert_transcript("refused not-well-formed: end tag without its start (0)\n");
}

static void unusual_root_is_closed_by_its_own_name(void **state)
{
	feed("<stream xmlns='http://etherx.jabber.org/streams'><x/></stream \n>");
	assert_transcript("open <stream xmlns='http://etherx.jabber.org/streams'/> in 'http://etherx.jabber.org/streams' (49)\n"
			  "stanza <x xmlns='http://etherx.jabber.org/streams'/> (4)\nclose (11)\n");
	xml_reader_restart(reader);
	feed("<root><a/><a xmlns='urn:x'><b xmlns=''/></a></root>");
	assert_transcript("open <root/> in '' (6)\nstanza <a/> (4)\nstanza <a xmlns='urn:x'><b xmlns=''/></a> (34)\nclose (7)\n");
}

static void streams_with_different_preludes_share_one_parser(void **state)
{
	struct xml_reader *readers[10];
	for (int i = 0; i < 10; i++) {
		readers[i] = xml_reader_new(&usual_limits);
		buf_addf(&out, "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns:p='urn:%d'>", i);
		struct buf skip;
		buf_init(&skip, 4096);
		assert_int_equal(transcribe(&skip, readers[i], parser, buf_str(&out)), XML_MORE);
		buf_clear(&out);
		buf_fini(&skip);
	}
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 10; i++) {
			char want[80];
			snprintf(want, sizeof(want), "stanza <x xmlns='urn:%d'/> (6)\n", i);
			transcribe(&out, readers[i], parser, STR("<p:x/>"));
			assert_transcript(want);
		}
	for (int i = 0; i < 10; i++)
		xml_reader_free(readers[i]);
}

static void order_of_the_headers_declarations_does_not_matter(void **state)
{
	feed("<stream:stream to='example.org' version='1.0' xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>");
	assert_transcript(OPENED);
	assert_in_range(xml_reader_bytes(reader), 1, 170); /* it is the usual prelude */
}

static void text_is_unescaped_and_in_one_piece(void **state)
{
	feed(HEADER);
	buf_clear(&out);
	struct str in = STR("<m a='&lt;&#x9;&#10;&amp;\n\"&quot;'>1&lt;2&gt;&apos;&quot;&amp;&#65;&#x1F600;"
			    "<![CDATA[<&amp;]]]]><![CDATA[>\r\n\r]]>\r\n\r.\xC3\xA9</m>");
	struct xml_item item;
	assert_int_equal(xml_reader_next(reader, parser, &in, &item), XML_STANZA);
	struct str text = elem_text(item.arena, item.root), a = elem_attr(item.root, "a");
	assert_true(str_is(text, "1<2>'\"&A\xF0\x9F\x98\x80<&amp;]]>\n\n\n\n.\xC3\xA9"));
	assert_true(str_is(a, "<\t\n& \"\""));
	assert_ptr_equal(item.root->children, item.root->last_child);
	arena_free(item.arena);
}

static void namespaces_of_the_table_are_its_rows(void **state)
{
	feed(HEADER);
	struct str in = STR("<iq xml:lang='en'><ping xmlns='urn:xmpp:ping'/></iq>");
	struct xml_item item;
	assert_int_equal(xml_reader_next(reader, parser, &in, &item), XML_STANZA);
	assert_ptr_equal(item.root->ns.p, NS_CLIENT.p);
	assert_ptr_equal(item.root->attrs->ns.p, NS_XML.p);
	assert_ptr_equal(elem_first(item.root)->ns.p, NS_PING.p);
	arena_free(item.arena);
}

static void namespace_names_need_not_be_uris(void **state)
{
	feed(HEADER "<x xmlns='not a uri %'/><y xmlns='relative'/>");
	assert_transcript(OPENED "stanza <x xmlns='not a uri %'/> (24)\nstanza <y xmlns='relative'/> (21)\n");
}

/* ---- what is refused ---- */

static void assert_refused(const char *before, const char *bytes, size_t n, enum stream_error error)
{
	xml_reader_restart(reader);
	buf_clear(&out);
	feed(before);
	buf_clear(&out);
	transcribe(&out, reader, parser, str_span(bytes, n));
	struct xml_item item;
	struct str none = STR("");
	assert_int_equal(xml_reader_next(reader, parser, &none, &item), XML_REFUSED); /* and it stays so */
	if (item.error != error)
		fail_msg("%s: %.*s instead of %.*s", bytes, STR_ARG(stream_error_name(item.error)), STR_ARG(stream_error_name(error)));
	assert_null(item.arena);
	assert_in_range(xml_reader_bytes(reader), 1, 200);
	/* The worker's contexts have not suffered. */
	xml_reader_restart(reader);
	buf_clear(&out);
	feed(HEADER "<iq/>");
	assert_transcript(OPENED "stanza <iq xmlns='jabber:client'/> (5)\n");
}

struct refusal {
	enum stream_error error;
	const char *bytes;
};

static void assert_each_refused(const char *before, const struct refusal *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(before, list[i].bytes, strlen(list[i].bytes), list[i].error);
}
#define EACH_REFUSED(before, list) assert_each_refused(before, list, sizeof(list) / sizeof((list)[0]))

static void bad_starts_of_a_stream_are_refused(void **state)
{
	static const struct refusal list[] = {
		{ STREAM_NOT_WELL_FORMED, "GET / HTTP/1.1\r\n" },
		{ STREAM_NOT_WELL_FORMED, "\x16\x03\x01" },
		{ STREAM_NOT_WELL_FORMED, "</stream:stream>" },
		{ STREAM_NOT_WELL_FORMED, "<>" },
		{ STREAM_NOT_WELL_FORMED, "\xEF\xBBxx" },
		{ STREAM_UNSUPPORTED_ENCODING, "\xFE\xFF" },
		{ STREAM_UNSUPPORTED_ENCODING, "\xFF\xFE<" },
		{ STREAM_RESTRICTED_XML, " <?xml version='1.0'?>" },
		{ STREAM_RESTRICTED_XML, "<?xml version='1.0'?><?xml version='1.0'?>" },
		{ STREAM_RESTRICTED_XML, "<?php echo 1 ?>" },
		{ STREAM_RESTRICTED_XML, "<?xml-stylesheet href='x'?>" },
		{ STREAM_RESTRICTED_XML, "<!DOCTYPE x>" },
		{ STREAM_RESTRICTED_XML, "<!-- x -->" },
		{ STREAM_RESTRICTED_XML, "<![CDATA[x]]>" },
		{ STREAM_NOT_WELL_FORMED, "<?xml ?>" },
		{ STREAM_NOT_WELL_FORMED, "<?xml encoding='UTF-8' version='1.0'?>" },
		{ STREAM_NOT_WELL_FORMED, "<?xml version='1.1'?>" },
		{ STREAM_NOT_WELL_FORMED, "<?xml version='1.0>" },
		{ STREAM_NOT_WELL_FORMED, "<?xml version='1.0'>" },
		{ STREAM_NOT_WELL_FORMED, "<?xml version='1.0' standalone='maybe'?>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<?xml version='1.0' encoding='ISO-8859-1'?>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<?xml version='1.0' encoding='UTF-16'?>" },
		{ STREAM_BAD_NAMESPACE_PREFIX, "<stream:stream to='x'>" },
		{ STREAM_BAD_NAMESPACE_PREFIX, "<stream foo:x='1'>" },
		{ STREAM_NOT_WELL_FORMED, "<stream a='1' a='2'>" },
		{ STREAM_NOT_WELL_FORMED, "<stream a=1>" },
	};
	EACH_REFUSED("", list);
	assert_refused("", "<\0s\0t\0", 6, STREAM_UNSUPPORTED_ENCODING);
	assert_refused("", "\0<\0s", 4, STREAM_UNSUPPORTED_ENCODING);
	assert_refused("", "\0\0\0<", 4, STREAM_UNSUPPORTED_ENCODING);
	char endless[400];
	memset(endless, ' ', sizeof(endless));
	assert_refused("<?xml ", endless, sizeof(endless), STREAM_NOT_WELL_FORMED);
}

static void restricted_xml_is_refused(void **state)
{
	static const struct refusal list[] = {
		{ STREAM_RESTRICTED_XML, "<!-- x -->" },
		{ STREAM_RESTRICTED_XML, "<m><!-- x --></m>" },
		{ STREAM_RESTRICTED_XML, "<?pi x?>" },
		{ STREAM_RESTRICTED_XML, "<m><?pi x?></m>" },
		{ STREAM_RESTRICTED_XML, "<?xml version='1.0'?>" },
		{ STREAM_RESTRICTED_XML, "<!DOCTYPE lolz [<!ENTITY lol 'lol'>" },
		{ STREAM_RESTRICTED_XML, "<m><!ENTITY lol 'lol'></m>" },
		{ STREAM_RESTRICTED_XML, "<![CDATA[x]]>" },
		{ STREAM_RESTRICTED_XML, "<m>&lol;</m>" },
		{ STREAM_RESTRICTED_XML, "<m a='&lol;'/>" },
		{ STREAM_RESTRICTED_XML, "<m>&eacute;</m>" },
	};
	EACH_REFUSED(HEADER, list);
}

static void billion_laughs_is_refused_at_its_first_declaration(void **state)
{
	static const char bomb[] = "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;'>]>" HEADER;
	assert_refused("<?xml version='1.0'?>", bomb, 40, STREAM_RESTRICTED_XML);
}

static void ill_formed_xml_is_refused(void **state)
{
	static const struct refusal list[] = {
		{ STREAM_NOT_WELL_FORMED, "<m></n>" },
		{ STREAM_NOT_WELL_FORMED, "<m><a></m></a>" },
		{ STREAM_NOT_WELL_FORMED, "<m a='1' a='2'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m xmlns:p='u' xmlns:q='u' p:a='1' q:a='2'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m a/>" },
		{ STREAM_NOT_WELL_FORMED, "<m a=1/>" },
		{ STREAM_NOT_WELL_FORMED, "<m a='<'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m a='1'b='2'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m <a/>" },
		{ STREAM_NOT_WELL_FORMED, "<m / >" },
		{ STREAM_NOT_WELL_FORMED, "< m/>" },
		{ STREAM_NOT_WELL_FORMED, "<1/>" },
		{ STREAM_NOT_WELL_FORMED, "<m>]]></m>" },
		{ STREAM_NOT_WELL_FORMED, "<m>a & b</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m>&#0;</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m>&#x1;</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m>&#xD800;</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m>&#xFFFE;</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m>&#x110000;</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m a='&#xFFFF;'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m>\x01</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m a='\x1F'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m>\xEF\xBF\xBE</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m>\xEF\xBF\xBF</m>" },
		{ STREAM_NOT_WELL_FORMED, "<m a='\xEF\xBF\xBF'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m><![CDATA[\xEF\xBF\xBF]]></m>" },
		{ STREAM_NOT_WELL_FORMED, "<m><![cdata[x]]></m>" },
		{ STREAM_NOT_WELL_FORMED, "<m><![INCLUDE[x]]></m>" },
		{ STREAM_NOT_WELL_FORMED, "</wrong>" },
		{ STREAM_NOT_WELL_FORMED, "</ stream:stream>" },
		{ STREAM_NOT_WELL_FORMED, "</>" },
		{ STREAM_NOT_WELL_FORMED, "<m:/>" },
		{ STREAM_NOT_WELL_FORMED, "<m xmlns:p=''/>" },
		{ STREAM_NOT_WELL_FORMED, "<m xmlns:xmlns='u'/>" },
		{ STREAM_NOT_WELL_FORMED, "<m xmlns='http://www.w3.org/XML/1998/namespace'/>" },
		{ STREAM_NOT_WELL_FORMED, "\x02" },
	};
	EACH_REFUSED(HEADER, list);
	assert_refused(HEADER, "<m>\0</m>", 8, STREAM_NOT_WELL_FORMED);
}

/* A client must not wait for ever for an answer to what can never be completed. */
static void end_tag_of_another_name_is_refused_where_it_stands(void **state)
{
	static const char *const list[] = { "<message to='x'><body>No closing tag!</message>", "<a><b></c", "<a><b></c>", "<a><b></a>",
		"<a><bc></b>", "<a><b></bc>", "<a><b></bc", "<a><b x='1'></b1 >", "<a><p:b></b>", "<a><b></>", "<a><b></ b>",
		"<a><presences></presence>", "<a><b/></b>", "<a>\n<b\n></B\n>", "<a><presence12></presence13>" };
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		xml_reader_restart(reader);
		feed(HEADER);
		buf_clear(&out);
		feed(list[i]);
		assert_transcript("refused not-well-formed: end tag of another name than its start (0)\n");
	}
}

static void end_tags_of_the_same_name_pass_in_every_form(void **state)
{
	feed(HEADER
	     "<a><b  ></b \n><b/><b></b><c.d-e_f\xC3\xA9 x='>'><presence12 /></c.d-e_f\xC3\xA9><b\n/><presence12></presence12></a\t>");
	buf_clear(&out);
	feed("<a ><a\n></a\r></a ><a></a>");
	assert_transcript("stanza <a xmlns='jabber:client'><a/></a> (18)\nstanza <a xmlns='jabber:client'/> (7)\n");
}

/* `n` open tags <nI>, deep enough to need memory of their own. */
static void feed_nest(unsigned n)
{
	char tag[16];
	for (unsigned i = 0; i < n; i++) {
		snprintf(tag, sizeof(tag), "<n%u>", i);
		feed(tag);
	}
}

static void names_of_deep_elements_are_remembered_while_they_are_open(void **state)
{
	char tag[16];
	feed(HEADER);
	buf_clear(&out);
	feed_nest(60);
	assert_in_range(xml_reader_bytes(reader), 300, 1200);
	for (int i = 59; i >= 0; i--) {
		snprintf(tag, sizeof(tag), "</n%d>", i);
		feed(tag);
	}
	assert_in_range(xml_reader_bytes(reader), 1, 170);
	assert_non_null(strstr(out.p, "stanza <n0 xmlns='jabber:client'><n1><n2>"));
	buf_clear(&out);
	feed_nest(60);
	feed("</n58>");
	assert_transcript("refused not-well-formed: end tag of another name than its start (0)\n");
	assert_in_range(xml_reader_bytes(reader), 1, 170);
}

static void restart_forgets_the_names_of_deep_elements(void **state)
{
	feed(HEADER);
	feed_nest(30);
	xml_reader_restart(reader);
	buf_clear(&out);
	assert_in_range(xml_reader_bytes(reader), 1, 170);
	feed(HEADER "<a></a>");
	assert_transcript(OPENED "stanza <a xmlns='jabber:client'/> (7)\n");
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
	static const struct refusal list[] = {
		{ STREAM_UNSUPPORTED_ENCODING, "<m>\xE9t\xE9</m>" },      { STREAM_UNSUPPORTED_ENCODING, "<m>\xC0\x80</m>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<m>\xC1\xBF</m>" },       { STREAM_UNSUPPORTED_ENCODING, "<m>\xE0\x80\xAF</m>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<m>\xED\xA0\x80</m>" },   { STREAM_UNSUPPORTED_ENCODING, "<m>\xF0\x80\x80\x80</m>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<m>\xF4\x90\x80\x80</m>" }, { STREAM_UNSUPPORTED_ENCODING, "<m>\xF5</m>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<m>\x80</m>" },           { STREAM_UNSUPPORTED_ENCODING, "<m>\xC3</m>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<m a='\xE2\x82'/>" },     { STREAM_UNSUPPORTED_ENCODING, "<m\xFF/>" },
		{ STREAM_UNSUPPORTED_ENCODING, "<m><![CDATA[\xFE]]></m>" },
	};
	EACH_REFUSED(HEADER, list);
}

static void undeclared_prefixes_are_refused(void **state)
{
	static const struct refusal list[] = {
		{ STREAM_BAD_NAMESPACE_PREFIX, "<foo:m/>" },
		{ STREAM_BAD_NAMESPACE_PREFIX, "<m><foo:x/></m>" },
		{ STREAM_BAD_NAMESPACE_PREFIX, "<m foo:a='1'/>" },
		{ STREAM_BAD_NAMESPACE_PREFIX, "<m><a xmlns:p='u'/><p:b/></m>" },
	};
	EACH_REFUSED(HEADER, list);
}

static void text_between_stanzas_is_bad_format(void **state)
{
	static const struct refusal list[] = {
		{ STREAM_BAD_FORMAT, "hello" },
		{ STREAM_BAD_FORMAT, " &lt;" },
		{ STREAM_BAD_FORMAT, "\xC3\xA9" },
	};
	EACH_REFUSED(HEADER, list);
}

static void stanza_before_an_offence_is_given_first(void **state)
{
	feed(HEADER "<iq/><m>\xFF</m>");
	assert_transcript(OPENED "stanza <iq xmlns='jabber:client'/> (5)\nrefused unsupported-encoding: bytes that are not UTF-8 (0)\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(conversation_gives_header_stanzas_and_close),
		CASE(keepalives_are_silent_and_hold_no_memory),
		CASE(unfinished_element_is_freed_once_it_is_complete),
		CASE(restart_expects_a_header_again),
		CASE(self_closed_header_opens_and_closes),
		CASE(declarations_are_taken_in_every_legal_form),
		CASE(prefixes_of_the_header_work_in_stanzas),
		CASE(unusual_root_is_closed_by_its_own_name),
		CASE(streams_with_different_preludes_share_one_parser),
		CASE(order_of_the_headers_declarations_does_not_matter),
		CASE(text_is_unescaped_and_in_one_piece),
		CASE(namespaces_of_the_table_are_its_rows),
		CASE(namespace_names_need_not_be_uris),
		CASE(bad_starts_of_a_stream_are_refused),
		CASE(restricted_xml_is_refused),
		CASE(billion_laughs_is_refused_at_its_first_declaration),
		CASE(ill_formed_xml_is_refused),
		CASE(end_tag_of_another_name_is_refused_where_it_stands),
		CASE(end_tags_of_the_same_name_pass_in_every_form),
		CASE(names_of_deep_elements_are_remembered_while_they_are_open),
		CASE(restart_forgets_the_names_of_deep_elements),
		CASE(bytes_that_are_not_utf8_are_refused),
		CASE(undeclared_prefixes_are_refused),
		CASE(text_between_stanzas_is_bad_format),
		CASE(stanza_before_an_offence_is_given_first),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
