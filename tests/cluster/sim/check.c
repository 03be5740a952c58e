#include "tests/cluster/sim/world.h"

#include <stdlib.h>

#include "proto/base/map.h"
#include "tests/cluster/sim/unwell.h"

/* What one incarnation gave its core for another one, in order, and what became of it. */
struct stream {
	uint64_t from, to;
	uint32_t *numbers;
	unsigned n, cap;
	unsigned taken;              /* by the receiver, so many from the first */
	unsigned lost;               /* handed back up to this one; 0: none */
	bool over;                   /* the sender was told that the receiver is gone */
};

struct check {
	struct map streams;          /* from, to -> struct stream */
	struct stream **all;
	unsigned n, cap;
	uint32_t broadcast; /* its number, while core_broadcast runs */
};

struct check *check_new(void)
{
	static const uint64_t seed[2] = { 3, 4 };
	struct check *c = xzalloc(sizeof *c);
	map_init(&c->streams, seed);
	return c;
}

void check_free(struct check *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->n; i++) {
		free(c->all[i]->numbers);
		free(c->all[i]);
	}
	free(c->all);
	map_fini(&c->streams);
	free(c);
}

static struct stream *stream_find(struct check *c, uint64_t from, uint32_t to)
{
	uint64_t key[2] = { from, to };
	return map_get(&c->streams, str_span((const char *)key, sizeof key));
}

static struct stream *stream_make(struct check *c, uint64_t from, uint32_t to)
{
	struct stream *s = stream_find(c, from, to);
	if (s)
		return s;
	s = xzalloc(sizeof *s);
	s->from = from;
	s->to = to;
	if (c->n == c->cap)
		c->all = xrealloc(c->all, (c->cap = c->cap ? 2 * c->cap : 64) * sizeof *c->all);
	c->all[c->n++] = s;
	map_put(&c->streams, str_span((const char *)&s->from, 2 * sizeof s->from), s);
	return s;
}

void check_sent(struct sim_world *w, uint64_t from, uint32_t to, uint32_t number)
{
	struct stream *s = stream_make(w->check, from, to);
	if (s->over)
		sim_fail(w, "%u could send to %u after it was told that it is gone", (uint32_t)from, to);
	if (s->n == s->cap)
		s->numbers = xrealloc(s->numbers, (s->cap = s->cap ? 2 * s->cap : 64) * sizeof *s->numbers);
	s->numbers[s->n++] = number;
}

void check_taken(struct sim_world *w, uint64_t from, uint32_t to, uint32_t number)
{
	struct stream *s = stream_find(w->check, from, to);
	w->taken++;
	if (!s || s->taken == s->n)
		sim_fail(w, "%u takes %u from %u, which had nothing more for it", to, number, (uint32_t)from);
	else if (s->numbers[s->taken] != number)
		sim_fail(w, "%u takes %u from %u, but %u is next (lost, repeated or out of order)", to, number, (uint32_t)from,
			 s->numbers[s->taken]);
	else
		s->taken++;
}

void check_lost(struct sim_world *w, uint64_t from, uint32_t to, uint32_t number)
{
	struct stream *s = stream_find(w->check, from, to);
	unsigned at = 0;
	w->handed_back++;
	while (s && at < s->n && s->numbers[at] != number)
		at++;
	if (!s || at == s->n)
		sim_fail(w, "%u is handed back %u for %u, which it never sent", (uint32_t)from, number, to);
	else if (s->lost ? at != s->lost : at > s->taken)
		sim_fail(w, "%u is handed back %u for %u, but not all before it, or again", (uint32_t)from, number, to);
	else
		s->lost = at + 1;
}

void check_broadcast(struct sim_world *w, uint32_t number)
{
	w->check->broadcast = number;
}

void check_gone(struct sim_world *w, uint64_t from, uint32_t to)
{
	struct stream *s = stream_find(w->check, from, to);
	if (!s || s->over)
		return;
	s->over = true;
	/* A broadcast that is too much for a peer makes its sender begin anew; that peer, and those after it, never were to get it. */
	unsigned end = s->lost ? s->lost : s->taken;
	bool last_is_broadcast = s->n && w->check->broadcast && s->numbers[s->n - 1] == w->check->broadcast;
	if (end != s->n && !(last_is_broadcast && end == s->n - 1))
		sim_fail(w, "%u was told that %u is gone; of %u bodies %u were taken, and those up to %u handed back", (uint32_t)from, to,
			 s->n, s->taken, s->lost);
}

