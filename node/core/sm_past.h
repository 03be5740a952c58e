/*
 * sm_past.h: how many of its stanzas a session had handled that ended while it waited for its client: what <failed/> tells a client that
 * comes too late, so that it sends again what was not handled, and nothing else (XEP-0198 section 5).
 *
 * The last SM_PAST_MAX of a worker, of its own accounts; what was before them is forgotten.
 */
#ifndef NODE_CORE_SM_PAST_H
#define NODE_CORE_SM_PAST_H

#include "node/core/node.h"

#define SM_PAST_MAX 1024

/* `id` is of SM_ID_CHARS. */
void sm_past_add(struct node_worker *nw, struct str bare, struct str id, uint32_t handled);
/* False: nothing is known of a session of that account with that name. */
bool sm_past_find(const struct node_worker *nw, struct str bare, struct str id, uint32_t *handled);
void sm_past_free(struct node_worker *nw);

#endif
