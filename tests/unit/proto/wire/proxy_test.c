#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proto/wire/proxy.h"

#define V2(cmd, family, len)  "\r\n\r\n\0\r\nQUIT\n" cmd family len
#define V4_ADDRESSES          "\xc0\0\2\1\xc6\x33\x64\1\xdc\4\x14\x66"

static enum proxy_result parse(struct str s, struct proxy_header *h)
{
	enum proxy_result r = proxy_parse(s, h);
	struct proxy_header k;
	if (r == PROXY_DONE) /* in any split: every shorter prefix asks for more */
		for (size_t n = 0; n < h->bytes; n++)
			assert_int_equal(proxy_parse(str_span(s.p, n), &k), PROXY_MORE);
	return r;
}

static void has_tcp(struct str s, size_t bytes, const char *src, unsigned src_port, const char *dst, unsigned dst_port)
{
	struct proxy_header h;
	char text[IP_TEXT_BYTES];
	assert_int_equal(parse(s, &h), PROXY_DONE);
	assert_int_equal(h.kind, PROXY_TCP);
	assert_int_equal(h.bytes, bytes);
	assert_string_equal(ip_format(text, &h.src).p, src);
	assert_string_equal(ip_format(text, &h.dst).p, dst);
	assert_int_equal(h.src_port, src_port);
	assert_int_equal(h.dst_port, dst_port);
}

static void is_kind(struct str s, size_t bytes, enum proxy_kind kind)
{
	static const struct ip none;
	struct proxy_header h;
	assert_int_equal(parse(s, &h), PROXY_DONE);
	assert_int_equal(h.kind, kind);
	assert_int_equal(h.bytes, bytes);
	assert_true(ip_eq(&h.src, &none));
}

static void refuses(struct str s)
{
	struct proxy_header h;
	if (proxy_parse(s, &h) != PROXY_INVALID)
		fail_msg("accepted: %.*s", STR_ARG(s));
	assert_int_equal(h.bytes, 0);
}

static void wants_more(struct str s)
{
	struct proxy_header h;
	assert_int_equal(proxy_parse(s, &h), PROXY_MORE);
}

