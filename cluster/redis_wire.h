/*
 * redis_wire.h: one connection that speaks Redis' protocol (RESP2), to one target: resolves, connects, secures, writes commands, reads
 * replies. hiredis is the codec; the socket, its TLS and its ceilings are ours, as hiredis 0.14 has neither TLS nor time-outs.
 *
 *   RESOLVING -> CONNECTING (each address in turn) -> (HANDSHAKE) -> OPEN -> FAILED -> gone
 *
 * It has no time-outs of its own: whoever opens it closes it when it takes too long. No callback comes from inside redis_wire_open,
 * _send or _close; after on_closed or redis_wire_close the pointer is not to be used.
 */
#ifndef CLUSTER_REDIS_WIRE_H
#define CLUSTER_REDIS_WIRE_H

#include "cluster/worker.h"
#include "proto/base/str.h"

struct redisReply;
struct redis_wire;

/* What is pointed to must outlive the wire. */
struct redis_target {
	const char *host;      /* a name or an address; unless unix_path */
	uint16_t port;
	const char *unix_path; /* NULL: TCP */
	bool tls;
	const char *ca_file;   /* NULL: the system's authorities */
	const char *tls_name;  /* what the certificate must be for: a name or an address; NULL: host */
	size_t max_out_bytes, max_reply_bytes;
};

struct redis_wire_ops {
	void (*on_open)(void *arg);
	/* In order; borrowed. */
	void (*on_reply)(void *arg, const struct redisReply *reply);
	/* It failed, or the peer closed it; `text` is a sentence. */
	void (*on_closed)(void *arg, const char *text);
};

struct redis_wire *redis_wire_open(struct worker *w, const struct redis_target *t, const struct redis_wire_ops *ops, void *arg);
/* Queues a command; written at the end of the pass. False: it does not fit below max_out_bytes, and nothing was queued. */
bool redis_wire_send(struct redis_wire *w, unsigned argc, const struct str *argv);
/* Reads what is there already: before a command's deadline is judged. May call on_reply. */
void redis_wire_read(struct redis_wire *w);
/* What it is at: "connecting". */
const char *redis_wire_doing(const struct redis_wire *w);
void redis_wire_close(struct redis_wire *w);

#endif
