#include "node/store/memory_data.h"

#include <stdlib.h>

enum undo_what { UNDO_VALUE, UNDO_FIELD, UNDO_APPEND, UNDO_CUT, UNDO_OWNER };

/* How to take back one change. It owns what the change threw out, until commit lets that go. */
struct undo {
	struct undo *older;
	enum undo_what what;
	struct mem_space *space;
	struct mem_owner *owner;
	struct blob *value;
	uint64_t version;
	struct str key;
	struct mem_entry *entries;
	size_t at, n;
};

static struct undo *note(struct mem *m, enum undo_what what, struct mem_space *s)
{
	struct undo *u = arena_zalloc(m->scratch, sizeof *u);
	u->older = m->undo;
	u->what = what;
	u->space = s;
	m->undo = u;
	return u;
}

static size_t blob_bytes(const struct blob *b)
{
	return b ? sizeof *b + b->len : 0;
}

static size_t entry_bytes(const struct mem_entry *e)
{
	return sizeof *e + blob_bytes(e->peer) + blob_bytes(e->value);
}

static size_t field_bytes(const struct mem_field *f)
{
	return sizeof *f + f->node.key.len + blob_bytes(f->value);
}

bool mem_has_room(const struct mem *m, size_t more_bytes)
{
	return !m->max_bytes || m->bytes + more_bytes <= m->max_bytes;
}

/* ---- owners and spaces ---- */

#define OWNER_KEY_MAX (2 * STORE_NAME_MAX + 1)

static struct str owner_key(char out[OWNER_KEY_MAX], struct str host, struct str owner)
{
	BUG_ON(host.len > STORE_NAME_MAX || owner.len > STORE_NAME_MAX);
	memcpy(out, host.p, host.len);
	out[host.len] = '\0';
	memcpy(out + host.len + 1, owner.p, owner.len);
	return str_span(out, host.len + 1 + owner.len);
}

struct mem_owner *mem_owner_find(struct mem *m, struct str host, struct str owner)
{
	char key[OWNER_KEY_MAX];
	return (struct mem_owner *)tree_find(&m->owners, owner_key(key, host, owner));
}

static struct mem_owner *owner_make(struct mem *m, struct str host, struct str owner)
{
	struct mem_owner *o = mem_owner_find(m, host, owner);
	if (o)
		return o;
	o = xzalloc(sizeof *o + host.len + 1 + owner.len);
	o->host_len = host.len;
	o->node.key = owner_key(o->key, host, owner);
	m->bytes += sizeof *o + o->node.key.len;
	tree_add(&m->owners, &o->node);
	return o;
}

struct mem_space *mem_space_of(struct mem_owner *o, const struct store_space *space)
{
	struct mem_space *s = o ? o->spaces : NULL;
	while (s && (s->shape != space->shape || strcmp(s->name, space->name) != 0))
		s = s->next;
	return s;
}

struct mem_space *mem_space_find(struct mem *m, const struct store_op *op, const struct store_space *space)
{
	return mem_space_of(mem_owner_find(m, op->host, op->owner), space);
}

struct mem_space *mem_space_make(struct mem *m, const struct store_op *op, const struct store_space *space)
{
	struct mem_owner *o = owner_make(m, op->host, op->owner);
	struct mem_space *s = mem_space_of(o, space);
	if (s)
		return s;
	s = xzalloc(sizeof *s);
	s->name = xmalloc(strlen(space->name) + 1);
	memcpy(s->name, space->name, strlen(space->name) + 1);
	s->shape = space->shape;
	s->next_seq = 1;
	s->fields.random = m->owners.random;
	m->bytes += sizeof *s;
	s->next = o->spaces;
	o->spaces = s;
	return s;
}

/* ---- changes ---- */

void mem_set_value(struct mem *m, struct mem_space *s, struct blob *value, uint64_t version)
{
	struct undo *u = note(m, UNDO_VALUE, s);
	u->value = s->value;
	u->version = s->version;
	m->bytes += blob_bytes(value) - blob_bytes(s->value);
	s->value = value;
	s->version = version;
}

