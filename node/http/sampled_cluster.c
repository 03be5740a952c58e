/*
 * sampled_cluster.c: what there is to see of a cluster from one node. A node alone shows none of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/http/scrape.h"

/* fn for every other node of the view, with its link. */
static void each_link(struct scrape *s, int64_t (*field)(const struct view_node *n, const struct core_link_stats *l))
{
	char labels[VIEW_NAME_MAX + 32];
	struct fleet *f = s->node->fleet;
	struct view *v = f ? fleet_view(f) : NULL;
	struct mesh_stats *st = xzalloc(sizeof *st);
	if (v && f->mesh)
		mesh_stats(f->mesh, st);
	for (unsigned i = 0; v && i < v->n; i++) {
		const struct core_link_stats none = { 0 }, *l = &none;
		for (unsigned k = 0; k < st->n_links; k++)
			if (st->links[k].epoch == v->nodes[i].epoch)
				l = &st->links[k];
		if (v->nodes[i].epoch == v->self || !view_is_alive(v, v->nodes[i].epoch))
			continue;
		snprintf(labels, sizeof labels, "peer=\"%s\"", v->nodes[i].name);
		scrape_int(s, labels, field(&v->nodes[i], l));
	}
	free(st);
	view_unref(v);
}

static int64_t up_of(const struct view_node *n, const struct core_link_stats *l) { (void)l; return n->linked; }
static int64_t relayed_of(const struct view_node *n, const struct core_link_stats *l) { (void)l; return n->relayed; }
static int64_t full_of(const struct view_node *n, const struct core_link_stats *l) { (void)l; return n->full; }
static int64_t slow_of(const struct view_node *n, const struct core_link_stats *l) { (void)l; return n->slow; }
static int64_t retained_of(const struct view_node *n, const struct core_link_stats *l) { (void)n; return (int64_t)l->retained_bytes; }
static int64_t sent_of(const struct view_node *n, const struct core_link_stats *l) { (void)n; return (int64_t)l->sent_bytes; }
static int64_t replayed_of(const struct view_node *n, const struct core_link_stats *l) { (void)n; return (int64_t)l->replayed_frames; }
static int64_t silent_of(const struct view_node *n, const struct core_link_stats *l) { (void)n; return (int64_t)l->silent_ms; }

static void up_write(struct scrape *s) { each_link(s, up_of); }
static void relayed_write(struct scrape *s) { each_link(s, relayed_of); }
static void full_write(struct scrape *s) { each_link(s, full_of); }
static void slow_write(struct scrape *s) { each_link(s, slow_of); }
static void retained_write(struct scrape *s) { each_link(s, retained_of); }
static void sent_write(struct scrape *s) { each_link(s, sent_of); }
static void replayed_write(struct scrape *s) { each_link(s, replayed_of); }
static void silent_write(struct scrape *s) { each_link(s, silent_of); }

static void state_write(struct scrape *s)
{
	struct view *v = s->node->fleet ? fleet_view(s->node->fleet) : NULL;
	char labels[48];
	for (unsigned i = 0; v && i < NODE_STATE_COUNT; i++) {
		unsigned n = 0;
		for (unsigned k = 0; k < v->n; k++)
			n += v->nodes[k].epoch == v->self ? v->state == i : v->nodes[k].state == i;
		snprintf(labels, sizeof labels, "state=\"%s\"", node_state_name(i));
		scrape_int(s, labels, n);
	}
	view_unref(v);
}

static void registry_up_write(struct scrape *s)
{
	struct view *v = s->node->fleet ? fleet_view(s->node->fleet) : NULL;
	if (v)
		scrape_int(s, NULL, v->registry_ok);
	view_unref(v);
}

static void isolated_write(struct scrape *s)
{
	if (s->node->fleet)
		scrape_int(s, NULL, atomic_load(&s->node->fleet->isolated_ms) != 0);
}

static void registry_calls_write(struct scrape *s)
{
	struct mesh_stats *st = xzalloc(sizeof *st);
	if (s->node->fleet && s->node->fleet->mesh) {
		mesh_stats(s->node->fleet->mesh, st);
		scrape_int(s, "result=\"answered\"", (int64_t)(st->registry_calls - st->registry_failures));
		scrape_int(s, "result=\"failed\"", (int64_t)st->registry_failures);
	}
	free(st);
}

