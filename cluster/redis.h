/*
 * redis.h: a connection to Redis on a worker's loop: hiredis as codec over our own socket, with TLS, time-outs, AUTH, Unix sockets and
 * Sentinel. CLUSTER.md sections 2.5 and 6.
 *
 *   DOWN -connect-> (TLS) -> HELLO (AUTH, SELECT, ROLE) -> UP -error, time-out-> DOWN, tried again with back-off and jitter
 *
 * Commands are pipelined and answered in order. When the connection ends, all that wait are answered with NULL, and so is everything that
 * is asked while it is DOWN.
 */
#ifndef CLUSTER_REDIS_H
#define CLUSTER_REDIS_H

#include "cluster/worker.h"
#include "proto/base/buf.h"

struct redisReply;
struct redis;

struct redis_options {
	struct str host;               /* a name or address; absent with a Unix socket or Sentinels */
	uint16_t port;
	struct str unix_path;
	struct str user, password;     /* absent: none */
	unsigned database;
	bool tls;
	struct str tls_ca_file, tls_name; /* absent: the system's; host */
	const struct str *sentinels;   /* "host:port", "[v6]:port"; asked with the same TLS settings */
	unsigned n_sentinels;
	struct str master_name;
	struct str sentinel_password;  /* absent: none */
	struct str key_prefix;         /* registry.h: before every key; letters, digits, '.', ':', '_', '-' */
	uint32_t timeout_ms;           /* of a command; 0: 500 */
	uint32_t connect_ms;           /* from asking a sentinel, or the resolver, until UP; 0: 1500 */
	/* Ceilings; 0: the default in brackets. Past them a command is answered NULL at once, or the connection is dropped. */
	unsigned max_pending;          /* [65536] commands */
	size_t max_out_bytes;          /* [16 MiB] not written yet */
	size_t max_reply_bytes;        /* [8 MiB] */
};

/* The options are copied. */
struct redis *redis_new(struct worker *w, const struct redis_options *o);
/* Answers everything with NULL. Not from a callback of its own. */
void redis_free(struct redis *r);
void redis_start(struct redis *r);
bool redis_is_up(const struct redis *r);
/* Told on the loop: up (`fresh`: the first one, another server, or one that was started again: what was registered must be registered
 * again), or down, once a reason. A master that is cut off from its replicas goes on taking writes that a fail-over then loses: give it
 * min-replicas-to-write 1. */
void redis_on_change(struct redis *r, void (*fn)(void *arg, bool up, bool fresh, const char *text), void *arg);
/* fn gets the reply (borrowed), or NULL; NULL may come from inside this. */
void redis_command(struct redis *r, unsigned argc, const struct str *argv, void (*fn)(void *arg, const struct redisReply *reply),
		   void *arg);
/* Commands that wait for their answer. */
unsigned redis_pending(const struct redis *r);

#endif
