#include "tests/bench/load_client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/load_login.h"
#include "tests/bench/load_proc.h"

enum { READ_BYTES = 16384, INPUT_CEILING = 1 << 20 };

static void append(struct client_bytes *b, const char *bytes, size_t n)
{
	if (b->len + n > b->cap) {
		b->cap = (b->len + n) * 2;
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			abort();
	}
	memcpy(b->p + b->len, bytes, n);
	b->len += n;
}

static void drop(struct client_bytes *b, size_t n)
{
	b->len -= n;
	memmove(b->p, b->p + n, b->len);
}

struct client *client_new(struct load *load, size_t index)
{
	struct client *c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	c->load = load;
	c->index = index;
	c->fd = -1;
	return c;
}

static void close_wire(struct client *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->in.p);
	free(c->out.p);
	c->in = c->out = (struct client_bytes){ 0 };
	c->state = CLIENT_CLOSED;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	close_wire(c);
	free(c);
}

/* The end of a client that wanted to go on. */
static void fail(struct client *c, const char *why)
{
	bool expected = c->state == CLIENT_CLOSING;
	if (c->state == CLIENT_CLOSED)
		return;
	if (!c->why[0])
		snprintf(c->why, sizeof(c->why), "%s (state %d)", why, c->state);
	close_wire(c);
	if (!expected && c->load->on_down)
		c->load->on_down(c);
}

static void watch(struct client *c, bool want_write)
{
	struct epoll_event ev = { .events = EPOLLIN | (want_write ? EPOLLOUT : 0), .data.ptr = c };
	if (c->fd >= 0 && want_write != c->want_write)
		epoll_ctl(c->load->epoll, EPOLL_CTL_MOD, c->fd, &ev);
	c->want_write = want_write;
}

/* The two of a pair, 2k and 2k + 1, are never on one node, and pairs go round all ordered pairs of nodes: each link has its share. */
static unsigned node_of(const struct load *load, size_t index)
{
	size_t nodes = load->n_others + 1, pair = index / 2;
	if (nodes == 1)
		return 0;
	return (unsigned)((index % 2 ? pair + 1 + pair / nodes % (nodes - 1) : pair) % nodes);
}

void client_start(struct client *c)
{
	c->started_ns = load_now_ns();
	c->state = CLIENT_CONNECTING;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		fail(c, "no socket");
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	c->want_write = true;
	epoll_ctl(c->load->epoll, EPOLL_CTL_ADD, c->fd, &ev);
	struct sockaddr_in to = c->load->server;
	unsigned node = node_of(c->load, c->index);
	if (node)
		to.sin_port = c->load->others[node - 1];
	if (connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
		fail(c, "refused");
}

void client_write(struct client *c, const char *bytes, size_t n)
{
	append(&c->out, bytes, n);
}

void client_printf(struct client *c, const char *fmt, ...)
{
	char text[2048];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		abort();
	client_write(c, text, (size_t)n);
}

static ssize_t push(struct client *c)
{
	if (!c->ssl)
		return send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL);
	int n = SSL_write(c->ssl, c->out.p, (int)c->out.len);
	if (n > 0)
		return n;
	int e = SSL_get_error(c->ssl, n);
	ERR_clear_error();
	errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
	return -1;
}

void client_flush(struct client *c)
{
	if (c->fd < 0 || c->state == CLIENT_CONNECTING || c->state == CLIENT_HANDSHAKE)
		return;
	while (c->out.len) {
		ssize_t n = push(c);
		if (n < 0 && errno != EAGAIN) {
			fail(c, "write failed");
			return;
		}
		if (n < 0)
			break;
		drop(&c->out, (size_t)n);
	}
	watch(c, c->out.len > 0);
}

void client_consume(struct client *c, size_t n)
{
	drop(&c->in, n);
}

void client_goodbye(struct client *c)
{
	if (c->state == CLIENT_CLOSED || c->state == CLIENT_NEW)
		return;
	if (c->state != CLIENT_READY) {
		close_wire(c);
		return;
	}
	c->state = CLIENT_CLOSING;
	load_sm_acknowledge(c); /* else it comes again, from the offline store */
	client_printf(c, "</stream:stream>");
	client_flush(c);
}

