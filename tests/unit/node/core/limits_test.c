#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "node/core/limits.h"

static const uint64_t key[2] = { 1, 2 };
static struct config_schema *schema;

static int set_up(void **state)
{
	schema = config_schema_new();
	limits_register(schema);
	return 0;
}

static int tear_down(void **state)
{
	config_schema_free(schema);
	return 0;
}

static struct limits *limits_of(const char *yaml)
{
	struct config *c;
	struct buf errors;
	buf_init(&errors, 4096);
	assert_int_equal(config_load_text(schema, "test", str_of(yaml), NULL, &errors, &c), ERR_NONE);
	struct limits *l = limits_new(c, key);
	config_unref(c);
	buf_fini(&errors);
	return l;
}

static struct ip ip_of(const char *text)
{
	struct ip ip;
	assert_int_equal(ip_parse(str_of(text), &ip), ERR_NONE);
	return ip;
}

static void an_address_has_its_share_of_connections(void **state)
{
	struct limits *l = limits_of("limits: {connections_per_address: 2}");
	struct ip a = ip_of("192.0.2.1"), b = ip_of("192.0.2.2");
	assert_true(limits_connected(l, &a));
	assert_true(limits_connected(l, &a));
	assert_false(limits_connected(l, &a));
	assert_true(limits_connected(l, &b));
	limits_disconnected(l, &a);
	assert_true(limits_connected(l, &a));
	assert_false(limits_connected(l, &a));
	limits_disconnected(l, &a);
	limits_disconnected(l, &a);
	limits_disconnected(l, &b);
	limits_free(l);
}

static void an_ipv6_network_is_one_address(void **state)
{
	struct limits *l = limits_of("limits: {connections_per_address: 1}");
	struct ip a = ip_of("2001:db8:0:1::1"), b = ip_of("2001:db8:0:1:ffff::2"), c = ip_of("2001:db8:0:2::1");
	assert_true(limits_connected(l, &a));
	assert_false(limits_connected(l, &b));
	assert_true(limits_connected(l, &c));
	limits_free(l);
}

static void exempt_addresses_are_not_counted(void **state)
{
	struct limits *l = limits_of("limits: {connections_per_address: 1, login_free_address: 0, login_free_account: 100}");
	struct ip a = ip_of("127.0.0.1"), b = ip_of("::1");
	for (int i = 0; i < 5; i++) {
		assert_true(limits_connected(l, &a));
		assert_true(limits_connected(l, &b));
		assert_int_equal(limits_login_failed(l, &a, STR("romeo"), STR("h"), 1000), 0);
	}
	assert_int_equal(limits_address_key(l, &a), 0);
	limits_free(l);
}

static void no_limit_means_no_limit(void **state)
{
	struct limits *l = limits_of("limits: {connections_per_address: 0, login_delay: 0, stanza_rate: 0, byte_rate: 0}");
	struct ip a = ip_of("192.0.2.1");
	for (int i = 0; i < 2000; i++) {
		assert_true(limits_connected(l, &a));
		assert_int_equal(limits_login_failed(l, &a, STR("romeo"), STR("h"), 1000), 0);
	}
	struct bucket b = { 0 };
	assert_int_equal(bucket_take(&b, &limits_rates(l)->stanzas, 1u << 30, 1), 0);
	assert_int_equal(bucket_take(&b, &limits_rates(l)->bytes, 1u << 30, 1), 0);
	limits_free(l);
}

static void guessing_one_account_is_slowed_down_from_wherever(void **state)
{
	struct limits *l = limits_of("limits: {login_delay: 100ms, login_delay_max: 1s, login_free_account: 2, login_forget: 1m}");
	static const uint64_t expected[] = { 0, 0, 100, 200, 400, 800, 1000, 1000 };
	char text[32];
	for (unsigned i = 0; i < 8; i++) {
		snprintf(text, sizeof text, "192.0.2.%u", i);
		struct ip ip = ip_of(text);
		assert_int_equal(limits_login_failed(l, &ip, STR("romeo"), STR("h"), 1000 + i), expected[i]);
		assert_int_equal(limits_login_failed(l, &ip, STR_NONE, STR("h"), 1000 + i), 0);
	}
	struct ip ip = ip_of("192.0.2.99");
	assert_int_equal(limits_login_failed(l, &ip, STR("romeo"), STR("other"), 2000), 0);
	assert_int_equal(limits_login_failed(l, &ip, STR("romeo"), STR("h"), 70000), 0);
	limits_free(l);
}

static void guessing_many_accounts_from_one_address_is_slowed_down(void **state)
{
	struct limits *l = limits_of("limits: {login_delay: 100ms, login_delay_max: 1s, login_free_address: 3}");
	char name[32];
	struct ip ip = ip_of("192.0.2.1");
	for (unsigned i = 0; i < 6; i++) {
		int n = snprintf(name, sizeof name, "user%u", i);
		uint64_t late = limits_login_failed(l, &ip, str_span(name, (size_t)n), STR("h"), 1000);
		assert_int_equal(late, i < 3 ? 0 : 100u << (i - 3));
	}
	limits_free(l);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(an_address_has_its_share_of_connections),
		CASE(an_ipv6_network_is_one_address),
		CASE(exempt_addresses_are_not_counted),
		CASE(no_limit_means_no_limit),
		CASE(guessing_one_account_is_slowed_down_from_wherever),
		CASE(guessing_many_accounts_from_one_address_is_slowed_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
