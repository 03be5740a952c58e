/*
 * iq.h: IQ requests that the server answers, for itself or on behalf of an account: finds the module's handler, turns its verdict into
 * a reply.
 */
#ifndef NODE_CORE_IQ_H
#define NODE_CORE_IQ_H

#include "node/core/router.h"

/* Consumes st; u is NULL when the service itself is asked. Results and errors that come here are nobody's: dropped. */
void iq_arrived(struct node_worker *nw, struct host *h, struct user *u, struct stanza *st);

#endif
