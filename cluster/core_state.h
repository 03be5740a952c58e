/*
 * core_state.h: what is inside a core, for the files that make it up; nobody else includes it.
 *
 *   core.c        the verbs of core.h, the dispatch of frames, time
 *   core_peer.c   slots: who is known, what we believe of them, who is dead; the view
 *   core_path.c   how frames get to a peer: directly, through a third node, or not now; HELLO, replay
 *   core_talk.c   what peers say: one function per type of frame
 *   core_wire.c   the bodies of frames other than DATA: bytes to values and back
 *   core_lease.c  what the registry is asked, and what its answers change
 *   core_vote.c   silence, votes, fences, isolation, clocks
 *
 * A path to a peer, one direction; each side looks after its own:
 *
 *   NONE -HELLO_ACK to a direct HELLO-> DIRECT -disconnected, or it says that it does not hear us, or silent-> NONE
 *   NONE -HELLO_ACK to a HELLO through a third node-> RELAY -the direct one answers-> DIRECT
 *   RELAY -the third node is gone, or does not reach it-> NONE
 *
 * Each way out of NONE replays what the peer had not taken. `gen` numbers the paths, so that an answer to an older HELLO opens nothing.
 *
 * What we believe of a peer (struct core_peer.state) is said by one function, core_peer_believe; DEAD and LEFT are final.
 */
#ifndef CLUSTER_CORE_STATE_H
#define CLUSTER_CORE_STATE_H

#include "cluster/hlc.h"
#include "cluster/core.h"
#include "cluster/link.h"
#include "proto/base/buf.h"

#define CORE_DEAD_MAX    256        /* incarnations that we remember to be gone */
#define CORE_GOSSIP_DEAD 64         /* of them, the newest are told to others */
#define CORE_SEEDS_MAX   16
#define CORE_BURY_MS     10000      /* a dead peer keeps its slot so long: to be named, and told that it is dead */
#define CORE_JANITOR_MS  600000     /* who fenced in this time and dies has perhaps not purged */
#define CORE_WHO_MS      5000       /* until it is heard who fenced */
#define CORE_NEWS_MS     20000
#define CORE_FOUND_DEAD  8          /* so many of the dead that a joiner finds may not be purged */
#define CORE_LEAVE_MS    2000       /* for what is retained; then 1 s to be heard */
#define CORE_SKEW_MS     5000

/* What a node says of another, in its PING. */
enum {
	SAYS_HEARS = 1,    /* directly */
	SAYS_REACHES = 2,  /* directly, both ways */
	SAYS_SUSPECT = 4,  /* silent for suspect_ms, whatever the way */
	SAYS_REFUSED = 8,  /* nobody listens at its address, and it is silent */
	SAYS_GONE = 16     /* silent for a lease */
};

enum { CORE_DRAIN_LEFT = 1, CORE_DRAIN_HEARD = 2 }; /* flags of DRAIN */

struct core_says {
	uint32_t epoch;
	uint8_t flags;
};

enum core_path { PATH_NONE, PATH_DIRECT, PATH_RELAY };

struct core_peer {
	bool used, opened, connected, blocked;
	uint32_t epoch;                /* 0: a seed's connection, of which nothing is known yet */
	uint64_t birth;                /* as it says in HELLO; 0: not heard yet */
	uint16_t id, workers;
	uint8_t min, max, speaks;
	uint8_t said;                  /* its state, as it says (or the registry does) */
	uint8_t state;                 /* enum node_state: what we believe */
	bool met;                      /* it has said what it is */
	bool knows_us;                 /* it has said HELLO to this incarnation of ours */
	bool incompatible;
	bool deaf;                     /* it ends, and takes nothing any more */
	bool full, slow, stuck;        /* the window to it; full since: */
	uint64_t full_ms;
	uint8_t seed, seed_echo;       /* 1 + index of our seed; of its seed that led to us */
	char name[VIEW_NAME_MAX], addr[VIEW_ADDR_MAX], version[32];
	/* to it */
	enum core_path path;
	uint32_t via, gen;
	uint64_t hello_at, hello_wait, path_ms;
	bool answer_hello;             /* its HELLO waits for a HELLO_ACK: */
	uint32_t answer_gen, answer_via;
	struct link_out out;
	uint64_t stall_acked, stall_ms, stall_wait;
	/* from it */
	struct link_in in;
	bool ack_due;
	uint64_t gap_told, gap_ms, introduced_ms;
	uint64_t heard_ms, direct_ms, ping_ms; /* any frame; a direct one; a PING; 0: none yet */
	bool redis_ok, skew_known;
	int64_t skew_ms;
	uint64_t digest;
	uint32_t echo_token;
	uint64_t echo_ms, rtt_us;
	struct core_says says[VIEW_NODES_MAX];
	unsigned n_says;
	/* its life */
	bool suspect, lease_gone, usurped, predecessor; /* a younger incarnation has its address; it is ours */
	uint64_t refused_at[3];
	bool refused, fence_unsure;    /* our FENCE was not answered */
	uint8_t voted;
	uint64_t fence_at, proxy_at, dead_ms;
	bool left_told;
	uint64_t sent_frames, sent_bytes, taken_frames, replayed_frames, high_seq;
};

