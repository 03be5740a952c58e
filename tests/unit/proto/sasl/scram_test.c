#include "tests/unit/proto/sasl/client.h"

#define BARE "n=user,r=rOprNGfwEbeRWgbNEkqO"

/* An exchange up to the challenge, of an account with the password "pencil" for every hash. */
static enum sasl_step begin(struct fixture *f, enum sasl_mech mech, struct str first, bool known, struct sasl **at)
{
	struct sasl_keys keys = { 0 };
	for (int h = 0; h < SASL_HASH_COUNT; h++)
		set_key(f->a, &keys, (enum sasl_hash)h, STR("pencil"), STR("a salt of 16 by."), 4);
	*at = sasl_new(f->a, mech, &f->ctx);
	enum sasl_step step = sasl_feed(*at, first, &f->out, &f->error);
	return step == SASL_WANT_KEYS ? sasl_keys(*at, known ? &keys : NULL, &f->out, &f->error) : step;
}

/* A whole exchange: gs2 header, then BARE; `cbind` is what the client sends as c=. */
static enum sasl_step login(struct fixture *f, enum sasl_mech mech, struct str gs2, struct str cbind, struct str password, bool known)
{
	struct sasl *s;
	enum sasl_hash h;
	struct str verifier, first = arena_printf(f->a, "%.*s" BARE, STR_ARG(gs2));
	enum sasl_step step = begin(f, mech, first, known, &s);
	if (step != SASL_CONTINUE)
		return step;
	assert_true(sasl_mech_hash(mech, &h));
	struct str final = client_final(f->a, h, password, STR(BARE), f->out, cbind, &verifier);
	step = sasl_feed(s, final, &f->out, &f->error);
	if (step == SASL_DONE)
		assert_true(str_eq(verifier, f->out));
	return step;
}

static void example(struct fixture *f, enum sasl_mech mech, const char *nonce, const char *salt64, const char *const lines[4])
{
	struct sasl_keys keys = { 0 };
	struct str salt;
	enum sasl_hash h;
	assert_true(sasl_mech_hash(mech, &h));
	assert_int_equal(ERR_NONE, b64_decode(f->a, str_of(salt64), &salt));
	set_key(f->a, &keys, h, STR("pencil"), salt, 4096);
	f->ctx.nonce = str_of(nonce);
	struct sasl *s = sasl_new(f->a, mech, &f->ctx);
	assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, str_of(lines[0]), &f->out, &f->error));
	assert_str(sasl_user(s), "user");
	assert_int_equal(SASL_CONTINUE, sasl_keys(s, &keys, &f->out, &f->error));
	assert_str(f->out, lines[1]);
	assert_int_equal(SASL_DONE, sasl_feed(s, str_of(lines[2]), &f->out, &f->error));
	assert_str(f->out, lines[3]);
}

static void scram_sha_1_speaks_the_example_of_rfc_5802(void **state)
{
	static const char *const lines[4] = {
		"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	};
	example(*state, MECH_SCRAM_SHA_1, "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92", lines);
}

static void scram_sha_256_speaks_the_example_of_rfc_7677(void **state)
{
	static const char *const lines[4] = {
		"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	};
	example(*state, MECH_SCRAM_SHA_256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==", lines);
}

static void scram_takes_the_right_password_with_every_hash(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_1, STR("n,,"), STR("n,,"), STR("pencil"), true));
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_256, STR("n,,"), STR("n,,"), STR("pencil"), true));
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_512, STR("n,,"), STR("n,,"), STR("pencil"), true));
	assert_int_equal(SASL_ERROR_NONE, f->error);
}

static void scram_refuses_a_wrong_password_and_an_unknown_user_alike(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(SASL_REFUSED, login(f, MECH_SCRAM_SHA_256, STR("n,,"), STR("n,,"), STR("pencils"), true));
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
	assert_false(str_present(f->out));
	assert_int_equal(SASL_REFUSED, login(f, MECH_SCRAM_SHA_256, STR("n,,"), STR("n,,"), STR("pencil"), false));
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
	assert_false(str_present(f->out));
}

