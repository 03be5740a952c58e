#include "tests/unit/node/net/conn_rig.h"

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

/* What libuv takes two system calls for, each way, is not done for a pause that ends before anything comes. */
static void short_pause_leaves_the_poll_as_it_is(void **state)
{
	open_conn(false, false);
	conn_pause(o.conn);
	turns(3);
	assert_int_equal(o.conn->polled, UV_READABLE);
	conn_resume(o.conn);
	assert_false(o.conn->more);
	say("now");
	UNTIL(o.offers == 1);
	assert_got("now");
}

static void what_comes_in_a_pause_disarms_the_poll_once(void **state)
{
	open_conn(false, false);
	conn_pause(o.conn);
	say("while you rest");
	UNTIL(o.conn->polled == 0);
	turns(20);
	assert_int_equal(o.conn->polled, 0);
	assert_int_equal(o.offers, 0);
	conn_resume(o.conn);
	assert_int_equal(o.conn->polled, UV_READABLE);
	UNTIL(o.offers == 1);
	assert_got("while you rest");
}

/* A client that was killed after it had said something: its system sends a reset when it still had unread output of ours. */
static void open_tcp(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;
	int l = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(bind(l, (struct sockaddr *)&in, len) == 0 && listen(l, 1) == 0 && getsockname(l, (struct sockaddr *)&in, &len) == 0);
	o.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(o.fd, (struct sockaddr *)&in, len), 0);
	int fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	o.conn = conn_new(w, fd, (struct sockaddr *)&in, OUT_MAX, false, NULL, &ops, &o);
	close(l);
}

static void reset_by_peer(void)
{
	struct linger hard = { .l_onoff = 1 };
	assert_int_equal(setsockopt(o.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	close(o.fd);
	o.fd = -1;
}

static void bytes_before_a_reset_are_read(void **state)
{
	open_tcp();
	say("last words");
	reset_by_peer();
	UNTIL(o.gone == 1);
	assert_got("last words");
	assert_int_equal(o.why, END_RESET);
}

static void bytes_before_a_reset_in_a_pause_are_read_after_it(void **state)
{
	open_tcp();
	conn_pause(o.conn);
	say("last words");
	reset_by_peer();
	UNTIL(o.conn->polled == 0);
	turns(20);
	assert_int_equal(o.gone, 0);
	conn_resume(o.conn);
	UNTIL(o.gone == 1);
	assert_got("last words");
	assert_int_equal(o.why, END_RESET);
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

static void much_output_can_be_pushed_before_the_pass_ends(void **state)
{
	static char piece[30000];
	char text[64];
	open_conn(false, false);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(conn_write(o.conn, str_span(piece, sizeof piece)), ERR_NONE);
		conn_push(o.conn);
		assert_int_equal(recv(o.fd, text, 1, MSG_PEEK), -1);
	}
	assert_int_equal(conn_write(o.conn, str_span(piece, 5536)), ERR_NONE);
	conn_push(o.conn);
	assert_int_equal(conn_unsent(o.conn), 0);
	assert_int_equal(recv(o.fd, text, 1, MSG_PEEK), 1);
	turns(3);
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
	for (size_t cut = 0; cut < sizeof V1_HEADER - 1; cut++)
		header_in_two(V1_HEADER, sizeof V1_HEADER - 1, cut);
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
	say(V1_HEADER);
	UNTIL(o.gone == 1);
	assert_int_equal(o.why, END_ABORTED);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(bytes_arrive_in_order_however_they_are_split),
		CASE(what_is_left_is_offered_again_with_later_bytes),
		CASE(paused_connection_is_not_read),
		CASE(short_pause_leaves_the_poll_as_it_is),
		CASE(what_comes_in_a_pause_disarms_the_poll_once),
		CASE(bytes_before_a_reset_are_read),
		CASE(bytes_before_a_reset_in_a_pause_are_read_after_it),
		CASE(what_is_left_at_a_pause_is_offered_after_it_without_new_bytes),
		CASE(sender_that_never_stops_is_held_back_by_a_pause),
		CASE(output_goes_out_in_order_and_leaves_no_buffer),
		CASE(much_output_can_be_pushed_before_the_pass_ends),
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
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
