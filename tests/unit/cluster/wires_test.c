#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>
#include <cmocka.h>

#include "cluster/wires.h"

/* Two ends on one worker without a thread, on the loopback; each step waits for a condition. */

#define DEADLINE_MS 20000

struct end {
	struct wires *wires;
	unsigned frames, connected, disconnected, refused, writable, odd, strangers;
	uint64_t last;
	bool in_order;
	char stranger[256], told[256]; /* the last with an address; the last */
};

static struct worker *w;
static struct end a, b;

static void on_frame(void *arg, struct str bytes)
{
	struct end *e = arg;
	uint64_t n = 0;
	e->frames++;
	if (bytes.len >= sizeof n)
		memcpy(&n, bytes.p, sizeof n);
	e->in_order &= n == e->last + 1;
	e->last = n;
}

static void on_odd(void *arg, const char *text)
{
	((struct end *)arg)->odd++;
}

static void on_connected(void *arg, unsigned slot)
{
	((struct end *)arg)->connected++;
}

static void on_disconnected(void *arg, unsigned slot, bool refused)
{
	((struct end *)arg)->disconnected += !refused;
	((struct end *)arg)->refused += refused;
}

static void on_writable(void *arg, unsigned slot)
{
	((struct end *)arg)->writable++;
}

static void on_stranger(void *arg, const char *text)
{
	struct end *e = arg;
	e->strangers++;
	snprintf(e->told, sizeof e->told, "%s", text);
	if (!strstr(text, "an unknown address")) /* it may have gone before we looked; it comes again */
		snprintf(e->stranger, sizeof e->stranger, "%s", text);
}

static void end_open_at(struct end *e, const char *bind, bool curve, uint8_t secret)
{
	struct wires_options o = { .bind = str_of(bind), .curve = curve };
	struct wires_events events = { e, on_frame, on_odd, on_connected, on_disconnected, on_writable, on_stranger };
	struct buf why;
	buf_init(&why, 1024);
	memset(o.secret, secret, sizeof o.secret);
	*e = (struct end){ .in_order = true };
	e->wires = wires_new(&o, &events, &why);
	assert_non_null(e->wires);
	wires_start(e->wires, w);
	buf_fini(&why);
}

static void end_open(struct end *e, bool curve, uint8_t secret)
{
	end_open_at(e, "tcp://127.0.0.1:*", curve, secret);
}

static void end_close(struct end *e)
{
	if (!e->wires)
		return;
	wires_stop(e->wires);
	wires_free(e->wires);
	e->wires = NULL;
}

static void on_heartbeat(struct timer *t)
{
	worker_timer_set(w, t, 16);
}

static struct timer heartbeat = { .on_timer = on_heartbeat };

static int set_up(void **state)
{
	w = worker_new(0, "test");
	return 0;
}

static int tear_down(void **state)
{
	end_close(&a); /* left open by a case that failed */
	end_close(&b);
	worker_timer_cancel(w, &heartbeat);
	worker_free(w);
	return 0;
}

/* Runs the loop, which sleeps when nothing happens, until the condition holds; a test fails that waits too long. */
#define wait_for(condition)                                           \
	do {                                                          \
		uint64_t until = uv_hrtime() / 1000000 + DEADLINE_MS; \
		worker_timer_set(w, &heartbeat, 16);                  \
		while (!(condition)) {                                \
			assert_true(uv_hrtime() / 1000000 < until);   \
			uv_run(&w->loop, UV_RUN_ONCE);                \
		}                                                     \
		worker_timer_cancel(w, &heartbeat);                   \
	} while (0)

static bool send_number(struct end *e, uint64_t n, size_t size)
{
	char *body = calloc(1, size);
	bool sent = wires_send(e->wires, 0, str_span((char *)&n, sizeof n), str_span(body, size));
	free(body);
	return sent;
}

static void frames_arrive_once_and_in_order(bool curve)
{
	enum { COUNT = 3000 };
	end_open(&a, curve, 1);
	end_open(&b, curve, 1);
	wires_open(a.wires, 0, wires_bound(b.wires));
	wait_for(a.connected == 1);
	uint64_t n = 0, refusals = 0;
	while (n < COUNT) {
		unsigned writable = a.writable;
		while (n < COUNT && send_number(&a, n + 1, 3000))
			n++;
		if (n == COUNT)
			break;
		refusals++;
		wait_for(a.writable > writable);
	}
	wait_for(b.frames == COUNT);
	assert_true(b.in_order);
	assert_true(refusals > 0); /* it did not take all at once */
	assert_int_equal(b.strangers + a.strangers + b.odd, 0);
	end_close(&a);
	end_close(&b);
}

