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

static void on_moved(struct conn *c, bool cancelled)
{
	struct owner *o = c->owner;
	o->moved += !cancelled;
	o->take_max = 0;
	o->cancelled += cancelled;
	if (cancelled)
		o->conn = NULL;
}

static void on_bytes(struct conn *c, struct str *input)
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
		conn_start_tls(c, tls_accept(tls, c->fd, false));
	}
	o->inside = false;
}

static void on_secure(struct conn *c)
{
	((struct owner *)c->owner)->secure++;
}

static void on_gone(struct conn *c, enum conn_end why)
{
	struct owner *o = c->owner;
	o->gone++;
	o->why = why;
	o->gone_inside |= o->inside;
	o->conn = NULL;
}

static bool on_address(struct conn *c)
{
	struct owner *o = c->owner;
	o->addresses++;
	return !o->refuse_address;
}

static const struct conn_ops ops = { .on_bytes = on_bytes, .on_secure = on_secure, .on_gone = on_gone, .on_address = on_address };

/* ---- the test's means ---- */

static struct owner o;

static void turn(void)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	uv_run(&other->loop, UV_RUN_NOWAIT);
}

/* Turns the loops until the condition holds; fails the test after two seconds. */
#define UNTIL(condition)                                                   \
	do {                                                               \
		for (int tries_ = 0; !(condition); tries_++) {             \
			turn();                                            \
			if (tries_ > 2000)                                 \
				fail_msg("waited for " #condition);        \
			if (tries_ > 50)                                   \
				usleep(1000);                              \
		}                                                          \
	} while (0)

static void turns(int n)
{
	while (n--)
		turn();
}

static void open_conn(bool proxy, bool direct)
{
	int fds[2];
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(4242), .sin_addr.s_addr = htonl(0x7f000001) };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	o.fd = fds[1];
	o.conn = conn_new(w, fds[0], (struct sockaddr *)&peer, OUT_MAX, proxy, direct ? tls_accept(tls, fds[0], true) : NULL, &ops, &o);
}

static int set_up(void **state)
{
	w = worker_new(0, "one");
	other = worker_new(1, "two");
	o = (struct owner){ .fd = -1 };
	buf_init(&o.got, 2 * BIG);
	return 0;
}

static int tear_down(void **state)
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

static void say(const char *z)
{
	assert_int_equal(send(o.fd, z, strlen(z), MSG_NOSIGNAL), (ssize_t)strlen(z));
}

static void assert_got(const char *z)
{
	assert_str(buf_str(&o.got), z);
}

/* Reads what is there; "" at the end of the stream. */
static struct str hear(char *out, size_t size)
{
	ssize_t n = recv(o.fd, out, size, 0);
	return str_span(out, n > 0 ? (size_t)n : 0);
}

static bool at_eof(void)
{
	char c;
	return recv(o.fd, &c, 1, MSG_PEEK) == 0;
}

/* ---- input ---- */

static void bytes_arrive_in_order_however_they_are_split(void **state)
{
	open_conn(false, false);
	say("a");
	UNTIL(o.got.len == 1);
	say("bc");
	say("def");
	UNTIL(o.got.len == 6);
	assert_got("abcdef");
	assert_null(o.conn->in.p);
	assert_int_equal(o.conn->bytes_in, 6);
}

static void what_is_left_is_offered_again_with_later_bytes(void **state)
{
	open_conn(false, false);
	o.lines_only = true;
	say("one\ntw");
	UNTIL(o.offers == 1);
	assert_got("one\n");
	assert_int_equal(o.conn->in.len, 2);
	say("o\nthr");
	UNTIL(o.offers == 2);
	say("ee\n");
	UNTIL(o.offers == 3);
	assert_got("one\ntwo\nthree\n");
	assert_null(o.conn->in.p);
}

static void paused_connection_is_not_read(void **state)
{
	open_conn(false, false);
	conn_pause(o.conn);
	say("while you rest");
	turns(20);
	assert_int_equal(o.offers, 0);
	conn_resume(o.conn);
	UNTIL(o.offers == 1);
	assert_got("while you rest");
}

