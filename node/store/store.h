/*
 * store.h: what outlives a process: accounts, rosters, offline messages, private data, vCards, archives. Three shapes, one way to ask.
 *
 *   kv   (host, owner, space)        -> one value with a version
 *   map  (host, owner, space, field) -> many values, in the order of their fields' bytes
 *   log  (host, owner, space, seq)   -> entries in the order in which they were appended, each with a time and an optional peer
 *
 * A *space* is a named drawer of one shape ("account", "roster", "offline"): a const descriptor in the file of the feature that owns it.
 *
 * An *op* is one or more *steps* on one (host, owner), carried out together or not at all: the first step that fails decides `op->err`,
 * and nothing that the op wrote remains. A read that finds nothing fails as well (ERR_NOT_FOUND): put before writes, it is their condition.
 *
 * A step may be a *fence* as well (store_fence): of those who take turns at serving a (host, owner) on several nodes, one that was taken
 * for dead and lives on writes nothing any more.
 *
 * Order: ops on one (host, owner), submitted from one worker, are carried out in that order: a read sees the writes before it.
 * Durability: a write is answered once it is committed, never before.
 *
 * Life of an op: store_op_new, some step functions, store_submit on a worker's thread, then on_done once, later, on that worker: never
 * inside store_submit. All that goes in is copied to op->arena; all that comes out lives there. When on_done returns the store frees the
 * op, unless on_done called store_op_keep. An asker that goes away first calls store_op_cancel, and hears nothing.
 * Every op has a deadline. Past it on_done gets ERR_TIMEOUT, and whether a write took place is unknown.
 *
 * What waits is bounded, in ops and in bytes. A store that is behind (store_is_behind) still takes all; whoever lets others write much asks
 * then, and slows them down (core/brake.h), so that the ceiling itself is hit by nobody who can be made to wait.
 *
 *     struct store_op *op = store_op_new(host, owner, on_vcard, session);
 *     store_kv_get(op, &vcard_space);
 *     if (store_submit(store, op))
 *             return STANZA_RESOURCE_CONSTRAINT;
 *     ... static void on_vcard(struct store_op *op) { if (!op->err) use(op->first->value); }
 */
#ifndef NODE_STORE_STORE_H
#define NODE_STORE_STORE_H

#include "cluster/worker.h"
#include "proto/base/arena.h"

#define STORE_VALUE_MAX (1u << 20)  /* bytes of one value */
#define STORE_NAME_MAX  1023        /* bytes of host and of owner */
#define STORE_FIELD_MAX 3072        /* bytes of a map's field or a log entry's peer: a full JID fits */
#define STORE_STEPS_MAX 64          /* steps of one op */
#define STORE_ROWS_MAX  10000       /* rows of one answer; a larger or zero limit means this */
#define STORE_ROWS_BYTES_MAX (8u << 20) /* bytes of one answer's rows: then `more` is set early, but never before the first row */

struct store;

enum store_shape { STORE_KV = 1, STORE_MAP, STORE_LOG };

/* `name`: a-z, 0-9 and '-', at most 32 bytes; unique among all spaces, as it is what is written to disk. */
struct store_space {
	const char *name;
	enum store_shape shape;
};

enum store_verb {
	STORE_KV_GET, STORE_KV_PUT, STORE_KV_CREATE, STORE_KV_REPLACE, STORE_KV_DELETE, STORE_KV_OWNERS, STORE_KV_COUNT,
	STORE_MAP_GET, STORE_MAP_ALL, STORE_MAP_PUT, STORE_MAP_DELETE, STORE_MAP_CLEAR, STORE_MAP_COUNT,
	STORE_LOG_APPEND, STORE_LOG_RANGE, STORE_LOG_COUNT, STORE_LOG_DELETE, STORE_LOG_TRIM, STORE_LOG_EXPIRE,
	STORE_OWNER_DELETE, STORE_FENCE,
	STORE_VERB_COUNT
};

/* Which entries of a log. Zeroed: all, oldest first. */
struct store_range {
	uint64_t from_seq, to_seq; /* both included; to_seq 0: no end */
	int64_t from_ms, to_ms;    /* from_ms <= time < to_ms; to_ms 0: no end */
	struct str peer;           /* only entries with this peer; absent: any */
	uint32_t limit;            /* rows; 0: STORE_ROWS_MAX */
	uint32_t max_bytes;        /* of all rows, as STORE_ROWS_BYTES_MAX, which 0 and more than it mean */
	bool newest_first;         /* the newest `limit` rows, newest first */
};