static struct str salt_shown(struct fixture *f, enum sasl_mech mech, struct str user)
{
	struct sasl *s;
	assert_int_equal(SASL_CONTINUE, begin(f, mech, arena_printf(f->a, "n,,n=%.*s,r=abc", STR_ARG(user)), false, &s));
	assert_str(value_of(f->out, 'i'), "4");
	return value_of(f->out, 's');
}

static void scram_shows_an_unknown_user_a_salt_of_its_own_that_stays(void **state)
{
	struct fixture *f = *state;
	struct str salt = salt_shown(f, MECH_SCRAM_SHA_256, STR("romeo")), raw;
	assert_int_equal(ERR_NONE, b64_decode(f->a, salt, &raw));
	assert_int_equal(SASL_SALT_LEN, raw.len);
	assert_true(str_eq(salt, salt_shown(f, MECH_SCRAM_SHA_256, STR("romeo"))));
	assert_true(str_eq(salt, salt_shown(f, MECH_SCRAM_SHA_256, STR("ROMEO"))));
	assert_false(str_eq(salt, salt_shown(f, MECH_SCRAM_SHA_256, STR("juliet"))));
	assert_false(str_eq(salt, salt_shown(f, MECH_SCRAM_SHA_1, STR("romeo"))));
	f->ctx.host = STR("example.net");
	assert_false(str_eq(salt, salt_shown(f, MECH_SCRAM_SHA_256, STR("romeo"))));
	f->ctx.host = STR("example.org");
	f->ctx.fake_secret = STR("another secret of at least 32 bytes");
	assert_false(str_eq(salt, salt_shown(f, MECH_SCRAM_SHA_256, STR("romeo"))));
}

static void scram_treats_an_account_without_this_hash_as_unknown(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys = { 0 };
	set_key(f->a, &keys, SASL_SHA1, STR("pencil"), STR("salt"), 4096);
	struct sasl *s = sasl_new(f->a, MECH_SCRAM_SHA_256, &f->ctx);
	assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("n,,n=user,r=abc"), &f->out, &f->error));
	assert_int_equal(SASL_CONTINUE, sasl_keys(s, &keys, &f->out, &f->error));
	assert_str(value_of(f->out, 'i'), "4");
}

static void scram_makes_a_fresh_nonce_each_time(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc"), true, &s));
	struct str nonce = value_of(f->out, 'r');
	assert_int_equal(3 + 24, nonce.len);
	assert_true(str_starts(nonce, STR("abc")));
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc"), true, &s));
	assert_false(str_eq(nonce, value_of(f->out, 'r')));
}

static void scram_without_initial_response_asks_once(void **state)
{
	struct fixture *f = *state;
	struct sasl *s = sasl_new(f->a, MECH_SCRAM_SHA_1, &f->ctx);
	assert_int_equal(SASL_CONTINUE, sasl_feed(s, STR_NONE, &f->out, &f->error));
	assert_true(str_present(f->out) && str_empty(f->out));
	assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("n,,n=user,r=abc"), &f->out, &f->error));
	s = sasl_new(f->a, MECH_SCRAM_SHA_1, &f->ctx);
	assert_int_equal(SASL_CONTINUE, sasl_feed(s, STR_NONE, &f->out, &f->error));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, STR_NONE, &f->out, &f->error));
}

static void scram_decodes_names(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, STR("n,a=a=2Cb=3Dc@example.org,n=U=3Dser=2C,r=abc"), true, &s));
	assert_str(sasl_user(s), "u=ser,");
	assert_str(sasl_authzid(s), "a,b=c@example.org");
}

static void scram_accepts_optional_extensions(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc,x=1,Y=a=b"), true, &s));
	struct str final = arena_printf(f->a, "c=biws,r=%.*s,x=y,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", STR_ARG(value_of(f->out, 'r')));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, final, &f->out, &f->error));
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
}