static void what_is_left_at_a_pause_is_offered_after_it_without_new_bytes(void **state)
{
	open_conn(false, false);
	o.take_max = 3;
	o.pause_each = true;
	say("abcdefgh");
	UNTIL(o.offers == 1);
	turns(20);
	assert_int_equal(o.offers, 1);
	for (unsigned i = 2; i <= 3; i++) {
		conn_resume(o.conn);
		UNTIL(o.offers == i);
	}
	turns(5);
	assert_int_equal(o.offers, 3);
	assert_got("abcdefgh");
	assert_null(o.conn->in.p);
}

static void sender_that_never_stops_is_held_back_by_a_pause(void **state)
{
	static char piece[4096];
	size_t sent = 0;
	open_conn(false, false);
	conn_pause(o.conn);
	memset(piece, 'x', sizeof piece);
	for (ssize_t n; (n = send(o.fd, piece, sizeof piece, MSG_NOSIGNAL)) > 0; turns(1))
		sent += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(o.conn->in.cap, 0);
	conn_resume(o.conn);
	UNTIL(o.got.len == sent);
}

/* ---- output ---- */

static void output_goes_out_in_order_and_leaves_no_buffer(void **state)
{
	char text[64];
	open_conn(false, false);
	assert_int_equal(conn_write(o.conn, STR("one ")), ERR_NONE);
	buf_addz(conn_out(o.conn), "two ");
	conn_touch(o.conn);
	assert_int_equal(conn_write(o.conn, STR("three")), ERR_NONE);
	assert_int_equal(recv(o.fd, text, sizeof text, 0), -1); /* not before the pass ends */
	UNTIL(conn_unsent(o.conn) == 0);
	assert_str(hear(text, sizeof text), "one two three");
	assert_null(o.conn->out.p);
	assert_int_equal(o.conn->bytes_out, 13);
}

/* Fills the socket and then the queue, in pieces of 1 KiB. */
static size_t fill(void)
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

static void writing_past_the_ceiling_is_refused_whole(void **state)
{
	char text[8192];
	open_conn(false, false);
	size_t written = fill(), heard = 0;
	size_t unsent = conn_unsent(o.conn);
	assert_in_range(unsent, OUT_MAX - 1023, OUT_MAX);
	char big[2048] = { 0 };
	assert_int_equal(conn_write(o.conn, str_span(big, sizeof big)), ERR_LIMIT);
	assert_int_equal(conn_unsent(o.conn), unsent);
	while (heard < written) {
		heard += hear(text, sizeof text).len;
		turns(1);
	}
	assert_int_equal(heard, written);
	UNTIL(conn_unsent(o.conn) == 0);
	assert_int_equal(conn_write(o.conn, str_span(big, sizeof big)), ERR_NONE);
}

