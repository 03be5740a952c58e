#include "node/net/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/net/conn_wire.h"
#include "proto/wire/proxy.h"

#define READ_CHUNK     65536
#define READS_PER_PASS 4
#define PUSH_BYTES     65536
#define PROXY_WAIT_MS  5000

static _Thread_local char scratch[READ_CHUNK];

static const char *const end_names[] = {
	"none",	     "closed by us", "closed by peer", "connection reset", "TLS handshake failed", "invalid PROXY header",
	"timed out", "aborted",
};

const char *conn_end_name(enum conn_end e)
{
	return end_names[e];
}

static void on_poll(uv_poll_t *p, int status, int events);
static void on_flush(struct deferred *d);

static struct conn *conn_of_flush(struct deferred *d)
{
	return (struct conn *)((char *)d - offsetof(struct conn, flush));
}

/* libuv takes two or three system calls for it. */
static void poll_set(struct conn *c, int events)
{
	if (events == c->polled)
		return;
	c->polled = (uint8_t)events;
	if (events)
		uv_poll_start(c->poll, events, on_poll);
	else
		uv_poll_stop(c->poll);
}

/* A pause alone disarms nothing: most are over before anything comes. If something does, on_poll disarms. */
static void poll_update(struct conn *c)
{
	int reads = c->eof ? 0 : c->paused ? c->polled & UV_READABLE : UV_READABLE;
	if (c->state != CONN_DEAD)
		poll_set(c, reads | (c->want_write ? UV_WRITABLE : 0));
}

static void poll_freed(uv_handle_t *h)
{
	free(h);
}

static void poll_attach(struct conn *c)
{
	c->poll = xzalloc(sizeof *c->poll);
	BUG_ON(uv_poll_init(&c->worker->loop, c->poll, c->fd) != 0);
	c->poll->data = c;
}

static void poll_detach(struct conn *c)
{
	if (c->poll)
		uv_close((uv_handle_t *)c->poll, poll_freed);
	c->poll = NULL;
	c->polled = 0;
}

void conn_abort(struct conn *c, enum conn_end why)
{
	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	c->end = (uint8_t)why;
	poll_detach(c);
	worker_timer_cancel(c->worker, &c->deadline);
	worker_defer(c->worker, &c->flush); /* on_gone and the end come from the loop */
}

static void conn_free(struct conn *c)
{
	SSL_free(c->ssl);
	SSL_free(c->pending_tls);
	close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

static void on_deadline(struct timer *t)
{
	struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, deadline));
	conn_abort(c, c->state == CONN_CLOSING ? END_CLOSED_BY_US : END_TIMEOUT);
}

struct ip conn_ip_of(const struct sockaddr *sa, uint16_t *port)
{
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
		*port = ntohs(in6->sin6_port);
		return ip_of_v6(in6->sin6_addr.s6_addr);
	}
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	*port = ntohs(in->sin_port);
	return ip_of_v4((const uint8_t *)&in->sin_addr);
}

struct conn *conn_new(struct worker *w, int fd, const struct sockaddr *peer, size_t out_max, bool proxy, SSL *ssl,
		      const struct conn_ops *ops, void *owner)
{
	struct conn *c = xzalloc(sizeof *c);
	c->worker = w;
	c->ops = ops;
	c->owner = owner;
	c->fd = fd;
	c->flush.fn = on_flush;
	c->deadline.on_timer = on_deadline;
	c->last_in_ms = w->now_ms;
	buf_init(&c->in, READ_CHUNK * 2);
	buf_init(&c->out, out_max);
	c->peer = conn_ip_of(peer, &c->peer_port);
	c->state = proxy ? CONN_PROXY : ssl ? CONN_HANDSHAKE : CONN_OPEN;
	*(proxy ? &c->pending_tls : &c->ssl) = ssl;
	if (ssl)
		conn_wire_attach(c, ssl);
	poll_attach(c);
	poll_update(c);
	if (proxy)
		worker_timer_set(w, &c->deadline, PROXY_WAIT_MS);
	return c;
}

/* ---- input ---- */

