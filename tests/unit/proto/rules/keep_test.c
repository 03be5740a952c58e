#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/rules/keep.h"

#define RULE(name, verdict, ...)                                                  \
	static void name(void **state)                                            \
	{                                                                         \
		const struct keep_facts facts = { __VA_ARGS__ };                  \
		assert_int_equal(keep_offline(&facts), verdict);                  \
	}

RULE(normal_message_with_a_body_is_kept, KEEP_STORE, .kind = DELIVERY_MESSAGE_NORMAL, .has_body = true)
RULE(normal_message_without_a_body_is_kept, KEEP_STORE, .kind = DELIVERY_MESSAGE_NORMAL, .only_state = true)
RULE(chat_message_with_a_body_is_kept, KEEP_STORE, .kind = DELIVERY_MESSAGE_CHAT, .has_body = true)
RULE(chat_message_with_another_payload_is_kept, KEEP_STORE, .kind = DELIVERY_MESSAGE_CHAT)
RULE(chat_state_alone_vanishes, KEEP_DROP, .kind = DELIVERY_MESSAGE_CHAT, .only_state = true)
RULE(chat_state_that_asks_to_be_stored_is_kept, KEEP_STORE, .kind = DELIVERY_MESSAGE_CHAT, .only_state = true, .store = true)
RULE(groupchat_message_is_bounced, KEEP_BOUNCE, .kind = DELIVERY_MESSAGE_GROUPCHAT, .has_body = true, .store = true)
RULE(headline_vanishes, KEEP_DROP, .kind = DELIVERY_MESSAGE_HEADLINE, .has_body = true, .store = true)
RULE(error_vanishes, KEEP_DROP, .kind = DELIVERY_MESSAGE_ERROR, .has_body = true, .store = true)
RULE(no_store_with_a_body_is_bounced, KEEP_BOUNCE, .kind = DELIVERY_MESSAGE_CHAT, .has_body = true, .no_store = true)
RULE(no_store_without_a_body_vanishes, KEEP_DROP, .kind = DELIVERY_MESSAGE_CHAT, .no_store = true)
RULE(no_store_wins_over_store, KEEP_BOUNCE, .kind = DELIVERY_MESSAGE_NORMAL, .has_body = true, .no_store = true, .store = true)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_message_with_a_body_is_kept),
		cmocka_unit_test(normal_message_without_a_body_is_kept),
		cmocka_unit_test(chat_message_with_a_body_is_kept),
		cmocka_unit_test(chat_message_with_another_payload_is_kept),
		cmocka_unit_test(chat_state_alone_vanishes),
		cmocka_unit_test(chat_state_that_asks_to_be_stored_is_kept),
		cmocka_unit_test(groupchat_message_is_bounced),
		cmocka_unit_test(headline_vanishes),
		cmocka_unit_test(error_vanishes),
		cmocka_unit_test(no_store_with_a_body_is_bounced),
		cmocka_unit_test(no_store_without_a_body_vanishes),
		cmocka_unit_test(no_store_wins_over_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
