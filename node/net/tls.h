/*
 * tls.h: TLS for the server's side: the certificates of all virtual hosts, as one immutable and counted object, and what a connection asks
 * of its SSL.
 *
 * A `struct tls_config` never changes after tls_config_load: any thread may use it. A reload makes another one, which shares the ticket
 * keys with the old one, so that clients resume across it; each SSL holds a reference to the one that it began with. Whoever shares the
 * current config with other threads sends each its own reference.
 *
 * TLS 1.2 and 1.3 only, forward secrecy and AEAD only, no compression, no renegotiation, no early data. A client names its host by SNI;
 * without one, or with a name that is not ours, it gets the default host's certificate (RFC 6066 section 3 allows it, and the client's
 * check of the name decides).
 *
 * Failure: loading says what is wrong with which file. Out of memory, OpenSSL's own included, aborts.
 */
#ifndef NODE_NET_TLS_H
#define NODE_NET_TLS_H

#include <openssl/ssl.h>

#include "proto/base/err.h"
#include "proto/base/str.h"
#include "proto/sasl/sasl.h"

/* A certificate with its chain, leaf first, and its key: PEM files. */
struct tls_pair {
	const char *chain_path;
	const char *key_path; /* NULL: in the same file */
};
struct tls_host_paths {
	const char *host;     /* a prepared domain: U-labels, lower case */
	const struct tls_pair *pairs;
	size_t n_pairs;       /* at most one for each kind of key (ECDSA, RSA, Ed25519); 0: a self-signed certificate in data_dir */
};
/* What to load. Borrowed for the call. */
struct tls_paths {
	const struct tls_host_paths *hosts;
	size_t n_hosts;       /* at least 1 */
	size_t default_host;  /* an index into hosts */
	const char *data_dir; /* where self-signed certificates are kept, made when absent; NULL: a host without pairs is an error */
	const uint8_t *ticket_secret; /* tls_ticket.h: TLS_TICKET_SECRET bytes that all nodes have; NULL: it has its own */
};

struct tls_config;

#define TLS_WHY_BYTES 512
/* A new config with one reference, yours; NULL when anything is wrong, and then `why` (TLS_WHY_BYTES) is one line that says what.
 * `old` lends its ticket keys (a reload; keep it when this fails); NULL at the start. Reads files: not for a worker. */
struct tls_config *tls_config_load(const struct tls_paths *paths, const struct tls_config *old, char *why);
struct tls_config *tls_config_ref(struct tls_config *c);
/* NULL is fine. */
void tls_config_unref(struct tls_config *c);

/* ---- about the hosts, for logs and statistics; `host` is an index as in tls_paths ---- */

size_t tls_host_count(const struct tls_config *c);
struct str tls_host_name(const struct tls_config *c, size_t host);
/* True when the host runs on a certificate that clients cannot verify, made here: worth a warning at each start. */
bool tls_host_self_signed(const struct tls_config *c, size_t host);
/* When the first of its certificates ends, in seconds since 1970. */
int64_t tls_host_ends_s(const struct tls_config *c, size_t host);
/* Whole days until the first of its certificates ends; negative when it is over. */
int tls_host_days_left(const struct tls_config *c, size_t host, int64_t now_unix_s);

/* ---- a connection: its thread only ---- */

/* A server's SSL before its handshake, without BIOs: a conn gives it its own.
 * `direct`: TLS from the first byte (XEP-0368), where ALPN decides: `xmpp-client`, or none at all; with STARTTLS it is ignored.
 * Yours; SSL_free it. */
SSL *tls_accept(struct tls_config *c, bool direct);
/* The host that the client named by SNI, as in tls_paths; absent when it named none of ours. Lives as long as the SSL. */
struct str tls_sni_host(const SSL *ssl);

#define TLS_BINDING_MAX 64
/* Channel binding data after the handshake; its length, or 0 when this connection has no such binding:
 *   tls-exporter          32 bytes (RFC 9266); with TLS 1.2 only under the extended master secret (RFC 7627)
 *   tls-server-end-point  the hash of the certificate that the client saw (RFC 5929 section 4), in the original handshake when this is a
 *                         resumed one; none for certificates whose signature names no hash (Ed25519)
 *   tls-unique            TLS 1.2 under the extended master secret and not resumed (RFC 5929 section 3, the cautions of RFC 9266) */
size_t tls_binding(SSL *ssl, enum sasl_cb cb, uint8_t out[TLS_BINDING_MAX]);
/* Whether tls_binding would give any, at no cost. */
bool tls_has_binding(SSL *ssl, enum sasl_cb cb);

/* "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256", with " resumed" behind where it is. Returns out. */
const char *tls_describe(const SSL *ssl, char *out, size_t size);
/* The oldest error in this thread's OpenSSL queue as text ("wrong version number"); empties the queue. "no error" when there is none. */
const char *tls_problem(char *out, size_t size);

#endif
