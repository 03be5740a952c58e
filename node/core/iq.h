/*
 * iq.h: IQ requests that the server answers, for itself or on behalf of an account: finds the module's handler, turns its verdict into
 * a reply.
 */
#ifndef NODE_CORE_IQ_H
#define NODE_CORE_IQ_H

#include "node/core/router.h"

/* Consumes st; u is NULL when the service itself is asked. Results and errors that come here are nobody's: dropped. */
void iq_arrived(struct node_worker *nw, struct host *h, struct user *u, struct stanza *st);

/* What a client may still say of its stream once it is bound: the legacy session request (a no-op), and a second binding (refused: one
 * stream, one resource). The answer, which is yours; NULL: it is none of these. st is borrowed. */
struct stanza *iq_answer_of_stream(const struct host *h, struct stanza *st);

#endif