/* Offers what is kept, and then `fresh` in place when nothing was kept before it. */
static void offer(struct conn *c, struct str fresh)
{
	BUG_ON(c->offering);
	if (c->in.len) {
		buf_add_str(&c->in, fresh);
		fresh = buf_str(&c->in);
	}
	struct str left = fresh;
	c->offering = true;
	if (left.len && !c->paused && !c->move_to && (c->state == CONN_OPEN || c->state == CONN_CLOSING))
		c->ops->on_bytes(c, &left);
	c->offering = false;
	if (c->in.len)
		buf_consume(&c->in, fresh.len - left.len);
	else if (left.len)
		buf_add_str(&c->in, left);
	BUG_ON(c->in.failed); /* an owner that leaves more than one read without a pause */
	if (!c->in.len)
		buf_fini(&c->in);
}

/* Bytes read, 0 for "nothing now", -1 when the conn met its end. */
static int read_some(struct conn *c)
{
	if (!c->ssl) {
		ssize_t n = recv(c->fd, scratch, sizeof scratch, 0);
		if (n > 0)
			return (int)n;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		c->eof = n == 0;
		c->end = n == 0 ? END_CLOSED_BY_PEER : END_RESET;
		return -1;
	}
	ERR_clear_error();
	int n = SSL_read(c->ssl, scratch, sizeof scratch);
	if (n > 0)
		return n;
	int e = SSL_get_error(c->ssl, n);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return 0;
	/* Many clients close TCP without a close_notify: for a stream, whose end is said in XML, that is an end like any other. */
	c->eof = e == SSL_ERROR_ZERO_RETURN || ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	c->end = c->eof ? END_CLOSED_BY_PEER : END_RESET;
	return -1;
}

static void readable(struct conn *c)
{
	worker_pass_begin(c->worker);
	c->drained = false;
	for (int i = 0; i < READS_PER_PASS * (c->ssl ? 4 : 1); i++) {
		if (c->paused || c->move_to || (c->state != CONN_OPEN && c->state != CONN_CLOSING))
			return;
		int n = read_some(c);
		if (n < 0) {
			conn_abort(c, c->end);
			return;
		}
		if (n == 0)
			return;
		c->bytes_in += (uint64_t)n;
		c->last_in_ms = c->worker->now_ms;
		c->read_ns = c->worker->pass_ns;
		if (c->half_closed)
			continue; /* our FIN is out: only the peer's end is awaited */
		offer(c, str_span(scratch, (size_t)n));
		if (c->ssl ? !SSL_has_pending(c->ssl) : n < READ_CHUNK)
			return;
	}
	c->more = true; /* fairness: the rest in the next pass, even if TLS holds it already */
	worker_defer(c->worker, &c->flush);
}

static void handshake(struct conn *c)
{
	c->drained = false;
	ERR_clear_error();
	int rc = SSL_accept(c->ssl);
	if (rc == 1) {
		c->state = CONN_OPEN;
		c->want_write = false;
		poll_update(c);
		c->last_in_ms = c->worker->now_ms;
		c->ops->on_secure(c);
		if (c->state == CONN_OPEN)
			readable(c);
		return;
	}
	int e = SSL_get_error(c->ssl, rc);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
		c->want_write = e == SSL_ERROR_WANT_WRITE;
		poll_update(c);
		return;
	}
	conn_abort(c, END_TLS_FAILED);
}

static void proxy_done(struct conn *c, const struct proxy_header *h)
{
	c->proxied = true;
	worker_timer_cancel(c->worker, &c->deadline);
	buf_fini(&c->in);
	if (h->kind == PROXY_TCP) {
		c->peer = h->src;
		c->peer_port = h->src_port;
	}
	c->state = c->pending_tls ? CONN_HANDSHAKE : CONN_OPEN;
	c->ssl = c->pending_tls;
	c->pending_tls = NULL;
	if (c->ops->on_address && !c->ops->on_address(c))
		conn_abort(c, END_ABORTED);
}

