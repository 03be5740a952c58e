#include "node/store/memory.h"

#include <pthread.h>
#include <stdlib.h>

#include "node/store/memory_data.h"

struct memory_store {
	struct store store;
	pthread_mutex_t lock;
	struct mem mem;
};

static struct str keep(struct store_op *op, const struct blob *b)
{
	return arena_str(op->arena, blob_str(b));
}

/* ---- kv ---- */

static enum err kv_step(struct mem *m, struct store_op *op, struct store_step *step)
{
	struct mem_space *s = mem_space_find(m, op, step->space);
	bool found = s && s->value;
	if (step->verb == STORE_KV_GET) {
		if (!found)
			return ERR_NOT_FOUND;
		step->value = keep(op, s->value);
		step->version = s->version;
		return ERR_NONE;
	}
	if (step->verb == STORE_KV_DELETE) {
		if (found)
			mem_set_value(m, s, NULL, 0);
		step->count = found;
		return ERR_NONE;
	}
	if (step->verb == STORE_KV_CREATE && found)
		return ERR_EXISTS;
	if (step->verb == STORE_KV_REPLACE && (!found || s->version != step->in_version))
		return found ? ERR_EXISTS : ERR_NOT_FOUND;
	if (!mem_has_room(m, step->in.len))
		return ERR_LIMIT;
	step->version = store_next_version();
	mem_set_value(m, mem_space_make(m, op, step->space), blob_new(step->in), step->version);
	return ERR_NONE;
}

static enum err fence_step(struct mem *m, struct store_op *op, struct store_step *step)
{
	struct mem_space *s = mem_space_make(m, op, step->space);
	int order = s->value ? str_cmp(blob_str(s->value), step->in) : -1;
	if (order < 0 && !mem_has_room(m, step->in.len))
		return ERR_LIMIT;
	if (order < 0)
		mem_set_value(m, s, blob_new(step->in), store_next_version());
	step->version = store_fence_of(blob_str(s->value));
	return order > 0 ? ERR_DENIED : ERR_NONE;
}

/* The first owner of the host at or after a name. */
static struct mem_owner *owner_seek(struct mem *m, const struct store_op *op, struct str name, bool past)
{
	char key[STORE_NAME_MAX + STORE_FIELD_MAX + 1];
	memcpy(key, op->host.p, op->host.len);
	key[op->host.len] = '\0';
	if (name.len)
		memcpy(key + op->host.len + 1, name.p, name.len);
	struct mem_owner *o = (struct mem_owner *)tree_seek(&m->owners, str_span(key, op->host.len + 1 + name.len), past);
	return o && str_starts(o->node.key, str_span(key, op->host.len + 1)) ? o : NULL;
}

static struct mem_owner *owner_next(struct mem_owner *o, struct mem *m)
{
	struct mem_owner *next = (struct mem_owner *)tree_seek(&m->owners, o->node.key, true);
	return next && str_starts(next->node.key, str_span(o->key, o->host_len + 1)) ? next : NULL;
}

static enum err kv_owners(struct mem *m, struct store_op *op, struct store_step *step)
{
	struct store_rows rows;
	store_rows_begin(&rows, op, step);
	for (struct mem_owner *o = owner_seek(m, op, step->field, str_present(step->field)); o; o = owner_next(o, m)) {
		struct mem_space *s = mem_space_of(o, step->space);
		struct str name = str_span(o->key + o->host_len + 1, o->node.key.len - o->host_len - 1);
		if (!s || !s->value)
			continue;
		if (step->verb == STORE_KV_COUNT)
			step->count++;
		else if (!store_rows_add(&rows, &(struct store_row){ .key = name }))
			break;
	}
	return ERR_NONE;
}

/* ---- map ---- */

static enum err map_put(struct mem *m, struct store_op *op, struct store_step *step)
{
	struct mem_space *s = mem_space_make(m, op, step->space);
	if (step->range.limit && s->fields.count >= step->range.limit && !mem_get_field(s, step->field))
		return ERR_LIMIT;
	if (!mem_has_room(m, step->field.len + step->in.len))
		return ERR_LIMIT;
	mem_set_field(m, s, step->field, blob_new(step->in));
	return ERR_NONE;
}

static enum err map_all(struct mem_space *s, struct store_op *op, struct store_step *step)
{
	struct store_rows rows;
	store_rows_begin(&rows, op, step);
	struct str after = str_present(step->field) ? step->field : STR("");
	struct tree_node *n = s ? tree_seek(&s->fields, after, str_present(step->field)) : NULL;
	for (; n; n = tree_seek(&s->fields, n->key, true)) {
		struct mem_field *f = (struct mem_field *)n;
		if (!store_rows_add(&rows, &(struct store_row){ .key = n->key, .value = blob_str(f->value) }))
			break;
	}
	return ERR_NONE;
}

static enum err map_step(struct mem *m, struct store_op *op, struct store_step *step)
{
	if (step->verb == STORE_MAP_PUT)
		return map_put(m, op, step);
	struct mem_space *s = mem_space_find(m, op, step->space);
	if (step->verb == STORE_MAP_ALL)
		return map_all(s, op, step);
	if (step->verb == STORE_MAP_GET) {
		struct blob *b = s ? mem_get_field(s, step->field) : NULL;
		if (!b)
			return ERR_NOT_FOUND;
		step->value = keep(op, b);
		return ERR_NONE;
	}
	if (!s)
		return ERR_NONE;
	if (step->verb == STORE_MAP_COUNT) {
		step->count = s->fields.count;
	} else if (step->verb == STORE_MAP_CLEAR) {
		for (; s->fields.root; step->count++)
			mem_set_field(m, s, s->fields.root->key, NULL);
	} else if (mem_get_field(s, step->field)) {
		mem_set_field(m, s, step->field, NULL);
		step->count = 1;
	}
	return ERR_NONE;
}