static void refused_write(struct scrape *s)
{
	struct mesh_stats *st = xzalloc(sizeof *st);
	if (s->node->fleet && s->node->fleet->mesh) {
		mesh_stats(s->node->fleet->mesh, st);
		scrape_int(s, "what=\"peer\"", (int64_t)st->refused_peers);
		scrape_int(s, "what=\"frame\"", (int64_t)st->bad_frames);
	}
	free(st);
}

/* A sum over the workers of what they last told. */
static void homes_write(struct scrape *s, size_t offset)
{
	uint64_t sum = 0;
	if (!s->node->fleet)
		return;
	for (unsigned i = 0; i < s->node->n_workers; i++)
		sum += atomic_load((_Atomic uint64_t *)((char *)nw_of(s->node->workers[i])->fleet + offset));
	scrape_int(s, NULL, (int64_t)sum);
}

static void routes_write(struct scrape *s) { homes_write(s, offsetof(struct fleet_worker, told_entries)); }
static void own_write(struct scrape *s) { homes_write(s, offsetof(struct fleet_worker, told_own)); }
static void route_bytes_write(struct scrape *s) { homes_write(s, offsetof(struct fleet_worker, told_bytes)); }
static void mismatches_write(struct scrape *s) { homes_write(s, offsetof(struct fleet_worker, told_mismatches)); }
static void conflicts_write(struct scrape *s) { homes_write(s, offsetof(struct fleet_worker, told_conflicts)); }
static void echoes_write(struct scrape *s) { homes_write(s, offsetof(struct fleet_worker, told_echoes)); }
static void hurried_write(struct scrape *s) { homes_write(s, offsetof(struct fleet_worker, told_hurried)); }

const struct sampled_row sampled_cluster_rows[] = {
	{ "cluster_nodes", "Nodes as this one sees them", "state", METRIC_GAUGE, state_write },
	{ "cluster_isolated", "1 while this node reaches neither Redis nor most of the other nodes", "", METRIC_GAUGE, isolated_write },
	{ "cluster_registry_up", "1 while Redis answers", "", METRIC_GAUGE, registry_up_write },
	{ "cluster_registry_calls_total", "Questions to Redis", "result", METRIC_COUNTER, registry_calls_write },
	{ "cluster_refused_total", "Strangers that were kept out of the mesh, and frames that were none", "what", METRIC_COUNTER,
	  refused_write },
	{ "cluster_link_up", "1 while this node can send to the other, directly or through a third", "peer", METRIC_GAUGE, up_write },
	{ "cluster_link_relayed", "1 while that goes through a third node", "peer", METRIC_GAUGE, relayed_write },
	{ "cluster_link_full", "1 while so much waits for the other node that clients are slowed down", "peer", METRIC_GAUGE, full_write },
	{ "cluster_link_slow", "1 while it has been so for 5 s: presence waits, IQs are refused", "peer", METRIC_GAUGE, slow_write },
	{ "cluster_link_retained_bytes", "What the other node has not acknowledged yet", "peer", METRIC_GAUGE, retained_write },
	{ "cluster_link_sent_bytes_total", "Sent to the other node", "peer", METRIC_COUNTER, sent_write },
	{ "cluster_link_replayed_frames_total", "Sent again after a connection broke", "peer", METRIC_COUNTER, replayed_write },
	{ "cluster_link_silent_milliseconds", "Since the other node was heard last", "peer", METRIC_GAUGE, silent_write },
	{ "cluster_routes", "Accounts whose home is known here", "", METRIC_GAUGE, routes_write },
	{ "cluster_homes", "Accounts that are at home here", "", METRIC_GAUGE, own_write },
	{ "cluster_routes_bytes", "Memory of the table of homes", "", METRIC_GAUGE, route_bytes_write },
	{ "cluster_digest_mismatches_total", "Times a part of that table differed from its owner's, and was mended", "", METRIC_COUNTER,
	  mismatches_write },
	{ "cluster_home_conflicts_total", "Accounts that were at home on two nodes, after a split", "", METRIC_COUNTER, conflicts_write },
	{ "cluster_home_echoes_total", "Waits until what was sent to the former home of an account has come to the new one", "",
	  METRIC_COUNTER, echoes_write },
	{ "cluster_home_hurried_total", "Such waits that were not waited to the end: messages may have come in another order", "",
	  METRIC_COUNTER, hurried_write },
	{ NULL, NULL, NULL, METRIC_GAUGE, NULL },
};
