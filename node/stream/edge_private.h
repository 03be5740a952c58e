/*
 * edge_private.h: an edge (edge.h), for the files that it is made of.
 */
#ifndef NODE_STREAM_EDGE_PRIVATE_H
#define NODE_STREAM_EDGE_PRIVATE_H

#include "node/stream/edge.h"

enum edge_step { EDGE_FINDS, EDGE_ASKS, EDGE_BOUND };

struct edge {
	struct c2s *stream;
	struct node_worker *nw;
	uint64_t fp, sid, home_sid, hlc;
	uint32_t home;
	uint8_t step, tries;
	bool held_by_home, held_by_way, seeks;
	bool sm_asked, sm_on;       /* the client has asked for stream management; has got it */
	bool counts_told;           /* the home that we ask, or have, knows handled and sent from us */
	uint32_t handled, sent;     /* stanzas from it and to it since, modulo 2^32 */
	uint32_t bytes;             /* of memory, as last counted */
	struct edge *next_seeking;  /* of the same account, in the order in which they came */
	struct jid jid;             /* full; its text is ours */
	struct stanza *request;     /* a new session: to be answered; NULL once it is, or when it comes from elsewhere */
	struct buf state;           /* frozen */
	struct buf again;           /* a run of records: what the last home did not get */
	struct timer timer;
};

#endif
