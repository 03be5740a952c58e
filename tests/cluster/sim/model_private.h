/* model_private.h: what the parts of the model share: model.c, model_nodes.c (incarnations), model_names.c (accounts, places). */
#ifndef TESTS_CLUSTER_SIM_MODEL_PRIVATE_H
#define TESTS_CLUSTER_SIM_MODEL_PRIVATE_H

#include <stdlib.h>

#include "proto/base/map.h"
#include "tests/cluster/sim/model.h"

struct row {
	struct registry_node node; /* strings on the heap */
	uint64_t token;
	int64_t lease_until;
};

struct grave {
	uint32_t epoch;
	int64_t at_ms;
};

struct seat { /* a session */
	char *resource;
	uint32_t epoch, edge, flags;
	uint64_t sid, hlc;
	int8_t priority;
};

struct account {
	struct str bare;
	uint32_t home; /* 0: none */
	uint64_t hlc;
	struct seat *seats;
	unsigned n;
};

struct spot { /* a place */
	struct str name;
	uint32_t epoch;        /* 0: nobody has it, and until when it is known who had it: */
	int64_t until;
	uint64_t fence, after; /* after: of the last other one */
	bool lapsed;
};

struct member {
	uint32_t epoch;
	unsigned bucket, small;
	char *text;
};

struct model {
	bool counted;          /* c:epoch is there */
	uint32_t epoch;
	int64_t young_until, heard_until;
	struct row *rows;
	unsigned n_rows;
	struct grave *graves;
	unsigned n_graves;
	struct map accounts, places;
	struct member *members;
	unsigned n_members;
	struct buf log;
};

#define PUSH(array, n) ((array) = xrealloc((array), ((n) + 1) * sizeof *(array)), &(array)[(n)++])
#define REMOVE(array, n, i) ((array)[i] = (array)[--(n)])

static inline char *model_keep(struct str s)
{
	return xstrndup(s.p ? s.p : "", s.len);
}

bool model_nodes_is_dead(const struct model *m, uint32_t epoch);
bool model_nodes_is_gone(const struct model *m, uint32_t epoch, int64_t now_ms);
void model_nodes_revive(struct model *m, uint32_t epoch, int64_t now_ms);
/* The verbs up to LEAVE. */
enum err model_nodes_ask(struct model *m, struct registry_call *c, int64_t now_ms);
void model_nodes_clear(struct model *m);
void model_nodes_dump(const struct model *m, int64_t now_ms, struct buf *out);
/* The others. */
enum err model_names_ask(struct model *m, struct registry_call *c, int64_t now_ms);
void model_names_clear(struct model *m);
void model_names_dump(const struct model *m, int64_t now_ms, struct buf *out);
void model_add_wide(struct buf *out, uint64_t n);

#endif