static void frames_arrive_once_and_in_order_plain(void **state)
{
	frames_arrive_once_and_in_order(false);
}

static void frames_arrive_once_and_in_order_with_curve(void **state)
{
	frames_arrive_once_and_in_order(true);
}

static void nothing_is_taken_before_there_is_a_connection(void **state)
{
	end_open(&a, true, 1);
	end_open(&b, true, 1);
	assert_false(send_number(&a, 1, 10)); /* a slot that is closed */
	wires_open(a.wires, 0, wires_bound(b.wires));
	assert_false(send_number(&a, 1, 10));
	wait_for(a.writable == 1);
	assert_true(send_number(&a, 1, 10));
	wait_for(b.frames == 1);
	end_close(&a);
	end_close(&b);
}

static void another_secret_is_refused_and_named(void **state)
{
	end_open(&a, true, 1);
	end_open(&b, true, 2);
	wires_open(a.wires, 0, wires_bound(b.wires));
	wait_for(b.stranger[0]);
	assert_string_equal(b.stranger, "127.0.0.1: another secret");
	assert_int_equal(a.connected, 0);
	assert_false(send_number(&a, 1, 10));
	end_close(&a);
	end_close(&b);
}

/* A socket of somebody who has no node, with or without keys. */
static void *stranger_socket(void *context, const char *public_key, const char *secret_key, const char *server_key)
{
	void *s = zmq_socket(context, ZMQ_PUSH);
	int linger = 0;
	char to[256];
	snprintf(to, sizeof to, "%.*s", STR_ARG(wires_bound(b.wires)));
	zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
	if (server_key) {
		assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, server_key, 41), 0);
		assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, public_key, 41), 0);
		assert_int_equal(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, secret_key, 41), 0);
	}
	assert_int_equal(zmq_connect(s, to), 0);
	return s;
}

static void cluster_keys(uint8_t secret, char public_key[41], char secret_key[41])
{
	uint8_t bytes[SECRET_BYTES], key[32];
	memset(bytes, secret, sizeof bytes);
	secret_derive(bytes, "mesh curve 1", key, sizeof key);
	zmq_z85_encode(secret_key, key, sizeof key);
	zmq_curve_public(public_key, secret_key);
}

static bool waits(unsigned ms, uint64_t since)
{
	return b.strangers || uv_hrtime() / 1000000 >= since + ms;
}

/* Told with its address, unless it was gone before we looked; one that sees the mismatch before we do gives up, and another has to come. */
static void a_client_without_curve_is_refused_and_told(void **state)
{
	void *context = zmq_ctx_new();
	end_open(&b, true, 1);
	for (int i = 0; i < 100 && !b.strangers; i++) {
		uint64_t now = uv_hrtime() / 1000000;
		void *s = stranger_socket(context, NULL, NULL, NULL);
		zmq_send(s, "hello", 5, ZMQ_DONTWAIT);
		wait_for(waits(100, now));
		zmq_close(s);
	}
	assert_true(str_ends(str_of(b.told), STR(": no CURVE, or not here")));
	assert_int_equal(b.frames, 0);
	zmq_ctx_term(context);
	end_close(&b);
}

static void a_key_that_is_not_the_clusters_is_refused_and_named(void **state)
{
	char server_key[41], ignored[41], public_key[41], secret_key[41];
	void *context = zmq_ctx_new();
	end_open(&b, true, 1);
	cluster_keys(1, server_key, ignored);
	zmq_curve_keypair(public_key, secret_key);
	void *s = stranger_socket(context, public_key, secret_key, server_key);
	zmq_send(s, "hello", 5, ZMQ_DONTWAIT);
	wait_for(b.stranger[0]);
	assert_string_equal(b.stranger, "127.0.0.1: not this cluster's key");
	assert_int_equal(b.frames, 0);
	zmq_close(s);
	zmq_ctx_term(context);
	end_close(&b);
}

