/*
 * routes_cost [N]: the table of homes at N accounts (1,000,000): nanoseconds to add one, to look one up with and without the hash of its
 * address, and to find none; bytes an account; and the same for where an unclaimed account has its place among 10 nodes. And what comes
 * every half minute: one worker's digests to and from 9 peers of two workers each, with so many accounts in its table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cluster/homes.h"
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

/* ---- digests ---- */

#define NODES     10
#define WORKERS   2
#define DIGEST_MS 30000

static struct homes *homes;
static unsigned digests;

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	(void)arg;
	(void)epoch;
	digests += r->kind == HOMES_DIGEST;
}

static void on_broadcast(void *arg, const struct frame_record *r)
{
	(void)arg;
	(void)r;
}

static void on_claim(void *arg, struct str bare, uint64_t fp, uint64_t hlc)
{
	(void)arg;
	(void)bare;
	homes_registered(homes, fp, ERR_NONE, homes_self(homes), hlc, 0);
}

static void on_settled(void *arg, struct str bare, uint64_t fp, uint32_t epoch)
{
	(void)arg;
	(void)bare;
	(void)fp;
	(void)epoch;
}

static void on_synced(void *arg)
{
	(void)arg;
}

static void hear(enum homes_kind kind, uint32_t from, uint64_t fp, uint64_t hlc, uint64_t sid, uint32_t n)
{
	struct frame_record r = { .kind = (uint8_t)kind, .ttl = FRAME_TTL, .dst_fp = fp, .osm = hlc, .dst_sid = sid, .oseq = n };
	homes_record(homes, from, &r, 0);
}

/* We are epoch 1, worker 0 of two. */
static void fill(struct view *v, const uint64_t *fps, size_t n)
{
	homes_view(homes, v, 0);
	for (uint32_t from = 2; from <= NODES; from++)
		for (unsigned i = 0; i < WORKERS; i++)
			hear(HOMES_END, from, 0, 0, 0, WORKERS);
	for (size_t i = 0; i < n; i++) {
		uint32_t owner = 1 + (uint32_t)(i % NODES);
		if (owner != 1) {
			hear(HOMES_ADD, owner, fps[i], i + 1, 0, 0);
			continue;
		}
		homes_want(homes, STR("u@example.org"), fps[i], i + 1, 0);
		hear(HOMES_GRANT, 2, fps[i], i + 1, 1, 0);
	}
}

static void digests_cost(struct view *v, const uint64_t *fps, size_t n)
{
	struct homes_out out = {
		.send = on_send, .broadcast = on_broadcast, .claim = on_claim, .settled = on_settled, .synced = on_synced,
	};
	struct homes_stats st;
	homes = homes_new(&out, 0, WORKERS, 0);
	for (unsigned i = 0; i < v->n; i++)
		v->nodes[i].workers = WORKERS;
	uint64_t start = now_ns();
	fill(v, fps, n);
	double add = per(start, n);
	homes_stats(homes, &st);
	if (st.entries != n || st.own != (n + NODES - 1) / NODES) {
		fputs("routes_cost: two accounts have one fingerprint\n", stderr);
		exit(1);
	}
	start = now_ns();
	homes_tick(homes, DIGEST_MS);
	for (uint32_t from = 2; from <= NODES; from++)
		for (unsigned i = 0; i < WORKERS; i++)
			hear(HOMES_DIGEST, from, 0, 0, (uint64_t)i << 32 | WORKERS, 0);
	double ms = (double)(now_ns() - start) / 1e6;
	printf("digests, %u out and as many in: %.3f ms a round; an account comes in %.0f ns\n", digests, ms, add);
	homes_free(homes);
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
	digests_cost(v, fps, n);
	view_unref(v);
	routes_fini(&r);
	free(fps);
	return 0;
}
