#include "cluster/knock.h"

#include <stdio.h>
#include <stdlib.h>

/* resolving -> connecting -> closing; a cancelled one goes to closing from where it is, once libuv lets go of it. */
struct knock {
	struct worker *w;
	uv_getaddrinfo_t name;
	uv_connect_t connect;
	uv_tcp_t tcp;
	struct timer limit;
	bool resolving, closing;
	char numeric[KNOCK_NUMERIC];
	void (*done)(void *arg, int status, const char *numeric); /* NULL: told, or cancelled */
	void *arg;
};

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void finish(struct knock *k, int status)
{
	void (*done)(void *arg, int status, const char *numeric) = k->done;
	k->done = NULL;
	worker_timer_cancel(k->w, &k->limit);
	if (!k->resolving && !k->closing) {
		k->closing = true;
		uv_close((uv_handle_t *)&k->tcp, on_closed);
	}
	if (done)
		done(k->arg, status, k->numeric);
}

static void on_connect(uv_connect_t *c, int status)
{
	struct knock *k = c->data;
	worker_pass_begin(k->w);
	if (!k->closing)
		finish(k, status);
}

static const struct sockaddr *choose(const struct addrinfo *found)
{
	for (const struct addrinfo *a = found; a; a = a->ai_next)
		if (a->ai_family == AF_INET)
			return a->ai_addr;
	return found->ai_addr;
}

static void name_it(struct knock *k, const struct sockaddr *sa)
{
	char host[INET6_ADDRSTRLEN];
	const struct sockaddr_in *four = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)sa;
	if (sa->sa_family == AF_INET && uv_ip4_name(four, host, sizeof host) == 0)
		snprintf(k->numeric, sizeof k->numeric, "tcp://%s:%u", host, ntohs(four->sin_port));
	else if (sa->sa_family == AF_INET6 && uv_ip6_name(six, host, sizeof host) == 0)
		snprintf(k->numeric, sizeof k->numeric, "tcp://[%s]:%u", host, ntohs(six->sin6_port));
}

static void on_resolved(uv_getaddrinfo_t *g, int status, struct addrinfo *found)
{
	struct knock *k = g->data;
	worker_pass_begin(k->w);
	k->resolving = false;
	if (k->done && status == 0 && found) {
		const struct sockaddr *sa = choose(found);
		name_it(k, sa);
		status = uv_tcp_connect(&k->connect, &k->tcp, sa, on_connect);
	}
	uv_freeaddrinfo(found);
	if (!k->done || status != 0)
		finish(k, status);
}

static void on_limit(struct timer *t)
{
	struct knock *k = (struct knock *)((char *)t - offsetof(struct knock, limit));
	finish(k, UV_ETIMEDOUT);
}

/* "tcp://[::1]:7400" into "::1" and "7400". */
static bool split(struct str addr, char *host, size_t host_size, char *port, size_t port_size)
{
	if (!str_starts(addr, STR("tcp://")))
		return false;
	struct str rest = str_span(addr.p + 6, addr.len - 6);
	const char *colon = NULL;
	for (size_t i = 0; i < rest.len; i++)
		if (rest.p[i] == ':')
			colon = rest.p + i;
	if (!colon)
		return false;
	struct str h = str_span(rest.p, (size_t)(colon - rest.p)), p = str_span(colon + 1, rest.len - h.len - 1);
	if (h.len > 2 && h.p[0] == '[' && h.p[h.len - 1] == ']')
		h = str_span(h.p + 1, h.len - 2);
	if (h.len == 0 || h.len >= host_size || p.len == 0 || p.len >= port_size)
		return false;
	snprintf(host, host_size, "%.*s", STR_ARG(h));
	snprintf(port, port_size, "%.*s", STR_ARG(p));
	return true;
}

struct knock *knock_begin(struct worker *w, struct str addr, uint64_t limit_ms,
			  void (*done)(void *arg, int status, const char *numeric), void *arg)
{
	char host[256], port[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	if (!split(addr, host, sizeof host, port, sizeof port))
		return NULL;
	struct knock *k = xzalloc(sizeof *k);
	k->w = w;
	k->done = done;
	k->arg = arg;
	k->name.data = k->connect.data = k->tcp.data = k;
	k->limit.on_timer = on_limit;
	if (uv_tcp_init(&w->loop, &k->tcp) != 0) {
		free(k);
		return NULL;
	}
	k->resolving = uv_getaddrinfo(&w->loop, &k->name, on_resolved, host, port, &hints) == 0;
	if (!k->resolving) {
		k->done = NULL;
		finish(k, 0);
		return NULL;
	}
	worker_timer_set(w, &k->limit, limit_ms);
	return k;
}

void knock_cancel(struct knock *k)
{
	if (!k)
		return;
	k->done = NULL;
	finish(k, UV_ECANCELED);
}