static bool is_closed(int fd)
{
	char bytes[512];
	ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void bytes_of_another_protocol_end_their_connection_only(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	static const char garbage[] = "GET / HTTP/1.1\r\nHost: mesh\r\nUser-Agent: a browser that lost its way\r\n\r\n";
	end_open(&a, true, 1);
	end_open(&b, true, 1);
	struct str bound = wires_bound(b.wires);
	sa.sin_port = htons((uint16_t)strtoul(strrchr(bound.p, ':') + 1, NULL, 10));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(write(fd, garbage, sizeof garbage), sizeof garbage);
	wait_for(is_closed(fd));
	close(fd);
	wires_open(a.wires, 0, bound); /* those who belong here do not notice */
	wait_for(a.connected == 1);
	assert_true(send_number(&a, 1, 10));
	wait_for(b.frames == 1);
	end_close(&a);
	end_close(&b);
}

static void a_connection_that_comes_and_goes_is_no_stranger(void **state)
{
	end_open(&a, true, 1);
	end_open(&b, true, 1);
	struct sockaddr_in sa = { .sin_family = AF_INET };
	sa.sin_port = htons((uint16_t)strtoul(strrchr(wires_bound(b.wires).p, ':') + 1, NULL, 10));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 5; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
		close(fd);
	}
	wires_open(a.wires, 0, wires_bound(b.wires));
	wait_for(a.connected == 1);
	assert_true(send_number(&a, 1, 10));
	wait_for(b.frames == 1);
	assert_int_equal(b.strangers, 0);
	end_close(&a);
	end_close(&b);
}

static void several_parts_are_dropped_whole_and_too_large_ones_end_the_connection(void **state)
{
	char server_key[41], secret_key[41];
	uint64_t one = 1;
	void *context = zmq_ctx_new();
	size_t big = (1u << 20) + 1;
	end_open(&b, true, 1);
	cluster_keys(1, server_key, secret_key);
	void *s = stranger_socket(context, server_key, secret_key, server_key);
	assert_int_equal(zmq_send(s, "x", 1, ZMQ_SNDMORE), 1);
	assert_int_equal(zmq_send(s, "y", 1, ZMQ_SNDMORE), 1);
	assert_int_equal(zmq_send(s, "z", 1, 0), 1);
	assert_int_equal(zmq_send(s, &one, sizeof one, 0), sizeof one);
	wait_for(b.frames == 1);
	assert_int_equal(b.odd, 1);
	assert_int_equal(b.last, 1);
	char *bytes = calloc(1, big);
	assert_int_equal(zmq_send(s, bytes, big, 0), big);
	free(bytes);
	uint64_t two = 2;
	wait_for(b.frames >= 2 || (zmq_send(s, &two, sizeof two, ZMQ_DONTWAIT) > 0 && false)); /* until it is connected again */
	assert_true(b.last == 2);
	zmq_close(s);
	zmq_ctx_term(context);
	end_close(&b);
}

static void a_port_where_nobody_listens_is_told_as_refused(void **state)
{
	char addr[256];
	end_open(&a, true, 1);
	end_open(&b, true, 1);
	snprintf(addr, sizeof addr, "%.*s", STR_ARG(wires_bound(b.wires)));
	wires_open(a.wires, 0, str_of(addr));
	wait_for(a.connected == 1);
	end_close(&b);
	wait_for(a.refused >= 3); /* soon enough to be evidence */
	assert_int_equal(a.disconnected, 1);
	end_open_at(&b, addr, true, 1);
	wait_for(a.connected == 2);
	assert_true(send_number(&a, 1, 10));
	wait_for(b.frames == 1);
	end_close(&a);
	end_close(&b);
}

static void a_new_incarnation_gets_nothing_of_the_old_ones(void **state)
{
	char addr[256];
	end_open(&a, false, 1);
	end_open(&b, false, 1);
	snprintf(addr, sizeof addr, "%.*s", STR_ARG(wires_bound(b.wires)));
	wires_open(a.wires, 0, str_of(addr));
	wait_for(a.connected == 1);
	end_close(&b);
	wait_for(a.disconnected == 1);
	for (uint64_t n = 100; n < 110; n++)
		(void)send_number(&a, n, 10); /* whether it takes them or not */
	wires_close(a.wires, 0);
	wires_open(a.wires, 0, str_of(addr));
	end_open_at(&b, addr, false, 1);
	wait_for(a.connected == 2);
	assert_true(send_number(&a, 1, 10));
	wait_for(b.frames == 1);
	assert_int_equal(b.last, 1);
	end_close(&a);
	end_close(&b);
}

