/*
 * registry.h: what the cluster keeps in Redis, as questions and answers; registry.c asks them as Lua scripts, each a compare-and-set, all
 * idempotent; the simulator answers them from a model (tests/). CLUSTER.md section 2.
 *
 * Redis is not on a stanza's path and may be away for minutes: then every call is answered ERR_UNAVAILABLE, soon.
 *
 *   c:epoch           STRING          the last incarnation number given: grows for ever, also when Redis lost its memory, as it is at
 *                                     least the seconds since 2026. Where more nodes came than seconds went by, or the clock is wrong,
 *                                     one is given twice: whoever hears of that gives it up (core_talk.c), but what is claimed under it
 *                                     until then is claimed by both
 *   c:nodes           HASH epoch      -> JSON: id, name, addr, version, workers, protocol, state; the 64 newest dead ones stay
 *   c:lease:<epoch>   STRING, PX      renewed every 2 s, ends after 8 s
 *   c:dead            ZSET epoch      scored with the wall time (ms) of the fence or the leave; kept 24 h
 *   c:heard           STRING, PX      somebody joined or renewed a lease in the last 4 s
 *   c:young           STRING, PX      Redis was empty less than a lease ago, or nobody was heard until less than 3 s ago (it was away): an
 *                                     absent lease proves nothing yet, nor while nobody is heard
 *   s:{<bare>}        HASH            "" -> home: epoch|hlc;  <resource> -> home epoch|edge epoch|sid|hlc|priority|flags
 *   n:<epoch>:<0..63>:<0..255> HASH   bare -> "": whose home or session this incarnation has; places as well: for the purge
 *   r:{<name>}        HASH            a named place (room, service): epoch, fence; after: that of the last one before it
 *   r:0:{<name>}      STRING, PX      the fence of the last one, when nobody has it; kept 10 minutes
 *   c:log             STREAM, MAXLEN  joins, leaves, fences
 *
 * An incarnation is dead when it is in c:dead; it is as good as dead for claims and fences when it has no lease and Redis is not young.
 * What a dead incarnation still claims is denied to it (ERR_DENIED). One that claims, or renews a claim, has a lease then, of 8 s if it had
 * none: its own renewal may come later than that, when Redis was away, and until then others could claim what it just got.
 *
 * A home claim: the first wins, unless its incarnation is dead. A REGISTRY_REPLAY says that the claimant serves the account already
 * (it claimed while Redis was away, or Redis forgot): then the smaller (hlc, epoch) wins, as among the nodes. A session: the newer
 * (hlc, sid) wins, over one of a dead incarnation always.
 *
 * Idempotent: asked again, because the answer was lost, each verb answers the same, except PURGE: what it has named once it has deleted.
 * Redis Cluster is refused: a script touches keys of several slots (one account's are in one slot, its index is not).
 */
#ifndef CLUSTER_REGISTRY_H
#define CLUSTER_REGISTRY_H

#include "cluster/worker.h"
#include "proto/base/arena.h"

#define REGISTRY_LEASE_MS      8000
#define REGISTRY_BUCKETS       64
#define REGISTRY_SMALL_BUCKETS 256 /* of each of these */

enum registry_verb {
	REGISTRY_JOIN,         /* self: name, addr, version, workers, protocol, state; limit: lease in ms, 0: 8000.
				  epoch 0: a new incarnation, whose number exceeds `fence` as well (the greatest the asker has heard of:
				  the counter may have been lost); sid: a random number, so that asked again it gets the same, 0: none
				  -> id, epoch, nodes; ERR_LIMIT: VIEW_NODES_MAX are there.
				  epoch != 0: this incarnation again, with its `id`, after a loss of memory: the counter is raised
				  to it -> the same; ERR_DENIED: it is dead */
	REGISTRY_RENEW,        /* epoch [any node may renew for a peer that is cut off]; limit: lease in ms -> ERR_DENIED: fenced;
				  ERR_NOT_FOUND: it is not in c:nodes, the memory was lost: no lease was made, JOIN it again (on_change
				  tells it as well: fresh) */
	REGISTRY_NODES,        /* -> nodes by epoch, with lease_ms left each (0: none) and dead ones */
	REGISTRY_STATE,        /* epoch, node state: for operators and joiners -> ERR_NOT_FOUND, ERR_DENIED: it is dead */
	REGISTRY_FENCE,        /* epoch, votes: succeeds once, iff Redis is not young and: its lease is gone, or `refused` and votes are
				  more than half of those with a lease -> ERR_EXISTS: somebody did, or it left; ERR_DENIED: not yet */
	REGISTRY_LEAVE,        /* epoch: dead from now on, with state NODE_LEFT */
	REGISTRY_HOME_CLAIM,   /* key = bare JID, epoch, hlc, flags (REGISTRY_REPLAY) -> winner, winner_hlc */
	REGISTRY_HOME_RELEASE, /* key, epoch: only if it is ours -> ERR_DENIED: it is another's */
	REGISTRY_BIND,         /* key, resource (not ""), epoch, edge, sid, priority, flags, hlc; limit: resources of an account, 0: any
				  -> ERR_EXISTS: a newer one is there; ERR_LIMIT */
	REGISTRY_UPDATE,       /* key, resource, sid, priority, flags -> ERR_NOT_FOUND; ERR_DENIED: another session has the name */
	REGISTRY_UNBIND,       /* key, resource, sid: only if it is this session -> ERR_DENIED: another session has the name */
	REGISTRY_PURGE,        /* epoch of a dead node, bucket 0..63, limit: accounts (0: 100; a small bucket is always done whole)
				  -> rows: bare, resource ("" for the home), flags; more. ERR_DENIED: it is not dead */
	REGISTRY_PLACE_CLAIM,  /* key = name of a place, epoch, fence: the highest it knows -> winner, fence: who gets it, or has it
				  already, gets another one each time (it grows; the wall time in ms or more); after: that of the last
				  other one that had it, 0: not known; a state that was frozen under an older one is stale */
	REGISTRY_PLACE_RENEW,  /* key, epoch, fence -> ERR_DENIED: it is somebody else's now. An absent one is made again */
	REGISTRY_PLACE_RELEASE,/* key, epoch, fence; edge: the incarnation that has it from now on, 0: nobody -> ERR_DENIED */
	REGISTRY_VERB_COUNT
};

