/*
 * backend.h: what a store is made of inside, for sqlite.c, memory.c, fault.c and their like. Askers include store.h only.
 *
 * A backend gets checked ops through `submit`, on the asker's thread, keeps ops of one (host, owner) in order, and answers each once, from
 * any thread, with store_answer; from submit to answer the op, its arena included, is the backend's. `fate` alone is the worker's.
 */
#ifndef NODE_STORE_BACKEND_H
#define NODE_STORE_BACKEND_H

#include "node/store/care.h"

struct store_backend {
	const char *name;
	void (*submit)(struct store *s, struct store_op *op);
	/* Answers everything, stops its threads and frees the store. */
	void (*close)(struct store *s);
	/* care.h; NULL: there are no files. */
	enum err (*care)(struct store *s, struct store_care *c);
	void (*care_cancel)(struct store *s);
};

/* First in every backend's own struct. */
struct store {
	const struct store_backend *backend;
	struct store_options options;
	struct store *inner; /* a decorator's: what it stands before */
	_Atomic bool closing, healthy;
	uint64_t connections;
	_Atomic uint64_t connections_up;
	_Atomic uint64_t waiting, waiting_bytes, reads, writes, failed, timeouts, refused, batches, commits, latency_sum_us, batch_ops;
	_Atomic uint64_t batch_size[STORE_BUCKETS], latency_us[STORE_BUCKETS];
};

/* `options` may be NULL. The store is zeroed before. */
void store_init(struct store *s, const struct store_backend *backend, const struct store_options *options);
/* Any thread: consumes the op. With an on_answer (a decorator's) calls that instead, which calls store_deliver in its own time. */
void store_answer(struct store_op *op, enum err err);
void store_deliver(struct store_op *op);
/* Nobody waits for it: a read may be skipped, an expired write must be. */
bool store_op_is_moot(const struct store_op *op);
/* Its asker has been told of its deadline, or has cancelled it. */
bool store_op_is_abandoned(const struct store_op *op);
/* Forgets what an earlier try answered. */
void store_op_reset(struct store_op *op);
void store_count_batch(struct store *s, uint64_t n_ops);
void store_set_health(struct store *s, bool healthy, const char *text);
uint64_t store_now_us(void);
/* A new version for a value: from the wall clock, growing within the process. */
uint64_t store_next_version(void);
/* What a FENCE keeps, and the fence in it. */
#define STORE_FENCE_BYTES 8
uint64_t store_fence_of(struct str value);
bool store_verb_writes(enum store_verb v);
/* Not bound to one owner: EXPIRE, KV_OWNERS, KV_COUNT. */
bool store_verb_is_wide(enum store_verb v);

/* The rows of an answer as they grow, within limit and bytes; add returns false, with `more` set, when there is no room. */
struct store_rows {
	struct store_op *op;
	struct store_step *step;
	uint32_t limit, cap;
	size_t bytes, max_bytes;
};
void store_rows_begin(struct store_rows *r, struct store_op *op, struct store_step *step);
bool store_rows_add(struct store_rows *r, const struct store_row *borrowed);

#endif
