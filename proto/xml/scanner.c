/*
 *  START -BOM-> START -'<'-> LT -'?'-> DECLARATION -'>'-> GAP         (before the stream header only)
 *    GAP -'<'-> LT -name-> TAG <-quotes-> VALUE
 *                          TAG -'>'-> TEXT or, when the element is complete, GAP;  TAG -'/'-> SLASH -'>'-> the same
 *   TEXT -'<'-> LT -'/'-> END_NAME -> END_TAG -'>'-> TEXT or GAP;   LT -'!'-> BANG -'['-> CDATA_OPEN -> CDATA -']]>'-> TEXT
 *    GAP -'</...>'-> DONE
 */
#include "proto/xml/scanner.h"

#include <endian.h>
#include <stdlib.h>

enum { START, BOM_1, BOM_2, GAP, LT, DECLARATION, BANG, CDATA_OPEN, CDATA, TAG, SLASH, VALUE, TEXT, END_NAME, END_TAG, DONE };

/* One run over one piece of input. */
struct run {
	struct scanner *s;
	const struct xml_limits *limits;
	const char *end;
	struct scan *out;
	struct str kept;   /* the element's bytes of earlier runs */
	const char *start; /* those of this run */
};

/* What ends a search inside a tag; a name ends at white space and '=' as well. */
#define TAG_STOPS  ['>'] = 1, ['/'] = 1, ['<'] = 1, ['\''] = 1, ['"'] = 1
static const uint8_t is_tag_stop[256] = { TAG_STOPS };
static const uint8_t is_name_stop[256] = { TAG_STOPS, ['='] = 1, [' '] = 1, ['\t'] = 1, ['\n'] = 1, ['\r'] = 1 };

static inline bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline bool is_name_start(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || c >= 0x80;
}

/* Refusals point at the offending byte: what stands before it has yet to pass check_chars. */
static const char *refuse(struct run *r, const char *p, enum stream_error error, const char *why)
{
	r->out->result = SCAN_REFUSED;
	r->out->error = error;
	r->out->why = why;
	return p;
}

static const char *finish(struct run *r, const char *p, enum scan_result result)
{
	r->s->state = result == SCAN_CLOSE ? DONE : GAP;
	r->out->result = result;
	return p;
}

void scanner_fini(struct scanner *s)
{
	free(s->deep);
	s->deep = NULL;
	s->deep_cap = 0;
}

void scanner_reset(struct scanner *s)
{
	scanner_fini(s);
	*s = (struct scanner){ .state = START };
}

/* ---- characters: RFC 6120 section 11.6, XML 1.0 section 2.2 (U+FFFE and U+FFFF are left to libxml2) ---- */

/* True if the lead byte is one. */
static bool begin_sequence(struct scanner *s, unsigned char c)
{
	s->lo = 0x80;
	s->hi = 0xBF;
	if (c >= 0xC2 && c <= 0xDF) {
		s->need = 1;
	} else if (c >= 0xE0 && c <= 0xEF) {
		s->need = 2;
		s->lo = c == 0xE0 ? 0xA0 : 0x80; /* overlongs */
		s->hi = c == 0xED ? 0x9F : 0xBF; /* surrogates */
	} else if (c >= 0xF0 && c <= 0xF4) {
		s->need = 3;
		s->lo = c == 0xF0 ? 0x90 : 0x80; /* overlongs */
		s->hi = c == 0xF4 ? 0x8F : 0xBF; /* past U+10FFFF */
	} else {
		return false;
	}
	return true;
}

static const char *skip_printable(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
	uint64_t w[4];
	while ((size_t)(end - p) >= sizeof(w)) { /* no byte below 0x20 or above 0x7F; a borrow starts at such a byte only */
		memcpy(w, p, sizeof(w));
		uint64_t odd = (w[0] - ones * 0x20) | w[0] | (w[1] - ones * 0x20) | w[1] | (w[2] - ones * 0x20) | w[2] |
			       (w[3] - ones * 0x20) | w[3];
		if (odd & high)
			break;
		p += sizeof(w);
	}
	while (p < end && (unsigned char)(*p - 0x20) < 0x60)
		p++;
	return p;
}

