/*
 * mesh.h: the mesh thread: all ZeroMQ sockets, the registry's connection, and the core that decides. Workers see it through the functions
 * below, which batch: what a worker sends in one pass of its loop to one node travels as one body.
 *
 * A node alone has no mesh, and none of this runs.
 *
 * Sockets: one PULL that binds, one PUSH per peer incarnation that connects; CURVE with one cluster-wide key pair that is derived from the
 * secret, and a ZAP handler that lets exactly this key in. Order: what one worker sends to one node arrives at each worker there in that
 * order.
 */
#ifndef CLUSTER_MESH_H
#define CLUSTER_MESH_H

#include "cluster/core.h"
#include "cluster/registry.h"

struct mesh;
struct redis_options;

struct mesh_options {
	struct core_options core;
	struct str bind;                 /* "tcp://0.0.0.0:7400"; port 0 or *: any, then core.addr is filled in */
	const struct str *seeds;
	unsigned n_seeds;
	bool curve;
	uint8_t secret[32];
	const struct redis_options *redis; /* NULL: no registry (tests) */
	struct worker **workers;         /* workers[i]->index is i; they must outlive the mesh */
	unsigned n_workers;
	/* On the worker's thread. The view is borrowed: ref it to keep it. */
	void (*on_view)(struct worker *w, struct view *v);
	/* A record whose dst_fp belongs to this worker (mesh_worker_of), or one for all workers (dst_fp 0). Borrowed. */
	void (*on_record)(struct worker *w, uint32_t from_epoch, const struct frame_record *r);
	/* The pass's last record of this batch was given. May be NULL. */
	void (*on_batch_end)(struct worker *w);
	/* A record that a dead peer has not acknowledged, or that could not be given to a live one as hard_bytes wait for it already (the
	 * view tells which), given back to the worker that its dst_fp names. Records for all workers (dst_fp 0) are not given back. */
	void (*on_lost)(struct worker *w, uint32_t to_epoch, const struct frame_record *r);
	/* A dead node's registry rows, a chunk at a time, on the worker that owns the account. Borrowed. */
	void (*on_purged)(struct worker *w, uint32_t dead_epoch, const struct registry_row *row);
	/* The registry has lost its memory: what this worker registered (homes, sessions) must be registered again. */
	void (*on_registry_fresh)(struct worker *w);
	/* Any thread: the fingerprint of a bare JID, as dst_fp has it. */
	uint64_t (*fp_of)(void *arg, struct str bare);
	/* On the mesh thread, for the log. */
	void (*on_event)(void *arg, enum core_event e, uint32_t epoch, const char *text);
	void *arg;
};

/* Main thread. `why` gets a sentence when it fails (a bad address, a port that is taken). */
struct mesh *mesh_start(const struct mesh_options *o, struct buf *why);
/* Begins to drain: no new homes are placed here. */
void mesh_drain(struct mesh *m);
/* Takes nothing from the peers any more (core_deafen); `then` on `asker` once it is so: what was taken before is in the workers' mailboxes
 * by then. Else it goes on: workers may send. Not called when the asker ends before. */
void mesh_deafen(struct mesh *m, struct worker *asker, void (*then)(void *arg), void *arg);
/* Any thread: is there anything that workers sent, and peers have not acknowledged? What has not reached the mesh thread yet is in its
 * mailbox (worker_stats). */
bool mesh_owes(const struct mesh *m);
/* Leaves: flushes, tells the peers, then the thread ends and is joined; at most about 3 s. Workers must not send any more. What comes for
 * them after they have stopped, and before this, is lost: mesh_deafen first. */
void mesh_stop(struct mesh *m);
/* What peers connect to: with the port that it bound. */
struct str mesh_addr(const struct mesh *m);
/* Its thread, for the watchdog and worker_stats. */
struct worker *mesh_worker(const struct mesh *m);

/* ---- a worker's thread ---- */

/* Which worker of a node with n workers takes records for fp. */
static inline unsigned mesh_worker_of(uint64_t fp, unsigned n) { return (unsigned)(fp % n); }
/* Queues a record for one node; sent at the end of the pass. To a node that is dead by then: on_lost. ERR_LIMIT: the record does not fit
 * in a frame (FRAME_BODY_MAX), nothing was queued. */
enum err mesh_send(struct mesh *m, struct worker *w, uint32_t epoch, const struct frame_record *r);
/* To every live peer, in one order with what mesh_send sends. */
enum err mesh_broadcast(struct mesh *m, struct worker *w, const struct frame_record *r);
/* Asks the registry; c->asker is set. on_done is never called before this returns; with ERR_UNAVAILABLE when there is no registry, and
 * with ERR_CANCELLED when the mesh or the asker's worker ends meanwhile. */
void mesh_ask(struct mesh *m, struct worker *w, struct registry_call *c);
/* This worker has heard the homes of every peer; when all have: core_synced. */
void mesh_synced(struct mesh *m, struct worker *w);

/* Any thread; a copy made by the mesh thread about once a second. */
struct mesh_stats {
	unsigned n_links;
	struct core_link_stats links[VIEW_NODES_MAX];
	uint64_t records_out, records_in, bodies_out, bodies_in, bytes_out, bytes_in, registry_calls, registry_failures, registry_us_sum;
	uint64_t refused_peers, bad_frames;
	bool registry_ok;
};
void mesh_stats(struct mesh *m, struct mesh_stats *out);

#endif
