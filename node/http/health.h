/*
 * health.h: may traffic come here? Asked by the stats endpoint, by load balancers through it, and by whoever starts the process.
 */
#ifndef NODE_HTTP_HEALTH_H
#define NODE_HTTP_HEALTH_H

#include "node/core/node.h"

/* NULL when the node takes clients; else why not, in words: "starting", "draining", "store down". */
const char *health_problem(const struct node *n);

struct exchange;
/* /healthz: the process lives and its main loop turns. */
void health_alive(struct exchange *x);
/* /readyz: 200 or 503 with the reason. */
void health_ready(struct exchange *x);

#endif
