/*
 * edge.h: a client's stream on this node whose session lives on another one, or whose session's place is being found out (core/fleet.h).
 *
 *   FINDS -its home is here-> gone: bound as on a node alone
 *   FINDS -home known-> ASKS -FLEET_BOUND-> BOUND;  ASKS -its home is not there-> FINDS
 *   BOUND -home dead, FLEET_REHOME-> FINDS, with the session's state; after REHOME it waits until what was under way has come back;
 *   any -stream ends, FLEET_CLOSE-> gone
 *
 * But for BOUND the stream is held. What the home did not acknowledge before it died is sent again, to the new one.
 */
#ifndef NODE_STREAM_EDGE_H
#define NODE_STREAM_EDGE_H

#include "node/core/fleet.h"
#include "node/stream/c2s.h"

/* The client has asked to be bound to this address, and the answer is due to `request` (consumed): here or elsewhere. */
void edge_bind(struct c2s *c, struct stanza *request, const struct jid *full);
/* A session of this worker goes on at another home: its stream becomes an edge. */
void edge_rehome(struct session *s);
/* What the client sent, stamped (consumed). */
void edge_sent(struct edge *e, struct stanza *st);
/* The stream ends. */
void edge_drop(struct edge *e);
void edge_replay_drop(struct c2s *c);

/* Records for edges: FLEET_BOUND, DOWN, HOLD, RELEASE, PAUSE, CLOSE, STATE, REHOME, BACK. */
void edge_record(struct node_worker *nw, uint32_t from, const struct frame_record *r);
/* The home of an account was found: 0: it was not. */
void edge_settled(struct node_worker *nw, uint64_t fp, uint32_t epoch);
/* That node is dead or has left. */
void edge_node_gone(struct node_worker *nw, uint32_t epoch);
/* The others took this node for dead, and know it by another name now. */
void edge_renamed(struct node_worker *nw);
/* An UP that node `to` did not take. True: it goes to the next home. A BIND is asked again when the view tells. */
bool edge_lost(struct node_worker *nw, uint32_t to, const struct frame_record *r);

#endif
