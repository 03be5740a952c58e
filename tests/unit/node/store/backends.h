/*
 * backends.h: a fresh store of each kind, for a suite that all of them must pass.
 */
#ifndef TESTS_UNIT_NODE_STORE_BACKENDS_H
#define TESTS_UNIT_NODE_STORE_BACKENDS_H

#include "tests/unit/node/store/pg_server.h"

#include "node/store/memory.h"
#include "node/store/sqlite.h"

static inline struct store *open_sqlite(struct rig *r)
{
	char why[SQLITE_WHY_BYTES];
	struct sqlite_store_options options = { .path = rig_path(r), .sync_normal = true };
	struct store *s;
	if (sqlite_store_open(&options, &s, why))
		fail_msg("%s", why);
	return s;
}

static inline int setup_sqlite(void **state)
{
	struct rig *r = *state = rig_new();
	r->store = open_sqlite(r);
	return 0;
}

static inline int setup_memory(void **state)
{
	struct rig *r = *state = rig_new();
	r->store = memory_store_open(NULL, 0);
	return 0;
}

static inline int setup_postgres(void **state)
{
	struct rig *r = *state = rig_new();
	r->store = pg_open_fresh((struct postgres_store_options){ 0 });
	return 0;
}

static inline int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

#endif
