/*
 * conn_wire.h: how a conn writes to its socket, and how TLS reads from and writes to it, in place of OpenSSL's own socket BIO, which knows
 * nothing of passes.
 *
 * A read that took less than it had room for has emptied the socket: in that pass nobody asks again. A session ticket is nothing that a
 * client waits for: the kernel is told that more follows, so that it leaves in one packet with the answer to the client's stream header,
 * or alone a fifth of a second later. So with what is said at the end: it leaves with our FIN.
 */
#ifndef NODE_NET_CONN_WIRE_H
#define NODE_NET_CONN_WIRE_H

#include "node/net/conn.h"

/* Of a send(2) of what this conn writes now. */
int conn_wire_flags(const struct conn *c);
/* Before the handshake. The conn lives longer than the SSL. */
void conn_wire_attach(struct conn *c, SSL *ssl);

#endif
