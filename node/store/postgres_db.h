/*
 * postgres_db.h: one connection to PostgreSQL, its prepared statements, and the verbs of the store as SQL. Internal to postgres*.c. One
 * thread at a time.
 *
 * Names and values are bytea, so that any bytes fit and order is memcmp's. Everything goes and comes in binary form; no SQL is made of
 * data.
 * A map's field is kept as its first PG_HEAD_MAX bytes and the rest, as an index takes no longer keys: (head, tail) has the field's order.
 */
#ifndef NODE_STORE_POSTGRES_DB_H
#define NODE_STORE_POSTGRES_DB_H

#include <libpq-fe.h>

#include "node/store/backend.h"

#define PG_HEAD_MAX   480
#define PG_PARAMS_MAX 10

/* X(name, types, text). Types of $1, $2...: b bytea, t text, i bigint. $1 host, $2 owner, $3 space wherever there are three.
 * refuse(strict, code) fails the transaction, if strict, with a SQLSTATE that pg_refusal knows; else it is NULL. */
#define PG_KEY "host = $1 AND owner = $2 AND space = $3"
/* No answer has more bytes than may be, whatever a limit of rows allows: `before` is what the rows before this one weigh. */
#define PG_BEFORE(order) "sum(octet_length(value)) OVER (ORDER BY " order " ROWS UNBOUNDED PRECEDING) - octet_length(value) AS before"
#define PG_ENTRIES "log = (SELECT id FROM logs WHERE " PG_KEY ") AND seq BETWEEN $4 AND $5 AND at_ms >= $6 AND at_ms < $7" \
		   " AND ($8 IS NULL OR peer = $8)"
#define PG_LOG(order)                                                                                                                \
	"SELECT seq, at_ms, peer, value FROM (SELECT *, " PG_BEFORE("seq" order) " FROM"                                             \
	" (SELECT seq, at_ms, peer, value FROM entries WHERE " PG_ENTRIES " ORDER BY seq" order " LIMIT $9) a) b"                    \
	" WHERE before <= $10 ORDER BY seq" order
