#include "node/store/sqlite_db.h"

#include <stdio.h>

static const char *const sql_text[SQL_COUNT] = {
#define XSQL(name, text) [SQL_##name] = text,
	SQL_TABLE(XSQL)
#undef XSQL
};

void db_fini(struct db *db)
{
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(db->cached[i]);
	sqlite3_close(db->handle);
	*db = (struct db){ 0 };
}

void db_forgive(struct db *db)
{
	db->rc = SQLITE_OK;
}

enum err db_failed(struct db *db, int rc)
{
	db->rc = rc;
	snprintf(db->text, sizeof db->text, "%s (%d)", sqlite3_errmsg(db->handle), sqlite3_extended_errcode(db->handle));
	return ERR_IO;
}

sqlite3_stmt *db_stmt(struct db *db, enum sql id)
{
	if (!db->cached[id]) {
		int rc = sqlite3_prepare_v3(db->handle, sql_text[id], -1, SQLITE_PREPARE_PERSISTENT, &db->cached[id], NULL);
		if (rc != SQLITE_OK)
			db_failed(db, rc);
	}
	return db->cached[id];
}

sqlite3_stmt *db_stmt_key(struct db *db, enum sql id, const struct store_op *op, const struct store_space *space)
{
	sqlite3_stmt *st = db_stmt(db, id);
	if (!st)
		return NULL;
	int n = sqlite3_bind_parameter_count(st);
	db_bind_text(st, 1, op->host);
	if (n >= 2)
		db_bind_text(st, 2, op->owner);
	if (n >= 3 && space)
		db_bind_text(st, 3, str_of(space->name));
	return st;
}

/* Borrowed bytes: they lie in the op's arena, which lives longer than the statement runs. */
void db_bind_text(sqlite3_stmt *st, int at, struct str s)
{
	sqlite3_bind_text(st, at, s.p, (int)s.len, SQLITE_STATIC);
}

void db_bind_blob(sqlite3_stmt *st, int at, struct str s)
{
	sqlite3_bind_blob(st, at, s.len ? s.p : "", (int)s.len, SQLITE_STATIC);
}

bool db_next(struct db *db, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		db_failed(db, rc);
	sqlite3_reset(st);
	return false;
}

void db_end(sqlite3_stmt *st)
{
	sqlite3_reset(st);
}

enum err db_run(struct db *db, sqlite3_stmt *st)
{
	if (!st)
		return ERR_IO;
	int rc = sqlite3_step(st);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		db_failed(db, rc);
	sqlite3_reset(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? ERR_NONE : ERR_IO;
}

enum err db_simple(struct db *db, enum sql id)
{
	return db_run(db, db_stmt(db, id));
}

struct str db_column(sqlite3_stmt *st, int at)
{
	int type = sqlite3_column_type(st, at);
	if (type == SQLITE_NULL)
		return STR_NONE;
	const void *p = type == SQLITE_TEXT ? (const void *)sqlite3_column_text(st, at) : sqlite3_column_blob(st, at);
	return (struct str){ p ? p : "", (size_t)sqlite3_column_bytes(st, at) };
}
