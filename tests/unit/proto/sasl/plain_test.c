#include "tests/unit/proto/sasl/client.h"

/* A whole login of an account with the password "pencil"; `known` false: the look-up found nobody. */
static enum sasl_step login(struct fixture *f, struct str message, bool known, struct sasl **at)
{
	struct sasl_keys keys = { 0 };
	set_key(f->a, &keys, SASL_SHA256, STR("pencil"), STR("salt"), 4);
	struct sasl *s = *at = sasl_new(f->a, MECH_PLAIN, &f->ctx);
	enum sasl_step step = sasl_feed(s, message, &f->out, &f->error);
	if (step != SASL_WANT_KEYS)
		return step;
	assert_int_equal(SASL_WANT_DERIVE, sasl_keys(s, known ? &keys : NULL, &f->out, &f->error));
	sasl_derive(s);
	return sasl_derived(s, &f->out, &f->error);
}

static void refused(struct fixture *f, struct str message, bool known, enum sasl_error why)
{
	struct sasl *s;
	assert_int_equal(SASL_REFUSED, login(f, message, known, &s));
	assert_int_equal(why, f->error);
}

static void plain_takes_the_right_password(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	assert_int_equal(SASL_DONE, login(f, STR("\0user\0pencil"), true, &s));
	assert_str(sasl_user(s), "user");
	assert_false(str_present(sasl_authzid(s)));
	assert_false(str_present(f->out));
	assert_int_equal(SASL_ERROR_NONE, f->error);
}

static void plain_keeps_the_authorization_identity_for_the_caller(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	assert_int_equal(SASL_DONE, login(f, STR("user@example.org\0user\0pencil"), true, &s));
	assert_str(sasl_authzid(s), "user@example.org");
}

static void plain_prepares_user_and_password(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	assert_int_equal(SASL_DONE, login(f, STR("\0USER\0pen\xc2\xad" "cil"), true, &s));
	assert_str(sasl_user(s), "user");
}

static void plain_without_initial_response_asks_once(void **state)
{
	struct fixture *f = *state;
	struct sasl *s = sasl_new(f->a, MECH_PLAIN, &f->ctx);
	assert_int_equal(SASL_CONTINUE, sasl_feed(s, STR_NONE, &f->out, &f->error));
	assert_true(str_present(f->out) && str_empty(f->out));
	assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("\0user\0pencil"), &f->out, &f->error));
	s = sasl_new(f->a, MECH_PLAIN, &f->ctx);
	assert_int_equal(SASL_CONTINUE, sasl_feed(s, STR_NONE, &f->out, &f->error));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, STR_NONE, &f->out, &f->error));
}

static void plain_refuses_a_wrong_password_and_an_unknown_user_alike(void **state)
{
	struct fixture *f = *state;
	refused(f, STR("\0user\0pencils"), true, SASL_NOT_AUTHORIZED);
	refused(f, STR("\0user\0pencil"), false, SASL_NOT_AUTHORIZED);
}

static void plain_refuses_a_password_that_preparation_forbids(void **state)
{
	struct fixture *f = *state;
	refused(f, STR("\0user\0pen\x01"), true, SASL_NOT_AUTHORIZED);
	/* U+00AD alone vanishes: an empty password opens nothing. */
	refused(f, STR("\0user\0\xc2\xad"), true, SASL_NOT_AUTHORIZED);
}

static void plain_refuses_a_name_that_no_account_can_have(void **state)
{
	struct fixture *f = *state;
	refused(f, STR("\0a b\0pencil"), true, SASL_NOT_AUTHORIZED);
	refused(f, STR("\0user@example.org\0pencil"), true, SASL_NOT_AUTHORIZED);
}

static void plain_refuses_malformed_messages(void **state)
{
	struct fixture *f = *state;
	char *endless = arena_zalloc(f->a, SASL_MESSAGE_MAX + 1);
	memset(endless + 1, 'a', SASL_MESSAGE_MAX);
	endless[2] = '\0';
	refused(f, STR(""), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("user"), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("\0user"), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("\0user\0"), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("\0\0pencil"), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("\0user\0pencil\0"), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("\0user\0pencil\0more"), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("\0us\xff" "er\0pencil"), true, SASL_MALFORMED_REQUEST);
	refused(f, STR("\0user\0pen\xc3"), true, SASL_MALFORMED_REQUEST);
	refused(f, str_span(endless, SASL_MESSAGE_MAX + 1), true, SASL_MALFORMED_REQUEST);
	refused(f, str_span(endless, SASL_MESSAGE_MAX), true, SASL_NOT_AUTHORIZED);
}

static void plain_refuses_messages_out_of_turn(void **state)
{
	struct fixture *f = *state;
	struct sasl *s = sasl_new(f->a, MECH_PLAIN, &f->ctx);
	assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("\0user\0pencil"), &f->out, &f->error));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, STR("\0user\0pencil"), &f->out, &f->error));
	assert_int_equal(SASL_MALFORMED_REQUEST, f->error);
}

static void plain_uses_whatever_key_an_imported_account_has(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys = { 0 };
	set_key(f->a, &keys, SASL_SHA1, STR("pencil"), STR("salt"), 4);
	struct sasl *s = sasl_new(f->a, MECH_PLAIN, &f->ctx);
	assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("\0user\0pencil"), &f->out, &f->error));
	assert_int_equal(SASL_WANT_DERIVE, sasl_keys(s, &keys, &f->out, &f->error));
	sasl_derive(s);
	assert_int_equal(SASL_DONE, sasl_derived(s, &f->out, &f->error));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(plain_takes_the_right_password),
		CASE(plain_keeps_the_authorization_identity_for_the_caller),
		CASE(plain_prepares_user_and_password),
		CASE(plain_without_initial_response_asks_once),
		CASE(plain_refuses_a_wrong_password_and_an_unknown_user_alike),
		CASE(plain_refuses_a_password_that_preparation_forbids),
		CASE(plain_refuses_a_name_that_no_account_can_have),
		CASE(plain_refuses_malformed_messages),
		CASE(plain_refuses_messages_out_of_turn),
		CASE(plain_uses_whatever_key_an_imported_account_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
