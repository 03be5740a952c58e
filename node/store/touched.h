/*
 * touched.h: which owners the writes of a batch touch, so that a backend may carry out the reads of others first.
 *
 * Owners are bits of a small table: two that share one only make a read wait in vain.
 */
#ifndef NODE_STORE_TOUCHED_H
#define NODE_STORE_TOUCHED_H

#include "node/store/backend.h"

struct touched {
	uint64_t key[2]; /* of the hash; set once */
	uint64_t bits[16];
};

void touched_init(struct touched *t, const void *salt);
void touched_clear(struct touched *t);
/* An op that is to be carried out later. */
void touched_note(struct touched *t, const struct store_op *op);
/* Must this read wait for what was noted? */
bool touched_has(const struct touched *t, const struct store_op *op);
/* Has it a step that is not bound to one owner? */
bool store_op_is_wide(const struct store_op *op);

#endif
