#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/addr/cidr.h"

static struct ip ip(const char *text)
{
	struct ip out;
	assert_int_equal(ip_parse(str_of(text), &out), ERR_NONE);
	return out;
}

static bool has(const char *network, const char *address)
{
	struct cidr c;
	struct ip a = ip(address);
	assert_int_equal(cidr_parse(str_of(network), &c), ERR_NONE);
	return cidr_has(&c, &a);
}

static void refuses(const char *network)
{
	struct cidr c;
	if (cidr_parse(str_of(network), &c) != ERR_INVALID)
		fail_msg("accepted: %s", network);
}

static void cidr_holds_its_ipv4_addresses_only(void **state)
{
	assert_true(has("10.0.0.0/8", "10.255.0.1"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("192.168.6.0/23", "192.168.7.255"));
	assert_false(has("192.168.6.0/23", "192.168.8.0"));
	assert_true(has("127.0.0.1", "127.0.0.1"));
	assert_false(has("127.0.0.1/32", "127.0.0.2"));
	assert_true(has("0.0.0.0/0", "203.0.113.9"));
}

static void cidr_holds_its_ipv6_addresses_only(void **state)
{
	assert_true(has("::1/128", "::1"));
	assert_false(has("::1", "::2"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(has("::/0", "2001:db8::1"));
	assert_true(has("fe80::/10", "febf::1"));
}

static void cidr_takes_mapped_addresses_as_ipv4(void **state)
{
	assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3"));
	assert_true(has("::ffff:10.1.2.3", "10.1.2.3"));
	assert_false(has("::/0", "10.1.2.3"));
	assert_false(has("::/0", "::ffff:10.1.2.3"));
	assert_false(has("0.0.0.0/0", "::1"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
}

static void cidr_parse_refuses_other_texts(void **state)
{
	const char *bad[] = { "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0/8",
			      "010.0.0.0/8",
			      "10.0.0.1/8", "::1/64", "::/129", "[::1]", "::1%lo", "localhost", " 10.0.0.0/8", "10.0.0.0/8 ",
			      "10.0.0.0/99999999999999999999" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refuses(bad[i]);
}

static void cidr_any_has_looks_at_all_networks(void **state)
{
	struct cidr list[2];
	struct ip a = ip("::1"), b = ip("10.1.1.1"), c = ip("11.1.1.1");
	assert_int_equal(cidr_parse(STR("10.0.0.0/8"), &list[0]), ERR_NONE);
	assert_int_equal(cidr_parse(STR("::1"), &list[1]), ERR_NONE);
	assert_true(cidr_any_has(list, 2, &a));
	assert_true(cidr_any_has(list, 2, &b));
	assert_false(cidr_any_has(list, 2, &c));
	assert_false(cidr_any_has(list, 0, &a));
}

static void ip_format_gives_one_spelling(void **state)
{
	char text[IP_TEXT_BYTES];
	struct ip a = ip("2001:DB8:0:0::1"), b = ip("::ffff:1.2.3.4"), c = ip("1.2.3.4");
	assert_string_equal(ip_format(text, &a).p, "2001:db8::1");
	assert_string_equal(ip_format(text, &b).p, "1.2.3.4");
	assert_string_equal(ip_format_v6(text, &b).p, "::ffff:1.2.3.4");
	assert_true(ip_eq(&b, &c));
	assert_true(ip_is_v4(&b));
	assert_false(ip_is_v4(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cidr_holds_its_ipv4_addresses_only),
		cmocka_unit_test(cidr_holds_its_ipv6_addresses_only),
		cmocka_unit_test(cidr_takes_mapped_addresses_as_ipv4),
		cmocka_unit_test(cidr_parse_refuses_other_texts),
		cmocka_unit_test(cidr_any_has_looks_at_all_networks),
		cmocka_unit_test(ip_format_gives_one_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