struct store_row {
	struct str key;   /* map: the field; KV_OWNERS: the owner */
	struct str value; /* map, log */
	uint64_t seq;     /* log */
	int64_t at_ms;    /* log */
	struct str peer;  /* log; absent if none was given */
};

struct store_step {
	struct store_step *next;
	enum store_verb verb;
	const struct store_space *space;
	/* what is asked */
	struct str field;         /* of a map; KV_OWNERS and MAP_ALL: rows after this key */
	struct str in;            /* the value to write */
	uint64_t in_version;      /* KV_REPLACE */
	uint64_t in_cursor;       /* LOG_EXPIRE */
	int64_t at_ms;            /* LOG_APPEND; LOG_EXPIRE: older than this */
	struct store_range range; /* LOG_*; limit of the others */
	/* what is answered */
	struct str value;   /* KV_GET, MAP_GET */
	uint64_t version;   /* KV_GET, KV_PUT, KV_CREATE, KV_REPLACE: of the value now stored. FENCE: the greatest so far */
	uint64_t seq;       /* LOG_APPEND: the number given, from 1, growing, never used again in this log */
	uint64_t count;     /* *_COUNT; how many a DELETE, CLEAR, TRIM or EXPIRE removed */
	struct store_row *rows;
	uint32_t n_rows;
	bool more;          /* rows: there are more than the limit allowed. EXPIRE: ask again */
	uint64_t cursor;    /* EXPIRE: for the next ask */
};

enum store_fate { STORE_OP_NEW, STORE_OP_WANTED, STORE_OP_CANCELLED, STORE_OP_EXPIRED, STORE_OP_ANSWERED };

struct store_op {
	struct message message; /* the store's */
	/* the asker's */
	struct arena *arena;
	struct str host, owner;
	struct store_step *first, *last;
	unsigned n_steps;
	bool writes;          /* some step writes */
	uint32_t timeout_ms;  /* from submission; 0: the store's default */
	void (*on_done)(struct store_op *op);
	void *arg;
	enum err err;         /* in on_done: what became of it */
	/* the store's */
	bool keep, calling;   /* on_done wants it to stay; on_done is running */
	enum err refused;     /* a step was malformed: store_submit answers it */
	enum err answer;      /* the backend's, becomes err */
	_Atomic unsigned char fate; /* enum store_fate; written by the worker, read by the backend */
	struct store *store;
	struct worker *worker;
	struct timer deadline;
	uint64_t queued_us;
	size_t held_bytes;    /* what it held when it was submitted */
	struct store_op *next;
	void (*on_answer)(struct store_op *op); /* a decorator's */
	void *decorator;
};

/* ---- ops: their worker's thread ---- */

/* `owner` is a prepared localpart, or empty for what belongs to the host. Names are copied. */
struct store_op *store_op_new(struct str host, struct str owner, void (*on_done)(struct store_op *op), void *arg);
/* Consumes the op in every case. On any error on_done is not called: ERR_INVALID and ERR_LIMIT (a name or value too long, too many steps)
 * for a malformed op, ERR_LIMIT when too many ops wait or, for an op that writes, too many bytes; ERR_UNAVAILABLE when the store is
 * closing. */
MUST_CHECK enum err store_submit(struct store *s, struct store_op *op);
/* In on_done: the op and its results (there are none after ERR_TIMEOUT) stay until store_op_cancel. */
void store_op_keep(struct store_op *op);
/* The asker lost interest; nulls its pointer, NULL inside is fine. Not submitted, or kept: freed now. Pending: on_done will not run; a read
 * may be skipped, a write is carried out all the same. In the op's own on_done: undoes store_op_keep, else does nothing. */
void store_op_cancel(struct store_op **op);

/* ---- steps: each adds one to the op and returns it, for its answer; a lone step is op->first ---- */

struct store_step *store_kv_get(struct store_op *op, const struct store_space *space);
struct store_step *store_kv_put(struct store_op *op, const struct store_space *space, struct str value);
/* ERR_EXISTS when there is a value. */
struct store_step *store_kv_create(struct store_op *op, const struct store_space *space, struct str value);
/* Only if the stored value still has this version: else ERR_EXISTS, or ERR_NOT_FOUND without a value. Versions differ after every write,
 * after delete and create too; compare them for equality only. */
struct store_step *store_kv_replace(struct store_op *op, const struct store_space *space, uint64_t version, struct str value);
/* No error when there is none: count is 0. */
struct store_step *store_kv_delete(struct store_op *op, const struct store_space *space);
/* The owners of op->host that have a value in this space, by bytes, after `after` (absent: from the start). op->owner does not matter. */
struct store_step *store_kv_owners(struct store_op *op, const struct store_space *space, struct str after, uint32_t limit);
/* How many owners of op->host. */
struct store_step *store_kv_count(struct store_op *op, const struct store_space *space);