/* A Unix socket takes much or nothing; TCP with small buffers takes a part. */
static void open_tcp_conn(void)
{
	int listening = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof at;
	assert_true(bind(listening, (struct sockaddr *)&at, len) == 0 && listen(listening, 1) == 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	o.fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(o.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_int_equal(connect(o.fd, (struct sockaddr *)&at, len), 0);
	int fd = accept4(listening, (struct sockaddr *)&at, &len, SOCK_NONBLOCK);
	assert_true(fd >= 0 && fcntl(o.fd, F_SETFL, O_NONBLOCK) == 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	close(listening);
	o.conn = conn_new(w, fd, (struct sockaddr *)&at, OUT_MAX, false, NULL, &ops, &o);
}

static void room_that_was_sent_already_can_be_written_again(void **state)
{
	char text[1000], big[2048] = { 0 };
	open_tcp_conn();
	fill();
	UNTIL(hear(text, sizeof text).len == 0 || (o.conn->out_pos > sizeof big && conn_unsent(o.conn) > OUT_MAX / 2));
	assert_true(o.conn->out_pos > sizeof big);
	size_t room = OUT_MAX - conn_unsent(o.conn);
	struct buf *out = conn_out(o.conn);
	assert_true(out->max - out->len >= room);
	assert_int_equal(conn_write(o.conn, str_span(big, sizeof big)), ERR_NONE);
}

/* ---- the end ---- */

static void close_sends_all_then_ends_and_waits_for_the_peer(void **state)
{
	char text[64];
	open_conn(false, false);
	assert_int_equal(conn_write(o.conn, STR("goodbye")), ERR_NONE);
	conn_close(o.conn, 1000);
	UNTIL(o.conn->half_closed);
	assert_str(hear(text, sizeof text), "goodbye");
	assert_true(at_eof());
	say("too late");
	turns(10);
	assert_int_equal(o.gone, 0);
	assert_int_equal(conn_write(o.conn, STR("x")), ERR_CANCELLED);
	shutdown(o.fd, SHUT_WR);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_PEER);
	assert_got("");
}

static void close_of_a_silent_peer_ends_at_its_deadline(void **state)
{
	open_conn(false, false);
	conn_close(o.conn, 40);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_US);
	assert_true(at_eof());
}

static void close_to_a_peer_that_does_not_read_ends_at_its_deadline(void **state)
{
	open_conn(false, false);
	fill();
	conn_close(o.conn, 40);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_US);
}

static void close_from_inside_an_offer_works(void **state)
{
	open_conn(false, false);
	o.close_in = true;
	o.take_max = 1;
	say("ab");
	UNTIL(o.conn->half_closed);
	assert_null(o.conn->in.p);
	close(o.fd);
	o.fd = -1;
	UNTIL(o.gone == 1);
}

static void abort_is_told_once_and_never_from_inside(void **state)
{
	open_conn(false, false);
	o.abort_in = true;
	say("x");
	UNTIL(o.gone == 1);
	turns(5);
	assert_int_equal(o.gone, 1);
	assert_int_equal(o.why, END_ABORTED);
	assert_false(o.gone_inside);
	assert_true(at_eof());
}

static void peers_end_is_told_after_its_last_bytes(void **state)
{
	open_conn(false, false);
	assert_int_equal(conn_write(o.conn, STR("nobody reads this")), ERR_NONE);
	say("last words");
	shutdown(o.fd, SHUT_WR);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_PEER);
	assert_got("last words");
}

/* ---- the PROXY protocol ---- */

static const char v1_header[] = "PROXY TCP4 203.0.113.7 192.0.2.1 5555 5222\r\n";
static const uint8_t v2_header[28] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x15\xb3\x14\x66";

static void header_in_two(const void *header, size_t len, size_t cut)
{
	char text[IP_TEXT_BYTES], all[256];
	open_conn(true, false);
	memcpy(all, header, len);
	memcpy(all + len, "hello", 5);
	if (cut) {
		assert_int_equal(send(o.fd, all, cut, 0), (ssize_t)cut);
		turns(3);
	}
	assert_int_equal(send(o.fd, all + cut, len + 5 - cut, 0), (ssize_t)(len + 5 - cut));
	UNTIL(o.got.len == 5);
	assert_got("hello");
	assert_int_equal(o.addresses, 1);
	assert_true(o.conn->proxied);
	assert_str(conn_peer_text(o.conn, text), "203.0.113.7");
	assert_int_equal(o.conn->peer_port, 5555);
	close(o.fd);
	UNTIL(o.gone == 1);
	o.gone = o.addresses = 0;
	o.fd = -1;
	buf_clear(&o.got);
}

static void proxy_headers_may_be_split_anywhere(void **state)
{
	for (size_t cut = 0; cut < sizeof v1_header - 1; cut++)
		header_in_two(v1_header, sizeof v1_header - 1, cut);
	for (size_t cut = 0; cut < sizeof v2_header; cut++)
		header_in_two(v2_header, sizeof v2_header, cut);
}

