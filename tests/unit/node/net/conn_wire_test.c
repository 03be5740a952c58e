#include "tests/unit/node/net/conn_rig.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#define TRIES 50

static SSL *client;

/* A socket pair has no packets to count. */
static void open_tcp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int listening = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	assert_true(bind(listening, (struct sockaddr *)&at, len) == 0 && listen(listening, 1) == 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	o.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(o.fd, (struct sockaddr *)&at, len), 0);
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0 && fcntl(o.fd, F_SETFL, O_NONBLOCK) == 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	close(listening);
	o.conn = conn_new(w, fd, (struct sockaddr *)&at, OUT_MAX, false, tls_accept(tls, true), &ops, &o);
	client = SSL_new(client_ctx);
	assert_true(client && SSL_set_fd(client, o.fd));
	SSL_set_connect_state(client);
}

static void close_client(void)
{
	SSL_free(client);
	ERR_clear_error();
	client = NULL;
	close(o.fd);
	o.fd = -1;
}

static void handshake(void)
{
	UNTIL(SSL_do_handshake(client) == 1);
	UNTIL(o.secure == 1);
}

/* Also so that nothing is left unread when the client closes: its system would send a reset. */
static void await_ticket(void)
{
	char c;
	UNTIL(SSL_read(client, &c, 1) > 0 || SSL_SESSION_has_ticket(SSL_get_session(client)));
	assert_true(SSL_SESSION_has_ticket(SSL_get_session(client)));
}

static bool hears(const char *want)
{
	char text[256];
	int n = SSL_read(client, text, sizeof text);
	if (n > 0)
		assert_str(str_span(text, (size_t)n), want);
	return n > 0;
}

/* More of the kernel's struct than the C library knows. */
struct tcp_info_more {
	struct tcp_info known;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
};

static unsigned packets_at_client(void)
{
	struct tcp_info_more info = { 0 };
	socklen_t len = sizeof info;
	assert_int_equal(getsockopt(o.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(len, sizeof info);
	return info.data_segs_in;
}

static int bytes_at_client(void)
{
	int n;
	assert_int_equal(ioctl(o.fd, FIONREAD, &n), 0);
	return n;
}

/* The kernel holds it for a fifth of a second at most, for which this process may have to wait as well: one try of many is enough. */
static void a_session_ticket_waits_for_the_first_answer(void **state)
{
	bool waited = false;
	for (int i = 0; i < TRIES && !waited; i++) {
		o.secure = o.gone = 0;
		open_tcp();
		handshake();
		waited = bytes_at_client() == 0;
		assert_int_equal(conn_write(o.conn, STR("welcome")), ERR_NONE);
		UNTIL(hears("welcome"));
		assert_true(SSL_SESSION_has_ticket(SSL_get_session(client)));
		close_client();
		UNTIL(o.gone == 1);
	}
	assert_true(waited);
}

static void a_session_ticket_alone_arrives_all_the_same(void **state)
{
	open_tcp();
	handshake();
	await_ticket();
	close_client();
}

static void what_comes_after_the_socket_was_emptied_is_read(void **state)
{
	open_tcp();
	handshake();
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(SSL_write(client, "more", 4), 4);
		UNTIL(o.got.len == 4 * i);
	}
	close_client();
}

static void an_end_without_a_word_of_tls_is_an_end(void **state)
{
	open_tcp();
	handshake();
	await_ticket();
	assert_int_equal(SSL_write(client, "bye", 3), 3);
	close_client();
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_CLOSED_BY_PEER);
	assert_got("bye");
}

static void a_reset_is_no_end(void **state)
{
	struct linger hard = { .l_onoff = 1 };
	open_tcp();
	handshake();
	assert_int_equal(setsockopt(o.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	close_client();
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_RESET);
}

static unsigned packets_of_a_close(void)
{
	o.secure = o.gone = 0;
	open_tcp();
	handshake();
	await_ticket();
	unsigned before = packets_at_client();
	assert_int_equal(conn_write(o.conn, STR("goodbye")), ERR_NONE);
	conn_close(o.conn, 1000);
	UNTIL(hears("goodbye"));
	UNTIL(hears("nothing") || SSL_get_shutdown(client) == SSL_RECEIVED_SHUTDOWN);
	unsigned packets = packets_at_client() - before;
	close_client();
	UNTIL(o.gone == 1);
	return packets;
}

/* As above: the kernel may have to hold them for longer than it does. */
static void the_last_words_leave_in_one_packet(void **state)
{
	unsigned least = UINT32_MAX;
	for (int i = 0; i < TRIES && least > 1; i++) {
		unsigned packets = packets_of_a_close();
		least = packets < least ? packets : least;
	}
	assert_int_equal(least, 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(a_session_ticket_waits_for_the_first_answer),
		CASE(a_session_ticket_alone_arrives_all_the_same),
		CASE(what_comes_after_the_socket_was_emptied_is_read),
		CASE(an_end_without_a_word_of_tls_is_an_end),
		CASE(a_reset_is_no_end),
		CASE(the_last_words_leave_in_one_packet),
	};
	return cmocka_run_group_tests(cases, make_tls, drop_tls);
}
