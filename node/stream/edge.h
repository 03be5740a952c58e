/*
 * edge.h: a client's stream on this node whose session lives on another one, or whose session's place is being found out (core/fleet.h).
 *
 *   FINDS -its home is here-> gone: bound as on a node alone
 *   FINDS -home known-> ASKS -FLEET_BOUND-> BOUND;  ASKS -its home is not there-> FINDS
 *   BOUND -home dead, FLEET_REHOME-> FINDS, with the session's state; after REHOME it waits until what was under way has come back;
 *   any -stream ends, FLEET_CLOSE-> gone
 *   a resumption: ASKS -FLEET_BOUND-> BOUND;  ASKS -refused, its home is gone-> gone: sm_stream.c goes on
 *
 * But for BOUND the stream is held. What the home did not acknowledge before it died is sent again, to the new one.
 *
 * Stream management is its home's (core/sm_session.h). The edge counts along: a home that dies takes what was not acknowledged with it, but
 * the next one goes on with the right numbers, and the client, whose connection lives, notices nothing.
 *
 * Ceilings: a state of FREEZE_MAX, in which there is little but the client's presence: a home tells its own at once when a session has come
 * with a queue, so that this is not kept. FRAME_MAX of what is to be sent again, while the home changes.
 */
#ifndef NODE_STREAM_EDGE_H
#define NODE_STREAM_EDGE_H

#include "node/core/fleet.h"
#include "node/stream/c2s.h"
#include "proto/wire/sm.h"

/* The client has asked to be bound to this address, and the answer is due to `request` (consumed): here or elsewhere. */
void edge_bind(struct c2s *c, struct stanza *request, const struct jid *full);
/* A session of this worker goes on at another home: its stream becomes an edge. */
void edge_rehome(struct session *s);
/* The client wants to resume a session (c->resume) that is at home on that node. */
void edge_resume(struct c2s *c, uint32_t home);
/* What the client sent, stamped (consumed). */
void edge_sent(struct edge *e, struct stanza *st);
/* A word of stream management. False: its home does not know it. */
bool edge_word(struct edge *e, const struct elem *word, const struct sm_said *said);
/* A stanza of the client was answered here: its home counts it. */
void edge_answered(struct edge *e);
/* What c->outlet says of its output has changed: its home hears. */
void edge_choked(struct edge *e);
/* The stream ends; `lost`: nobody has ended it. */
void edge_drop(struct edge *e, bool lost);

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
