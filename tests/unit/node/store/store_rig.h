/*
 * store_rig.h: a worker and a store for tests. The test's thread builds ops, rig_run carries them out on the worker and waits; then the
 * test looks at the answers in peace. All ops live until rig_sweep.
 */
#ifndef TESTS_UNIT_NODE_STORE_STORE_RIG_H
#define TESTS_UNIT_NODE_STORE_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <semaphore.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/store/store.h"

#define RIG_OPS_MAX 4096

struct rig {
	struct message message; /* first: the worker casts it back */
	struct worker *worker;
	struct store *store;
	char dir[64];
	sem_t done;
	struct store_op *ops[RIG_OPS_MAX]; /* those to be submitted by rig_run */
	unsigned n, left;
	enum err refused[RIG_OPS_MAX];
	struct store_op *kept[RIG_OPS_MAX];
	unsigned n_kept;
	void (*fn)(struct rig *r);
};

static inline void rig_on_call(struct worker *w, struct message *m, bool cancelled)
{
	struct rig *r = (struct rig *)m;
	(void)w;
	if (!cancelled)
		r->fn(r);
}

static inline void rig_on_wake(struct worker *w, struct message *m, bool cancelled)
{
	(void)w;
	(void)cancelled;
	sem_post(&((struct rig *)m)->done);
}

/* On the worker: ends the wait of the test's thread, once the worker is through with what it does now. */
static inline void rig_wake(struct rig *r)
{
	r->message.run = rig_on_wake;
	worker_post(r->worker, &r->message);
}

/* Runs fn on the worker and waits for rig_wake. */
static inline void rig_call(struct rig *r, void (*fn)(struct rig *r))
{
	r->fn = fn;
	r->message.run = rig_on_call;
	worker_post(r->worker, &r->message);
	while (sem_wait(&r->done) != 0)
		;
}

static inline void rig_on_done(struct store_op *op)
{
	struct rig *r = op->arg;
	store_op_keep(op);
	if (--r->left == 0)
		rig_wake(r);
}

static inline void rig_submit_all(struct rig *r)
{
	r->left = r->n + 1;
	for (unsigned i = 0; i < r->n; i++) {
		r->refused[i] = store_submit(r->store, r->ops[i]);
		if (r->refused[i]) {
			r->ops[i] = NULL;
			r->left--;
		}
	}
	if (--r->left == 0)
		rig_wake(r);
}

/* An op that the next rig_run will submit. */
static inline struct store_op *rig_op(struct rig *r, const char *host, const char *owner)
{
	assert_true(r->n < RIG_OPS_MAX);
	struct store_op *op = store_op_new(str_of(host), str_of(owner), rig_on_done, r);
	r->ops[r->n++] = op;
	return op;
}

static inline void rig_cancel_kept(struct rig *r)
{
	for (unsigned i = 0; i < r->n_kept; i++)
		store_op_cancel(&r->kept[i]);
	r->n_kept = 0;
}

static inline void rig_on_sweep(struct rig *r)
{
	rig_cancel_kept(r);
	rig_wake(r);
}

/* Frees all answered ops; on the worker, as one whose deadline has passed may be answered at this moment. */
static inline void rig_sweep(struct rig *r)
{
	if (r->n_kept && r->store)
		rig_call(r, rig_on_sweep);
	else
		rig_cancel_kept(r); /* none, or a test has ended store and worker by itself */
}

/* Submits all ops in one go, in order, and waits for all answers. Returns the error of the last: its answer, or why it was refused. */
static inline enum err rig_run(struct rig *r)
{
	enum err err = ERR_NONE;
	rig_call(r, rig_submit_all);
	if (r->n_kept + r->n > RIG_OPS_MAX)
		rig_sweep(r);
	for (unsigned i = 0; i < r->n; i++) {
		err = r->refused[i] ? r->refused[i] : r->ops[i]->err;
		if (r->ops[i])
			r->kept[r->n_kept++] = r->ops[i];
	}
	r->n = 0;
	return err;
}

static inline void rig_temp_dir(struct rig *r)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(r->dir, sizeof r->dir, "%s/starling-store-XXXXXX", tmp && strlen(tmp) < 30 ? tmp : "/tmp");
	assert_non_null(mkdtemp(r->dir));
}

static inline const char *rig_path(struct rig *r)
{
	static char path[96];
	snprintf(path, sizeof path, "%s/starling.db", r->dir);
	return path;
}

static inline struct rig *rig_new(void)
{
	struct rig *r = xzalloc(sizeof *r);
	sem_init(&r->done, 0, 0);
	r->worker = worker_new(0, "test");
	assert_int_equal(worker_start(r->worker, NULL, NULL), ERR_NONE);
	rig_temp_dir(r);
	return r;
}

static inline void rig_remove(const char *path, const char *suffix)
{
	char name[128];
	snprintf(name, sizeof name, "%s%s", path, suffix);
	unlink(name);
}

/* Closes the store while its worker still runs, then all else. */
static inline void rig_free(struct rig *r)
{
	rig_sweep(r);
	store_close(r->store);
	worker_stop(r->worker);
	worker_join(r->worker);
	worker_free(r->worker);
	rig_remove(rig_path(r), "");
	rig_remove(rig_path(r), "-wal");
	rig_remove(rig_path(r), "-shm");
	rig_remove(rig_path(r), ".lock");
	rmdir(r->dir);
	sem_destroy(&r->done);
	free(r);
}

#endif
