#include "node/core/node.h"

#include <stdlib.h>

#include "node/core/sm_past.h"
#include "node/net/tls.h"

#define IDLE_PARSERS 4

static void on_pass_end(struct worker *w, uint64_t now_ns)
{
	struct node_worker *nw = nw_of(w);
	histogram_add(&nw->metrics.h[HISTOGRAM_AT_PASS], now_ns - w->pass_ns, 1);
	lag_time(&nw->lags, now_ns, &nw->metrics);
}

struct node_worker *node_worker_new(struct node *n, struct worker *w)
{
	struct node_worker *nw = xzalloc(sizeof *nw);
	nw->node = n;
	nw->worker = w;
	nw->parser = xml_parser_new(IDLE_PARSERS);
	/* Sids of different workers never meet: the upper bits name the worker. */
	nw->next_sid = (uint64_t)(w->index + 1) << 48;
	map_init(&nw->users, n->hash_key);
	map_init(&nw->sessions, n->hash_key);
	w->node = nw;
	w->on_pass_end = on_pass_end;
	return nw;
}

void node_worker_free(struct node_worker *nw)
{
	if (!nw)
		return;
	BUG_ON(nw->streams || map_count(&nw->sessions) || map_count(&nw->users));
	sm_past_free(nw);
	map_fini(&nw->sessions);
	xml_parser_free(nw->parser);
	lag_pool_fini(&nw->lags);
	tls_config_unref(nw->tls);
	free(nw);
}

int64_t node_metric(const struct node *n, enum metric m)
{
	int64_t sum = metrics_get(&n->metrics, m);
	for (unsigned i = 0; i < n->n_workers; i++)
		sum += metrics_get(&nw_of(n->workers[i])->metrics, m);
	return sum;
}
