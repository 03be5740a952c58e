/*
 * stores.h: the stores of a node, as its options say: one for accounts, and one in memory for anonymous hosts.
 */
#ifndef NODE_CORE_STORES_H
#define NODE_CORE_STORES_H

#include "node/core/node.h"

/* The option rows of `store` and `store.postgres`. */
void stores_register(struct config_schema *s);
/* Opens what is needed and gives each host its own. `on_give_up` is called on the main thread when a server that was away at the start did
 * not come: the node is of no use then. */
MUST_CHECK enum err stores_start(struct node *n, void (*on_give_up)(struct node *n), struct buf *why);
void stores_close(struct node *n);

#endif
