#include "proto/forms/erldata.h"

static void skip(struct str *rest, size_t n)
{
	*rest = str_span(rest->p + n, rest->len - n);
}

static void skip_space(struct str *rest)
{
	while (rest->len) {
		if (*rest->p && strchr(" \t\r\n\f\v", *rest->p)) {
			skip(rest, 1);
		} else if (*rest->p == '%') {
			const char *eol = str_chr(*rest, '\n');
			skip(rest, eol ? (size_t)(eol - rest->p) + 1 : rest->len);
		} else {
			return;
		}
	}
}

/* Takes this word, after white space. */
static bool take(struct str *rest, struct str want)
{
	skip_space(rest);
	if (!str_starts(*rest, want))
		return false;
	skip(rest, want.len);
	return true;
}

/* ---- strings ---- */

static int digit_of(char c)
{
	int low = c | 32;
	return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* Up to `most` digits; -1 when there is none, or the number is no character. */
static int32_t take_number(struct str *rest, int base, unsigned most)
{
	int32_t n = 0;
	unsigned k = 0;
	for (int d; k < most && rest->len && (d = digit_of(*rest->p)) >= 0 && d < base; k++) {
		n = n * base + d;
		skip(rest, 1);
	}
	return k && n <= 0x10FFFF ? n : -1;
}

static size_t put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char leads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3F));
	to[0] = (char)(leads[n] | c);
	return n;
}

/* What follows a backslash: a character, or -1. */
static int32_t take_escape(struct str *rest)
{
	static const char names[] = "bdefnrstv", values[] = "\b\177\033\f\n\r \t\v";
	if (!rest->len)
		return -1;
	char c = *rest->p;
	if (c >= '0' && c <= '7')
		return take_number(rest, 8, 3);
	skip(rest, 1);
	if (c == 'x' && rest->len && *rest->p == '{') {
		skip(rest, 1);
		int32_t n = take_number(rest, 16, 6);
		return take(rest, STR("}")) ? n : -1;
	}
	if (c == 'x')
		return take_number(rest, 16, 2);
	const char *at = c ? strchr(names, c) : NULL;
	return at ? values[at - names] : c > 0 ? c : -1;
}

/* Behind the first quote. An escape is never shorter than what it stands for: \x{10FFFF} against four bytes, \377 against two. */
static enum err take_string(struct arena *a, struct str *rest, struct str *out)
{
	const char *end = rest->p, *limit = rest->p + rest->len;
	bool plain = true;
	for (; end < limit && *end != '"'; end++) {
		plain &= *end != '\\';
		end += *end == '\\' && end + 1 < limit;
	}
	if (end >= limit)
		return ERR_INVALID;
	struct str in = str_span(rest->p, (size_t)(end - rest->p));
	*out = in;
	skip(rest, in.len + 1);
	if (plain)
		return ERR_NONE;
	char *to = arena_alloc(a, in.len + 1);
	size_t n = 0;
	while (in.len) {
		char c = *in.p;
		skip(&in, 1);
		int32_t code = c == '\\' ? take_escape(&in) : 0;
		if (code < 0)
			return ERR_INVALID;
		if (c == '\\')
			n += put_utf8(to + n, (uint32_t)code);
		else
			to[n++] = c;
	}
	*out = str_span(to, n);
	return ERR_NONE;
}

/* "text", <<"text">>, <<"text"/utf8>> or <<>>. */
static enum err take_text(struct arena *a, struct str *rest, struct str *out)
{
	bool binary = take(rest, STR("<<"));
	if (binary && take(rest, STR(">>"))) {
		*out = STR("");
		return ERR_NONE;
	}
	if (!take(rest, STR("\"")) || take_string(a, rest, out) != ERR_NONE)
		return ERR_INVALID;
	if (binary && take(rest, STR("/")) && !take(rest, STR("utf8")))
		return ERR_INVALID;
	return !binary || take(rest, STR(">>")) ? ERR_NONE : ERR_INVALID;
}

/* ---- tuples ---- */

enum err erldata_next(struct erldata *d, struct arena *a, struct str *out, unsigned n)
{
	struct str *rest = &d->rest;
	bool first = !d->begun;
	if (first && !take(rest, STR("[")))
		return ERR_INVALID;
	d->begun = true;
	if (take(rest, STR("]"))) {
		if (!take(rest, STR(".")))
			return ERR_INVALID;
		skip_space(rest);
		return rest->len ? ERR_INVALID : ERR_NOT_FOUND;
	}
	if ((!first && !take(rest, STR(","))) || !take(rest, STR("{")))
		return ERR_INVALID;
	for (unsigned i = 0; i < n; i++)
		if ((i && !take(rest, STR(","))) || take_text(a, rest, &out[i]) != ERR_NONE)
			return ERR_INVALID;
	return take(rest, STR("}")) ? ERR_NONE : ERR_INVALID;
}
