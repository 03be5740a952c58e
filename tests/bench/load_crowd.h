/*
 * load_crowd.h: many clients at once: raised together, counted, sent home together.
 *
 * A crowd takes on_ready and on_down of its struct load while it lives; on_input stays the mode's.
 */
#ifndef TESTS_BENCH_LOAD_CROWD_H
#define TESTS_BENCH_LOAD_CROWD_H

#include <sys/types.h>

#include "tests/bench/load_client.h"
#include "tests/bench/load_hist.h"

struct crowd {
	struct load *load;
	struct client **clients;
	size_t count, started, up, failed, fallen; /* fallen: was up, and went without being sent home */
	struct load_hist login_ns;
	void (*on_up)(struct client *c); /* may be NULL */
};

/* Clients `first` to `first + count - 1`, not started yet. */
struct crowd *crowd_new(struct load *load, size_t first, size_t count);
/* Starts them, `parallel` at a time and at most `rate` a second (0: no limit). Returns how many are up when all are up or have failed. */
size_t crowd_raise(struct crowd *cr, size_t parallel, double rate);
/* Says goodbye to all and waits for the ends of the streams. */
void crowd_dismiss(struct crowd *cr);
void crowd_free(struct crowd *cr);

/* Serves the crowd for that long. */
void crowd_serve_ms(struct crowd *cr, uint64_t ms);
/* Serves until the server has had next to nothing to do for 100 ms, or for 5 s. */
void crowd_quiesce(struct crowd *cr, pid_t pid);

#endif
