#include "proto/xml/builder.h"

#include <stdlib.h>

#include <libxml/parserInternals.h>

#include "proto/xml/names.h"
#include "proto/xml/writer.h"

/* What the namespaces of one element may add to its bytes once the writer declares them where they are used. */
#define WRITTEN_EXTRA(n) (32 * 1024 + (long)(n))

struct open_elem {
	struct elem *elem;
	const xmlChar *uri;
	unsigned declared; /* from the root down to here, as the writer would */
};

static void fail(struct builder *b, enum stream_error error, const char *why)
{
	if (b->err.error == STREAM_ERROR_NONE)
		b->err = (struct parse_error){ error, why };
}

static struct str zstr(const xmlChar *z)
{
	return str_of((const char *)z);
}

static struct str ns_of(struct builder *b, const xmlChar *uri)
{
	if (!uri)
		return STR_NONE;
	struct ns_slot *slot = &b->ns_slots[((uintptr_t)uri >> 3) % NS_SLOTS];
	if (slot->uri != uri) {
		struct str s = zstr(uri), row = names_find(s);
		*slot = (struct ns_slot){ uri, str_present(row) ? row : s, str_present(row) };
	}
	return slot->is_static ? slot->str : arena_str(b->arena, slot->str);
}

/* One prefix declared far above may be used everywhere below, and the writer has to declare it everywhere: a long name used often would
 * make megabytes of kilobytes, for every recipient. */
static void count_declaration(struct builder *b, struct str ns)
{
	b->declared++;
	b->extra -= (long)ns.len;
	if (b->declared > XML_MAX_NAMESPACES / 2 || b->extra < 0)
		fail(b, STREAM_POLICY_VIOLATION, "too many or too long namespaces");
}

static void flush_text(struct builder *b)
{
	size_t n = b->text.len;
	if (!n)
		return;
	struct text *t = arena_alloc(b->arena, sizeof(*t) + n);
	char *data = memcpy(t + 1, b->text.p, n);
	*t = (struct text){ .node.kind = NODE_TEXT, .data = { data, n } };
	struct elem *e = b->open[b->depth - 1].elem;
	if (e->last_child)
		e->last_child->next = &t->node;
	else
		e->children = &t->node;
	e->last_child = &t->node;
	buf_clear(&b->text);
}

static void push(struct builder *b, struct elem *e, const xmlChar *uri)
{
	if (b->depth == b->open_cap) { /* the scanner counted the depth already */
		b->open_cap = b->open_cap ? b->open_cap * 2 : 64;
		b->open = xrealloc(b->open, b->open_cap * sizeof(*b->open));
	}
	if (b->depth) {
		struct elem *parent = b->open[b->depth - 1].elem;
		if (parent->last_child)
			parent->last_child->next = &e->node;
		else
			parent->children = &e->node;
		parent->last_child = &e->node;
	} else {
		b->root = e;
	}
	b->open[b->depth++] = (struct open_elem){ e, uri, b->declared };
}

/* SAX2 gives an attribute as five pointers. */
enum { AT_NAME, AT_PREFIX, AT_URI, AT_VALUE, AT_END, AT_FIELDS };

static struct str place(char **at, const void *p, size_t n)
{
	struct str s = { memcpy(*at, p, n), n };
	*at += n;
	return s;
}

/* One allocation for the element, its attributes and all their bytes. */
static struct elem *make_elem(struct builder *b, struct str name, int n_attrs, const xmlChar **fields)
{
	size_t bytes = name.len;
	for (int i = 0; i < n_attrs; i++) {
		const xmlChar **f = fields + i * AT_FIELDS;
		bytes += strlen((const char *)f[AT_NAME]) + (size_t)(f[AT_END] - f[AT_VALUE]);
	}
	struct elem *e = arena_alloc(b->arena, sizeof(*e) + (size_t)n_attrs * sizeof(struct attr) + bytes);
	struct attr *attr = (struct attr *)(e + 1);
	char *at = (char *)(attr + n_attrs);
	*e = (struct elem){ .node.kind = NODE_ELEM, .name = place(&at, name.p, name.len) };
	for (int i = 0; i < n_attrs; i++, attr++) {
		const xmlChar **f = fields + i * AT_FIELDS;
		attr->name = place(&at, f[AT_NAME], strlen((const char *)f[AT_NAME]));
		attr->value = place(&at, f[AT_VALUE], (size_t)(f[AT_END] - f[AT_VALUE]));
		attr->ns = ns_of(b, f[AT_URI]);
		attr->next = i + 1 < n_attrs ? attr + 1 : NULL;
		if (str_present(attr->ns) && attr->ns.p != NS_XML.p)
			count_declaration(b, attr->ns);
		e->last_attr = attr;
	}
	e->attrs = n_attrs ? (struct attr *)(e + 1) : NULL;
	return e;
}

/* The declaration of the smallest prefix after `after` (NULL: of the smallest), so that the order on the wire does not matter. */
static const xmlChar **next_prefix(int n, const xmlChar **namespaces, const char *after)
{
	const xmlChar **best = NULL;
	for (int i = 0; i < n; i++) {
		const xmlChar **ns = namespaces + 2 * i;
		const char *prefix = ns[0] ? (const char *)ns[0] : "";
		if ((!after || strcmp(prefix, after) > 0) && (!best || !ns[0] || (best[0] && strcmp(prefix, (const char *)best[0]) < 0)))
			best = ns;
	}
	return best;
}

