#include "node/store/postgres_care.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cluster/polite.h"

#define ERRAND_MS 3600000 /* for one statement */

static const char size_sql[] = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
			       " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'starling' AND c.relkind = 'r'";

/* Each finds nothing in a store that is sound. Reading every value finds what the server's checksums and its TOAST tables complain of. */
static const struct {
	const char *sql, *what;
} checks[] = {
	{ "SELECT FROM kv HAVING sum(length(sha256(value))) < 0", "values" },
	{ "SELECT FROM map HAVING sum(length(sha256(value))) < 0", "values of maps" },
	{ "SELECT FROM entries HAVING sum(length(sha256(value))) < 0", "entries of logs" },
	{ "SELECT log FROM entries e WHERE NOT EXISTS (SELECT FROM logs WHERE id = e.log) LIMIT 1", "entries belong to no log" },
	{ "SELECT id FROM logs l WHERE count <> (SELECT count(*) FROM entries WHERE log = l.id) LIMIT 1", "a log's count is wrong" },
	{ "SELECT id FROM logs l WHERE next_seq <= (SELECT max(seq) FROM entries WHERE log = l.id) LIMIT 1",
	  "a log would give a number again" },
	{ "SELECT last_value FROM versions WHERE last_value < (SELECT max(version) FROM kv)", "a version would be given again" },
};

static bool fail(struct store_care *e, const struct pg_link *k)
{
	snprintf(e->text, sizeof e->text, "%s", k->text);
	return false;
}

static bool read_size(struct pg_link *k, struct store_care *e, uint64_t *bytes)
{
	PGresult *r = link_exec(k, size_sql);
	bool ok = r && str_to_u64(str_of(PQgetvalue(r, 0, 0)), bytes);
	PQclear(r);
	return ok || fail(e, k);
}

/* In one snapshot; in plain words when something is wrong. */
static bool check(struct postgres_care *c, struct pg_link *k, struct store_care *e)
{
	if (link_run(k, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
		return fail(e, k);
	for (size_t i = 0; i < sizeof checks / sizeof checks[0] && !atomic_load(&c->cancel); i++) {
		PGresult *r = link_exec(k, checks[i].sql);
		bool found = r && PQntuples(r) > 0;
		PQclear(r);
		if (found)
			snprintf(e->text, sizeof e->text, "damaged: %s", checks[i].what);
		if (found || !r)
			return found ? false : fail(e, k);
	}
	return !link_run(k, "COMMIT") || fail(e, k);
}

static bool compact(struct postgres_care *c, struct pg_link *k, struct store_care *e)
{
	static const char *const tables[] = { "VACUUM (ANALYZE) kv", "VACUUM (ANALYZE) map", "VACUUM (ANALYZE) logs",
					      "VACUUM (ANALYZE) entries" };
	if (!read_size(k, e, &e->bytes_before))
		return false;
	for (size_t i = 0; i < sizeof tables / sizeof tables[0] && !atomic_load(&c->cancel); i++) {
		if (link_run(k, tables[i]))
			return fail(e, k);
	}
	return true;
}

static void carry_out(struct postgres_care *c, struct store_care *e)
{
	struct pg_link k = *c->model;
	k.stop = k.cancel = &c->cancel;
	e->err = link_open(&k);
	bool ok = !e->err || fail(e, &k);
	k.patience_ms = ERRAND_MS;
	ok = ok && (link_leave_pipelines(&k) || fail(e, &k));
	ok = ok && (!link_run(&k, "SET statement_timeout = 0; SET enable_seqscan = on") || fail(e, &k));
	ok = ok && (e->kind == CARE_CHECK ? check(c, &k, e) : compact(c, &k, e));
	ok = ok && read_size(&k, e, &e->bytes);
	e->err = atomic_load(&c->cancel) ? ERR_CANCELLED : ok ? ERR_NONE : ERR_IO;
	link_close(&k);
}

static void on_answered(struct worker *w, struct message *m, bool cancelled)
{
	struct store_care *e = (struct store_care *)m;
	e->on_done(e);
}

static void *thread_main(void *arg)
{
	struct postgres_care *c = arg;
	struct store_care *e = c->errand;
	pthread_setname_np(pthread_self(), "care");
	polite_begin();
	carry_out(c, e);
	c->errand = NULL;
	e->message.run = on_answered;
	atomic_store(&c->busy, false); /* then another may begin */
	worker_post(e->worker, &e->message);
	return NULL;
}

enum err postgres_care_begin(struct postgres_care *c, struct store_care *errand)
{
	sigset_t all, before;
	if (errand->kind == CARE_BACKUP) {
		snprintf(errand->text, sizeof errand->text,
			 "the postgres store is the server's to copy: use `pg_dump --format=custom`, and pg_restore");
		return ERR_DENIED;
	}
	if (atomic_exchange(&c->busy, true))
		return ERR_EXISTS;
	if (c->joinable)
		pthread_join(c->thread, NULL);
	atomic_store(&c->cancel, false);
	c->errand = errand;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
	c->joinable = pthread_create(&c->thread, NULL, thread_main, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!c->joinable)
		atomic_store(&c->busy, false);
	return c->joinable ? ERR_NONE : ERR_UNAVAILABLE;
}

void postgres_care_init(struct postgres_care *c, const struct pg_link *model)
{
	*c = (struct postgres_care){ .model = model };
}

void postgres_care_cancel(struct postgres_care *c)
{
	atomic_store(&c->cancel, true);
}

void postgres_care_fini(struct postgres_care *c)
{
	atomic_store(&c->cancel, true);
	if (c->joinable)
		pthread_join(c->thread, NULL);
}
