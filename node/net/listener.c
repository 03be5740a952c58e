#include "node/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/core/log.h"
#include "node/core/node.h"

#define ACCEPTS_PER_PASS 64
#define PAUSE_MS         100 /* when file descriptors or the kernel's memory run out */
#define NOTSENT_BYTES    65536 /* in the kernel and not under way: what waits for a slow client waits with us, where it is counted */
#define USER_TIMEOUT_MS  90000 /* a peer that acknowledges nothing for so long is gone */

struct listener {
	struct listener *next;
	struct node_worker *nw;
	struct listen_spec *spec;
	uv_poll_t poll;
	struct timer pause;
	int fd, spare; /* spare: given up to refuse one connection when descriptors run out */
};

/* Linux gives them to each connection that is accepted, which saves four system calls for each. */
static void set_options(int fd)
{
	int on = 1, notsent = NOTSENT_BYTES, user_timeout_ms = USER_TIMEOUT_MS;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof notsent);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
}

static int bind_one(const struct listen_spec *spec)
{
	int on = 1;
	int fd = socket(spec->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	set_options(fd);
	if (bind(fd, (const struct sockaddr *)&spec->addr, spec->addr_len) == 0 && listen(fd, 1024) == 0)
		return fd;
	int e = errno;
	close(fd);
	errno = e;
	return -1;
}

/* SO_REUSEPORT would let a second node share the port unnoticed: a first bind without it finds out. */
static bool port_is_free(const struct listen_spec *spec)
{
	int on = 1;
	int fd = socket(spec->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bool free_port = bind(fd, (const struct sockaddr *)&spec->addr, spec->addr_len) == 0 && listen(fd, 1) == 0;
	int e = errno;
	close(fd);
	errno = e;
	return free_port;
}

enum err listen_bind(struct listen_spec *spec, unsigned n_workers, struct buf *why)
{
	bool ok = port_is_free(spec);
	for (unsigned i = 0; ok && i < n_workers; i++)
		ok = (spec->fds[i] = bind_one(spec)) >= 0;
	if (ok)
		return ERR_NONE;
	buf_addf(why, "cannot listen on %.*s: %s", STR_ARG(spec->text), strerrordesc_np(errno));
	listen_unbind(spec);
	return ERR_IO;
}

enum err listen_adopt(struct listen_spec *spec, int fd, unsigned n_workers, struct buf *why)
{
	bool ok = true;
	set_options(fd);
	for (unsigned i = 0; ok && i < n_workers; i++)
		ok = (spec->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0;
	if (ok)
		return ERR_NONE;
	buf_addf(why, "cannot share the socket %.*s: %s", STR_ARG(spec->text), strerrordesc_np(errno));
	listen_unbind(spec);
	return ERR_IO;
}

void listen_unbind(struct listen_spec *spec)
{
	for (unsigned i = 0; i < 64; i++) {
		if (spec->fds[i] >= 0)
			close(spec->fds[i]);
		spec->fds[i] = -1;
	}
}

static void on_poll(uv_poll_t *p, int status, int events);

static void on_pause_over(struct timer *t)
{
	struct listener *l = (struct listener *)((char *)t - offsetof(struct listener, pause));
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* What waits keeps the socket readable: without a rest the loop would spin. */
static void rest(struct listener *l)
{
	uv_poll_stop(&l->poll);
	worker_timer_set(l->nw->worker, &l->pause, PAUSE_MS);
}

/* Refuses one connection with the spare, so that the peer learns of it. */
static void out_of_descriptors(struct listener *l)
{
	close(l->spare);
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	LOG(LOG_WARN, "listener", "out of file descriptors: accepting rests", L_STR("listen", l->spec->text));
	count_limit(l->nw, LIMIT_FILE_DESCRIPTORS);
	rest(l);
}

/* accept(2): what a connection died of before it was accepted is told as well; the next one may be fine. */
static bool of_one_connection(int e)
{
	return e == ECONNABORTED || e == EINTR || e == ENETDOWN || e == EPROTO || e == ENOPROTOOPT || e == EHOSTDOWN || e == ENONET ||
	       e == EHOSTUNREACH || e == EOPNOTSUPP || e == ENETUNREACH || e == ETIMEDOUT;
}

/* Of what cannot be mended here (ENOBUFS, ENOMEM, and what nobody thought of) there may be less in a while. */
static void cannot_accept(struct listener *l, int e)
{
	if (e == EMFILE || e == ENFILE) {
		out_of_descriptors(l);
		return;
	}
	LOG(LOG_WARN, "listener", "cannot accept: accepting rests", L_STR("listen", l->spec->text), L_ERRNO(e));
	rest(l);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct listener *l = p->data;
	(void)status;
	(void)events;
	worker_pass_begin(l->nw->worker);
	worker_doing(l->nw->worker, "accept");
	for (int i = 0; i < ACCEPTS_PER_PASS; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			l->spec->on_accept(l->nw, l->spec, fd, (struct sockaddr *)&peer);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (!of_one_connection(errno)) {
			cannot_accept(l, errno);
			return;
		}
	}
}

void listener_start(struct node_worker *nw, struct listen_spec *spec)
{
	struct listener *l = xzalloc(sizeof *l);
	l->nw = nw;
	l->spec = spec;
	l->fd = spec->fds[nw->worker->index];
	spec->fds[nw->worker->index] = -1;
	l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	l->pause.on_timer = on_pause_over;
	l->next = nw->listeners;
	nw->listeners = l;
	BUG_ON(uv_poll_init(&nw->worker->loop, &l->poll, l->fd) != 0);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void listener_stop_all(struct node_worker *nw)
{
	while (nw->listeners) {
		struct listener *l = nw->listeners;
		nw->listeners = l->next;
		worker_timer_cancel(nw->worker, &l->pause);
		uv_close((uv_handle_t *)&l->poll, on_closed);
		close(l->fd);
		close(l->spare);
	}
}