static void proxy_header_may_come_byte_by_byte(void **state)
{
	open_conn(true, false);
	for (size_t i = 0; i < sizeof v2_header; i++) {
		assert_int_equal(send(o.fd, v2_header + i, 1, 0), 1);
		turns(2);
	}
	say("hi");
	UNTIL(o.got.len == 2);
	assert_int_equal(o.addresses, 1);
	assert_false(timer_is_set(&o.conn->deadline));
}

static void what_is_no_proxy_header_ends_the_connection(void **state)
{
	open_conn(true, false);
	say("<?xml version='1.0'?>");
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_PROXY_INVALID);
	assert_int_equal(o.addresses, 0);
	assert_got("");
}

static void proxy_that_says_nothing_is_given_up(void **state)
{
	open_conn(true, false);
	say("PROXY");
	turns(3);
	wheel_advance(&w->wheel, w->now_ms + 6000);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_TIMEOUT);
}

static void proxy_that_goes_away_is_the_end(void **state)
{
	open_conn(true, false);
	say("PROXY");
	close(o.fd);
	o.fd = -1;
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_PEER);
}

static void refused_address_ends_the_connection(void **state)
{
	open_conn(true, false);
	o.refuse_address = true;
	say(v1_header);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_ABORTED);
}

/* ---- TLS ---- */

struct peer {
	SSL *ssl;
};

static struct peer peer_new(void)
{
	struct peer p = { SSL_new(client_ctx) };
	assert_true(p.ssl && SSL_set_fd(p.ssl, o.fd));
	SSL_set_connect_state(p.ssl);
	return p;
}

static void peer_handshake(struct peer *p)
{
	UNTIL(SSL_do_handshake(p->ssl) == 1);
	UNTIL(o.secure == 1);
	assert_int_equal(o.conn->state, CONN_OPEN);
}

static void peer_hear(struct peer *p, const char *want)
{
	char text[256];
	int n = 0;
	UNTIL((n = SSL_read(p->ssl, text, sizeof text)) > 0);
	assert_str(str_span(text, (size_t)n), want);
}

static void peer_free(struct peer *p)
{
	SSL_free(p->ssl);
	ERR_clear_error();
}

static void direct_tls_carries_bytes_both_ways(void **state)
{
	open_conn(false, true);
	struct peer p = peer_new();
	peer_handshake(&p);
	assert_int_equal(SSL_write(p.ssl, "hello", 5), 5);
	UNTIL(o.got.len == 5);
	assert_int_equal(conn_write(o.conn, STR("welcome")), ERR_NONE);
	peer_hear(&p, "welcome");
	assert_null(o.conn->in.p);
	assert_null(o.conn->out.p);
	SSL_shutdown(p.ssl);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_PEER);
	peer_free(&p);
}

static void bytes_that_come_with_the_handshakes_end_are_not_forgotten(void **state)
{
	open_conn(false, true);
	struct peer p = peer_new();
	while (SSL_do_handshake(p.ssl) != 1)
		turn();
	assert_int_equal(SSL_write(p.ssl, "early", 5), 5); /* its Finished may still be unread */
	UNTIL(o.got.len == 5);
	assert_int_equal(o.secure, 1);
	peer_free(&p);
}

static void tls_carries_megabytes_while_the_owner_pauses(void **state)
{
	static char piece[16000];
	size_t sent = 0;
	open_conn(false, true);
	o.pause_each = true;
	o.take_max = 9000;
	struct peer p = peer_new();
	peer_handshake(&p);
	while (o.got.len < BIG) {
		for (size_t i = 0; i < sizeof piece; i++)
			piece[i] = (char)((sent + i) % 251);
		int n = sent < BIG ? SSL_write(p.ssl, piece, sizeof piece) : 0;
		sent += n > 0 ? (size_t)n : 0;
		turn();
		assert_in_range(o.conn->in.len, 0, 65536);
		conn_resume(o.conn);
	}
	for (size_t i = 0; i < o.got.len; i++)
		if ((unsigned char)o.got.p[i] != i % 251)
			fail_msg("byte %zu is wrong", i);
	peer_free(&p);
}

