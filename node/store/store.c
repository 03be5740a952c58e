#include "node/store/store.h"

#include <time.h>

#include "node/store/backend.h"

#define MAX_WAITING_DEFAULT 10000
#define MAX_BYTES_DEFAULT   (32u << 20)
#define BEHIND_SHARE        4 /* of the bytes: from there on the store is behind */
#define TIMEOUT_MS_DEFAULT  10000
#define SPACE_NAME_MAX      32
#define OP_FIRST_BYTES      1024

#define ADD(counter, n) atomic_fetch_add_explicit(&(counter), (n), memory_order_relaxed)
#define SUB(counter, n) atomic_fetch_sub_explicit(&(counter), (n), memory_order_relaxed)

/* ---- verbs ---- */

static const struct {
	enum store_shape shape; /* 0: any */
	bool writes, wide;
} verbs[STORE_VERB_COUNT] = {
	[STORE_KV_GET] = { STORE_KV, false, false },
	[STORE_KV_PUT] = { STORE_KV, true, false },
	[STORE_KV_CREATE] = { STORE_KV, true, false },
	[STORE_KV_REPLACE] = { STORE_KV, true, false },
	[STORE_KV_DELETE] = { STORE_KV, true, false },
	[STORE_KV_OWNERS] = { STORE_KV, false, true },
	[STORE_KV_COUNT] = { STORE_KV, false, true },
	[STORE_MAP_GET] = { STORE_MAP, false, false },
	[STORE_MAP_ALL] = { STORE_MAP, false, false },
	[STORE_MAP_PUT] = { STORE_MAP, true, false },
	[STORE_MAP_DELETE] = { STORE_MAP, true, false },
	[STORE_MAP_CLEAR] = { STORE_MAP, true, false },
	[STORE_MAP_COUNT] = { STORE_MAP, false, false },
	[STORE_LOG_APPEND] = { STORE_LOG, true, false },
	[STORE_LOG_RANGE] = { STORE_LOG, false, false },
	[STORE_LOG_COUNT] = { STORE_LOG, false, false },
	[STORE_LOG_DELETE] = { STORE_LOG, true, false },
	[STORE_LOG_TRIM] = { STORE_LOG, true, false },
	[STORE_LOG_EXPIRE] = { STORE_LOG, true, true },
	[STORE_OWNER_DELETE] = { 0, true, false },
	[STORE_FENCE] = { STORE_KV, true, false },
};

bool store_verb_writes(enum store_verb v)
{
	return verbs[v].writes;
}

bool store_verb_is_wide(enum store_verb v)
{
	return verbs[v].wide;
}

/* ---- ops and steps ---- */

/* Names become columns and parts of keys: no NUL, which separates them. */
static void check_name(struct store_op *op, struct str name, size_t max_bytes)
{
	if (op->refused)
		return;
	if (name.len > max_bytes)
		op->refused = ERR_LIMIT;
	else if (name.len && memchr(name.p, 0, name.len))
		op->refused = ERR_INVALID;
}

