/*
 * view.h: what a node believes of its cluster at one moment: immutable, counted, the same for all workers. The mesh thread makes a new one
 * whenever something changes and posts it to every worker, in one order with what comes from the peers: when a worker sees a node DEAD, it
 * has had everything that node sent.
 *
 * A node is one *incarnation*, named by its epoch: never reused, 0 is nobody. A node that was fenced and lives on gets a new one.
 *
 *   JOINING -lease, epoch-> SYNCING -has heard all homes-> UP -SIGTERM-> DRAINING -> LEFT
 *   UP -no registry and no majority-> ISOLATED -heal-> UP;   in others' eyes: UP -silent-> SUSPECT -traffic-> UP;  SUSPECT -fenced-> DEAD
 */
#ifndef CLUSTER_VIEW_H
#define CLUSTER_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/str.h"

#define VIEW_NODES_MAX 64
#define VIEW_NAME_MAX  64
#define VIEW_ADDR_MAX  128

enum node_state {
	NODE_JOINING, NODE_SYNCING, NODE_UP, NODE_SUSPECT, NODE_ISOLATED, NODE_DRAINING, NODE_DEAD, NODE_LEFT, NODE_STATE_COUNT
};

struct view_node {
	uint32_t epoch;
	uint16_t id;
	uint8_t state;                /* enum node_state */
	uint8_t speaks;               /* the highest protocol version that both of us speak */
	uint16_t workers;
	bool linked;                  /* we can send to it, directly or through a third node */
	bool relayed;
	bool full;                    /* the window to it is full: whoever makes us send there is not read for a while */
	bool slow;                    /* for seconds: less is sent there (node/core/jam.h) */
	char name[VIEW_NAME_MAX];     /* for people */
	char addr[VIEW_ADDR_MAX];     /* "tcp://10.0.0.3:7400" */
	char version[32];
};

struct view {
	_Atomic uint32_t refs;
	uint64_t version;             /* grows */
	uint32_t self;                /* our epoch; 0: we have none yet */
	uint8_t state;                /* ours */
	bool registry_ok;             /* Redis answers */
	unsigned n;
	struct view_node nodes[];     /* with ourselves, by epoch; the dead and those that left are named until everybody forgot them */
};

/* Zeroed, with one reference and room for n nodes. */
struct view *view_new(unsigned n);
struct view *view_ref(struct view *v);
void view_unref(struct view *v);
/* NULL when it is not in the view. */
const struct view_node *view_find(const struct view *v, uint32_t epoch);
/* Does this incarnation take part (SYNCING, UP, SUSPECT, ISOLATED, DRAINING)? */
bool view_is_alive(const struct view *v, uint32_t epoch);
/* The node where what nobody claims has its place: rendezvous hashing over the nodes that are UP or SUSPECT (ourselves when we are UP or
 * ISOLATED). When there is none: v->self. */
uint32_t view_place(const struct view *v, uint64_t fp);
/* The same over those of them that speak this version of the protocol or a later one. */
uint32_t view_place_of(const struct view *v, uint64_t fp, uint8_t speaks);
/* "up"; "unknown" out of range. */
const char *node_state_name(unsigned state);

#endif
