/*
 * seeking.h: edges that wait to hear where their home is, by account: thousands may, while each account is told of alone.
 */
#ifndef NODE_STREAM_SEEKING_H
#define NODE_STREAM_SEEKING_H

#include "node/stream/edge_private.h"

/* The one that came first; NULL: nobody seeks this account. */
struct edge *seeking_first(struct node_worker *nw, uint64_t fp);
/* As the last of its account; nothing for one that seeks already. */
void seeking_add(struct edge *e);
/* Nothing for one that does not seek. */
void seeking_remove(struct edge *e);

#endif
