/*
 * fleet.h: this node as one of several that form one service (cluster/homes.h has the rules).
 *
 * Each worker knows the homes of the accounts that it owns; so whatever arrives for an account comes to its worker first, as on a node
 * alone, and goes on to another node from there if the account's home is elsewhere. Eight files share the work:
 *
 *   fleet      records out and in, the view, what is lost with a node, the registry
 *   fan        one stanza for many who are at home on the same node goes there once
 *   detour     what waits while a home moves
 *   jam        what is not sent to a node that takes too little
 *   rein       who floods somebody on another node is not read
 *   leash      how far a sender may be ahead of another node
 *   far        at home: sessions whose clients are connected to other nodes
 *   edge       where the client is (stream/edge.h): streams whose sessions live elsewhere
 *
 *   client --stanza--> edge --UP--> far session ... router ... --STANZA--> recipient's home ... far session --DOWN--> edge --> client
 *
 * A node alone has no fleet: nw->fleet is NULL, and all homes are here.
 */
#ifndef NODE_CORE_FLEET_H
#define NODE_CORE_FLEET_H

#include <pthread.h>

#include "cluster/homes.h"
#include "cluster/mesh.h"
#include "cluster/places.h"
#include "node/core/node.h"

/* Kinds of records; dst_fp is the account's, dst_sid that of the session (or of the edge) at the receiver's. */
enum fleet_kind {
	FLEET_STANZA = HOMES_KIND_COUNT, /* xml, for an account or one of its resources; osm, oseq: its sender's name and epoch (rein.h) or
					    0; dst_sid: through whom it went (cluster/ways.h) */
	FLEET_BIND,     /* edge -> home. to: full JID; from: the client's address, oseq: its port; rule: transport; osm: when (hlc);
			   dst_sid: the edge's; xml: a frozen state (freeze.h), empty for a new session; FRAME_REROUTED: it is an old one */
	FLEET_BOUND,    /* home -> edge. osm: the session's sid, 0: refused, with the stanza error in rule (0: its home is not here). To a
			   RESUME: to: full JID; oseq: stanzas handled; xml: when it was bound (u64 LE); refused: xml: as oseq (u32 LE) */
	FLEET_UP,       /* edge -> home. xml: what the client sent, or nothing: come back; osm: the edge's sid, should it come back;
			   rule: enum fleet_up */
	FLEET_DOWN,     /* home -> edge. xml: for the client; rule: its kind (outlet.h); osm: the session's sid; from, oseq: whose it is:
			   a name (u64 LE) and its epoch (rein.h), or nothing */
	FLEET_HOLD, FLEET_RELEASE, /* home -> edge: do not read the client; do */
	FLEET_PAUSE,    /* home -> edge: not for oseq ms */
	FLEET_CLOSE,    /* home -> edge: the session is gone, or goes on elsewhere. rule: stream error; xml: text; from: more of it */
	FLEET_GONE,     /* edge -> home: the client is gone. rule: 1: lost, 0: it has ended its stream; osm: the edge's sid */
	FLEET_STATE,    /* home -> edge. xml: the session's state, to come back with */
	FLEET_REHOME,   /* home -> edge: the session lives here no more. xml: its state */
	FLEET_STALE,    /* to every worker. to: a host; from: a feature's name; xml: what it says (telling.h); none: it is stale */
	FLEET_CALL,     /* a command for the node. osm: the asker's number for it; xml: JSON (ctl/relay.c) */
	FLEET_ANSWER,
	FLEET_BORN,     /* to: a bare JID: an account was made (birth.h) */
	FLEET_BURY,     /* to: a full JID that was at home on a dead node, with its client: its contacts hear */
	FLEET_CROWD,    /* to every worker. xml: a message for everybody who is there on a host; to: the host; rule, osm: crowd.h */
	FLEET_BACK,     /* home -> edge. An UP for a session that is not here any more. osm: that session's sid */
	FLEET_FAN,      /* STANZA for many accounts of one worker (fan.h). xml: the stanza, to the first; to: the others (addressees.h);
			   dst_sid: as there */
	FLEET_RESUME,   /* edge -> home, as BIND. to: bare JID; osm: h; xml: previd (XEP-0198 section 5); FRAME_REROUTED: it was asked often
			   enough: whatever is under way */
	FLEET_BRAKE,    /* to the sender's home. dst_sid: a session, not read for oseq ms more, 0: read on; osm: whose worker says so
			   (rein.h) */
	FLEET_PLACE,    /* and those after it: the kinds of places.h (placing.h). Not to a node that speaks less than PLACES_PROTOCOL */
	FLEET_ECHO = FLEET_PLACE + PLACES_KIND_COUNT, /* answered where it comes to; osm: the asker's number of it (leash.h) */
	FLEET_ECHOED,   /* osm: as in ECHO */
	FLEET_CHOKE,    /* edge -> home. The client's output takes no more (outlet.h), if `rule` is 1, or does again; osm: the edge's sid.
			   Not to a node that speaks less than FLEET_CHOKES */
	FLEET_KIND_COUNT
};

