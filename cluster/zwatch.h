/*
 * zwatch.h: a ZeroMQ socket's file descriptor on a worker's loop. `fn` means "ask the socket for its ZMQ_EVENTS", never more: the
 * descriptor is edge-triggered. It is called once at first, as what was there before raised no edge. Its loop's thread only.
 */
#ifndef CLUSTER_ZWATCH_H
#define CLUSTER_ZWATCH_H

#include "cluster/worker.h"

struct zwatch;

struct zwatch *zwatch_new(struct worker *w, void *socket, void (*fn)(void *arg), void *arg);
/* Before the socket is closed. NULL is fine. */
void zwatch_close(struct zwatch *z);
/* ZMQ_POLLIN, ZMQ_POLLOUT: what the socket is ready for now. */
int zwatch_ready(void *socket);

/* A monitor: the socket's connections as events, read from an inproc pair. */
struct zmonitor {
	void *watched, *pair;
	struct zwatch *watch;
};

/* `events`: ZMQ_EVENT_* bits. */
void zmonitor_open(struct zmonitor *m, void *context, void *socket, int events);
/* From then on fn is called when there may be events. */
void zmonitor_watch(struct zmonitor *m, struct worker *w, void (*fn)(void *arg), void *arg);
/* Before the watched socket is closed. */
void zmonitor_close(struct zmonitor *m);
/* The next event and its value; false: there is none now. */
bool zmonitor_next(struct zmonitor *m, int *event, uint32_t *value);

#endif
