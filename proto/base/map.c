/*
 * Linear probing in a power of two of slots, at most 3/4 of them used (live or tombstone). A rehash picks the size from what is live, so
 * that it doubles, clears tombstones or shrinks, whichever fits.
 */
#include "proto/base/map.h"

#include <stdlib.h>

#define CAP_MIN 8

enum { SLOT_EMPTY, SLOT_LIVE, SLOT_TOMB };

void map_init(struct map *m, const uint64_t seed[2])
{
	*m = (struct map){ .seed = { seed[0], seed[1] } };
}

void map_fini(struct map *m)
{
	free(m->slots);
	*m = (struct map){ .seed = { m->seed[0], m->seed[1] } };
}

static uint32_t folded(uint64_t h)
{
	return (uint32_t)(h ^ h >> 32);
}

static uint32_t hash_of(const struct map *m, struct str key)
{
	return folded(str_hash(key, m->seed));
}

static struct map_entry *find(const struct map *m, struct str key, uint32_t hash)
{
	if (m->live == 0)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_entry *e = &m->slots[i];
		if (e->state == SLOT_EMPTY)
			return NULL;
		if (e->state == SLOT_LIVE && e->hash == hash && str_eq(e->key, key))
			return e;
	}
}

static void rehash(struct map *m)
{
	struct map_entry *old = m->slots;
	size_t old_cap = m->cap, cap = CAP_MIN;
	while (cap < (m->live + 1) * 2)
		cap *= 2;
	m->slots = xzalloc(cap * sizeof(*m->slots));
	m->cap = cap;
	m->used = m->live;
	for (size_t n = 0; n < old_cap; n++) {
		if (old[n].state != SLOT_LIVE)
			continue;
		size_t i = old[n].hash & (cap - 1);
		while (m->slots[i].state != SLOT_EMPTY)
			i = (i + 1) & (cap - 1);
		m->slots[i] = old[n];
	}
	free(old);
}

void *map_get(const struct map *m, struct str key)
{
	struct map_entry *e = find(m, key, hash_of(m, key));
	return e ? e->value : NULL;
}

void *map_get_hashed(const struct map *m, uint64_t hash)
{
	uint32_t wanted = folded(hash);
	for (size_t i = wanted & (m->cap - 1); m->live; i = (i + 1) & (m->cap - 1)) {
		const struct map_entry *e = &m->slots[i];
		if (e->state == SLOT_EMPTY)
			break;
		if (e->state == SLOT_LIVE && e->hash == wanted && str_hash(e->key, m->seed) == hash)
			return e->value;
	}
	return NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
	BUG_ON(!value);
	uint32_t hash = hash_of(m, key);
	struct map_entry *e = find(m, key, hash);
	if (e) {
		void *before = e->value;
		e->key = key; /* the old key may live in the value that leaves */
		e->value = value;
		return before;
	}
	if (m->used + 1 > m->cap / 4 * 3)
		rehash(m);
	size_t i = hash & (m->cap - 1);
	while (m->slots[i].state == SLOT_LIVE)
		i = (i + 1) & (m->cap - 1);
	m->used += m->slots[i].state == SLOT_EMPTY;
	m->slots[i] = (struct map_entry){ .key = key, .value = value, .hash = hash, .state = SLOT_LIVE };
	m->live++;
	return NULL;
}

void *map_del(struct map *m, struct str key)
{
	struct map_entry *e = find(m, key, hash_of(m, key));
	if (!e)
		return NULL;
	void *value = e->value;
	size_t i = (size_t)(e - m->slots), mask = m->cap - 1;
	*e = (struct map_entry){ .state = SLOT_TOMB };
	m->live--;
	/* Tombstones at the end of a run guard nothing. */
	if (m->slots[(i + 1) & mask].state == SLOT_EMPTY) {
		for (; m->slots[i].state == SLOT_TOMB; i = (i - 1) & mask) {
			m->slots[i].state = SLOT_EMPTY;
			m->used--;
		}
	}
	if (m->cap > 64 && m->live < m->cap / 8)
		rehash(m);
	return value;
}

bool map_next(const struct map *m, size_t *i, struct str *key, void **value)
{
	for (; *i < m->cap; (*i)++) {
		const struct map_entry *e = &m->slots[*i];
		if (e->state != SLOT_LIVE)
			continue;
		*key = e->key;
		*value = e->value;
		(*i)++;
		return true;
	}
	return false;
}