static void first_refused(struct fixture *f, enum sasl_mech mech, struct str first, enum sasl_error why)
{
	struct sasl *s;
	if (begin(f, mech, first, true, &s) != SASL_REFUSED)
		fail_msg("taken: %.*s", STR_ARG(first));
	if (why != f->error)
		fail_msg("%.*s: %.*s", STR_ARG(first), STR_ARG(sasl_error_name(f->error)));
}

static void scram_refuses_malformed_first_messages(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
		"", ",", "n", "n,", "n,,", "n,,n=user", "n,,r=abc,n=user", "n,,n=user,r=", "n,,n=,r=abc", "n,,n=user,r=a\x7f",
		"n,,n=user,r=a b", "n,,n=us=er,r=abc", "n,,n=us=2,r=abc", "n,,n=us=2c,r=abc", "n,,n=user=,r=abc",
		"n,,n=us=3Eer,r=abc", "N,,n=user,r=abc", "x,,n=user,r=abc", "n,b=x,n=user,r=abc", "n,a=,n=user,r=abc",
		"n,a=x=y,n=user,r=abc", "n,x,n=user,r=abc", "n,,user,r=abc", "n,,n=user,r=abc,", "n,,n=user,r=abc,x",
		"n,,n=user,r=abc,x=", "n,,n=user,r=abc,1=x", ("n,,n=us\xff" "er,r=abc"), "n,,n=user,r=\xc3\xa9", "n=user,r=abc",
		"p=tls-exporter,,n=user,r=abc", "p=,,n=user,r=abc", "p,,n=user,r=abc", "nn,,n=user,r=abc",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		first_refused(f, MECH_SCRAM_SHA_1, str_of(bad[i]), SASL_MALFORMED_REQUEST);
	first_refused(f, MECH_SCRAM_SHA_1, STR("n,,n=us\0er,r=abc"), SASL_MALFORMED_REQUEST);
	first_refused(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc,x=\0"), SASL_MALFORMED_REQUEST);
}

static void scram_refuses_mandatory_extensions(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	first_refused(f, MECH_SCRAM_SHA_1, STR("n,,m=x,n=user,r=abc"), SASL_MALFORMED_REQUEST);
	first_refused(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc,m=x"), SASL_MALFORMED_REQUEST);
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc"), true, &s));
	struct str final = arena_printf(f->a, "c=biws,r=%.*s,m=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", STR_ARG(value_of(f->out, 'r')));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, final, &f->out, &f->error));
	assert_int_equal(SASL_MALFORMED_REQUEST, f->error);
}

static void scram_refuses_a_name_that_no_account_can_have(void **state)
{
	struct fixture *f = *state;
	first_refused(f, MECH_SCRAM_SHA_1, STR("n,,n=a b,r=abc"), SASL_NOT_AUTHORIZED);
	first_refused(f, MECH_SCRAM_SHA_1, STR("n,,n=user@example.org,r=abc"), SASL_NOT_AUTHORIZED);
}

static void scram_refuses_messages_past_the_ceiling(void **state)
{
	struct fixture *f = *state;
	struct sasl *s;
	char *long_first = arena_alloc(f->a, SASL_MESSAGE_MAX + 1);
	memset(long_first, 'a', SASL_MESSAGE_MAX + 1);
	for (size_t i = 0; i < 12; i++)
		long_first[i] = "n,,n=user,r="[i];
	first_refused(f, MECH_SCRAM_SHA_1, str_span(long_first, SASL_MESSAGE_MAX + 1), SASL_MALFORMED_REQUEST);
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, str_span(long_first, SASL_MESSAGE_MAX), true, &s));
}

