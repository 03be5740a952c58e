/*
 * tls_ticket.h: the keys of session tickets (RFC 5077, RFC 8446 section 4.6.1): random at start, a new one every TLS_TICKET_ROTATE_MS, old
 * ones kept until the last ticket under them has ended. One set for all contexts, workers and reloads of a process; it locks for itself.
 */
#ifndef NODE_NET_TLS_TICKET_H
#define NODE_NET_TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdint.h>

#define TLS_TICKET_LIFE_S    86400
#define TLS_TICKET_ROTATE_MS (8 * 3600 * 1000ull)
#define TLS_TICKET_KEYS      4 /* LIFE / ROTATE, and the current one */

struct tls_tickets;
/* One reference, yours. now_ms is a clock that runs evenly; NULL: the system's. */
struct tls_tickets *tls_tickets_new(uint64_t (*now_ms)(void));
struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
void tls_tickets_unref(struct tls_tickets *t);
/* The body of a callback for SSL_CTX_set_tlsext_ticket_key_evp_cb: its arguments and its result. */
int tls_tickets_crypt(struct tls_tickets *t, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt);

#endif
