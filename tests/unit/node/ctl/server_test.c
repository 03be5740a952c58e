#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "node/ctl/server.h"

#define UNKNOWN "{\"command\": \"no_such_command\"}\n"

static struct node node;
static struct ctl_server *server;
static char dir[64], path[100];
static struct buf why;
static unsigned gone;

static void on_gone(void *arg)
{
	(*(unsigned *)arg)++;
}

static int set_up(void **state)
{
	node = (struct node){ .main = worker_new(0, "main") };
	snprintf(dir, sizeof dir, "/tmp/ctl_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/sock", dir);
	buf_init(&why, 4096);
	server = NULL;
	gone = 0;
	return 0;
}

static int tear_down(void **state)
{
	ctl_server_stop(server, NULL, NULL);
	worker_free(node.main);
	buf_fini(&why);
	unlink(path);
	return rmdir(dir);
}

static void turns(int n)
{
	while (n--)
		uv_run(&node.main->loop, UV_RUN_NOWAIT);
}

static void start(void)
{
	assert_int_equal(ctl_server_start(&node, path, NULL, &why, &server), ERR_NONE);
}

static int client(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void say(int fd, const char *z)
{
	assert_int_equal(send(fd, z, strlen(z), MSG_NOSIGNAL), (ssize_t)strlen(z));
}

/* Lines that have come, after the loop has turned for a while. */
static int lines(int fd)
{
	char text[8192];
	int n = 0;
	for (int i = 0; i < 20; i++) {
		turns(1);
		for (ssize_t got = recv(fd, text, sizeof text, 0); got > 0; got--)
			n += text[got - 1] == '\n';
	}
	return n;
}

static bool is_closed(int fd)
{
	char c;
	turns(5);
	return recv(fd, &c, 1, 0) == 0;
}

static void each_request_gets_one_line(void **state)
{
	start();
	int fd = client();
	say(fd, UNKNOWN);
	assert_int_equal(lines(fd), 1);
	say(fd, "this is no JSON\n");
	assert_int_equal(lines(fd), 1);
	close(fd);
}

static void requests_may_come_in_pieces_and_at_once(void **state)
{
	start();
	int fd = client();
	say(fd, "{\"comm");
	assert_int_equal(lines(fd), 0);
	say(fd, "and\": \"no_such_command\"}\n" UNKNOWN UNKNOWN "{");
	assert_int_equal(lines(fd), 3);
	say(fd, "}\n");
	assert_int_equal(lines(fd), 1);
	close(fd);
}

static void request_that_never_ends_is_cut(void **state)
{
	static char much[65536];
	start();
	int fd = client();
	memset(much, 'x', sizeof much);
	for (int i = 0; i < 1000; i++) {
		if (send(fd, much, sizeof much, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			break;
		turns(2);
	}
	assert_int_equal(send(fd, much, 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	close(fd);
}

static void socket_is_its_owners_alone(void **state)
{
	struct stat st;
	start();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
	struct stat st;
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0 && write(fd, "precious", 8) == 8);
	close(fd);
	assert_int_not_equal(ctl_server_start(&node, path, NULL, &why, &server), ERR_NONE);
	assert_true(why.len > 0);
	ctl_server_stop(server, NULL, NULL);
	server = NULL;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
}

static void socket_of_a_dead_node_is_replaced(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	close(fd);
	start();
	fd = client();
	say(fd, UNKNOWN);
	assert_int_equal(lines(fd), 1);
	close(fd);
}

static void socket_of_a_living_node_is_not_taken(void **state)
{
	struct ctl_server *second = NULL;
	start();
	assert_int_equal(ctl_server_start(&node, path, NULL, &why, &second), ERR_EXISTS);
	assert_null(second);
	turns(5);
	close(client()); /* the first one answers still */
}

static void stop_closes_clients_and_tells_once(void **state)
{
	start();
	int idle = client(), half = client();
	say(half, "{\"comm");
	turns(5);
	ctl_server_stop(server, on_gone, &gone);
	server = NULL;
	assert_int_equal(gone, 0);
	assert_true(is_closed(idle));
	assert_true(is_closed(half));
	assert_int_equal(gone, 1);
	assert_int_equal(access(path, F_OK), -1);
	close(idle);
	close(half);
	ctl_server_stop(NULL, on_gone, &gone);
	assert_int_equal(gone, 2);
}

static void cut_closes_whoever_does_not_read_and_tells_nobody(void **state)
{
	start();
	int fd = client();
	for (int i = 0; i < 20000 && send(fd, UNKNOWN, strlen(UNKNOWN), MSG_NOSIGNAL) > 0; i++)
		turns(1);
	turns(5);
	ctl_server_stop(server, on_gone, &gone);
	turns(5);
	assert_int_equal(gone, 0); /* an answer waits for its reader */
	ctl_server_cut(server);
	server = NULL;
	turns(5);
	assert_int_equal(gone, 0);
	close(fd);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(each_request_gets_one_line),
		CASE(requests_may_come_in_pieces_and_at_once),
		CASE(request_that_never_ends_is_cut),
		CASE(socket_is_its_owners_alone),
		CASE(file_that_is_no_socket_is_left_alone),
		CASE(socket_of_a_dead_node_is_replaced),
		CASE(socket_of_a_living_node_is_not_taken),
		CASE(stop_closes_clients_and_tells_once),
		CASE(cut_closes_whoever_does_not_read_and_tells_nobody),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
