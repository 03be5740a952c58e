#include "proto/xml/parser.h"

#include <stdlib.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "proto/xml/names.h"
#include "proto/xml/writer.h"

/* When a context is renewed. A fresh dictionary has some 10 names, that of ordinary traffic a few hundred. */
#define RENEW_STANZAS    10000
#define RENEW_NAMES      4096
#define RENEW_DICT_BYTES (256 * 1024)
#define BIG_BYTES        (64 * 1024) /* libxml2's input buffer, and our text, keep the size they once had */
#define NS_SLOTS         32

const struct str PRELUDE_NONE = STR_INIT("<root>");
const struct str PRELUDE_CLIENT = STR_INIT("<root xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");

/* What a namespace pointer of this context's dictionary stands for. Such pointers are unique per URI and live as long as the context. */
struct ns_slot {
	const xmlChar *uri;
	struct str str;
	bool is_static;
};

struct context {
	char *key; /* the prelude; NULL: the slot is free */
	size_t key_len;
	xmlParserCtxtPtr ctxt;
	uint64_t last_used;
	unsigned stanzas;
	struct ns_slot ns[NS_SLOTS];
};

/* What the namespaces of one element may add to its bytes once the writer declares them where they are used. */
#define WRITTEN_EXTRA(n) (32 * 1024 + (long)(n))

struct open_elem {
	struct elem *elem;
	const xmlChar *uri;
	unsigned declared; /* from the root down to here, as the writer would */
};

struct xml_parser {
	unsigned max_idle;
	uint64_t clock; /* counts uses, for the least recently used */
	/* Of the parse in progress: */
	struct context *context;
	struct arena *arena; /* NULL while a context reads its prelude */
	struct elem *root;
	struct open_elem *open;
	size_t depth, open_cap;
	struct buf text;  /* since the last tag: libxml2 hands it over in pieces */
	unsigned declared; /* of the element being made */
	long extra;        /* left of WRITTEN_EXTRA */
	struct parse_error err;
	struct buf *prelude; /* of a stream header: its namespaces are collected here */
	struct str default_ns;
	struct context contexts[];
};

static void fail(struct xml_parser *p, enum stream_error error, const char *why)
{
	if (p->err.error == STREAM_ERROR_NONE)
		p->err = (struct parse_error){ error, why };
}

/* ---- SAX: building the tree ---- */

static struct str zstr(const xmlChar *z)
{
	return str_of((const char *)z);
}

static struct str ns_of(struct xml_parser *p, const xmlChar *uri)
{
	if (!uri)
		return STR_NONE;
	struct ns_slot *slot = &p->context->ns[((uintptr_t)uri >> 3) % NS_SLOTS];
	if (slot->uri != uri) {
		struct str s = zstr(uri), row = names_find(s);
		*slot = (struct ns_slot){ uri, str_present(row) ? row : s, str_present(row) };
	}
	return slot->is_static ? slot->str : arena_str(p->arena, slot->str);
}

/* One prefix declared far above may be used everywhere below, and the writer has to declare it everywhere: a long name used often would make
 * megabytes of kilobytes, for every recipient. */
static void count_declaration(struct xml_parser *p, struct str ns)
{
	p->declared++;
	p->extra -= (long)ns.len;
	if (p->declared > XML_MAX_NAMESPACES / 2 || p->extra < 0)
		fail(p, STREAM_POLICY_VIOLATION, "too many or too long namespaces");
}

static void flush_text(struct xml_parser *p)
{
	size_t n = p->text.len;
	if (!n)
		return;
	struct text *t = arena_alloc(p->arena, sizeof(*t) + n);
	char *data = memcpy(t + 1, p->text.p, n);
	*t = (struct text){ .node.kind = NODE_TEXT, .data = { data, n } };
	struct elem *e = p->open[p->depth - 1].elem;
	if (e->last_child)
		e->last_child->next = &t->node;
	else
		e->children = &t->node;
	e->last_child = &t->node;
	buf_clear(&p->text);
}

