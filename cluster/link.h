/*
 * link.h: one direction of a link between two nodes, made reliable above a transport that loses what is under way when a connection
 * breaks. Pure: no sockets, no clock. CLUSTER.md section 0.2 and 1.6.
 *
 * Promise: as long as both incarnations live, every body given to link_send comes out of link_take of the peer once, in order, whatever
 * the connection does in between. The sender numbers frames from 1 and retains each until the peer's cumulative acknowledgement (`lack`)
 * covers it; the receiver takes only the next number, drops what it has had, and on a gap asks for a replay by saying how far it got. A
 * new incarnation of either side (another epoch) starts at 1: what was retained for the old one is handed back to be routed again.
 *
 *   sender    DOWN -connected-> HELLO sent -HELLO_ACK(last)-> UP (retained after `last` replayed) -disconnected-> DOWN
 *   receiver  takes seq == expected; less: duplicate; more: gap
 *
 * Ceilings: `window_bytes` and `window_frames` of retained frames: link_send answers ERR_LIMIT, and the caller stops reading the clients
 * whose next stanza goes there. Never the mesh itself: two nodes that waited for one another would wait for ever.
 */
#ifndef CLUSTER_LINK_H
#define CLUSTER_LINK_H

#include "proto/base/blob.h"
#include "proto/base/err.h"

struct link_frame {
	struct link_frame *next;
	uint64_t seq;
	uint32_t nrec;                /* records in it, for its frame's header */
	struct blob *body;
};

struct link_out {
	uint32_t peer_epoch;          /* of the incarnation that the numbers count for; 0: none yet */
	uint64_t next_seq, acked;     /* acked: all up to it are secured over there */
	uint64_t sent;                /* all up to it were given to the connection that is up now */
	struct link_frame *oldest, **newest;
	struct link_frame *unsent;    /* the first one past `sent`; NULL: none */
	size_t bytes, frames;         /* retained */
	size_t window_bytes, window_frames;
	bool up;
};

struct link_in {
	uint32_t peer_epoch;
	uint64_t taken;               /* the last number taken */
};

enum link_verdict { LINK_TAKE, LINK_DUPLICATE, LINK_GAP, LINK_STALE };

void link_out_init(struct link_out *l, size_t window_bytes, size_t window_frames);
/* Frees what is retained. */
void link_out_fini(struct link_out *l);
/* The peer is this incarnation. Another one than before: what was retained for the old one is moved to *orphans (a list, oldest first,
 * the caller's), and numbers start again. */
void link_out_epoch(struct link_out *l, uint32_t epoch, struct link_frame **orphans);
/* The same while the peer lives and takes nothing any more: its numbers go on, and nothing more may be sent. */
void link_out_take_back(struct link_out *l, struct link_frame **orphans);
/* Numbers and retains a body (a reference of its own). *seq is what its frame must carry. ERR_LIMIT: the window is full, nothing
 * happened. */
MUST_CHECK enum err link_send(struct link_out *l, struct blob *body, uint32_t nrec, uint64_t *seq);
/* The peer has secured all up to `lack`. ERR_INVALID: it claims what was never sent. */
MUST_CHECK enum err link_acked(struct link_out *l, uint64_t lack);
/* A connection is up and the peer has taken all up to `last`: what follows must be sent again. ERR_INVALID as above. An answer that was
 * overtaken by later acknowledgements counts as they do. */
MUST_CHECK enum err link_out_up(struct link_out *l, uint64_t last);
void link_out_down(struct link_out *l);
/* The next frame to put on the wire, or NULL; it counts as sent. Borrowed until the next link_acked. */
const struct link_frame *link_out_next(struct link_out *l);
/* The connection did not take that frame, the last one given: it is the next one again. */
void link_out_unsend(struct link_out *l, const struct link_frame *f);

/* A sequenced frame of that incarnation came. LINK_TAKE: it is the next one, and counted. LINK_GAP: something before it was lost: tell
 * the peer l->taken. LINK_STALE: of another incarnation than the one said by HELLO. */
enum link_verdict link_take(struct link_in *l, uint32_t epoch, uint64_t seq);
/* HELLO of an incarnation: what to answer is l->taken afterwards (0 for a new one). */
void link_in_epoch(struct link_in *l, uint32_t epoch);

#endif
