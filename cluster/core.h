/*
 * core.h: one node's part in the cluster as a pure state machine: who is there, the links to them, who is dead. No sockets, threads or
 * clock: events come in with the time, what is to be done goes out through struct core_out. The same code runs in the mesh thread
 * (mesh.h) and, many times over, in the simulator (tests/cluster/sim).
 *
 * It carries opaque bodies (runs of frame.h records) from node to node: once, in order, whatever the connections do, while both
 * incarnations live; when one dies, what it had not acknowledged is handed back (lost). It does not know what the records say.
 *
 * A *slot* is a peer incarnation that we know, for as long as we know it: an index below VIEW_NODES_MAX. Ceilings: see core_options.
 */
#ifndef CLUSTER_CORE_H
#define CLUSTER_CORE_H

#include "cluster/frame.h"
#include "cluster/registry.h"
#include "cluster/view.h"
#include "proto/base/blob.h"
#include "proto/base/rng.h"

#define CORE_PROTOCOL_MIN 1
/* 2: places (places.h), records for many accounts (node/core/fan.h), stream management (node/core/fleet.h). 3: echoes (ways.h).
 * 4: echoes of places, states that are declined (places.h), echoes of what is under way to an account (node/core/leash.h) */
#define CORE_PROTOCOL_MAX 4

struct core;

struct core_options {
	struct str name, addr, version; /* ours; addr is what peers connect to */
	uint16_t workers;
	uint8_t protocol_min, protocol_max; /* 0: CORE_PROTOCOL_*; a test speaks one more */
	/* Times in ms; 0: the default in brackets. */
	uint32_t ping_ms;       /* [500] */
	uint32_t suspect_ms;    /* [2000] silence until SUSPECT */
	uint32_t renew_ms;      /* [2000] */
	uint32_t lease_ms;      /* [8000] */
	uint32_t isolated_ms;   /* [6000] without registry and majority */
	uint32_t slow_ms;       /* [5000] a window is full until the peer is called slow */
	uint32_t stuck_ms;      /* [15000] until it is SUSPECT */
	size_t window_bytes;    /* [8 MiB] retained per peer: full */
	size_t window_frames;   /* [4096] */
	size_t hard_bytes;      /* [64 MiB] past it core_send refuses, and the peer is SUSPECT */
	bool checksum;          /* frames carry a CRC: CURVE is off */
	_Atomic uint64_t *clock; /* hlc.h, the node's: frames carry it; NULL: none */
};

enum core_event {
	CORE_JOINED, CORE_PEER_SEEN, CORE_PEER_UP, CORE_PEER_SUSPECT, CORE_PEER_DEAD, CORE_PEER_LEFT, CORE_FENCED, CORE_ISOLATED,
	CORE_HEALED, CORE_REGISTRY_DOWN, CORE_REGISTRY_UP, CORE_BAD_FRAME, CORE_RELAYING, CORE_CLOCK_SKEW,
	CORE_INCOMPATIBLE, /* a peer that speaks no protocol version of ours: it is not linked and takes no part for us */
	CORE_PEER_SLOW,    /* the window to it has been full for slow_ms, or is not any more */
	CORE_PEER_REFUSED, /* the mesh's, not the core's: somebody knocked who has not our secret */
	CORE_EVENT_COUNT
};