static void push(struct xml_parser *p, struct elem *e, const xmlChar *uri)
{
	if (p->depth == p->open_cap) { /* the scanner counted the depth already */
		p->open_cap = p->open_cap ? p->open_cap * 2 : 64;
		p->open = xrealloc(p->open, p->open_cap * sizeof(*p->open));
	}
	if (p->depth) {
		struct elem *parent = p->open[p->depth - 1].elem;
		if (parent->last_child)
			parent->last_child->next = &e->node;
		else
			parent->children = &e->node;
		parent->last_child = &e->node;
	} else {
		p->root = e;
	}
	p->open[p->depth++] = (struct open_elem){ e, uri, p->declared };
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
static struct elem *make_elem(struct xml_parser *p, struct str name, int n_attrs, const xmlChar **fields)
{
	size_t bytes = name.len;
	for (int i = 0; i < n_attrs; i++) {
		const xmlChar **f = fields + i * AT_FIELDS;
		bytes += strlen((const char *)f[AT_NAME]) + (size_t)(f[AT_END] - f[AT_VALUE]);
	}
	struct elem *e = arena_alloc(p->arena, sizeof(*e) + (size_t)n_attrs * sizeof(struct attr) + bytes);
	struct attr *attr = (struct attr *)(e + 1);
	char *at = (char *)(attr + n_attrs);
	*e = (struct elem){ .node.kind = NODE_ELEM, .name = place(&at, name.p, name.len) };
	for (int i = 0; i < n_attrs; i++, attr++) {
		const xmlChar **f = fields + i * AT_FIELDS;
		attr->name = place(&at, f[AT_NAME], strlen((const char *)f[AT_NAME]));
		attr->value = place(&at, f[AT_VALUE], (size_t)(f[AT_END] - f[AT_VALUE]));
		attr->ns = ns_of(p, f[AT_URI]);
		attr->next = i + 1 < n_attrs ? attr + 1 : NULL;
		if (str_present(attr->ns) && attr->ns.p != NS_XML.p)
			count_declaration(p, attr->ns);
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

static void collect_prelude(struct xml_parser *p, int n, const xmlChar **namespaces)
{
	const char *after = NULL;
	buf_addz(p->prelude, "<root");
	for (const xmlChar **ns; (ns = next_prefix(n, namespaces, after));) {
		after = ns[0] ? (const char *)ns[0] : "";
		buf_addz(p->prelude, *after ? " xmlns:" : " xmlns");
		buf_addz(p->prelude, after);
		buf_addz(p->prelude, "='");
		xml_escape_attr(p->prelude, zstr(ns[1]));
		buf_addz(p->prelude, "'");
		if (!*after)
			p->default_ns = ns_of(p, ns[1]);
	}
	buf_addz(p->prelude, ">");
	if (buf_status(p->prelude) != ERR_NONE)
		fail(p, STREAM_POLICY_VIOLATION, "too many namespaces declared in the stream header");
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
		     const xmlChar **namespaces, int n_attrs, int n_defaulted, const xmlChar **fields)
{
	struct xml_parser *p = arg;
	if (!p->arena || p->err.error != STREAM_ERROR_NONE)
		return;
	if (!p->depth && p->root) {
		fail(p, STREAM_NOT_WELL_FORMED, "more than one element");
		return;
	}
	if (p->context->ctxt->nsNr > 2 * XML_MAX_NAMESPACES) { /* it counts prefix and URI */
		fail(p, STREAM_POLICY_VIOLATION, "too many or too long namespaces");
		xmlStopParser(p->context->ctxt);
		return;
	}
	flush_text(p);
	struct open_elem *parent = p->depth ? &p->open[p->depth - 1] : NULL;
	p->declared = parent ? parent->declared : 0;
	struct elem *e = make_elem(p, zstr(name), n_attrs, fields);
	if (parent && parent->uri == uri) {
		e->ns = parent->elem->ns;
	} else {
		e->ns = ns_of(p, uri);
		count_declaration(p, e->ns);
	}
	if (p->err.error != STREAM_ERROR_NONE) {
		xmlStopParser(p->context->ctxt);
		return;
	}
	if (p->prelude && !p->depth)
		collect_prelude(p, n_namespaces, namespaces);
	push(p, e, uri);
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct xml_parser *p = arg;
	if (!p->arena || p->err.error != STREAM_ERROR_NONE || !p->depth)
		return;
	flush_text(p);
	p->depth--;
}

static void on_text(void *arg, const xmlChar *text, int len)
{
	struct xml_parser *p = arg;
	if (p->arena && p->err.error == STREAM_ERROR_NONE && p->depth)
		buf_add(&p->text, text, (size_t)len);
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
	struct xml_parser *p = arg;
	if (e->level == XML_ERR_WARNING || e->code == XML_WAR_NS_URI) /* a namespace name need not be a URI to tell apart */
		return;
	switch (e->code) {
	case XML_NS_ERR_UNDEFINED_NAMESPACE:
		fail(p, STREAM_BAD_NAMESPACE_PREFIX, "prefix that is not declared");
		break;
	case XML_ERR_UNDECLARED_ENTITY:
	case XML_WAR_UNDECLARED_ENTITY:
		fail(p, STREAM_RESTRICTED_XML, "entity other than the predefined");
		break;
	case XML_ERR_NAME_TOO_LONG:
		fail(p, STREAM_POLICY_VIOLATION, "name too long");
		break;
	default:
		fail(p, STREAM_NOT_WELL_FORMED, "not well-formed");
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

/* ---- contexts ---- */

static void context_close(struct context *c)
{
	xmlFreeParserCtxt(c->ctxt);
	free(c->key);
	*c = (struct context){ 0 };
}

static void context_open(struct xml_parser *p, struct context *c, struct str prelude)
{
	static const xmlSAXHandler handler = {
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
	*c = (struct context){ .key_len = prelude.len };
	c->key = memcpy(xmalloc(prelude.len), prelude.p, prelude.len);
	c->ctxt = xmlCreatePushParserCtxt((xmlSAXHandler *)&handler, p, NULL, 0, NULL);
	BUG_ON(!c->ctxt); /* out of memory */
	/* NOENT, or attribute values arrive with "&#38;" for "&amp;". There is nothing to expand: declarations are refused, and no handler
	 * looks entities up. */
	xmlCtxtUseOptions(c->ctxt, XML_PARSE_NONET | XML_PARSE_NOENT);
	p->arena = NULL;
	xmlParseChunk(c->ctxt, prelude.p, (int)prelude.len, 0); /* an error would be the element's */
}

static struct context *context_for(struct xml_parser *p, struct str prelude)
{
	struct context *oldest = p->contexts;
	for (struct context *c = p->contexts; c < p->contexts + p->max_idle; c++) {
		if (c->key && str_eq(str_span(c->key, c->key_len), prelude)) {
			c->last_used = ++p->clock;
			return c;
		}
		if (c->last_used < oldest->last_used)
			oldest = c;
	}
	if (oldest->key)
		context_close(oldest);
	context_open(p, oldest, prelude);
	oldest->last_used = ++p->clock;
	return oldest;
}

static bool is_worn(struct context *c, size_t bytes)
{
	xmlDictPtr dict = c->ctxt->dict;
	return ++c->stanzas >= RENEW_STANZAS || bytes > BIG_BYTES || xmlDictSize(dict) > RENEW_NAMES || xmlDictGetUsage(dict) > RENEW_DICT_BYTES;
}

/* ---- parsing ---- */

struct elem *xml_parser_element(struct xml_parser *p, struct str prelude, struct str bytes, struct arena *a, struct parse_error *err)
{
	p->err = (struct parse_error){ STREAM_ERROR_NONE, NULL };
	struct context *c = p->context = context_for(p, prelude);
	p->arena = a;
	p->root = NULL;
	p->depth = 0;
	p->extra = WRITTEN_EXTRA(bytes.len);
	buf_clear(&p->text);
	xmlParseChunk(c->ctxt, bytes.p, (int)bytes.len, 0);
	if (c->ctxt->disableSAX || p->depth || !p->root || c->ctxt->nameNr != 1 || c->ctxt->input->cur != c->ctxt->input->end)
		fail(p, STREAM_NOT_WELL_FORMED, "not well-formed");
	if (p->err.error != STREAM_ERROR_NONE || is_worn(c, bytes.len))
		context_close(c);
	if (bytes.len > BIG_BYTES)
		buf_fini(&p->text);
	p->context = NULL;
	p->arena = NULL;
	*err = p->err;
	return p->err.error == STREAM_ERROR_NONE ? p->root : NULL;
}

struct elem *xml_parser_header(struct xml_parser *p, struct str bytes, struct arena *a, struct buf *prelude, struct str *default_ns,
			       struct parse_error *err)
{
	struct buf closed;
	size_t len = bytes.len - 1;
	if (bytes.p[len - 1] == '/')
		len--;
	buf_init(&closed, len + 2);
	buf_add(&closed, bytes.p, len);
	buf_addz(&closed, "/>");
	p->prelude = prelude;
	p->default_ns = STR_NONE;
	struct elem *root = xml_parser_element(p, PRELUDE_NONE, buf_str(&closed), a, err);
	p->prelude = NULL;
	buf_fini(&closed);
	*default_ns = p->default_ns;
	return root;
}

struct xml_parser *xml_parser_new(unsigned max_idle)
{
	if (max_idle < 2)
		max_idle = 2;
	struct xml_parser *p = xzalloc(sizeof(*p) + max_idle * sizeof(struct context));
	p->max_idle = max_idle;
	buf_init(&p->text, XML_MAX_BYTES);
	xmlInitParser();
	return p;
}

void xml_parser_free(struct xml_parser *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->max_idle; i++)
		if (p->contexts[i].key)
			context_close(&p->contexts[i]);
	buf_fini(&p->text);
	free(p->open);
	free(p);
}
