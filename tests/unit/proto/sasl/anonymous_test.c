#include "tests/unit/proto/sasl/client.h"

static enum sasl_step anonymous(struct fixture *f, struct str trace)
{
	struct sasl *s = sasl_new(f->a, MECH_ANONYMOUS, &f->ctx);
	enum sasl_step step = sasl_feed(s, trace, &f->out, &f->error);
	assert_false(str_present(sasl_user(s)));
	assert_false(str_present(sasl_authzid(s)));
	return step;
}

static void anonymous_takes_any_trace_and_none(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(SASL_DONE, anonymous(f, STR_NONE));
	assert_int_equal(SASL_DONE, anonymous(f, STR("")));
	assert_int_equal(SASL_DONE, anonymous(f, STR("sirhc")));
	assert_int_equal(SASL_DONE, anonymous(f, STR("juliet@example.org")));
	assert_false(str_present(f->out));
}

static void anonymous_refuses_a_trace_that_is_no_text_or_too_long(void **state)
{
	struct fixture *f = *state;
	char trace[256];
	memset(trace, 'a', sizeof(trace));
	assert_int_equal(SASL_REFUSED, anonymous(f, STR("a\0b")));
	assert_int_equal(SASL_MALFORMED_REQUEST, f->error);
	assert_int_equal(SASL_REFUSED, anonymous(f, STR("\xc3")));
	assert_int_equal(SASL_REFUSED, anonymous(f, str_span(trace, 256)));
	assert_int_equal(SASL_DONE, anonymous(f, str_span(trace, 255)));
}

static void anonymous_is_over_after_one_message(void **state)
{
	struct fixture *f = *state;
	struct sasl *s = sasl_new(f->a, MECH_ANONYMOUS, &f->ctx);
	assert_int_equal(SASL_DONE, sasl_feed(s, STR("a"), &f->out, &f->error));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, STR("a"), &f->out, &f->error));
	assert_int_equal(SASL_MALFORMED_REQUEST, f->error);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(anonymous_takes_any_trace_and_none),
		CASE(anonymous_refuses_a_trace_that_is_no_text_or_too_long),
		CASE(anonymous_is_over_after_one_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