static bool space_is_valid(const struct store_space *space)
{
	size_t n = strlen(space->name);
	return n && n <= SPACE_NAME_MAX && strspn(space->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* A copy, present even if it was absent. One that is too long is not copied: the op is refused anyway. */
static struct str copy(struct store_op *op, struct str s)
{
	return op->refused || !s.len ? STR("") : arena_str(op->arena, s);
}

struct store_op *store_op_new(struct str host, struct str owner, void (*on_done)(struct store_op *op), void *arg)
{
	struct arena *a = arena_new(OP_FIRST_BYTES);
	struct store_op *op = arena_zalloc(a, sizeof *op);
	op->arena = a;
	op->on_done = on_done;
	op->arg = arg;
	check_name(op, host, STORE_NAME_MAX);
	op->host = copy(op, host);
	check_name(op, owner, STORE_NAME_MAX);
	op->owner = copy(op, owner);
	return op;
}

static struct store_step *add_step(struct store_op *op, enum store_verb verb, const struct store_space *space)
{
	BUG_ON(atomic_load_explicit(&op->fate, memory_order_relaxed) != STORE_OP_NEW);
	BUG_ON(space && (space->shape != verbs[verb].shape || !space_is_valid(space)));
	if (op->n_steps == STORE_STEPS_MAX)
		op->refused = ERR_LIMIT;
	struct store_step *step = arena_zalloc(op->arena, sizeof *step);
	step->verb = verb;
	step->space = space;
	if (op->last)
		op->last->next = step;
	else
		op->first = step;
	op->last = step;
	op->n_steps++;
	op->writes |= verbs[verb].writes;
	return step;
}

static void step_value(struct store_op *op, struct store_step *step, struct str value)
{
	if (!op->refused && value.len > STORE_VALUE_MAX)
		op->refused = ERR_LIMIT;
	step->in = copy(op, value);
}

static void step_field(struct store_op *op, struct store_step *step, struct str field)
{
	check_name(op, field, STORE_FIELD_MAX);
	step->field = copy(op, field);
}

/* A cursor: absent differs from empty, as the first key may be empty. */
static void step_after(struct store_op *op, struct store_step *step, struct str after, uint32_t limit)
{
	step_field(op, step, after);
	if (!str_present(after))
		step->field = STR_NONE;
	step->range.limit = limit;
}

struct store_step *store_kv_get(struct store_op *op, const struct store_space *space)
{
	return add_step(op, STORE_KV_GET, space);
}

struct store_step *store_kv_put(struct store_op *op, const struct store_space *space, struct str value)
{
	struct store_step *step = add_step(op, STORE_KV_PUT, space);
	step_value(op, step, value);
	return step;
}

struct store_step *store_kv_create(struct store_op *op, const struct store_space *space, struct str value)
{
	struct store_step *step = add_step(op, STORE_KV_CREATE, space);
	step_value(op, step, value);
	return step;
}

struct store_step *store_kv_replace(struct store_op *op, const struct store_space *space, uint64_t version, struct str value)
{
	struct store_step *step = add_step(op, STORE_KV_REPLACE, space);
	step->in_version = version;
	step_value(op, step, value);
	return step;
}

struct store_step *store_kv_delete(struct store_op *op, const struct store_space *space)
{
	return add_step(op, STORE_KV_DELETE, space);
}

struct store_step *store_kv_owners(struct store_op *op, const struct store_space *space, struct str after, uint32_t limit)
{
	struct store_step *step = add_step(op, STORE_KV_OWNERS, space);
	step_after(op, step, after, limit);
	return step;
}

struct store_step *store_kv_count(struct store_op *op, const struct store_space *space)
{
	return add_step(op, STORE_KV_COUNT, space);
}

struct store_step *store_map_get(struct store_op *op, const struct store_space *space, struct str field)
{
	struct store_step *step = add_step(op, STORE_MAP_GET, space);
	step_field(op, step, field);
	return step;
}

struct store_step *store_map_all(struct store_op *op, const struct store_space *space, struct str after, uint32_t limit)
{
	struct store_step *step = add_step(op, STORE_MAP_ALL, space);
	step_after(op, step, after, limit);
	return step;
}

struct store_step *store_map_put(struct store_op *op, const struct store_space *space, struct str field, struct str value,
				 uint32_t max_fields)
{
	struct store_step *step = add_step(op, STORE_MAP_PUT, space);
	step_field(op, step, field);
	step_value(op, step, value);
	step->range.limit = max_fields;
	return step;
}

struct store_step *store_map_delete(struct store_op *op, const struct store_space *space, struct str field)
{
	struct store_step *step = add_step(op, STORE_MAP_DELETE, space);
	step_field(op, step, field);
	return step;
}

struct store_step *store_map_clear(struct store_op *op, const struct store_space *space)
{
	return add_step(op, STORE_MAP_CLEAR, space);
}

struct store_step *store_map_count(struct store_op *op, const struct store_space *space)
{
	return add_step(op, STORE_MAP_COUNT, space);
}

struct store_step *store_log_append(struct store_op *op, const struct store_space *space, int64_t at_ms, struct str peer, struct str value,
				    uint32_t max_entries)
{
	struct store_step *step = add_step(op, STORE_LOG_APPEND, space);
	step->at_ms = at_ms;
	step->range.limit = max_entries;
	check_name(op, peer, STORE_FIELD_MAX);
	step->range.peer = str_present(peer) ? copy(op, peer) : STR_NONE;
	step_value(op, step, value);
	return step;
}

static struct store_step *log_ranged(struct store_op *op, enum store_verb verb, const struct store_space *space,
				     const struct store_range *range)
{
	struct store_step *step = add_step(op, verb, space);
	if (range) {
		step->range = *range;
		check_name(op, range->peer, STORE_FIELD_MAX);
		step->range.peer = str_present(range->peer) ? copy(op, range->peer) : STR_NONE;
	}
	if (!step->range.to_seq)
		step->range.to_seq = UINT64_MAX;
	if (!step->range.from_ms)
		step->range.from_ms = INT64_MIN;
	if (!step->range.to_ms)
		step->range.to_ms = INT64_MAX;
	return step;
}

struct store_step *store_log_range(struct store_op *op, const struct store_space *space, const struct store_range *range)
{
	return log_ranged(op, STORE_LOG_RANGE, space, range);
}

struct store_step *store_log_count(struct store_op *op, const struct store_space *space, const struct store_range *range)
{
	return log_ranged(op, STORE_LOG_COUNT, space, range);
}

struct store_step *store_log_delete(struct store_op *op, const struct store_space *space, uint64_t seq)
{
	struct store_step *step = add_step(op, STORE_LOG_DELETE, space);
	step->range.from_seq = step->range.to_seq = seq;
	return step;
}

struct store_step *store_log_trim(struct store_op *op, const struct store_space *space, uint64_t up_to_seq)
{
	struct store_step *step = add_step(op, STORE_LOG_TRIM, space);
	step->range.to_seq = up_to_seq;
	return step;
}

struct store_step *store_log_expire(struct store_op *op, const struct store_space *space, int64_t before_ms, uint32_t max, uint64_t cursor)
{
	struct store_step *step = add_step(op, STORE_LOG_EXPIRE, space);
	step->at_ms = before_ms;
	step->range.limit = max;
	step->in_cursor = cursor;
	return step;
}

static const struct store_space fences = { "fence", STORE_KV };

/* Kept as the value of a kv, the highest byte first: so they compare as bytes, which every backend does alike. */
struct store_step *store_fence(struct store_op *op, uint64_t fence)
{
	struct store_step *step = add_step(op, STORE_FENCE, &fences);
	char bytes[STORE_FENCE_BYTES];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(fence >> (56 - 8 * i));
	step_value(op, step, str_span(bytes, sizeof bytes));
	return step;
}

uint64_t store_fence_of(struct str value)
{
	uint64_t fence = 0;
	for (size_t i = 0; i < value.len; i++)
		fence = fence << 8 | (unsigned char)value.p[i];
	return fence;
}

struct store_step *store_owner_delete(struct store_op *op)
{
	return add_step(op, STORE_OWNER_DELETE, NULL);
}

/* ---- rows ---- */

void store_rows_begin(struct store_rows *r, struct store_op *op, struct store_step *step)
{
	uint32_t limit = step->range.limit;
	*r = (struct store_rows){ .op = op, .step = step, .limit = limit && limit < STORE_ROWS_MAX ? limit : STORE_ROWS_MAX };
	r->max_bytes = step->range.max_bytes && step->range.max_bytes < STORE_ROWS_BYTES_MAX ? step->range.max_bytes : STORE_ROWS_BYTES_MAX;
	step->rows = NULL;
	step->n_rows = 0;
	step->more = false;
}

bool store_rows_add(struct store_rows *r, const struct store_row *borrowed)
{
	struct store_step *step = r->step;
	size_t bytes = sizeof *borrowed + borrowed->key.len + borrowed->value.len + borrowed->peer.len;
	if (step->n_rows == r->limit || (step->n_rows && r->bytes + bytes > r->max_bytes)) {
		step->more = true;
		return false;
	}
	struct arena *a = r->op->arena;
	if (step->n_rows == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 8;
		struct store_row *rows = arena_alloc(a, r->cap * sizeof *rows);
		if (step->n_rows)
			memcpy(rows, step->rows, step->n_rows * sizeof *rows);
		step->rows = rows;
	}
	r->bytes += bytes;
	step->rows[step->n_rows++] = (struct store_row){
		.key = arena_str(a, borrowed->key),
		.value = arena_str(a, borrowed->value),
		.seq = borrowed->seq,
		.at_ms = borrowed->at_ms,
		.peer = arena_str(a, borrowed->peer),
	};
	return true;
}

/* ---- submission and answer ---- */

uint64_t store_now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t store_next_version(void)
{
	static _Atomic uint64_t last;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t now = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000, before = atomic_load(&last), next;
	do {
		next = now > before ? now : before + 1;
	} while (!atomic_compare_exchange_weak(&last, &before, next));
	return next;
}

static enum store_fate op_fate(const struct store_op *op)
{
	return atomic_load_explicit(&op->fate, memory_order_relaxed);
}

static void set_fate(struct store_op *op, enum store_fate fate)
{
	atomic_store_explicit(&op->fate, fate, memory_order_relaxed);
}

static void op_free(struct store_op *op)
{
	arena_free(op->arena); /* the op lies in it */
}

static void call_asker(struct store_op *op, enum err err)
{
	op->err = err;
	op->calling = true;
	op->on_done(op);
	op->calling = false;
}

static void on_message(struct worker *w, struct message *m, bool cancelled)
{
	struct store_op *op = (struct store_op *)m;
	bool wanted = op_fate(op) == STORE_OP_WANTED;
	worker_timer_cancel(w, &op->deadline);
	set_fate(op, STORE_OP_ANSWERED);
	if (wanted && !cancelled)
		call_asker(op, op->answer);
	if (!op->keep)
		op_free(op);
}

static void on_deadline(struct timer *t)
{
	struct store_op *op = (struct store_op *)((char *)t - offsetof(struct store_op, deadline));
	set_fate(op, STORE_OP_EXPIRED); /* freed when the backend answers it after all, unless kept */
	ADD(op->store->timeouts, 1);
	call_asker(op, ERR_TIMEOUT);
}

static enum err admit(struct store *s, struct store_op *op)
{
	BUG_ON(!op->n_steps || op_fate(op) != STORE_OP_NEW);
	if (op->refused)
		return op->refused;
	if (atomic_load_explicit(&s->closing, memory_order_relaxed))
		return ERR_UNAVAILABLE;
	op->held_bytes = arena_bytes(op->arena);
	uint64_t ops = ADD(s->waiting, 1), bytes = ADD(s->waiting_bytes, op->held_bytes);
	bool fits = !op->writes || !bytes || bytes + op->held_bytes <= s->options.max_waiting_bytes;
	if (fits && ops < s->options.max_waiting)
		return ERR_NONE;
	SUB(s->waiting, 1);
	SUB(s->waiting_bytes, op->held_bytes);
	ADD(s->refused, 1);
	return ERR_LIMIT;
}

enum err store_submit(struct store *s, struct store_op *op)
{
	enum err err = admit(s, op);
	if (err) {
		op_free(op);
		return err;
	}
	op->store = s;
	op->worker = worker_current();
	BUG_ON(!op->worker);
	op->message.run = on_message;
	op->deadline.on_timer = on_deadline;
	op->queued_us = store_now_us();
	set_fate(op, STORE_OP_WANTED);
	worker_timer_set(op->worker, &op->deadline, op->timeout_ms ? op->timeout_ms : s->options.default_timeout_ms);
	s->backend->submit(s, op);
	return ERR_NONE;
}

void store_op_keep(struct store_op *op)
{
	BUG_ON(!op->calling);
	op->keep = true;
}

void store_op_cancel(struct store_op **p)
{
	struct store_op *op = *p;
	*p = NULL;
	if (!op)
		return;
	enum store_fate fate = op_fate(op);
	op->keep = false;
	if (fate == STORE_OP_WANTED) {
		worker_timer_cancel(op->worker, &op->deadline);
		set_fate(op, STORE_OP_CANCELLED);
	} else if (!op->calling && (fate == STORE_OP_NEW || fate == STORE_OP_ANSWERED)) {
		op_free(op);
	}
}

/* ---- for backends ---- */

static unsigned bucket(uint64_t n)
{
	unsigned b = n < 2 ? 0 : 63u - (unsigned)__builtin_clzll(n);
	return b < STORE_BUCKETS ? b : STORE_BUCKETS - 1;
}

void store_init(struct store *s, const struct store_backend *backend, const struct store_options *options)
{
	s->backend = backend;
	if (options)
		s->options = *options;
	if (!s->options.max_waiting)
		s->options.max_waiting = MAX_WAITING_DEFAULT;
	if (!s->options.max_waiting_bytes)
		s->options.max_waiting_bytes = MAX_BYTES_DEFAULT;
	if (!s->options.default_timeout_ms)
		s->options.default_timeout_ms = TIMEOUT_MS_DEFAULT;
	atomic_store(&s->healthy, true);
}

void store_answer(struct store_op *op, enum err err)
{
	op->answer = err;
	if (op->on_answer)
		op->on_answer(op);
	else
		store_deliver(op);
}

void store_deliver(struct store_op *op)
{
	struct store *s = op->store;
	if (op->writes)
		ADD(s->writes, 1);
	else
		ADD(s->reads, 1);
	if (op->answer == ERR_IO || op->answer == ERR_UNAVAILABLE)
		ADD(s->failed, 1);
	uint64_t took_us = store_now_us() - op->queued_us;
	ADD(s->latency_us[bucket(took_us)], 1);
	ADD(s->latency_sum_us, took_us);
	size_t answer_bytes = arena_bytes(op->arena);
	op->message.bytes = answer_bytes < UINT32_MAX ? (uint32_t)answer_bytes : UINT32_MAX;
	SUB(s->waiting_bytes, op->held_bytes);
	worker_post(op->worker, &op->message); /* which may free the op */
	atomic_fetch_sub_explicit(&s->waiting, 1, memory_order_release); /* after it: who sees none waiting finds every answer posted */
}

bool store_op_is_moot(const struct store_op *op)
{
	enum store_fate fate = op_fate(op);
	return fate == STORE_OP_EXPIRED || (fate == STORE_OP_CANCELLED && !op->writes);
}

bool store_op_is_abandoned(const struct store_op *op)
{
	return op_fate(op) != STORE_OP_WANTED;
}

void store_op_reset(struct store_op *op)
{
	for (struct store_step *step = op->first; step; step = step->next) {
		step->value = STR_NONE;
		step->version = step->seq = step->count = step->cursor = 0;
		step->rows = NULL;
		step->n_rows = 0;
		step->more = false;
	}
}

void store_count_batch(struct store *s, uint64_t n_ops)
{
	ADD(s->batches, 1);
	ADD(s->batch_size[bucket(n_ops)], 1);
	ADD(s->batch_ops, n_ops);
}

void store_set_health(struct store *s, bool healthy, const char *text)
{
	if (atomic_exchange(&s->healthy, healthy) != healthy && s->options.on_health)
		s->options.on_health(s->options.arg, healthy, text);
}

/* ---- the store ---- */

void store_close(struct store *s)
{
	if (!s)
		return;
	atomic_store(&s->closing, true);
	s->backend->close(s);
}

bool store_healthy(const struct store *s)
{
	return atomic_load(&s->healthy) && (!s->inner || store_healthy(s->inner));
}

bool store_is_behind(const struct store *s)
{
	return atomic_load_explicit(&s->waiting_bytes, memory_order_relaxed) >= s->options.max_waiting_bytes / BEHIND_SHARE;
}

const char *store_backend_name(const struct store *s)
{
	return s->backend->name;
}

void store_stats(const struct store *s, struct store_stats *out)
{
	const struct store *last = s; /* batches are those of the one that does the work */
	while (last->inner)
		last = last->inner;
#define LOAD(field) .field = atomic_load_explicit(&s->field, memory_order_relaxed)
	*out = (struct store_stats){
		LOAD(waiting), LOAD(waiting_bytes), LOAD(reads), LOAD(writes), LOAD(failed), LOAD(timeouts), LOAD(refused),
		LOAD(latency_sum_us),
		.batches = atomic_load_explicit(&last->batches, memory_order_relaxed),
		.batch_ops = atomic_load_explicit(&last->batch_ops, memory_order_relaxed),
		.commits = atomic_load_explicit(&last->commits, memory_order_relaxed),
		.connections = last->connections,
		.connections_up = atomic_load_explicit(&last->connections_up, memory_order_relaxed),
	};
#undef LOAD
	for (int i = 0; i < STORE_BUCKETS; i++) {
		out->batch_size[i] = atomic_load_explicit(&last->batch_size[i], memory_order_relaxed);
		out->latency_us[i] = atomic_load_explicit(&s->latency_us[i], memory_order_relaxed);
	}
}

/* ---- care ---- */

enum err store_care_begin(struct store *s, struct store_care *c)
{
	c->worker = worker_current();
	c->text[0] = '\0';
	if (!s->backend->care)
		return ERR_DENIED;
	return atomic_load(&s->closing) ? ERR_UNAVAILABLE : s->backend->care(s, c);
}

void store_care_cancel(struct store *s)
{
	if (s->backend->care_cancel)
		s->backend->care_cancel(s);
}
