/*
 * registry_cost: what the cluster's registry costs on a real Redis that it starts: claims and binds a second, one at a time and pipelined,
 * processor time of ours and of Redis' per call, bytes a session in Redis, and what a chunk of a purge takes.
 *
 *     registry_cost [SESSIONS]      one session an account; default 200000
 */
#include <hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "cluster/redis.h"
#include "cluster/registry.h"
#include "tests/cluster/redis_server.h"

#define DEPTH  256
#define SINGLE 5000 /* calls, one at a time */
#define EPOCH  2000000u

static struct worker *w;
static struct registry *registry;
static struct redis *raw;
static unsigned sessions = 200000;

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static uint64_t processor_us(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- what Redis says of itself ---- */

static char info[16384];
static bool told;

static void on_info(void *arg, const struct redisReply *reply)
{
	if (!reply || !reply->str) {
		fprintf(stderr, "registry_cost: Redis does not answer INFO\n");
		exit(1);
	}
	snprintf(info, sizeof info, "%s", reply->str);
	told = true;
}

static double info_value(const char *section, const char *name)
{
	told = false;
	redis_command(raw, 2, (struct str[]){ STR("INFO"), str_of(section) }, on_info, NULL);
	while (!told)
		worker_turn(w);
	const char *at = strstr(info, name);
	return at ? strtod(at + strlen(name), NULL) : 0;
}

static double redis_us(void)
{
	double user = info_value("cpu", "used_cpu_user:"), sys = info_value("cpu", "used_cpu_sys:");
	return (user + sys) * 1e6;
}

/* ---- calls ---- */

struct job {
	struct registry_call call;
	char bare[64], resource[32];
};

static unsigned next_number, done_count, failed, total, rows;
static bool purge_more;
static uint64_t purge_longest_us, purge_began_us;

static void fill(struct job *j, enum registry_verb verb, unsigned n)
{
	snprintf(j->bare, sizeof j->bare, "user%06u@example.org", n);
	snprintf(j->resource, sizeof j->resource, "gajim.%08X", n * 2654435761u);
	j->call = (struct registry_call){ .verb = verb, .key = str_of(j->bare), .resource = str_of(j->resource), .epoch = EPOCH };
	j->call.edge = EPOCH;
	j->call.hlc = UINT64_C(1800000000000) << 16 | n;
	j->call.sid = (uint64_t)EPOCH << 40 | n;
	j->call.flags = REGISTRY_AVAILABLE | REGISTRY_LOCAL;
}

static void on_done(void *arg, struct registry_call *c)
{
	struct job *j = arg;
	enum registry_verb verb = c->verb;
	done_count++;
	failed += c->err != ERR_NONE;
	if (next_number < total) {
		fill(j, verb, next_number++);
		registry_ask(registry, &j->call, on_done, j);
	}
}

/* `count` calls, `depth` under way. */
static void run(const char *what, enum registry_verb verb, unsigned first, unsigned count, unsigned depth)
{
	static struct job jobs[DEPTH];
	next_number = first;
	total = first + count;
	done_count = failed = 0;
	double redis_before = redis_us();
	uint64_t began = now_us(), busy = processor_us();
	for (unsigned i = 0; i < depth && next_number < total; i++) {
		fill(&jobs[i], verb, next_number++);
		registry_ask(registry, &jobs[i].call, on_done, &jobs[i]);
	}
	while (done_count < count)
		uv_run(&w->loop, UV_RUN_ONCE);
	uint64_t took = now_us() - began;
	busy = processor_us() - busy;
	double redis_busy = redis_us() - redis_before;
	printf("%-14s %3u under way  %8.0f/s  %6.1f us each  ours %5.1f us  Redis %5.1f us%s\n", what, depth, count * 1e6 / (double)took,
	       (double)took / count, (double)busy / count, redis_busy / count, failed ? "  FAILED" : "");
	if (failed)
		exit(1);
}

static bool answered;
static void on_answer(void *arg, struct registry_call *c)
{
	answered = true;
}

static void ask(struct registry_call *c)
{
	answered = false;
	registry_ask(registry, c, on_answer, NULL);
	while (!answered)
		uv_run(&w->loop, UV_RUN_ONCE);
}

static void purge_chunk(unsigned bucket, unsigned limit)
{
	struct registry_call c = { .verb = REGISTRY_PURGE, .epoch = EPOCH, .bucket = (uint8_t)bucket, .limit = limit };
	purge_began_us = now_us();
	ask(&c);
	uint64_t took = now_us() - purge_began_us;
	if (took > purge_longest_us)
		purge_longest_us = took;
	if (c.err) {
		fprintf(stderr, "registry_cost: purge: %s\n", err_name(c.err));
		exit(1);
	}
	rows += c.n_rows;
	purge_more = c.more;
	arena_free(c.arena);
}

/* The time in Redis itself is that of its slow log; here also the way there and back. */
static void purge(unsigned first_bucket, unsigned n_buckets, unsigned limit)
{
	unsigned chunks = 0;
	rows = 0;
	purge_longest_us = 0;
	double redis_before = redis_us();
	uint64_t began = now_us();
	for (unsigned b = first_bucket; b < first_bucket + n_buckets; b++)
		do {
			purge_chunk(b, limit);
			chunks++;
		} while (purge_more);
	uint64_t took = now_us() - began;
	printf("purge          %3u accounts a chunk: %u chunks, %.0f us each (longest %" PRIu64 "), Redis %.0f us; %.0f rows/s\n", limit,
	       chunks, (double)took / chunks, purge_longest_us, (redis_us() - redis_before) / chunks, rows * 1e6 / (double)took);
}

static void connect_to(struct redis_server *server)
{
	struct redis_options o = { .unix_path = str_of(server->unix_path), .timeout_ms = 60000, .connect_ms = 60000 };
	w = worker_new(0, "bench");
	registry = registry_new(w, &o);
	registry_start(registry);
	raw = redis_new(w, &o);
	redis_start(raw);
	while (!registry_is_up(registry) || !redis_is_up(raw))
		uv_run(&w->loop, UV_RUN_ONCE);
}

int main(int argc, char **argv)
{
	struct redis_server server;
	if (argc > 1)
		sessions = (unsigned)strtoul(argv[1], NULL, 10);
	redis_server_init(&server, 0);
	redis_server_start(&server, NULL);
	connect_to(&server);
	struct registry_call join = { .verb = REGISTRY_JOIN, .epoch = EPOCH, .id = 1 };
	join.self.name = STR("bench");
	join.self.addr = STR("tcp://h:1");
	ask(&join);
	arena_free(join.arena);

	double before = info_value("memory", "used_memory:");
	run("home-claim", REGISTRY_HOME_CLAIM, 0, sessions, DEPTH);
	run("bind", REGISTRY_BIND, 0, sessions, DEPTH);
	double after = info_value("memory", "used_memory:");
	printf("memory         %u sessions: %.1f bytes each in Redis (target: at most 250)\n", sessions, (after - before) / sessions);
	run("update", REGISTRY_UPDATE, 0, sessions, DEPTH);
	run("home-claim", REGISTRY_HOME_CLAIM, sessions, SINGLE, 1);
	run("bind", REGISTRY_BIND, sessions, SINGLE, 1);
	run("unbind", REGISTRY_UNBIND, sessions, SINGLE, DEPTH);
	run("home-release", REGISTRY_HOME_RELEASE, sessions, SINGLE, DEPTH);

	struct registry_call leave = { .verb = REGISTRY_LEAVE, .epoch = EPOCH };
	ask(&leave);
	purge(0, 16, 50);
	purge(16, 16, 100);
	purge(32, 16, 200);
	purge(48, 16, 500);
	double left = info_value("memory", "used_memory:");
	printf("memory         %.0f bytes more than before the sessions came\n", left - before);
	registry_free(registry);
	redis_free(raw);
	worker_free(w);
	redis_server_fini(&server);
	return 0;
}