/* What the core wants done. Called inside the functions below; none may call back into the core. */
struct core_out {
	void *arg;
	/* A connection to a peer's address for this slot, kept up until closed; closing discards what it holds. */
	void (*open)(void *arg, unsigned slot, struct str addr);
	void (*close)(void *arg, unsigned slot);
	/* One frame, whole. False: the connection takes nothing now; core_writable follows. Borrowed for the call. */
	bool (*send)(void *arg, unsigned slot, struct str header, struct str body);
	/* A question for the registry, answered later by core_answered with the same pointer: always, also before core_free. `asker`,
	 * `on_done` and `arg` are for whoever runs the core. */
	void (*ask)(void *arg, struct registry_call *c);
	/* A body from a peer, in its order, once. */
	void (*take)(void *arg, uint32_t from_epoch, uint32_t nrec, struct str body);
	/* Bodies that a peer that is dead now, or left, had not acknowledged, oldest first; before the view that says so. When it is we who
	 * were fenced, or leave: those of all peers. It may have taken them: only its acknowledgement is missing. And those that a peer has
	 * not taken which lives, and takes nothing any more; broadcasts among them. */
	void (*lost)(void *arg, uint32_t to_epoch, struct blob *body);
	/* A new view; the reference is the taker's. */
	void (*view)(void *arg, struct view *v);
	/* For the log and the counters. `epoch` is the peer's, or ours. */
	void (*event)(void *arg, enum core_event e, uint32_t epoch, const char *text);
	/* An incarnation is dead and we fenced it: what it has in the registry is ours to purge. (Or who fenced it died itself since.) */
	void (*janitor)(void *arg, uint32_t dead_epoch);
};

struct core *core_new(const struct core_options *o, const struct core_out *out, struct rng *rng);
void core_free(struct core *c);

/* ---- events ---- */

/* Begins to join. Then at least every core_next_ms. now_ms is monotonic, wall_ms is UTC. */
void core_start(struct core *c, uint64_t now_ms, int64_t wall_ms);
void core_tick(struct core *c, uint64_t now_ms, int64_t wall_ms);
/* When core_tick wants to be called at the latest. */
uint64_t core_next_ms(const struct core *c);
/* A peer that is not in the registry yet, or cannot be asked for: an address to say HELLO to. */
void core_seed(struct core *c, struct str addr);
void core_connected(struct core *c, unsigned slot);
/* `refused`: nobody listens there. */
void core_disconnected(struct core *c, unsigned slot, bool refused);
void core_writable(struct core *c, unsigned slot);
/* One frame from the one socket that receives; who sent it is in its header. */
void core_frame(struct core *c, struct str bytes);
void core_answered(struct core *c, struct registry_call *answer);

/* ---- what the node wants ---- */

/* A body for a peer; a reference is taken. ERR_NOT_FOUND: no such live incarnation, or it takes nothing any more, or we have none;
 * ERR_LIMIT: hard_bytes are retained; ERR_INVALID: no records, more than FRAME_RECORDS_MAX, or more than FRAME_BODY_MAX bytes. */
MUST_CHECK enum err core_send(struct core *c, uint32_t epoch, struct blob *body, uint32_t nrec);
/* To every live peer, whatever its state; invalid ones as above go to none. When a quarter more than hard_bytes are retained for a peer
 * that lives and cannot be reached, we can no longer promise to tell it everything: we begin anew as another incarnation (CORE_FENCED). */
void core_broadcast(struct core *c, struct blob *body, uint32_t nrec);
/* All that was given is on its way at the end of a pass: sends what waits, and bare acknowledgements. */
void core_flush(struct core *c);
/* The same without bare acknowledgements. True: one is due; what is sent soon may carry it, else core_flush does. */
bool core_pump(struct core *c);
/* The workers have heard the homes of all peers: SYNCING becomes UP. */
void core_synced(struct core *c);
/* No new work is placed here. */
void core_drain(struct core *c);
/* Nobody is left here who would handle what comes, or soon nobody is: from now on bodies are neither taken nor acknowledged, in this
 * incarnation or another. The peers hear of it with our next PING, and take back what they had for us (`lost`), as they do without it when
 * they hear that we have left. All else goes on: what we send is taken, acknowledged and given back as before. */
void core_deafen(struct core *c);
/* No live peer has yet to acknowledge anything. */
bool core_all_is_taken(const struct core *c);
/* After both: waits a while until all is taken, then tells everybody; core_is_gone is true once they know, or after a while. */
void core_leave(struct core *c);
bool core_is_gone(const struct core *c);

/* ---- for list_cluster and metrics ---- */

struct core_link_stats {
	uint32_t epoch;
	uint64_t retained_bytes, retained_frames, sent_frames, sent_bytes, taken_frames, replayed_frames, silent_ms, rtt_us;
	bool direct, relayed;
};
unsigned core_links(const struct core *c, struct core_link_stats *out, unsigned max);

#endif
