#include "node/http/httpd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/core/log.h"
#include "node/net/conn.h"
#include "node/net/inherited.h"

#define REQUEST_MS 10000
#define IDLE_MS    75000
#define WRITE_MS   30000
#define LINGER_MS  2000
#define CHUNK      65536

struct httpd {
	struct node *node;
	const char *name;
	const struct path *paths;
	void *arg;
	uv_tcp_t listening;
	struct client *clients;
	unsigned n_clients, refs;
	bool stopping;
};

/*
 *   IDLE -first byte-> READING -request-> HANDLING -reply-> WRITING -written-> IDLE, or LINGERING after the last
 *   LINGERING: our end is said; what still comes is thrown away, as closing on it would take the reply from the peer (RFC 9112 section 9.6)
 *   any -deadline, end of the peer, error, stop-> closed; a HANDLING one is freed once its handler has replied
 */
enum client_state { CLIENT_IDLE, CLIENT_READING, CLIENT_HANDLING, CLIENT_WRITING, CLIENT_LINGERING };

struct client {
	struct exchange x; /* first: a handler's exchange is its client */
	struct client *next, **prev;
	struct httpd *httpd;
	uv_tcp_t tcp;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct timer deadline;
	struct request_reader *reader;
	struct buf left, out; /* input behind the request in hand; the reply */
	uint64_t idle_since_ms;
	enum client_state state;
	bool last, closed, closing; /* no request after this one; its handle is closed; being closed */
};

static char scratch[CHUNK]; /* of the main thread: nothing stays in it from one callback to the next */

static void client_feed(struct client *c, struct str input);
static void client_await(struct client *c);
static void client_linger(struct client *c);

/* ---- life ---- */

static void httpd_unref(struct httpd *h)
{
	if (--h->refs == 0)
		free(h);
}

static void client_free(struct client *c)
{
	struct httpd *h = c->httpd;
	request_reader_free(c->reader);
	arena_free(c->x.arena);
	buf_fini(&c->left);
	buf_fini(&c->out);
	free(c);
	httpd_unref(h);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	c->closed = true;
	if (c->state != CLIENT_HANDLING)
		client_free(c);
}

static void client_close(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	worker_timer_cancel(c->httpd->node->main, &c->deadline);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->httpd->n_clients--;
	uv_close((uv_handle_t *)&c->tcp, on_client_closed);
}

static void on_deadline(struct timer *t)
{
	struct client *c = (struct client *)((char *)t - offsetof(struct client, deadline));
	if (c->state == CLIENT_READING) {
		c->last = true;
		c->state = CLIENT_HANDLING;
		uv_read_stop((uv_stream_t *)&c->tcp);
		exchange_say(&c->x, 408, "the request did not arrive in time");
	} else {
		client_close(c);
	}
}

static void client_enter(struct client *c, enum client_state to, uint64_t deadline_ms)
{
	struct worker *main = c->httpd->node->main;
	c->state = to;
	worker_timer_cancel(main, &c->deadline);
	if (deadline_ms)
		worker_timer_set(main, &c->deadline, deadline_ms);
}

/* ---- replies ---- */

static const char *reason(unsigned status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 413: return "Content Too Large";
	case 415: return "Unsupported Media Type";
	case 422: return "Unprocessable Content";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default: return "Error";
	}
}

static void on_written(uv_write_t *w, int status)
{
	struct client *c = w->data;
	if (c->closing)
		return;
	buf_fini(&c->out);
	if (status < 0 || c->httpd->stopping)
		client_close(c);
	else if (c->last)
		client_linger(c);
	else
		client_await(c);
}

static void head_write(struct client *c, unsigned status, const char *type, size_t length)
{
	struct tm tm;
	char date[64];
	time_t now = (time_t)(worker_wall_ms() / 1000);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	buf_addf(&c->out, "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", status, reason(status), date,
		 type ? type : "text/plain; charset=utf-8", length);
	buf_addf(&c->out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
			  "Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n%.*sConnection: %s\r\n\r\n",
		 STR_ARG(c->x.fields), c->last ? "close" : "keep-alive");
}

/* Nobody waits for it any more, or not for long: what the socket takes at once must do. */
static void reply_and_go(struct client *c)
{
	uv_buf_t b = uv_buf_init(c->out.p, (unsigned)c->out.len);
	if (!c->closing)
		uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
	c->state = CLIENT_WRITING;
	if (c->closed)
		client_free(c);
	else
		client_close(c);
}

