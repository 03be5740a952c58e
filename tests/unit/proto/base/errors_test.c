#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/errors.h"

static void errors_have_their_rfc_names(void **state)
{
	assert_true(str_is(stanza_error_name(STANZA_SERVICE_UNAVAILABLE), "service-unavailable"));
	assert_true(str_is(stanza_error_type(STANZA_SERVICE_UNAVAILABLE), "cancel"));
	assert_true(str_is(stanza_error_type(STANZA_RESOURCE_CONSTRAINT), "wait"));
	assert_true(str_is(stanza_error_type(STANZA_FORBIDDEN), "auth"));
	assert_true(str_is(stream_error_name(STREAM_HOST_UNKNOWN), "host-unknown"));
	assert_true(str_is(sasl_error_name(SASL_TEMPORARY_AUTH_FAILURE), "temporary-auth-failure"));
}

static void errors_out_of_range_have_a_safe_name(void **state)
{
	assert_true(str_is(stanza_error_name(STANZA_ERROR_NONE), "undefined-condition"));
	assert_true(str_is(stanza_error_name(STANZA_ERROR_COUNT), "undefined-condition"));
	assert_true(str_is(stanza_error_type((enum stanza_error)-1), "cancel"));
	assert_true(str_is(stream_error_name((enum stream_error)1000), "undefined-condition"));
	assert_true(str_is(sasl_error_name(SASL_ERROR_NONE), "not-authorized"));
}

static void stanza_error_from_name_inverts_every_name(void **state)
{
	for (int e = 1; e < STANZA_ERROR_COUNT; e++)
		assert_int_equal(stanza_error_from_name(stanza_error_name((enum stanza_error)e)), e);
	assert_int_equal(stanza_error_from_name(STR("no-such")), STANZA_ERROR_NONE);
	assert_int_equal(stanza_error_from_name(STR_NONE), STANZA_ERROR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_their_rfc_names),
		cmocka_unit_test(errors_out_of_range_have_a_safe_name),
		cmocka_unit_test(stanza_error_from_name_inverts_every_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
