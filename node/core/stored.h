/*
 * stored.h: XML elements as values of the store, and what its errors mean to whoever asked.
 */
#ifndef NODE_CORE_STORED_H
#define NODE_CORE_STORED_H

#include "node/core/module.h"

/* Bytes of an element, in the arena, for stored_read. ERR_LIMIT when they are more than max_bytes. */
MUST_CHECK enum err stored_write(struct arena *a, const struct elem *e, size_t max_bytes, struct str *out);
/* A tree in the arena; NULL, and an error in the log, when what is stored is broken. `what` is a literal for the log. */
struct elem *stored_read(struct node_worker *nw, struct arena *a, struct str value, const char *what);
/* A first step for writes on behalf of an account: if it is gone, the op fails with ERR_NOT_FOUND and nothing is written. Guests of an
 * anonymous host have no account: for them it adds nothing. */
void stored_if_account(struct store_op *op, const struct host *h);
/* ERR_NOT_FOUND: item-not-found; ERR_LIMIT: resource-constraint; what is our own fault: internal-server-error. */
enum stanza_error stored_error(enum err err);

#endif