struct blob *mem_get_field(const struct mem_space *s, struct str key)
{
	struct mem_field *f = (struct mem_field *)tree_find(&s->fields, key);
	return f ? f->value : NULL;
}

/* Returns the value that was there, now the caller's. */
static struct blob *swap_field(struct mem *m, struct mem_space *s, struct str key, struct blob *value)
{
	struct mem_field *f = (struct mem_field *)tree_find(&s->fields, key);
	struct blob *before = f ? f->value : NULL;
	if (!f && !value)
		return NULL;
	if (!f) {
		f = xzalloc(sizeof *f + key.len);
		memcpy(f->key, key.p, key.len);
		f->node.key = str_span(f->key, key.len);
		tree_add(&s->fields, &f->node);
	} else {
		m->bytes -= field_bytes(f);
	}
	f->value = value;
	if (value) {
		m->bytes += field_bytes(f);
	} else {
		tree_remove(&s->fields, &f->node);
		free(f);
	}
	return before;
}

void mem_set_field(struct mem *m, struct mem_space *s, struct str key, struct blob *value)
{
	struct undo *u = note(m, UNDO_FIELD, s);
	u->key = arena_str(m->scratch, key);
	u->value = swap_field(m, s, u->key, value);
}

static void open_gap(struct mem_space *s, size_t at, size_t n)
{
	if (s->n_entries + n > s->cap_entries) {
		s->cap_entries = (s->n_entries + n) * 2;
		s->entries = xrealloc(s->entries, s->cap_entries * sizeof *s->entries);
	}
	memmove(s->entries + at + n, s->entries + at, (s->n_entries - at) * sizeof *s->entries);
	s->n_entries += n;
}

uint64_t mem_append(struct mem *m, struct mem_space *s, struct mem_entry entry)
{
	note(m, UNDO_APPEND, s);
	open_gap(s, s->n_entries, 1);
	entry.seq = s->next_seq++;
	s->entries[s->n_entries - 1] = entry;
	m->bytes += entry_bytes(&entry);
	return entry.seq;
}

void mem_cut(struct mem *m, struct mem_space *s, size_t at, size_t n)
{
	if (!n)
		return;
	struct undo *u = note(m, UNDO_CUT, s);
	u->at = at;
	u->n = n;
	u->entries = xmalloc(n * sizeof *u->entries);
	memcpy(u->entries, s->entries + at, n * sizeof *u->entries);
	for (size_t i = 0; i < n; i++)
		m->bytes -= entry_bytes(&u->entries[i]);
	s->n_entries -= n;
	memmove(s->entries + at, s->entries + at + n, (s->n_entries - at) * sizeof *s->entries);
}

size_t mem_entry_seek(const struct mem_space *s, uint64_t seq)
{
	size_t low = 0, high = s->n_entries;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->entries[mid].seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* ---- owners as a whole ---- */

/* Bytes and things that a space holds. */
static void space_weigh(const struct mem_space *s, uint64_t *bytes, uint64_t *things)
{
	*bytes += sizeof *s + blob_bytes(s->value);
	*things += s->value != NULL;
	for (struct tree_node *n = tree_seek(&s->fields, STR(""), false); n; n = tree_seek(&s->fields, n->key, true))
		*bytes += field_bytes((struct mem_field *)n);
	for (size_t i = 0; i < s->n_entries; i++)
		*bytes += entry_bytes(&s->entries[i]);
	*things += s->fields.count + s->n_entries;
}

static void owner_weigh(const struct mem_owner *o, uint64_t *bytes, uint64_t *things)
{
	*bytes += sizeof *o + o->node.key.len;
	for (const struct mem_space *s = o->spaces; s; s = s->next)
		space_weigh(s, bytes, things);
}

uint64_t mem_owner_remove(struct mem *m, struct mem_owner *o)
{
	uint64_t bytes = 0, things = 0;
	owner_weigh(o, &bytes, &things);
	tree_remove(&m->owners, &o->node);
	m->bytes -= bytes;
	note(m, UNDO_OWNER, NULL)->owner = o;
	return things;
}

static void entries_free(struct mem_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		blob_unref(entries[i].peer);
		blob_unref(entries[i].value);
	}
	free(entries);
}

