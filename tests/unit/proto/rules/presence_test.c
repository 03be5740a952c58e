#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/rules/presence.h"

#define CELL(name, verdict, ...)                                                                  \
	static void name(void **state)                                                            \
	{                                                                                         \
		struct probe_facts f = { __VA_ARGS__ };                              \
		assert_string_equal(presence_probe_name(presence_probe(&f)), verdict);            \
	}

CELL(probe_of_no_account_is_unsubscribed, "unsubscribed", .no_account = true)
CELL(probe_by_a_stranger_is_unsubscribed, "unsubscribed", .any_available = true)
CELL(probe_by_whom_the_user_only_watches_is_unsubscribed, "unsubscribed", .state = SUBSCRIPTION_TO, .any_available = true)
CELL(probe_of_a_resource_by_a_stranger_is_unsubscribed, "unsubscribed", .to_full = true, .resource_available = true, .any_available = true)
CELL(probe_with_a_pending_request_is_ignored, "silence", .state = SUBSCRIPTION_NONE_IN, .any_available = true)
CELL(probe_with_both_pending_is_ignored, "silence", .state = SUBSCRIPTION_NONE_OUT_IN)
CELL(probe_by_a_subscriber_while_nobody_is_there_is_unavailable, "unavailable", .state = SUBSCRIPTION_FROM)
CELL(probe_by_a_subscriber_gets_all, "all", .state = SUBSCRIPTION_BOTH, .any_available = true)
CELL(probe_by_a_subscriber_who_is_asked_gets_all, "all", .state = SUBSCRIPTION_FROM_OUT, .any_available = true)
CELL(probe_of_a_resource_by_a_subscriber_gets_that_one, "one", .state = SUBSCRIPTION_FROM, .to_full = true, .resource_available = true,
     .any_available = true)
CELL(probe_of_a_missing_resource_is_unavailable, "unavailable", .state = SUBSCRIPTION_FROM, .to_full = true, .any_available = true)
CELL(probe_by_the_account_itself_gets_all, "all", .sender = PROBE_BY_SELF, .any_available = true)
CELL(probe_by_the_service_gets_all, "all", .sender = PROBE_BY_TRUSTED, .any_available = true)
CELL(probe_of_a_resource_that_told_a_stranger_gets_that_one, "one", .to_full = true, .resource_available = true, .resource_told = true,
     .any_available = true)
CELL(probe_of_the_bare_jid_by_a_stranger_who_was_told_is_unsubscribed, "unsubscribed", .resource_told = true, .any_available = true)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_of_no_account_is_unsubscribed),
		cmocka_unit_test(probe_by_a_stranger_is_unsubscribed),
		cmocka_unit_test(probe_by_whom_the_user_only_watches_is_unsubscribed),
		cmocka_unit_test(probe_of_a_resource_by_a_stranger_is_unsubscribed),
		cmocka_unit_test(probe_with_a_pending_request_is_ignored),
		cmocka_unit_test(probe_with_both_pending_is_ignored),
		cmocka_unit_test(probe_by_a_subscriber_while_nobody_is_there_is_unavailable),
		cmocka_unit_test(probe_by_a_subscriber_gets_all),
		cmocka_unit_test(probe_by_a_subscriber_who_is_asked_gets_all),
		cmocka_unit_test(probe_of_a_resource_by_a_subscriber_gets_that_one),
		cmocka_unit_test(probe_of_a_missing_resource_is_unavailable),
		cmocka_unit_test(probe_by_the_account_itself_gets_all),
		cmocka_unit_test(probe_by_the_service_gets_all),
		cmocka_unit_test(probe_of_a_resource_that_told_a_stranger_gets_that_one),
		cmocka_unit_test(probe_of_the_bare_jid_by_a_stranger_who_was_told_is_unsubscribed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
