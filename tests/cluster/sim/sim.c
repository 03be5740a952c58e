/*
 * sim SEED [N]: runs N seeds (1) from SEED on. The first that fails is printed with its faults, and the exit code is 1.
 *   --shrink SEED   leaves out faults as long as it still fails, and prints what is left
 *   --mutate NAME   does something wrong on purpose (below): the exit code is 0 when it was noticed
 *   --mutations     names them
 *   --step K        takes every K-th seed: for several processes that share the work
 *   -v              says what happens
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/cluster/sim/world.h"

static struct sim_world world;
static struct {
	uint64_t runs, events, left, taken, handed_back, bound, moved, delivered, offline, overtaken;
	uint64_t counted, given, fenced_off, turned_away;
	uint64_t seen[CORE_EVENT_COUNT];
} sum;

static void add_up(const struct sim_world *w)
{
	sum.runs++;
	sum.events += w->events;
	sum.left += w->left;
	sum.taken += w->taken;
	sum.handed_back += w->handed_back;
	sum.bound += w->bound;
	sum.moved += w->moved;
	sum.delivered += w->delivered;
	sum.offline += w->offline;
	sum.overtaken += w->overtaken;
	sum.counted += w->counted;
	sum.given += w->given;
	sum.fenced_off += w->fenced_off;
	sum.turned_away += w->turned_away;
	for (unsigned i = 0; i < CORE_EVENT_COUNT; i++)
		sum.seen[i] += w->seen[i];
}

static bool run_plan(const struct sim_plan *p, enum sim_mutation m, bool verbose)
{
	bool ok = sim_run(&world, p, m, verbose);
	add_up(&world);
	return ok;
}

static unsigned count_on(const struct sim_plan *p)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->n_faults; i++)
		n += !p->faults[i].off;
	return n;
}

/* Leaves out runs of `width` faults, then of half as many, as long as what is left still fails. */
static int shrink(uint64_t seed, enum sim_mutation m)
{
	struct sim_plan p;
	sim_plan_make(&p, seed);
	if (run_plan(&p, m, false)) {
		printf("seed %llu does not fail\n", (unsigned long long)seed);
		return 2;
	}
	for (unsigned width = p.n_faults; width; width /= 2)
		for (unsigned at = 0; at < p.n_faults; at += width) {
			struct sim_plan q = p;
			for (unsigned i = at; i < at + width && i < p.n_faults; i++)
				q.faults[i].off = true;
			if (count_on(&q) < count_on(&p) && !run_plan(&q, m, false))
				p = q;
		}
	run_plan(&p, m, true);
	sim_plan_print(&p);
	printf("%s\n", world.failure);
	return 1;
}

static void print_sum(void)
{
	printf("%llu seeds, %llu events; %llu bodies taken, %llu handed back; %llu joins, %llu suspicions, %llu deaths seen, %llu left, "
	       "%llu fenced, %llu isolated, %llu relayed, %llu times slow or no longer; %llu ended in order\n",
	       (unsigned long long)sum.runs, (unsigned long long)sum.events, (unsigned long long)sum.taken,
	       (unsigned long long)sum.handed_back, (unsigned long long)sum.seen[CORE_JOINED],
	       (unsigned long long)sum.seen[CORE_PEER_SUSPECT], (unsigned long long)sum.seen[CORE_PEER_DEAD],
	       (unsigned long long)sum.seen[CORE_PEER_LEFT], (unsigned long long)sum.seen[CORE_FENCED],
	       (unsigned long long)sum.seen[CORE_ISOLATED], (unsigned long long)sum.seen[CORE_RELAYING],
	       (unsigned long long)sum.seen[CORE_PEER_SLOW], (unsigned long long)sum.left);
	printf("%llu sessions bound, %llu homes moved; %llu messages delivered, %llu kept for later, %llu overtaken, "
	       "where no order is promised\n",
	       (unsigned long long)sum.bound, (unsigned long long)sum.moved, (unsigned long long)sum.delivered,
	       (unsigned long long)sum.offline, (unsigned long long)sum.overtaken);
	printf("%llu numbers given in places, %llu places moved with their state, %llu writes refused by a fence, "
	       "%llu messages turned away\n",
	       (unsigned long long)sum.counted, (unsigned long long)sum.given, (unsigned long long)sum.fenced_off,
	       (unsigned long long)sum.turned_away);
}

static int run_seeds(uint64_t first, uint64_t n, uint64_t step, enum sim_mutation m, bool verbose)
{
	for (uint64_t i = 0; i < n; i++) {
		struct sim_plan p;
		sim_plan_make(&p, first + i * step);
		if (run_plan(&p, m, verbose))
			continue;
		if (m != MUTATE_NOTHING) {
			printf("mutation %s is noticed: seed %llu, %s\n", sim_mutation_name(m), (unsigned long long)p.seed, world.failure);
			return 0;
		}
		sim_plan_print(&p);
		printf("FAILED: seed %llu, %s\n", (unsigned long long)p.seed, world.failure);
		print_sum();
		return 1;
	}
	print_sum();
	if (m != MUTATE_NOTHING)
		printf("mutation %s was NOT noticed\n", sim_mutation_name(m));
	return m != MUTATE_NOTHING;
}

static enum sim_mutation mutation_of(const char *name)
{
	for (unsigned i = 1; i < MUTATE_COUNT; i++)
		if (strcmp(name, sim_mutation_name((enum sim_mutation)i)) == 0)
			return (enum sim_mutation)i;
	fprintf(stderr, "sim: no mutation '%s'\n", name);
	exit(2);
}

static int print_mutations(void)
{
	for (unsigned i = 1; i < MUTATE_COUNT; i++)
		puts(sim_mutation_name((enum sim_mutation)i));
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t numbers[2] = { 1, 1 }, step = 1;
	unsigned n_numbers = 0;
	bool shrinks = false, verbose = false;
	enum sim_mutation m = MUTATE_NOTHING;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--mutations") == 0)
			return print_mutations();
		if (strcmp(argv[i], "--shrink") == 0)
			shrinks = true;
		else if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--mutate") == 0 && i + 1 < argc)
			m = mutation_of(argv[++i]);
		else if (strcmp(argv[i], "--step") == 0 && i + 1 < argc && str_to_u64(str_of(argv[i + 1]), &step))
			i++;
		else if (n_numbers == 2 || !str_to_u64(str_of(argv[i]), &numbers[n_numbers++]))
			return fprintf(stderr, "usage: sim [-v] [--shrink] [--mutate NAME] [--step K] SEED [N]\n"), 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	return shrinks ? shrink(numbers[0], m) : run_seeds(numbers[0], numbers[1], step, m, verbose);
}
