#include "cluster/redis_tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static void describe(SSL *ssl, char *text, size_t max)
{
	long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	unsigned long e = ERR_peek_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;
	if (verified != X509_V_OK)
		snprintf(text, max, "the server's certificate: %s", X509_verify_cert_error_string(verified));
	else
		snprintf(text, max, "%s", reason ? reason : "the connection broke");
	ERR_clear_error();
}

static SSL_CTX *context_new(const char *ca_file, char *text, size_t max)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION)) {
		describe(NULL, text, max);
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (ca_file ? !SSL_CTX_load_verify_file(ctx, ca_file) : !SSL_CTX_set_default_verify_paths(ctx)) {
		ERR_clear_error();
		snprintf(text, max, "cannot read the certificates in %s", ca_file ? ca_file : "the system's folder");
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

/* An address in a certificate is another kind of name, and is not sent as SNI. */
static bool expect_name(SSL *ssl, const char *name)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name))
		return true;
	ERR_clear_error();
	return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

SSL *redis_tls_new(int fd, const char *ca_file, const char *name, char *text, size_t max)
{
	ERR_clear_error();
	SSL_CTX *ctx = context_new(ca_file, text, max);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	SSL_CTX_free(ctx);
	if (!ssl)
		return NULL;
	if (expect_name(ssl, name) && SSL_set_fd(ssl, fd))
		return ssl;
	describe(NULL, text, max);
	SSL_free(ssl);
	return NULL;
}

/* 0: wait for the socket; -1: it is over. */
static int judge(SSL *ssl, int rc, bool *wants_write, char *text, size_t max)
{
	int e = SSL_get_error(ssl, rc);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
		*wants_write = e == SSL_ERROR_WANT_WRITE;
		return 0;
	}
	if (e == SSL_ERROR_ZERO_RETURN || ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		snprintf(text, max, "the server closed the connection");
	} else {
		describe(ssl, text, max);
	}
	return -1;
}

int redis_tls_connect(SSL *ssl, bool *wants_write, char *text, size_t max)
{
	ERR_clear_error();
	int rc = SSL_connect(ssl);
	return rc == 1 ? 1 : judge(ssl, rc, wants_write, text, max);
}

int redis_tls_read(SSL *ssl, char *into, size_t room, char *text, size_t max)
{
	bool wants_write;
	ERR_clear_error();
	int n = SSL_read(ssl, into, room > INT_MAX ? INT_MAX : (int)room);
	return n > 0 ? n : judge(ssl, n, &wants_write, text, max);
}

int redis_tls_write(SSL *ssl, const char *p, size_t n, char *text, size_t max)
{
	bool wants_write;
	ERR_clear_error();
	int done = SSL_write(ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	return done > 0 ? done : judge(ssl, done, &wants_write, text, max);
}
