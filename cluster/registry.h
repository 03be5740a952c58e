/*
 * registry.h: what the cluster keeps in Redis, as questions and answers; registry.c asks them as Lua scripts, each a compare-and-set, all
 * idempotent; the simulator answers them from a model (tests/). CLUSTER.md section 2.
 *
 * Redis is not on a stanza's path and may be away for minutes: then every call is answered ERR_UNAVAILABLE, soon.
 *
 *   c:epoch          INCR             incarnation numbers, never used again
 *   c:nodes          HASH epoch       -> JSON: id, name, addr, version, workers, protocol, state
 *   c:lease:<epoch>  STRING, PX       renewed every 2 s, ends after 8 s
 *   c:dead           HASH epoch       -> wall time of the fence; kept 24 h
 *   s:{<bare>}       HASH             "" -> home: epoch|hlc;  <resource> -> home epoch|edge epoch|sid|priority|flags|hlc
 *   n:<epoch>:<0..63> SET of bare     whose home is this incarnation: for the purge
 *   r:{<name>}       HASH             a named place (room, service): epoch, fence
 *   c:log            STREAM, MAXLEN   joins, leaves, fences
 *
 * A home claim: the first wins, unless its incarnation is dead (in c:dead, or without lease and not ours); of two that were both made while
 * Redis was away the one with the smaller (hlc, epoch) wins. A session: the newer (hlc, sid) wins.
 */
#ifndef CLUSTER_REGISTRY_H
#define CLUSTER_REGISTRY_H

#include "cluster/worker.h"
#include "proto/base/arena.h"

enum registry_verb {
	REGISTRY_JOIN,         /* self: name, addr, version, workers, protocol; epoch 0: a new incarnation, whose number exceeds `fence` as
				  well (the greatest the asker has heard of: the counter may have been lost) -> id, epoch, nodes.
				  epoch != 0: this incarnation again, with its `id`, after a loss of memory: the counter is raised
				  to it -> the same; ERR_DENIED: it is dead */
	REGISTRY_RENEW,        /* epoch [any node may renew for a peer that is cut off] -> ERR_DENIED: fenced; ERR_NOT_FOUND: it is not in
				  c:nodes, the memory was lost: no lease was made, JOIN it again */
	REGISTRY_NODES,        /* -> nodes, with lease_ms left each (0: none) and dead ones */
	REGISTRY_STATE,        /* epoch, node state: for operators and joiners */
	REGISTRY_FENCE,        /* epoch, votes: succeeds once, iff its lease is gone, or `refused` and votes are a majority of the live
				  ones -> ERR_EXISTS: somebody did; ERR_DENIED: not yet */
	REGISTRY_LEAVE,        /* epoch */
	REGISTRY_HOME_CLAIM,   /* key = bare JID, epoch, hlc -> winner, winner_hlc */
	REGISTRY_HOME_RELEASE, /* key, epoch: only if it is ours */
	REGISTRY_BIND,         /* key, resource, epoch, edge, sid, priority, flags, hlc -> ERR_EXISTS: a newer one is there */
	REGISTRY_UPDATE,       /* key, resource, sid, priority, flags */
	REGISTRY_UNBIND,       /* key, resource, sid: only if it is this session */
	REGISTRY_PURGE,        /* epoch of a dead node, bucket 0..63, limit -> rows: bare, resource ("" for the home), flags; more */
	REGISTRY_PLACE_CLAIM,  /* key = name of a place, epoch -> winner, fence */
	REGISTRY_PLACE_RENEW,  /* key, epoch, fence -> ERR_DENIED: it is somebody else's now */
	REGISTRY_PLACE_RELEASE,/* key, epoch, fence */
	REGISTRY_VERB_COUNT
};

enum { REGISTRY_AVAILABLE = 1, REGISTRY_LOCAL = 2 }; /* flags of a session */

struct registry_node {
	uint32_t epoch;
	uint16_t id, workers;
	uint8_t state, speaks_min, speaks_max;
	bool dead;
	int64_t lease_ms;
	struct str name, addr, version;
};

struct registry_row {
	struct str bare, resource;
	uint32_t flags;
};

/* One question. The asker's: it stays until on_done, which is called once, on the asker's worker. */
struct registry_call {
	struct message message;    /* the way there and back */
	enum registry_verb verb;
	struct worker *asker;
	void (*on_done)(struct registry_call *c);
	void *arg;
	/* in: strings are borrowed until on_done */
	struct str key, resource;
	uint32_t epoch, edge, votes, flags, limit;
	uint8_t bucket, state;
	int8_t priority;
	bool refused;
	uint64_t hlc, sid, fence;
	struct registry_node self; /* JOIN */
	/* out; what is pointed to lives in `arena`, made by the registry when needed, freed by the asker (arena_free) */
	enum err err;
	uint16_t id;               /* JOIN again: in as well */
	uint32_t winner;
	uint64_t winner_hlc;
	struct registry_node *nodes;
	struct registry_row *rows;
	unsigned n_nodes, n_rows;
	bool more;
	struct arena *arena;
	uint64_t asked_us;         /* the mesh's, for its statistics */
};

/* Redis as all of the above, on a worker's loop; one thread. */
struct registry;
struct redis_options;
struct registry *registry_new(struct worker *w, const struct redis_options *o);
/* Answers what waits with ERR_UNAVAILABLE before it returns. NULL is fine. */
void registry_free(struct registry *r);
void registry_start(struct registry *r);
/* Told on the loop: up (`fresh`: it has lost its memory or is another one, see redis.h), or down. */
void registry_on_change(struct registry *r, void (*fn)(void *arg, bool up, bool fresh, const char *text), void *arg);
bool registry_is_up(const struct registry *r);
/* Answered by `done` on this same loop with c's outputs filled, perhaps before this returns (when Redis is away). It neither looks at nor
 * calls c->asker, on_done and arg: who asked from another thread is found by the mesh. */
void registry_ask(struct registry *r, struct registry_call *c, void (*done)(void *arg, struct registry_call *c), void *arg);

#endif