static void collect_prelude(struct builder *b, int n, const xmlChar **namespaces)
{
	const char *after = NULL;
	buf_addz(b->prelude, "<root");
	for (const xmlChar **ns; (ns = next_prefix(n, namespaces, after));) {
		after = ns[0] ? (const char *)ns[0] : "";
		buf_addz(b->prelude, *after ? " xmlns:" : " xmlns");
		buf_addz(b->prelude, after);
		buf_addz(b->prelude, "='");
		xml_escape_attr(b->prelude, zstr(ns[1]));
		buf_addz(b->prelude, "'");
		if (!*after)
			b->default_ns = ns_of(b, ns[1]);
	}
	buf_addz(b->prelude, ">");
	if (buf_status(b->prelude) != ERR_NONE)
		fail(b, STREAM_POLICY_VIOLATION, "too many namespaces declared in the stream header");
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
		     const xmlChar **namespaces, int n_attrs, int n_defaulted, const xmlChar **fields)
{
	struct builder *b = arg;
	if (!b->arena || b->err.error != STREAM_ERROR_NONE)
		return;
	if (!b->depth && b->root) {
		fail(b, STREAM_NOT_WELL_FORMED, "more than one element");
		return;
	}
	if (b->ctxt->nsNr > 2 * XML_MAX_NAMESPACES) { /* it counts prefix and URI */
		fail(b, STREAM_POLICY_VIOLATION, "too many or too long namespaces");
		xmlStopParser(b->ctxt);
		return;
	}
	flush_text(b);
	struct open_elem *parent = b->depth ? &b->open[b->depth - 1] : NULL;
	b->declared = parent ? parent->declared : 0;
	struct elem *e = make_elem(b, zstr(name), n_attrs, fields);
	if (parent && parent->uri == uri) {
		e->ns = parent->elem->ns;
	} else {
		e->ns = ns_of(b, uri);
		count_declaration(b, e->ns);
	}
	if (b->err.error != STREAM_ERROR_NONE) {
		xmlStopParser(b->ctxt);
		return;
	}
	if (b->prelude && !b->depth)
		collect_prelude(b, n_namespaces, namespaces);
	push(b, e, uri);
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct builder *b = arg;
	if (!b->arena || b->err.error != STREAM_ERROR_NONE || !b->depth)
		return;
	flush_text(b);
	b->depth--;
}

static void on_text(void *arg, const xmlChar *text, int len)
{
	struct builder *b = arg;
	if (b->arena && b->err.error == STREAM_ERROR_NONE && b->depth)
		buf_add(&b->text, text, (size_t)len);
}

/* The push parser hands CDATA over raw: line ends are ours to normalise (XML 1.0 section 2.11). */
static void on_cdata(void *arg, const xmlChar *text, int len)
{
	for (const xmlChar *end = text + len, *cr; (cr = memchr(text, '\r', (size_t)(end - text))); text = cr + 1) {
		on_text(arg, text, (int)(cr - text));
		if (cr + 1 == end || cr[1] != '\n')
			on_text(arg, (const xmlChar *)"\n", 1);
		len = (int)(end - cr - 1);
	}
	on_text(arg, text, len);
}

static void on_error(void *arg, xmlErrorPtr e)
{
	struct builder *b = arg;
	if (e->level == XML_ERR_WARNING || e->code == XML_WAR_NS_URI) /* a namespace name need not be a URI to tell apart */
		return;
	switch (e->code) {
	case XML_NS_ERR_UNDEFINED_NAMESPACE:
		fail(b, STREAM_BAD_NAMESPACE_PREFIX, "prefix that is not declared");
		break;
	case XML_ERR_UNDECLARED_ENTITY:
	case XML_WAR_UNDECLARED_ENTITY:
		fail(b, STREAM_RESTRICTED_XML, "entity other than the predefined");
		break;
	case XML_ERR_NAME_TOO_LONG:
		fail(b, STREAM_POLICY_VIOLATION, "name too long");
		break;
	default:
		fail(b, STREAM_NOT_WELL_FORMED, "not well-formed");
	}
}

/* Never reached past the scanner; if that is ever wrong, they end the stream rather than pass. */
static void on_comment(void *arg, const xmlChar *text)
{
	fail(arg, STREAM_RESTRICTED_XML, "comment");
}

static void on_pi(void *arg, const xmlChar *target, const xmlChar *data)
{
	fail(arg, STREAM_RESTRICTED_XML, "processing instruction");
}

static void on_dtd(void *arg, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
	fail(arg, STREAM_RESTRICTED_XML, "document type or entity declaration");
}

const xmlSAXHandler builder_sax = {
	.initialized = XML_SAX2_MAGIC,
	.startElementNs = on_start,
	.endElementNs = on_end,
	.characters = on_text,
	.ignorableWhitespace = on_text, /* the same as characters: libxml2 need not tell them apart */
	.cdataBlock = on_cdata,
	.comment = on_comment,
	.processingInstruction = on_pi,
	.internalSubset = on_dtd,
	.serror = on_error,
};

void builder_init(struct builder *b)
{
	*b = (struct builder){ 0 };
	buf_init(&b->text, XML_MAX_BYTES);
}

void builder_fini(struct builder *b)
{
	buf_fini(&b->text);
	free(b->open);
}

void builder_begin(struct builder *b, struct arena *a, xmlParserCtxtPtr ctxt, struct ns_slot *ns_slots, size_t bytes)
{
	b->arena = a;
	b->ctxt = ctxt;
	b->ns_slots = ns_slots;
	b->root = NULL;
	b->depth = 0;
	b->extra = WRITTEN_EXTRA(bytes);
	buf_clear(&b->text);
}

struct elem *builder_end(struct builder *b)
{
	if (b->depth || !b->root)
		fail(b, STREAM_NOT_WELL_FORMED, "not well-formed");
	if (b->text.cap > BUILDER_KEEP_BYTES)
		buf_fini(&b->text);
	b->arena = NULL;
	b->ctxt = NULL;
	return b->err.error == STREAM_ERROR_NONE ? b->root : NULL;
}
