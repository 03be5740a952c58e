#include "proto/addr/ip.h"

#include <arpa/inet.h> /* inet_pton and inet_ntop: text functions, the only ones of it that proto uses */

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

_Static_assert(IP_TEXT_BYTES >= INET6_ADDRSTRLEN, "every address fits");

struct ip ip_of_v4(const uint8_t bytes[4])
{
	struct ip ip;
	memcpy(ip.bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(ip.bytes + sizeof(mapped_prefix), bytes, 4);
	return ip;
}

struct ip ip_of_v6(const uint8_t bytes[16])
{
	struct ip ip;
	memcpy(ip.bytes, bytes, sizeof(ip.bytes));
	return ip;
}

static bool from_text(int family, struct str s, void *bytes)
{
	char z[IP_TEXT_BYTES];
	if (s.len == 0 || s.len >= sizeof(z) || memchr(s.p, '\0', s.len))
		return false;
	memcpy(z, s.p, s.len);
	z[s.len] = '\0';
	return inet_pton(family, z, bytes) == 1;
}

enum err ip_parse_v4(struct str s, struct ip *out)
{
	uint8_t bytes[4];
	if (!from_text(AF_INET, s, bytes))
		return ERR_INVALID;
	*out = ip_of_v4(bytes);
	return ERR_NONE;
}

enum err ip_parse_v6(struct str s, struct ip *out)
{
	return from_text(AF_INET6, s, out->bytes) ? ERR_NONE : ERR_INVALID;
}

enum err ip_parse(struct str s, struct ip *out)
{
	return ip_parse_v4(s, out) ? ip_parse_v6(s, out) : ERR_NONE;
}

bool ip_is_v4(const struct ip *ip) { return memcmp(ip->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0; }

bool ip_eq(const struct ip *a, const struct ip *b) { return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0; }

static struct str to_text(int family, const void *bytes, char out[IP_TEXT_BYTES])
{
	BUG_ON(!inet_ntop(family, bytes, out, IP_TEXT_BYTES));
	return str_of(out);
}

struct str ip_format(char out[IP_TEXT_BYTES], const struct ip *ip)
{
	return ip_is_v4(ip) ? to_text(AF_INET, ip->bytes + sizeof(mapped_prefix), out) : ip_format_v6(out, ip);
}

struct str ip_format_v6(char out[IP_TEXT_BYTES], const struct ip *ip) { return to_text(AF_INET6, ip->bytes, out); }