/* Refuses in *out if [p, end) holds an offending byte. */
static void check_chars(struct scanner *s, const char *p, const char *end, struct scan *out)
{
	while (p < end) {
		if (!s->need)
			p = skip_printable(p, end);
		if (p == end)
			break;
		unsigned char c = (unsigned char)*p;
		bool fits;
		if (s->need) {
			fits = c >= s->lo && c <= s->hi;
			s->need--;
			s->lo = 0x80;
			s->hi = 0xBF;
		} else if (c < 0x80) {
			if (!is_space((char)c)) {
				*out = (struct scan){ SCAN_REFUSED, 0, 0, STREAM_NOT_WELL_FORMED, "control character" };
				return;
			}
			fits = true;
		} else {
			fits = begin_sequence(s, c);
		}
		if (!fits) {
			*out = (struct scan){ SCAN_REFUSED, 0, 0, STREAM_UNSUPPORTED_ENCODING, "bytes that are not UTF-8" };
			return;
		}
		p++;
	}
}

/* ---- between elements ---- */

/* The first bytes of a stream: only UTF-8 is spoken, with or without its BOM; UTF-16 and UTF-32 begin with one of theirs or with a NUL. */
static const char *at_start(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	unsigned char c = (unsigned char)*p;
	if (c == 0xEF) {
		s->state = BOM_1;
		return p + 1;
	}
	if (c == 0 || c >= 0xFE)
		return refuse(r, p, STREAM_UNSUPPORTED_ENCODING, "UTF-16 or UTF-32");
	s->fresh = c == '<';
	s->state = GAP;
	return p;
}

static const char *at_bom(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	if ((unsigned char)*p != (s->state == BOM_1 ? 0xBB : 0xBF))
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "no XML at the start of the stream");
	s->fresh = s->state == BOM_2;
	s->state = s->state == BOM_1 ? BOM_2 : GAP;
	return p + 1;
}

/* White space before the next element, or the byte that ends it. */
static const char *at_gap(struct run *r, const char *p)
{
	if (r->s->fresh && *p != '<')
		r->s->fresh = false; /* after a BOM */
	while (p < r->end && is_space(*p))
		p++;
	if (p == r->end || *p == '<')
		return p;
	unsigned char c = (unsigned char)*p;
	if (c < 0x20)
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "control character");
	if (!r->s->in_stream)
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "no XML at the start of the stream");
	return refuse(r, p, STREAM_BAD_FORMAT, "text between stanzas");
}

/* Everything before an element begins, up to its '<'. */
static const char *find_element(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	while (p < r->end && r->out->result == SCAN_MORE) {
		if (s->state == START)
			p = at_start(r, p);
		else if (s->state == BOM_1 || s->state == BOM_2)
			p = at_bom(r, p);
		else if (s->state == GAP && *p == '<')
			break;
		else if (s->state == GAP)
			p = at_gap(r, p);
		else
			break;
	}
	return p;
}

/* ---- names of open elements ---- */

/* Where it is kept at which byte the name of the innermost element begins. */
static uint32_t *name_slot(struct scanner *s)
{
	uint32_t i = s->depth - 1;
	if (i < SCAN_NEAR)
		return &s->near[i];
	i -= SCAN_NEAR;
	if (i >= s->deep_cap) {
		s->deep_cap = s->deep_cap ? s->deep_cap * 2 : SCAN_NEAR;
		s->deep = xrealloc(s->deep, s->deep_cap * sizeof *s->deep);
	}
	return &s->deep[i];
}

static inline char byte_at(const struct run *r, uint32_t i)
{
	return i < r->kept.len ? r->kept.p[i] : r->start[i - r->kept.len];
}

/* The length of an end tag's name when all is there, it is as usual (shorter than 8 bytes, no white space) and matches; else 0. */
static inline size_t match_usual_name(const struct run *r, const char *p)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t w, v;
	if ((size_t)(r->end - p) < sizeof(w) || r->s->cursor < r->kept.len)
		return 0;
	const char *q = r->start + (r->s->cursor - r->kept.len);
	memcpy(&w, p, sizeof(w));
	memcpy(&v, q, sizeof(v));
	uint64_t x = le64toh(w) ^ ones * '>', found = (x - ones) & ~x & ones * 0x80;
	uint64_t before = (found & -found) - 1; /* the bytes before the first '>', and 7 bits of its own */
	if (!found || ((le64toh(w) ^ le64toh(v)) & before >> 7))
		return 0;
	size_t n = (size_t)__builtin_ctzll(found) / 8;
	return is_name_stop[(unsigned char)q[n]] ? n : 0;
}