#define PG_TABLE(X)                                                                                                                  \
	X(BEGIN_READ, "", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")                                                         \
	X(COMMIT, "", "COMMIT")                                                                                                      \
	X(LOCK, "i", "SELECT pg_advisory_xact_lock($1)")                                                                             \
	X(PROBE, "", "INSERT INTO probe(id, at) VALUES(1, now()) ON CONFLICT(id) DO UPDATE SET at = now()")                          \
	X(KV_GET, "bbti", "SELECT coalesce(version, refuse($4, 1)), value FROM (SELECT) o LEFT JOIN kv ON " PG_KEY)                  \
	X(KV_PUT, "bbtb",                                                                                                            \
	  "INSERT INTO kv(host, owner, space, version, value) VALUES($1, $2, $3, nextval('versions'), $4)"                           \
	  " ON CONFLICT(host, owner, space) DO UPDATE SET version = excluded.version, value = excluded.value RETURNING version")     \
	X(KV_CREATE, "bbtbi",                                                                                                        \
	  "WITH w AS (INSERT INTO kv(host, owner, space, version, value) VALUES($1, $2, $3, nextval('versions'), $4)"                \
	  " ON CONFLICT(host, owner, space) DO NOTHING RETURNING version) SELECT coalesce((SELECT version FROM w), refuse($5, 2))")  \
	X(KV_REPLACE, "bbtbii",                                                                                                      \
	  "WITH w AS (UPDATE kv SET version = nextval('versions'), value = $4 WHERE " PG_KEY " AND version = $5 RETURNING version)," \
	  " n AS (SELECT count(*) AS n FROM kv WHERE " PG_KEY ")"                                                                    \
	  " SELECT coalesce((SELECT version FROM w), refuse($6, CASE (SELECT n FROM n) WHEN 0 THEN 1 ELSE 2 END)), (SELECT n FROM n)") \
	X(KV_DELETE, "bbt", "DELETE FROM kv WHERE " PG_KEY)                                                                          \
	X(KV_OWNERS, "bbtbi", "SELECT owner FROM kv WHERE host = $1 AND space = $3 AND owner >= $4 ORDER BY owner LIMIT $5")         \
	X(KV_COUNT, "bbt", "SELECT count(*) FROM kv WHERE host = $1 AND space = $3")                                                 \
	X(FENCE, "bbtbi",                                                                                                            \
	  "WITH w AS (INSERT INTO kv(host, owner, space, version, value) VALUES($1, $2, $3, nextval('versions'), $4)"                \
	  " ON CONFLICT(host, owner, space) DO UPDATE SET version = excluded.version, value = excluded.value"                        \
	  " WHERE kv.value < excluded.value RETURNING value), k AS (SELECT value FROM kv WHERE " PG_KEY ")"                          \
	  " SELECT coalesce((SELECT 1::bigint FROM w), (SELECT 1::bigint FROM k WHERE value = $4), refuse($5, 4)),"                  \
	  " coalesce((SELECT value FROM w), (SELECT value FROM k))")                                                                 \
	X(MAP_GET, "bbtbbi",                                                                                                         \
	  "SELECT coalesce(one, refuse($6, 1)), value FROM (SELECT) o LEFT JOIN"                                                     \
	  " (SELECT 1::bigint AS one, value FROM map WHERE " PG_KEY " AND head = $4 AND tail = $5) m ON true")                       \
	X(MAP_ALL, "bbtbbii",                                                                                                         \
	  "SELECT head, tail, value FROM (SELECT *, " PG_BEFORE("head, tail") " FROM (SELECT head, tail, value FROM map"             \
	  " WHERE " PG_KEY " AND head >= $4 AND (head, tail) >= ($4, $5) ORDER BY head, tail LIMIT $6) a) b"                         \
	  " WHERE before <= $7 ORDER BY head, tail")                                                                                     \
	X(MAP_PUT, "bbtbbb",                                                                                                         \
	  "INSERT INTO map(host, owner, space, head, tail, value) VALUES($1, $2, $3, $4, $5, $6)"                                    \
	  " ON CONFLICT(host, owner, space, head, tail_key) DO UPDATE SET value = excluded.value")                                   \
	X(MAP_PUT_MAX, "bbtbbbii",                                                                                                   \
	  "WITH w AS (INSERT INTO map(host, owner, space, head, tail, value) SELECT $1, $2, $3, $4, $5, $6"                          \
	  " WHERE (SELECT count(*) FROM (SELECT FROM map WHERE " PG_KEY " LIMIT $7) c) < $7"                                         \
	  " OR EXISTS (SELECT FROM map WHERE " PG_KEY " AND head = $4 AND tail = $5)"                                                \
	  " ON CONFLICT(host, owner, space, head, tail_key) DO UPDATE SET value = excluded.value RETURNING 1::bigint AS one)"        \
	  " SELECT coalesce((SELECT one FROM w), refuse($8, 3))")                                                                    \
	X(MAP_DELETE, "bbtbb", "DELETE FROM map WHERE " PG_KEY " AND head = $4 AND tail = $5")                                       \
	X(MAP_CLEAR, "bbt", "DELETE FROM map WHERE " PG_KEY)                                                                         \
	X(MAP_COUNT, "bbt", "SELECT count(*) FROM map WHERE " PG_KEY)                                                                \
	X(LOG_APPEND, "bbtibbii",                                                                                                    \
	  "WITH l AS (INSERT INTO logs(host, owner, space, next_seq, count) VALUES($1, $2, $3, 2, 1)"                                \
	  " ON CONFLICT(host, owner, space) DO UPDATE SET next_seq = logs.next_seq + 1, count = logs.count + 1"                      \
	  " WHERE $7 = 0 OR logs.count < $7 RETURNING id, next_seq - 1 AS seq),"                                                     \
	  " e AS (INSERT INTO entries(log, seq, at_ms, peer, value) SELECT id, seq, $4, $5, $6 FROM l)"                              \
	  " SELECT coalesce((SELECT seq FROM l), refuse($8, 3))")                                                                    \
	X(LOG_UP, "bbtiiiibii", PG_LOG(""))                                                                                           \
	X(LOG_DOWN, "bbtiiiibii", PG_LOG(" DESC"))                                                                                    \
	X(LOG_SIZE, "bbt", "SELECT count FROM logs WHERE " PG_KEY)                                                                   \
	X(LOG_COUNT, "bbtiiiib", "SELECT count(*) FROM entries WHERE " PG_ENTRIES)                                                   \
	X(LOG_DELETE, "bbtii", "SELECT log_delete($1, $2, $3, $4, $5)")                                                              \
	X(LOG_EXPIRE, "bbtiii", "SELECT removed, more, next FROM log_expire($1, $3, $4, $5, $6)")                                    \
	X(OWNER_DELETE, "bb", "SELECT owner_delete($1, $2)")

#define XSQL(name, types, text) PG_##name,
enum pg_sql { PG_TABLE(XSQL) PG_SQL_COUNT };
#undef XSQL

/* What refuse() raises: SQLSTATE "ST00" and one of these. */
#define PG_REFUSAL "ST00"

/* ---- postgres_link.c: a connection ---- */

#define PG_ARGS_MAX 24

struct pg_link {
	const char *keys[PG_ARGS_MAX], *args[PG_ARGS_MAX]; /* of libpq; the store's */
	uint32_t connect_timeout_ms;
	bool sync_normal;
	_Atomic bool *stop;    /* ends waiting for a connection */
	_Atomic bool *cancel;  /* ends waiting for an answer, and the statement; may be NULL */
	/* the rest is postgres_link.c's */
	PGconn *conn;          /* NULL while there is none */
	uint32_t patience_ms;  /* for an answer */
	char text[400];        /* of the last failure, one line */
	char state[6];         /* SQLSTATE of the last failure, or empty */
	char session[2][64];   /* process id and start of the server's side of this connection, or of the last one */
	bool in_doubt;         /* a write was sent on it, and its end never came: set by the lane */
};

/* Connects, brings the schema up to date, prepares all statements. ERR_UNAVAILABLE: the server cannot be reached, or goes down or comes up
 * now; ERR_INVALID: it refuses us, or we refuse it, and trying again will not help. */
MUST_CHECK enum err link_open(struct pg_link *k);
void link_close(struct pg_link *k);
/* Fails the connection; `text` says why, NULL: libpq does. */
void link_lose(struct pg_link *k, const char *text);
/* What came without being asked: false when the connection is lost. For one that is idle. */
bool link_listen(struct pg_link *k);
/* Pipelines: what is sent is not waited for. Nothing happens on a lost connection. */
struct pg_params {
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	char ints[PG_PARAMS_MAX][8];
	int n;
};
void params_bytes(struct pg_params *p, struct str s); /* borrowed; absent: NULL */
void params_int(struct pg_params *p, int64_t value);
void link_post(struct pg_link *k, enum pg_sql id, const struct pg_params *params);
void link_sync(struct pg_link *k);
/* The next result of the pipeline, to be cleared; NULL: the connection is lost. The ends of statements are passed over. */
PGresult *link_result(struct pg_link *k);
/* Notes the failure that a result tells. */
void link_note(struct pg_link *k, const PGresult *r);
/* The connection is for link_exec from now on. */
bool link_leave_pipelines(struct pg_link *k);
/* Outside of pipelines: one or several statements without parameters. The last result, to be cleared; NULL: failed. */
PGresult *link_exec(struct pg_link *k, const char *sql);
MUST_CHECK enum err link_run(struct pg_link *k, const char *sql);

/* ---- postgres_schema.c ---- */

int pg_schema_version(void);
/* Brings the schema up to date; nodes that start together wait for each other. ERR_INVALID: not ours, or of a newer version, or not
 * allowed; k->text says what failed. */
MUST_CHECK enum err pg_migrate(struct pg_link *k);

/* ---- postgres_steps.c ---- */

/* strict: a step that fails fails the transaction. */
void pg_step_send(struct pg_link *k, const struct store_op *op, const struct store_step *step, bool strict);
/* Reads a step's answer, which is no error of SQL. */
enum err pg_step_answer(struct store_op *op, struct store_step *step, const PGresult *r);
/* The error of a step that a SQLSTATE stands for; ERR_NONE: it is none of ours. */
enum err pg_refusal(const char *sqlstate);

#endif
