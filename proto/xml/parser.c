#include "proto/xml/parser.h"

#include <stdlib.h>

#include <libxml/parser.h>

#include "proto/xml/builder.h"

/* When a context is renewed. A fresh dictionary has some 10 names, that of ordinary traffic a few hundred. */
#define RENEW_STANZAS    10000
#define RENEW_NAMES      4096
#define RENEW_DICT_BYTES (256 * 1024)
#define BIG_BYTES        (64 * 1024) /* libxml2's input buffer keeps the size it once had */

const struct str PRELUDE_NONE = STR_INIT("<root>"); /* libxml2 waits for a fourth byte before it begins */
const struct str PRELUDE_CLIENT = STR_INIT("<root xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");

struct context {
	char *key; /* the prelude; NULL: the slot is free */
	size_t key_len;
	xmlParserCtxtPtr ctxt;
	uint64_t last_used;
	unsigned stanzas;
	struct ns_slot ns[NS_SLOTS];
};

struct xml_parser {
	unsigned max_idle;
	uint64_t clock; /* counts uses, for the least recently used */
	struct builder builder;
	struct context contexts[];
};

/* ---- contexts ---- */

static void context_close(struct context *c)
{
	xmlFreeParserCtxt(c->ctxt);
	free(c->key);
	*c = (struct context){ 0 };
}

static void context_open(struct xml_parser *p, struct context *c, struct str prelude)
{
	*c = (struct context){ .key_len = prelude.len };
	c->key = memcpy(xmalloc(prelude.len), prelude.p, prelude.len);
	c->ctxt = xmlCreatePushParserCtxt((xmlSAXHandler *)&builder_sax, &p->builder, NULL, 0, NULL);
	BUG_ON(!c->ctxt); /* out of memory */
	/* NOENT, or attribute values arrive with "&#38;" for "&amp;". There is nothing to expand: declarations are refused, and no handler
	 * looks entities up. */
	xmlCtxtUseOptions(c->ctxt, XML_PARSE_NONET | XML_PARSE_NOENT);
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
	return ++c->stanzas >= RENEW_STANZAS || bytes > BIG_BYTES || xmlDictSize(dict) > RENEW_NAMES ||
	       xmlDictGetUsage(dict) > RENEW_DICT_BYTES;
}

/* ---- parsing ---- */

struct elem *xml_parser_element(struct xml_parser *p, struct str prelude, struct str bytes, struct arena *a, struct parse_error *err)
{
	struct builder *b = &p->builder;
	b->err = (struct parse_error){ STREAM_ERROR_NONE, NULL };
	struct context *c = context_for(p, prelude);
	builder_begin(b, a, c->ctxt, c->ns, bytes.len);
	xmlParseChunk(c->ctxt, bytes.p, (int)bytes.len, 0);
	bool at_rest = !c->ctxt->disableSAX && c->ctxt->nameNr == 1 && c->ctxt->input->cur == c->ctxt->input->end;
	struct elem *root = builder_end(b);
	if (root && !at_rest) {
		b->err = (struct parse_error){ STREAM_NOT_WELL_FORMED, "not well-formed" };
		root = NULL;
	}
	if (!root || is_worn(c, bytes.len))
		context_close(c);
	*err = b->err;
	return root;
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
	p->builder.prelude = prelude;
	p->builder.default_ns = STR_NONE;
	struct elem *root = xml_parser_element(p, PRELUDE_NONE, buf_str(&closed), a, err);
	p->builder.prelude = NULL;
	buf_fini(&closed);
	*default_ns = p->builder.default_ns;
	return root;
}

struct xml_parser *xml_parser_new(unsigned max_idle)
{
	if (max_idle < 2)
		max_idle = 2;
	struct xml_parser *p = xzalloc(sizeof(*p) + max_idle * sizeof(struct context));
	p->max_idle = max_idle;
	builder_init(&p->builder);
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
	builder_fini(&p->builder);
	free(p);
}