struct core_dead {
	uint32_t epoch, by;            /* by: who fenced it; 0: not known */
	bool left, tell, unsure;       /* tell: the registry does not know it yet; unsure: an answer of it was lost */
	bool fenced;                   /* the registry says so: it left, and had no registry to tell it */
	uint32_t votes;
	uint64_t ms, tell_at;
};

struct core_seed {
	char addr[VIEW_ADDR_MAX];
	uint32_t epoch;                /* who is there; 0: not known */
	bool ours;
};

struct core_ask {
	struct registry_call call;
	bool busy;
	uint64_t at;                   /* when it may be asked next */
};

struct core_member {
	uint32_t epoch;
	uint16_t id, workers;
	uint8_t state, min, max;
	struct str name, addr, version;
};
/* What HELLO and PING tell of others: the members (PING only when digests differ), and who is dead (PING only the news). */
struct core_gossip {
	struct core_member members[VIEW_NODES_MAX + 1];
	unsigned n;
	struct { uint32_t epoch, by; bool left; } dead[CORE_GOSSIP_DEAD];
	unsigned n_dead;
};
struct core_hello {
	struct core_member self;
	uint32_t gen, via;
	uint64_t birth, yours;         /* of this incarnation, of the one addressed (0: not known): two with one number are told apart */
	bool redis_ok;
	uint8_t seed, seed_echo;
};
struct core_ping {
	uint8_t state;
	bool redis_ok, deaf;
	int64_t wall_ms;
	uint64_t digest;
	uint32_t token, echo, echo_held_ms;
	struct core_says says[VIEW_NODES_MAX];
	unsigned n_says;
};
struct core {
	struct core_options o;
	char name[VIEW_NAME_MAX], addr[VIEW_ADDR_MAX], version[32];
	struct core_out out;
	struct rng *rng;
	uint64_t now, last_tick, next_ping;
	int64_t wall;
	bool started;
	uint32_t epoch, seen_epoch;    /* ours; the greatest heard of */
	uint16_t id;
	uint8_t state;
	bool draining, deaf, leaving, gone, joined_once;
	bool registry_ok, registry_known, dirty, ping_now, state_told, again; /* again: JOIN as the same incarnation */
	uint64_t birth, join_token, join_wait, safe_ms, leave_ms, left_ms, left_again;
	bool leave_asked, skew_told;
	struct core_peer *peers;       /* VIEW_NODES_MAX */
	unsigned n_slots;              /* all used ones are below */
	struct core_dead dead[CORE_DEAD_MAX];
	unsigned n_dead, next_dead;
	struct core_seed seeds[CORE_SEEDS_MAX];
	unsigned n_seeds;
	struct core_ask join, renew, nodes, proxy, fence, tell, leave, told_state;
	uint8_t state_asked;
	struct view *last;
	struct buf scratch, wrap;
	struct core_gossip told, heard; /* while a frame is written or read */
};

/* ---- core_wire.c ---- */

void core_write_hello(struct buf *b, const struct core_hello *h, const struct core_gossip *g);
MUST_CHECK enum err core_read_hello(struct str body, struct core_hello *h, struct core_gossip *g);
void core_write_ping(struct buf *b, const struct core_ping *p, const struct core_gossip *g);
MUST_CHECK enum err core_read_ping(struct str body, struct core_ping *p, struct core_gossip *g);
void core_write_answer(struct buf *b, uint32_t gen, uint32_t via);
MUST_CHECK enum err core_read_answer(struct str body, uint32_t *gen, uint32_t *via);
void core_write_remap(struct buf *b, uint32_t epoch, uint32_t by);
MUST_CHECK enum err core_read_remap(struct str body, uint32_t *epoch, uint32_t *by);
/* Letters that may go into a log line and an address. */
bool core_text_ok(struct str s, size_t max);

/* ---- core_peer.c ---- */

