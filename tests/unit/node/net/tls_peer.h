/* tls_peer.h: what the TLS tests share: a scratch folder, certificates made on the spot, and a client in the same process. */
#ifndef TESTS_UNIT_NODE_NET_TLS_PEER_H
#define TESTS_UNIT_NODE_NET_TLS_PEER_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "node/net/tls.h"

#define PATH_BYTES 256

struct folder {
	char path[64];
};

static inline void make_folder(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/tls_test.XXXXXX");
	assert_non_null(mkdtemp(f->path));
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void remove_folder(struct folder *f)
{
	nftw(f->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *in_folder(const struct folder *f, const char *name, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s", f->path, name);
	return path;
}

/* A self-signed certificate for `name` and its key, in one file; returns what was written. `md` NULL: as the key demands. */
static inline X509 *write_cert(const char *path, EVP_PKEY *key, const EVP_MD *md, const char *name, long days, EVP_PKEY *stored_key)
{
	X509 *x = X509_new();
	FILE *f = fopen(path, "w");
	assert_true(x && f && X509_set_version(x, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1));
	assert_true(X509_gmtime_adj(X509_getm_notBefore(x), -400 * 86400L) && X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L));
	assert_true(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0));
	assert_true(X509_set_issuer_name(x, X509_get_subject_name(x)) && X509_set_pubkey(x, key) && X509_sign(x, key, md) > 0);
	assert_true(PEM_write_X509(f, x) == 1 && PEM_write_PrivateKey(f, stored_key, NULL, NULL, 0, NULL, NULL) == 1);
	assert_int_equal(0, fclose(f));
	return x;
}

/* The usual one: P-256, SHA-256, a year. */
static inline void write_usual(const char *path, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_free(write_cert(path, key, EVP_sha256(), name, 365, key));
	EVP_PKEY_free(key);
}

struct link {
	SSL *server, *client;
	int fds[2];
};

static inline SSL_CTX *client_context(int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0);
	assert_true(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION) && SSL_CTX_set_max_proto_version(ctx, max_version));
	return ctx;
}

/* A client and a server that have not met yet. `sni` NULL: none. */
static inline void link_open(struct link *l, struct tls_config *config, SSL_CTX *client, const char *sni, bool direct)
{
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, l->fds));
	l->server = tls_accept(config, direct);
	assert_true(SSL_set_fd(l->server, l->fds[0]));
	l->client = SSL_new(client);
	assert_non_null(l->client);
	assert_true(SSL_set_fd(l->client, l->fds[1]));
	if (sni)
		assert_true(SSL_set_tlsext_host_name(l->client, sni));
	SSL_set_connect_state(l->client);
}

static inline bool wants_more(SSL *ssl, int result)
{
	int e = SSL_get_error(ssl, result);
	return result == 1 || e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

/* True when both ends are through. The client reads a byte, so that it has the session ticket as well. */
static inline bool link_handshake(struct link *l)
{
	char byte = 0;
	for (int i = 0; i < 20; i++) {
		int c = SSL_do_handshake(l->client), s = SSL_do_handshake(l->server);
		if (c == 1 && s == 1)
			return SSL_write(l->server, "x", 1) == 1 && SSL_read(l->client, &byte, 1) == 1 && byte == 'x';
		if (!wants_more(l->server, s) || !wants_more(l->client, c))
			return false;
	}
	return false;
}

static inline void link_close(struct link *l)
{
	SSL_shutdown(l->client);
	SSL_shutdown(l->server);
	SSL_free(l->client);
	SSL_free(l->server);
	close(l->fds[0]);
	close(l->fds[1]);
	ERR_clear_error();
}

#define assert_str(s, literal)                                                      \
	do {                                                                        \
		struct str got_ = (s);                                              \
		if (!str_is(got_, literal))                                         \
			fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got_), literal); \
	} while (0)

#endif
