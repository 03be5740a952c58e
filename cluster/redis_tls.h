/*
 * redis_tls.h: TLS of a client over a non-blocking socket, for redis_wire.c: TLS 1.2 or newer; the certificate's chain and its name are
 * verified, always.
 */
#ifndef CLUSTER_REDIS_TLS_H
#define CLUSTER_REDIS_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* NULL: `text` says why. The authorities are read anew each time, so that a file that was renewed counts. */
SSL *redis_tls_new(int fd, const char *ca_file, const char *name, char *text, size_t max);
/* 1: done; 0: call again when the socket is readable, or writable (*wants_write); -1: `text`. */
int redis_tls_connect(SSL *ssl, bool *wants_write, char *text, size_t max);
/* Bytes; 0: nothing now; -1: `text`. */
int redis_tls_read(SSL *ssl, char *into, size_t room, char *text, size_t max);
int redis_tls_write(SSL *ssl, const char *p, size_t n, char *text, size_t max);

#endif
