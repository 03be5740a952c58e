#include "proto/xml/writer.h"

#include "proto/xml/names.h"

/* Growing by small steps would cost more than the bytes written. */
#define GROW_BYTES 256

/* A cursor into the buf: its length is brought up to date only when it must grow, and at the end. */
struct sink {
	struct buf *b;
	char *p, *end;
	size_t start; /* the length before */
	bool stream_prefix;
	struct xml_patch *patch; /* while the root's head is written */
};

static void sink_open(struct sink *s, struct buf *b)
{
	*s = (struct sink){ .b = b, .start = b->len };
	if (b->failed || !b->p)
		return;
	s->p = b->p + b->len;
	s->end = b->p + b->cap;
}

static void sink_close(struct sink *s)
{
	if (s->b->failed)
		s->b->len = s->start;
	else if (s->p)
		s->b->len = (size_t)(s->p - s->b->p);
}

static bool sink_grow(struct sink *s, size_t n)
{
	struct buf *b = s->b;
	if (b->failed)
		return false;
	if (s->p)
		b->len = (size_t)(s->p - b->p);
	size_t want = n < GROW_BYTES && b->max - b->len >= GROW_BYTES ? GROW_BYTES : n;
	s->p = buf_reserve(b, want);
	s->end = s->p ? b->p + b->cap : NULL;
	return s->p != NULL;
}

static inline bool room(struct sink *s, size_t n)
{
	return __builtin_expect((size_t)(s->end - s->p) >= n, 1) || sink_grow(s, n);
}

static inline void put(struct sink *s, struct str str)
{
	if (!str.len || !room(s, str.len))
		return;
	memcpy(s->p, str.p, str.len);
	s->p += str.len;
}

static inline void putc1(struct sink *s, char c)
{
	if (room(s, 1))
		*s->p++ = c;
}

static const uint8_t escape_in_text[256] = { ['&'] = 1, ['<'] = 1, ['>'] = 1, ['\r'] = 1 };
static const uint8_t escape_in_attr[256] = { ['&'] = 1, ['<'] = 1, ['\''] = 1, ['\t'] = 1, ['\n'] = 1, ['\r'] = 1 };

static struct str escaped(char c)
{
	switch (c) {
	case '&': return STR("&amp;");
	case '<': return STR("&lt;");
	case '>': return STR("&gt;");
	case '\'': return STR("&apos;");
	case '\t': return STR("&#9;");
	case '\n': return STR("&#10;");
	default: return STR("&#13;");
	}
}

static void put_escaped(struct sink *s, struct str str, const uint8_t special[256])
{
	if (!str.len)
		return;
	const char *p = str.p, *end = p + str.len;
	while (p < end) {
		const char *run = p;
		while (p < end && !special[(unsigned char)*p])
			p++;
		put(s, str_span(run, (size_t)(p - run)));
		if (p < end)
			put(s, escaped(*p++));
	}
}

#define PREFIX_BYTES 12

/* The prefix of a namespaced attribute is a<n>, n the place of the first attribute of that namespace in its element; declared there. */
static struct str attr_prefix(char out[PREFIX_BYTES], const struct elem *e, const struct attr *at, bool *is_first)
{
	unsigned n = 0;
	const struct attr *first = e->attrs;
	for (; !str_eq(first->ns, at->ns); first = first->next)
		n++;
	*is_first = first == at;
	char *p = out + PREFIX_BYTES;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	*--p = 'a';
	return str_span(p, (size_t)(out + PREFIX_BYTES - p));
}

static void put_attr_prefix(struct sink *s, const struct elem *e, const struct attr *at)
{
	char room_for_it[PREFIX_BYTES];
	bool is_first = false;
	struct str prefix = STR("xml");
	if (!str_eq(at->ns, NS_XML))
		prefix = attr_prefix(room_for_it, e, at, &is_first);
	if (is_first) {
		put(s, STR("xmlns:"));
		put(s, prefix);
		put(s, STR("='"));
		put_escaped(s, at->ns, escape_in_attr);
		put(s, STR("' "));
	}
	put(s, prefix);
	putc1(s, ':');
}

static size_t offset(const struct sink *s)
{
	return s->p ? (size_t)(s->p - s->b->p) - s->start : 0;
}

static void write_attrs(struct sink *s, const struct elem *e)
{
	struct xml_patch *patch = s->patch;
	s->patch = NULL;
	for (const struct attr *at = e->attrs; at; at = at->next) {
		putc1(s, ' ');
		if (!str_empty(at->ns))
			put_attr_prefix(s, e, at);
		put(s, at->name);
		put(s, STR("='"));
		size_t start = offset(s);
		put_escaped(s, at->value, escape_in_attr);
		if (patch && str_empty(at->ns) && str_is(at->name, "to"))
			*patch = (struct xml_patch){ start, offset(s) };
		putc1(s, '\'');
	}
}

/* "" for the default namespace, else with its colon. The XML namespace cannot be a default one. */
static struct str elem_prefix(const struct sink *s, const struct elem *e)
{
	if (s->stream_prefix && str_eq(e->ns, NS_STREAMS))
		return STR("stream:");
	return str_eq(e->ns, NS_XML) ? STR("xml:") : STR("");
}

/* `default_ns` is what xmlns means where this element begins. */
static void write_elem(struct sink *s, const struct elem *e, struct str default_ns)
{
	struct str prefix = elem_prefix(s, e);
	putc1(s, '<');
	put(s, prefix);
	put(s, e->name);
	if (str_empty(prefix) && !str_eq(e->ns, default_ns)) {
		put(s, STR(" xmlns='"));
		put_escaped(s, e->ns, escape_in_attr);
		putc1(s, '\'');
		default_ns = e->ns;
	}
	write_attrs(s, e);
	if (!e->children) {
		put(s, STR("/>"));
		return;
	}
	putc1(s, '>');
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->kind == NODE_ELEM)
			write_elem(s, (const struct elem *)n, default_ns);
		else
			put_escaped(s, ((const struct text *)n)->data, escape_in_text);
	put(s, STR("</"));
	put(s, prefix);
	put(s, e->name);
	putc1(s, '>');
}

static void write_root(struct buf *out, const struct elem *e, struct str default_ns, bool stream_prefix, struct xml_patch *patch)
{
	struct sink s;
	sink_open(&s, out);
	s.stream_prefix = stream_prefix;
	s.patch = patch;
	write_elem(&s, e, default_ns);
	sink_close(&s);
}

void xml_write(struct buf *out, const struct elem *e, struct str default_ns, bool stream_prefix)
{
	write_root(out, e, default_ns, stream_prefix, NULL);
}

void xml_write_patch(struct buf *out, const struct elem *e, struct str default_ns, struct xml_patch *patch)
{
	*patch = (struct xml_patch){ 0 };
	write_root(out, e, default_ns, true, patch);
}

static void escape(struct buf *out, struct str str, const uint8_t special[256])
{
	struct sink s;
	sink_open(&s, out);
	put_escaped(&s, str, special);
	sink_close(&s);
}

void xml_escape_text(struct buf *out, struct str s)
{
	escape(out, s, escape_in_text);
}

void xml_escape_attr(struct buf *out, struct str s)
{
	escape(out, s, escape_in_attr);
}
