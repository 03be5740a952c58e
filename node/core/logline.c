#include "node/core/logline.h"

#include <stdio.h>

#define TAIL_BYTES 24 /* kept for `,"truncated":true}` and the newline */

void logline_start(struct logline *l, bool json)
{
	l->len = 0;
	l->json = json;
	l->truncated = l->full = false;
	if (json)
		l->text[l->len++] = '{';
}

/* Past the limit nothing is added any more until the field is taken back. */
static void put(struct logline *l, const char *p, size_t n)
{
	if (l->full || n > sizeof(l->text) - TAIL_BYTES - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

static void putz(struct logline *l, const char *z)
{
	put(l, z, strlen(z));
}

static void put_key(struct logline *l, const char *key)
{
	if (l->json) {
		putz(l, l->len > 1 ? ",\"" : "\"");
		putz(l, key);
		putz(l, "\":");
	} else {
		putz(l, l->len > 0 ? " " : "");
		putz(l, key);
		putz(l, "=");
	}
}

/* Takes back a field that did not fit. */
static void field_end(struct logline *l, size_t start)
{
	if (!l->full)
		return;
	l->len = start;
	l->full = false;
	l->truncated = true;
}

/* Bytes of the well-formed sequence at p, at most n; 0 when there is none. */
static size_t utf8_length(const char *p, size_t n)
{
	for (size_t len = 1; len <= 4 && len <= n; len++)
		if (str_is_utf8(str_span(p, len)))
			return len;
	return 0;
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return s.len > 0;
}

/* Writes what stands at p and returns how many bytes of input that took. */
static size_t put_escaped(struct logline *l, const char *p, size_t n)
{
	char esc[8];
	unsigned char c = (unsigned char)p[0];
	size_t len = utf8_length(p, n);
	if (len == 0) {
		snprintf(esc, sizeof(esc), l->json ? "\\\\x%02x" : "\\x%02x", c);
		putz(l, esc);
		return 1;
	}
	if (c == '"' || c == '\\')
		snprintf(esc, sizeof(esc), "\\%c", c);
	else if (c == '\n' || c == '\r' || c == '\t')
		snprintf(esc, sizeof(esc), "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	else if (c < ' ' || c == 0x7f)
		snprintf(esc, sizeof(esc), "\\u%04x", c);
	else if (c == 0xc2 && (unsigned char)p[1] < 0xa0) /* C1 controls: some terminals obey them */
		snprintf(esc, sizeof(esc), "\\u%04x", (unsigned char)p[1]);
	else
		esc[0] = '\0';
	if (esc[0])
		putz(l, esc);
	else
		put(l, p, len);
	return len;
}

static void put_quoted(struct logline *l, struct str s)
{
	size_t i = 0, start = l->len;
	putz(l, "\"");
	while (i < s.len && !l->full && l->len - start < LOG_VALUE_MAX)
		i += put_escaped(l, s.p + i, s.len - i);
	putz(l, "\"");
	l->truncated |= i < s.len;
}

void logline_str(struct logline *l, const char *key, struct str value)
{
	size_t start = l->len;
	if (!str_present(value))
		return;
	put_key(l, key);
	if (!l->json && value.len <= LOG_VALUE_MAX && is_plain(value))
		put(l, value.p, value.len);
	else
		put_quoted(l, value);
	field_end(l, start);
}

static void put_text(struct logline *l, const char *key, const char *text)
{
	size_t start = l->len;
	put_key(l, key);
	putz(l, text);
	field_end(l, start);
}

void logline_int(struct logline *l, const char *key, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	put_text(l, key, text);
}

void logline_uint(struct logline *l, const char *key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_text(l, key, text);
}

void logline_bool(struct logline *l, const char *key, bool value)
{
	put_text(l, key, value ? "true" : "false");
}

struct str logline_end(struct logline *l)
{
	static const char json_tail[] = ",\"truncated\":true", logfmt_tail[] = " truncated=true";
	_Static_assert(sizeof(json_tail) + 1 <= TAIL_BYTES, "the tail fits in what is kept for it");
	const char *tail = !l->truncated ? "" : l->json ? json_tail : logfmt_tail;
	size_t n = strlen(tail);
	memcpy(l->text + l->len, tail, n);
	l->len += n;
	if (l->json)
		l->text[l->len++] = '}';
	l->text[l->len++] = '\n';
	return str_span(l->text, l->len);
}
