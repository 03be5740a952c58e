/*
 * blob.h: immutable counted bytes. Written once at birth, then shared freely, across threads as well (the count is atomic).
 * The last blob_unref frees it.
 */
#ifndef PROTO_BASE_BLOB_H
#define PROTO_BASE_BLOB_H

#include <stdatomic.h>

#include "proto/base/buf.h"

struct blob {
	_Atomic uint32_t refs;
	uint32_t len;
	char data[];
};

/* A copy of the bytes with one reference, yours. At most 4 GiB - 1. */
struct blob *blob_new(struct str s);
/* The same without the copy: blob_begin leaves room for the head in an empty buf, what is added after it becomes the blob's bytes, and
 * blob_end takes the memory over; the buf is empty then. The buf must not have failed. */
void blob_begin(struct buf *b);
struct blob *blob_end(struct buf *b);
struct blob *blob_ref(struct blob *b);
/* NULL is fine. */
void blob_unref(struct blob *b);
static inline struct str blob_str(const struct blob *b) { return b ? (struct str){ b->data, b->len } : STR_NONE; }

#endif
