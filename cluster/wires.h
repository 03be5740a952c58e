/*
 * wires.h: the mesh's ZeroMQ sockets, and nothing of what is said over them: one PULL that binds, a PUSH per slot that connects, CURVE and
 * its allow-list, monitors. CLUSTER.md sections 1.4, 1.5 and 6.
 *
 * ZeroMQ's file descriptors are edge-triggered, and any call on a socket may eat the edge: each socket that was touched is asked for its
 * ZMQ_EVENTS before the loop sleeps. Of received frames at most 64 are handed up in one go, then others have their turn.
 *
 * What is sent over a connection that breaks is lost, silently; the core above sends it again. A slot's PUSH takes nothing while it is not
 * connected, and what it holds goes with wires_close: a new incarnation gets a new socket.
 *
 * wires_new and wires_free: the main thread, before the owner's loop runs and after it has ended. The rest: the owner's thread.
 */
#ifndef CLUSTER_WIRES_H
#define CLUSTER_WIRES_H

#include "cluster/secret.h"
#include "cluster/worker.h"
#include "proto/base/buf.h"

struct wires;

#define WIRES_SLOTS 64 /* as many as a view has nodes */

struct wires_options {
	struct str bind;               /* "tcp://0.0.0.0:7400"; port 0 or *: any */
	bool curve;
	uint8_t secret[SECRET_BYTES];
	unsigned io_threads;           /* 0: 1 */
};

/* Any of them may open, close and send. */
struct wires_events {
	void *arg;
	/* One message part; multi-part messages are dropped whole and told by `odd`. Borrowed. */
	void (*frame)(void *arg, struct str bytes);
	void (*odd)(void *arg, const char *text);
	void (*connected)(void *arg, unsigned slot);
	/* Also when a connection could not be made: `refused` when the host there says that nobody listens. */
	void (*disconnected)(void *arg, unsigned slot, bool refused);
	/* After a wires_send that took nothing. */
	void (*writable)(void *arg, unsigned slot);
	/* Somebody's connection was not let in; its address and why. */
	void (*stranger)(void *arg, const char *text);
};

/* Binds. NULL: `why` says what is wrong. */
struct wires *wires_new(const struct wires_options *o, const struct wires_events *events, struct buf *why);
void wires_start(struct wires *x, struct worker *w);
/* Closes all sockets. */
void wires_stop(struct wires *x);
/* NULL is fine. */
void wires_free(struct wires *x);
/* What it is bound to, with the port. */
struct str wires_bound(const struct wires *x);

/* The slot must be closed. An address that ZeroMQ does not accept stays unconnected. */
void wires_open(struct wires *x, unsigned slot, struct str addr);
void wires_close(struct wires *x, unsigned slot);
/* Of what is open there: never the same again; 0: it is closed. */
uint64_t wires_serial(const struct wires *x, unsigned slot);
/* One message of one part. False: nothing was taken, `writable` follows. */
bool wires_send(struct wires *x, unsigned slot, struct str header, struct str body);

struct wires_stats {
	uint64_t frames_in, frames_out, bytes_in, bytes_out, strangers, odd;
};
void wires_stats(const struct wires *x, struct wires_stats *out);

#endif
