#include "proto/base/encode.h"

static const char b64_letters[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct str b64_encode(struct arena *a, struct str bytes)
{
	size_t len = (bytes.len + 2) / 3 * 4;
	char *out = arena_alloc(a, len + 1), *o = out;
	const unsigned char *p = (const unsigned char *)bytes.p;
	for (size_t i = 0; i < bytes.len; i += 3, o += 4) {
		size_t left = bytes.len - i;
		uint32_t v = (uint32_t)p[i] << 16;
		v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= left > 2 ? p[i + 2] : 0;
		o[0] = b64_letters[v >> 18];
		o[1] = b64_letters[v >> 12 & 63];
		o[2] = left > 1 ? b64_letters[v >> 6 & 63] : '=';
		o[3] = left > 2 ? b64_letters[v & 63] : '=';
	}
	*o = '\0';
	return str_span(out, len);
}

/* 0..63, or a value with high bits set. */
static uint32_t b64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	return c == '+' ? 62u : c == '/' ? 63u : UINT32_MAX;
}

enum err b64_decode(struct arena *a, struct str text, struct str *out)
{
	size_t pad = 0;
	if (text.len % 4)
		return ERR_INVALID;
	while (pad < 2 && pad < text.len && text.p[text.len - 1 - pad] == '=')
		pad++;
	size_t len = text.len / 4 * 3 - pad;
	char *to = arena_alloc(a, text.len / 4 * 3 + 1);
	for (size_t i = 0, o = 0; i < text.len; i += 4, o += 3) {
		size_t real = i + 4 == text.len ? 4 - pad : 4;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			uint32_t six = k < real ? b64_value((unsigned char)text.p[i + k]) : 0;
			if (six > 63)
				return ERR_INVALID;
			v = v << 6 | six;
		}
		if (v & ((1u << (4 - real) * 8) - 1)) /* bits that no byte holds */
			return ERR_INVALID;
		to[o] = (char)(v >> 16);
		to[o + 1] = (char)(v >> 8);
		to[o + 2] = (char)v;
	}
	to[len] = '\0';
	*out = str_span(to, len);
	return ERR_NONE;
}

struct str hex_encode(struct arena *a, struct str bytes)
{
	static const char digits[16] = "0123456789abcdef";
	char *out = arena_alloc(a, bytes.len * 2 + 1);
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.p[i];
		out[2 * i] = digits[c >> 4];
		out[2 * i + 1] = digits[c & 15];
	}
	out[bytes.len * 2] = '\0';
	return str_span(out, bytes.len * 2);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum err hex_decode(struct arena *a, struct str text, struct str *out)
{
	if (text.len % 2)
		return ERR_INVALID;
	char *to = arena_alloc(a, text.len / 2 + 1);
	for (size_t i = 0; i < text.len; i += 2) {
		int hi = hex_value(text.p[i]), lo = hex_value(text.p[i + 1]);
		if (hi < 0 || lo < 0)
			return ERR_INVALID;
		to[i / 2] = (char)(hi << 4 | lo);
	}
	to[text.len / 2] = '\0';
	*out = str_span(to, text.len / 2);
	return ERR_NONE;
}
