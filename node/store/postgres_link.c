#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/store/postgres_db.h"

#define PATIENCE_MS     15000  /* without a byte from a server that owes an answer: statements end after STATEMENT_MS at the latest */
#define MIGRATION_MS    600000 /* another node may be at it */
#define LOOK_MS         100    /* how often a wait looks whether it should end */
#define VERSION_MIN     140000 /* pg_terminate_backend that waits */
#define TYPE_BYTEA      17
#define TYPE_BIGINT     20
#define TYPE_TEXT       25

static const struct {
	const char *name, *types, *text;
} statements[PG_SQL_COUNT] = {
#define XSQL(sql, types, text) [PG_##sql] = { #sql, types, text },
	PG_TABLE(XSQL)
#undef XSQL
};

/* Plans are made once and use indexes, whatever the server thinks of tables that were empty then. A lock that is held longer than that is
 * a node that hangs: the owner's ops fail, others go on. */
static const char session[] =
	"SET client_min_messages = error; SET search_path = starling; SET default_transaction_isolation = 'read committed';"
	"SET statement_timeout = '10s'; SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '20s';"
	"SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off;"
	"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;";

/* ---- failures ---- */

/* libpq's messages have several lines. */
static void note_text(struct pg_link *k, const char *text)
{
	size_t n = 0;
	bool space = false;
	for (; *text && n + 2 < sizeof k->text; text++) {
		if (isspace((unsigned char)*text)) {
			space = n > 0;
			continue;
		}
		if (space)
			k->text[n++] = ' ';
		space = false;
		k->text[n++] = *text;
	}
	k->text[n] = '\0';
}

void link_note(struct pg_link *k, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	snprintf(k->state, sizeof k->state, "%s", state ? state : "");
	note_text(k, PQresultErrorMessage(r));
}

void link_close(struct pg_link *k)
{
	PQfinish(k->conn);
	k->conn = NULL;
}

void link_lose(struct pg_link *k, const char *text)
{
	if (!k->conn)
		return;
	note_text(k, text ? text : PQerrorMessage(k->conn));
	if (!k->text[0])
		note_text(k, "the server closed the connection");
	link_close(k);
}

/* ---- waiting ---- */

/* Until the socket can be read (or written): 1; 0 when the time is over; -1 when `stop` (may be NULL) says so or the socket fails. */
static int wait_socket(const PGconn *conn, short events, uint64_t until_us, const _Atomic bool *stop)
{
	for (;;) {
		uint64_t now = store_now_us();
		if (now >= until_us)
			return 0;
		uint64_t left_ms = (until_us - now) / 1000 + 1;
		struct pollfd p = { .fd = PQsocket(conn), .events = events };
		if (poll(&p, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) > 0)
			return 1;
		if (p.fd < 0 || (stop && atomic_load(stop)))
			return -1;
	}
}

/* The server is told to stop what nobody waits for. */
static void cancel_statement(struct pg_link *k)
{
	char why[256];
	PGcancel *c = PQgetCancel(k->conn);
	if (c)
		PQcancel(c, why, sizeof why);
	PQfreeCancel(c);
}

/* Sends what is to be sent and reads until a result is complete. False: the connection is lost. */
static bool wait_result(struct pg_link *k)
{
	uint64_t until_us = store_now_us() + k->patience_ms * 1000ull;
	for (;;) {
		int left = PQflush(k->conn);
		if (left == 0 && !PQisBusy(k->conn))
			return true;
		int ready = left < 0 ? -1 : wait_socket(k->conn, left ? POLLIN | POLLOUT : POLLIN, until_us, k->cancel);
		if (ready < 0 && k->cancel && atomic_load(k->cancel))
			cancel_statement(k);
		if (ready <= 0) {
			link_lose(k, ready == 0 ? "the server does not answer" : NULL);
			return false;
		}
		if (!PQconsumeInput(k->conn) && PQisBusy(k->conn)) {
			link_lose(k, NULL);
			return false;
		}
		until_us = store_now_us() + k->patience_ms * 1000ull;
	}
}

bool link_listen(struct pg_link *k)
{
	if (k->conn && !PQconsumeInput(k->conn))
		link_lose(k, NULL);
	return k->conn != NULL;
}

PGresult *link_result(struct pg_link *k)
{
	for (bool before = false; k->conn && wait_result(k);) {
		PGresult *r = PQgetResult(k->conn);
		if (PQstatus(k->conn) == CONNECTION_BAD) {
			PQclear(r);
			link_lose(k, NULL);
			return NULL;
		}
		if (r)
			return r;
		if (before) { /* two ends on end: nothing is owed, and nothing will come */
			link_lose(k, "the server's answers do not fit the questions");
			return NULL;
		}
		before = true;
	}
	return NULL;
}

/* ---- pipelines ---- */

void params_bytes(struct pg_params *p, struct str s)
{
	BUG_ON(p->n == PG_PARAMS_MAX);
	p->values[p->n] = s.p;
	p->lengths[p->n++] = (int)s.len;
}

