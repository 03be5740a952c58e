#include "tests/cluster/sim/world.h"

#include <stdio.h>

static const char *const names[FAULT_KIND_COUNT] = {
	"kill", "crash", "freeze", "cut", "cut-one-way", "partition", "break", "break-untold", "twice",
	"redis-away", "redis-cut", "redis-forgets", "leave", "join", "burst",
};

const char *sim_fault_name(uint8_t kind)
{
	return kind < FAULT_KIND_COUNT ? names[kind] : "?";
}

const char *sim_mutation_name(enum sim_mutation m)
{
	static const char *const of[MUTATE_COUNT] = {
		"nothing", "lose", "repeat", "swap", "drop-replay", "keep-lost", "lose-message", "stay", "keep-seat", "no-purge",
		"overtake", "stays-slow", "no-fence", "lose-state", "hear-to-the-end", "hurry",
		"hurry-places",
	};
	return m < MUTATE_COUNT ? of[m] : "?";
}

static uint64_t below(struct rng *r, uint64_t n)
{
	return rng_u64(r) % n;
}

static void make_fault(struct sim_plan *p, struct rng *r, struct sim_fault *f)
{
	static const uint8_t weights[FAULT_KIND_COUNT] = {
		[FAULT_KILL] = 10, [FAULT_CRASH] = 8, [FAULT_FREEZE] = 10, [FAULT_CUT] = 8, [FAULT_CUT_ONE_WAY] = 8, [FAULT_PARTITION] = 6,
		[FAULT_BREAK] = 12, [FAULT_BREAK_UNTOLD] = 6, [FAULT_TWICE] = 6, [FAULT_REDIS_AWAY] = 6, [FAULT_REDIS_CUT] = 6,
		[FAULT_REDIS_FORGETS] = 3, [FAULT_LEAVE] = 5, [FAULT_JOIN] = 5, [FAULT_BURST] = 6,
	};
	unsigned sum = 0;
	for (unsigned i = 0; i < FAULT_KIND_COUNT; i++)
		sum += weights[i];
	unsigned pick = (unsigned)below(r, sum);
	while (pick >= weights[f->kind])
		pick -= weights[f->kind++];
	f->at = 500 + below(r, SIM_HEAL_MS - 1000);
	/* Short ones, such as outlast suspicion, and such as outlast a lease. */
	static const uint64_t longest[3] = { 1500, 5000, 16000 };
	f->lasts = 50 + below(r, longest[below(r, 3)]);
	f->a = (uint8_t)below(r, p->nodes);
	f->b = (uint8_t)((f->a + 1 + below(r, p->nodes - 1)) % p->nodes);
	f->mask = (uint8_t)(1 + below(r, (1u << p->nodes) - 2));
	f->n = (uint32_t)(1 + below(r, 400));
}

static void sort_faults(struct sim_plan *p)
{
	for (unsigned i = 1; i < p->n_faults; i++)
		for (unsigned j = i; j && p->faults[j - 1].at > p->faults[j].at; j--) {
			struct sim_fault f = p->faults[j];
			p->faults[j] = p->faults[j - 1];
			p->faults[j - 1] = f;
		}
}

void sim_plan_make(struct sim_plan *p, uint64_t seed)
{
	struct rng r;
	rng_init_seeded(&r, seed * 2 + 1);
	*p = (struct sim_plan){ .seed = seed };
	p->nodes = 3 + (unsigned)(below(&r, 3) + below(&r, 3)); /* five are likelier than three or seven */
	if (below(&r, 4) == 0)
		p->nodes = 3;
	p->first_nodes = 1 + (unsigned)below(&r, p->nodes);
	p->workers = 1 + (unsigned)below(&r, 3);
	p->homes = below(&r, 2) == 0;
	/* Above small windows records are refused, which homes are not made for. */
	p->small_window = !p->homes && below(&r, 2) == 0;
	p->toys = p->homes && seed % 7 % 4 == 1; /* not those of the file `seeds`: their stories stay */
	for (unsigned i = 0; i < SIM_NODES; i++)
		p->skew[i] = (int64_t)below(&r, 6001) - 3000;
	p->n_faults = 1 + (unsigned)below(&r, 12);
	for (unsigned i = 0; i < p->n_faults; i++)
		make_fault(p, &r, &p->faults[i]);
	sort_faults(p);
}

void sim_plan_print(const struct sim_plan *p)
{
	printf("seed %llu: %u nodes (%u at first), %u workers%s%s%s\n", (unsigned long long)p->seed, p->nodes, p->first_nodes, p->workers,
	       p->small_window ? ", small windows" : "", p->homes ? ", homes" : "", p->toys ? ", toys" : "");
	for (unsigned i = 0; i < p->n_faults; i++) {
		const struct sim_fault *f = &p->faults[i];
		if (!f->off)
			printf("  %6llu ms  %-14s a=%u b=%u mask=%x n=%u for %llu ms\n", (unsigned long long)f->at, sim_fault_name(f->kind),
			       f->a, f->b, f->mask, f->n, (unsigned long long)f->lasts);
	}
}
