/*
 * load_client.h: one XMPP client of the load tool, driven by epoll: connects, STARTTLS or direct TLS, SASL, binds, says that it is
 * available, and is then its mode's to use. It looks for the texts that servers answer with, and parses nothing.
 *
 * Ownership: clients belong to who made them (client_new, client_free). The loop keeps borrowed pointers only between load_loop calls.
 * Failure: a client that cannot go on is closed and keeps the reason in `why`; on_down says so once.
 */
#ifndef TESTS_BENCH_LOAD_CLIENT_H
#define TESTS_BENCH_LOAD_CLIENT_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/load_proc.h"
#include "tests/bench/load_sasl.h"
#include "tests/bench/load_sm.h"

enum load_tls { LOAD_PLAIN, LOAD_STARTTLS, LOAD_DIRECT_TLS };

enum client_state {
	CLIENT_NEW, CLIENT_CONNECTING, CLIENT_HANDSHAKE, CLIENT_FEATURES, CLIENT_PROCEED, CLIENT_REGISTER, CLIENT_AUTH, CLIENT_BIND,
	CLIENT_READY, CLIENT_CLOSING, CLIENT_CLOSED
};

struct client;

/* What all clients of a run share. */
struct load {
	struct sockaddr_in server;
	in_port_t others[LOAD_NODES_MAX]; /* network order: those of the service's other nodes */
	unsigned n_others;
	const char *domain;
	const char *password;
	const char *prefix; /* accounts are prefix0, prefix1, ... */
	enum load_tls tls;
	bool plain_sasl;    /* else SCRAM-SHA-1 */
	bool sm;            /* stream management */
	bool registering;   /* make the account (XEP-0077) instead of logging in */
	SSL_CTX *tls_ctx;
	int epoll;
	struct load_key *keys; /* one per account */
	size_t key_count;
	/* The mode's; may be NULL. on_input: bytes in c->in, a client that is ready. */
	void (*on_ready)(struct client *c);
	void (*on_input)(struct client *c);
	void (*on_down)(struct client *c);
	void *mode;
};

struct client_bytes {
	char *p;
	size_t len, cap;
};

struct client {
	struct load *load;
	size_t index; /* the account, and the client's place in its crowd */
	int fd;
	SSL *ssl;
	enum client_state state;
	bool authenticated, want_write;
	struct client_bytes in, out;
	struct load_scram scram;
	struct load_sm sm;
	uint64_t started_ns;
	char jid[160]; /* as the server bound it */
	char why[128];
	void *slot; /* the mode's */
};

struct client *client_new(struct load *load, size_t index);
/* Closes it, without a goodbye. NULL is fine. */
void client_free(struct client *c);
/* Starts to connect. */
void client_start(struct client *c);
/* Queues bytes; client_flush sends what the socket takes, the loop the rest. */
void client_write(struct client *c, const char *bytes, size_t n);
void client_printf(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void client_flush(struct client *c);
/* Forgets the first n bytes of c->in. */
void client_consume(struct client *c, size_t n);
/* Ends the stream in order; CLIENT_CLOSED once the server has closed. */
void client_goodbye(struct client *c);

#define LOAD_MS UINT64_C(1000000) /* in ns */
/* One pass: waits for up to timeout_ns, serves what is ready. */
void load_loop(struct load *load, uint64_t timeout_ns);

#endif
