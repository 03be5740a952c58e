/*
 * commands_cluster.c: the nodes of the service; names as in ejabberdctl where it has one.
 */
#include "node/core/drain.h"
#include "node/core/fleet.h"
#include "node/ctl/cluster_row.h"
#include "node/ctl/command.h"

static bool is_alone(struct call *c)
{
	if (!c->node->fleet)
		call_fail(c, CTL_FAILED, "this node is alone (cluster.enabled)");
	return !c->node->fleet;
}

/* ---- list_cluster ---- */

/* Each node tells of itself and of its links; the asker puts the rows together (COMMAND_EVERYWHERE). */
static void run_list_cluster(struct call *c)
{
	if (is_alone(c))
		return;
	call_ok(c, json_pack("[o]", cluster_row(c->node)), "%s", "");
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
