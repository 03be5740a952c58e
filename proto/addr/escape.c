#include "proto/addr/escape.h"

/* Section 3.2, in the order of the code points; the last one is the escaping character itself. */
static const char escaped[] = " \"&'/:<>@\\";
static const char digits[] = "0123456789abcdef";

/* The character that a sequence at the start of s stands for; 0: it is none. Lower case only, as PRECIS makes it. */
static char sequence_of(struct str s)
{
	for (const char *c = escaped; *c && s.len >= 3 && s.p[0] == '\\'; c++)
		if (s.p[1] == digits[*c >> 4] && s.p[2] == digits[*c & 15])
			return *c;
	return 0;
}

/* A backslash is escaped only where it would look like an escape. */
static bool needs_escape(struct str s)
{
	if (s.p[0] == '\\')
		return sequence_of(s) != 0;
	return s.p[0] && strchr(escaped, s.p[0]);
}

enum err jid_escape(struct arena *a, struct str s, struct str *out)
{
	*out = s;
	size_t n = 0, i = 0;
	if (s.len && (s.p[0] == ' ' || s.p[s.len - 1] == ' '))
		return ERR_INVALID;
	while (i < s.len && !needs_escape(str_span(s.p + i, s.len - i)))
		i++;
	if (i == s.len)
		return ERR_NONE;
	char *p = arena_alloc(a, s.len * 3 + 1);
	for (i = 0; i < s.len; i++) {
		if (!needs_escape(str_span(s.p + i, s.len - i))) {
			p[n++] = s.p[i];
			continue;
		}
		p[n++] = '\\';
		p[n++] = digits[s.p[i] >> 4];
		p[n++] = digits[s.p[i] & 15];
	}
	p[n] = '\0';
	*out = str_span(p, n);
	return ERR_NONE;
}

struct str jid_unescape(struct arena *a, struct str s)
{
	if (!s.len || !str_chr(s, '\\'))
		return s;
	char *p = arena_alloc(a, s.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		char c = sequence_of(str_span(s.p + i, s.len - i));
		p[n++] = c ? c : s.p[i];
		i += c ? 2 : 0;
	}
	p[n] = '\0';
	return str_span(p, n);
}