/* Takes exactly the header off the socket: what follows it belongs to TLS or to the stream. */
static void proxy_read(struct conn *c)
{
	char peeked[PROXY_MAX];
	struct proxy_header h;
	ssize_t n = recv(c->fd, peeked, sizeof peeked, MSG_PEEK);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			conn_abort(c, n == 0 ? END_CLOSED_BY_PEER : END_RESET);
		return;
	}
	size_t before = c->in.len;
	buf_add(&c->in, peeked, (size_t)n);
	enum proxy_result r = proxy_parse(buf_str(&c->in), &h);
	size_t take = r == PROXY_DONE ? h.bytes - before : (size_t)n;
	if (r == PROXY_INVALID || recv(c->fd, peeked, take, 0) != (ssize_t)take)
		conn_abort(c, END_PROXY_INVALID);
	else if (r == PROXY_DONE)
		proxy_done(c, &h);
}

void conn_pause(struct conn *c)
{
	c->paused = true;
	poll_update(c);
}

void conn_resume(struct conn *c)
{
	if (!c->paused)
		return;
	bool nothing_came = (c->polled & UV_READABLE) && !c->in.len && !(c->ssl && SSL_has_pending(c->ssl));
	c->paused = false;
	poll_update(c);
	if (nothing_came || c->state == CONN_DEAD)
		return;
	c->more = true;
	worker_defer(c->worker, &c->flush);
}

/* ---- output ---- */

static void drop_sent(struct conn *c)
{
	buf_consume(&c->out, c->out_pos);
	c->out_pos = 0;
}

/* The ceiling is on what is unsent: once the queue is half full, what was sent makes room, at most once per pass; and where the ceiling is
 * high, as soon as that is most of it, so that moving the rest costs less than what was written. */
struct buf *conn_out(struct conn *c)
{
	bool mostly_sent = c->out_pos > PUSH_BYTES * 4 && c->out_pos > c->out.len / 2;
	if (c->out_pos && (mostly_sent || c->out.len > c->out.max / 2))
		drop_sent(c);
	return &c->out;
}

void conn_touch(struct conn *c)
{
	if (c->state != CONN_DEAD)
		worker_defer(c->worker, &c->flush);
}

enum err conn_write(struct conn *c, struct str bytes)
{
	if (c->state == CONN_DEAD || c->half_closed)
		return ERR_CANCELLED;
	struct buf *out = conn_out(c);
	if (bytes.len > out->max - out->len)
		return ERR_LIMIT;
	buf_add_str(out, bytes);
	conn_touch(c);
	return ERR_NONE;
}