static void garbage_instead_of_a_handshake_is_its_end(void **state)
{
	open_conn(false, true);
	say("GET / HTTP/1.0\r\n\r\n");
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_TLS_FAILED);
	assert_int_equal(o.secure, 0);
}

static void half_open_handshake_can_be_aborted(void **state)
{
	open_conn(false, true);
	say("\x16\x03\x01");
	turns(10);
	assert_int_equal(o.gone, 0);
	conn_abort(o.conn, END_TIMEOUT);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_TIMEOUT);
}

static void close_during_the_handshake_is_an_abort(void **state)
{
	open_conn(false, true);
	conn_close(o.conn, 1000);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_US);
}

static void starttls_sends_what_is_queued_in_the_clear_first(void **state)
{
	char text[64];
	open_conn(false, false);
	o.start_tls_in = true;
	say("starttls");
	UNTIL(o.conn->state == CONN_HANDSHAKE && o.conn->ssl);
	assert_str(hear(text, sizeof text), "proceed");
	struct peer p = peer_new();
	peer_handshake(&p);
	assert_int_equal(SSL_write(p.ssl, "secret", 6), 6);
	UNTIL(o.got.len == 14);
	assert_got("starttlssecret");
	peer_free(&p);
}

static void tls_may_follow_a_proxy_header_at_once(void **state)
{
	char text[IP_TEXT_BYTES];
	open_conn(true, true);
	say(v1_header);
	struct peer p = peer_new();
	SSL_do_handshake(p.ssl);
	peer_handshake(&p);
	assert_str(conn_peer_text(o.conn, text), "203.0.113.7");
	assert_int_equal(conn_write(o.conn, STR("hello")), ERR_NONE);
	peer_hear(&p, "hello");
	peer_free(&p);
}

/* ---- moving ---- */

static void moved_connection_goes_on_with_its_input(void **state)
{
	char text[64];
	open_conn(false, false);
	o.take_max = 3;
	o.move_in = other;
	say("abcdef");
	UNTIL(o.moved == 1);
	assert_ptr_equal(o.conn->worker, other);
	UNTIL(o.got.len == 6);
	say("ghi");
	UNTIL(o.got.len == 9);
	assert_got("abcdefghi");
	assert_ptr_equal(o.offered_on, other);
	assert_int_equal(conn_write(o.conn, STR("from there")), ERR_NONE);
	UNTIL(conn_unsent(o.conn) == 0);
	assert_str(hear(text, sizeof text), "from there");
}

static void moved_tls_goes_on_with_what_openssl_holds(void **state)
{
	open_conn(false, true);
	struct peer p = peer_new();
	peer_handshake(&p);
	o.take_max = 1;
	o.move_in = other;
	assert_int_equal(SSL_write(p.ssl, "ab", 2), 2);
	assert_int_equal(SSL_write(p.ssl, "cd", 2), 2);
	UNTIL(o.got.len == 4);
	assert_int_equal(o.moved, 1);
	assert_got("abcd");
	assert_int_equal(conn_write(o.conn, STR("reply")), ERR_NONE);
	peer_hear(&p, "reply");
	peer_free(&p);
}

static void unsent_output_moves_with_the_connection(void **state)
{
	char text[8192];
	open_conn(false, false);
	size_t written = fill(), heard = 0;
	conn_move(o.conn, other, on_moved);
	UNTIL(o.moved == 1);
	while (heard < written) {
		heard += hear(text, sizeof text).len;
		turns(1);
	}
	UNTIL(conn_unsent(o.conn) == 0);
}

static void move_to_a_worker_that_never_runs_again_is_cancelled(void **state)
{
	open_conn(false, false);
	conn_move(o.conn, other, on_moved);
	while (o.conn && !o.cancelled) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		if (!o.conn->poll) { /* it is in the mailbox */
			worker_free(other);
			other = NULL;
		}
	}
	assert_int_equal(o.cancelled, 1);
	assert_int_equal(o.gone, 0);
	assert_true(at_eof());
	other = worker_new(1, "two");
}

