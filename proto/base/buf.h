/*
 * buf.h: a growing run of bytes, born with a ceiling.
 *
 * Invariants: len <= cap <= max. Adding past `max` adds nothing, and sets `failed`, which stays until buf_clear: a writer may make
 * many adds and look once at the end. `p` may move on every add. An empty buf holds no memory until its first add.
 */
#ifndef PROTO_BASE_BUF_H
#define PROTO_BASE_BUF_H

#include <stdarg.h>

#include "proto/base/err.h"
#include "proto/base/str.h"

struct buf {
	char *p;
	size_t len, cap, max;
	bool failed;
};

void buf_init(struct buf *b, size_t max_bytes);
/* Frees the memory; the buf is as after buf_init. A zeroed buf is fine. */
void buf_fini(struct buf *b);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_addz(struct buf *b, const char *z);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for n more bytes at p + len, to be filled by the caller who then adds to len; NULL past the ceiling. */
char *buf_reserve(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Empties it and forgets a failure; the memory stays. */
void buf_clear(struct buf *b);
static inline struct str buf_str(const struct buf *b) { return (struct str){ b->p, b->len }; }
static inline MUST_CHECK enum err buf_status(const struct buf *b) { return b->failed ? ERR_LIMIT : ERR_NONE; }

#endif
