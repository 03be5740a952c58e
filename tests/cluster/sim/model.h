/*
 * model.h: the registry in C: the same answers as cluster/registry.lua gives on Redis, at once and from memory. The simulator asks it
 * instead of Redis; tests/cluster/registry_equal_test.c proves on a real Redis that the two are the same, answer by answer, key by key.
 *
 * `now_ms` is the wall clock of the machine that Redis runs on: it may not go back.
 */
#ifndef TESTS_CLUSTER_SIM_MODEL_H
#define TESTS_CLUSTER_SIM_MODEL_H

#include "cluster/registry.h"
#include "proto/base/buf.h"

struct model;

struct model *model_new(void);
void model_free(struct model *m);
/* Fills in the outputs of the call (registry.h); never ERR_UNAVAILABLE. */
void model_ask(struct model *m, struct registry_call *c, int64_t now_ms);
/* Redis was started again without its data, or FLUSHALL. */
void model_clear(struct model *m);

/* Who has the place was granted it because the one before, who lived or not, had no lease any more, or was dead. */
bool model_place_lapsed(const struct model *m, struct str name);

/* All that it knows, a line for each fact, in no order; what has ended by now is left out. */
void model_dump(const struct model *m, int64_t now_ms, struct buf *out);

#endif
