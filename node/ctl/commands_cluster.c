/*
 * commands_cluster.c: the nodes of the service; names as in ejabberdctl where it has one.
 */
#include <stdlib.h>

#include "node/core/drain.h"
#include "node/core/fleet.h"
#include "node/ctl/command.h"
#include "node/version.h"

static bool is_alone(struct call *c)
{
	if (!c->node->fleet)
		call_fail(c, CTL_FAILED, "this node is alone (cluster.enabled)");
	return !c->node->fleet;
}

/* ---- list_cluster ---- */

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
	return json_pack("{s:s, s:s, s:I, s:b, s:b, s:b, s:I, s:I, s:I, s:I}", "to", n->name, "state", node_state_name(n->state), "epoch",
			 (json_int_t)n->epoch, "linked", n->linked, "relayed", n->relayed, "full", n->full, "retained_bytes",
			 (json_int_t)(l ? l->retained_bytes : 0), "retained_frames", (json_int_t)(l ? l->retained_frames : 0), "silent_ms",
			 (json_int_t)(l ? l->silent_ms : 0), "rtt_us", (json_int_t)(l ? l->rtt_us : 0));
}

static json_t *links_json(const struct view *v, const struct mesh_stats *st)
{
	json_t *links = json_array();
	for (unsigned i = 0; i < v->n; i++)
		if (v->nodes[i].epoch != v->self)
			json_array_append_new(links, link_json(&v->nodes[i], link_of(st, v->nodes[i].epoch)));
	return links;
}

/* Each node tells of itself and of its links; the asker puts the rows together (COMMAND_EVERYWHERE). */
static void run_list_cluster(struct call *c)
{
	if (is_alone(c))
		return;
	struct node *n = c->node;
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
	call_ok(c, json_pack("[o]", row), "%s", "");
}

/* ---- leaving ---- */

static void run_drain(struct call *c)
{
	if (is_alone(c))
		return;
	drain_begin(c->node, false);
	call_ok(c, json_true(), "the node takes no more clients, and ends the streams of those that it has");
}

static void run_leave(struct call *c)
{
	if (is_alone(c))
		return;
	drain_begin(c->node, true);
	call_ok(c, json_true(), "the node empties itself, leaves the cluster and ends");
}

static const struct command commands[] = {
	{ "list_cluster", "", COMMAND_READS | COMMAND_EVERYWHERE, "Lists the nodes that answer, with their sessions and links.",
	  run_list_cluster },
	{ "drain", "", 0, "Empties this node: its clients are sent to the others (cluster.drain_rate); it goes on running.", run_drain },
	{ "leave", "", 0, "Empties this node, and ends it then.", run_leave },
	{ 0 },
};

const struct command_group ctl_cluster = { "cluster", "Several nodes.", commands };
