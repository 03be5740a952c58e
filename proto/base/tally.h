/*
 * tally.h: what is remembered of many strangers (addresses that failed to log in, that registered): a table of fixed size.
 *
 * Keys are 64-bit keyed hashes, so that nobody can aim at a place; two strangers that share one share their record, once in 2^64. A key has
 * WAYS places; when all are taken, who was longest silent is forgotten: the table never grows, and a flood of new strangers costs no more
 * than that old ones are forgiven early.
 */
#ifndef PROTO_BASE_TALLY_H
#define PROTO_BASE_TALLY_H

#include <stddef.h>

#include "proto/base/bucket.h"

struct tally_entry {
	uint64_t key, last_ms;
	struct bucket bucket; /* the owner's */
	uint32_t count;
};
struct tally {
	size_t n_sets;
	uint64_t forget_ms;
	struct tally_entry *entries; /* n_sets * TALLY_WAYS; allocated at the first need */
};

#define TALLY_WAYS 8

/* Room for about `entries`; a silence of forget_ms wipes a record. */
void tally_init(struct tally *t, size_t entries, uint64_t forget_ms);
void tally_fini(struct tally *t);
/* The record of a stranger, fresh or kept. Valid until the next call. */
struct tally_entry *tally_touch(struct tally *t, uint64_t key, uint64_t now_ms);
/* Without making one: NULL if there is none. */
struct tally_entry *tally_look(struct tally *t, uint64_t key, uint64_t now_ms);
/* The delay after `count` misses of which `free_misses` are forgiven: first_ms, doubled each time, at most max_ms. */
uint64_t tally_delay_ms(uint32_t count, uint32_t free_misses, uint64_t first_ms, uint64_t max_ms);

#endif
