/*
 * sqlite_db.h: one connection, its cached statements, and the verbs of the store as SQL. Internal to sqlite*.c. One thread at a time.
 */
#ifndef NODE_STORE_SQLITE_DB_H
#define NODE_STORE_SQLITE_DB_H

#include <sqlite3.h>

#include "node/store/backend.h"

/* X(name, text): the whole of our SQL. ?1 host, ?2 owner, ?3 space wherever they occur, save in statements on a log's id. */
#define LOG_WHERE "WHERE id BETWEEN ?1 AND ?2 AND at_ms >= ?3 AND at_ms < ?4 AND (?5 IS NULL OR peer = ?5)"
#define SQL_TABLE(X)                                                                                                                 \
	X(BEGIN_READ, "BEGIN")                                                                                                       \
	X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                                            \
	X(COMMIT, "COMMIT")                                                                                                          \
	X(ROLLBACK, "ROLLBACK")                                                                                                      \
	X(SAVE, "SAVEPOINT op")                                                                                                      \
	X(SAVE_UNDO, "ROLLBACK TO op")                                                                                               \
	X(SAVE_DONE, "RELEASE op")                                                                                                   \
	X(PROBE, "INSERT INTO probe(id, at_us) VALUES(1, ?1) ON CONFLICT(id) DO UPDATE SET at_us = ?1")                              \
	X(KV_GET, "SELECT version, value FROM kv WHERE host = ?1 AND owner = ?2 AND space = ?3")                                     \
	X(KV_PUT, "INSERT INTO kv(host, owner, space, version, value) VALUES(?1, ?2, ?3, ?4, ?5)"                                    \
		  " ON CONFLICT(host, owner, space) DO UPDATE SET version = ?4, value = ?5")                                         \
	X(KV_CREATE, "INSERT INTO kv(host, owner, space, version, value) VALUES(?1, ?2, ?3, ?4, ?5)"                                 \
		     " ON CONFLICT(host, owner, space) DO NOTHING")                                                                  \
	X(KV_REPLACE, "UPDATE kv SET version = ?4, value = ?5 WHERE host = ?1 AND owner = ?2 AND space = ?3 AND version = ?6")       \
	X(KV_DELETE, "DELETE FROM kv WHERE host = ?1 AND owner = ?2 AND space = ?3")                                                 \
	X(KV_OWNERS, "SELECT owner FROM kv WHERE host = ?1 AND space = ?3 AND owner >= ?4 ORDER BY owner LIMIT ?5")                  \
	X(KV_COUNT, "SELECT count(*) FROM kv WHERE host = ?1 AND space = ?3")                                                        \
	X(MAP_GET, "SELECT value FROM map WHERE host = ?1 AND owner = ?2 AND space = ?3 AND field = ?4")                             \
	X(MAP_ALL, "SELECT field, value FROM map WHERE host = ?1 AND owner = ?2 AND space = ?3 AND field >= ?4"                      \
		   " ORDER BY field LIMIT ?5")                                                                                       \
	X(MAP_PUT, "INSERT INTO map(host, owner, space, field, value) VALUES(?1, ?2, ?3, ?4, ?5)"                                    \
		   " ON CONFLICT(host, owner, space, field) DO UPDATE SET value = ?5")                                               \
	X(MAP_DELETE, "DELETE FROM map WHERE host = ?1 AND owner = ?2 AND space = ?3 AND field = ?4")                                \
	X(MAP_CLEAR, "DELETE FROM map WHERE host = ?1 AND owner = ?2 AND space = ?3")                                                \
	X(MAP_COUNT, "SELECT count(*) FROM map WHERE host = ?1 AND owner = ?2 AND space = ?3")                                       \
	X(LOG_FIND, "SELECT id, next_seq, count FROM logs WHERE host = ?1 AND owner = ?2 AND space = ?3")                            \
	X(LOG_NEW, "INSERT INTO logs(host, owner, space, next_seq, count) VALUES(?1, ?2, ?3, 2, 1)")                                 \
	X(LOG_BUMP, "UPDATE logs SET next_seq = next_seq + 1, count = count + 1 WHERE id = ?1")                                      \
	X(LOG_DROP, "UPDATE logs SET count = count - ?2 WHERE id = ?1")                                                              \
	X(LOG_ADD, "INSERT INTO entries(id, at_ms, peer, value) VALUES(?1, ?2, ?3, ?4)")                                             \
	X(LOG_UP, "SELECT id, at_ms, peer, value FROM entries " LOG_WHERE " ORDER BY id LIMIT ?6")                                   \
	X(LOG_DOWN, "SELECT id, at_ms, peer, value FROM entries " LOG_WHERE " ORDER BY id DESC LIMIT ?6")                            \
	X(LOG_COUNT, "SELECT count(*) FROM entries " LOG_WHERE)                                                                      \
	X(LOG_DELETE, "DELETE FROM entries WHERE id BETWEEN ?1 AND ?2")                                                              \
	X(LOG_TIMES, "SELECT id, at_ms FROM entries WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3")                                \
	X(LOGS_NEXT, "SELECT id FROM logs WHERE host = ?1 AND space = ?3 AND id >= ?4 ORDER BY id LIMIT 1")                          \
	X(OWNER_LOG, "SELECT id FROM logs WHERE host = ?1 AND owner = ?2 LIMIT 1")                                                   \
	X(OWNER_LOG_DELETE, "DELETE FROM logs WHERE id = ?1")                                                                        \
	X(OWNER_MAP, "DELETE FROM map WHERE host = ?1 AND owner = ?2")                                                               \
	X(OWNER_KV, "DELETE FROM kv WHERE host = ?1 AND owner = ?2")

