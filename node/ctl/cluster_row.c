#include "node/ctl/cluster_row.h"

#include "node/core/drain.h"
#include "node/version.h"

static const struct core_link_stats *link_of(const struct mesh_stats *st, uint32_t epoch)
{
	for (unsigned i = 0; i < st->n_links; i++)
		if (st->links[i].epoch == epoch)
			return &st->links[i];
	return NULL;
}

/* Its way to another node, as this one sees it. */
static json_t *link_json(const struct view_node *n, const struct core_link_stats *l)
{
	return json_pack("{s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:I, s:I, s:I, s:I}", "to", n->name, "state", node_state_name(n->state),
			 "epoch", (json_int_t)n->epoch, "linked", n->linked, "relayed", n->relayed, "full", n->full, "slow", n->slow,
			 "retained_bytes", (json_int_t)(l ? l->retained_bytes : 0), "retained_frames",
			 (json_int_t)(l ? l->retained_frames : 0), "silent_ms", (json_int_t)(l ? l->silent_ms : 0), "rtt_us",
			 (json_int_t)(l ? l->rtt_us : 0));
}

static json_t *links_json(const struct view *v, const struct mesh_stats *st)
{
	json_t *links = json_array();
	for (unsigned i = 0; i < v->n; i++)
		if (v->nodes[i].epoch != v->self)
			json_array_append_new(links, link_json(&v->nodes[i], link_of(st, v->nodes[i].epoch)));
	return links;
}

json_t *cluster_row(const struct node *n)
{
	struct view *v = fleet_view(n->fleet);
	struct mesh_stats st;
	mesh_stats(n->fleet->mesh, &st);
	const struct view_node *self = v ? view_find(v, v->self) : NULL;
	json_t *row = json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:b, s:o}", "node", self ? self->name : "(this node)", "state",
				drain_is_on(n) ? "draining" : node_state_name(v ? v->state : NODE_JOINING), "epoch",
				(json_int_t)(v ? v->self : 0), "sessions", (json_int_t)node_metric(n, METRIC_SESSIONS), "version",
				STARLING_VERSION, "address", self ? self->addr : "", "registry", v && v->registry_ok, "links",
				v ? links_json(v, &st) : json_array());
	view_unref(v);
	return row;
}
