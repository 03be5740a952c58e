/*
 * builder.h: libxml2's SAX2 callbacks, as they build one tree. Private to proto/xml.
 *
 * Everything is copied: an element, its attributes and their bytes in one allocation, text once its end is known, namespaces as the static
 * rows of names.h where they are one. The first error is kept, and nothing is built after it.
 */
#ifndef PROTO_XML_BUILDER_H
#define PROTO_XML_BUILDER_H

#include <libxml/parser.h>

#include "proto/xml/parser.h"

/* The text buffer is kept from one parse to the next unless it grew past this. */
#define BUILDER_KEEP_BYTES (64 * 1024)
#define NS_SLOTS           32

/* What a namespace pointer of a context's dictionary stands for. Such pointers are unique per URI and live as long as the context. */
struct ns_slot {
	const xmlChar *uri;
	struct str str;
	bool is_static;
};

struct open_elem;

struct builder {
	struct arena *arena; /* NULL while a context reads its prelude: nothing is built */
	xmlParserCtxtPtr ctxt;
	struct ns_slot *ns_slots; /* NS_SLOTS, of the context */
	struct elem *root;
	struct open_elem *open;
	size_t depth, open_cap;
	struct buf text;     /* since the last tag: libxml2 hands it over in pieces */
	unsigned declared;   /* of the element being made */
	long extra;          /* bytes that namespaces may still add where the tree is written */
	struct buf *prelude; /* of a stream header: its namespaces are collected here; else NULL */
	struct str default_ns;
	struct parse_error err;
};

/* The user data is a struct builder. */
extern const xmlSAXHandler builder_sax;

void builder_init(struct builder *b);
void builder_fini(struct builder *b);
/* The next element that `ctxt` parses, of so many bytes, is built in the arena. The caller clears err before, and sets prelude. */
void builder_begin(struct builder *b, struct arena *a, xmlParserCtxtPtr ctxt, struct ns_slot *ns_slots, size_t bytes);
/* The root, complete; or NULL with err set. */
struct elem *builder_end(struct builder *b);

#endif
