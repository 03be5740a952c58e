#include "cluster/redis_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cluster/redis_tls.h"
#include "proto/base/buf.h"

#define READ_CHUNK     65536
#define READS_PER_PASS 32
#define COMPACT_BYTES  (1u << 20)
#define ARGS_MAX       32

enum redis_wire_state { WIRE_RESOLVING, WIRE_CONNECTING, WIRE_HANDSHAKE, WIRE_OPEN, WIRE_FAILED, WIRE_GONE };

/* The resolver's request outlives a wire that is closed meanwhile. */
struct lookup {
	uv_getaddrinfo_t request;
	struct redis_wire *wire;
};

struct redis_wire {
	struct worker *worker;
	struct redis_target target;
	const struct redis_wire_ops *ops;
	void *arg;
	enum redis_wire_state state;
	struct lookup *lookup;
	struct addrinfo *addrs, *next;
	uv_poll_t *poll;
	int fd;
	SSL *ssl;
	bool want_write, tls_wants_write;
	unsigned reading;         /* inside the callbacks of a read: freed afterwards */
	struct buf out;
	size_t written;           /* of `out`, by the socket */
	redisReader *reader;
	redisReplyObjectFunctions functions, capped; /* hiredis' own, and with our ceiling */
	size_t reply_bytes, reply_elements; /* of the reply that is being read */
	struct deferred flush;
	char text[192];
};

static void on_poll(uv_poll_t *p, int status, int events);
static void connect_next(struct redis_wire *w, const char *why);

/* ---- its end ---- */

static void poll_freed(uv_handle_t *h)
{
	free(h);
}

