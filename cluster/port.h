/*
 * port.h: the workers' ends of the mesh: what a worker sends in one pass is gathered into parcels, one body per peer, and posted to the
 * mesh thread at the pass's end; what comes for a worker is posted to it, each body once, and the worker takes its own records from it.
 *
 * Order: a broadcast and what is sent to single peers keep their order, so each closes the parcels of the other kind that are open.
 *
 * Life: counted, because workers may still have deliveries in their mailboxes when the mesh has ended; after ports_close these say nothing.
 */
#ifndef CLUSTER_PORT_H
#define CLUSTER_PORT_H

#include "cluster/frame.h"
#include "cluster/registry.h"
#include "cluster/view.h"
#include "cluster/worker.h"
#include "proto/base/blob.h"

#define PARCEL_BYTES (64u << 10) /* a parcel is full; a larger record travels alone */

/* A body on its way to the mesh thread; `message.run` there consumes it. */
struct parcel {
	struct message message;
	struct parcel *next;
	uint32_t epoch; /* 0: every peer */
	uint32_t nrec;
	struct buf buf; /* until it is posted */
	struct blob *body;
};

/* Called on the worker's thread. As in mesh_options. */
struct port_calls {
	void (*on_view)(struct worker *w, struct view *v);
	void (*on_record)(struct worker *w, uint32_t from_epoch, const struct frame_record *r);
	void (*on_batch_end)(struct worker *w);
	void (*on_lost)(struct worker *w, uint32_t to_epoch, const struct frame_record *r);
	void (*on_purged)(struct worker *w, uint32_t dead_epoch, const struct registry_row *row);
	void (*on_registry_fresh)(struct worker *w);
};

struct ports;

/* `take` runs on the mesh's worker for each parcel: parcel_free at its end; when cancelled, only that. */
struct ports *ports_new(struct worker **workers, unsigned n, const struct port_calls *calls, struct worker *mesh,
			void (*take)(struct worker *mesh, struct message *parcel, bool cancelled));
/* Nothing is told or taken from then on; the memory goes with the last delivery. */
void ports_close(struct ports *ps);
void parcel_free(struct parcel *p);

/* ---- a worker's thread ---- */

/* Queues a record for a peer, 0: for all. ERR_LIMIT: larger than a frame. */
enum err port_add(struct ports *ps, struct worker *w, uint32_t epoch, const struct frame_record *r);
/* Our epoch in the last view that this worker was told of. */
uint32_t port_self(const struct ports *ps, const struct worker *w);

/* ---- the mesh thread ---- */

void ports_view(struct ports *ps, struct view *v);
/* A body, to those workers that have records in it: from a peer, or (`lost`) given back. A reference is taken where needed. */
void ports_deliver(struct ports *ps, bool lost, uint32_t epoch, struct blob *body);
void ports_registry_fresh(struct ports *ps);
/* A row of a dead node's, to the worker that owns fp; gathered until ports_purged_end. */
void ports_purged(struct ports *ps, uint64_t fp, uint32_t dead_epoch, const struct registry_row *row);
void ports_purged_end(struct ports *ps);

#endif
