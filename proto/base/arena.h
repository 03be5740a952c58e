/*
 * arena.h: memory of one lifetime. Everything allocated from an arena dies with it; nothing is freed before.
 *
 * Invariants: pointers are 8-aligned and stay valid until arena_free. One thread at a time.
 * Ownership: the arena owns its memory and runs its cleanups (arena_defer), last registered first, when it is freed.
 * Failure: out of memory aborts (err.h). Whoever lets input fill an arena enforces the ceiling (arena_bytes).
 */
#ifndef PROTO_BASE_ARENA_H
#define PROTO_BASE_ARENA_H

#include "proto/base/str.h"

struct arena;

/* A new arena whose first chunk holds about `first_bytes` (0: a default of 1 KiB). Yours; arena_free it. */
struct arena *arena_new(size_t first_bytes);
/* Runs the cleanups, frees everything. NULL is fine. */
void arena_free(struct arena *a);
/* Uninitialised memory, 8-aligned. n == 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t n);
/* Zeroed. */
void *arena_zalloc(struct arena *a, size_t n);
/* Copies of bytes; the `p` of the result is NUL-terminated as well. An absent str stays absent. */
struct str arena_str(struct arena *a, struct str s);
char *arena_strz(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* fn(arg) runs when the arena is freed: for what is not memory. */
void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg);
/* Bytes taken from the heap so far. */
size_t arena_bytes(const struct arena *a);

#endif