void exchange_reply(struct exchange *x, unsigned status, const char *type, struct str body)
{
	struct client *c = (struct client *)x;
	BUG_ON(c->state != CLIENT_HANDLING);
	c->last = c->last || !x->request.keep_alive;
	buf_init(&c->out, HTTPD_REPLY_MAX + 4096);
	head_write(c, status, type, body.len);
	if (x->request.method != REQUEST_HEAD)
		buf_add_str(&c->out, body);
	metrics_add_at(&c->httpd->node->metrics, METRIC_HTTP_REQUESTS_TOTAL, status / 100 - 2, 1);
	if (c->closing || c->httpd->stopping || buf_status(&c->out) != ERR_NONE) {
		reply_and_go(c);
		return;
	}
	client_enter(c, CLIENT_WRITING, WRITE_MS);
	uv_buf_t b = uv_buf_init(c->out.p, (unsigned)c->out.len);
	c->write.data = c;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written) != 0)
		client_close(c);
}

void exchange_say(struct exchange *x, unsigned status, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof line - 1, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof line - 2 ? (size_t)n : sizeof line - 2;
	line[len] = '\n';
	exchange_reply(x, status, NULL, str_span(line, len + 1));
}

void exchange_field(struct exchange *x, const char *name, struct str value)
{
	x->fields = arena_printf(x->arena, "%.*s%s: %.*s\r\n", STR_ARG(x->fields), name, STR_ARG(value));
}

/* ---- requests ---- */

/* The row of a path; *rest: what is behind a prefix. */
static const struct path *path_find(const struct path *rows, struct str path, struct str *rest)
{
	for (; rows->path; rows++) {
		struct str p = str_of(rows->path);
		bool prefix = p.len > 1 && p.p[p.len - 1] == '/';
		if (prefix ? str_starts(path, p) : str_eq(path, p)) {
			*rest = str_span(path.p + p.len, path.len - p.len);
			return rows;
		}
	}
	return NULL;
}

static void dispatch(struct client *c)
{
	struct exchange *x = &c->x;
	unsigned method = x->request.method;
	x->path = path_find(c->httpd->paths, x->request.path, &x->rest);
	if (!x->path) {
		exchange_say(x, 404, "nothing is here");
		return;
	}
	if (method == REQUEST_HEAD && x->path->methods & REQUEST_GET)
		method = REQUEST_GET;
	if (!(x->path->methods & method)) {
		exchange_field(x, "Allow", x->path->methods & REQUEST_GET ? STR("GET, HEAD") : STR("POST"));
		exchange_say(x, 405, "not with this method");
		return;
	}
	x->path->handle(x);
}

/* A new exchange on the connection. */
static void exchange_begin(struct client *c)
{
	struct ip peer = c->x.peer;
	arena_free(c->x.arena);
	c->x = (struct exchange){ .node = c->httpd->node, .arg = c->httpd->arg, .arena = arena_new(512), .peer = peer };
	buf_fini(&c->out);
}

static void client_feed(struct client *c, struct str input)
{
	unsigned status = 0;
	if (c->state == CLIENT_IDLE && input.len) {
		exchange_begin(c);
		client_enter(c, CLIENT_READING, REQUEST_MS);
	}
	enum request_event e = request_next(c->reader, &input, &c->x.request, &status);
	if (e == REQUEST_MORE)
		return;
	uv_read_stop((uv_stream_t *)&c->tcp);
	client_enter(c, CLIENT_HANDLING, 0);
	if (e == REQUEST_BAD) {
		c->last = true;
		exchange_say(&c->x, status, "%s", reason(status));
		return;
	}
	buf_add_str(&c->left, input);
	if (buf_status(&c->left) != ERR_NONE)
		c->last = true; /* pipelined without measure */
	dispatch(c);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	*b = uv_buf_init(scratch, sizeof scratch);
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	struct client *c = st->data;
	worker_pass_begin(c->httpd->node->main);
	if (n < 0)
		client_close(c);
	else if (n > 0 && c->state != CLIENT_LINGERING)
		client_feed(c, str_span(b->base, (size_t)n));
}

/* For the next request, which may be here already. */
static void client_await(struct client *c)
{
	struct buf left = c->left;
	c->idle_since_ms = c->httpd->node->main->now_ms;
	client_enter(c, CLIENT_IDLE, IDLE_MS);
	uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	buf_init(&c->left, CHUNK);
	if (left.len)
		client_feed(c, buf_str(&left));
	buf_fini(&left);
}

