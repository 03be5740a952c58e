/*
 * scanner.h: where one top-level element ends. Private to proto/xml.
 *
 * It knows just enough of XML to cut: tags, quotes, CDATA, self-closing; it counts bytes, depth, attributes and elements, refuses what
 * RFC 6120 section 11.1 restricts, and checks every byte it hands on to be UTF-8 without forbidden control characters. Names, matching
 * tags, entities and namespaces are left to libxml2, which sees only what is complete.
 *
 * Invariant: what it answers depends on the bytes, not on how they were split: the first offence in byte order is the one reported, and
 * each byte is looked at a constant number of times.
 */
#ifndef PROTO_XML_SCANNER_H
#define PROTO_XML_SCANNER_H

#include "proto/base/errors.h"
#include "proto/xml/reader.h"

struct scanner {
	uint8_t state, quote, matched;
	uint8_t need, lo, hi; /* of an unfinished UTF-8 sequence: bytes to come, bounds of the next */
	bool in_stream;       /* past the stream header */
	bool fresh;           /* nothing but a BOM came: an XML declaration may */
	bool self_closed;     /* the stream header was; its close comes next */
	uint32_t bytes, depth, attrs, elements;
};

enum scan_result {
	SCAN_MORE,
	SCAN_DECLARATION, /* <?xml ... > */
	SCAN_HEADER,      /* the root's open tag */
	SCAN_ELEMENT,
	SCAN_CLOSE,       /* the root's end tag, or nothing after a self-closed root */
	SCAN_REFUSED
};

struct scan {
	enum scan_result result;
	size_t skipped, used; /* bytes in[skipped..used) belong to the element; the rest is not yet looked at */
	enum stream_error error;
	const char *why;
};

/* An XML declaration has fewer bytes than this after its "<?". */
#define SCAN_DECLARATION_MAX 200

/* A zeroed scanner is at the start of a stream, too. */
void scanner_reset(struct scanner *s);
void scanner_run(struct scanner *s, const struct xml_limits *limits, struct str in, struct scan *out);

#endif
