#include "tests/unit/node/net/conn_rig.h"

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

/* OpenSSL has read them all from the socket, which says nothing more: the rest is asked for after each pause. */
static void records_that_tls_has_read_already_come_after_a_pause(void **state)
{
	open_conn(false, true);
	struct peer p = peer_new();
	peer_handshake(&p);
	o.pause_each = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(SSL_write(p.ssl, "abc", 3), 3);
	for (unsigned i = 1; i <= 3; i++) {
		UNTIL(o.offers == i);
		turns(5);
		assert_int_equal(o.got.len, 3 * i);
		conn_resume(o.conn);
	}
	assert_got("abcabcabc");
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
	say(V1_HEADER);
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

/* Its client writes in parts, from wherever they are. */
static int make_moving_tls(void **state)
{
	int failed = make_tls(state);
	SSL_CTX_set_mode(client_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return failed;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(direct_tls_carries_bytes_both_ways),
		CASE(bytes_that_come_with_the_handshakes_end_are_not_forgotten),
		CASE(tls_carries_megabytes_while_the_owner_pauses),
		CASE(records_that_tls_has_read_already_come_after_a_pause),
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
	return cmocka_run_group_tests(cases, make_moving_tls, drop_tls);
}
