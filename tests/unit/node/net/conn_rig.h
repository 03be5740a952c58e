/*
 * conn_rig.h: what the tests of connections share: an owner that writes down what it is told, a conn over a socket pair, and two workers
 * whose loops the test turns itself.
 */
#ifndef TESTS_UNIT_NODE_NET_CONN_RIG_H
#define TESTS_UNIT_NODE_NET_CONN_RIG_H

#include <arpa/inet.h>
#include <errno.h>

#include "node/net/conn.h"
#include "tests/unit/node/net/tls_peer.h"

#define OUT_MAX 65536
#define BIG     (3u << 20)

/* Two loops, both turned by the test's own thread. */
static struct worker *w, *other;

/* ---- the owner of a conn: writes down what it is told ---- */

struct owner {
	struct conn *conn;
	struct buf got;
	size_t take_max;    /* a call takes at most this; 0: all */
	bool lines_only;    /* leaves what does not end in a newline */
	bool pause_each, abort_in, close_in, refuse_address, start_tls_in;
	struct worker *move_in;
	unsigned offers, secure, addresses, gone, moved, cancelled;
	enum conn_end why;
	bool inside;        /* a conn_ call or callback of this test runs */
	bool gone_inside;
	struct worker *offered_on;
	int fd;             /* the client's end */
};

static struct tls_config *tls;
static SSL_CTX *client_ctx;
static struct folder folder;

static inline void on_moved(struct conn *c, bool cancelled)
{
	struct owner *o = c->owner;
	o->moved += !cancelled;
	o->take_max = 0;
	o->cancelled += cancelled;
	if (cancelled)
		o->conn = NULL;
}

static inline void on_bytes(struct conn *c, struct str *input)
{
	struct owner *o = c->owner;
	struct str s = *input;
	o->offers++;
	o->offered_on = c->worker;
	if (o->take_max && s.len > o->take_max)
		s.len = o->take_max;
	while (o->lines_only && s.len && s.p[s.len - 1] != '\n')
		s.len--;
	buf_add_str(&o->got, s);
	*input = str_span(s.p + s.len, input->len - s.len);
	o->inside = true;
	if (o->pause_each)
		conn_pause(c);
	if (o->move_in) {
		conn_move(c, o->move_in, on_moved);
		o->move_in = NULL;
	}
	if (o->abort_in) {
		conn_abort(c, END_ABORTED);
		conn_abort(c, END_TIMEOUT);
	}
	if (o->close_in)
		conn_close(c, 1000);
	if (o->start_tls_in) {
		o->start_tls_in = false;
		*input = str_span(input->p + input->len, 0);
		assert_int_equal(conn_write(c, STR("proceed")), ERR_NONE);
		conn_start_tls(c, tls_accept(tls, false));
	}
	o->inside = false;
}

static inline void on_secure(struct conn *c)
{
	((struct owner *)c->owner)->secure++;
}

static inline void on_gone(struct conn *c, enum conn_end why)
{
	struct owner *o = c->owner;
	o->gone++;
	o->why = why;
	o->gone_inside |= o->inside;
	o->conn = NULL;
}

static inline bool on_address(struct conn *c)
{
	struct owner *o = c->owner;
	o->addresses++;
	return !o->refuse_address;
}

static const struct conn_ops ops = { .on_bytes = on_bytes, .on_secure = on_secure, .on_gone = on_gone, .on_address = on_address };

/* ---- the test's means ---- */

static struct owner o;

static inline void turn(void)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	uv_run(&other->loop, UV_RUN_NOWAIT);
}

/* Turns the loops until the condition holds; fails the test after a minute. */
#define UNTIL(condition)                                                   \
	do {                                                               \
		uint64_t end_ns_ = uv_hrtime() + 60 * UINT64_C(1000000000); \
		for (int tries_ = 0; !(condition); tries_++) {             \
			turn();                                            \
			if (uv_hrtime() > end_ns_)                         \
				fail_msg("%s", "waited for " #condition);        \
			if (tries_ > 50)                                   \
				usleep(1000);                              \
		}                                                          \
	} while (0)

static inline void turns(int n)
{
	while (n--)
		turn();
}

static inline void open_conn(bool proxy, bool direct)
{
	int fds[2];
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(4242), .sin_addr.s_addr = htonl(0x7f000001) };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	o.fd = fds[1];
	o.conn = conn_new(w, fds[0], (struct sockaddr *)&peer, OUT_MAX, proxy, direct ? tls_accept(tls, true) : NULL, &ops, &o);
}

static inline int set_up(void **state)
{
	w = worker_new(0, "one");
	other = worker_new(1, "two");
	o = (struct owner){ .fd = -1 };
	buf_init(&o.got, 2 * BIG);
	return 0;
}

static inline int tear_down(void **state)
{
	if (o.conn) {
		conn_abort(o.conn, END_ABORTED);
		UNTIL(o.gone == 1);
	}
	if (o.fd >= 0)
		close(o.fd);
	buf_fini(&o.got);
	worker_free(w);
	if (other)
		worker_free(other);
	return 0;
}

static inline void say(const char *z)
{
	assert_int_equal(send(o.fd, z, strlen(z), MSG_NOSIGNAL), (ssize_t)strlen(z));
}

static inline void assert_got(const char *z)
{
	assert_str(buf_str(&o.got), z);
}

/* Reads what is there; "" at the end of the stream. */
static inline struct str hear(char *out, size_t size)
{
	ssize_t n = recv(o.fd, out, size, 0);
	return str_span(out, n > 0 ? (size_t)n : 0);
}

static inline bool at_eof(void)
{
	char c;
	return recv(o.fd, &c, 1, MSG_PEEK) == 0;
}

/* Fills the socket and then the queue, in pieces of 1 KiB. */
static inline size_t fill(void)
{
	static char piece[1024];
	size_t n = 0;
	memset(piece, 'y', sizeof piece);
	for (int calm = 0; calm < 3; turns(1)) {
		calm++;
		while (conn_write(o.conn, str_span(piece, sizeof piece)) == ERR_NONE) {
			n += sizeof piece;
			calm = 0;
		}
	}
	return n;
}

#define V1_HEADER "PROXY TCP4 203.0.113.7 192.0.2.1 5555 5222\r\n"

/* ---- for a group of tests with TLS ---- */

static inline int make_tls(void **state)
{
	char path[PATH_BYTES], why[TLS_WHY_BYTES];
	make_folder(&folder);
	write_usual(in_folder(&folder, "pair.pem", path), "example.net");
	struct tls_pair pair = { .chain_path = path };
	struct tls_host_paths host = { .host = "example.net", .pairs = &pair, .n_pairs = 1 };
	struct tls_paths paths = { .hosts = &host, .n_hosts = 1 };
	tls = tls_config_load(&paths, NULL, why);
	client_ctx = client_context(TLS1_3_VERSION);
	return tls ? 0 : -1;
}

static inline int drop_tls(void **state)
{
	SSL_CTX_free(client_ctx);
	tls_config_unref(tls);
	remove_folder(&folder);
	return 0;
}

#endif
