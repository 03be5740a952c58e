/*
 * scanner.h: where one top-level element ends. Private to proto/xml.
 *
 * It knows just enough of XML to cut: tags, quotes, CDATA, self-closing; it counts bytes, depth, attributes and elements, refuses what
 * RFC 6120 section 11.1 restricts, and checks every byte it hands on to be UTF-8 without forbidden control characters. An end tag of
 * another name than its start is refused where it stands, for the element might never be complete. What names may be made of, entities
 * and namespaces are left to libxml2, which sees only what is complete.
 *
 * Invariant: what it answers depends on the bytes, not on how they were split: the first offence in byte order is the one reported, and
 * each byte is looked at a constant number of times.
 */
#ifndef PROTO_XML_SCANNER_H
#define PROTO_XML_SCANNER_H

#include "proto/base/errors.h"
#include "proto/xml/reader.h"

#define SCAN_NEAR 8 /* levels whose names are found without memory of their own */

/* Owns memory while an element nests deeper than SCAN_NEAR. */
struct scanner {
	uint8_t state, quote, matched;
	uint8_t need, lo, hi; /* of an unfinished UTF-8 sequence: bytes to come, bounds of the next */
	bool in_stream;       /* past the stream header */
	bool fresh;           /* nothing but a BOM came: an XML declaration may */
	bool self_closed;     /* the stream header was; its close comes next */
	uint32_t bytes, depth, attrs, elements;
	uint32_t cursor;          /* while in an end tag's name: the byte of the element to compare with */
	uint32_t near[SCAN_NEAR]; /* at which byte the names of open elements begin, outermost first */
	uint32_t *deep;           /* of those nested deeper */
	uint32_t deep_cap;
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
/* Frees its memory; the scanner must be reset before it runs again. */
void scanner_fini(struct scanner *s);
/* `kept`: the bytes of the unfinished element that earlier runs took, joined. */
void scanner_run(struct scanner *s, const struct xml_limits *limits, struct str kept, struct str in, struct scan *out);

#endif
