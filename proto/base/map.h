/*
 * map.h: a hash map from bytes to pointers; open addressing, SipHash under the key given at birth, so that peers cannot make it slow.
 *
 * Ownership: keys and values are borrowed; they must outlive their entry. One thread at a time. Ceilings are the caller's (map_count).
 */
#ifndef PROTO_BASE_MAP_H
#define PROTO_BASE_MAP_H

#include "proto/base/err.h"
#include "proto/base/str.h"

struct map_entry {
	struct str key;
	void *value;
	uint32_t hash;
	uint8_t state;
};
struct map {
	struct map_entry *slots;
	size_t cap, used, live;
	uint64_t seed[2];
};

void map_init(struct map *m, const uint64_t seed[2]);
void map_fini(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, struct str key);
/* By the key's str_hash under the map's seed; NULL when absent. */
void *map_get_hashed(const struct map *m, uint64_t hash);
/* Adds or replaces; returns the value replaced, or NULL. `value` is not NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Removes; returns the value, or NULL when absent. */
void *map_del(struct map *m, struct str key);
static inline size_t map_count(const struct map *m) { return m->live; }
/* for (size_t i = 0; map_next(&m, &i, &key, &value); ) in no order; the map must not change meanwhile. */
bool map_next(const struct map *m, size_t *i, struct str *key, void **value);

#endif
