/*
 * early.h: an IQ request on a stream that has not logged in (XEP-0077 section 3.1), offered to the modules' early_iq hooks where a login
 * would be allowed as well: on TLS, or where the operator permits to go without. A handler answers with early_send, with a negative
 * verdict, or with HOLD and early_finish later; the stream is not read meanwhile. What no module takes ends the stream, as RFC 6120
 * section 8.1.2 wants.
 */
#ifndef NODE_CORE_EARLY_H
#define NODE_CORE_EARLY_H

#include "node/core/module.h"
#include "proto/addr/ip.h"

struct c2s;

struct early {
	struct node_worker *nw;
	struct host *host;
	struct c2s *stream;      /* NULL in a held one: the client is gone */
	struct stanza *stanza;   /* without `from` */
	const struct elem *payload;
	struct ip peer;
};

/* Consumes the reply. */
void early_send(struct early *e, struct stanza *reply);
/* For HOLD: a copy that outlives the handler. One at a time in a stream. End it with early_finish. */
struct early *early_hold(struct early *e);
/* Sends the reply (consumed), or the error with its text if reply is NULL, and frees the held one. */
void early_finish(struct early *held, struct stanza *reply, enum stanza_error error, struct str text);

#endif
