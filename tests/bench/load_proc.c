#include "tests/bench/load_proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t to_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
}

static pid_t other;

void load_proc_add(pid_t pid)
{
	other = pid;
}

/* The kernel keeps a clock for each process: as exact as schedstat, one call, and it remembers threads that are gone. */
static uint64_t cpu_of(pid_t pid)
{
	clockid_t clock;
	struct timespec ts;
	if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		return 0;
	return to_ns(&ts);
}

uint64_t load_proc_cpu_ns(pid_t pid)
{
	return cpu_of(pid) + (pid != getpid() ? cpu_of(other) : 0);
}

uint64_t load_proc_pss_kib(pid_t pid)
{
	char path[64], line[256];
	uint64_t kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "Pss_Anon:", 9) == 0)
			kib += strtoull(line + 9, NULL, 10);
		if (strncmp(line, "Pss_Shmem:", 10) == 0)
			kib += strtoull(line + 10, NULL, 10);
	}
	if (f)
		fclose(f);
	return kib;
}

uint64_t load_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return to_ns(&ts);
}
