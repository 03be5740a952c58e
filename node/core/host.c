#include "node/core/host.h"

#include "node/core/node.h"

struct host *host_find(const struct node *n, struct str domain)
{
	for (unsigned i = 0; i < n->n_hosts; i++)
		if (str_eq(n->hosts[i]->name, domain))
			return n->hosts[i];
	return NULL;
}
