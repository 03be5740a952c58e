/*
 * shared_rows.h: groups as the store has them: all of them read, one of them written. Main thread.
 *
 * Stored, for the host itself (owner ""): space "shared-groups": a group's name -> what shared_format says; space "shared-turn": a value
 * whose version is another one after each write. Who writes names the one that he knows: of two nodes that change groups at the same time
 * the second one's write is refused, and it reads before it tries again.
 */
#ifndef NODE_MOD_SHARED_SHARED_ROWS_H
#define NODE_MOD_SHARED_SHARED_ROWS_H

#include "node/mod/shared/shared.h"

/* All groups, in the place of those in memory. `all`: some group is of all accounts. After an error memory is as it was. */
void shared_rows_read(struct shared_host *p, void (*then)(void *arg, enum err err, bool all), void *arg);

/* An op that writes groups: its condition is there already. */
struct store_op *shared_rows_write_new(struct shared_host *p, void (*on_done)(struct store_op *op), void *arg);
void shared_rows_put(struct store_op *op, struct str name, struct str text, uint32_t max_groups);
void shared_rows_delete(struct store_op *op, struct str name);
static inline bool shared_rows_has_room(const struct store_op *op) { return op->n_steps < STORE_STEPS_MAX; }
static inline bool shared_rows_is_empty(const struct store_op *op) { return op->n_steps == 1; }
/* In its on_done, whatever came of it. True: another node has written since we read, and nothing was written. */
bool shared_rows_overtaken(struct shared_host *p, const struct store_op *op);

#endif