#define XSQL(name, text) SQL_##name,
enum sql { SQL_TABLE(XSQL) SQL_COUNT };
#undef XSQL

struct db {
	sqlite3 *handle;
	sqlite3_stmt *cached[SQL_COUNT];
	int rc;         /* the last failure of SQLite itself (disk, corruption...); SQLITE_OK when none since db_forgive */
	char text[200]; /* its message */
};

/* ---- sqlite_db.c ---- */
void db_fini(struct db *db);
void db_forgive(struct db *db);
/* Notes a failure; returns ERR_IO. */
enum err db_failed(struct db *db, int rc);
/* The statement, ready for binding; NULL after a failure. */
sqlite3_stmt *db_stmt(struct db *db, enum sql id);
/* With ?1 host, ?2 owner, ?3 space bound where the statement has them. `space` may be NULL. */
sqlite3_stmt *db_stmt_key(struct db *db, enum sql id, const struct store_op *op, const struct store_space *space);
void db_bind_text(sqlite3_stmt *st, int at, struct str s);
void db_bind_blob(sqlite3_stmt *st, int at, struct str s);
/* One row further: true while there is one. At the end, and on failure (look at db->rc), the statement is reset. */
bool db_next(struct db *db, sqlite3_stmt *st);
/* Ends a statement before its last row. */
void db_end(sqlite3_stmt *st);
/* Runs a statement without rows to its end. */
MUST_CHECK enum err db_run(struct db *db, sqlite3_stmt *st);
MUST_CHECK enum err db_simple(struct db *db, enum sql id);
/* A column, borrowed until the statement moves on; absent for NULL. */
struct str db_column(sqlite3_stmt *st, int at);

/* ---- sqlite_schema.c ---- */
#define DB_APPLICATION_ID 0x5374726c /* "Strl": of every database that is ours */
/* The newest version of the schema that this program knows. */
int db_schema_version(void);
/* Brings the schema up to date. ERR_INVALID: not our database, or of a newer version. `why` says what failed. */
MUST_CHECK enum err db_migrate(struct db *db, char *why, size_t n_why);

/* ---- sqlite_steps.c, sqlite_log.c ---- */
/* Carries out one step inside whatever transaction is open. */
MUST_CHECK enum err db_step(struct db *db, struct store_op *op, struct store_step *step);
MUST_CHECK enum err db_log_step(struct db *db, struct store_op *op, struct store_step *step);
/* All logs of an owner; adds to *count. */
MUST_CHECK enum err db_log_delete_owner(struct db *db, struct store_op *op, uint64_t *count);

#endif