static void v1_tcp4_gives_both_addresses(void **state)
{
	has_tcp(STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 5222\r\n<?xml"), 46, "192.0.2.1", 56324, "198.51.100.1", 5222);
	has_tcp(STR("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 56, "255.255.255.255", 65535, "255.255.255.255", 65535);
}

static void v1_tcp6_gives_both_addresses(void **state)
{
	has_tcp(STR("PROXY TCP6 2001:db8::1 2001:db8::2 1 0\r\n"), 40, "2001:db8::1", 1, "2001:db8::2", 0);
	has_tcp(STR("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), 104,
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
}

static void v1_unknown_ignores_the_rest_of_its_line(void **state)
{
	is_kind(STR("PROXY UNKNOWN\r\n"), 15, PROXY_UNKNOWN);
	is_kind(STR("PROXY UNKNOWN ffff:f...f:ffff 65535 x\r\n<"), 39, PROXY_UNKNOWN);
	is_kind(STR("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), 107,
		PROXY_UNKNOWN);
}

static void v1_refuses_what_is_not_its_form(void **state)
{
	refuses(STR("PROXY \r\n"));
	refuses(STR("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"));
	refuses(STR("PROXY UNKNOWNX\r\n"));
	refuses(STR("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"));
	refuses(STR("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n"));
	refuses(STR("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"));
	refuses(STR("PROXY TCP4 ::1 ::1 1 2\r\n"));
	refuses(STR("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"));
	refuses(STR("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n"));
	refuses(STR("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"));
}

static void v1_lines_end_within_107_bytes(void **state)
{
	char line[200] = "PROXY UNKNOWN ";
	memset(line + 14, 'x', sizeof(line) - 14);
	wants_more(str_span(line, 106));
	refuses(str_span(line, 107));
	memcpy(line + 105, "\r\n", 2);
	is_kind(str_span(line, 107), 107, PROXY_UNKNOWN);
	memcpy(line + 105, "x\r\n", 3);
	refuses(str_span(line, 108));
}

static void v2_tcp4_gives_both_addresses(void **state)
{
	has_tcp(STR(V2("\x21", "\x11", "\0\x0c") V4_ADDRESSES "<?xml"), 28, "192.0.2.1", 56324, "198.51.100.1", 5222);
}

static void v2_tcp6_gives_both_addresses(void **state)
{
	has_tcp(STR(V2("\x21", "\x21", "\0\x24")
		    "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\xff\xff"), 52,
		"2001:db8::1", 1, "2001:db8::2", 65535);
}

static void v2_local_discards_everything_in_its_block(void **state)
{
	is_kind(STR(V2("\x20", "\0", "\0\0")), 16, PROXY_LOCAL);
	is_kind(STR(V2("\x20", "\x11", "\0\x0c") V4_ADDRESSES), 28, PROXY_LOCAL);
	is_kind(STR(V2("\x20", "\xff", "\0\3") "xyz" "<"), 19, PROXY_LOCAL);
}

static void v2_kinds_without_tcp_addresses_are_unknown(void **state)
{
	char unix_header[16 + 216] = V2("\x21", "\x31", "\0\xd8");
	is_kind(STR(V2("\x21", "\0", "\0\0")), 16, PROXY_UNKNOWN);
	is_kind(STR(V2("\x21", "\x12", "\0\x0c") V4_ADDRESSES), 28, PROXY_UNKNOWN);
	is_kind(str_span(unix_header, sizeof(unix_header)), sizeof(unix_header), PROXY_UNKNOWN);
}

static void v2_skips_tlvs(void **state)
{
	has_tcp(STR(V2("\x21", "\x11", "\0\x16") V4_ADDRESSES "\2\0\1a" "\4\0\0" "\xee\0\0" "<"), 38, "192.0.2.1", 56324,
		"198.51.100.1", 5222);
}

static void v2_refuses_what_is_not_its_form(void **state)
{
	refuses(STR(V2("\x11", "\x11", "\0\x0c") V4_ADDRESSES)); /* version 1 in binary */
	refuses(STR(V2("\x22", "\x11", "\0\x0c") V4_ADDRESSES)); /* unknown command */
	refuses(STR(V2("\x21", "\x41", "\0\x0c") V4_ADDRESSES)); /* unknown family */
	refuses(STR(V2("\x21", "\x13", "\0\x0c") V4_ADDRESSES)); /* unknown transport */
	refuses(STR(V2("\x21", "\x11", "\0\x0b") V4_ADDRESSES)); /* too short for its addresses */
	refuses(STR(V2("\x21", "\x11", "\0\x0e") V4_ADDRESSES "\2\0"));      /* half a TLV */
	refuses(STR(V2("\x21", "\x11", "\0\x0f") V4_ADDRESSES "\2\0\1"));    /* a TLV past the end */
	refuses(STR(V2("\x22", "", "")));                        /* as soon as the byte is there */
}

static void v2_verifies_a_crc32c(void **state)
{
	char good[] = V2("\x21", "\x11", "\0\x17") V4_ADDRESSES "\4\0\1x" "\3\0\4" "CRC!";
	size_t len = sizeof(good) - 1;
	struct proxy_header h;
	memcpy(good + len - 4, "\x06\xbd\x5a\x49", 4);
	has_tcp(str_span(good, len), len, "192.0.2.1", 56324, "198.51.100.1", 5222);
	good[20] ^= 1;
	assert_int_equal(proxy_parse(str_span(good, len), &h), PROXY_INVALID);
	good[20] ^= 1;
	good[len - 1] ^= 1;
	assert_int_equal(proxy_parse(str_span(good, len), &h), PROXY_INVALID);
	refuses(STR(V2("\x21", "\0", "\0\6") "\3\0\3\0\0\0")); /* a checksum of three bytes */
}

static void v2_headers_end_within_their_ceiling(void **state)
{
	char text[PROXY_V2_MAX] = V2("\x20", "\0", "\4\0");
	is_kind(str_span(text, sizeof(text)), PROXY_V2_MAX, PROXY_LOCAL);
	text[15] = 1;
	refuses(str_span(text, 16));
}

static void other_protocols_are_refused_at_once(void **state)
{
	refuses(STR("<"));
	refuses(STR("PRI * HTTP/2.0\r\n"));
	refuses(STR("PROXYTCP4"));
	refuses(STR("\x16\3\1"));
	refuses(STR("\r\n\r\n<"));
	wants_more(STR(""));
	wants_more(STR("P"));
	wants_more(STR("\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1_tcp4_gives_both_addresses),
		cmocka_unit_test(v1_tcp6_gives_both_addresses),
		cmocka_unit_test(v1_unknown_ignores_the_rest_of_its_line),
		cmocka_unit_test(v1_refuses_what_is_not_its_form),
		cmocka_unit_test(v1_lines_end_within_107_bytes),
		cmocka_unit_test(v2_tcp4_gives_both_addresses),
		cmocka_unit_test(v2_tcp6_gives_both_addresses),
		cmocka_unit_test(v2_local_discards_everything_in_its_block),
		cmocka_unit_test(v2_kinds_without_tcp_addresses_are_unknown),
		cmocka_unit_test(v2_skips_tlvs),
		cmocka_unit_test(v2_refuses_what_is_not_its_form),
		cmocka_unit_test(v2_verifies_a_crc32c),
		cmocka_unit_test(v2_headers_end_within_their_ceiling),
		cmocka_unit_test(other_protocols_are_refused_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
