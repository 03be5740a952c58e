/*
 * routes_cost [N]: the table of homes at N accounts (1,000,000): nanoseconds to add one, to look one up with and without the hash of its
 * address, and to find none; bytes an account; and the same for where an unclaimed account has its place among 10 nodes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cluster/routes.h"
#include "cluster/view.h"
#include "proto/base/rng.h"
#include "proto/base/str.h"

#define LOOKS 5000000u

static const uint64_t key[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
static volatile uint64_t sink;

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t fp_of(uint64_t i)
{
	char bare[48];
	int n = snprintf(bare, sizeof bare, "user%llu@example.org", (unsigned long long)i);
	return str_hash(str_span(bare, (size_t)n), key);
}

static double per(uint64_t since, size_t n)
{
	return (double)(now_ns() - since) / (double)n;
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint64_t *fps = malloc(n * sizeof *fps), start;
	struct routes r;
	struct rng rng;
	if (!n || !fps)
		return 2;
	rng_init_seeded(&rng, 1);
	for (size_t i = 0; i < n; i++)
		fps[i] = fp_of(i);
	routes_init(&r);
	start = now_ns();
	for (size_t i = 0; i < n; i++)
		routes_put(&r, fps[i], 1 + (uint32_t)(i % 10), i);
	double put = per(start, n);
	start = now_ns();
	for (size_t i = 0; i < LOOKS; i++)
		sink += routes_find(&r, fps[rng_u64(&rng) % n])->epoch;
	double hit = per(start, LOOKS);
	start = now_ns();
	for (size_t i = 0; i < LOOKS; i++)
		sink += routes_find(&r, rng_u64(&rng)) != NULL;
	double miss = per(start, LOOKS);
	static const char bare[] = "somebody.or.other@example.org";
	start = now_ns();
	for (size_t i = 0; i < LOOKS; i++)
		sink += str_hash(str_span(bare, sizeof bare - 1 - (sink & 1)), key);
	double hash = per(start, LOOKS);
	struct view *v = view_new(10);
	for (uint32_t i = 0; i < 10; i++)
		v->nodes[i] = (struct view_node){ .epoch = i + 1, .state = NODE_UP };
	v->self = 1;
	start = now_ns();
	for (size_t i = 0; i < LOOKS; i++)
		sink += view_place(v, rng_u64(&rng));
	double place = per(start, LOOKS);
	printf("%zu accounts: put %.0f ns, look-up %.0f ns (+ hash of an address %.0f ns), none %.0f ns, place among 10 nodes %.0f ns, "
	       "%.1f bytes an account\n", n, put, hit, hash, miss, place, (double)(r.cap * sizeof(struct route)) / (double)n);
	view_unref(v);
	routes_fini(&r);
	free(fps);
	return 0;
}
