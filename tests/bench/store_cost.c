/*
 * store_cost: what an op of the store costs: ops a second and processor time per op, with 1 and with 64 under way, over each backend.
 * One worker asks; the processor time is that of the whole process, so the asker's share (an op's arena, a post, a timer) is in it.
 *
 *     store_cost [FOLDER [SECONDS [URI]]]     the database is made in FOLDER (default /tmp); each measurement takes SECONDS (default 1);
 *                                             URI: of a PostgreSQL server, that is measured as well
 *     tests/harness/with-postgres build/gcc/tests/bench/store_cost /tmp 1 postgresql:///     the same with a server of its own
 *
 * One transaction for a batch of writes, or one for each of them, all sent without waiting? Both are measured on PostgreSQL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node/store/memory.h"
#include "node/store/postgres.h"
#include "node/store/sqlite.h"

#define OWNERS 1000
#define VALUE  300 /* bytes: a chat message */

static const struct store_space account = { "account", STORE_KV }, roster = { "roster", STORE_MAP }, offline = { "offline", STORE_LOG };

enum work { GET, PUT, MAP_ALL, APPEND, WORK_COUNT };
static const char *const work_names[] = { "kv get", "kv put", "map all (20)", "log append" };

struct run {
	struct message message;
	struct worker *worker;
	struct store *store;
	enum work work;
	unsigned in_flight, under_way;
	uint64_t until_us, done, failed, number;
	uv_sem_t over;
};

static uint64_t wall_us(void)
{
	return uv_hrtime() / 1000;
}

static uint64_t processor_us(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void on_done(struct store_op *op);

static void ask(struct run *r)
{
	static char value[VALUE];
	char owner[16];
	int n = snprintf(owner, sizeof owner, "user%u", (unsigned)(r->number++ * 7919 % OWNERS));
	struct store_op *op = store_op_new(STR("example.org"), str_span(owner, (size_t)n), on_done, r);
	if (r->work == GET)
		store_kv_get(op, &account);
	else if (r->work == PUT)
		store_kv_put(op, &account, str_span(value, VALUE));
	else if (r->work == MAP_ALL)
		store_map_all(op, &roster, STR_NONE, 0);
	else
		store_log_append(op, &offline, 1, STR_NONE, str_span(value, VALUE), 0);
	if (store_submit(r->store, op))
		abort();
	r->under_way++;
}

static void on_done(struct store_op *op)
{
	struct run *r = op->arg;
	r->done++;
	r->failed += op->err != ERR_NONE;
	r->under_way--;
	if (wall_us() < r->until_us)
		ask(r);
	else if (r->under_way == 0)
		uv_sem_post(&r->over);
}

static void on_start(struct worker *w, struct message *m, bool cancelled)
{
	struct run *r = (struct run *)m;
	(void)w;
	for (unsigned i = 0; i < r->in_flight && !cancelled; i++)
		ask(r);
}

static void measure(struct run *r, double seconds)
{
	struct store_stats before, after;
	r->done = r->failed = 0;
	store_stats(r->store, &before);
	uint64_t start = wall_us(), processor = processor_us();
	r->until_us = start + (uint64_t)(seconds * 1e6);
	r->message.run = on_start;
	worker_post(r->worker, &r->message);
	uv_sem_wait(&r->over);
	double wall = (double)(wall_us() - start), used = (double)(processor_us() - processor), n = (double)r->done;
	store_stats(r->store, &after);
	uint64_t batches = after.batches - before.batches;
	printf("  %-14s %4u in flight  %9.0f ops/s  %7.1f us processor/op  %6.1f ops/batch%s\n", work_names[r->work], r->in_flight,
	       n / wall * 1e6, used / n, batches ? n / (double)batches : 0, r->failed ? "  (some failed)" : "");
}

/* A value and a roster of 20 for each owner. */
static void on_filled(struct store_op *op)
{
	struct run *r = op->arg;
	if (op->err)
		abort();
	if (++r->done == OWNERS)
		uv_sem_post(&r->over);
}

static void on_fill(struct worker *w, struct message *m, bool cancelled)
{
	struct run *r = (struct run *)m;
	(void)w;
	for (unsigned i = 0; i < OWNERS && !cancelled; i++) {
		char name[32];
		int n = snprintf(name, sizeof name, "user%u", i);
		struct store_op *op = store_op_new(STR("example.org"), str_span(name, (size_t)n), on_filled, r);
		op->timeout_ms = 60000;
		store_kv_put(op, &account, STR("keys"));
		for (int j = 0; j < 20; j++) {
			n = snprintf(name, sizeof name, "contact%d@example.org", j);
			store_map_put(op, &roster, str_span(name, (size_t)n), STR("<item subscription='both'/>"), 0);
		}
		if (store_submit(r->store, op))
			abort();
	}
}

static void bench(struct store *s, const char *name, double seconds)
{
	struct run r = { .store = s, .worker = worker_new(0, "bench") };
	uv_sem_init(&r.over, 0);
	if (worker_start(r.worker, NULL, NULL))
		abort();
	r.message.run = on_fill;
	worker_post(r.worker, &r.message);
	uv_sem_wait(&r.over);
	printf("%s\n", name);
	for (r.work = GET; r.work < WORK_COUNT; r.work++) {
		for (r.in_flight = 1; r.in_flight <= 64; r.in_flight *= 64)
			measure(&r, seconds);
	}
	store_close(s);
	worker_stop(r.worker);
	worker_join(r.worker);
	worker_free(r.worker);
	uv_sem_destroy(&r.over);
}

static void bench_sqlite(const char *folder, bool sync_normal, double seconds)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
	char path[4096], name[4200], why[SQLITE_WHY_BYTES];
	struct store *s;
	snprintf(path, sizeof path, "%s/store-cost-%d.db", folder, (int)getpid());
	struct sqlite_store_options options = { .path = path, .sync_normal = sync_normal };
	if (sqlite_store_open(&options, &s, why)) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
	bench(s, sync_normal ? "sqlite, synchronous=NORMAL" : "sqlite, synchronous=FULL", seconds);
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

static void bench_postgres(const char *uri, unsigned pool, bool apart, double seconds)
{
	char name[64], why[POSTGRES_WHY_BYTES];
	struct store *s;
	struct postgres_store_options options = { .uri = uri, .pool = pool, .apart = apart };
	if (postgres_store_open(&options, &s, why)) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
	snprintf(name, sizeof name, "postgres, %u connection%s, %s", pool, pool > 1 ? "s" : "", apart ? "a transaction an op" : "grouped");
	bench(s, name, seconds);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/tmp";
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
	bench(memory_store_open(NULL, 0), "memory", seconds);
	bench_sqlite(folder, true, seconds);
	bench_sqlite(folder, false, seconds);
	for (unsigned pool = 1; argc > 3 && pool <= 4; pool *= 4) {
		bench_postgres(argv[3], pool, false, seconds);
		bench_postgres(argv[3], pool, true, seconds);
	}
	return 0;
}