#define FLEET_CHOKES 4
#define FLEET_SM 2 /* the protocol's version that has stream management: RESUME, words, counts */

/* What a client sent. */
enum fleet_up {
	FLEET_UP_STANZA,
	FLEET_UP_WORD,     /* an element of stream management */
	FLEET_UP_ANSWERED  /* a stanza that the edge has answered itself: it counts, no more */
};

struct far;
struct ghost;
struct burial;
struct fans;
struct jam;
struct reins;
struct leashes;
struct edge;
struct relay_pending;
struct fleet_lost;
struct retelling;

/* Of a worker. */
struct fleet_worker {
	struct node_worker *nw;
	struct homes *homes;
	struct view *view;           /* NULL until the first */
	struct far *fars;
	struct fans *fans;           /* on their way out (fan.h) */
	struct jam *jam;             /* what waits for slow nodes (jam.h) */
	struct reins *reins;         /* rein.h */
	struct leashes *leashes;     /* leash.h */
	struct ghost *ghosts;        /* ghost.h */
	struct burial *burials, **burials_end;
	size_t n_ghosts, n_burials;
	struct timer bury;
	struct relay_pending *pending; /* questions to other nodes (ctl/relay.h) */
	struct map edges;            /* the 8 bytes of an edge's sid -> struct edge */
	struct map seeking;          /* the 8 bytes of an account's fingerprint -> the first edge that waits for its home */
	struct fleet_lost *lost, **lost_end; /* came back from a dead node: until the view tells who has its place */
	_Atomic unsigned n_lost;     /* main looks */
	struct retelling *retelling; /* fleet_register_all, under way */
	struct reunion *reunion;     /* reunion.h */
	bool apart;                  /* taken for dead, and not back yet */
	struct timer tick;
	struct timer empty;          /* drain.h */
	unsigned empty_rate;         /* streams a step */
	uint64_t empty_since_ms;     /* the worker's clock */
	bool serving, leaving;
	/* homes_stats, for whoever scrapes */
	_Atomic uint64_t told_entries, told_own, told_bytes, told_mismatches, told_conflicts, told_echoes, told_hurried;
};

/* Of the node. */
struct fleet {
	struct node *node;
	_Atomic(struct mesh *) mesh; /* from fleet_start to fleet_stop; written under `lock` */
	struct arena *arena;
	_Atomic uint64_t clock;      /* cluster/hlc.h */
	_Atomic unsigned state;      /* enum node_state, as last seen by the first worker */
	_Atomic bool registry_ok;    /* as `state` */
	_Atomic uint64_t isolated_ms; /* monotonic: since when it is ISOLATED; 0: it is not */
	pthread_mutex_t lock;        /* of `view` */
	struct view *view;           /* the latest that the first worker has seen */
	_Atomic bool drains, ends_empty; /* drain.h */
	struct timer look;           /* main's, while it drains */
	uint64_t alone_ms;           /* main's: since when only sessions without a stream are left */
};

/* ---- main thread ---- */

void fleet_register(struct config_schema *s);
/* What this node is called among the others: cluster.name, or the machine's name, put into `space`. A node alone: absent. */
struct str fleet_name(const struct config *c, char space[VIEW_NAME_MAX]);
/* Whether the configuration wants one: then the keys that all nodes share are read into n, and n->fleet is there. */
MUST_CHECK enum err fleet_make(struct node *n, const struct config *c, struct buf *why);
/* After the workers have begun. */
MUST_CHECK enum err fleet_start(struct node *n, struct buf *why);
/* No more homes are placed here. */
void fleet_drain(struct node *n);
/* The node ends: nothing is taken from other nodes any more, which keep it; `then` on this thread when it is so. False: there is no fleet,
 * and `then` is not called. */
bool fleet_deafen(struct node *n, void (*then)(void *arg), void *arg);
/* How much is on its way to other nodes, or has come back and waits to be sent elsewhere; and the thread that does it, NULL without. */
uint64_t fleet_waiting(const struct node *n);
const struct worker *fleet_mesh_thread(const struct node *n);
/* When the workers have stopped. */
void fleet_stop(struct node *n);
void fleet_free(struct node *n);
/* Any thread; yours; NULL before the first. */
struct view *fleet_view(struct fleet *f);
/* NULL: this node serves; else why not: "joining: Redis does not answer", "syncing", "draining", "isolated". */
const char *fleet_problem(const struct node *n);

/* ---- a worker's thread ---- */

/* Isolated for so long that nobody new is let in: he would be at home here and elsewhere. */
bool fleet_is_cut_off(const struct node_worker *nw);
struct fleet_worker *fleet_worker_new(struct node_worker *nw);
/* On its thread. */
void fleet_worker_start(struct fleet_worker *fw);
void fleet_worker_free(struct fleet_worker *fw);

