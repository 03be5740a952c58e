#include "node/http/stats_cluster.h"

#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/ctl/cluster_row.h"
#include "node/ctl/command.h"

#define ASK_MS 1000 /* at most so often */

/* What all nodes told last; the main thread's. */
static struct {
	struct arena *asking; /* of the question under way */
	json_t *rows;
	uint64_t told_ms;
} told;

static void on_told(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct arena *a = told.asking;
	(void)text;
	if (code == CTL_OK && json_is_array(data)) {
		json_decref(told.rows);
		told.rows = json_incref(data);
		told.told_ms = c->node->main->now_ms;
	}
	json_decref(data);
	told.asking = NULL;
	arena_free(a);
}

static void ask(struct node *n)
{
	if (told.asking || (told.rows && n->main->now_ms - told.told_ms < ASK_MS))
		return;
	told.asking = arena_new(1024);
	struct call *c = arena_zalloc(told.asking, sizeof *c);
	c->node = n;
	c->arena = told.asking;
	c->command = command_find(STR("list_cluster"));
	c->by = STR("the stats page");
	c->done = on_told;
	command_run(c);
}

/* What that node told; NULL: nothing yet. */
static json_t *told_by(uint32_t epoch)
{
	json_t *row;
	size_t i;
	json_array_foreach(told.rows, i, row)
		if (json_integer_value(json_object_get(row, "epoch")) == (json_int_t)epoch)
			return row;
	return NULL;
}

/* The state is the one that is seen from here: a node that froze goes on saying that it is up. */
static json_t *row_of(const struct node *n, const struct view *v, const struct view_node *o)
{
	if (o->epoch == v->self)
		return cluster_row(n);
	json_t *known = view_is_alive(v, o->epoch) ? told_by(o->epoch) : NULL;
	json_t *row = known ? json_copy(known) : json_pack("{s:s, s:I, s:s, s:s, s:n, s:n}", "node", o->name, "epoch", (json_int_t)o->epoch,
							    "version", o->version, "address", o->addr, "sessions", "links");
	json_object_set_new(row, "state", json_string(node_state_name(o->state)));
	return row;
}

static const char *split_of(const struct view *v)
{
	bool relayed = false, cut = false;
	for (unsigned i = 0; i < v->n; i++) {
		const struct view_node *o = &v->nodes[i];
		if (o->epoch == v->self || !view_is_alive(v, o->epoch))
			continue;
		cut = cut || !o->linked || o->state == NODE_SUSPECT;
		relayed = relayed || o->relayed;
	}
	return v->state == NODE_ISOLATED ? "isolated" : cut ? "cut" : relayed ? "relayed" : "none";
}

static json_t *homes(const struct node *n)
{
	uint64_t known = 0, own = 0, bytes = 0, mismatches = 0, conflicts = 0;
	for (unsigned i = 0; i < n->n_workers; i++) {
		struct fleet_worker *fw = nw_of(n->workers[i])->fleet;
		known += atomic_load(&fw->told_entries);
		own += atomic_load(&fw->told_own);
		bytes += atomic_load(&fw->told_bytes);
		mismatches += atomic_load(&fw->told_mismatches);
		conflicts += atomic_load(&fw->told_conflicts);
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "known", (json_int_t)known, "here", (json_int_t)own, "bytes", (json_int_t)bytes,
			 "digest_mismatches", (json_int_t)mismatches, "conflicts", (json_int_t)conflicts);
}

json_t *stats_cluster(struct node *n)
{
	struct fleet *f = n->fleet;
	struct view *v = f && f->mesh ? fleet_view(f) : NULL;
	if (!v)
		return NULL;
	const struct view_node *self = view_find(v, v->self);
	uint64_t since = atomic_load(&f->isolated_ms), now_ms = n->main->now_ms;
	json_t *nodes = json_array();
	ask(n);
	for (unsigned i = 0; i < v->n; i++)
		json_array_append_new(nodes, row_of(n, v, &v->nodes[i]));
	json_t *all = json_pack("{s:s, s:s, s:I, s:b, s:s, s:I, s:o, s:o}", "name", self ? self->name : "", "state",
				node_state_name(v->state), "epoch", (json_int_t)v->self, "registry_ok", v->registry_ok, "split",
				split_of(v), "isolated_ms", (json_int_t)(since && now_ms > since ? now_ms - since : 0), "homes",
				homes(n), "nodes", nodes);
	if (told.rows)
		json_object_set_new(all, "told_ms", json_integer((json_int_t)(now_ms - told.told_ms)));
	view_unref(v);
	return all;
}
