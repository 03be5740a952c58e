/*
 * request.h: bytes to HTTP/1.1 requests (RFC 9112). It knows no sockets: whoever has the bytes feeds them, the stats endpoint and any later
 * user of HTTP alike. http-parser does the parsing and appears in request.c only, so that another parser can take its place there.
 *
 * A reader gives one request at a time: it stays valid until request_next is called again, and bytes behind it are left to the caller.
 * Ceilings: the head (request line and fields) and the body have as many bytes as `struct request_limits` says; what is longer is
 * refused with its own status. Of the fields only those in `struct request` are kept.
 * After REQUEST_BAD a reader is of no more use: where the next request would begin is not known.
 */
#ifndef NODE_HTTP_REQUEST_H
#define NODE_HTTP_REQUEST_H

#include "proto/base/buf.h"

enum request_method { REQUEST_GET = 1, REQUEST_HEAD = 2, REQUEST_POST = 4, REQUEST_OTHER = 8 };

struct request_limits {
	uint32_t head, body;
};

struct request {
	enum request_method method;
	struct str path, query; /* as sent, not decoded; query is absent without a '?' */
	struct str accept, authorization, content_type, origin; /* absent when not sent; of several the last */
	struct str body;
	bool keep_alive;        /* the peer wants, and may have, another request on this connection */
};

enum request_event {
	REQUEST_MORE,  /* all input was taken, and more is needed */
	REQUEST_READY,
	REQUEST_BAD    /* answer with the status, then close */
};

struct request_reader;

struct request_reader *request_reader_new(struct request_limits limits);
void request_reader_free(struct request_reader *r);
/* Takes bytes from the front of *input. *status is set with REQUEST_BAD: 400, 413, 431 or 501. */
enum request_event request_next(struct request_reader *r, struct str *input, struct request *out, unsigned *status);
/* True between requests: nothing of the next one has come. */
bool request_is_idle(const struct request_reader *r);

#endif
