/*
 * reader.h: bytes of an XMPP stream to frozen stanzas.
 *
 * Two parts. A `struct xml_reader` belongs to one stream and is small: the scanner's state and, while an element is incomplete, its
 * bytes so far. A `struct xml_parser` belongs to one worker and is big: pooled libxml2 push contexts, each opened with a stream header so
 * that it stands at depth 1 between stanzas. An idle stream holds no parser and no buffer.
 *
 * The scanner cuts one complete top-level element (tags, quotes, CDATA, self-closing) in any split of input, and refuses: comments,
 * processing instructions, DTD and entity declarations (restricted-xml), undeclared entities (restricted-xml: RFC 6120 section 11.1
 * allows the five predefined only), a prefix that is not declared (bad-namespace-prefix), wrong encodings and invalid UTF-8
 * (unsupported-encoding: RFC 6120 section 4.9.3.22 names both), everything else ill-formed (not-well-formed), text other than white space
 * between stanzas (bad-format), ceilings (policy-violation). An XML declaration may stand at the very start of a stream only, after a BOM
 * at most. Then libxml2 parses it; a context whose depth is not back at 1 is thrown away and the stream refused; contexts are renewed on
 * a schedule.
 *
 * Invariant: what comes out depends on the bytes, not on how they were split. Bytes after an element that is refused, or after the stream's
 * close, are never looked at.
 */
#ifndef PROTO_XML_READER_H
#define PROTO_XML_READER_H

#include "proto/base/buf.h"
#include "proto/base/errors.h"
#include "proto/xml/elem.h"

/* libxml2 refuses single texts above 10 MB; a reader takes a larger max_bytes for this. */
#define XML_MAX_BYTES (8u << 20)
/* Declarations in force at one place, the stream header's included: libxml2 looks each prefix up in all of them. And half as many where
 * the tree is written, which declares namespaces where they are used; that may add at most 32 KiB and once more the stanza's bytes.
 * Refused past either: policy-violation. */
#define XML_MAX_NAMESPACES 256

struct xml_limits {
	uint32_t max_bytes;    /* of one top-level element or the stream header, without white space before it; never more is buffered */
	uint32_t max_depth;    /* a stanza without children has depth 1 */
	uint32_t max_attrs;    /* of one element, namespace declarations included */
	uint32_t max_elements; /* of one stanza */
};

enum xml_event {
	XML_MORE,         /* all input taken, nothing complete */
	XML_STREAM_OPEN,  /* item.root is the stream's root element with its attributes and no children */
	XML_STANZA,       /* item.root is a complete first-level element */
	XML_STREAM_CLOSE, /* </stream:stream> */
	XML_REFUSED       /* item.error and item.why; the reader takes no more and says so again if asked */
};

struct xml_item {
	struct arena *arena; /* owns root; the caller's after OPEN and STANZA, else NULL */
	struct elem *root;
	struct str default_ns; /* XML_STREAM_OPEN: what xmlns means inside the stream, absent if undeclared; in the arena or static */
	uint32_t bytes;        /* that the element took on the wire */
	enum stream_error error;
	const char *why; /* a literal for the log and the error's text */
};

struct xml_parser;
struct xml_reader;

/* One per worker. Streams whose headers declare the same namespaces share a context; the `max_idle` last used are kept (at least 2: one
 * that reads stream headers, one for all usual client streams). A context takes about 20 KiB. */
struct xml_parser *xml_parser_new(unsigned max_idle);
void xml_parser_free(struct xml_parser *p);

/* One per stream; limits are copied and may be changed later (after authentication). */
struct xml_reader *xml_reader_new(const struct xml_limits *limits);
void xml_reader_free(struct xml_reader *r);
void xml_reader_set_limits(struct xml_reader *r, const struct xml_limits *limits);
/* After STARTTLS and SASL: the next thing must be a stream header again. Bytes not yet taken are the caller's to drop. */
void xml_reader_restart(struct xml_reader *r);
/* Takes bytes from the front of *input until something is complete; cuts what it took. Call again while it does not answer XML_MORE, with
 * an empty *input, too: <stream:stream/> is two events. What is complete inside *input is parsed in place; only an unfinished element is
 * copied. White space between stanzas (keepalive) is taken silently, and so is all that follows XML_STREAM_CLOSE. */
enum xml_event xml_reader_next(struct xml_reader *r, struct xml_parser *p, struct str *input, struct xml_item *item);
/* Heap bytes that this stream's reader holds now (its struct and its unfinished element). */
size_t xml_reader_bytes(const struct xml_reader *r);

#endif
