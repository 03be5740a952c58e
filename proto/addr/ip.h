/*
 * ip.h: IP addresses as values: sixteen bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so that an IPv4 peer is
 * the same address whether its socket was IPv4 or dual-stack.
 */
#ifndef PROTO_ADDR_IP_H
#define PROTO_ADDR_IP_H

#include "proto/base/err.h"
#include "proto/base/str.h"

struct ip {
	uint8_t bytes[16];
};

#define IP_TEXT_BYTES 46

struct ip ip_of_v4(const uint8_t bytes[4]);
struct ip ip_of_v6(const uint8_t bytes[16]);
/* Dotted decimal without leading zeros, and RFC 4291 text without a zone; ERR_INVALID for all else. */
MUST_CHECK enum err ip_parse_v4(struct str s, struct ip *out);
MUST_CHECK enum err ip_parse_v6(struct str s, struct ip *out);
/* Either. */
MUST_CHECK enum err ip_parse(struct str s, struct ip *out);
bool ip_is_v4(const struct ip *ip);
bool ip_eq(const struct ip *a, const struct ip *b);
/* Dotted decimal or RFC 5952; NUL-terminated in `out`. */
struct str ip_format(char out[IP_TEXT_BYTES], const struct ip *ip);
/* As an IPv6 address even if it is a mapped one. */
struct str ip_format_v6(char out[IP_TEXT_BYTES], const struct ip *ip);

#endif
