/*
 * worker.h: a thread with a loop, and the one way to reach it.
 *
 * A worker owns its loop (libuv), a timer wheel, and whatever lives on it: streams, sessions, parser contexts. Nobody else touches these.
 * What crosses threads is a `struct message`: ownership or immutable bytes, in a mailbox with one FIFO order per (from, to) pair. The main
 * thread is a worker as well (run with worker_run), so that stores and pools can answer it in the same way.
 *
 * Ownership: worker_post consumes the message; its `run` is called once, on the target's thread, with the message, which is then run's to
 * free. A worker that stops runs what is still in its mailbox with `cancelled` true: run must then only free. Nothing blocks a worker: a
 * watchdog names any callback above the limit.
 */
#ifndef CLUSTER_WORKER_H
#define CLUSTER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "proto/base/err.h"
#include "proto/base/rng.h"
#include "proto/base/wheel.h"

struct worker;

/* Embedded first in what is posted; `bytes` is how much it weighs while it waits (worker_backlog), 0 for what is small and rare. */
struct message {
	struct message *next;
	void (*run)(struct worker *w, struct message *m, bool cancelled);
	uint32_t bytes;
};

struct worker {
	unsigned index;
	const char *name;      /* "main", "w0", ... for logs */
	uv_loop_t loop;
	struct wheel wheel;    /* worker_timer_set */
	uint64_t now_ms;       /* monotonic, refreshed once per loop pass */
	uint64_t pass_ns;      /* monotonic: when this pass began; 0 in the first callback until worker_pass_begin */
	/* The end of a pass that began at pass_ns, all output written; may be NULL. */
	void (*on_pass_end)(struct worker *w, uint64_t now_ns);
	struct rng rng;        /* OpenSSL's */
	void *node;            /* node/'s per-worker state: set before start, opaque here */
	struct worker_private *priv;
};

/* ---- life: called by the main thread ---- */

/* A worker that is not running yet. `index` names it. */
struct worker *worker_new(unsigned index, const char *name);
/* Its thread starts; on_start runs there first, on_stop last (when worker_stop was called): it must close what it opened on the loop. */
MUST_CHECK enum err worker_start(struct worker *w, void (*on_start)(struct worker *w), void (*on_stop)(struct worker *w));
/* Runs the loop on the calling thread (main) until worker_stop. */
void worker_run(struct worker *w);
/* One pass on the calling thread that waits for nothing: for tests, of a worker without a thread. */
void worker_turn(struct worker *w);
/* From any thread; idempotent. */
void worker_stop(struct worker *w);
/* Waits for the thread, then frees. */
void worker_join(struct worker *w);
void worker_free(struct worker *w);
/* The worker whose thread this is, or NULL. */
struct worker *worker_current(void);

/* ---- any thread ---- */

void worker_post(struct worker *w, struct message *m);
/* The bytes that wait in the mailbox. Nothing is refused: who posts what others made it post pauses them while this is high. */
uint64_t worker_backlog(const struct worker *w);

/* ---- own thread only ---- */

/* Sets an embedded timer `after_ms` from now on the worker's wheel. */
void worker_timer_set(struct worker *w, struct timer *t, uint64_t after_ms);
void worker_timer_cancel(struct worker *w, struct timer *t);
/* fn(arg) once at the end of this loop pass, after all sockets were read and the mailbox was run: where queues are flushed. `d` is embedded
 * in its owner; set again while pending is harmless. */
struct deferred {
	struct deferred *next;
	void (*fn)(struct deferred *d);
	bool pending;
};
void worker_defer(struct worker *w, struct deferred *d);
void worker_undefer(struct worker *w, struct deferred *d);
/* Wall clock, UTC, ms since 1970. */
int64_t worker_wall_ms(void);

/* For the watchdog's message: what this worker is doing ("parse", "timer"); a literal. Returns what it was. */
const char *worker_doing(struct worker *w, const char *action);

/* The first callback of a pass calls this: it refreshes now_ms and starts the busy clock. Cheap when it was called already. */
void worker_pass_begin(struct worker *w);

struct worker_stats {
	uint64_t passes, busy_us, max_lag_us, posted, slow_callbacks;
	uint32_t mailbox_depth;
	bool busy; /* in a pass: what it has taken from its mailbox may still become something that is posted elsewhere */
};
/* Any thread; relaxed reads, with one promise: who sees a mailbox empty sees `busy` until what was in it is done, and after that, in the
 * mailboxes of others, what came of it. */
void worker_stats(const struct worker *w, struct worker_stats *out);

/* The watchdog of one worker, looked at every few milliseconds by another thread: names an action that has lasted longer than limit_ms,
 * once per occurrence; NULL otherwise. It samples, so that workers pay two relaxed stores an action and no clock. Whoever looks may look
 * rarely while `quiet`: what a sleeping watchdog did not see begin is told as "pass", when it is over. */
struct watchdog {
	struct worker *worker;
	uint64_t limit_ms, step, since_ms, looked_ms;
	bool told, told_pass;
	bool quiet; /* the last look: the worker has done nothing since the one before */
};
void watchdog_init(struct watchdog *d, struct worker *w, uint64_t limit_ms);
/* For how long the action that was told already goes on; 0: there is none. */
static inline uint64_t watchdog_stuck_ms(const struct watchdog *d, uint64_t now_ms)
{
	return d->told ? now_ms - d->since_ms : 0;
}
const char *watchdog_look(struct watchdog *d, uint64_t now_ms, uint64_t *for_ms);

#endif
