#include "node/http/health.h"

#include "node/core/fleet.h"
#include "node/http/httpd.h"

const char *health_problem(const struct node *n)
{
	if (atomic_load(&n->draining))
		return "draining";
	const char *apart = fleet_problem(n);
	if (apart)
		return apart;
	if (atomic_load(&n->workers_ready) < n->n_workers || atomic_load(&n->loading))
		return "starting";
	return store_healthy(n->store) ? NULL : "store down";
}

void health_alive(struct exchange *x)
{
	exchange_say(x, 200, "alive");
}

void health_ready(struct exchange *x)
{
	const char *problem = health_problem(x->node);
	if (problem)
		exchange_say(x, 503, "%s", problem);
	else
		exchange_say(x, 200, "ready");
}
