#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/net/inherited.h"
#include "node/net/listener.h"
#include "proto/base/arena.h"

/* A listening socket on a free port of the loopback, at this descriptor. */
static uint16_t passed(int at, int family, bool listens)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa = { .any.sa_family = (sa_family_t)family };
	socklen_t len = family == AF_INET ? sizeof sa.v4 : sizeof sa.v6;
	if (family == AF_INET)
		sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		sa.v6.sin6_addr = in6addr_loopback;
	int fd = socket(family, SOCK_STREAM, 0);
	assert_true(fd >= 0 && bind(fd, &sa.any, len) == 0 && (!listens || listen(fd, 4) == 0));
	assert_int_equal(getsockname(fd, &sa.any, &len), 0);
	if (fd != at) {
		assert_int_equal(dup2(fd, at), at);
		close(fd);
	}
	return ntohs(family == AF_INET ? sa.v4.sin_port : sa.v6.sin6_port);
}

static enum err read_env(long pid, const char *count, const char *names, struct buf *why)
{
	char text[32];
	snprintf(text, sizeof text, "%ld", pid);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", count, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
	else
		unsetenv("LISTEN_FDNAMES");
	buf_clear(why);
	return inherited_read(why);
}

static int set_up(void **state)
{
	static struct buf why;
	buf_init(&why, 4096);
	*state = &why;
	return 0;
}

static int tear_down(void **state)
{
	buf_fini(*state);
	for (int fd = 3; fd < 8; fd++)
		close(fd);
	return 0;
}

static struct sockaddr_in v4(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void what_is_meant_for_another_process_is_left_alone(void **state)
{
	passed(3, AF_INET, true);
	assert_int_equal(read_env(1, "1", NULL, *state), ERR_NONE);
	assert_int_equal(inherited_count(), 0);
	unsetenv("LISTEN_PID");
	assert_int_equal(inherited_read(*state), ERR_NONE);
	assert_int_equal(inherited_count(), 0);
	assert_int_equal(inherited_all_taken(*state), ERR_NONE);
}

static void a_socket_is_found_by_its_address_once(void **state)
{
	uint16_t port = passed(3, AF_INET, true), six = passed(4, AF_INET6, true);
	struct sockaddr_in there = v4(port), other = v4((uint16_t)(port ^ 1));
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(six), .sin6_addr = in6addr_loopback };
	assert_int_equal(read_env(getpid(), "2", NULL, *state), ERR_NONE);
	assert_int_equal(inherited_at((struct sockaddr *)&other), -1);
	assert_int_equal(inherited_at((struct sockaddr *)&there), 3);
	assert_int_equal(inherited_at((struct sockaddr *)&there), -1);
	assert_int_equal(inherited_all_taken(*state), ERR_INVALID);
	assert_non_null(strstr(((struct buf *)*state)->p, "[::1]:"));
	assert_int_equal(inherited_at((struct sockaddr *)&v6), 4);
	assert_int_equal(inherited_all_taken(*state), ERR_NONE);
}

static void sockets_are_found_by_their_name(void **state)
{
	struct sockaddr_storage addr;
	socklen_t len;
	passed(3, AF_INET, true);
	uint16_t port = passed(4, AF_INET, true);
	passed(5, AF_INET, true);
	assert_int_equal(read_env(getpid(), "3", "c2s:direct:c2s", *state), ERR_NONE);
	assert_int_equal(inherited_named(STR("s2s"), &addr, &len), -1);
	assert_int_equal(inherited_named(STR("direct"), &addr, &len), 4);
	assert_int_equal(((struct sockaddr_in *)&addr)->sin_port, htons(port));
	assert_int_equal(inherited_named(STR("direct"), &addr, &len), -1);
	assert_int_equal(inherited_named(STR("c2s"), &addr, &len), 3);
	assert_int_equal(inherited_named(STR("c2s"), &addr, &len), 5);
	assert_int_equal(inherited_named(STR("c2s"), &addr, &len), -1);
}

static void they_are_kept_for_the_next_program_only_when_it_shall_have_them(void **state)
{
	passed(3, AF_INET, true);
	assert_int_equal(read_env(getpid(), "1", NULL, *state), ERR_NONE);
	assert_true(fcntl(3, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(3, F_GETFL) & O_NONBLOCK);
	inherited_pass_on();
	assert_false(fcntl(3, F_GETFD) & FD_CLOEXEC);
}

static void workers_share_one(void **state)
{
	struct listen_spec spec = { .text = STR("test") };
	memset(spec.fds, -1, sizeof spec.fds);
	passed(3, AF_INET, true);
	assert_int_equal(listen_adopt(&spec, 3, 3, *state), ERR_NONE);
	for (int i = 0; i < 3; i++)
		assert_true(spec.fds[i] > 3 && (fcntl(spec.fds[i], F_GETFD) & FD_CLOEXEC));
	assert_int_equal(spec.fds[3], -1);
	listen_unbind(&spec);
	assert_true(fcntl(3, F_GETFD) >= 0);
	assert_int_equal(listen_adopt(&spec, 99, 3, *state), ERR_IO);
	assert_int_equal(spec.fds[0], -1);
}

static void what_is_no_listening_tcp_socket_is_refused(void **state)
{
	int pair[2];
	passed(3, AF_INET, false);
	assert_int_equal(read_env(getpid(), "1", "c2s", *state), ERR_INVALID);
	assert_non_null(strstr(((struct buf *)*state)->p, "c2s"));
	assert_int_equal(inherited_count(), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(dup2(pair[0], 3), 3);
	assert_int_equal(read_env(getpid(), "1", NULL, *state), ERR_INVALID);
	close(pair[0]);
	close(pair[1]);
	close(3);
	assert_int_equal(read_env(getpid(), "1", NULL, *state), ERR_INVALID);
	assert_int_equal(read_env(getpid(), "33", NULL, *state), ERR_INVALID);
	assert_int_equal(read_env(getpid(), "-1", NULL, *state), ERR_INVALID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_meant_for_another_process_is_left_alone),
		CASE(a_socket_is_found_by_its_address_once),
		CASE(sockets_are_found_by_their_name),
		CASE(they_are_kept_for_the_next_program_only_when_it_shall_have_them),
		CASE(workers_share_one),
		CASE(what_is_no_listening_tcp_socket_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
