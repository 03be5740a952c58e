#include "node/stream/seeking.h"

static struct str key_of(const uint64_t *fp)
{
	return str_span((const char *)fp, sizeof *fp);
}

struct edge *seeking_first(struct node_worker *nw, uint64_t fp)
{
	return map_get(&nw->fleet->seeking, key_of(&fp));
}

void seeking_add(struct edge *e)
{
	struct edge *at = seeking_first(e->nw, e->fp);
	if (e->seeks)
		return;
	e->seeks = true;
	if (!at) {
		map_put(&e->nw->fleet->seeking, key_of(&e->fp), e);
		return;
	}
	while (at->next_seeking)
		at = at->next_seeking;
	at->next_seeking = e;
}

void seeking_remove(struct edge *e)
{
	struct edge *at = seeking_first(e->nw, e->fp), *next = e->next_seeking;
	if (!e->seeks)
		return;
	if (at != e) {
		while (at->next_seeking != e)
			at = at->next_seeking;
		at->next_seeking = next;
	} else {
		map_del(&e->nw->fleet->seeking, key_of(&e->fp));
		if (next)
			map_put(&e->nw->fleet->seeking, key_of(&next->fp), next);
	}
	e->seeks = false;
	e->next_seeking = NULL;
}