static void final_refused(struct fixture *f, const char *format, bool with_nonce, enum sasl_error why)
{
	struct sasl *s;
	char nonce[64];
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc"), true, &s));
	snprintf(nonce, sizeof(nonce), "%.*s", STR_ARG(value_of(f->out, 'r')));
	struct str message = arena_printf(f->a, "%.*s", STR_ARG(str_of(format)));
	const char *mark = strchr(format, '@');
	if (with_nonce && mark)
		message = arena_printf(f->a, "%.*s%s%s", (int)(mark - format), format, nonce, mark + 1);
	if (sasl_feed(s, message, &f->out, &f->error) != SASL_REFUSED)
		fail_msg("taken: %s", format);
	if (why != f->error)
		fail_msg("%s: %.*s", format, STR_ARG(sasl_error_name(f->error)));
	assert_false(str_present(f->out));
}

#define PROOF "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
static void scram_refuses_malformed_final_messages(void **state)
{
	static const char *const bad[] = {
		"", "c=biws", "c=biws,r=@", "r=@,c=biws,p=" PROOF, "c=biws,p=" PROOF, "c=biws,p=" PROOF ",r=@", "c=biws,r=@,p=",
		"c=biws,r=@,p=AAAA", "c=biws,r=@,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA", "c=biws,r=@,p=AAAAAAAAAAAAAAAAAAAAAAAAAAB=",
		"c=biws,r=@,p=" PROOF ",x=y", "c=biw,r=@,p=" PROOF, "c=bi*s,r=@,p=" PROOF, "c=,r=@,p=" PROOF,
		"c=biws ,r=@,p=" PROOF, "c=biws,r=@,x,p=" PROOF, "c=biws,r=@,,p=" PROOF, "c=biws,r=@,p=" PROOF ",",
		"c=biws,r=@,p=" PROOF ",p=" PROOF "x", "d=biws,r=@,p=" PROOF,
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		final_refused(*state, bad[i], true, SASL_MALFORMED_REQUEST);
}

static void scram_refuses_another_nonce(void **state)
{
	final_refused(*state, "c=biws,r=abc,p=" PROOF, false, SASL_NOT_AUTHORIZED);
	final_refused(*state, "c=biws,r=@x,p=" PROOF, true, SASL_NOT_AUTHORIZED);
}

static void scram_refuses_another_gs2_header_in_the_final_message(void **state)
{
	struct fixture *f = *state;
	/* "y,,", "n,a=x," and "n,," with data behind. */
	final_refused(f, "c=eSws,r=@,p=" PROOF, true, SASL_NOT_AUTHORIZED);
	final_refused(f, "c=bixhPXgs,r=@,p=" PROOF, true, SASL_NOT_AUTHORIZED);
	final_refused(f, "c=biwsAA==,r=@,p=" PROOF, true, SASL_NOT_AUTHORIZED);
	assert_int_equal(SASL_REFUSED, login(f, MECH_SCRAM_SHA_1, STR("n,,"), STR("y,,"), STR("pencil"), true));
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
}

static void scram_refuses_messages_out_of_turn(void **state)
{
	struct fixture *f = *state;
	struct sasl *s = sasl_new(f->a, MECH_SCRAM_SHA_1, &f->ctx);
	assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("n,,n=user,r=abc"), &f->out, &f->error));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, STR("n,,n=user,r=abc"), &f->out, &f->error));
	assert_int_equal(SASL_MALFORMED_REQUEST, f->error);
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_1, STR("n,,"), STR("n,,"), STR("pencil"), true));
	assert_int_equal(SASL_CONTINUE, begin(f, MECH_SCRAM_SHA_1, STR("n,,n=user,r=abc"), true, &s));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, STR("x"), &f->out, &f->error));
	assert_int_equal(SASL_REFUSED, sasl_feed(s, STR("x"), &f->out, &f->error));
}

static void scram_y_is_a_downgrade_only_where_plus_was_offered(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_256, STR("y,,"), STR("y,,"), STR("pencil"), true));
	f->ctx.plus_offered = true;
	assert_int_equal(SASL_REFUSED, login(f, MECH_SCRAM_SHA_256, STR("y,,"), STR("y,,"), STR("pencil"), true));
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_256, STR("n,,"), STR("n,,"), STR("pencil"), true));
}

