#include "proto/base/tally.h"

#include <stdlib.h>

#include "proto/base/err.h"

void tally_init(struct tally *t, size_t entries, uint64_t forget_ms)
{
	size_t n_sets = entries / TALLY_WAYS;
	*t = (struct tally){ .n_sets = n_sets ? n_sets : 1, .forget_ms = forget_ms };
}

void tally_fini(struct tally *t)
{
	free(t->entries);
	t->entries = NULL;
}

static struct tally_entry *set_of(struct tally *t, uint64_t key)
{
	return t->entries + key % t->n_sets * TALLY_WAYS;
}

/* 0 marks an empty place. */
static uint64_t key_of(uint64_t key)
{
	return key ? key : 1;
}

struct tally_entry *tally_look(struct tally *t, uint64_t key, uint64_t now_ms)
{
	struct tally_entry *set = t->entries ? set_of(t, key_of(key)) : NULL;
	for (unsigned i = 0; set && i < TALLY_WAYS; i++)
		if (set[i].key == key_of(key) && now_ms - set[i].last_ms < t->forget_ms)
			return &set[i];
	return NULL;
}

struct tally_entry *tally_touch(struct tally *t, uint64_t key, uint64_t now_ms)
{
	struct tally_entry *e = tally_look(t, key, now_ms);
	if (!t->entries)
		t->entries = xzalloc(t->n_sets * TALLY_WAYS * sizeof *t->entries);
	if (!e) {
		struct tally_entry *set = e = set_of(t, key_of(key));
		for (unsigned i = 0; i < TALLY_WAYS; i++) {
			if (set[i].key == key_of(key) || !set[i].key) {
				e = &set[i];
				break;
			}
			if (set[i].last_ms < e->last_ms)
				e = &set[i];
		}
		*e = (struct tally_entry){ .key = key_of(key) };
	}
	e->last_ms = now_ms;
	return e;
}

uint64_t tally_delay_ms(uint32_t count, uint32_t free_misses, uint64_t first_ms, uint64_t max_ms)
{
	if (count <= free_misses || !first_ms)
		return 0;
	uint32_t doublings = count - free_misses - 1;
	if (doublings >= 32 || first_ms > max_ms >> doublings)
		return max_ms;
	return first_ms << doublings;
}
