/*
 * cutter.h: a TCP relay on the loopback that can be told to cut its connections, or to swallow what they carry: for tests of what must
 * survive that. One thread of its own.
 */
#ifndef TESTS_UNIT_CLUSTER_CUTTER_H
#define TESTS_UNIT_CLUSTER_CUTTER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CUTTER_PAIRS 32

struct cutter {
	pthread_t thread;
	int listener;
	uint16_t port, to;
	_Atomic bool stop, closed; /* closed: connections end, new ones too */
	_Atomic unsigned cut;      /* each step ends all connections once */
	_Atomic unsigned cuts_made;
	int pair[CUTTER_PAIRS][2];
	_Atomic unsigned n;
};

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sa;
}

static int listen_any(uint16_t *port)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t size = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, 64) != 0 || getsockname(fd, (struct sockaddr *)&sa, &size) != 0)
		abort();
	*port = ntohs(sa.sin_port);
	return fd;
}

static void cutter_end(struct cutter *c, unsigned i)
{
	struct linger reset = { 1, 0 }; /* what is under way is lost, as when a host goes */
	for (int k = 0; k < 2; k++) {
		setsockopt(c->pair[i][k], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(c->pair[i][k]);
	}
	c->n--;
	memcpy(c->pair[i], c->pair[c->n], sizeof c->pair[i]);
}

static void cutter_accept(struct cutter *c)
{
	struct sockaddr_in sa = loopback(c->to);
	int in = accept(c->listener, NULL, NULL), out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (in < 0 || c->closed || c->n == CUTTER_PAIRS || connect(out, (struct sockaddr *)&sa, sizeof sa) != 0) {
		close(in);
		close(out);
		return;
	}
	c->pair[c->n][0] = in;
	c->pair[c->n++][1] = out;
}

/* False: it ended. */
static bool cutter_pass(int from, int to)
{
	char bytes[16384];
	ssize_t n = recv(from, bytes, sizeof bytes, 0);
	for (ssize_t done = 0; n > 0 && done < n;) {
		ssize_t k = send(to, bytes + done, (size_t)(n - done), MSG_NOSIGNAL);
		if (k <= 0)
			return false;
		done += k;
	}
	return n > 0;
}

static void *cutter_main(void *arg)
{
	struct cutter *c = arg;
	unsigned seen = 0;
	while (!c->stop) {
		struct pollfd p[1 + 2 * CUTTER_PAIRS] = { { c->listener, POLLIN, 0 } };
		unsigned n = c->n;
		for (unsigned i = 0; i < 2 * n; i++)
			p[1 + i] = (struct pollfd){ c->pair[i / 2][i % 2], POLLIN, 0 };
		poll(p, 1 + 2 * n, 5);
		for (unsigned i = n; i-- > 0;) {
			bool ok = true;
			for (int k = 0; k < 2 && ok; k++)
				if (p[1 + 2 * i + (unsigned)k].revents)
					ok = cutter_pass(c->pair[i][k], c->pair[i][1 - k]);
			if (!ok)
				cutter_end(c, i);
		}
		if (p[0].revents)
			cutter_accept(c);
		if (seen != c->cut || c->closed) {
			c->cuts_made += c->n;
			while (c->n)
				cutter_end(c, 0);
			seen = c->cut;
		}
	}
	while (c->n)
		cutter_end(c, 0);
	return NULL;
}

static struct cutter *cutter_new(void)
{
	struct cutter *c = calloc(1, sizeof *c);
	c->listener = listen_any(&c->port);
	return c;
}

/* Where it relays to, once that is known. */
static void cutter_start(struct cutter *c, uint16_t to)
{
	c->to = to;
	pthread_create(&c->thread, NULL, cutter_main, c);
}

static void cutter_free(struct cutter *c)
{
	c->stop = true;
	if (c->to)
		pthread_join(c->thread, NULL);
	close(c->listener);
	free(c);
}

#endif
