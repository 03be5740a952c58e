/*
 * conn.h: a TCP connection of a client, plain or TLS, on one worker's loop.
 *
 * Invariants: an idle connection holds no input and no output buffer. Output collects in `out` and is written once per loop pass. Input
 * is offered to the owner in order; what the owner leaves is kept (at most one read, 64 KiB) and offered again with later bytes or
 * after conn_resume; while it is paused the socket is not read: that is the back-pressure.
 * Ownership: the owner has a conn until its on_gone, which is called exactly once, from the loop (never from inside a conn_ call); the
 * conn is freed after it. One thread: the worker's, which conn_move may change.
 * Failure: writing past `out_max` adds nothing and answers ERR_LIMIT; the owner decides.
 *
 *   PROXY -header-> OPEN | HANDSHAKE     OPEN -start_tls-> HANDSHAKE -done-> OPEN
 *   any -close-> CLOSING (output drains, then FIN) -peer's FIN or deadline-> DEAD     any -abort, error-> DEAD
 */
#ifndef NODE_NET_CONN_H
#define NODE_NET_CONN_H

#include <netinet/in.h>
#include <openssl/ssl.h>

#include "cluster/worker.h"
#include "proto/addr/ip.h"
#include "proto/base/buf.h"

enum conn_state { CONN_PROXY, CONN_OPEN, CONN_HANDSHAKE, CONN_CLOSING, CONN_DEAD };

enum conn_end { END_NONE, END_CLOSED_BY_US, END_CLOSED_BY_PEER, END_RESET, END_TLS_FAILED, END_PROXY_INVALID, END_TIMEOUT, END_ABORTED };

struct conn;
struct conn_ops {
	/* Takes bytes from the front of *input. */
	void (*on_bytes)(struct conn *c, struct str *input);
	/* The TLS handshake is done. */
	void (*on_secure)(struct conn *c);
	/* The wire is dead: forget the conn. */
	void (*on_gone)(struct conn *c, enum conn_end why);
	/* Output was written (optional). */
	void (*on_written)(struct conn *c);
	/* The PROXY header named the client's address (optional). False refuses the connection. */
	bool (*on_address)(struct conn *c);
};

struct conn {
	struct worker *worker;
	const struct conn_ops *ops;
	void *owner;
	SSL *ssl;          /* NULL: plain */
	uv_poll_t *poll;
	SSL *pending_tls;  /* direct TLS that waits for the PROXY header */
	struct buf in, out;
	size_t out_pos;
	struct deferred flush;
	struct timer deadline;
	struct worker *move_to;
	void (*move_then)(struct conn *c, bool cancelled);
	struct ip peer;
	uint64_t bytes_in, bytes_out, last_in_ms;
	uint64_t read_ns;  /* monotonic: when the pass began that read what is offered */
	int fd;
	uint16_t peer_port;
	uint8_t state, end;
	uint8_t polled;    /* what the poll is armed for */
	bool paused, offering, want_write, eof, half_closed, proxied, more;
	bool drained;      /* TLS: in this pass the socket has no more (conn_wire.h) */
};

/* A connection that was just accepted; the fd is consumed. `out_max` is the ceiling on unsent output. `proxy`: a PROXY header comes
 * first. `ssl`:
 * direct TLS (consumed), or NULL. Nothing happens before the loop runs. */
struct conn *conn_new(struct worker *w, int fd, const struct sockaddr *peer, size_t out_max, bool proxy, SSL *ssl,
		      const struct conn_ops *ops, void *owner);
/* Queues output for the end of the pass. */
MUST_CHECK enum err conn_write(struct conn *c, struct str bytes);
/* Room to write directly into the queue; follow with conn_touch. */
struct buf *conn_out(struct conn *c);
void conn_touch(struct conn *c);
/* When much is queued, writes now what the socket takes: a burst in one pass must not look like a peer that does not read. */
void conn_push(struct conn *c);
/* The server's side of STARTTLS: what is queued goes out first, then the handshake begins. `ssl` consumed. The caller must
 * have refused a client whose plaintext goes on after its request: that is an injection. */
void conn_start_tls(struct conn *c, SSL *ssl);
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* Flushes what is queued, ends the TLS session, sends FIN, waits at most linger_ms for the peer's. */
void conn_close(struct conn *c, uint64_t linger_ms);
void conn_abort(struct conn *c, enum conn_end why);
/* At the end of this pass takes the conn off its worker and posts it to `to`; `then` runs there with the conn, and input is offered
 * again after it. No
 * conn_ call and no touch of the owner may be made in between. If `cancelled`, `then` must free the owner; the conn dies without
 * on_gone. */
void conn_move(struct conn *c, struct worker *to, void (*then)(struct conn *c, bool cancelled));
static inline size_t conn_unsent(const struct conn *c) { return c->out.len - c->out_pos; }
static inline struct str conn_peer_text(const struct conn *c, char out[IP_TEXT_BYTES]) { return ip_format(out, &c->peer); }
/* The address and port of an IPv4 or IPv6 socket address. */
struct ip conn_ip_of(const struct sockaddr *sa, uint16_t *port);
bool conn_peer_is_loopback(const struct conn *c);
const char *conn_end_name(enum conn_end e);

#endif