static inline uint64_t fleet_fp(const struct node_worker *nw, struct str bare) { return str_hash(bare, nw->node->hash_key); }
/* The cluster's clock (cluster/hlc.h): later than all that this node, or whoever told it something, has done. */
uint64_t fleet_now(struct fleet_worker *fw);
static inline struct frame_record fleet_record(enum fleet_kind kind, uint64_t fp, uint64_t sid)
{
	return (struct frame_record){ .kind = (uint8_t)kind, .ttl = FRAME_TTL, .dst_fp = fp, .dst_sid = sid };
}
void fleet_send(struct node_worker *nw, uint32_t epoch, const struct frame_record *r);
/* With the stanza as xml: how long it is. */
size_t fleet_send_stanza(struct node_worker *nw, uint32_t epoch, struct frame_record *r, const struct stanza *st);
/* The same for fan.c: what is open there stays open. */
size_t fleet_put_stanza(struct node_worker *nw, uint32_t epoch, struct frame_record *r, const struct stanza *st);
/* The stanza in a record; NULL, and a line in the log, when there is none. */
struct stanza *fleet_stanza(struct node_worker *nw, const struct frame_record *r);
/* What a client sent to, or should have got from, a session that is no more: it goes on as if it came now. */
void fleet_orphan(struct node_worker *nw, const struct frame_record *r);
/* Is the recipient's home elsewhere? Then the stanza (consumed) goes there. So is it consumed when it must wait (detour.h). Else nothing
 * is. */
bool fleet_forwards(struct node_worker *nw, struct stanza *st);
/* What waited: to the recipient's home, here or elsewhere. Consumes st. `ttl`, `passed`: as in detour.h. */
void fleet_move_on(struct node_worker *nw, uint8_t ttl, uint64_t passed, struct stanza *st);
/* The account that a record names is the one whose worker it came to. A node with a bug must not bring accounts to workers that do not own
 * them. */
static inline bool fleet_is_for(const struct node_worker *nw, const struct frame_record *r, const struct jid *to)
{
	return fleet_fp(nw, jid_bare_str(to)) == r->dst_fp;
}
/* The highest version of the protocol that a node and this one speak; 0: it is not known. */
unsigned fleet_speaks(const struct fleet_worker *fw, uint32_t epoch);
/* Do all nodes that take part speak it? */
bool fleet_all_speak(const struct fleet_worker *fw, unsigned version);
/* The account's home if it is another node, else 0. */
uint32_t fleet_elsewhere(struct node_worker *nw, struct str bare);
#define FLEET_FULL_MS 50 /* how long a client is not read whose stanzas fill the way to a node */
bool fleet_is_full(const struct node_worker *nw, uint32_t epoch);
/* It has been full for seconds (jam.h). */
bool fleet_is_slow(const struct node_worker *nw, uint32_t epoch);
/* The sender, wherever its client is, is not read for a while. Consumes nothing. */
void fleet_slow(struct node_worker *nw, const struct jid *full, uint32_t for_ms);
/* The same, when the way to that node is full. */
void fleet_slow_if_full(struct node_worker *nw, uint32_t epoch, const struct jid *sender);
/* The account's sessions go where its home is now, or where that is found to be, and are announced there. The user may be gone then. */
void fleet_send_away(struct user *u);
/* Nothing of the account is here any more: called as its struct user goes. */
void fleet_user_gone(struct user *u);
/* For the registry. Bound: also when its client has gone, or has come back by another way: the registry knows at which node it is. */
void fleet_session_bound(struct session *s);
void fleet_session_presence(struct session *s);
void fleet_session_gone(struct session *s);
/* To all workers of all other nodes. */
void fleet_broadcast(struct node_worker *nw, const struct frame_record *r);
/* The node leaves, and serves on those that it must: sessions of clients on other nodes go there, if they can (far.h). Again and again, as
 * more can. */
void fleet_leave(struct node_worker *nw);
/* The node ends: all of them go. */
void fleet_farewell(struct node_worker *nw);

/* ---- between fleet.c and fleet_setup.c ---- */

void fleet_hooks(struct fleet *f, struct mesh_options *o);
/* What must be the same on all nodes, as clients see it: n->secret. */
void fleet_service_secret(struct node *n);

/* ---- fleet_registry.c ---- */

void fleet_claim(struct fleet_worker *fw, struct str bare, uint64_t fp, uint64_t hlc);
void fleet_release(struct fleet_worker *fw, struct str bare);
/* REGISTRY_PLACE_*: the answer goes to places.h. */
void fleet_place(struct fleet_worker *fw, enum registry_verb verb, struct str name, uint64_t fence, uint32_t heir);
/* It has lost its memory, or knows us by another name: all that is ours is told again. */
void fleet_register_all(struct fleet_worker *fw);
void fleet_register_free(struct retelling *r);

#endif
