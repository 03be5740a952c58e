/*
 * clock_preload.c: a wall clock that a test moves, for a program that it starts: LD_PRELOAD this, and TEST_CLOCK names a file of eight
 * bytes, milliseconds since 1970. The monotonic clock goes on, so that the program's own timers do.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *clock_ms;

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd >= 0 ? mmap(NULL, sizeof *clock_ms, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (at != MAP_FAILED)
		clock_ms = at;
	if (fd >= 0)
		close(fd);
}

static int64_t now_ms(void)
{
	if (clock_ms)
		return *clock_ms;
	struct timespec ts;
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int gettimeofday(struct timeval *tv, void *zone)
{
	int64_t ms = now_ms();
	*tv = (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	return 0;
}

time_t time(time_t *out)
{
	time_t t = now_ms() / 1000;
	if (out)
		*out = t;
	return t;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, id, ts);
	int64_t ms = now_ms();
	*ts = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	return 0;
}
