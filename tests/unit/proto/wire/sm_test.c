#include "tests/unit/proto/scratch.h"

#include "proto/wire/sm.h"
#include "proto/xml/names.h"

static struct sm_said said;

/* An element with at most two attributes, each absent when its value is NULL. */
static enum err said_with(const char *name, const char *first, const char *value, const char *second, const char *other)
{
	struct elem *e = elem_new(a, NS_SM, str_of(name));
	if (value)
		elem_set(a, e, str_of(first), str_of(value));
	if (other)
		elem_set(a, e, str_of(second), str_of(other));
	return sm_read(e, &said);
}

static enum err enable_with(const char *resume, const char *max)
{
	return said_with("enable", "resume", resume, "max", max);
}

static enum err resume_with(const char *previd, const char *h)
{
	return said_with("resume", "previd", previd, "h", h);
}

static enum err ack_with(const char *h)
{
	return said_with("a", "h", h, "", NULL);
}

static void enable_says_whether_it_wants_to_resume(void **state)
{
	assert_int_equal(enable_with(NULL, NULL), ERR_NONE);
	assert_int_equal(said.word, SM_ENABLE);
	assert_false(said.resume);
	assert_int_equal(said.max_s, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(enable_with(i ? "1" : "true", "300"), ERR_NONE);
		assert_true(said.resume);
		assert_int_equal(said.max_s, 300);
		assert_int_equal(enable_with(i ? "0" : "false", NULL), ERR_NONE);
		assert_false(said.resume);
	}
}

static void enable_that_breaks_the_schema_is_invalid(void **state)
{
	static const char *const bools[] = { "yes", "", "TRUE", "2" };
	static const char *const numbers[] = { "0", "", "-1", "1s", " 1" };
	for (size_t i = 0; i < sizeof bools / sizeof *bools; i++)
		assert_int_equal(enable_with(bools[i], NULL), ERR_INVALID);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		assert_int_equal(enable_with("true", numbers[i]), ERR_INVALID);
	assert_int_equal(said.word, SM_ENABLE);
}

static void max_has_no_upper_end(void **state)
{
	assert_int_equal(enable_with("true", "4294967296"), ERR_NONE);
	assert_int_equal(said.max_s, UINT32_MAX);
	assert_int_equal(enable_with("true", "99999999999999999999999999"), ERR_NONE);
	assert_int_equal(said.max_s, UINT32_MAX);
}

static void resume_names_session_and_count(void **state)
{
	assert_int_equal(resume_with("some-long-sm-id", "4294967295"), ERR_NONE);
	assert_int_equal(said.word, SM_RESUME);
	assert_true(str_is(said.previd, "some-long-sm-id"));
	assert_int_equal(said.h, UINT32_MAX);
	assert_int_equal(resume_with(NULL, "1"), ERR_INVALID);
	assert_int_equal(resume_with("x", NULL), ERR_INVALID);
	assert_int_equal(resume_with("x", "4294967296"), ERR_INVALID);
	assert_int_equal(resume_with("x", "-1"), ERR_INVALID);
}

static void answers_have_a_count_and_requests_need_none(void **state)
{
	assert_int_equal(ack_with("0"), ERR_NONE);
	assert_int_equal(said.word, SM_A);
	assert_int_equal(said.h, 0);
	assert_int_equal(ack_with(NULL), ERR_INVALID);
	assert_int_equal(ack_with("one"), ERR_INVALID);
	assert_int_equal(said_with("r", "", NULL, "", NULL), ERR_NONE);
	assert_int_equal(said.word, SM_R);
}

static void what_only_a_server_says_is_not_found(void **state)
{
	static const char *const names[] = { "enabled", "resumed", "failed", "sm", "x" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(sm_read(elem_new(a, NS_SM, str_of(names[i])), &said), ERR_NOT_FOUND);
	assert_int_equal(sm_read(elem_new(a, STR("urn:xmpp:sm:2"), STR("r")), &said), ERR_NOT_FOUND);
}

static void words_are_written_as_in_the_examples(void **state)
{
	uint32_t h = 7;
	sm_write_enabled(&out, STR_NONE, 300);
	assert_out("<enabled xmlns='urn:xmpp:sm:3'/>");
	sm_write_enabled(&out, STR("some-long-sm-id"), 0);
	assert_out("<enabled xmlns='urn:xmpp:sm:3' id='some-long-sm-id' resume='true'/>");
	sm_write_enabled(&out, STR("i"), 300);
	assert_out("<enabled xmlns='urn:xmpp:sm:3' id='i' resume='true' max='300'/>");
	sm_write_resumed(&out, STR("a'b"), UINT32_MAX);
	assert_out("<resumed xmlns='urn:xmpp:sm:3' previd='a&apos;b' h='4294967295'/>");
	sm_write_failed(&out, STANZA_UNEXPECTED_REQUEST, NULL);
	assert_out("<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
	sm_write_failed(&out, STANZA_ITEM_NOT_FOUND, &h);
	assert_out("<failed xmlns='urn:xmpp:sm:3' h='7'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
	sm_write_r(&out);
	assert_out("<r xmlns='urn:xmpp:sm:3'/>");
	sm_write_a(&out, 5);
	assert_out("<a xmlns='urn:xmpp:sm:3' h='5'/>");
	sm_write_too_high(&out, 10, 8);
	assert_out("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(enable_says_whether_it_wants_to_resume, set_up, tear_down),
		cmocka_unit_test_setup_teardown(enable_that_breaks_the_schema_is_invalid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(max_has_no_upper_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(resume_names_session_and_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_have_a_count_and_requests_need_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_only_a_server_says_is_not_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(words_are_written_as_in_the_examples, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
