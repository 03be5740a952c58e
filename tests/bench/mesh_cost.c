/*
 * mesh_cost: what a record costs from a worker of one node to a worker of another: two processes, each with a worker and the mesh thread,
 * on the loopback; the core, the links and the sockets are the real ones, the registry is a table of two.
 *
 *     mesh_cost [SECONDS]      of each measurement, default 2
 *
 * Processor time is that of both processes, all threads, per record of 300 bytes of XML. At saturation the sender queues a batch in each of
 * its passes for as long as the link is not full; in open loop records are due at 2,000 a second and come back.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/mesh.h"
#include "cluster/redis.h"

#define XML      300
#define RATE     2000 /* a second */
#define SAMPLES  200000
#define BACKLOG  (1u << 20)
#define START_MS 10000

enum mode { FLOOD, OPEN_LOOP, PING_PONG };

/* Shared by both processes. */
struct shared {
	_Atomic uint64_t received, cpu_us[2];
	_Atomic bool linked[2], stop, over;
	char addr[2][64];
};

static struct shared *shared;
static unsigned self; /* 0 sends, 1 receives */

/* ---- the registry: two nodes whose epochs are 1 and 2 ---- */

struct registry {
	void (*fn)(void *arg, bool up, bool fresh, const char *text);
	void *arg;
};

struct registry *registry_new(struct worker *w, const struct redis_options *o)
{
	return xzalloc(sizeof(struct registry));
}

void registry_free(struct registry *r)
{
	free(r);
}

void registry_start(struct registry *r)
{
	r->fn(r->arg, true, false, "a table");
}

void registry_on_change(struct registry *r, void (*fn)(void *arg, bool up, bool fresh, const char *text), void *arg)
{
	r->fn = fn;
	r->arg = arg;
}

bool registry_is_up(const struct registry *r)
{
	return true;
}

void registry_ask(struct registry *r, struct registry_call *c, void (*done)(void *arg, struct registry_call *c), void *arg)
{
	c->err = c->verb == REGISTRY_FENCE ? ERR_DENIED : ERR_NONE;
	if (c->verb == REGISTRY_JOIN || c->verb == REGISTRY_NODES) {
		c->arena = arena_new(0);
		c->nodes = arena_alloc(c->arena, 2 * sizeof *c->nodes);
		c->n_nodes = 2;
		c->epoch = self + 1;
		c->id = (uint16_t)(self + 1);
		for (unsigned i = 0; i < 2; i++)
			c->nodes[i] = (struct registry_node){
				.epoch = i + 1, .id = (uint16_t)(i + 1), .workers = 1, .state = NODE_UP, .speaks_min = 1, .speaks_max = 1,
				.lease_ms = 8000, .name = i ? STR("b") : STR("a"), .addr = str_of(shared->addr[i]), .version = STR("1"),
			};
	}
	done(arg, c);
}

/* ---- a node: one worker ---- */

static struct worker *worker;
static struct mesh *mesh;
static enum mode mode;
static unsigned batch;
static bool full;
static uint64_t sent, until_ns, n_samples;
static uint32_t samples[SAMPLES]; /* round trips in ns */
static uv_timer_t pacer;
static uint64_t due, pace_began_ns;

