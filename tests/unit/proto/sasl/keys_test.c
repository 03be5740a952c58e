#include "tests/unit/proto/sasl/client.h"

#define ZEROS_20 "AAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void keys_make_gives_a_row_for_each_hash(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys, again;
	assert_int_equal(ERR_NONE, sasl_keys_make(STR("pencil"), 10, &f->rng, &keys));
	assert_int_equal(ERR_NONE, sasl_keys_make(STR("pencil"), 10, &f->rng, &again));
	for (int h = 0; h < SASL_HASH_COUNT; h++) {
		struct sasl_keys expected = { 0 };
		set_key(f->a, &expected, (enum sasl_hash)h, STR("pencil"), str_span((char *)keys.of[h].salt, SASL_SALT_LEN), 10);
		assert_memory_equal(&expected.of[h], &keys.of[h], sizeof(expected.of[h]));
		assert_memory_not_equal(keys.of[h].salt, again.of[h].salt, SASL_SALT_LEN);
	}
}

static void keys_make_prepares_the_password(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys;
	/* RFC 4013 section 3: U+2168 becomes "IX", U+00AD vanishes. */
	assert_int_equal(ERR_NONE, sasl_keys_make(STR("\xe2\x85\xa8"), 2, &f->rng, &keys));
	assert_true(sasl_keys_check(&keys, STR("IX")));
	assert_true(sasl_keys_check(&keys, STR("I\xc2\xadX")));
	assert_false(sasl_keys_check(&keys, STR("ix")));
}

static void keys_make_refuses_empty_forbidden_and_endless_passwords(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys;
	char *endless = arena_alloc(f->a, SASL_MESSAGE_MAX);
	memset(endless, 'a', SASL_MESSAGE_MAX);
	assert_int_equal(ERR_INVALID, sasl_keys_make(STR(""), 2, &f->rng, &keys));
	assert_int_equal(ERR_INVALID, sasl_keys_make(STR("a\nb"), 2, &f->rng, &keys));
	assert_int_equal(ERR_INVALID, sasl_keys_make(STR("a\xff"), 2, &f->rng, &keys));
	assert_int_not_equal(ERR_NONE, sasl_keys_make(str_span(endless, SASL_MESSAGE_MAX), 2, &f->rng, &keys));
	assert_int_equal(ERR_NONE, sasl_keys_make(str_span(endless, SASL_PASSWORD_MAX), 2, &f->rng, &keys));
}

static void keys_check_tells_right_from_wrong(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys, none = { 0 };
	assert_int_equal(ERR_NONE, sasl_keys_make(STR("pencil"), 3, &f->rng, &keys));
	assert_true(sasl_keys_check(&keys, STR("pencil")));
	assert_false(sasl_keys_check(&keys, STR("pencils")));
	assert_false(sasl_keys_check(&keys, STR("")));
	assert_false(sasl_keys_check(&none, STR("pencil")));
	keys.of[SASL_SHA256].iterations = keys.of[SASL_SHA512].iterations = 0;
	assert_true(sasl_keys_check(&keys, STR("pencil")));
}

static void keys_survive_being_stored(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys, back;
	assert_int_equal(ERR_NONE, sasl_keys_make(STR("pencil"), 3, &f->rng, &keys));
	struct str row = sasl_keys_format(f->a, &keys);
	assert_true(str_starts(row, STR("SCRAM-SHA-1:3:")));
	assert_int_equal(ERR_NONE, sasl_keys_parse(f->a, row, &back));
	assert_memory_equal(&keys, &back, sizeof(keys));
	keys.of[SASL_SHA256] = (struct sasl_key){ 0 };
	assert_int_equal(ERR_NONE, sasl_keys_parse(f->a, sasl_keys_format(f->a, &keys), &back));
	assert_memory_equal(&keys, &back, sizeof(keys));
	assert_str(sasl_keys_format(f->a, &(struct sasl_keys){ 0 }), "");
}

static void keys_parse_takes_a_foreign_salt(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys;
	struct str uuid = b64_encode(f->a, STR("6bbf7b4e-1f6e-4bd4-9b8b-6b0d9f1c2a3e"));
	struct str row = arena_printf(f->a, "SCRAM-SHA-1:4096:%.*s:" ZEROS_20 ":" ZEROS_20, STR_ARG(uuid));
	assert_int_equal(ERR_NONE, sasl_keys_parse(f->a, row, &keys));
	assert_int_equal(36, keys.of[SASL_SHA1].salt_len);
	assert_int_equal(0, keys.of[SASL_SHA256].iterations);
}

static void keys_parse_refuses_other_forms(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys;
	static const char *const bad[] = {
		"",
		"pencil",
		"SCRAM-SHA-1",
		"SCRAM-SHA-1:1:AA==:" ZEROS_20,
		"SCRAM-SHA-1:0:AA==:" ZEROS_20 ":" ZEROS_20,
		"SCRAM-SHA-1:-1:AA==:" ZEROS_20 ":" ZEROS_20,
		"SCRAM-SHA-1:1::" ZEROS_20 ":" ZEROS_20,
		"SCRAM-SHA-1:1:AA==:AAAA:" ZEROS_20,
		"SCRAM-SHA-1:1:AA==:" ZEROS_20 ":AAAA",
		"SCRAM-SHA-1:1:AA:" ZEROS_20 ":" ZEROS_20,
		"SCRAM-SHA-1:1:AA==:" ZEROS_20 ":" ZEROS_20 ";",
		"SCRAM-SHA-1:1:AA==:" ZEROS_20 ":" ZEROS_20 ":",
		"SCRAM-SHA-9:1:AA==:" ZEROS_20 ":" ZEROS_20,
		"SCRAM-SHA-1:1:AA==:" ZEROS_20 ":" ZEROS_20 ";SCRAM-SHA-1:1:AA==:" ZEROS_20 ":" ZEROS_20,
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (sasl_keys_parse(f->a, str_of(bad[i]), &keys) != ERR_INVALID)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(ERR_LIMIT, sasl_keys_parse(f->a, STR("SCRAM-SHA-1:10000001:AA==:" ZEROS_20 ":" ZEROS_20), &keys));
	char salt[SASL_SALT_MAX + 1] = "";
	struct str long_salt = b64_encode(f->a, str_span(salt, sizeof(salt)));
	struct str row = arena_printf(f->a, "SCRAM-SHA-1:1:%.*s:" ZEROS_20 ":" ZEROS_20, STR_ARG(long_salt));
	assert_int_equal(ERR_LIMIT, sasl_keys_parse(f->a, row, &keys));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(keys_make_gives_a_row_for_each_hash),
		CASE(keys_make_prepares_the_password),
		CASE(keys_make_refuses_empty_forbidden_and_endless_passwords),
		CASE(keys_check_tells_right_from_wrong),
		CASE(keys_survive_being_stored),
		CASE(keys_parse_takes_a_foreign_salt),
		CASE(keys_parse_refuses_other_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
