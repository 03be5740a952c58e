#include "node/ctl/visit.h"

/* A worker that stops still passes the errand on: its asker waits. */
static void on_visit(struct worker *w, struct message *m, bool cancelled)
{
	struct visit *v = (struct visit *)m;
	struct node *n = v->node;
	if (w == n->main) {
		v->on_done(v);
		return;
	}
	if (!cancelled)
		v->on_worker(v, nw_of(w));
	v->next++;
	worker_post(!v->one && v->next < n->n_workers ? n->workers[v->next] : n->main, &v->message);
}

void visit_all(struct visit *v, struct node *n, void (*on_worker)(struct visit *v, struct node_worker *nw),
	       void (*on_done)(struct visit *v))
{
	*v = (struct visit){ .node = n, .on_worker = on_worker, .on_done = on_done, .message.run = on_visit };
	worker_post(n->workers[0], &v->message);
}

void visit_one(struct visit *v, struct node *n, struct worker *w, void (*on_worker)(struct visit *v, struct node_worker *nw),
	       void (*on_done)(struct visit *v))
{
	*v = (struct visit){ .node = n, .on_worker = on_worker, .on_done = on_done, .message.run = on_visit, .one = true };
	worker_post(w, &v->message);
}