static uint64_t cpu_us(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void on_view(struct worker *w, struct view *v)
{
	const struct view_node *peer = view_find(v, 2 - self);
	if (v->self && v->state == NODE_SYNCING)
		mesh_synced(mesh, w);
	full = peer && peer->full;
	shared->linked[self] = v->state == NODE_UP && peer && peer->linked && peer->state == NODE_UP;
}

static void send_record(uint64_t stamp)
{
	static const char xml[XML];
	const struct frame_record r = {
		.kind = 100, .ttl = FRAME_TTL, .osm = stamp, .dst_fp = 1, .from = STR_INIT("romeo@montague.example/orchard"),
		.to = STR_INIT("juliet@capulet.example/balcony"), .xml = { xml, XML },
	};
	if (mesh_send(mesh, worker, 2 - self, &r) != ERR_NONE)
		abort();
	sent++;
}

static void on_record(struct worker *w, uint32_t from, const struct frame_record *r)
{
	if (self == 1) {
		atomic_fetch_add_explicit(&shared->received, 1, memory_order_relaxed);
		if (mode != FLOOD)
			send_record(r->osm);
		return;
	}
	if (n_samples < SAMPLES)
		samples[n_samples++] = (uint32_t)(uv_hrtime() - r->osm);
	if (mode == PING_PONG && uv_hrtime() < until_ns)
		send_record(uv_hrtime());
}

static void on_lost(struct worker *w, uint32_t to, const struct frame_record *r)
{
	if (!shared->stop) {
		fprintf(stderr, "mesh_cost: a record came back\n");
		abort();
	}
}

static void on_nothing(struct worker *w)
{
}

static void on_row(struct worker *w, uint32_t dead, const struct registry_row *row)
{
}

static uint64_t fp_of(void *arg, struct str bare)
{
	return 1;
}

static struct message *resting;

static void on_rested(uv_timer_t *t)
{
	worker_pass_begin(worker);
	worker_post(worker, resting);
}

/* One batch a pass, as a worker has it that read so many stanzas; a rest of a millisecond when there is no room. */
static void flood(struct worker *w, struct message *m, bool cancelled)
{
	if (cancelled || uv_hrtime() >= until_ns) {
		free(m);
		return;
	}
	if (full || worker_backlog(mesh_worker(mesh)) > BACKLOG) {
		resting = m;
		uv_timer_start(&pacer, on_rested, 1, 0);
		return;
	}
	for (unsigned i = 0; i < batch; i++)
		send_record(0);
	worker_post(w, m);
}

static void on_pace(uv_timer_t *t)
{
	uint64_t now = uv_hrtime();
	worker_pass_begin(worker);
	if (now >= until_ns) {
		uv_timer_stop(t);
		return;
	}
	for (; due < (now - pace_began_ns) * RATE / 1000000000; due++)
		send_record(now);
}

static void begin(struct worker *w, struct message *m, bool cancelled)
{
	if (cancelled)
		return;
	m->run = flood;
	uv_timer_init(&w->loop, &pacer);
	if (mode == FLOOD) {
		flood(w, m, false);
		return;
	}
	free(m);
	if (mode == PING_PONG) {
		send_record(uv_hrtime());
		return;
	}
	pace_began_ns = uv_hrtime();
	uv_timer_start(&pacer, on_pace, 1, 1);
}

static void on_stop(struct worker *w)
{
	if (self == 0)
		uv_close((uv_handle_t *)&pacer, NULL);
}

static void node_open(bool curve)
{
	static const struct redis_options redis;
	struct buf why;
	buf_init(&why, 1024);
	worker = worker_new(0, "w0");
	struct mesh_options o = {
		.core = { .name = self ? STR("b") : STR("a"), .addr = str_of(shared->addr[self]), .version = STR_INIT("1") },
		.bind = str_of(shared->addr[self]), .curve = curve, .redis = &redis, .workers = &worker, .n_workers = 1, .on_view = on_view,
		.on_record = on_record, .on_lost = on_lost, .on_purged = on_row, .on_registry_fresh = on_nothing, .fp_of = fp_of,
	};
	mesh = mesh_start(&o, &why);
	if (!mesh) {
		fprintf(stderr, "mesh_cost: %.*s\n", STR_ARG(buf_str(&why)));
		exit(1);
	}
	if (worker_start(worker, NULL, on_stop) != ERR_NONE)
		abort();
	for (unsigned i = 0; i < START_MS && !(shared->linked[0] && shared->linked[1]); i++)
		usleep(1000);
	if (!shared->linked[0] || !shared->linked[1]) {
		fprintf(stderr, "mesh_cost: the nodes did not find one another\n");
		exit(1);
	}
}

static void node_close(void)
{
	worker_stop(worker);
	worker_join(worker);
	mesh_stop(mesh);
	worker_free(worker);
}

static void receiver(bool curve)
{
	self = 1;
	node_open(curve);
	uint64_t before = cpu_us();
	while (!shared->over)
		usleep(1000);
	shared->cpu_us[1] = cpu_us() - before;
	shared->stop = true;
	node_close();
	_exit(0);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void report(bool curve, double seconds, uint64_t bodies)
{
	static const char *const names[] = { "flood", "2,000 a second, there and back", "one at a time, there and back" };
	double records = (double)sent * (mode == FLOOD ? 1 : 2), cpu = (double)(shared->cpu_us[0] + shared->cpu_us[1]);
	printf("%-6s %-32s", curve ? "CURVE" : "plain", names[mode]);
	if (mode == FLOOD)
		printf(" batch %3u: %5.2f M/s,", batch, records / seconds / 1e6);
	printf(" %6.2f us a record (%.2f + %.2f), %.1f a body", cpu / records, (double)shared->cpu_us[0] / records,
	       (double)shared->cpu_us[1] / records, (double)sent / (double)(bodies ? bodies : 1));
	if (n_samples) {
		qsort(samples, n_samples, sizeof samples[0], by_value);
		printf(", p50 %.0f us, p99 %.0f us", samples[n_samples / 2] / 1e3, samples[n_samples * 99 / 100] / 1e3);
	}
	printf("\n");
	fflush(stdout);
}

/* The whole of one measurement is in processes of its own. */
static void sender(bool curve, double seconds)
{
	struct mesh_stats stats;
	node_open(curve);
	struct message *m = xzalloc(sizeof *m);
	m->run = begin;
	uint64_t before = cpu_us(), began = uv_hrtime();
	until_ns = began + (uint64_t)(seconds * 1e9);
	worker_post(worker, m);
	while (uv_hrtime() < until_ns + 50000000 || (mode == FLOOD && shared->received < sent))
		usleep(1000);
	double took = (double)(uv_hrtime() - began) / 1e9;
	shared->cpu_us[0] = cpu_us() - before;
	shared->over = true;
	while (!shared->stop)
		usleep(1000);
	usleep(1100000); /* the statistics are a second old at most */
	mesh_stats(mesh, &stats);
	node_close();
	report(curve, took, stats.bodies_out);
	_exit(0);
}

static void measure(enum mode what, unsigned size, bool curve, double seconds)
{
	memset(shared, 0, sizeof *shared);
	for (unsigned i = 0; i < 2; i++)
		snprintf(shared->addr[i], sizeof shared->addr[i], "tcp://127.0.0.1:%u", 11000 + (unsigned)getpid() % 10000 * 2 + i);
	mode = what;
	batch = size;
	fflush(stdout);
	pid_t pids[2];
	for (unsigned i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		if (i)
			receiver(curve);
		sender(curve, seconds);
	}
	int status[2] = { 0 };
	for (unsigned i = 0; i < 2; i++)
		waitpid(pids[i], &status[i], 0);
	if (status[0] || status[1])
		exit(1);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || seconds <= 0)
		return 2;
	for (int curve = 0; curve < 2; curve++) {
		static const unsigned sizes[] = { 1, 16, 64 };
		for (unsigned i = 0; i < 3; i++)
			measure(FLOOD, sizes[i], curve, seconds);
		measure(OPEN_LOOP, 0, curve, seconds);
		measure(PING_PONG, 0, curve, seconds);
	}
	return 0;
}