/* Starts or continues the TLS handshake. */
static void handshake(struct client *c)
{
	if (!c->ssl) {
		static const unsigned char alpn[] = "\x0bxmpp-client";
		c->state = CLIENT_HANDSHAKE;
		c->ssl = SSL_new(c->load->tls_ctx);
		SSL_set_fd(c->ssl, c->fd);
		SSL_set_tlsext_host_name(c->ssl, c->load->domain);
		SSL_set_alpn_protos(c->ssl, alpn, sizeof(alpn) - 1);
	}
	int n = SSL_connect(c->ssl);
	if (n == 1) {
		load_login_open_stream(c);
		client_flush(c);
		return;
	}
	int e = SSL_get_error(c->ssl, n);
	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
		char text[96];
		ERR_error_string_n(ERR_get_error(), text, sizeof(text));
		ERR_clear_error();
		fail(c, text);
		return;
	}
	watch(c, e == SSL_ERROR_WANT_WRITE);
}

/* Reads what there is. Returns false when the wire is gone. */
static bool pull(struct client *c)
{
	char bytes[READ_BYTES];
	for (;;) {
		ssize_t n;
		if (c->ssl) {
			n = SSL_read(c->ssl, bytes, sizeof(bytes));
			if (n <= 0) {
				int e = SSL_get_error(c->ssl, (int)n);
				ERR_clear_error();
				return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
			}
		} else {
			n = recv(c->fd, bytes, sizeof(bytes), 0);
			if (n <= 0)
				return n < 0 && errno == EAGAIN;
		}
		append(&c->in, bytes, (size_t)n);
		/* A short read of a plain socket has emptied it. TLS may hold another record. */
		if (!c->ssl && (size_t)n < sizeof(bytes))
			return true;
	}
}

static void on_bytes(struct client *c)
{
	size_t before = c->in.len;
	bool open = pull(c);
	if (c->load->sm && c->authenticated && !load_sm_hear(c, c->in.p + before, c->in.len - before)) {
		fail(c, "no stream management");
		return;
	}
	while (c->in.len && c->state < CLIENT_READY) {
		enum login_step step = load_login_step(c);
		if (step == LOGIN_MORE)
			break;
		if (step == LOGIN_FAILED) {
			fail(c, "login");
			return;
		}
		if (step == LOGIN_HANDSHAKE) {
			handshake(c);
			return;
		}
	}
	if (c->in.len && c->state == CLIENT_READY && c->load->on_input)
		c->load->on_input(c);
	if (c->state == CLIENT_CLOSING)
		c->in.len = 0;
	if (c->in.len > INPUT_CEILING)
		fail(c, "too much input");
	client_flush(c);
	if (!open)
		fail(c, "closed by the server");
}

static void on_event(struct client *c, uint32_t events)
{
	if (c->state == CLIENT_CONNECTING) {
		int error = 0;
		socklen_t n = sizeof(error);
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n);
		if (error) {
			snprintf(c->why, sizeof(c->why), "cannot connect: %s", strerrorname_np(error));
			fail(c, "");
			return;
		}
		if (c->load->tls == LOAD_DIRECT_TLS) {
			handshake(c);
			return;
		}
		load_login_open_stream(c);
		client_flush(c);
		return;
	}
	if (c->state == CLIENT_HANDSHAKE) {
		handshake(c);
		return;
	}
	if (events & EPOLLOUT)
		client_flush(c);
	if (c->fd >= 0 && (events & ~(uint32_t)EPOLLOUT))
		on_bytes(c);
}

void load_loop(struct load *load, uint64_t timeout_ns)
{
	struct epoll_event events[256];
	struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000) };
	int n = epoll_pwait2(load->epoll, events, 256, &timeout, NULL);
	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;
		if (c->fd >= 0)
			on_event(c, events[i].events);
	}
}
