/*
 * parser.h: complete elements to trees, by libxml2. Private to proto/xml; struct xml_parser itself is declared in reader.h.
 *
 * A parser keeps a few libxml2 push contexts, each opened once with a root that declares a stream's namespaces (its *prelude*), and feeds
 * it whole elements, which thus see the prefixes of the stream header. The result points into the arena and static names only, never into
 * libxml2's memory. A context dies at the first error, when its depth is not back at 1, and on a schedule (its dictionary never shrinks).
 */
#ifndef PROTO_XML_PARSER_H
#define PROTO_XML_PARSER_H

#include "proto/xml/reader.h"

struct parse_error {
	enum stream_error error; /* STREAM_ERROR_NONE: none */
	const char *why;
};

/* The prelude of usual client streams, and of headers themselves. */
extern const struct str PRELUDE_CLIENT, PRELUDE_NONE;

/* Parses one complete element inside `prelude` into the arena; NULL and *err if it is refused. */
struct elem *xml_parser_element(struct xml_parser *p, struct str prelude, struct str bytes, struct arena *a, struct parse_error *err);
/* Parses a stream header (the open tag alone, or self-closed). `prelude` takes the prelude of its stanzas; at most its ceiling, else
 * refused. */
struct elem *xml_parser_header(struct xml_parser *p, struct str bytes, struct arena *a, struct buf *prelude, struct str *default_ns,
			       struct parse_error *err);

#endif