static void on_shut_down(uv_shutdown_t *req, int status)
{
	(void)req;
	(void)status;
}

static void client_linger(struct client *c)
{
	client_enter(c, CLIENT_LINGERING, LINGER_MS);
	c->idle_since_ms = 0;
	uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut_down) != 0)
		client_close(c);
}

/* ---- connections ---- */

/* Room for one more: one that lingers goes, or the longest idle one. */
static bool make_room(struct httpd *h)
{
	struct client *oldest = NULL;
	if (h->n_clients < HTTPD_CONNECTIONS)
		return true;
	for (struct client *c = h->clients; c; c = c->next)
		if ((c->state == CLIENT_IDLE || c->state == CLIENT_LINGERING) && (!oldest || c->idle_since_ms < oldest->idle_since_ms))
			oldest = c;
	if (oldest)
		client_close(oldest);
	return oldest;
}

static void on_connection(uv_stream_t *listening, int status)
{
	struct httpd *h = listening->data;
	struct client *c = xzalloc(sizeof *c);
	struct sockaddr_storage peer = { 0 };
	int len = sizeof peer;
	uint16_t port;
	bool room = make_room(h);
	worker_pass_begin(h->node->main);
	c->httpd = h;
	c->deadline.on_timer = on_deadline;
	c->reader = request_reader_new((struct request_limits){ .head = HTTPD_HEAD_MAX, .body = HTTPD_BODY_MAX });
	buf_init(&c->left, CHUNK);
	uv_tcp_init(&h->node->main->loop, &c->tcp);
	c->tcp.data = c;
	c->next = h->clients;
	c->prev = &h->clients;
	if (c->next)
		c->next->prev = &c->next;
	h->clients = c;
	h->n_clients++;
	h->refs++;
	if (status < 0 || uv_accept(listening, (uv_stream_t *)&c->tcp) != 0) {
		client_close(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &len) == 0)
		c->x.peer = conn_ip_of((struct sockaddr *)&peer, &port);
	if (room) {
		client_await(c);
		return;
	}
	exchange_begin(c);
	c->last = true;
	client_enter(c, CLIENT_HANDLING, 0);
	exchange_say(&c->x, 503, "too many connections");
}

/* ---- the listener ---- */

static int listen_on(struct httpd *h, const char *address, int port)
{
	struct sockaddr_storage addr;
	int rc = uv_ip4_addr(address, port, (struct sockaddr_in *)&addr);
	if (rc != 0)
		rc = uv_ip6_addr(address, port, (struct sockaddr_in6 *)&addr);
	int fd = rc ? -1 : inherited_at((struct sockaddr *)&addr);
	if (fd >= 0)
		rc = uv_tcp_open(&h->listening, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	else
		rc = rc ? rc : uv_tcp_bind(&h->listening, (struct sockaddr *)&addr, 0);
	return rc ? rc : uv_listen((uv_stream_t *)&h->listening, 128, on_connection);
}

static void on_httpd_closed(uv_handle_t *handle)
{
	httpd_unref(handle->data);
}

enum err httpd_start(struct node *n, const char *name, const char *address, int port, const struct path *paths, void *arg,
		     struct buf *why, struct httpd **out)
{
	struct httpd *h = xzalloc(sizeof *h);
	h->node = n;
	h->name = name;
	h->paths = paths;
	h->arg = arg;
	h->refs = 1;
	uv_tcp_init(&n->main->loop, &h->listening);
	h->listening.data = h;
	int rc = listen_on(h, address, port);
	if (rc == 0) {
		LOG(LOG_INFO, "http", "listening", L_Z("for", name), L_Z("address", address), L_INT("port", port));
		*out = h;
		return ERR_NONE;
	}
	buf_addf(why, "cannot listen on %s port %d for %s: %s", address, port, name, uv_strerror(rc));
	uv_close((uv_handle_t *)&h->listening, on_httpd_closed);
	*out = NULL;
	return rc == UV_EADDRINUSE ? ERR_EXISTS : ERR_IO;
}

void httpd_stop(struct httpd *h)
{
	struct client *next;
	if (!h)
		return;
	h->stopping = true;
	for (struct client *c = h->clients; c; c = next) {
		next = c->next;
		client_close(c);
	}
	uv_close((uv_handle_t *)&h->listening, on_httpd_closed);
}
