/*
 * postgres_lane.h: one connection, its thread and the queue of the owners that are its. Internal to postgres*.c; postgres.c is the whole.
 */
#ifndef NODE_STORE_POSTGRES_LANE_H
#define NODE_STORE_POSTGRES_LANE_H

#include <pthread.h>

#include "node/store/postgres.h"
#include "node/store/postgres_db.h"
#include "node/store/touched.h"

struct postgres_store;

struct pg_place {
	int64_t lock;
	unsigned at;
	struct store_op *op;
};

struct pg_lane {
	struct postgres_store *store;
	pthread_t thread;
	bool running;
	int wake_fd;
	pthread_mutex_t lock; /* guards what follows */
	struct store_op *head, **tail;
	bool stop;
	/* the thread's */
	struct pg_link link;
	struct touched touched;
	struct rng rng;
	struct store_op *left;    /* of the batch: to be carried out after what is carried out now */
	struct store_op **batch;  /* options.max_batch of them */
	struct pg_place *places;  /* as many, to sort them */
	uint64_t retry_at_us, up_since_us;
	unsigned tries;
	bool sick;             /* counted in the store's n_sick */
};

/* The link's parameters are copied from `model`. */
void lane_init(struct pg_lane *l, struct postgres_store *s, const struct pg_link *model);
MUST_CHECK enum err lane_start(struct pg_lane *l);
/* Its thread ends once its queue is answered; lane_fini waits for that. */
void lane_stop(struct pg_lane *l);
void lane_fini(struct pg_lane *l);
/* Any thread. */
void lane_submit(struct pg_lane *l, struct store_op *op);
/* The number of the lock of an op's owner: the same on every node. */
int64_t lane_lock_of(const struct store_op *op);

/* ---- postgres_batch.c: on the lane's thread, while it has a connection ---- */

void lane_run(struct pg_lane *l, struct store_op *list, uint64_t n);
/* Does writing work? True if so. */
bool lane_probe(struct pg_lane *l);

/* ---- for postgres_batch.c ---- */

/* Puts ops back before those that wait, in their order. */
void lane_put_back(struct pg_lane *l, struct store_op *const *ops, unsigned n);
void lane_put_back_list(struct pg_lane *l, struct store_op *list);
void lane_set_sick(struct pg_lane *l, bool sick, const char *text);

/* ---- postgres.c: the lanes together ---- */

/* A lane's connection was tried: it is there, or will not be (err). */
void pool_tell_link(struct pg_lane *l, bool up);
void pool_tell_failure(struct pg_lane *l, enum err err);
void pool_tell_sick(struct pg_lane *l, bool sick, const char *text);
struct store *pool_store(struct postgres_store *s);
const struct postgres_store_options *pool_options(const struct postgres_store *s);

#endif