/* A name is looked up beside the I/O thread, and again for as long as it leads nowhere. */
static void a_peer_may_be_named(void **state)
{
	char addr[256];
	end_open(&b, true, 1);
	snprintf(addr, sizeof addr, "tcp://localhost%s", strrchr(wires_bound(b.wires).p, ':'));
	end_open(&a, true, 1);
	wires_open(a.wires, 0, str_of(addr));
	wait_for(a.connected == 1);
	assert_true(send_number(&a, 1, 10));
	wait_for(b.frames == 1);
	end_close(&b);
	wait_for(a.refused >= 3);
	char numeric[256];
	snprintf(numeric, sizeof numeric, "tcp://127.0.0.1%s", strrchr(addr, ':'));
	end_open_at(&b, numeric, true, 1);
	wait_for(a.connected == 2);
	assert_true(send_number(&a, 1, 10));
	wait_for(b.frames == 1);
	assert_int_equal(a.odd, 0);
	end_close(&a);
	end_close(&b);
}

static void an_address_that_cannot_be_bound_is_said(void **state)
{
	struct wires_options o = { .bind = STR_INIT("tcp://192.0.2.1:7400") };
	struct wires_events events = { &a, on_frame, on_odd, on_connected, on_disconnected, on_writable, on_stranger };
	struct buf why;
	buf_init(&why, 1024);
	assert_null(wires_new(&o, &events, &why));
	assert_true(str_starts(buf_str(&why), STR("cannot listen on tcp://192.0.2.1:7400: ")));
	buf_clear(&why);
	o.bind = STR("nonsense");
	assert_null(wires_new(&o, &events, &why));
	assert_true(why.len > 0);
	buf_fini(&why);
}

static void a_peers_address_that_is_none_stays_unconnected(void **state)
{
	end_open(&a, true, 1);
	wires_open(a.wires, 0, STR("nonsense"));
	assert_int_equal(a.odd, 1);
	assert_false(send_number(&a, 1, 10));
	wires_close(a.wires, 0);
	wires_open(a.wires, 0, STR("tcp://no-such-host.invalid:7400"));
	worker_turn(w);
	end_close(&a);
}

/* As the kernel knows it; -1: there is no such thread any more. */
static int policy_of(const char *tid, char name[32])
{
	char path[300];
	snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
	FILE *f = fopen(path, "r");
	if (!f)
		return -1;
	bool read = fgets(name, 32, f) != NULL;
	fclose(f);
	return read ? sched_getscheduler((pid_t)strtol(tid, NULL, 10)) : -1;
}

/* Of the threads that ZeroMQ has in this process: they take their names as they begin. */
static unsigned count_theirs(int policy)
{
	unsigned n = 0;
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	for (struct dirent *d; (d = readdir(tasks));) {
		char name[32] = "";
		n += policy_of(d->d_name, name) == policy && strncmp(name, "ZMQbg", 5) == 0;
	}
	closedir(tasks);
	return n;
}

static void zeromqs_threads_interrupt_nobody_and_ours_stays_as_it_was(void **state)
{
	end_open(&a, false, 1);
	wait_for(count_theirs(SCHED_BATCH) >= 2); /* what carries frames, what ends sockets */
	assert_int_equal(count_theirs(SCHED_OTHER), 0);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	end_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_arrive_once_and_in_order_plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_arrive_once_and_in_order_with_curve, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_taken_before_there_is_a_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_secret_is_refused_and_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_without_curve_is_refused_and_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_key_that_is_not_the_clusters_is_refused_and_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_of_another_protocol_end_their_connection_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_that_comes_and_goes_is_no_stranger, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_parts_are_dropped_whole_and_too_large_ones_end_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_port_where_nobody_listens_is_told_as_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_new_incarnation_gets_nothing_of_the_old_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_peer_may_be_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_address_that_cannot_be_bound_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_peers_address_that_is_none_stays_unconnected, set_up, tear_down),
		cmocka_unit_test_setup_teardown(zeromqs_threads_interrupt_nobody_and_ours_stays_as_it_was, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
