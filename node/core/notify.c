#include "node/core/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "node/core/log.h"

static struct sockaddr_un manager;
static socklen_t manager_len; /* 0: nobody asked */
static uint64_t alive_every_ms;

static void read_watchdog(void)
{
	uint64_t us, pid;
	const char *text = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
	if (!text || !str_to_u64(str_of(text), &us))
		return;
	if (whose && (!str_to_u64(str_of(whose), &pid) || pid != (uint64_t)getpid()))
		return;
	alive_every_ms = us / 2000; /* twice as often as it must be */
}

void notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;
	if (n < 2 || n >= sizeof manager.sun_path || (*path != '/' && *path != '@'))
		return;
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, path, n);
	if (*path == '@')
		manager.sun_path[0] = '\0'; /* the abstract namespace */
	manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	read_watchdog();
}

void notify_send(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	if (!manager_len)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = n < 0 ? 0 : n < (int)sizeof text ? (size_t)n : sizeof text - 1;
	if (fd < 0 || sendto(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&manager, manager_len) < 0)
		LOG(LOG_WARN, "node", "the service manager cannot be told", L_ERRNO(errno));
	if (fd >= 0)
		close(fd);
}

void notify_reloading(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)ts.tv_sec * 1000000 + (unsigned long long)ts.tv_nsec / 1000);
}

uint64_t notify_alive_every_ms(void)
{
	return alive_every_ms;
}
