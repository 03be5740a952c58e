#include "tests/unit/proto/scratch.h"

#include "proto/xml/names.h"
#include "proto/xml/writer.h"

static void default_namespace_is_not_repeated(void **state)
{
	struct elem *m = elem_new(a, NS_CLIENT, STR("message"));
	elem_set(a, m, STR("to"), STR("romeo@montague.example"));
	elem_add_text(a, m, STR("body"), STR("hi"));
	xml_write(&out, m, NS_CLIENT, true);
	assert_out("<message to='romeo@montague.example'><body>hi</body></message>");
}

static void namespace_is_declared_where_it_changes(void **state)
{
	struct elem *iq = elem_new(a, NS_CLIENT, STR("iq"));
	struct elem *q = elem_add(a, iq, NS_DISCO_INFO, STR("query"));
	elem_add(a, q, STR_NONE, STR("feature"));
	elem_add(a, q, NS_DATA_FORMS, STR("x"));
	elem_add(a, q, STR(""), STR("none"));
	elem_add(a, iq, STR_NONE, STR("tail"));
	xml_write(&out, iq, NS_CLIENT, true);
	assert_out("<iq><query xmlns='http://jabber.org/protocol/disco#info'><feature/><x xmlns='jabber:x:data'/><none xmlns=''/></query>"
		   "<tail/></iq>");
}

static void stream_elements_get_their_prefix_where_it_is_declared(void **state)
{
	struct elem *e = elem_new(a, NS_STREAMS, STR("error"));
	elem_add(a, e, NS_STREAM_ERRORS, STR("conflict"));
	elem_add(a, e, NS_CLIENT, STR("x"));
	xml_write(&out, e, NS_CLIENT, true);
	assert_out("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><x/></stream:error>");
	xml_write(&out, e, STR(""), false);
	assert_out("<error xmlns='http://etherx.jabber.org/streams'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
		   "<x xmlns='jabber:client'/></error>");
}

static void namespaced_attributes_get_a_prefix_declared_once(void **state)
{
	struct elem *e = elem_new(a, NS_CLIENT, STR("x"));
	elem_set_ns(a, e, NS_XML, STR("lang"), STR("de"));
	elem_set_ns(a, e, STR("urn:1"), STR("p"), STR("1"));
	elem_set_ns(a, e, STR("urn:1"), STR("q"), STR("2"));
	elem_set_ns(a, e, STR("urn:2"), STR("p"), STR("3"));
	xml_write(&out, e, NS_CLIENT, false);
	assert_out("<x xml:lang='de' xmlns:a1='urn:1' a1:p='1' a1:q='2' xmlns:a3='urn:2' a3:p='3'/>");
}

static void text_and_values_are_escaped(void **state)
{
	struct elem *e = elem_new(a, NS_CLIENT, STR("x"));
	elem_set(a, e, STR("v"), STR("<>&'\"\t\r\n."));
	elem_append_text(a, e, STR("]]><&'\"\t\r\n."));
	xml_write(&out, e, NS_CLIENT, false);
	assert_out("<x v='&lt;>&amp;&apos;\"&#9;&#13;&#10;.'>]]&gt;&lt;&amp;'\"\t&#13;\n.</x>");
	xml_escape_text(&out, STR("a>b"));
	xml_escape_attr(&out, STR("a>'b"));
	assert_out("a&gt;ba>&apos;b");
}

static void patch_finds_the_value_of_to(void **state)
{
	struct xml_patch patch;
	struct elem *m = elem_new(a, NS_CLIENT, STR("message"));
	elem_set(a, elem_add(a, m, STR_NONE, STR("x")), STR("to"), STR("inner"));
	buf_addz(&out, "before");
	xml_write_patch(&out, m, NS_CLIENT, &patch);
	assert_int_equal(patch.to_start | patch.to_end, 0);
	buf_clear(&out);
	buf_addz(&out, "before");
	elem_set(a, m, STR("id"), STR("7"));
	elem_set(a, m, STR("to"), STR("a@b/'"));
	xml_write_patch(&out, m, NS_CLIENT, &patch);
	assert_int_equal(patch.to_end - patch.to_start, strlen("a@b/&apos;"));
	assert_memory_equal(out.p + strlen("before") + patch.to_start, "a@b/&apos;", strlen("a@b/&apos;"));
}

static void past_the_ceiling_nothing_of_the_element_stays(void **state)
{
	struct elem *m = elem_new(a, NS_CLIENT, STR("message"));
	elem_add_text(a, m, STR("body"), STR("0123456789"));
	size_t len = strlen("<message><body>0123456789</body></message>");
	for (size_t max = 0; max <= len + 4; max++) {
		struct buf b;
		buf_init(&b, max);
		buf_addz(&b, max >= 4 ? "keep" : "");
		xml_write(&b, m, NS_CLIENT, true);
		if (max == len + 4) {
			assert_int_equal(buf_status(&b), ERR_NONE);
			assert_int_equal(b.len, max);
		} else {
			assert_int_equal(buf_status(&b), ERR_LIMIT);
			assert_int_equal(b.len, max >= 4 ? 4 : 0);
		}
		buf_fini(&b);
	}
}

static void long_elements_grow_the_buf(void **state)
{
	struct elem *m = elem_new(a, NS_CLIENT, STR("m"));
	for (int i = 0; i < 100; i++)
		elem_add_text(a, m, STR("body"), STR("0123456789&"));
	xml_write(&out, m, NS_CLIENT, true);
	assert_int_equal(buf_status(&out), ERR_NONE);
	assert_int_equal(out.len, strlen("<m></m>") + 100 * strlen("<body>0123456789&amp;</body>"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(default_namespace_is_not_repeated),
		CASE(namespace_is_declared_where_it_changes),
		CASE(stream_elements_get_their_prefix_where_it_is_declared),
		CASE(namespaced_attributes_get_a_prefix_declared_once),
		CASE(text_and_values_are_escaped),
		CASE(patch_finds_the_value_of_to),
		CASE(past_the_ceiling_nothing_of_the_element_stays),
		CASE(long_elements_grow_the_buf),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