enum {
	REGISTRY_AVAILABLE = 1, REGISTRY_LOCAL = 2, /* flags of a session; at most REGISTRY_FLAGS_MAX */
	REGISTRY_REPLAY = 4,                        /* HOME_CLAIM: see above */
	REGISTRY_FLAGS_MAX = 0xffff,
};

struct registry_node {
	uint32_t epoch;
	uint16_t id, workers;
	uint8_t state, speaks_min, speaks_max;
	bool dead; /* fenced, or left */
	int64_t lease_ms;
	struct str name, addr, version;
};

struct registry_row {
	struct str bare, resource; /* resource "": the home itself */
	uint32_t flags;
	uint32_t edge;             /* the incarnation of its client's node; 0: the same */
};

/* One question. The asker's: it stays until on_done, which is called once, on the asker's worker (by the mesh). The asker fills in what the
 * verb reads; the rest is zero. */
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
	struct registry_node self; /* JOIN; its epoch, id, dead, lease_ms are not read */
	/* out; what is pointed to lives in `arena`, made by the registry when needed, freed by the asker (arena_free) */
	enum err err;
	uint16_t id;               /* JOIN again: in as well */
	uint32_t winner;
	uint64_t winner_hlc, after;
	struct registry_node *nodes;
	struct registry_row *rows;
	unsigned n_nodes, n_rows;
	bool more;
	struct arena *arena;
	uint64_t asked_us;         /* the mesh's, for its statistics */
};

/* ---- Redis as all of the above, on a worker's loop; one thread ---- */

struct registry;
struct redis_options;
struct registry *registry_new(struct worker *w, const struct redis_options *o);
/* Answers what waits with ERR_UNAVAILABLE before it returns. NULL is fine. */
void registry_free(struct registry *r);
void registry_start(struct registry *r);
/* Told on the loop: up (`fresh`: it has lost its memory or is another one, see redis.h: homes and sessions must be registered again), or
 * down. Also told up and fresh when it was up, and a RENEW of what JOINed here was answered ERR_NOT_FOUND. `text`: why it is down, or what
 * is up. */
void registry_on_change(struct registry *r, void (*fn)(void *arg, bool up, bool fresh, const char *text), void *arg);
bool registry_is_up(const struct registry *r);
/* Answered by `done` on this same loop with c's outputs filled, perhaps before this returns (when Redis is away). It neither looks at nor
 * calls c->asker, on_done and arg: who asked from another thread is found by the mesh. */
void registry_ask(struct registry *r, struct registry_call *c, void (*done)(void *arg, struct registry_call *c), void *arg);

struct registry_stats {
	uint64_t calls, failures;  /* failures: not answered, or by an error that is Redis's */
	uint64_t us_sum;           /* from question to answer, of those answered */
	uint64_t reloads;          /* scripts that Redis had forgotten */
	uint64_t ups, freshes;
	unsigned pending;
	char last_error[160];
};
void registry_stats(const struct registry *r, struct registry_stats *out);

/* ---- pure ---- */

/* The bucket of an account or a place in its node's index. */
unsigned registry_bucket(struct str key);
/* And inside that. */
unsigned registry_small_bucket(struct str key);
/* "home-claim" */
const char *registry_verb_name(enum registry_verb v);

#endif
