#include "cluster/view.h"

#include <stdlib.h>

#include "proto/base/err.h"

struct view *view_new(unsigned n)
{
	struct view *v = xzalloc(sizeof *v + n * sizeof v->nodes[0]);
	atomic_init(&v->refs, 1);
	v->n = n;
	return v;
}

struct view *view_ref(struct view *v)
{
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

void view_unref(struct view *v)
{
	if (v && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1)
		free(v);
}

const struct view_node *view_find(const struct view *v, uint32_t epoch)
{
	unsigned low = 0, high = v->n;
	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		if (v->nodes[mid].epoch < epoch)
			low = mid + 1;
		else
			high = mid;
	}
	return epoch && low < v->n && v->nodes[low].epoch == epoch ? &v->nodes[low] : NULL;
}

bool view_is_alive(const struct view *v, uint32_t epoch)
{
	const struct view_node *n = view_find(v, epoch);
	return n && (n->state == NODE_SYNCING || n->state == NODE_UP || n->state == NODE_SUSPECT || n->state == NODE_ISOLATED ||
		     n->state == NODE_DRAINING);
}

/* splitmix64's finalizer: fp is a keyed hash already, but epochs are small neighbouring numbers. */
static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Another node's ISOLATED is what it says of itself: it takes nothing on. Of ourselves it only says that nobody else can be asked. */
static bool takes_places(const struct view *v, const struct view_node *n)
{
	return n->state == NODE_UP || n->state == NODE_SUSPECT || (n->epoch == v->self && n->state == NODE_ISOLATED);
}

uint32_t view_place_of(const struct view *v, uint64_t fp, uint8_t speaks)
{
	uint32_t best = v->self;
	uint64_t highest = 0;
	bool found = false;
	for (unsigned i = 0; i < v->n; i++) {
		const struct view_node *n = &v->nodes[i];
		uint64_t weight = mixed(fp ^ mixed(n->epoch));
		if (!takes_places(v, n) || n->speaks < speaks || (found && weight <= highest))
			continue;
		found = true;
		highest = weight;
		best = n->epoch;
	}
	return best;
}

uint32_t view_place(const struct view *v, uint64_t fp)
{
	return view_place_of(v, fp, 0);
}

const char *node_state_name(unsigned state)
{
	static const char *const names[NODE_STATE_COUNT] = {
		"joining", "syncing", "up", "suspect", "isolated", "draining", "dead", "left",
	};
	return state < NODE_STATE_COUNT ? names[state] : "unknown";
}
