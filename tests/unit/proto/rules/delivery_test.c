#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/rules/delivery.h"

/* The situations of RFC 6121 8.5.4's table; `two` also stands for more. */
static const struct delivery_facts
	no_account_bare = { .to = DELIVERY_TO_BARE },
	no_account_full = { .to = DELIVERY_TO_FULL },
	none_bare = { .to = DELIVERY_TO_BARE, .account_exists = true },
	none_full = { .to = DELIVERY_TO_FULL, .account_exists = true },
	negative_bare = { .to = DELIVERY_TO_BARE, .account_exists = true, .available = 1 },
	negative_match = { .to = DELIVERY_TO_FULL, .account_exists = true, .resource_matches = true, .available = 1 },
	negative_full = { .to = DELIVERY_TO_FULL, .account_exists = true, .available = 1 },
	one_bare = { .to = DELIVERY_TO_BARE, .account_exists = true, .available = 2, .non_negative = 1 },
	one_match = { .to = DELIVERY_TO_FULL, .account_exists = true, .resource_matches = true, .available = 1, .non_negative = 1 },
	one_full = { .to = DELIVERY_TO_FULL, .account_exists = true, .available = 1, .non_negative = 1 },
	two_bare = { .to = DELIVERY_TO_BARE, .account_exists = true, .available = 3, .non_negative = 2 },
	two_match = { .to = DELIVERY_TO_FULL, .account_exists = true, .resource_matches = true, .available = 2, .non_negative = 2 },
	two_full = { .to = DELIVERY_TO_FULL, .account_exists = true, .available = 2, .non_negative = 2 },
	connected_match = { .to = DELIVERY_TO_FULL, .account_exists = true, .resource_matches = true },
	host = { .to = DELIVERY_TO_HOST };

