/*
 * listener.h: listening sockets: one per worker and address (SO_REUSEPORT), so that the kernel spreads connections. One that was inherited
 * is a single queue that all workers take from: whoever is awake first.
 */
#ifndef NODE_NET_LISTENER_H
#define NODE_NET_LISTENER_H

#include <netinet/in.h>

#include "proto/addr/cidr.h"
#include "proto/base/buf.h"

struct node;
struct node_worker;
struct listener;

enum listen_tls { LISTEN_STARTTLS, LISTEN_DIRECT_TLS, LISTEN_PLAIN };

/* What a listener is for. Made from the configuration, read-only, lives as long as the node. */
struct listen_spec {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct str text;            /* "[::]:5222" for logs */
	enum listen_tls tls;
	bool proxy_protocol;
	const struct cidr *trusted;       /* who may send PROXY headers */
	unsigned n_trusted;
	int fds[64];                /* one per worker, bound; -1: none, as the caller sets them first */
	void (*on_accept)(struct node_worker *nw, const struct listen_spec *spec, int fd, const struct sockaddr *peer);
};

/* Binds one socket per worker; main thread, before the workers start, so that what cannot be bound is said at once: in `why`. */
MUST_CHECK enum err listen_bind(struct listen_spec *spec, unsigned n_workers, struct buf *why);
/* The same on a socket that somebody else made (inherited.h): the workers share it. `fd` is borrowed. */
MUST_CHECK enum err listen_adopt(struct listen_spec *spec, int fd, unsigned n_workers, struct buf *why);
/* Closes sockets that no listener took. */
void listen_unbind(struct listen_spec *spec);
/* On the worker: begins to accept. */
void listener_start(struct node_worker *nw, struct listen_spec *spec);
/* Stops accepting; all of the worker's listeners are closed and freed. */
void listener_stop_all(struct node_worker *nw);

#endif