static void socket_close(struct redis_wire *w)
{
	if (w->poll)
		uv_close((uv_handle_t *)w->poll, poll_freed);
	w->poll = NULL;
	SSL_free(w->ssl);
	w->ssl = NULL;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static void let_go(struct redis_wire *w)
{
	socket_close(w);
	if (w->lookup) {
		w->lookup->wire = NULL;
		uv_cancel((uv_req_t *)&w->lookup->request);
		w->lookup = NULL;
	}
	if (w->addrs)
		uv_freeaddrinfo(w->addrs);
	w->addrs = w->next = NULL;
}

static void wire_free(struct redis_wire *w)
{
	worker_undefer(w->worker, &w->flush);
	redisReaderFree(w->reader);
	buf_fini(&w->out);
	free(w);
}

const char *redis_wire_doing(const struct redis_wire *w)
{
	static const char *const names[] = { "resolving its name", "connecting", "TLS", "open", "closing", "closing" };
	return names[w->state];
}

void redis_wire_close(struct redis_wire *w)
{
	if (!w)
		return;
	let_go(w);
	w->state = WIRE_GONE;
	if (!w->reading)
		wire_free(w);
}

/* Told at the end of the pass, so that nobody is called back from what he calls. */
static void fail(struct redis_wire *w, const char *doing, const char *what)
{
	if (w->state >= WIRE_FAILED)
		return;
	char text[sizeof w->text]; /* `what` may be in w->text */
	int n = snprintf(text, sizeof text, "%s%s%s", doing, *doing && *what ? ": " : "", what);
	memcpy(w->text, text, n < (int)sizeof text ? (size_t)n + 1 : sizeof text);
	let_go(w);
	w->state = WIRE_FAILED;
	worker_defer(w->worker, &w->flush);
}

static void fail_errno(struct redis_wire *w, const char *doing, int error)
{
	fail(w, doing, uv_strerror(uv_translate_sys_error(error)));
}

/* ---- replies ---- */

/* Elements cost memory before they come: "*99999999" alone would take a gigabyte. */
static void *create_array(const redisReadTask *task, int elements)
{
	struct redis_wire *w = task->privdata;
	w->reply_elements += elements > 0 ? (size_t)elements : 0;
	if (w->reply_elements * sizeof(redisReply) > w->target.max_reply_bytes)
		return NULL;
	return w->functions.createArray(task, elements);
}

static void reader_open(struct redis_wire *w)
{
	w->reader = redisReaderCreate();
	BUG_ON(!w->reader);
	w->functions = w->capped = *w->reader->fn;
	w->capped.createArray = create_array;
	w->reader->fn = &w->capped;
	w->reader->privdata = w;
}

static bool has_ended(const struct redis_wire *w)
{
	return w->state != WIRE_OPEN;
}

/* Takes bytes in and gives what replies they complete. */
static void feed(struct redis_wire *w, const char *bytes, size_t n)
{
	w->reply_bytes += n;
	if (redisReaderFeed(w->reader, bytes, n) != REDIS_OK) {
		fail(w, "reading", w->reader->errstr);
		return;
	}
	while (!has_ended(w)) {
		void *reply = NULL;
		if (redisReaderGetReply(w->reader, &reply) != REDIS_OK) {
			fail(w, "reading", w->reply_elements * sizeof(redisReply) > w->target.max_reply_bytes ? "the reply is too large"
													     : w->reader->errstr);
			return;
		}
		if (!reply)
			break;
		w->reply_bytes = w->reader->len - w->reader->pos;
		w->reply_elements = 0;
		w->ops->on_reply(w->arg, reply);
		freeReplyObject(reply);
	}
	if (!has_ended(w) && w->reply_bytes > w->target.max_reply_bytes)
		fail(w, "reading", "the reply is too large");
}

/* ---- bytes ---- */

static void poll_update(struct redis_wire *w)
{
	int events = 0;
	if (w->state == WIRE_CONNECTING)
		events = UV_WRITABLE;
	else if (w->state == WIRE_HANDSHAKE)
		events = w->tls_wants_write ? UV_WRITABLE : UV_READABLE;
	else if (w->state == WIRE_OPEN)
		events = UV_READABLE | (w->want_write ? UV_WRITABLE : 0);
	if (events)
		uv_poll_start(w->poll, events, on_poll);
}

/* Bytes read, 0: nothing now, -1: it has failed. */
static int read_some(struct redis_wire *w, char *into, size_t room)
{
	if (w->ssl) {
		int n = redis_tls_read(w->ssl, into, room, w->text, sizeof w->text);
		if (n < 0)
			fail(w, "reading", w->text);
		return n;
	}
	ssize_t n = recv(w->fd, into, room, 0);
	if (n > 0)
		return (int)n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		fail(w, "", "the server closed the connection");
	else
		fail_errno(w, "reading", errno);
	return -1;
}

static void read_all(struct redis_wire *w)
{
	static _Thread_local char chunk[READ_CHUNK];
	int n = 1;
	for (int i = 0; i < READS_PER_PASS && !has_ended(w) && n > 0; i++) {
		n = read_some(w, chunk, sizeof chunk);
		if (n > 0)
			feed(w, chunk, (size_t)n);
		if (!w->ssl && n < READ_CHUNK)
			return;
	}
	if (w->ssl && !has_ended(w) && n > 0)
		worker_defer(w->worker, &w->flush); /* TLS may hold what the socket does not show any more */
}

void redis_wire_read(struct redis_wire *w)
{
	if (w->state != WIRE_OPEN)
		return;
	w->reading++;
	read_all(w);
	if (--w->reading == 0 && w->state == WIRE_GONE)
		wire_free(w);
}

static int write_some(struct redis_wire *w, const char *p, size_t n)
{
	if (w->ssl) {
		int done = redis_tls_write(w->ssl, p, n, w->text, sizeof w->text);
		if (done < 0)
			fail(w, "writing", w->text);
		return done;
	}
	ssize_t done = send(w->fd, p, n, MSG_NOSIGNAL);
	if (done >= 0)
		return (int)done;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	fail_errno(w, "writing", errno);
	return -1;
}

static void write_all(struct redis_wire *w)
{
	int n = 1;
	while (w->written < w->out.len && n > 0) {
		n = write_some(w, w->out.p + w->written, w->out.len - w->written);
		if (n > 0)
			w->written += (size_t)n;
	}
	if (n < 0)
		return;
	if (w->written == w->out.len) {
		if (w->out.cap > COMPACT_BYTES)
			buf_fini(&w->out);
		buf_clear(&w->out);
		w->written = 0;
	} else if (w->written > COMPACT_BYTES) {
		buf_consume(&w->out, w->written);
		w->written = 0;
	}
	bool want = w->out.len > 0;
	if (want != w->want_write) {
		w->want_write = want;
		poll_update(w);
	}
}

bool redis_wire_send(struct redis_wire *w, unsigned argc, const struct str *argv)
{
	const char *args[ARGS_MAX];
	size_t lens[ARGS_MAX];
	BUG_ON(argc == 0 || argc > ARGS_MAX);
	for (unsigned i = 0; i < argc; i++) {
		args[i] = argv[i].p ? argv[i].p : "";
		lens[i] = argv[i].len;
	}
	char *command = NULL;
	int n = redisFormatCommandArgv(&command, (int)argc, args, lens);
	BUG_ON(n < 0); /* out of memory */
	bool fits = w->out.len - w->written + (size_t)n <= w->target.max_out_bytes;
	if (fits)
		buf_add(&w->out, command, (size_t)n);
	redisFreeCommand(command);
	BUG_ON(w->out.failed);
	if (fits && w->state == WIRE_OPEN)
		worker_defer(w->worker, &w->flush);
	return fits;
}

static void on_flush(struct deferred *d)
{
	struct redis_wire *w = (struct redis_wire *)((char *)d - offsetof(struct redis_wire, flush));
	if (w->state == WIRE_OPEN)
		write_all(w);
	if (w->state == WIRE_OPEN && w->ssl && SSL_pending(w->ssl)) {
		redis_wire_read(w);
		return;
	}
	if (w->state != WIRE_FAILED)
		return;
	w->state = WIRE_GONE;
	w->ops->on_closed(w->arg, w->text);
	wire_free(w);
}

/* ---- connecting ---- */

static void opened(struct redis_wire *w)
{
	w->state = WIRE_OPEN;
	w->want_write = false;
	poll_update(w);
	if (w->out.len)
		worker_defer(w->worker, &w->flush);
	w->ops->on_open(w->arg);
}

static void handshake(struct redis_wire *w)
{
	int rc = redis_tls_connect(w->ssl, &w->tls_wants_write, w->text, sizeof w->text);
	if (rc > 0)
		opened(w);
	else if (rc == 0)
		poll_update(w);
	else
		fail(w, "TLS", w->text);
}

static void connected(struct redis_wire *w)
{
	int error = 0;
	socklen_t len = sizeof error;
	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		connect_next(w, uv_strerror(uv_translate_sys_error(error)));
		return;
	}
	if (!w->target.tls) {
		opened(w);
		return;
	}
	const char *name = w->target.tls_name ? w->target.tls_name : w->target.host ? w->target.host : "localhost";
	w->ssl = redis_tls_new(w->fd, w->target.ca_file, name, w->text, sizeof w->text);
	if (!w->ssl) {
		fail(w, "TLS", w->text);
		return;
	}
	w->state = WIRE_HANDSHAKE;
	handshake(w);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct redis_wire *w = p->data;
	worker_pass_begin(w->worker);
	worker_doing(w->worker, "redis");
	w->reading++;
	if (w->state == WIRE_CONNECTING)
		connected(w);
	else if (w->state == WIRE_HANDSHAKE)
		handshake(w);
	else if (w->state == WIRE_OPEN) {
		if (events & UV_WRITABLE)
			write_all(w);
		if (events & UV_READABLE || status < 0)
			read_all(w);
	}
	if (--w->reading == 0 && w->state == WIRE_GONE)
		wire_free(w);
}

