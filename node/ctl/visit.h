/*
 * visit.h: one errand that goes through workers, one after the other, and comes back to the main thread: how commands see what lives on
 * workers without a lock. Embedded first in what it carries, which is touched by one thread at a time.
 */
#ifndef NODE_CTL_VISIT_H
#define NODE_CTL_VISIT_H

#include "node/core/node.h"

struct visit {
	struct message message;
	struct node *node;
	unsigned next;
	bool one;
	void (*on_worker)(struct visit *v, struct node_worker *nw);
	void (*on_done)(struct visit *v);
};

/* Main thread. on_worker runs on every worker in turn, then on_done on the main thread. */
void visit_all(struct visit *v, struct node *n, void (*on_worker)(struct visit *v, struct node_worker *nw),
	       void (*on_done)(struct visit *v));
void visit_one(struct visit *v, struct node *n, struct worker *w, void (*on_worker)(struct visit *v, struct node_worker *nw),
	       void (*on_done)(struct visit *v));

#endif
