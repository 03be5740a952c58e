#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/core/notify.h"

/* A service manager: a datagram socket with an abstract name. */
static int manager(char *name, size_t size)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(name, size, "@starling-notify-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	memcpy(sa.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
	return fd;
}

static const char *heard(int fd)
{
	static char text[1024];
	ssize_t n = recv(fd, text, sizeof text - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

/* One process, one environment: the order of these matters, as it does for a process. */
static void nobody_asked_and_nobody_is_told(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	notify_init();
	notify_send("READY=1");
	assert_int_equal(notify_alive_every_ms(), 0);
}

static void a_manager_hears_what_it_asked_for(void **state)
{
	char name[64], usec[32], pid[32];
	int fd = manager(name, sizeof name);
	snprintf(usec, sizeof usec, "%d", 30000000);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", usec, 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_init();
	assert_int_equal(notify_alive_every_ms(), 0); /* another process is meant */
	setenv("WATCHDOG_PID", pid, 1);
	notify_init();
	assert_int_equal(notify_alive_every_ms(), 15000);
	notify_send("READY=1\nSTATUS=Serving %u hosts", 2);
	assert_string_equal(heard(fd), "READY=1\nSTATUS=Serving 2 hosts");
	notify_reloading();
	assert_non_null(strstr(heard(fd), "RELOADING=1\nMONOTONIC_USEC="));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_asked_and_nobody_is_told),
		cmocka_unit_test(a_manager_hears_what_it_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
