#include "tests/cluster/sim/accounts_state.h"

/* Rule 8 of homes.h: what one node writes to one account arrives in that order, unless one of those through whom it went is gone, it was
 * given back, went to and fro, or somebody did not wait to the end. */

static uint64_t hurried_before[ACCOUNTS]; /* by processes that run no more */

void order_begin(void)
{
	memset(hurried_before, 0, sizeof hurried_before);
}

static uint64_t hurried_here(const struct accounts *a, unsigned account)
{
	struct homes_stats st;
	homes_stats(accounts_homes(a, account), &st);
	return st.ways.hurried;
}

void order_ends(const struct accounts *a)
{
	for (unsigned i = 0; i < ACCOUNTS; i++)
		hurried_before[i] += hurried_here(a, i);
}

void order_view(struct sim_world *w, const struct view *v)
{
	for (unsigned i = 0; i < v->n; i++)
		w->gone[v->nodes[i].epoch % SIM_EPOCHS] |= !view_is_alive(v, v->nodes[i].epoch);
}

static bool is_gone(const struct sim_world *w, const struct message_fate *f)
{
	for (unsigned i = 0; i < f->n_path; i++)
		if (w->gone[f->path[i] % SIM_EPOCHS])
			return true;
	return false;
}

uint64_t order_hurried(const struct sim_world *w, unsigned account)
{
	uint64_t n = hurried_before[account];
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (w->nodes[i].runs && w->nodes[i].accounts)
			n += hurried_here(w->nodes[i].accounts, account);
	return n;
}

/* Rule 8 of homes.h. */
static bool has_promise(const struct sim_world *w, const struct message_fate *late, const struct message_fate *first)
{
	return !late->strayed && !is_gone(w, late) && !is_gone(w, first) && w->now - late->written_at < WAYS_KEEP_MS &&
	       order_hurried(w, late->account) == late->hurried;
}

void order_arrived(struct accounts *a, uint64_t id, unsigned account)
{
	struct message_fate *f = accounts_fate(id);
	const struct sim_node *n = &a->w->nodes[f->from];
	uint64_t *last = n->runs && n->life == f->from_life ? &n->accounts->came_last[account] : NULL;
	if (!last || f->again || f->strayed)
		return;
	if (id < *last && has_promise(a->w, f, accounts_fate(*last)))
		sim_fail(a->w, "message %llu of n%u for account %u comes after %llu", (unsigned long long)id, f->from, account,
			 (unsigned long long)*last);
	a->w->overtaken += id < *last;
	if (id > *last)
		*last = id;
}

unsigned order_times_here(const struct accounts *a, const struct message_fate *f)
{
	unsigned n = 0;
	for (unsigned i = 0; i < f->n_path; i++)
		n += f->path[i] == a->self;
	return n;
}

void order_passes(const struct accounts *a, struct message_fate *f)
{
	if (f->n_path < FRAME_TTL + 1)
		f->path[f->n_path++] = a->self;
}
