#include "cluster/door.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "cluster/zap.h"
#include "cluster/zwatch.h"

/* Those whose handshake goes on, by file descriptor; past it the oldest is forgotten and would be told without an address. */
#define GUESTS_MAX 64

#define FAILED (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)

struct guest {
	int fd;
	char address[INET6_ADDRSTRLEN + 8];
};

struct door {
	struct zap zap;
	struct zwatch *zap_watch;
	struct zmonitor monitor;
	struct guest guests[GUESTS_MAX];
	unsigned next;
	const char *failed; /* why, of the connection whose end is the next event; NULL: none */
	void (*stranger)(void *arg, const char *text);
	void *arg;
};

struct door *door_new(void *context, void *socket, const uint8_t *allowed, void (*stranger)(void *arg, const char *text), void *arg)
{
	struct door *d = xzalloc(sizeof *d);
	for (unsigned i = 0; i < GUESTS_MAX; i++)
		d->guests[i].fd = -1;
	d->stranger = stranger;
	d->arg = arg;
	BUG_ON(allowed && !zap_open(&d->zap, context, allowed));
	zmonitor_open(&d->monitor, context, socket, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | FAILED);
	return d;
}

void door_free(struct door *d)
{
	if (!d)
		return;
	zmonitor_close(&d->monitor);
	zwatch_close(d->zap_watch);
	zap_close(&d->zap);
	free(d);
}

static void tell(struct door *d, const char *address, const char *why)
{
	char text[256];
	snprintf(text, sizeof text, "%s: %s", address, why);
	d->stranger(d->arg, text);
}

static void on_denied(void *arg, const char *address)
{
	tell(arg, address, "not this cluster's key");
}

static void on_zap(void *arg)
{
	struct door *d = arg;
	zap_answer(&d->zap, on_denied, d);
}

/* The connection may have ended by now, its number even be another's: then its name is missing or wrong, which a log can bear. */
static void on_accepted(struct door *d, int fd)
{
	struct guest *g = &d->guests[d->next++ % GUESTS_MAX];
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t size = sizeof sa;
	const void *from = NULL;
	g->fd = -1;
	if (getpeername(fd, (struct sockaddr *)&sa, &size) != 0)
		return;
	if (sa.ss_family == AF_INET)
		from = &((struct sockaddr_in *)&sa)->sin_addr;
	else if (sa.ss_family == AF_INET6)
		from = &((struct sockaddr_in6 *)&sa)->sin6_addr;
	if (from && inet_ntop(sa.ss_family, from, g->address, sizeof g->address))
		g->fd = fd;
}

static void on_ended(struct door *d, int fd)
{
	const char *why = d->failed, *address = "an unknown address";
	d->failed = NULL;
	for (unsigned i = 0; i < GUESTS_MAX; i++) {
		if (d->guests[i].fd != fd)
			continue;
		address = d->guests[i].address;
		d->guests[i].fd = -1;
	}
	if (why)
		tell(d, address, why);
}

/* For a guest: what is wrong with its handshake. One without detail ended by itself. */
static const char *why_failed(int event, uint32_t value)
{
	if (event != ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
		return NULL;
	if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
		return "another secret";
	if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
		return "no CURVE, or not here";
	return "not a node's handshake";
}

/* One I/O thread tells of a failure and, next, of the connection's end. */
static void on_events(void *arg)
{
	struct door *d = arg;
	int event;
	uint32_t value;
	while (zmonitor_next(&d->monitor, &event, &value)) {
		if (event == ZMQ_EVENT_ACCEPTED)
			on_accepted(d, (int)value);
		else if (event & FAILED)
			d->failed = why_failed(event, value);
		else if (event == ZMQ_EVENT_DISCONNECTED)
			on_ended(d, (int)value);
	}
}

void door_start(struct door *d, struct worker *w)
{
	if (d->zap.socket)
		d->zap_watch = zwatch_new(w, d->zap.socket, on_zap, d);
	zmonitor_watch(&d->monitor, w, on_events, d);
}