/* Begins; false: it cannot be, errno says why. */
static bool connect_to(struct redis_wire *w, const struct sockaddr *sa, socklen_t len)
{
	w->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return false;
	if (sa->sa_family != AF_UNIX) {
		int one = 1;
		setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	}
	if (connect(w->fd, sa, len) < 0 && errno != EINPROGRESS)
		return false;
	w->poll = xzalloc(sizeof *w->poll);
	BUG_ON(uv_poll_init(&w->worker->loop, w->poll, w->fd) != 0);
	w->poll->data = w;
	w->state = WIRE_CONNECTING;
	poll_update(w);
	return true;
}

/* `why` the one before failed. */
static void connect_next(struct redis_wire *w, const char *why)
{
	char kept[64];
	snprintf(kept, sizeof kept, "%s", why);
	socket_close(w);
	while (w->next) {
		struct addrinfo *a = w->next;
		w->next = a->ai_next;
		if (connect_to(w, a->ai_addr, a->ai_addrlen))
			return;
		snprintf(kept, sizeof kept, "%s", uv_strerror(uv_translate_sys_error(errno)));
		socket_close(w);
	}
	fail(w, "connecting", kept);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *res)
{
	struct lookup *l = (struct lookup *)request;
	struct redis_wire *w = l->wire;
	free(l);
	if (!w) {
		uv_freeaddrinfo(res);
		return;
	}
	worker_pass_begin(w->worker);
	w->lookup = NULL;
	w->addrs = w->next = res;
	if (status < 0)
		fail(w, "resolving its name", uv_strerror(status));
	else
		connect_next(w, "no address");
}

static void resolve(struct redis_wire *w)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
	char port[8];
	unsigned char addr[sizeof(struct in6_addr)];
	if (inet_pton(AF_INET, w->target.host, addr) == 1 || inet_pton(AF_INET6, w->target.host, addr) == 1)
		hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	snprintf(port, sizeof port, "%u", w->target.port);
	w->lookup = xzalloc(sizeof *w->lookup);
	w->lookup->wire = w;
	int rc = uv_getaddrinfo(&w->worker->loop, &w->lookup->request, on_resolved, w->target.host, port, &hints);
	if (rc == 0)
		return;
	free(w->lookup);
	w->lookup = NULL;
	fail(w, "resolving its name", uv_strerror(rc));
}

static void connect_unix(struct redis_wire *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(w->target.unix_path);
	if (len >= sizeof un.sun_path) {
		fail(w, "connecting", "the path of the socket is too long");
		return;
	}
	memcpy(un.sun_path, w->target.unix_path, len);
	if (!connect_to(w, (struct sockaddr *)&un, sizeof un))
		fail_errno(w, "connecting", errno);
}

struct redis_wire *redis_wire_open(struct worker *worker, const struct redis_target *t, const struct redis_wire_ops *ops, void *arg)
{
	struct redis_wire *w = xzalloc(sizeof *w);
	w->worker = worker;
	w->target = *t;
	w->ops = ops;
	w->arg = arg;
	w->fd = -1;
	w->flush.fn = on_flush;
	/* What was written stays until it is compacted. */
	buf_init(&w->out, t->max_out_bytes + 2 * COMPACT_BYTES);
	reader_open(w);
	if (t->unix_path)
		connect_unix(w);
	else
		resolve(w);
	return w;
}
