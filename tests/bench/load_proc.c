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

static pid_t others[LOAD_NODES_MAX];
static unsigned n_others;

bool load_proc_add(pid_t pid)
{
	if (n_others == LOAD_NODES_MAX)
		return false;
	others[n_others++] = pid;
	return true;
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
	uint64_t ns = cpu_of(pid);
	for (unsigned i = 0; i < n_others && pid != getpid(); i++)
		ns += cpu_of(others[i]);
	return ns;
}

static uint64_t pss_of(pid_t pid)
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

uint64_t load_proc_pss_kib(pid_t pid)
{
	uint64_t kib = pss_of(pid);
	for (unsigned i = 0; i < n_others; i++)
		kib += pss_of(others[i]);
	return kib;
}

uint64_t load_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return to_ns(&ts);
}
