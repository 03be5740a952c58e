#include "tests/unit/proto/sasl/client.h"

static void mech_names_lead_back_to_their_mechanism(void **state)
{
	for (int m = MECH_NONE + 1; m < MECH_COUNT; m++) {
		assert_true(str_present(sasl_mech_name((enum sasl_mech)m)));
		assert_int_equal(m, sasl_mech_from_name(sasl_mech_name((enum sasl_mech)m)));
	}
	assert_str(sasl_mech_name(MECH_SCRAM_SHA_256_PLUS), "SCRAM-SHA-256-PLUS");
}

static void mech_from_name_refuses_other_names(void **state)
{
	assert_int_equal(MECH_NONE, sasl_mech_from_name(STR("DIGEST-MD5")));
	assert_int_equal(MECH_NONE, sasl_mech_from_name(STR("plain")));
	assert_int_equal(MECH_NONE, sasl_mech_from_name(STR("SCRAM-SHA-1-PLU")));
	assert_int_equal(MECH_NONE, sasl_mech_from_name(STR("")));
	assert_int_equal(MECH_NONE, sasl_mech_from_name(STR_NONE));
	assert_false(str_present(sasl_mech_name(MECH_NONE)));
	assert_false(str_present(sasl_mech_name(MECH_COUNT)));
}

static void mech_tells_its_hash_and_whether_it_binds(void **state)
{
	enum sasl_hash h;
	assert_true(sasl_mech_hash(MECH_SCRAM_SHA_512_PLUS, &h) && h == SASL_SHA512);
	assert_true(sasl_mech_hash(MECH_SCRAM_SHA_256, &h) && h == SASL_SHA256);
	assert_true(sasl_mech_hash(MECH_SCRAM_SHA_1, &h) && h == SASL_SHA1);
	assert_false(sasl_mech_hash(MECH_PLAIN, &h));
	assert_false(sasl_mech_hash(MECH_ANONYMOUS, &h));
	assert_true(sasl_mech_is_plus(MECH_SCRAM_SHA_1_PLUS));
	assert_false(sasl_mech_is_plus(MECH_SCRAM_SHA_1));
	assert_false(sasl_mech_is_plus(MECH_PLAIN));
}

static void binding_names_are_those_of_the_registry(void **state)
{
	assert_str(sasl_cb_name(CB_TLS_EXPORTER), "tls-exporter");
	assert_str(sasl_cb_name(CB_TLS_SERVER_END_POINT), "tls-server-end-point");
	assert_str(sasl_cb_name(CB_TLS_UNIQUE), "tls-unique");
	assert_false(str_present(sasl_cb_name(CB_COUNT)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mech_names_lead_back_to_their_mechanism),
		cmocka_unit_test(mech_from_name_refuses_other_names),
		cmocka_unit_test(mech_tells_its_hash_and_whether_it_binds),
		cmocka_unit_test(binding_names_are_those_of_the_registry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
