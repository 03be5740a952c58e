/*
 * memory.h: a store in RAM, gone with the process: for anonymous hosts and for tests. Same promises as any other, durability aside. Ops are
 * carried out on the asker's thread, under one lock, and answered through the mailbox like all others.
 */
#ifndef NODE_STORE_MEMORY_H
#define NODE_STORE_MEMORY_H

#include "node/store/store.h"

/* `options` may be NULL. max_bytes: of names and values held, 0: no ceiling; a write past it gets ERR_LIMIT. */
struct store *memory_store_open(const struct store_options *options, uint64_t max_bytes);

#endif