/* Compares what is there of an end tag's name, up to its last byte or the first that differs. */
static const char *match_name(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	if (s->cursor >= r->kept.len) { /* the start tag is in this run as a whole */
		const char *q = r->start + (s->cursor - r->kept.len), *begin = p;
		while (p < r->end && *p == *q && !is_name_stop[(unsigned char)*p])
			p++, q++;
		s->cursor += (uint32_t)(p - begin);
		return p;
	}
	while (p < r->end && *p == byte_at(r, s->cursor) && !is_name_stop[(unsigned char)*p])
		p++, s->cursor++;
	return p;
}

/* ---- inside an element ---- */

static const char *open_element(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	s->attrs = 0;
	s->state = TAG;
	if (!s->in_stream)
		return p + 1;
	if (++s->elements > r->limits->max_elements)
		return refuse(r, p, STREAM_POLICY_VIOLATION, "too many elements in a stanza");
	if (++s->depth > r->limits->max_depth)
		return refuse(r, p, STREAM_POLICY_VIOLATION, "elements nested too deeply");
	*name_slot(s) = s->bytes + (uint32_t)(p - r->start);
	return p + 1;
}

static const char *at_lt(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	bool fresh = s->fresh;
	s->fresh = false;
	if (is_name_start((unsigned char)*p))
		return open_element(r, p);
	switch (*p) {
	case '/':
		if (!s->in_stream)
			return refuse(r, p, STREAM_NOT_WELL_FORMED, "end tag before the stream header");
		s->state = END_NAME;
		s->cursor = s->depth ? *name_slot(s) : 0;
		return p + 1;
	case '!':
		s->state = BANG;
		return p + 1;
	case '?':
		if (!fresh)
			return refuse(r, p, STREAM_RESTRICTED_XML, "processing instruction");
		s->state = DECLARATION;
		s->matched = 0;
		return p + 1;
	case '\0':
		if (!s->in_stream)
			return refuse(r, p, STREAM_UNSUPPORTED_ENCODING, "UTF-16 or UTF-32");
		/* fall through */
	default:
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "no name after <");
	}
}

static const char *at_bang(struct run *r, const char *p)
{
	if (*p == '-')
		return refuse(r, p, STREAM_RESTRICTED_XML, "comment");
	if (*p != '[')
		return refuse(r, p, STREAM_RESTRICTED_XML, "document type or entity declaration");
	if (!r->s->depth)
		return refuse(r, p, STREAM_RESTRICTED_XML, "CDATA outside a stanza");
	r->s->state = CDATA_OPEN;
	r->s->matched = 0;
	return p + 1;
}

static const char *at_cdata_open(struct run *r, const char *p)
{
	static const char want[] = "CDATA[";
	struct scanner *s = r->s;
	if (*p != want[s->matched])
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "<![ without CDATA[");
	if (!want[++s->matched]) {
		s->state = CDATA;
		s->matched = 0;
	}
	return p + 1;
}

/* `matched` is how many of "]]" stand directly before p. */
static const char *at_cdata(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	if (!s->matched) {
		p = memchr(p, ']', (size_t)(r->end - p));
		s->matched = p != NULL;
		return p ? p + 1 : r->end;
	}
	if (*p == '>' && s->matched == 2)
		s->state = TEXT;
	s->matched = *p == ']' ? 2 : 0;
	return p + 1;
}

static const char *element_closed(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	if (--s->depth == 0)
		return finish(r, p, SCAN_ELEMENT);
	s->state = TEXT;
	return p;
}

static const char *tag_closed(struct run *r, const char *p, bool empty)
{
	struct scanner *s = r->s;
	if (!s->in_stream) {
		s->in_stream = true;
		s->self_closed = empty;
		return finish(r, p, SCAN_HEADER);
	}
	if (empty)
		return element_closed(r, p);
	s->state = TEXT;
	return p;
}

static const char *at_tag(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	while (p < r->end && !is_tag_stop[(unsigned char)*p])
		p++;
	if (p == r->end)
		return p;
	switch (*p) {
	case '>':
		return tag_closed(r, p + 1, false);
	case '/':
		s->state = SLASH;
		return p + 1;
	case '<':
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "< inside a tag");
	default:
		if (++s->attrs > r->limits->max_attrs)
			return refuse(r, p, STREAM_POLICY_VIOLATION, "too many attributes");
		s->quote = (uint8_t)*p;
		s->state = VALUE;
		return p + 1;
	}
}

