/* Rule 6 of places.h: who may have been taken for dead. */
#include "cluster/spot.h"

#define AWAY_MS 4000

void places_become_unsure(struct places *p)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);) {
		struct spot *l = value;
		l->old_ask |= l->asking;
		l->unsure |= l->step == SERVED || l->step == GIVEN;
		l->again_ms = p->now_ms;
	}
}

static bool is_missing(const struct view *v, uint32_t epoch)
{
	const struct view_node *n = view_find(v, epoch);
	return !n || n->state == NODE_SUSPECT || n->state == NODE_ISOLATED || n->state == NODE_DEAD;
}

/* Somebody who was there may now be where the registry is, and we are not. */
bool places_are_in_doubt(const struct places *p)
{
	if (!p->company || p->now_ms < p->away_ms + AWAY_MS)
		return false;
	for (unsigned i = 0; i < p->company->n; i++) {
		uint32_t epoch = p->company->nodes[i].epoch;
		if (epoch != p->view->self && view_is_alive(p->company, epoch) && is_missing(p->view, epoch))
			return true;
	}
	return false;
}

void places_note_registry(struct places *p)
{
	bool away = !p->view->registry_ok;
	if (away && !p->company) {
		p->company = view_ref(p->view);
		p->away_ms = p->now_ms;
	} else if (!away) {
		view_unref(p->company);
		p->company = NULL;
	}
}