struct core_peer *core_peer_find(struct core *c, uint32_t epoch);
/* A slot for an incarnation that we hear of; the one that is there. NULL: it is us, known to be gone, or there is no room. */
struct core_peer *core_peer_add(struct core *c, const struct core_member *m);
/* Its own word on where it is. */
void core_peer_readdress(struct core *c, struct core_peer *p, const struct core_member *m);
/* Takes part, as far as we know, and can be talked to. */
bool core_peer_alive(const struct core_peer *p);
/* DEAD or LEFT: for ever. */
static inline bool core_peer_gone(const struct core_peer *p) { return p->state == NODE_DEAD || p->state == NODE_LEFT; }
/* Heard of lately, on any way. */
bool core_peer_heard(const struct core *c, const struct core_peer *p);
bool core_peer_hears_directly(const struct core *c, const struct core_peer *p);
/* What p says of that epoch; 0 when it has said nothing lately. */
uint8_t core_peer_says(const struct core *c, const struct core_peer *p, uint32_t epoch);
/* What is retained goes back through `lost`. */
void core_peer_orphan(struct core *c, struct core_peer *p);
/* It says that it takes nothing any more: what it has not acknowledged by then, it never took. That goes back now. */
void core_peer_deaf(struct core *c, struct core_peer *p);
/* It is gone: dead, or it left. `by`: who fenced it, 0: not known. */
void core_peer_dead(struct core *c, uint32_t epoch, bool left, uint32_t by);
struct core_dead *core_dead_find(struct core *c, uint32_t epoch);
struct core_dead *core_dead_add(struct core *c, uint32_t epoch, bool left, uint32_t by);
/* Those dead whose purge nobody is known to be at. */
void core_inherit_purges(struct core *c);
void core_peer_release(struct core *c, struct core_peer *p);
/* Its state in our eyes anew. */
void core_peer_believe(struct core *c, struct core_peer *p);
void core_peer_incompatible(struct core *c, struct core_peer *p);
void core_gossip_fill(const struct core *c, struct core_gossip *g, bool all);
void core_gossip_take(struct core *c, const struct core_gossip *g, uint32_t teller);
/* Who fenced it: that node itself knows best. */
void core_dead_by(struct core *c, uint32_t epoch, uint32_t by, uint32_t teller);
uint64_t core_digest(const struct core *c);
void core_set_state(struct core *c, uint8_t state);
void core_seeds_tick(struct core *c);
void core_view(struct core *c);
void core_event(struct core *c, enum core_event e, uint32_t epoch, const char *fmt, ...) PRINTF_LIKE(4, 5);
static inline unsigned core_slot(const struct core *c, const struct core_peer *p) { return (unsigned)(p - c->peers); }

/* ---- core_path.c ---- */

/* Puts a frame on the way that is open; false: none is, or it takes nothing now. */
bool core_put(struct core *c, struct core_peer *p, enum frame_type type, uint16_t flags, struct str body);
/* The same on all ways that might work: for what opens ways. */
bool core_put_any(struct core *c, struct core_peer *p, enum frame_type type, uint16_t flags, struct str body);
/* On the connection itself. */
bool core_put_direct(struct core *c, struct core_peer *p, const struct frame *f);
void core_path_open(struct core *c, struct core_peer *p);
void core_path_none(struct core *c, struct core_peer *p);
/* HELLO_ACK: the peer has taken all up to `last`. */
void core_path_answered(struct core *c, struct core_peer *p, uint32_t gen, uint32_t via, uint64_t last);
void core_path_hello(struct core *c, struct core_peer *p);
void core_path_answer(struct core *c, struct core_peer *p);
void core_path_tick(struct core *c, struct core_peer *p);
void core_path_pump(struct core *c, struct core_peer *p);
void core_path_ack(struct core *c, struct core_peer *p);
void core_ping(struct core *c, struct core_peer *p);
void core_ping_all(struct core *c);
void core_path_full(struct core *c, struct core_peer *p);
/* It is full and at its ceiling: as bad as silent. */
void core_path_stuck(struct core *c, struct core_peer *p);

/* ---- core_talk.c ---- */

void core_talk(struct core *c, struct str bytes, uint32_t relayed_by);
void core_remap_all(struct core *c, uint32_t epoch, uint32_t by);

/* ---- core_lease.c ---- */

void core_lease_tick(struct core *c);
void core_lease_answered(struct core *c, struct core_ask *a);
void core_fence_ask(struct core *c, uint32_t epoch, uint32_t votes, bool refused);
/* We are dead in others' eyes (or must be): begin anew under another number. */
void core_fenced(struct core *c, const char *why);

/* ---- core_vote.c ---- */

uint8_t core_vote_of(const struct core *c, const struct core_peer *p);
void core_vote_tick(struct core *c);
void core_refused(struct core *c, struct core_peer *p);

#endif
