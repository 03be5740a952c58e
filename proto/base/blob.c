#include "proto/base/blob.h"

#include <stdlib.h>

#include "proto/base/err.h"

struct blob *blob_new(struct str s)
{
	BUG_ON(s.len > UINT32_MAX);
	struct blob *b = xmalloc(sizeof(*b) + s.len);
	atomic_init(&b->refs, 1);
	b->len = (uint32_t)s.len;
	if (s.len)
		memcpy(b->data, s.p, s.len);
	return b;
}

void blob_begin(struct buf *b)
{
	static const struct blob head;
	BUG_ON(b->len);
	buf_add(b, &head, sizeof head);
}

struct blob *blob_end(struct buf *b)
{
	BUG_ON(b->failed || b->len < sizeof(struct blob) || b->len - sizeof(struct blob) > UINT32_MAX);
	struct blob *made = (struct blob *)b->p;
	size_t spare = b->cap - b->len;
	if (spare > b->len / 8 + 64) /* it may be kept for long: no room for what will not come */
		made = xrealloc(made, b->len);
	atomic_init(&made->refs, 1);
	made->len = (uint32_t)(b->len - sizeof(struct blob));
	buf_init(b, b->max);
	return made;
}

struct blob *blob_ref(struct blob *b)
{
	uint32_t before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	BUG_ON(before == 0 || before == UINT32_MAX);
	return b;
}

void blob_unref(struct blob *b)
{
	if (!b)
		return;
	/* Release what this holder did with it, acquire what all others did, before the memory goes. */
	uint32_t before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
	BUG_ON(before == 0);
	if (before == 1)
		free(b);
}
