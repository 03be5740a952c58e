#include "proto/xml/reader.h"

#include <stdlib.h>

#include "proto/base/blob.h"
#include "proto/xml/parser.h"
#include "proto/xml/scanner.h"

/* What a stream header may make an idle stream hold: the declarations of its namespaces and its root's name. */
#define HEADER_KEEP_BYTES 2048

/* A small stanza's tree takes about three times its bytes, and it is stamped with its sender: one allocation. A big one may be mere
 * text; its arena grows as needed. */
#define ARENA_BYTES(n) (3 * (size_t)((n) < 8192 ? (n) : 8192) + 416)

struct xml_reader {
	struct xml_limits limits;
	struct scanner scan;
	struct buf part;      /* of an element that is not yet complete; empty holds no memory */
	struct blob *own;     /* prelude and root name where they are unusual, else NULL */
	uint32_t prelude_len; /* in own */
	uint8_t error;        /* enum stream_error: refused before */
	const char *why;
};

static const struct str usual_root = STR_INIT("stream:stream");

struct xml_reader *xml_reader_new(const struct xml_limits *limits)
{
	struct xml_reader *r = xzalloc(sizeof(*r));
	scanner_reset(&r->scan);
	xml_reader_set_limits(r, limits);
	return r;
}

void xml_reader_free(struct xml_reader *r)
{
	if (!r)
		return;
	buf_fini(&r->part);
	blob_unref(r->own);
	scanner_fini(&r->scan);
	free(r);
}

void xml_reader_set_limits(struct xml_reader *r, const struct xml_limits *limits)
{
	r->limits = *limits;
	if (r->limits.max_bytes > XML_MAX_BYTES)
		r->limits.max_bytes = XML_MAX_BYTES;
}

void xml_reader_restart(struct xml_reader *r)
{
	buf_fini(&r->part);
	blob_unref(r->own);
	r->own = NULL;
	r->error = STREAM_ERROR_NONE;
	scanner_reset(&r->scan);
}

size_t xml_reader_bytes(const struct xml_reader *r)
{
	return sizeof(*r) + r->part.cap + r->scan.deep_cap * sizeof(*r->scan.deep) + (r->own ? sizeof(*r->own) + r->own->len : 0);
}

static struct str prelude_of(const struct xml_reader *r)
{
	return r->own ? str_span(r->own->data, r->prelude_len) : PRELUDE_CLIENT;
}

static struct str root_name_of(const struct xml_reader *r)
{
	return r->own ? str_span(r->own->data + r->prelude_len, r->own->len - r->prelude_len) : usual_root;
}

static enum xml_event refuse(struct xml_reader *r, struct xml_item *item, enum stream_error error, const char *why)
{
	buf_fini(&r->part);
	arena_free(item->arena);
	*item = (struct xml_item){ .error = error, .why = why };
	r->error = (uint8_t)error;
	r->why = why;
	return XML_REFUSED;
}

/* ---- the XML declaration: XML 1.0 section 2.8 ---- */

static bool take(struct str *s, const char *z)
{
	struct str want = str_of(z);
	if (!str_starts(*s, want))
		return false;
	*s = str_span(s->p + want.len, s->len - want.len);
	return true;
}

static bool take_space(struct str *s)
{
	size_t n = 0;
	while (n < s->len && strchr(" \t\r\n", s->p[n]))
		n++;
	*s = str_span(s->p + n, s->len - n);
	return n > 0;
}

/* S name Eq quoted; absent and *s unchanged if another word comes. */
static struct str take_field(struct str *s, const char *name)
{
	struct str at = *s;
	if (!take_space(&at) || !take(&at, name))
		return STR_NONE;
	take_space(&at);
	if (!take(&at, "="))
		return STR_NONE;
	take_space(&at);
	if (str_empty(at) || (*at.p != '\'' && *at.p != '"'))
		return STR_NONE;
	char quote = *at.p;
	at = str_span(at.p + 1, at.len - 1);
	const char *end = str_chr(at, quote);
	if (!end)
		return STR_NONE;
	struct str value = str_span(at.p, (size_t)(end - at.p));
	*s = str_span(end + 1, at.len - value.len - 1);
	return value;
}

/* `s` is "<?" up to ">". RFC 6120 section 11.6 wants UTF-8. */
static struct parse_error check_declaration(struct str s)
{
	static const struct parse_error bad = { STREAM_NOT_WELL_FORMED, "malformed XML declaration" };
	if (!take(&s, "<?xml") || str_empty(s) || !strchr(" \t\r\n", *s.p))
		return (struct parse_error){ STREAM_RESTRICTED_XML, "processing instruction" };
	struct str version = take_field(&s, "version");
	struct str encoding = take_field(&s, "encoding");
	struct str standalone = take_field(&s, "standalone");
	take_space(&s);
	if (!str_is(s, "?>") || !str_present(version))
		return bad;
	if (!str_is(version, "1.0"))
		return (struct parse_error){ STREAM_NOT_WELL_FORMED, "XML version other than 1.0" };
	if (str_present(standalone) && !str_is(standalone, "yes") && !str_is(standalone, "no"))
		return bad;
	if (str_present(encoding) && !str_caseeq(encoding, STR("UTF-8")))
		return (struct parse_error){ STREAM_UNSUPPORTED_ENCODING, "encoding other than UTF-8" };
	return (struct parse_error){ STREAM_ERROR_NONE, NULL };
}