#define CELL(name, kind, facts, verdict)                                                                  \
	static void name(void **state)                                                                    \
	{                                                                                                 \
		assert_string_equal(delivery_verdict_name(delivery_decide(DELIVERY_##kind, &facts)), verdict); \
	}
#define MESSAGES(X, row, facts, normal, chat, groupchat, headline)                     \
	X(message_normal_##row, MESSAGE_NORMAL, facts, normal)                         \
	X(message_chat_##row, MESSAGE_CHAT, facts, chat)                               \
	X(message_groupchat_##row, MESSAGE_GROUPCHAT, facts, groupchat)                \
	X(message_headline_##row, MESSAGE_HEADLINE, facts, headline)

/* Each cell of the summary is a case. */
#define SUMMARY(X)                                                                                                                     \
	MESSAGES(X, to_bare_of_no_account, no_account_bare, "bounce", "bounce", "bounce", "drop")                                      \
	MESSAGES(X, to_full_of_no_account, no_account_full, "bounce", "bounce", "bounce", "drop")                                      \
	MESSAGES(X, to_bare_without_resources, none_bare, "store", "store", "bounce", "drop")                                          \
	MESSAGES(X, to_full_without_resources, none_full, "bounce", "store", "bounce", "drop")                                         \
	MESSAGES(X, to_bare_with_negative_resources, negative_bare, "store", "store", "bounce", "drop")                                \
	MESSAGES(X, to_full_match_with_negative_resources, negative_match, "to-resource", "to-resource", "to-resource", "to-resource") \
	MESSAGES(X, to_full_no_match_with_negative_resources, negative_full, "bounce", "store", "bounce", "drop")                      \
	MESSAGES(X, to_bare_with_one_resource, one_bare, "to-non-negative", "to-non-negative", "bounce", "to-non-negative")            \
	MESSAGES(X, to_full_match_with_one_resource, one_match, "to-resource", "to-resource", "to-resource", "to-resource")            \
	MESSAGES(X, to_full_no_match_with_one_resource, one_full, "bounce", "to-non-negative", "bounce", "drop")                       \
	MESSAGES(X, to_bare_with_more_resources, two_bare, "to-non-negative", "to-non-negative", "bounce", "to-non-negative")          \
	MESSAGES(X, to_full_match_with_more_resources, two_match, "to-resource", "to-resource", "to-resource", "to-resource")          \
	MESSAGES(X, to_full_no_match_with_more_resources, two_full, "bounce", "to-non-negative", "bounce", "drop")

/* Section 8.5's prose on what the summary leaves out. */
#define OTHERS(X)                                                                                        \
	X(message_error_to_no_account_is_dropped, MESSAGE_ERROR, no_account_bare, "drop")                \
	X(message_error_to_bare_is_dropped, MESSAGE_ERROR, two_bare, "drop")                             \
	X(message_error_to_full_match_is_delivered, MESSAGE_ERROR, one_match, "to-resource")             \
	X(message_error_to_full_no_match_is_dropped, MESSAGE_ERROR, one_full, "drop")                    \
	X(message_to_connected_resource_is_delivered, MESSAGE_NORMAL, connected_match, "to-resource")    \
	X(presence_state_to_no_account_is_dropped, PRESENCE_STATE, no_account_bare, "drop")              \
	X(presence_subscribe_to_no_account_is_dropped, PRESENCE_SUBSCRIBE, no_account_bare, "drop")      \
	X(presence_answer_to_no_account_is_dropped, PRESENCE_ANSWER, no_account_full, "drop")            \
	X(presence_probe_to_no_account_is_dropped, PRESENCE_PROBE, no_account_bare, "drop")              \
	X(presence_state_to_bare_without_resources_is_dropped, PRESENCE_STATE, none_bare, "drop")        \
	X(presence_state_to_bare_reaches_negative_resources, PRESENCE_STATE, negative_bare, "to-available") \
	X(presence_state_to_bare_reaches_all_available, PRESENCE_STATE, two_bare, "to-available")        \
	X(presence_state_to_full_match_is_delivered, PRESENCE_STATE, one_match, "to-resource")           \
	X(presence_state_to_full_no_match_is_dropped, PRESENCE_STATE, two_full, "drop")                  \
	X(presence_subscribe_to_bare_is_the_accounts, PRESENCE_SUBSCRIBE, none_bare, "by-account")       \
	X(presence_subscribe_to_full_match_is_the_accounts, PRESENCE_SUBSCRIBE, one_match, "by-account") \
	X(presence_subscribe_to_full_no_match_is_the_accounts, PRESENCE_SUBSCRIBE, one_full, "by-account") \
	X(presence_answer_to_bare_is_the_accounts, PRESENCE_ANSWER, none_bare, "by-account")             \
	X(presence_answer_to_full_no_match_is_dropped, PRESENCE_ANSWER, one_full, "drop")                \
	X(presence_probe_to_bare_is_the_accounts, PRESENCE_PROBE, two_bare, "by-account")                \
	X(presence_probe_to_full_match_is_the_accounts, PRESENCE_PROBE, one_match, "by-account")         \
	X(presence_error_to_bare_is_dropped, PRESENCE_ERROR, two_bare, "drop")                           \
	X(presence_error_to_full_match_is_delivered, PRESENCE_ERROR, one_match, "to-resource")           \
	X(iq_request_to_no_account_is_bounced, IQ_REQUEST, no_account_bare, "bounce")                    \
	X(iq_response_to_no_account_is_dropped, IQ_RESPONSE, no_account_full, "drop")                    \
	X(iq_request_to_bare_with_resources_is_the_accounts, IQ_REQUEST, two_bare, "by-account")         \
	X(iq_request_to_bare_without_resources_is_the_accounts, IQ_REQUEST, none_bare, "by-account")     \
	X(iq_response_to_bare_is_the_accounts, IQ_RESPONSE, none_bare, "by-account")                     \
	X(iq_request_to_full_match_is_delivered, IQ_REQUEST, connected_match, "to-resource")             \
	X(iq_response_to_full_match_is_delivered, IQ_RESPONSE, negative_match, "to-resource")            \
	X(iq_request_to_full_no_match_is_bounced, IQ_REQUEST, two_full, "bounce")                        \
	X(iq_response_to_full_no_match_is_dropped, IQ_RESPONSE, two_full, "drop")                        \
	X(message_to_host_is_the_servers, MESSAGE_CHAT, host, "by-server")                               \
	X(presence_to_host_is_the_servers, PRESENCE_STATE, host, "by-server")                            \
	X(iq_request_to_host_is_the_servers, IQ_REQUEST, host, "by-server")                              \
	X(iq_response_to_host_is_the_servers, IQ_RESPONSE, host, "by-server")

SUMMARY(CELL)
OTHERS(CELL)

static void no_situation_answers_an_error_with_an_error(void **state)
{
	const struct delivery_facts *all[] = { &no_account_bare, &no_account_full, &none_bare, &none_full, &negative_bare, &negative_match,
					       &negative_full, &one_bare, &one_match, &one_full, &two_bare, &two_match, &two_full,
					       &connected_match, &host };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		for (unsigned kind = 0; kind < DELIVERY_KIND_COUNT; kind++)
			if (!delivery_may_bounce((enum delivery_kind)kind))
				assert_int_not_equal(delivery_decide((enum delivery_kind)kind, all[i]), DELIVERY_BOUNCE);
	assert_false(delivery_may_bounce(DELIVERY_MESSAGE_ERROR));
	assert_false(delivery_may_bounce(DELIVERY_PRESENCE_ERROR));
	assert_false(delivery_may_bounce(DELIVERY_IQ_RESPONSE));
	assert_true(delivery_may_bounce(DELIVERY_IQ_REQUEST));
}

static int kind_of(const char *element, struct str type)
{
	enum delivery_kind kind;
	return delivery_kind_of(str_of(element), type, &kind) ? (int)kind : -1;
}

static void kinds_follow_the_types_of_the_rfcs(void **state)
{
	assert_int_equal(kind_of("message", STR_NONE), DELIVERY_MESSAGE_NORMAL);
	assert_int_equal(kind_of("message", STR("normal")), DELIVERY_MESSAGE_NORMAL);
	assert_int_equal(kind_of("message", STR("chat")), DELIVERY_MESSAGE_CHAT);
	assert_int_equal(kind_of("message", STR("groupchat")), DELIVERY_MESSAGE_GROUPCHAT);
	assert_int_equal(kind_of("message", STR("headline")), DELIVERY_MESSAGE_HEADLINE);
	assert_int_equal(kind_of("message", STR("error")), DELIVERY_MESSAGE_ERROR);
	assert_int_equal(kind_of("presence", STR_NONE), DELIVERY_PRESENCE_STATE);
	assert_int_equal(kind_of("presence", STR("unavailable")), DELIVERY_PRESENCE_STATE);
	assert_int_equal(kind_of("presence", STR("subscribe")), DELIVERY_PRESENCE_SUBSCRIBE);
	assert_int_equal(kind_of("presence", STR("unsubscribed")), DELIVERY_PRESENCE_ANSWER);
	assert_int_equal(kind_of("presence", STR("probe")), DELIVERY_PRESENCE_PROBE);
	assert_int_equal(kind_of("presence", STR("error")), DELIVERY_PRESENCE_ERROR);
	assert_int_equal(kind_of("iq", STR("get")), DELIVERY_IQ_REQUEST);
	assert_int_equal(kind_of("iq", STR("set")), DELIVERY_IQ_REQUEST);
	assert_int_equal(kind_of("iq", STR("result")), DELIVERY_IQ_RESPONSE);
	assert_int_equal(kind_of("iq", STR("error")), DELIVERY_IQ_RESPONSE);
}

static void an_unknown_type_is_normal_for_messages_and_bad_elsewhere(void **state)
{
	assert_int_equal(kind_of("message", STR("shout")), DELIVERY_MESSAGE_NORMAL);
	assert_int_equal(kind_of("message", STR("")), DELIVERY_MESSAGE_NORMAL);
	assert_int_equal(kind_of("message", STR("subscribe")), DELIVERY_MESSAGE_NORMAL);
	assert_int_equal(kind_of("presence", STR("available")), -1);
	assert_int_equal(kind_of("presence", STR("")), -1);
	assert_int_equal(kind_of("iq", STR_NONE), -1);
	assert_int_equal(kind_of("iq", STR("GET")), -1);
	assert_int_equal(kind_of("foo", STR("get")), -1);
	assert_int_equal(kind_of("foo", STR_NONE), -1);
}

#define ENTRY(name, kind, facts, verdict) cmocka_unit_test(name),

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUMMARY(ENTRY)
		OTHERS(ENTRY)
		cmocka_unit_test(no_situation_answers_an_error_with_an_error),
		cmocka_unit_test(kinds_follow_the_types_of_the_rfcs),
		cmocka_unit_test(an_unknown_type_is_normal_for_messages_and_bad_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