static ssize_t write_some(struct conn *c)
{
	const char *p = c->out.p + c->out_pos;
	size_t n = conn_unsent(c);
	if (!c->ssl) {
		ssize_t sent = send(c->fd, p, n, conn_wire_flags(c));
		return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
	}
	ERR_clear_error();
	int sent = SSL_write(c->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
	if (sent > 0)
		return sent;
	int e = SSL_get_error(c->ssl, sent);
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void write_out(struct conn *c)
{
	uint64_t before = c->bytes_out;
	while (conn_unsent(c)) {
		ssize_t n = write_some(c);
		if (n < 0) {
			conn_abort(c, END_RESET);
			return;
		}
		if (n == 0)
			break;
		c->out_pos += (size_t)n;
		c->bytes_out += (uint64_t)n;
	}
	bool left = conn_unsent(c) != 0;
	if (c->bytes_out != before && c->ops->on_written)
		c->ops->on_written(c);
	if (!left) {
		buf_fini(&c->out);
		c->out_pos = 0;
	} else if (c->out_pos > c->out.len / 2) {
		drop_sent(c);
	}
	if (left != c->want_write) {
		c->want_write = left;
		poll_update(c);
	}
}

void conn_push(struct conn *c)
{
	if (c->state == CONN_OPEN && !c->move_to && !c->want_write && conn_unsent(c) >= PUSH_BYTES)
		write_out(c);
}

/* All is sent: our FIN, then wait for the peer's so that it can read everything. */
static void finish_close(struct conn *c)
{
	if (c->half_closed)
		return;
	c->half_closed = true;
	buf_fini(&c->in);
	if (c->ssl)
		SSL_shutdown(c->ssl);
	shutdown(c->fd, SHUT_WR);
	c->paused = false;
	poll_update(c);
}

/* ---- moving to another worker ---- */

struct move {
	struct message message;
	struct conn *conn;
	void (*then)(struct conn *c, bool cancelled);
};

static void on_moved(struct worker *w, struct message *m, bool cancelled)
{
	struct move *mv = (struct move *)m;
	struct conn *c = mv->conn;
	void (*then)(struct conn *, bool) = mv->then;
	free(mv);
	c->worker = w;
	if (cancelled) {
		then(c, true);
		conn_free(c);
		return;
	}
	poll_attach(c);
	poll_update(c);
	then(c, false);
	c->more = true;
	conn_touch(c);
}

static void move_now(struct conn *c)
{
	struct move *mv = xzalloc(sizeof *mv);
	struct worker *to = c->move_to;
	mv->message.run = on_moved;
	mv->conn = c;
	mv->then = c->move_then;
	c->move_to = NULL;
	worker_undefer(c->worker, &c->flush);
	poll_detach(c);
	worker_post(to, &mv->message);
}

void conn_move(struct conn *c, struct worker *to, void (*then)(struct conn *c, bool cancelled))
{
	BUG_ON(timer_is_set(&c->deadline));
	c->move_to = to;
	c->move_then = then;
	conn_touch(c);
}

static void on_flush(struct deferred *d)
{
	struct conn *c = conn_of_flush(d);
	if (c->state == CONN_DEAD) {
		c->ops->on_gone(c, c->end);
		conn_free(c);
		return;
	}
	bool more = c->more;
	c->more = false;
	if (more && c->state != CONN_HANDSHAKE && c->state != CONN_PROXY) {
		if (c->in.len && !c->paused)
			offer(c, STR(""));
		readable(c);
	}
	if (c->state == CONN_OPEN || c->state == CONN_CLOSING || (c->state == CONN_HANDSHAKE && c->pending_tls))
		write_out(c);
	if (c->state == CONN_HANDSHAKE && c->pending_tls && !conn_unsent(c)) {
		c->ssl = c->pending_tls;
		c->pending_tls = NULL;
	}
	if (c->state == CONN_CLOSING && !conn_unsent(c))
		finish_close(c);
	if (c->move_to && c->state == CONN_OPEN)
		move_now(c);
}

void conn_start_tls(struct conn *c, SSL *ssl)
{
	c->pending_tls = ssl;
	c->state = CONN_HANDSHAKE;
	conn_wire_attach(c, ssl);
	conn_touch(c);
}

void conn_close(struct conn *c, uint64_t linger_ms)
{
	if (c->state == CONN_DEAD || c->state == CONN_CLOSING)
		return;
	if (c->state == CONN_HANDSHAKE || c->state == CONN_PROXY) {
		conn_abort(c, END_CLOSED_BY_US);
		return;
	}
	c->state = CONN_CLOSING;
	worker_timer_set(c->worker, &c->deadline, linger_ms);
	conn_touch(c);
}

/* ---- events ---- */

/* The socket has an error. What came before it is read first, after the pause if there is one: reading ends at the error. */
static void broken(struct conn *c)
{
	bool open = c->state == CONN_OPEN || c->state == CONN_CLOSING;
	c->polled = 0; /* libuv has disarmed it */
	if (open && c->paused)
		return;
	if (open)
		readable(c);
	if (!c->paused && !c->more && !c->move_to)
		conn_abort(c, END_RESET);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct conn *c = p->data;
	worker_pass_begin(c->worker);
	worker_doing(c->worker, "socket");
	if (status < 0) {
		broken(c);
		return;
	}
	if (c->paused && (events & UV_READABLE)) {
		poll_set(c, c->polled & ~UV_READABLE);
		events &= ~UV_READABLE;
		if (!events)
			return;
	}
	if (c->state == CONN_HANDSHAKE && c->ssl) {
		handshake(c);
		return;
	}
	if (events & UV_WRITABLE)
		conn_touch(c);
	if (!(events & UV_READABLE))
		return;
	if (c->state == CONN_PROXY)
		proxy_read(c);
	else if ((c->state == CONN_OPEN || c->state == CONN_CLOSING) && !c->more) /* else the end of the pass reads, after what is kept */
		readable(c);
}

bool conn_peer_is_loopback(const struct conn *c)
{
	static const struct ip v6_loopback = { .bytes = { [15] = 1 } };
	return ip_is_v4(&c->peer) ? c->peer.bytes[12] == 127 : ip_eq(&c->peer, &v6_loopback);
}
