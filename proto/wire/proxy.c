#include "proto/wire/proxy.h"

#define V1_SIGNATURE      "PROXY "
#define V2_SIGNATURE      "\r\n\r\n\0\r\nQUIT\n"
#define V2_HEAD           16
#define TLV_HEAD          3
#define TLV_CRC32C        0x03
#define CRC32C_POLYNOMIAL 0x82f63b78u /* Castagnoli, reflected */

/* ---- version 1: one line of text ---- */

static bool port_of(struct str s, uint16_t *out)
{
	uint64_t n;
	if (s.len == 0 || s.len > 5 || (s.len > 1 && s.p[0] == '0') || !str_to_u64(s, &n) || n > UINT16_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}

/* "TCP4 1.2.3.4 5.6.7.8 111 222": single spaces, nothing more. */
static bool v1_fields(struct str line, struct proxy_header *out)
{
	struct str family = str_cut(&line, ' ');
	if (str_is(family, "UNKNOWN")) { /* whatever follows is to be ignored */
		out->kind = PROXY_UNKNOWN;
		return true;
	}
	bool v4 = str_is(family, "TCP4");
	if (!v4 && !str_is(family, "TCP6"))
		return false;
	struct str src = str_cut(&line, ' '), dst = str_cut(&line, ' '), src_port = str_cut(&line, ' ');
	out->kind = PROXY_TCP;
	if (v4 ? ip_parse_v4(src, &out->src) || ip_parse_v4(dst, &out->dst) : ip_parse_v6(src, &out->src) || ip_parse_v6(dst, &out->dst))
		return false;
	return port_of(src_port, &out->src_port) && port_of(line, &out->dst_port);
}

static enum proxy_result v1(struct str s, struct proxy_header *out)
{
	size_t seen = s.len < PROXY_V1_MAX ? s.len : PROXY_V1_MAX;
	const char *cr = memchr(s.p, '\r', seen);
	if (!cr)
		return s.len < PROXY_V1_MAX ? PROXY_MORE : PROXY_INVALID;
	size_t end = (size_t)(cr - s.p);
	if (end + 1 >= PROXY_V1_MAX)
		return PROXY_INVALID;
	if (end + 1 == s.len)
		return PROXY_MORE;
	size_t skip = sizeof(V1_SIGNATURE) - 1;
	if (cr[1] != '\n' || !v1_fields(str_span(s.p + skip, end - skip), out))
		return PROXY_INVALID;
	out->bytes = end + 2;
	return PROXY_DONE;
}

/* ---- version 2: binary ---- */

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
	}
	return crc;
}

static unsigned be16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }

/* The checksum of all n bytes of the header, its own four taken as zero. */
static bool crc_holds(const uint8_t *p, size_t n, size_t at)
{
	static const uint8_t zero[4];
	uint32_t crc = crc32c(0xffffffffu, p, at);
	crc = crc32c(crc, zero, sizeof(zero));
	crc = ~crc32c(crc, p + at + sizeof(zero), n - at - sizeof(zero));
	return crc == ((uint32_t)be16(p + at) << 16 | be16(p + at + 2));
}

/* TLVs must fill the header exactly; a checksum, at most one, must hold; all others are the business of others. */
static bool tlvs_ok(const uint8_t *p, size_t n, size_t at)
{
	size_t crc_at = 0;
	while (at < n) {
		if (n - at < TLV_HEAD || n - at - TLV_HEAD < be16(p + at + 1))
			return false;
		size_t len = be16(p + at + 1);
		if (p[at] == TLV_CRC32C) {
			if (len != 4 || crc_at)
				return false;
			crc_at = at + TLV_HEAD;
		}
		at += TLV_HEAD + len;
	}
	return !crc_at || crc_holds(p, n, crc_at);
}

/* Bytes of the addresses of each family (the high four bits of byte 13): unspecified, IPv4, IPv6, Unix. */
static const uint8_t v2_address_bytes[4] = { 0, 12, 36, 216 };

static bool v2_addresses(const uint8_t *p, size_t n, struct proxy_header *out)
{
	unsigned family = p[13] >> 4, transport = p[13] & 15;
	if (family >= sizeof(v2_address_bytes) || transport > 2 || n - V2_HEAD < v2_address_bytes[family])
		return false;
	if (!tlvs_ok(p, n, V2_HEAD + v2_address_bytes[family]))
		return false;
	const uint8_t *at = p + V2_HEAD;
	out->kind = PROXY_UNKNOWN; /* datagrams and Unix sockets, too, say nothing that a TCP listener could use */
	if (transport != 1 || (family != 1 && family != 2))
		return true;
	out->kind = PROXY_TCP;
	out->src = family == 1 ? ip_of_v4(at) : ip_of_v6(at);
	out->dst = family == 1 ? ip_of_v4(at + 4) : ip_of_v6(at + 16);
	at += v2_address_bytes[family] - 4;
	out->src_port = (uint16_t)be16(at);
	out->dst_port = (uint16_t)be16(at + 2);
	return true;
}

static enum proxy_result v2(struct str s, struct proxy_header *out)
{
	const uint8_t *p = (const uint8_t *)s.p;
	if (s.len > 12 && p[12] != 0x20 && p[12] != 0x21) /* version 2, LOCAL or PROXY */
		return PROXY_INVALID;
	if (s.len < V2_HEAD)
		return PROXY_MORE;
	size_t n = V2_HEAD + be16(p + 14);
	if (n > PROXY_V2_MAX)
		return PROXY_INVALID;
	if (s.len < n)
		return PROXY_MORE;
	out->bytes = n;
	out->kind = PROXY_LOCAL; /* of a LOCAL command everything else is to be discarded */
	if (p[12] == 0x21 && !v2_addresses(p, n, out))
		return PROXY_INVALID;
	return PROXY_DONE;
}

static bool begins(struct str s, const char *signature, size_t len)
{
	return memcmp(s.p, signature, s.len < len ? s.len : len) == 0;
}

enum proxy_result proxy_parse(struct str s, struct proxy_header *out)
{
	size_t v1_len = sizeof(V1_SIGNATURE) - 1, v2_len = sizeof(V2_SIGNATURE) - 1;
	memset(out, 0, sizeof(*out));
	if (s.len == 0)
		return PROXY_MORE;
	enum proxy_result result = PROXY_INVALID;
	if (begins(s, V1_SIGNATURE, v1_len))
		result = s.len < v1_len ? PROXY_MORE : v1(s, out);
	else if (begins(s, V2_SIGNATURE, v2_len))
		result = s.len < v2_len ? PROXY_MORE : v2(s, out);
	if (result != PROXY_DONE)
		memset(out, 0, sizeof(*out));
	return result;
}
