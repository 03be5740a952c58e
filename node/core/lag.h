/*
 * lag.h: how long a stanza takes here: from the read of the bytes that caused it to the write of its own bytes, into the histograms.
 *
 * What a stream has queued is a list of runs: stanzas of one kind that go back to one read, and where the last of them ends in the
 * stream's output. The list is in a block from the worker's pool, and goes back there when all is written: an idle stream has none. The
 * clock is read at the end of a loop pass and, in long passes, after every LAG_FLUSHES flushes: that is how much too long a time may
 * look. Past LAG_RUNS runs the newest one grows: then a few times look too long.
 */
#ifndef NODE_CORE_LAG_H
#define NODE_CORE_LAG_H

#include "node/core/metrics.h"

#define LAG_RUNS    20
#define LAG_FLUSHES 16
#define LAG_SPARE   256 /* blocks that a pool keeps */

struct lag_run {
	uint64_t read_ns, end;
	uint32_t n, kind;
};
struct lag {
	struct lag *next;
	unsigned first, n; /* a ring */
	struct lag_run runs[LAG_RUNS];
};

/* A worker's. Zeroed is fine; lag_pool_fini. */
struct lag_pool {
	struct lag *spare;
	unsigned n_spare, flushes;
	unsigned n_done;
	struct lag_run done[64]; /* written, but not yet timed */
};

/* One stanza of this kind was queued; its bytes end at `end` of all output. */
void lag_add(struct lag_pool *p, struct lag **l, uint64_t read_ns, enum stanza_kind kind, uint64_t end);
/* Output up to `written` is out. */
void lag_written(struct lag_pool *p, struct lag **l, uint64_t written, struct metrics *m);
/* The stream ends: what is not written never will be. */
void lag_drop(struct lag_pool *p, struct lag **l);
/* The clock was read: what was written is timed. */
void lag_time(struct lag_pool *p, uint64_t now_ns, struct metrics *m);
void lag_pool_fini(struct lag_pool *p);

#endif