static void space_free(struct mem_space *s)
{
	blob_unref(s->value);
	while (s->fields.root) {
		struct mem_field *f = (struct mem_field *)s->fields.root;
		tree_remove(&s->fields, &f->node);
		blob_unref(f->value);
		free(f);
	}
	entries_free(s->entries, s->n_entries);
	free(s->name);
	free(s);
}

static void owner_free(struct mem_owner *o)
{
	while (o->spaces) {
		struct mem_space *next = o->spaces->next;
		space_free(o->spaces);
		o->spaces = next;
	}
	free(o);
}

void mem_prune(struct mem *m, struct str host, struct str owner)
{
	struct mem_owner *o = mem_owner_find(m, host, owner);
	uint64_t bytes = 0, things = 0;
	if (!o)
		return;
	for (const struct mem_space *s = o->spaces; s; s = s->next) {
		if (s->value || s->fields.root || s->next_seq > 1)
			return;
	}
	owner_weigh(o, &bytes, &things);
	m->bytes -= bytes;
	tree_remove(&m->owners, &o->node);
	owner_free(o);
}

/* ---- an op's end ---- */

void mem_begin(struct mem *m)
{
	m->scratch = arena_new(0);
	m->undo = NULL;
}

static void mem_end(struct mem *m)
{
	arena_free(m->scratch);
	m->scratch = NULL;
	m->undo = NULL;
}

void mem_commit(struct mem *m)
{
	for (struct undo *u = m->undo; u; u = u->older) {
		blob_unref(u->value);
		entries_free(u->entries, u->n);
		if (u->owner)
			owner_free(u->owner);
	}
	mem_end(m);
}

/* An op may have written after it removed an owner: what it made then goes when the former owner comes back. */
static void owner_restore(struct mem *m, struct mem_owner *o)
{
	uint64_t added = 0, dropped = 0, things = 0;
	struct mem_owner *younger = (struct mem_owner *)tree_find(&m->owners, o->node.key);
	if (younger) {
		owner_weigh(younger, &dropped, &things);
		tree_remove(&m->owners, &younger->node);
		owner_free(younger);
	}
	owner_weigh(o, &added, &things);
	m->bytes += added - dropped;
	tree_add(&m->owners, &o->node);
}

static void append_undo(struct mem *m, struct mem_space *s)
{
	struct mem_entry *last = &s->entries[--s->n_entries];
	m->bytes -= entry_bytes(last);
	blob_unref(last->peer);
	blob_unref(last->value);
	s->next_seq--;
}

static void cut_undo(struct mem *m, struct undo *u)
{
	open_gap(u->space, u->at, u->n);
	memcpy(u->space->entries + u->at, u->entries, u->n * sizeof *u->entries);
	for (size_t i = 0; i < u->n; i++)
		m->bytes += entry_bytes(&u->entries[i]);
	free(u->entries);
}

void mem_rollback(struct mem *m)
{
	for (struct undo *u = m->undo; u; u = u->older) {
		switch (u->what) {
		case UNDO_VALUE:
			m->bytes += blob_bytes(u->value) - blob_bytes(u->space->value);
			blob_unref(u->space->value);
			u->space->value = u->value;
			u->space->version = u->version;
			break;
		case UNDO_FIELD:
			blob_unref(swap_field(m, u->space, u->key, u->value));
			break;
		case UNDO_APPEND:
			append_undo(m, u->space);
			break;
		case UNDO_CUT:
			cut_undo(m, u);
			break;
		case UNDO_OWNER:
			owner_restore(m, u->owner);
			break;
		}
	}
	mem_end(m);
}

void mem_fini(struct mem *m)
{
	while (m->owners.root) {
		struct mem_owner *o = (struct mem_owner *)m->owners.root;
		tree_remove(&m->owners, &o->node);
		owner_free(o);
	}
}
