/*
 * far.h: sessions at home here whose clients are connected to other nodes: the outlet of such a session sends to its edge.
 *
 * Born with a FLEET_BIND, gone with FLEET_GONE, with the edge's node, or when the session is closed or goes elsewhere. Everything is on the
 * account's worker, in the order in which the edge and we sent it.
 *
 * Ceilings: what arrives while the session is held queues here; past QUEUE_HIGH the edge is told not to read its client, so what comes
 * still is what was under way.
 */
#ifndef NODE_CORE_FAR_H
#define NODE_CORE_FAR_H

#include "node/core/fleet.h"
#include "node/core/session.h"

/* FLEET_BIND, FLEET_RESUME, FLEET_UP, FLEET_GONE, FLEET_CHOKE. */
void far_record(struct node_worker *nw, uint32_t from, const struct frame_record *r);
/* A DOWN of a session that acknowledges, which node `to` did not take: what comes after would be counted wrong. Its client must resume. */
void far_lost(struct node_worker *nw, uint32_t to, const struct frame_record *r);
/* That node is dead or has left: its clients are gone. */
void far_node_gone(struct node_worker *nw, uint32_t epoch);
/* Sends a session whose client is on another node to live elsewhere: its edge finds out where. */
void far_rehome(struct session *s);
void far_rehome_all(struct node_worker *nw);
/* This node leaves: the same for accounts of which no other session is here, neither with a stream of this node nor waiting for its client.
 * The others' home must be found here as long as that is so. */
void far_let_go(struct node_worker *nw);
bool far_is(const struct session *s);
/* The node of its client; 0: it is no such session. */
uint32_t far_edge(const struct session *s);

#endif
