/*
 * outlet.h: what carries a session's stanzas to its client: a stream on the session's worker (stream/c2s.h), or one on another node
 * (core/far.h). Embedded in its owner, which clears session->outlet when it goes.
 */
#ifndef NODE_CORE_OUTLET_H
#define NODE_CORE_OUTLET_H

#include "node/core/metrics.h"
#include "proto/addr/ip.h"
#include "proto/base/errors.h"
#include "proto/wire/stanza.h"

struct outlet;

/* For administrators. */
struct outlet_info {
	char ip[IP_TEXT_BYTES], tls[128], node[64]; /* tls: empty when there is none; node: empty when it is this one */
	uint16_t port;
	size_t queue_bytes;
	unsigned holds;
};

#define OUTLET_WORD (STANZA_IQ + 1) /* an element that is no stanza */

struct outlet_ops {
	/* Consumes nothing. One that cannot take more ends, but not inside this call. */
	void (*send)(struct outlet *o, const struct stanza *st);
	/* The same for what is bytes already: `kind`: enum stanza_kind, or OUTLET_WORD. For sessions that acknowledge (sm_session.h). */
	void (*send_wire)(struct outlet *o, unsigned kind, struct str bytes);
	/* Its later input waits until as many releases came. */
	void (*hold)(struct outlet *o);
	void (*release)(struct outlet *o);
	/* Not read for so long. */
	void (*pause)(struct outlet *o, uint32_t for_ms);
	/* Ends it, and with it the session. `extra`: an application-specific condition as bytes; may be absent. */
	void (*close)(struct outlet *o, enum stream_error e, struct str text, struct str extra);
	/* Its session, which acknowledges, goes on elsewhere: it ends with a conflict, without it. */
	void (*leave)(struct outlet *o);
	void (*describe)(const struct outlet *o, struct outlet_info *out);
	/* What the session would take with it to another node has changed. May be NULL. */
	void (*changed)(struct outlet *o);
};

struct outlet {
	const struct outlet_ops *ops;
	uint8_t transport; /* enum transport */
	bool secure;
	bool choked;       /* so much waits for its client that whoever sends it more is told so instead (stream/jam.h, router.c) */
};

#endif