/* ---- at the end ---- */

static unsigned running(const struct sim_world *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->plan.nodes; i++)
		n += w->nodes[i].runs;
	return n;
}

static const char *look_at(const struct sim_world *w, const struct sim_node *at, const struct sim_node *of)
{
	const struct view_node *n = view_find(at->view, of->view->self);
	if (!n)
		return unwell("%s does not know %s (%u)", at->name, of->name, of->view->self);
	if (n->state != NODE_UP)
		return unwell("%s believes %s (%u) to be %s", at->name, of->name, n->epoch, node_state_name(n->state));
	if (!n->linked || n->full || n->slow || n->relayed)
		return unwell("%s: %s (%u) is%s linked%s%s%s", at->name, of->name, n->epoch, n->linked ? "" : " not",
			      n->relayed ? ", relayed" : "", n->full ? ", full" : "", n->slow ? ", slow" : "");
	return NULL;
}

static const char *node_is_well(struct sim_world *w, const struct sim_node *n)
{
	struct core_link_stats links[VIEW_NODES_MAX];
	unsigned alive = 0, count = core_links(n->core, links, VIEW_NODES_MAX);
	if (!n->view->registry_ok || n->view->state != NODE_UP)
		return unwell("%s is %s, registry %d", n->name, node_state_name(n->view->state), n->view->registry_ok);
	for (unsigned i = 0; i < n->view->n; i++)
		alive += view_is_alive(n->view, n->view->nodes[i].epoch);
	if (alive != running(w))
		return unwell("%s believes that %u are alive, of %u that are", n->name, alive, running(w));
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const char *bad = w->nodes[i].runs ? look_at(w, n, &w->nodes[i]) : NULL;
		if (bad)
			return bad;
	}
	for (unsigned i = 0; i < count; i++)
		if (links[i].retained_frames || links[i].retained_bytes)
			return unwell("%s retains %llu frames for %u", n->name, (unsigned long long)links[i].retained_frames,
				      links[i].epoch);
	return NULL;
}

static bool sends(const struct sim_world *w, uint64_t uid)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (w->nodes[i].runs && sim_uid(w, &w->nodes[i]) == uid)
			return true;
	return false;
}

static bool receives(const struct sim_world *w, uint64_t epoch)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (w->nodes[i].runs && w->nodes[i].view->self == epoch)
			return true;
	return false;
}

/* Whoever is fenced was purged by somebody who lived to do it. */
static bool is_purged(const struct sim_world *w, uint32_t epoch)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (w->nodes[i].runs && w->purged[epoch % SIM_EPOCHS][i] == w->nodes[i].life)
			return true;
	return false;
}

static const char *all_are_purged(struct sim_world *w)
{
	struct registry_call c;
	const char *bad = NULL;
	sim_list(w, &c);
	for (unsigned i = 0; i < c.n_nodes && !bad && !w->forgot; i++)
		if (c.nodes[i].dead && c.nodes[i].state != NODE_LEFT && !is_purged(w, c.nodes[i].epoch))
			bad = unwell("%u is fenced, and nobody who lives purges it", c.nodes[i].epoch);
	arena_free(c.arena);
	return bad;
}

const char *check_quiet(struct sim_world *w)
{
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const char *bad = w->nodes[i].runs ? node_is_well(w, &w->nodes[i]) : NULL;
		if (bad)
			return bad;
	}
	for (unsigned i = 0; i < w->check->n; i++) {
		const struct stream *s = w->check->all[i];
		if (sends(w, s->from) && receives(w, s->to) && s->taken != s->n)
			return unwell("of %u bodies from %u to %u, which both live, %u were taken", s->n, (uint32_t)s->from,
				      (uint32_t)s->to, s->taken);
		if (sends(w, s->from) && !receives(w, s->to) && !s->over)
			return unwell("%u was never told that %u is gone", (uint32_t)s->from, (uint32_t)s->to);
	}
	return all_are_purged(w);
}