static const char *at_slash(struct run *r, const char *p)
{
	if (*p != '>')
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "/ inside a tag");
	return tag_closed(r, p + 1, true);
}

static const char *skip_to(struct run *r, const char *p, char c, uint8_t state)
{
	p = memchr(p, c, (size_t)(r->end - p));
	if (!p)
		return r->end;
	r->s->state = state;
	return p + 1;
}

static const char *at_end_tag(struct run *r, const char *p)
{
	p = memchr(p, '>', (size_t)(r->end - p));
	if (!p)
		return r->end;
	return r->s->depth ? element_closed(r, p + 1) : finish(r, p + 1, SCAN_CLOSE);
}

/* The root's end tag is the reader's to compare. */
static const char *at_end_name(struct run *r, const char *p)
{
	struct scanner *s = r->s;
	size_t usual = s->depth ? match_usual_name(r, p) : 0;
	if (usual)
		return element_closed(r, p + usual + 1);
	if (s->depth) {
		p = match_name(r, p);
		if (p == r->end)
			return p;
		if (!is_name_stop[(unsigned char)*p] || !is_name_stop[(unsigned char)byte_at(r, s->cursor)])
			return refuse(r, p, STREAM_NOT_WELL_FORMED, "end tag of another name than its start");
	}
	s->state = END_TAG;
	return at_end_tag(r, p);
}

static const char *at_declaration(struct run *r, const char *p)
{
	if (*p == '>')
		return finish(r, p + 1, SCAN_DECLARATION);
	if (++r->s->matched == SCAN_DECLARATION_MAX)
		return refuse(r, p, STREAM_NOT_WELL_FORMED, "XML declaration too long");
	return p + 1;
}

static const char *step(struct run *r, const char *p)
{
	switch (r->s->state) {
	case GAP: /* at its '<' */
		r->s->state = LT;
		return p + 1;
	case LT: return at_lt(r, p);
	case DECLARATION: return at_declaration(r, p);
	case BANG: return at_bang(r, p);
	case CDATA_OPEN: return at_cdata_open(r, p);
	case CDATA: return at_cdata(r, p);
	case TAG: return at_tag(r, p);
	case SLASH: return at_slash(r, p);
	case VALUE: return skip_to(r, p, (char)r->s->quote, TAG);
	case TEXT: return skip_to(r, p, '<', LT);
	case END_NAME: return at_end_name(r, p);
	default: return at_end_tag(r, p);
	}
}

static void cut_element(struct run *r, const char *in, const char *p)
{
	struct scanner *s = r->s;
	const char *start = p, *all = r->end;
	r->start = start;
	uint32_t left = r->limits->max_bytes > s->bytes ? r->limits->max_bytes - s->bytes : 0;
	if ((size_t)(all - p) > left)
		r->end = p + left;
	while (p < r->end && r->out->result == SCAN_MORE)
		p = step(r, p);
	if (r->out->result == SCAN_MORE && p < all)
		refuse(r, p, STREAM_POLICY_VIOLATION, "stanza too big");
	check_chars(s, start, p, r->out); /* what it finds comes before a refused byte, so it counts instead */
	r->out->skipped = (size_t)(start - in);
	r->out->used = (size_t)(p - in);
	s->bytes += (uint32_t)(p - start);
	if (r->out->result != SCAN_MORE) {
		s->bytes = s->depth = s->elements = 0;
		if (s->deep)
			scanner_fini(s);
	}
}

void scanner_run(struct scanner *s, const struct xml_limits *limits, struct str kept, struct str in, struct scan *out)
{
	struct run r = { .s = s, .limits = limits, .end = in.p + in.len, .out = out, .kept = kept };
	BUG_ON(kept.len != s->bytes);
	*out = (struct scan){ .used = in.len, .skipped = in.len };
	if (s->self_closed) {
		s->self_closed = false;
		out->skipped = out->used = 0;
		finish(&r, in.p, SCAN_CLOSE);
		return;
	}
	if (s->state == DONE)
		return;
	const char *p = s->bytes ? in.p : find_element(&r, in.p);
	if (out->result == SCAN_MORE && p < r.end)
		cut_element(&r, in.p, p);
}
