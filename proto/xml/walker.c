#include "proto/xml/walker.h"

#include <libxml/xmlreader.h>
#include <stdlib.h>

#include "proto/base/err.h"

struct xml_walker {
	xmlTextReaderPtr reader;
	long (*read)(void *arg, char *out, size_t n);
	void *arg;
	const char *why;   /* NULL: not broken */
	bool pending_close; /* the last OPEN was an empty tag: its CLOSE comes from us */
};

static int on_read(void *context, char *out, int n)
{
	struct xml_walker *w = context;
	long got = w->read(w->arg, out, (size_t)n);
	return got < 0 ? -1 : (int)got;
}

static void on_error(void *arg, const char *msg, xmlParserSeverities severity, xmlTextReaderLocatorPtr locator)
{
	(void)arg, (void)msg, (void)severity, (void)locator; /* quiet: xml_walker_why tells */
}

struct xml_walker *xml_walker_new(long (*read)(void *arg, char *out, size_t n), void *arg)
{
	struct xml_walker *w = xzalloc(sizeof *w);
	w->read = read;
	w->arg = arg;
	w->reader = xmlReaderForIO(on_read, NULL, w, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOCDATA);
	if (!w->reader) {
		free(w);
		return NULL;
	}
	xmlTextReaderSetErrorHandler(w->reader, on_error, NULL);
	return w;
}

void xml_walker_free(struct xml_walker *w)
{
	if (!w)
		return;
	xmlFreeTextReader(w->reader);
	free(w);
}

const char *xml_walker_why(const struct xml_walker *w)
{
	return w->why ? w->why : "nothing";
}

unsigned xml_walker_line(const struct xml_walker *w)
{
	int line = xmlTextReaderGetParserLineNumber(w->reader);
	return line > 0 ? (unsigned)line : 1;
}

static struct str copy(struct arena *a, const xmlChar *text)
{
	return text ? arena_str(a, str_of((const char *)text)) : STR_NONE;
}

static struct elem *read_tag(struct xml_walker *w, struct arena *a)
{
	xmlTextReaderPtr r = w->reader;
	struct elem *e = elem_new(a, copy(a, xmlTextReaderConstNamespaceUri(r)), copy(a, xmlTextReaderConstLocalName(r)));
	while (xmlTextReaderMoveToNextAttribute(r) == 1)
		if (!xmlTextReaderIsNamespaceDecl(r))
			elem_set_ns(a, e, copy(a, xmlTextReaderConstNamespaceUri(r)), copy(a, xmlTextReaderConstLocalName(r)),
				    copy(a, xmlTextReaderConstValue(r)));
	xmlTextReaderMoveToElement(r);
	return e;
}

/* The next node that means something; its type, 0 at the end, -1 broken. */
static int step(struct xml_walker *w)
{
	while (!w->why) {
		int got = xmlTextReaderRead(w->reader);
		if (got == 0)
			return 0;
		if (got < 0) {
			w->why = "not well-formed";
			break;
		}
		int type = xmlTextReaderNodeType(w->reader);
		if (type == XML_READER_TYPE_DOCUMENT_TYPE || type == XML_READER_TYPE_ENTITY_REFERENCE)
			w->why = "a document type or an entity of its own";
		else if (type != XML_READER_TYPE_COMMENT && type != XML_READER_TYPE_PROCESSING_INSTRUCTION)
			return type;
	}
	return -1;
}

enum walk xml_walker_next(struct xml_walker *w, struct arena *a, struct elem **e)
{
	int type;
	*e = NULL;
	if (w->pending_close) {
		w->pending_close = false;
		return WALK_CLOSE;
	}
	while ((type = step(w)) > 0) {
		if (type == XML_READER_TYPE_END_ELEMENT)
			return WALK_CLOSE;
		if (type != XML_READER_TYPE_ELEMENT)
			continue;
		w->pending_close = xmlTextReaderIsEmptyElement(w->reader) == 1;
		*e = read_tag(w, a);
		return WALK_OPEN;
	}
	return type == 0 ? WALK_END : WALK_BROKEN;
}

static bool is_text(int type)
{
	return type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA || type == XML_READER_TYPE_WHITESPACE ||
	       type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE;
}

/* Goes through the rest of an element. `e` NULL: passes over it. */
static bool rest(struct xml_walker *w, struct arena *a, struct elem *e)
{
	struct elem *open[WALKER_DEPTH_MAX] = { e };
	unsigned depth = 1;
	if (w->pending_close) {
		w->pending_close = false;
		return true;
	}
	while (depth) {
		int type = step(w);
		if (type <= 0) {
			w->why = w->why ? w->why : "not well-formed";
			return false;
		}
		if (e && arena_bytes(a) > WALKER_ELEMENT_MAX) {
			w->why = "an element is too long";
			return false;
		}
		if (type == XML_READER_TYPE_END_ELEMENT) {
			depth--;
		} else if (is_text(type) && e) {
			elem_append_text(a, open[depth - 1], copy(a, xmlTextReaderConstValue(w->reader)));
		} else if (type == XML_READER_TYPE_ELEMENT) {
			bool empty = xmlTextReaderIsEmptyElement(w->reader) == 1;
			struct elem *child = e ? read_tag(w, a) : NULL;
			if (child)
				elem_append(a, open[depth - 1], child);
			if (!empty && depth == WALKER_DEPTH_MAX) {
				w->why = "elements are nested too deeply";
				return false;
			}
			if (!empty)
				open[depth++] = child;
		}
	}
	return true;
}

bool xml_walker_take(struct xml_walker *w, struct arena *a, struct elem *e)
{
	return rest(w, a, e);
}

bool xml_walker_skip(struct xml_walker *w)
{
	return rest(w, NULL, NULL);
}
