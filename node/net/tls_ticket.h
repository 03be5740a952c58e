/*
 * tls_ticket.h: the keys of session tickets (RFC 5077, RFC 8446 section 4.6.1): a new one every TLS_TICKET_ROTATE_MS, old ones kept until
 * the last ticket under them has ended. One set for all contexts, workers and reloads of a process; it locks for itself.
 *
 * A node alone has random keys. Nodes of a cluster derive theirs from what they share and from the wall clock, so that a client resumes at
 * whichever node a balancer sends it to: in each span of TLS_TICKET_ROTATE_MS all have the same key; a node whose clock is behind knows
 * the next one already. Such keys can be made again later by whoever gets hold of the secret. TLS 1.3 has forward secrecy nevertheless:
 * a resumed handshake has a key exchange of its own; but a session of TLS 1.2 is as secret as its ticket: it gets none (RFC 5077, 3.3).
 */
#ifndef NODE_NET_TLS_TICKET_H
#define NODE_NET_TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdint.h>

#define TLS_TICKET_LIFE_S    86400
#define TLS_TICKET_ROTATE_MS (8 * 3600 * 1000ull)
#define TLS_TICKET_KEYS      4 /* LIFE / ROTATE, and the current one */

struct tls_tickets;
#define TLS_TICKET_SECRET 32
/* One reference, yours. `secret`: TLS_TICKET_SECRET bytes that other processes have, too; NULL: random keys. now_ms is a clock that runs
 * evenly, or, with a secret, the wall clock; NULL: the system's. */
struct tls_tickets *tls_tickets_new(const uint8_t *secret, uint64_t (*now_ms)(void));
struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
void tls_tickets_unref(struct tls_tickets *t);
/* The body of a callback for SSL_CTX_set_tlsext_ticket_key_evp_cb: its arguments and its result. */
int tls_tickets_crypt(struct tls_tickets *t, int version, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		      int encrypt);

#endif
