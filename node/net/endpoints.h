/*
 * endpoints.h: from the configuration to sockets and certificates: the rows of `listen:` and `tls:`, and what is made of them.
 */
#ifndef NODE_NET_ENDPOINTS_H
#define NODE_NET_ENDPOINTS_H

#include "node/core/node.h"
#include "node/net/listener.h"
#include "node/net/tls.h"

void endpoints_register(struct config_schema *s);
/* Fills n->listens and binds them. A text in `why` on failure. */
MUST_CHECK enum err endpoints_listen(struct node *n, struct buf *why);
/* Loads the certificates that the configuration names. NULL with a text in `why` on failure; `old` as in tls_config_load. */
struct tls_config *endpoints_tls(const struct node *n, const struct config *c, const struct tls_config *old, struct buf *why);

#endif
