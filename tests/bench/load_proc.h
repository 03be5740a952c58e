/*
 * load_proc.h: what the server under test costs, read from outside: the processor time of all its threads, and its memory.
 */
#ifndef TESTS_BENCH_LOAD_PROC_H
#define TESTS_BENCH_LOAD_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LOAD_NODES_MAX 31 /* beside the first */

/* Nanoseconds of processor time of all threads so far, those that ended included. 0 when the process is gone. */
uint64_t load_proc_cpu_ns(pid_t pid);
/* The server has another process: its time and memory are added from now on. False: too many. */
bool load_proc_add(pid_t pid);
/* Proportional set size in KiB of what it allocated (Pss_Anon and Pss_Shmem of smaps_rollup); 0 when it cannot be read. Pages of files
 * are left out: the load tool uses OpenSSL too, and what two processes share counts as half as soon as the second touches it. */
uint64_t load_proc_pss_kib(pid_t pid);
/* The monotonic clock. */
uint64_t load_now_ns(void);

#endif
