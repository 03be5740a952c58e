/*
 * knock.h: is anybody listening at a TCP address? A connection that is made and closed at once. ZeroMQ does not say why it could not
 * connect, and "refused by that host's kernel" is evidence of a process's end where "no answer" is none.
 *
 * Its loop's thread only.
 */
#ifndef CLUSTER_KNOCK_H
#define CLUSTER_KNOCK_H

#include "cluster/worker.h"
#include "proto/base/str.h"

struct knock;

#define KNOCK_NUMERIC 64

/* `addr` as ZeroMQ writes it: "tcp://host:port". `done` is called once, later, unless knock_cancel comes first: 0, or libuv's error
 * (UV_ECONNREFUSED; UV_ETIMEDOUT after limit_ms); `numeric` is the address in numbers, "" when the name has none (of several, the first of
 * IPv4, else the first). NULL: no such address, or nothing to open it with. */
struct knock *knock_begin(struct worker *w, struct str addr, uint64_t limit_ms,
			  void (*done)(void *arg, int status, const char *numeric), void *arg);
/* NULL is fine. */
void knock_cancel(struct knock *k);

#endif