struct store_step *store_map_get(struct store_op *op, const struct store_space *space, struct str field);
/* Rows in the order of fields, after `after` (absent: from the start). None is not an error. */
struct store_step *store_map_all(struct store_op *op, const struct store_space *space, struct str after, uint32_t limit);
/* ERR_LIMIT when the field is new and the map has max_fields already; 0: no such ceiling. */
struct store_step *store_map_put(struct store_op *op, const struct store_space *space, struct str field, struct str value,
				 uint32_t max_fields);
struct store_step *store_map_delete(struct store_op *op, const struct store_space *space, struct str field);
struct store_step *store_map_clear(struct store_op *op, const struct store_space *space);
struct store_step *store_map_count(struct store_op *op, const struct store_space *space);

/* `peer` may be absent. ERR_LIMIT when the log has max_entries already; 0: no such ceiling. */
struct store_step *store_log_append(struct store_op *op, const struct store_space *space, int64_t at_ms, struct str peer, struct str value,
				    uint32_t max_entries);
/* NULL: all. Rows are in the order of seq (or its reverse). None is not an error. */
struct store_step *store_log_range(struct store_op *op, const struct store_space *space, const struct store_range *range);
/* How many entries a range (its limit aside) holds; NULL: all. */
struct store_step *store_log_count(struct store_op *op, const struct store_space *space, const struct store_range *range);
struct store_step *store_log_delete(struct store_op *op, const struct store_space *space, uint64_t seq);
/* Deletes all entries up to and including up_to_seq. */
struct store_step *store_log_trim(struct store_op *op, const struct store_space *space, uint64_t up_to_seq);
/* In every log of this space and op->host: deletes from the oldest end while entries are older than before_ms, at most `max` in all. When
 * `more` is set, ask again with the step's `cursor` (0 at first). op->owner does not matter. */
struct store_step *store_log_expire(struct store_op *op, const struct store_space *space, int64_t before_ms, uint32_t max, uint64_t cursor);

/* Put before writes, of whatever shape, it is their condition: ERR_DENIED when some op on this (host, owner) has named a greater fence,
 * also one that only did that. The greatest so far is kept from then on; alone in its op the step tells it (`version`), also when it was
 * denied. Who begins to serve lets this be committed first and reads then: nobody who served before can write any more. */
struct store_step *store_fence(struct store_op *op, uint64_t fence);

/* Everything of (host, owner), in all spaces. Its logs begin again at 1. Its fence goes, too: where there is one, put store_fence before it
 * and after it. */
struct store_step *store_owner_delete(struct store_op *op);

/* ---- the store: main thread, unless said otherwise ---- */

/* Zeroed: defaults. */
struct store_options {
	uint32_t max_waiting;        /* ops; default 10000 */
	uint64_t max_waiting_bytes;  /* of all ops that wait; default 32 MiB. Past it no op that writes is taken, unless none waits */
	uint32_t default_timeout_ms; /* default 10000 */
	/* Told when health changes, with a text for the log. On the store's own thread. */
	void (*on_health)(void *arg, bool healthy, const char *text);
	void *arg;
};

/* Refuses new ops, carries out and answers what waits, then frees the store. The workers that asked must still be able to take posts
 * (running or stopped, not freed), and none is inside store_submit. NULL is fine. */
void store_close(struct store *s);
/* Any thread: false since an I/O failure, until a write (a probe, when nobody asks) succeeds again. */
bool store_healthy(const struct store *s);
/* Any thread: a quarter or more of the bytes that may wait does. */
bool store_is_behind(const struct store *s);
const char *store_backend_name(const struct store *s);

#define STORE_BUCKETS 24
struct store_stats {
	uint64_t waiting, waiting_bytes;    /* ops submitted and not answered, and what they hold */
	uint64_t reads, writes;             /* ops answered */
	uint64_t failed, timeouts, refused; /* ERR_IO or ERR_UNAVAILABLE; deadlines; ERR_LIMIT at submission */
	uint64_t batches, commits;
	uint64_t connections, connections_up; /* to a server; 0 for a store that needs none */
	uint64_t latency_sum_us, batch_ops; /* of all ops answered; in all batches */
	uint64_t batch_size[STORE_BUCKETS]; /* [i]: batches of at least 2^i and less than 2^(i+1) ops */
	uint64_t latency_us[STORE_BUCKETS]; /* [i]: ops that took from 2^i to 2^(i+1) us, submission to answer; [0]: less than 2 */
};
/* Any thread; relaxed reads. */
void store_stats(const struct store *s, struct store_stats *out);

#endif
