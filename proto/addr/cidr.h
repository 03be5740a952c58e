/*
 * cidr.h: networks: "10.0.0.0/8", "2001:db8::/32", or one address.
 *
 * IPv4 and IPv6 never match each other: "::/0" holds no IPv4 address, although ip.h writes those inside ::/0; "::ffff:10.0.0.0/104" is
 * "10.0.0.0/8".
 */
#ifndef PROTO_ADDR_CIDR_H
#define PROTO_ADDR_CIDR_H

#include "proto/addr/ip.h"

struct cidr {
	struct ip net;  /* bits past `bits` are 0 */
	uint8_t bits;   /* of the sixteen bytes: an IPv4 prefix length plus 96 */
};

/* ERR_INVALID for all else; also for bits set behind the prefix ("10.0.0.1/8"): the writer meant something else. */
MUST_CHECK enum err cidr_parse(struct str s, struct cidr *out);
bool cidr_has(const struct cidr *c, const struct ip *ip);
/* Is it in one of the n networks? */
bool cidr_any_has(const struct cidr *list, size_t n, const struct ip *ip);

#endif
