/*
 * stream.h: the words of stream negotiation (RFC 6120 section 4): headers, errors, ends, as bytes ready for the wire.
 * Pure: what to say is decided by node/stream.
 */
#ifndef PROTO_WIRE_STREAM_H
#define PROTO_WIRE_STREAM_H

#include "proto/addr/jid.h"
#include "proto/base/buf.h"
#include "proto/base/errors.h"
#include "proto/xml/elem.h"

/* What a peer said in its stream header. Addresses and lang live in the arena given. */
struct stream_open {
	struct jid to, from; /* absent when not given */
	struct str lang;     /* xml:lang, absent when not given or longer than 35 bytes */
	unsigned major, minor;
};

/* Reads the root element of a stream. STREAM_INVALID_NAMESPACE: wrong streams or content namespace; STREAM_BAD_FORMAT: another name;
 * STREAM_UNSUPPORTED_VERSION: no version, one below 1.0, or a malformed one; STREAM_HOST_UNKNOWN: a malformed to;
 * STREAM_IMPROPER_ADDRESSING: a malformed from. *out holds what could be read in each case, so that the answer's header can be
 * addressed. */
enum stream_error stream_open_read(struct arena *a, const struct elem *root, struct str default_ns, struct str content_ns,
				   struct stream_open *out);

/* <?xml version='1.0'?><stream:stream ...>: each of from, to, id, lang may be absent. */
void stream_header_write(struct buf *out, struct str content_ns, struct str from, struct str to, struct str id, struct str lang);
/* <stream:error>...</stream:error></stream:stream>; text may be absent, and so may `extra`: an application-specific condition, as bytes. */
void stream_error_write(struct buf *out, enum stream_error e, struct str text, struct str extra);
void stream_close_write(struct buf *out);

#endif
