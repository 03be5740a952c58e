/*
 * pool.h: a few threads for what blocks (key derivation, name files): libuv's pool with a ceiling and an answer through the worker's own
 * loop.
 *
 * Ownership: the job is embedded in its owner and stays alive until on_done. on_done runs on the worker that submitted it; `cancelled`
 * when the pool is stopping.
 */
#ifndef CLUSTER_POOL_H
#define CLUSTER_POOL_H

#include "cluster/worker.h"

struct job {
	uv_work_t uv;
	struct worker *worker;
	void (*work)(struct job *j);                  /* on a pool thread */
	void (*on_done)(struct job *j, bool cancelled); /* on the worker */
};

/* ERR_LIMIT when too many jobs wait already (the ceiling holds per process): nothing was queued, on_done will not run. */
MUST_CHECK enum err pool_submit(struct worker *w, struct job *j);
/* The ceiling on waiting jobs; default 4096. */
void pool_set_limit(unsigned max_waiting);
unsigned pool_waiting(void);

#endif