static void connection_that_dies_before_it_moves_is_gone_where_it_was(void **state)
{
	open_conn(false, false);
	conn_move(o.conn, other, on_moved);
	conn_abort(o.conn, END_RESET);
	UNTIL(o.gone == 1);
	turns(5);
	assert_int_equal(o.moved, 0);
	assert_int_equal(o.gone, 1);
}

static void peers_end_during_a_move_is_told_where_it_arrives(void **state)
{
	open_conn(false, false);
	o.move_in = other;
	o.take_max = 1;
	say("ab");
	close(o.fd);
	o.fd = -1;
	UNTIL(o.gone == 1);
	assert_int_equal(o.moved, 1);
	assert_got("ab");
}

/* ---- */

static int make_tls(void **state)
{
	char path[PATH_BYTES], why[TLS_WHY_BYTES];
	make_folder(&folder);
	write_usual(in_folder(&folder, "pair.pem", path), "example.net");
	struct tls_pair pair = { .chain_path = path };
	struct tls_host_paths host = { .host = "example.net", .pairs = &pair, .n_pairs = 1 };
	struct tls_paths paths = { .hosts = &host, .n_hosts = 1 };
	tls = tls_config_load(&paths, NULL, why);
	client_ctx = client_context(TLS1_3_VERSION);
	SSL_CTX_set_mode(client_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return tls ? 0 : -1;
}

static int drop_tls(void **state)
{
	SSL_CTX_free(client_ctx);
	tls_config_unref(tls);
	remove_folder(&folder);
	return 0;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(bytes_arrive_in_order_however_they_are_split),
		CASE(what_is_left_is_offered_again_with_later_bytes),
		CASE(paused_connection_is_not_read),
		CASE(what_is_left_at_a_pause_is_offered_after_it_without_new_bytes),
		CASE(sender_that_never_stops_is_held_back_by_a_pause),
		CASE(output_goes_out_in_order_and_leaves_no_buffer),
		CASE(writing_past_the_ceiling_is_refused_whole),
		CASE(room_that_was_sent_already_can_be_written_again),
		CASE(close_sends_all_then_ends_and_waits_for_the_peer),
		CASE(close_of_a_silent_peer_ends_at_its_deadline),
		CASE(close_to_a_peer_that_does_not_read_ends_at_its_deadline),
		CASE(close_from_inside_an_offer_works),
		CASE(abort_is_told_once_and_never_from_inside),
		CASE(peers_end_is_told_after_its_last_bytes),
		CASE(proxy_headers_may_be_split_anywhere),
		CASE(proxy_header_may_come_byte_by_byte),
		CASE(what_is_no_proxy_header_ends_the_connection),
		CASE(proxy_that_says_nothing_is_given_up),
		CASE(proxy_that_goes_away_is_the_end),
		CASE(refused_address_ends_the_connection),
		CASE(direct_tls_carries_bytes_both_ways),
		CASE(bytes_that_come_with_the_handshakes_end_are_not_forgotten),
		CASE(tls_carries_megabytes_while_the_owner_pauses),
		CASE(garbage_instead_of_a_handshake_is_its_end),
		CASE(half_open_handshake_can_be_aborted),
		CASE(close_during_the_handshake_is_an_abort),
		CASE(starttls_sends_what_is_queued_in_the_clear_first),
		CASE(tls_may_follow_a_proxy_header_at_once),
		CASE(moved_connection_goes_on_with_its_input),
		CASE(moved_tls_goes_on_with_what_openssl_holds),
		CASE(unsent_output_moves_with_the_connection),
		CASE(move_to_a_worker_that_never_runs_again_is_cancelled),
		CASE(connection_that_dies_before_it_moves_is_gone_where_it_was),
		CASE(peers_end_during_a_move_is_told_where_it_arrives),
	};
	return cmocka_run_group_tests(cases, make_tls, drop_tls);
}