/* ---- what the scanner cut ---- */

static enum xml_event take_header(struct xml_reader *r, struct xml_parser *p, struct str bytes, struct xml_item *item)
{
	struct parse_error err;
	struct buf keep;
	buf_init(&keep, HEADER_KEEP_BYTES);
	item->root = xml_parser_header(p, bytes, item->arena, &keep, &item->default_ns, &err);
	size_t prelude_len = keep.len;
	struct str name = str_span(bytes.p + 1, strcspn(bytes.p + 1, " \t\r\n/>")); /* ends: at least '>' is there */
	buf_add_str(&keep, name);
	if (item->root && buf_status(&keep) != ERR_NONE)
		err = (struct parse_error){ STREAM_POLICY_VIOLATION, "stream header's names too long" };
	if (err.error == STREAM_ERROR_NONE && !(str_eq(name, usual_root) && str_eq(str_span(keep.p, prelude_len), PRELUDE_CLIENT))) {
		r->own = blob_new(buf_str(&keep));
		r->prelude_len = (uint32_t)prelude_len;
	}
	buf_fini(&keep);
	return err.error == STREAM_ERROR_NONE ? XML_STREAM_OPEN : refuse(r, item, err.error, err.why);
}

static enum xml_event take_stanza(struct xml_reader *r, struct xml_parser *p, struct str bytes, struct xml_item *item)
{
	struct parse_error err;
	item->root = xml_parser_element(p, prelude_of(r), bytes, item->arena, &err);
	return item->root ? XML_STANZA : refuse(r, item, err.error, err.why);
}

/* `bytes` is the root's end tag, or nothing if the root was self-closed. */
static enum xml_event take_close(struct xml_reader *r, struct str bytes, struct xml_item *item)
{
	struct str name = str_trim(str_span(bytes.p + 2, bytes.len - 3));
	if (!str_eq(name, root_name_of(r)) || name.p != bytes.p + 2)
		return refuse(r, item, STREAM_NOT_WELL_FORMED, "end tag without its start");
	return XML_STREAM_CLOSE;
}

/* XML_MORE when it was a declaration. */
static enum xml_event take_cut(struct xml_reader *r, struct xml_parser *p, enum scan_result what, struct str bytes, struct xml_item *item)
{
	struct parse_error err;
	item->bytes = (uint32_t)bytes.len;
	switch (what) {
	case SCAN_DECLARATION:
		err = check_declaration(bytes);
		return err.error == STREAM_ERROR_NONE ? XML_MORE : refuse(r, item, err.error, err.why);
	case SCAN_HEADER:
		item->arena = arena_new(ARENA_BYTES(bytes.len));
		return take_header(r, p, bytes, item);
	case SCAN_ELEMENT:
		item->arena = arena_new(ARENA_BYTES(bytes.len));
		return take_stanza(r, p, bytes, item);
	default:
		return bytes.len ? take_close(r, bytes, item) : XML_STREAM_CLOSE;
	}
}

static void keep_part(struct xml_reader *r, struct str piece)
{
	size_t ceiling = r->limits.max_bytes > SCAN_DECLARATION_MAX + 8 ? r->limits.max_bytes : SCAN_DECLARATION_MAX + 8;
	r->part.max = ceiling > r->part.len ? ceiling : r->part.len; /* the limits may have changed meanwhile */
	buf_add_str(&r->part, piece);
	BUG_ON(r->part.failed); /* the scanner counts the same bytes */
}

enum xml_event xml_reader_next(struct xml_reader *r, struct xml_parser *p, struct str *input, struct xml_item *item)
{
	*item = (struct xml_item){ 0 };
	if (r->error)
		return refuse(r, item, r->error, r->why);
	if (!input->p)
		*input = STR(""); /* arithmetic on NULL is not defined, even with 0 */
	for (;;) {
		struct scan cut;
		scanner_run(&r->scan, &r->limits, buf_str(&r->part), *input, &cut);
		struct str bytes = str_span(input->p + cut.skipped, cut.used - cut.skipped);
		*input = str_span(input->p + cut.used, input->len - cut.used);
		if (cut.result == SCAN_REFUSED)
			return refuse(r, item, cut.error, cut.why);
		if (cut.result == SCAN_MORE || r->part.len)
			keep_part(r, bytes);
		if (cut.result == SCAN_MORE)
			return XML_MORE;
		if (r->part.len)
			bytes = buf_str(&r->part);
		enum xml_event event = take_cut(r, p, cut.result, bytes, item);
		buf_fini(&r->part);
		if (event != XML_MORE)
			return event;
	}
}
