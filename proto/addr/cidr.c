#include "proto/addr/cidr.h"

#define V4_BITS 96

/* The mask's byte i for a prefix of `bits`. */
static uint8_t mask_byte(unsigned bits, unsigned i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	return bits <= 8 * i ? 0 : (uint8_t)(0xff << (8 * (i + 1) - bits));
}

static bool is_v4(const struct cidr *c) { return c->bits >= V4_BITS && ip_is_v4(&c->net); }

enum err cidr_parse(struct str s, struct cidr *out)
{
	struct str rest = s, address = str_cut(&rest, '/');
	uint64_t bits = 128;
	if (ip_parse(address, &out->net))
		return ERR_INVALID;
	if (str_present(rest)) {
		unsigned base = ip_is_v4(&out->net) && !memchr(address.p, ':', address.len) ? V4_BITS : 0;
		bool padded = rest.len > 1 && rest.p[0] == '0';
		if (!str_to_u64(rest, &bits) || padded || bits > 128 - base)
			return ERR_INVALID;
		bits += base;
	}
	out->bits = (uint8_t)bits;
	for (unsigned i = 0; i < sizeof(out->net.bytes); i++)
		if (out->net.bytes[i] & ~mask_byte(out->bits, i))
			return ERR_INVALID;
	return ERR_NONE;
}

bool cidr_has(const struct cidr *c, const struct ip *ip)
{
	if (is_v4(c) != ip_is_v4(ip))
		return false;
	for (unsigned i = 0; i < sizeof(ip->bytes); i++)
		if ((ip->bytes[i] & mask_byte(c->bits, i)) != c->net.bytes[i])
			return false;
	return true;
}

bool cidr_any_has(const struct cidr *list, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_has(&list[i], ip))
			return true;
	return false;
}