/* ---- log ---- */

static enum err log_append(struct mem *m, struct store_op *op, struct store_step *step)
{
	struct mem_space *s = mem_space_make(m, op, step->space);
	struct str peer = step->range.peer;
	if ((step->range.limit && s->n_entries >= step->range.limit) || !mem_has_room(m, peer.len + step->in.len))
		return ERR_LIMIT;
	struct mem_entry entry = { .at_ms = step->at_ms, .value = blob_new(step->in) };
	if (str_present(peer))
		entry.peer = blob_new(peer);
	step->seq = mem_append(m, s, entry);
	return ERR_NONE;
}

static bool entry_is_in(const struct mem_entry *e, const struct store_range *r)
{
	return e->at_ms >= r->from_ms && e->at_ms < r->to_ms &&
	       (!str_present(r->peer) || (e->peer && str_eq(blob_str(e->peer), r->peer)));
}

/* RANGE and COUNT. */
static enum err log_read(struct mem_space *s, struct store_op *op, struct store_step *step)
{
	const struct store_range *r = &step->range;
	struct store_rows rows;
	store_rows_begin(&rows, op, step);
	if (!s)
		return ERR_NONE;
	size_t from = mem_entry_seek(s, r->from_seq), to = r->to_seq == UINT64_MAX ? s->n_entries : mem_entry_seek(s, r->to_seq + 1);
	for (size_t i = from; i < to; i++) {
		const struct mem_entry *e = &s->entries[r->newest_first ? from + to - 1 - i : i];
		struct store_row row = { .seq = e->seq, .at_ms = e->at_ms, .peer = blob_str(e->peer), .value = blob_str(e->value) };
		if (!entry_is_in(e, r))
			continue;
		if (step->verb == STORE_LOG_COUNT)
			step->count++;
		else if (!store_rows_add(&rows, &row))
			break;
	}
	return ERR_NONE;
}

static enum err log_delete(struct mem *m, struct mem_space *s, struct store_step *step)
{
	const struct store_range *r = &step->range;
	if (!s || r->to_seq < r->from_seq)
		return ERR_NONE;
	size_t from = mem_entry_seek(s, r->from_seq), to = r->to_seq == UINT64_MAX ? s->n_entries : mem_entry_seek(s, r->to_seq + 1);
	mem_cut(m, s, from, to - from);
	step->count = to - from;
	return ERR_NONE;
}

/* It finds its way without a cursor: what is gone costs nothing to pass again. */
static enum err log_expire(struct mem *m, struct store_op *op, struct store_step *step)
{
	uint64_t left = step->range.limit ? step->range.limit : STORE_ROWS_MAX;
	for (struct mem_owner *o = owner_seek(m, op, STR(""), false); o && !step->more; o = owner_next(o, m)) {
		struct mem_space *s = mem_space_of(o, step->space);
		size_t n = 0;
		while (s && n < s->n_entries && n < left && s->entries[n].at_ms < step->at_ms)
			n++;
		step->more = s && n == left && n < s->n_entries && s->entries[n].at_ms < step->at_ms;
		if (s)
			mem_cut(m, s, 0, n);
		left -= n;
		step->count += n;
	}
	return ERR_NONE;
}

static enum err log_step(struct mem *m, struct store_op *op, struct store_step *step)
{
	switch (step->verb) {
	case STORE_LOG_APPEND:
		return log_append(m, op, step);
	case STORE_LOG_RANGE:
	case STORE_LOG_COUNT:
		return log_read(mem_space_find(m, op, step->space), op, step);
	case STORE_LOG_EXPIRE:
		return log_expire(m, op, step);
	default:
		return log_delete(m, mem_space_find(m, op, step->space), step);
	}
}

/* ---- ops ---- */

static enum err mem_step(struct mem *m, struct store_op *op, struct store_step *step)
{
	if (step->verb == STORE_KV_OWNERS || step->verb == STORE_KV_COUNT)
		return kv_owners(m, op, step);
	if (step->verb == STORE_OWNER_DELETE) {
		struct mem_owner *o = mem_owner_find(m, op->host, op->owner);
		step->count = o ? mem_owner_remove(m, o) : 0;
		return ERR_NONE;
	}
	if (step->verb == STORE_FENCE)
		return fence_step(m, op, step);
	switch (step->space->shape) {
	case STORE_KV:
		return kv_step(m, op, step);
	case STORE_MAP:
		return map_step(m, op, step);
	default:
		return log_step(m, op, step);
	}
}

static void on_submit(struct store *store, struct store_op *op)
{
	struct memory_store *s = (struct memory_store *)store;
	enum err err = ERR_NONE;
	pthread_mutex_lock(&s->lock);
	mem_begin(&s->mem);
	for (struct store_step *step = op->first; step && !err; step = step->next)
		err = mem_step(&s->mem, op, step);
	if (err)
		mem_rollback(&s->mem);
	else
		mem_commit(&s->mem);
	if (op->writes)
		mem_prune(&s->mem, op->host, op->owner);
	pthread_mutex_unlock(&s->lock);
	store_count_batch(store, 1);
	store_answer(op, err);
}

static void on_close(struct store *store)
{
	struct memory_store *s = (struct memory_store *)store;
	mem_fini(&s->mem);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct store_backend memory_backend = { .name = "memory", .submit = on_submit, .close = on_close };

struct store *memory_store_open(const struct store_options *options, uint64_t max_bytes)
{
	struct memory_store *s = xzalloc(sizeof *s);
	store_init(&s->store, &memory_backend, options);
	s->mem.max_bytes = max_bytes;
	s->mem.owners.random = store_now_us();
	pthread_mutex_init(&s->lock, NULL);
	return &s->store;
}