static void scram_plus_binds_to_each_channel(void **state)
{
	struct fixture *f = *state;
	f->ctx.plus_offered = true;
	f->ctx.cb_data[CB_TLS_EXPORTER] = STR("exported \0 bytes");
	f->ctx.cb_data[CB_TLS_SERVER_END_POINT] = STR("a hash");
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_1_PLUS, STR("p=tls-exporter,,"), STR("p=tls-exporter,,exported \0 bytes"),
	                                  STR("pencil"), true));
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_256_PLUS, STR("p=tls-server-end-point,a=x@y,"),
	                                  STR("p=tls-server-end-point,a=x@y,a hash"), STR("pencil"), true));
	f->ctx.cb_data[CB_TLS_UNIQUE] = STR("a finished message");
	assert_int_equal(SASL_DONE, login(f, MECH_SCRAM_SHA_512_PLUS, STR("p=tls-unique,,"), STR("p=tls-unique,,a finished message"),
	                                  STR("pencil"), true));
}

static void scram_plus_refuses_another_channel(void **state)
{
	struct fixture *f = *state;
	f->ctx.cb_data[CB_TLS_EXPORTER] = STR("ours");
	assert_int_equal(SASL_REFUSED, login(f, MECH_SCRAM_SHA_1_PLUS, STR("p=tls-exporter,,"), STR("p=tls-exporter,,evil"),
	                                     STR("pencil"), true));
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
	assert_int_equal(SASL_REFUSED, login(f, MECH_SCRAM_SHA_1_PLUS, STR("p=tls-exporter,,"), STR("p=tls-exporter,,"),
	                                     STR("pencil"), true));
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
}

static void scram_plus_refuses_bindings_that_this_connection_has_not(void **state)
{
	struct fixture *f = *state;
	f->ctx.cb_data[CB_TLS_EXPORTER] = STR("ours");
	first_refused(f, MECH_SCRAM_SHA_1_PLUS, STR("p=tls-unique,,n=user,r=abc"), SASL_NOT_AUTHORIZED);
	first_refused(f, MECH_SCRAM_SHA_1_PLUS, STR("p=tls-other,,n=user,r=abc"), SASL_NOT_AUTHORIZED);
	first_refused(f, MECH_SCRAM_SHA_1_PLUS, STR("n,,n=user,r=abc"), SASL_MALFORMED_REQUEST);
	first_refused(f, MECH_SCRAM_SHA_1_PLUS, STR("y,,n=user,r=abc"), SASL_MALFORMED_REQUEST);
	first_refused(f, MECH_SCRAM_SHA_1, STR("p=tls-exporter,,n=user,r=abc"), SASL_MALFORMED_REQUEST);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(scram_sha_1_speaks_the_example_of_rfc_5802),
		CASE(scram_sha_256_speaks_the_example_of_rfc_7677),
		CASE(scram_takes_the_right_password_with_every_hash),
		CASE(scram_refuses_a_wrong_password_and_an_unknown_user_alike),
		CASE(scram_shows_an_unknown_user_a_salt_of_its_own_that_stays),
		CASE(scram_treats_an_account_without_this_hash_as_unknown),
		CASE(scram_makes_a_fresh_nonce_each_time),
		CASE(scram_without_initial_response_asks_once),
		CASE(scram_decodes_names),
		CASE(scram_accepts_optional_extensions),
		CASE(scram_refuses_malformed_first_messages),
		CASE(scram_refuses_mandatory_extensions),
		CASE(scram_refuses_a_name_that_no_account_can_have),
		CASE(scram_refuses_messages_past_the_ceiling),
		CASE(scram_refuses_malformed_final_messages),
		CASE(scram_refuses_another_nonce),
		CASE(scram_refuses_another_gs2_header_in_the_final_message),
		CASE(scram_refuses_messages_out_of_turn),
		CASE(scram_y_is_a_downgrade_only_where_plus_was_offered),
		CASE(scram_plus_binds_to_each_channel),
		CASE(scram_plus_refuses_another_channel),
		CASE(scram_plus_refuses_bindings_that_this_connection_has_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
