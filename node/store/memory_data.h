/*
 * memory_data.h: what a store in memory holds, and the primitives that change it, each of which notes how to take itself back. Internal to
 * memory*.c, under the store's lock.
 *
 *   owners: tree of "host NUL owner" -> mem_owner -> list of mem_space: one value, a tree of fields, or an array of entries
 */
#ifndef NODE_STORE_MEMORY_DATA_H
#define NODE_STORE_MEMORY_DATA_H

#include "node/store/backend.h"
#include "node/store/tree.h"
#include "proto/base/blob.h"

struct mem_field {
	struct tree_node node; /* first; its key lies behind the struct */
	struct blob *value;
	char key[];
};
struct mem_entry {
	uint64_t seq;
	int64_t at_ms;
	struct blob *peer, *value; /* peer may be NULL */
};
struct mem_space {
	struct mem_space *next;
	char *name;
	enum store_shape shape;
	struct blob *value; /* kv: NULL when there is none */
	uint64_t version;
	struct tree fields;
	struct mem_entry *entries; /* by seq */
	size_t n_entries, cap_entries;
	uint64_t next_seq;
};
struct mem_owner {
	struct tree_node node;
	struct mem_space *spaces;
	size_t host_len;
	char key[];
};

struct undo;
struct mem {
	struct tree owners;
	uint64_t bytes, max_bytes; /* held: values, names and the structs around them */
	struct arena *scratch; /* of the op that runs */
	struct undo *undo;     /* newest first */
};

void mem_fini(struct mem *m);
/* Around each op: commit forgets what mem_rollback would need. */
void mem_begin(struct mem *m);
void mem_commit(struct mem *m);
void mem_rollback(struct mem *m);
/* False: the ceiling would be passed. */
bool mem_has_room(const struct mem *m, size_t more_bytes);

struct mem_owner *mem_owner_find(struct mem *m, struct str host, struct str owner);
struct mem_space *mem_space_of(struct mem_owner *o, const struct store_space *space);
/* NULL when there is none. */
struct mem_space *mem_space_find(struct mem *m, const struct store_op *op, const struct store_space *space);
struct mem_space *mem_space_make(struct mem *m, const struct store_op *op, const struct store_space *space);

/* The value of a kv; `value` NULL: none. Consumes it. */
void mem_set_value(struct mem *m, struct mem_space *s, struct blob *value, uint64_t version);
/* A field of a map; `value` NULL: none. Consumes it. */
void mem_set_field(struct mem *m, struct mem_space *s, struct str key, struct blob *value);
struct blob *mem_get_field(const struct mem_space *s, struct str key);
/* Behind the last; consumes the blobs. Returns the seq. */
uint64_t mem_append(struct mem *m, struct mem_space *s, struct mem_entry entry);
/* entries[at .. at+n). */
void mem_cut(struct mem *m, struct mem_space *s, size_t at, size_t n);
/* The index of the first entry with at least this seq. */
size_t mem_entry_seek(const struct mem_space *s, uint64_t seq);
/* Forgets an owner that holds nothing any more, not even the next seq of a log. */
void mem_prune(struct mem *m, struct str host, struct str owner);
/* Takes the whole owner away; returns how many values, fields and entries it had. */
uint64_t mem_owner_remove(struct mem *m, struct mem_owner *o);

#endif