void params_int(struct pg_params *p, int64_t value)
{
	BUG_ON(p->n == PG_PARAMS_MAX);
	for (int i = 0; i < 8; i++)
		p->ints[p->n][i] = (char)((uint64_t)value >> (56 - 8 * i));
	p->values[p->n] = p->ints[p->n];
	p->lengths[p->n++] = 8;
}

void link_post(struct pg_link *k, enum pg_sql id, const struct pg_params *params)
{
	static const int binary[PG_PARAMS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	static const struct pg_params none;
	const struct pg_params *p = params ? params : &none;
	BUG_ON(p->n != (int)strlen(statements[id].types));
	if (k->conn && !PQsendQueryPrepared(k->conn, statements[id].name, p->n, p->values, p->lengths, binary, 1))
		link_lose(k, NULL);
}

void link_sync(struct pg_link *k)
{
	if (k->conn && !PQpipelineSync(k->conn))
		link_lose(k, NULL);
}

/* ---- without pipelines ---- */

bool link_leave_pipelines(struct pg_link *k)
{
	if (k->conn && !PQexitPipelineMode(k->conn))
		link_lose(k, NULL);
	return k->conn != NULL;
}

PGresult *link_exec(struct pg_link *k, const char *sql)
{
	PGresult *last = NULL;
	if (!k->conn || !PQsendQuery(k->conn, sql)) {
		link_lose(k, NULL);
		return NULL;
	}
	for (bool good = true;;) {
		if (!wait_result(k)) {
			PQclear(last);
			return NULL;
		}
		PGresult *r = PQgetResult(k->conn);
		if (!r)
			return last;
		ExecStatusType status = PQresultStatus(r);
		PQclear(last);
		if (good && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
			link_note(k, r);
			good = false;
		}
		last = good ? r : NULL;
		if (!good)
			PQclear(r);
	}
}

enum err link_run(struct pg_link *k, const char *sql)
{
	PGresult *r = link_exec(k, sql);
	PQclear(r);
	return r ? ERR_NONE : ERR_IO;
}

/* ---- connecting ---- */

/* Goes on until there is a connection or none can be had: what wait_socket said at last. */
static int poll_connection(const struct pg_link *k, PGconn *conn)
{
	uint64_t until_us = store_now_us() + k->connect_timeout_ms * 1000ull;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;
	int ready = 1;
	while (PQstatus(conn) != CONNECTION_BAD && ready > 0 && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
		ready = wait_socket(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_us, k->stop);
		if (ready > 0)
			state = PQconnectPoll(conn);
	}
	return ready;
}

/* Does it refuse us for want of something of its own (SQLSTATE class 53: connections, memory), or not any more? libpq tells the code of a
 * refusal at the end of its text only, and only when it is asked for nothing else. */
static bool is_full(const struct pg_link *k)
{
	const char *args[PG_ARGS_MAX];
	PGconn *conn = PQconnectStartParams(k->keys, memcpy(args, k->args, sizeof args), 1);
	BUG_ON(!conn); /* out of memory */
	PQsetErrorVerbosity(conn, PQERRORS_SQLSTATE);
	bool full = poll_connection(k, conn) < 1 || PQstatus(conn) == CONNECTION_OK;
	const char *code = strrchr(PQerrorMessage(conn), ' ');
	full |= code && strlen(code) >= 6 && strncmp(code, " 53", 3) == 0;
	PQfinish(conn);
	return full;
}

/* Does a server answer at all, so that it must be us whom it refuses? One that starts or stops says that, as does one that is full. */
static enum err blame(const struct pg_link *k)
{
	const char *args[PG_ARGS_MAX];
	PGPing ping = PQpingParams(k->keys, memcpy(args, k->args, sizeof args), 1);
	bool refuses = ping == PQPING_NO_ATTEMPT || (ping == PQPING_OK && !is_full(k));
	return refuses ? ERR_INVALID : ERR_UNAVAILABLE;
}

static void on_notice(void *arg, const char *text)
{
}

/* ERR_IO: somebody said no, or nobody is there. */
static enum err try_to_connect(struct pg_link *k)
{
	k->conn = PQconnectStartParams(k->keys, k->args, 1);
	BUG_ON(!k->conn); /* out of memory */
	PQsetNoticeProcessor(k->conn, on_notice, NULL);
	int ready = poll_connection(k, k->conn);
	if (PQstatus(k->conn) == CONNECTION_OK && ready > 0)
		return ERR_NONE;
	link_lose(k, ready == 0 ? "no connection in time" : ready < 0 ? "the store stops" : NULL);
	return ready < 1 ? ERR_UNAVAILABLE : ERR_IO;
}

/* A server that came up between our try and the question whether it answers has refused nobody: only a second no is one. */
static enum err connect_server(struct pg_link *k)
{
	enum err err = ERR_IO;
	for (int i = 0; i < 2 && err == ERR_IO; i++) {
		err = try_to_connect(k);
		if (err == ERR_IO && (err = blame(k)) == ERR_INVALID && i == 0)
			err = ERR_IO;
	}
	return err;
}

/* What was in doubt must be over before anything else is done: a session whose connection broke may still wait for a lock. */
static enum err end_last_session(struct pg_link *k)
{
	const char *values[2] = { k->session[0], k->session[1] };
	if (!k->in_doubt)
		return ERR_NONE;
	if (!PQsendQueryParams(k->conn,
			       "SELECT bool_and(pg_terminate_backend(pid, 8000)) FROM pg_stat_activity"
			       " WHERE pid = $1::int AND backend_start = $2::timestamptz",
			       2, NULL, values, NULL, NULL, 0) ||
	    !wait_result(k)) {
		link_lose(k, NULL);
		return ERR_UNAVAILABLE;
	}
	PGresult *r = PQgetResult(k->conn);
	bool over = PQresultStatus(r) == PGRES_TUPLES_OK && strcmp(PQgetvalue(r, 0, 0), "f") != 0; /* NULL: it is gone already */
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		note_text(k, "the server does not end the session of a connection that broke");
	else
		link_note(k, r);
	for (; r; r = wait_result(k) ? PQgetResult(k->conn) : NULL)
		PQclear(r);
	k->in_doubt = k->in_doubt && !over;
	return over && k->conn ? ERR_NONE : ERR_UNAVAILABLE;
}

static enum err note_session(struct pg_link *k)
{
	PGresult *r = link_exec(k, "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()");
	if (!r)
		return ERR_IO;
	for (int i = 0; i < 2; i++)
		snprintf(k->session[i], sizeof k->session[i], "%s", PQntuples(r) ? PQgetvalue(r, 0, i) : "");
	PQclear(r);
	return ERR_NONE;
}

/* A commit is answered when it is on the disk; a server that waits for its standbys as well is left to that. */
static enum err set_session(struct pg_link *k)
{
	enum err err = link_run(k, session);
	return err ? err : link_run(k, k->sync_normal ? "SET synchronous_commit = off" :
				       "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN"
				       " ('off', 'local')");
}

static enum err prepare(struct pg_link *k)
{
	if (!PQenterPipelineMode(k->conn) || PQsetnonblocking(k->conn, 1) != 0) {
		link_lose(k, NULL);
		return ERR_UNAVAILABLE;
	}
	for (int i = 0; i < PG_SQL_COUNT && k->conn; i++) {
		Oid types[PG_PARAMS_MAX];
		int n = 0;
		for (const char *t = statements[i].types; *t; t++)
			types[n++] = *t == 'b' ? TYPE_BYTEA : *t == 't' ? TYPE_TEXT : TYPE_BIGINT;
		if (!PQsendPrepare(k->conn, statements[i].name, statements[i].text, n, types))
			link_lose(k, NULL);
	}
	link_sync(k);
	enum err err = ERR_NONE;
	for (;;) {
		PGresult *r = link_result(k);
		ExecStatusType status = PQresultStatus(r); /* of NULL: PGRES_FATAL_ERROR */
		if (r && status == PGRES_FATAL_ERROR) {
			err = ERR_IO;
			link_note(k, r);
		}
		PQclear(r);
		if (!r)
			return ERR_UNAVAILABLE;
		if (status == PGRES_PIPELINE_SYNC)
			return err;
	}
}

static enum err set_up(struct pg_link *k)
{
	if (PQserverVersion(k->conn) < VERSION_MIN) {
		snprintf(k->text, sizeof k->text, "the server is too old (%d): PostgreSQL 14 or newer is needed",
			 PQserverVersion(k->conn) / 10000);
		return ERR_INVALID;
	}
	enum err err = end_last_session(k);
	err = err ? err : note_session(k);
	if (!err) {
		k->patience_ms = MIGRATION_MS;
		err = pg_migrate(k);
		k->patience_ms = PATIENCE_MS;
	}
	err = err ? err : set_session(k);
	return err ? err : prepare(k);
}

/* A server that goes down or comes up, is overloaded or locked, or that is only read from: others may take its place. */
static bool is_passing(const struct pg_link *k)
{
	static const char *const classes[] = { "08", "25006", "53", "55P", "57" };
	bool passing = !k->conn;
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		passing |= strncmp(k->state, classes[i], strlen(classes[i])) == 0;
	return passing;
}

enum err link_open(struct pg_link *k)
{
	k->state[0] = k->text[0] = '\0';
	k->patience_ms = PATIENCE_MS;
	enum err err = connect_server(k);
	if (err)
		return err;
	err = set_up(k);
	if (!err)
		return ERR_NONE;
	if (err == ERR_IO)
		err = is_passing(k) ? ERR_UNAVAILABLE : ERR_INVALID;
	link_close(k);
	return err;
}
