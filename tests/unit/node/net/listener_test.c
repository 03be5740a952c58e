#include "tests/unit/node/node_rig.h"

#include <netinet/tcp.h>
#include <sys/syscall.h>

#include "node/net/listener.h"

/* accept4 as the kernel has it when it is short of something: fails so often, and counts. */
static int accept_error;
static unsigned failures_left, asked;

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	asked++;
	if (failures_left) {
		failures_left--;
		errno = accept_error;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, addr, len, flags);
}

static unsigned accepted;

static struct options {
	int no_delay, keepalive, notsent, user_timeout_ms;
} options; /* of what was accepted last */

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;
	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void on_accept(struct node_worker *nw, const struct listen_spec *spec, int fd, const struct sockaddr *peer)
{
	accepted++;
	options = (struct options){ .no_delay = option(fd, IPPROTO_TCP, TCP_NODELAY),
		                    .keepalive = option(fd, SOL_SOCKET, SO_KEEPALIVE),
		                    .notsent = option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
		                    .user_timeout_ms = option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) };
	close(fd);
}

static struct listen_spec spec;
static struct node_worker *nw;
static int client;

static int set_up(void **state)
{
	struct buf why;
	struct sockaddr_in *in = (struct sockaddr_in *)&spec.addr;
	socklen_t len = sizeof *in;
	rig_start("");
	buf_init(&why, 1024);
	spec = (struct listen_spec){ .addr_len = sizeof *in, .text = STR("127.0.0.1"), .on_accept = on_accept };
	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (unsigned i = 0; i < sizeof spec.fds / sizeof *spec.fds; i++)
		spec.fds[i] = -1;
	assert_int_equal(listen_bind(&spec, 1, &why), ERR_NONE);
	buf_fini(&why);
	assert_int_equal(getsockname(spec.fds[0], (struct sockaddr *)in, &len), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)in, len), 0);
	nw = nw_of(node.workers[0]);
	accepted = asked = 0;
	return 0;
}

static int tear_down(void **state)
{
	close(client);
	listener_stop_all(nw);
	failures_left = 0;
	rig_turns(3);
	rig_stop();
	return 0;
}

#define REST_MS 100

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* While the error stays it is asked for once a rest, however often the loop turns; then the connection that waited is taken. */
static void rests_after(int error)
{
	uint64_t begin = now_ms();
	accept_error = error;
	failures_left = UINT32_MAX;
	listener_start(nw, &spec);
	RIG_UNTIL(asked);
	rig_turns(200);
	assert_in_range(asked, 1, 1 + (now_ms() - begin) / REST_MS);
	RIG_UNTIL(asked >= 2);
	assert_int_equal(accepted, 0);
	failures_left = 0;
	RIG_UNTIL(accepted == 1);
}

static void accepting_rests_when_the_kernel_has_no_buffers(void **state)
{
	rests_after(ENOBUFS);
}

static void accepting_rests_when_the_kernel_has_no_memory(void **state)
{
	rests_after(ENOMEM);
}

static void accepting_rests_after_an_error_that_nobody_thought_of(void **state)
{
	rests_after(ENXIO);
}

static void without_descriptors_one_connection_is_refused(void **state)
{
	char byte;
	accept_error = EMFILE;
	failures_left = 1;
	listener_start(nw, &spec);
	RIG_UNTIL(asked >= 2); /* the second with the spare */
	assert_int_equal(recv(client, &byte, 1, 0), 0);
	assert_int_equal(accepted, 0);
}

static void a_connection_that_died_does_not_keep_the_next_one(void **state)
{
	static const int errors[] = { ECONNABORTED, EINTR, EPROTO, ENETDOWN };
	accept_error = errors[*(int *)*state];
	failures_left = 1;
	listener_start(nw, &spec);
	worker_turn(node.workers[0]); /* no rest: in the pass in which it failed */
	assert_int_equal(asked, 3);
	assert_int_equal(accepted, 1);
}

static void assert_options(void)
{
	assert_true(options.no_delay && options.keepalive);
	assert_int_equal(options.notsent, 65536);
	assert_int_equal(options.user_timeout_ms, 90000);
}

static void connections_have_the_options_that_the_listener_has(void **state)
{
	listener_start(nw, &spec);
	RIG_UNTIL(accepted == 1);
	assert_options();
}

/* As the service manager gives it: it knows nothing of ours. */
static void connections_of_an_adopted_socket_have_them_too(void **state)
{
	struct buf why;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), late = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;
	listen_unbind(&spec);
	assert_true(bind(fd, (struct sockaddr *)&in, len) == 0 && listen(fd, 1) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	buf_init(&why, 1024);
	assert_int_equal(listen_adopt(&spec, fd, 1, &why), ERR_NONE);
	buf_fini(&why);
	close(fd);
	listener_start(nw, &spec);
	assert_int_equal(connect(late, (struct sockaddr *)&in, len), 0);
	RIG_UNTIL(accepted == 1);
	assert_options();
	close(late);
}

int main(void)
{
	static int which[] = { 0, 1, 2, 3 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(accepting_rests_when_the_kernel_has_no_buffers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(accepting_rests_when_the_kernel_has_no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(accepting_rests_after_an_error_that_nobody_thought_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_descriptors_one_connection_is_refused, set_up, tear_down),
		{ "a_connection_that_was_aborted_does_not_keep_the_next_one", a_connection_that_died_does_not_keep_the_next_one, set_up,
		  tear_down, &which[0] },
		{ "an_interrupted_accept_does_not_keep_the_next_one", a_connection_that_died_does_not_keep_the_next_one, set_up,
		  tear_down, &which[1] },
		{ "a_protocol_error_does_not_keep_the_next_one", a_connection_that_died_does_not_keep_the_next_one, set_up, tear_down,
		  &which[2] },
		{ "a_network_error_does_not_keep_the_next_one", a_connection_that_died_does_not_keep_the_next_one, set_up, tear_down,
		  &which[3] },
		cmocka_unit_test_setup_teardown(connections_have_the_options_that_the_listener_has, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_of_an_adopted_socket_have_them_too, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
