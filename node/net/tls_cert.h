/*
 * tls_cert.h: certificates and keys from files, and the self-signed one that a node makes when it has none. For node/net only.
 *
 * Failure: the functions that read files return an error and a line of text in `why` (TLS_WHY_BYTES) that names the file and the reason.
 */
#ifndef NODE_NET_TLS_CERT_H
#define NODE_NET_TLS_CERT_H

#include <openssl/x509.h>

#include "node/net/tls.h"

struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) *chain; /* without the leaf */
	EVP_PKEY *key;
};

/* Writes the line of text, cut to TLS_WHY_BYTES. */
void tls_cert_why(char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Refuses what cannot work: no such file, not PEM, a key of another certificate or behind a passphrase, a certificate that has ended. */
MUST_CHECK enum err tls_cert_load(const struct tls_pair *pair, struct tls_cert *out, char *why);
/* The host's own in data_dir: as it is there, or a new one when there is none or it ends within 30 days. */
MUST_CHECK enum err tls_cert_self_signed(const char *host, const char *data_dir, struct tls_cert *out, char *why);
void tls_cert_fini(struct tls_cert *c);
/* Seconds since 1970. */
int64_t tls_cert_ends(const X509 *leaf);
/* Before other threads see the certificate: its end point is taken once. Every login needs it, and taking it is 7 % of a handshake. */
void tls_cert_keep_end_point(X509 *leaf);
/* The data of tls-server-end-point; its length, 0 when there is none. */
size_t tls_cert_end_point(const X509 *leaf, uint8_t out[TLS_BINDING_MAX]);
/* free() it. */
char *tls_cert_copy(const char *s);
/* The host with A-labels, as in SNI and in certificates; free() it. */
char *tls_cert_ascii_host(const char *host);

#endif
