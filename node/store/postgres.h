/*
 * postgres.h: the store that the nodes of a cluster share: PostgreSQL 14 or newer, by libpq.
 *
 * A pool of connections, each with a thread and a queue: a *lane*. All ops of one (host, owner) go to one lane, which keeps their order. A
 * lane takes all that is queued, sends the reads that depend on no queued write in one pipeline, then the rest as one transaction in
 * another, waits, and answers. An op that fails in a way that its lone statement cannot undo makes the transaction roll back: then each
 * op gets one of its own, all in one pipeline.
 *
 * Several nodes: each op that writes first takes the owner's advisory lock, in the order of the locks' numbers when there are several, so
 * that conditions and ceilings hold whatever other nodes do, and transactions never wait for each other in a circle.
 *
 * A connection that breaks: reads are asked again; writes that were not sent wait; a write that was sent and not answered gets ERR_IO, as
 * nobody knows what became of it, and before anything else happens to its owner the server is made to end the session that it was sent to.
 * While a lane has no connection the store is not healthy, its ops wait for their deadlines, and it tries again, at longer intervals.
 */
#ifndef NODE_STORE_POSTGRES_H
#define NODE_STORE_POSTGRES_H

#include "node/store/store.h"

#define POSTGRES_WHY_BYTES 512

/* Texts are copied; those that are NULL or empty are left to libpq: its environment (PGHOST...), its defaults. */
struct postgres_store_options {
	struct store_options common;
	const char *uri;      /* of libpq: its parts override what is below, and the database is its */
	const char *host, *port, *user, *database, *password, *tls_mode, *root_certificate;
	bool sync_normal;     /* true: the last commits may be lost when the server crashes (never when a node does) */
	uint32_t pool;        /* connections; default 4 */
	uint32_t max_batch;   /* ops of one pipeline and one transaction; default 128 */
	bool apart;           /* each op that writes in a transaction of its own, all in one pipeline: to measure what grouping is worth */
	uint32_t connect_timeout_ms; /* default 5000 */
	uint32_t start_wait_ms;      /* how long a server that is away at the start is waited for; 0: not at all */
	/* The server was away at the start, and it is no use to wait longer. On a thread of the store. */
	void (*on_give_up)(void *arg, const char *text);
};

#define POSTGRES_POOL_MAX 64

/* Connects, brings the schema up to date, starts the threads. With start_wait_ms a server that cannot be reached is no failure: the store
 * is not healthy then. On failure *out is NULL and `why` says what is wrong, in one line: ERR_INVALID when the options are wrong, the
 * server refuses them, or its schema is not ours or newer; ERR_UNAVAILABLE when it cannot be reached. */
MUST_CHECK enum err postgres_store_open(const struct postgres_store_options *options, struct store **out, char why[POSTGRES_WHY_BYTES]);

#endif
