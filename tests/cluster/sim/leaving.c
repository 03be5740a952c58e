#include "tests/cluster/sim/accounts.h"
#include "tests/cluster/sim/toys.h"

/* As in node/core/ending.c. */
#define LOOK_MS 20
#define REST_MS 15000
#define LAST_MS 12000
#define STOP_MS 300 /* at most, from the last look until the mesh leaves: its workers are stopped meanwhile */

static void look_again(struct sim_world *w, unsigned node, uint64_t in_ms)
{
	sim_at(w, w->now + in_ms, EV_LEAVE, node)->life = w->nodes[node].life;
}

static void set_step(struct sim_world *w, struct sim_node *n, enum sim_leaving step, uint64_t limit_ms)
{
	static const char *const names[] = { "stays", "empties itself", "is deaf", "has stopped", "leaves" };
	sim_log(w, "%s %s", n->name, names[step]);
	n->leaving = step;
	n->at_rest = false;
	n->leave_by = w->now + limit_ms;
}

/* If that is what is done wrong it neither is deaf nor waits for its peers: what comes until it leaves is lost. */
static void deafen(struct sim_world *w, struct sim_node *n)
{
	set_step(w, n, DEAF, LAST_MS);
	if (w->mutation != MUTATE_HEAR_TO_THE_END)
		core_deafen(n->core);
}

static void stop_workers(struct sim_world *w, struct sim_node *n)
{
	set_step(w, n, STOPPED, 0);
	if (n->accounts)
		accounts_stop(w, sim_index(w, n));
}

static void leave(struct sim_world *w, struct sim_node *n)
{
	set_step(w, n, LEAVES, 0);
	core_leave(n->core);
}

static void step_on(struct sim_world *w, struct sim_node *n)
{
	unsigned node = sim_index(w, n);
	if (n->leaving == EMPTIES)
		deafen(w, n);
	else
		stop_workers(w, n);
	look_again(w, node, n->leaving == STOPPED ? 1 + sim_rand(w, STOP_MS) : LOOK_MS);
}

/* Without accounts it has no workers: what it has sent is all there is to wait for. */
static bool at_rest(struct sim_world *w, const struct sim_node *n)
{
	bool taken = core_all_is_taken(n->core) || w->mutation == MUTATE_HEAR_TO_THE_END;
	return taken && (!n->accounts || accounts_at_rest(w, sim_index(w, n)));
}

void leaving_look(struct sim_world *w, unsigned node)
{
	struct sim_node *n = &w->nodes[node];
	bool late = w->now >= n->leave_by, before = n->at_rest;
	if (n->leaving == STOPPED) {
		leave(w, n);
		sim_after(w, node);
		return;
	}
	n->at_rest = at_rest(w, n);
	n->hurried |= late;
	if (late || (before && n->at_rest))
		step_on(w, n);
	else
		look_again(w, node, LOOK_MS);
	sim_after(w, node);
}

/* At the worst moment: what is on its way here comes late, and whoever sent it hears meanwhile that it goes elsewhere now. */
static void break_some(struct sim_world *w, unsigned node)
{
	for (unsigned i = 0; i < w->plan.nodes && !w->healed; i++)
		if (i != node && sim_chance(w, 30))
			net_break_between(w, i, node, 0, false);
}

/* In a hurry: as if all that it waits for took too long. */
void leaving_begin(struct sim_world *w, unsigned node, bool hurried)
{
	struct sim_node *n = &w->nodes[node];
	break_some(w, node);
	set_step(w, n, EMPTIES, hurried ? 0 : REST_MS);
	core_drain(n->core);
	if (n->accounts)
		accounts_farewell(w, node);
	if (hurried) {
		n->hurried = true;
		toys_death();
		deafen(w, n);
		stop_workers(w, n);
		leave(w, n);
	} else {
		look_again(w, node, LOOK_MS);
	}
	sim_after(w, node);
}
