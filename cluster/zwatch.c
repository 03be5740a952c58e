#include "cluster/zwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Debian's libzmq is not instrumented: ThreadSanitizer does not see the order that its queues make, and takes each message for a race. Nor
 * does it see a descriptor of ZeroMQ's made, after libuv has closed, by a system call of its own, another one of that number. */
#if defined(__SANITIZE_THREAD__)
#define UNDER_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_THREAD_SANITIZER
#endif
#endif
#ifdef UNDER_THREAD_SANITIZER
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:libzmq.so\ncalled_from_lib:libsodium.so\nrace_top:epoll_ctl\n";
}
#endif

struct zwatch {
	uv_poll_t poll;
	struct worker *w;
	struct deferred first;
	void (*fn)(void *arg);
	void *arg;
};

/* A pipe raises its first edge only after somebody has looked into it in vain. */
static void on_first(struct deferred *d)
{
	struct zwatch *z = (struct zwatch *)((char *)d - offsetof(struct zwatch, first));
	z->fn(z->arg);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct zwatch *z = p->data;
	worker_pass_begin(z->w);
	worker_doing(z->w, "mesh socket");
	z->fn(z->arg);
}

struct zwatch *zwatch_new(struct worker *w, void *socket, void (*fn)(void *arg), void *arg)
{
	int fd = -1;
	size_t size = sizeof fd;
	struct zwatch *z = xzalloc(sizeof *z);
	z->w = w;
	z->fn = fn;
	z->arg = arg;
	z->poll.data = z;
	z->first.fn = on_first;
	BUG_ON(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0);
	BUG_ON(uv_poll_init(&w->loop, &z->poll, fd) != 0);
	BUG_ON(uv_poll_start(&z->poll, UV_READABLE, on_poll) != 0);
	worker_defer(w, &z->first);
	return z;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void zwatch_close(struct zwatch *z)
{
	if (!z)
		return;
	worker_undefer(z->w, &z->first);
	uv_close((uv_handle_t *)&z->poll, on_closed);
}

int zwatch_ready(void *socket)
{
	int events = 0;
	size_t size = sizeof events;
	BUG_ON(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0);
	return events;
}

/* ---- monitors ---- */

/* Events that wait while the owner is busy; an I/O thread would wait for room past it. */
#define EVENTS_MAX 10000

void zmonitor_open(struct zmonitor *m, void *context, void *socket, int events)
{
	static _Atomic uint64_t serial;
	char name[64];
	int linger = 0, hwm = EVENTS_MAX;
	snprintf(name, sizeof name, "inproc://monitor.%llu", (unsigned long long)atomic_fetch_add(&serial, 1));
	*m = (struct zmonitor){ .watched = socket };
	BUG_ON(zmq_socket_monitor(socket, name, events) != 0);
	m->pair = zmq_socket(context, ZMQ_PAIR);
	BUG_ON(!m->pair);
	zmq_setsockopt(m->pair, ZMQ_LINGER, &linger, sizeof linger);
	zmq_setsockopt(m->pair, ZMQ_RCVHWM, &hwm, sizeof hwm);
	BUG_ON(zmq_connect(m->pair, name) != 0);
}

void zmonitor_watch(struct zmonitor *m, struct worker *w, void (*fn)(void *arg), void *arg)
{
	m->watch = zwatch_new(w, m->pair, fn, arg);
}

void zmonitor_close(struct zmonitor *m)
{
	if (!m->pair)
		return;
	zwatch_close(m->watch);
	zmq_socket_monitor(m->watched, NULL, 0);
	zmq_close(m->pair);
	*m = (struct zmonitor){ 0 };
}

/* An event is two parts: 16 bits of event and 32 of value, in this machine's order; then an address, which is our own end's. */
bool zmonitor_next(struct zmonitor *m, int *event, uint32_t *value)
{
	char head[6], address[256];
	uint16_t e;
	if (!m->pair || zmq_recv(m->pair, head, sizeof head, ZMQ_DONTWAIT) != (int)sizeof head)
		return false;
	(void)zmq_recv(m->pair, address, sizeof address, ZMQ_DONTWAIT); /* the second part came with the first */
	memcpy(&e, head, sizeof e);
	memcpy(value, head + 2, sizeof *value);
	*event = e;
	return true;
}
