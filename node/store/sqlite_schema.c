/*
 * The schema, as steps from each version to the next; PRAGMA user_version holds the number of steps taken. A step, once released, never
 * changes: what must differ is another step.
 */
#include <stdio.h>

#include "node/store/sqlite_db.h"

static const char *const steps[] = {
	/* 1. `entries.id` is log << 32 | seq: one integer key, so that the entries of a log lie together in the order of seq, in a b-tree
	 * that is good at large rows (one WITHOUT ROWID is not). A log's row remembers the next seq, so that none is ever given twice. */
	"CREATE TABLE kv("
	" id INTEGER PRIMARY KEY, host TEXT NOT NULL, owner TEXT NOT NULL, space TEXT NOT NULL,"
	" version INTEGER NOT NULL, value BLOB NOT NULL);"
	"CREATE UNIQUE INDEX kv_key ON kv(host, owner, space);"
	"CREATE INDEX kv_space ON kv(host, space, owner);"
	"CREATE TABLE map("
	" host TEXT NOT NULL, owner TEXT NOT NULL, space TEXT NOT NULL, field TEXT NOT NULL, value BLOB NOT NULL,"
	" PRIMARY KEY(host, owner, space, field)) WITHOUT ROWID;"
	"CREATE TABLE logs("
	" id INTEGER PRIMARY KEY, host TEXT NOT NULL, owner TEXT NOT NULL, space TEXT NOT NULL,"
	" next_seq INTEGER NOT NULL, count INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX logs_key ON logs(host, owner, space);"
	"CREATE INDEX logs_space ON logs(host, space);"
	"CREATE TABLE entries(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, peer TEXT, value BLOB NOT NULL);"
	"CREATE TABLE probe(id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL);",
};
#define VERSION ((int)(sizeof steps / sizeof steps[0]))

int db_schema_version(void)
{
	return VERSION;
}

static bool exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		db_failed(db, rc);
	return rc == SQLITE_OK;
}

static bool read_int(struct db *db, const char *sql, int *out)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(st, 0);
	else
		db_failed(db, rc);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW;
}

static enum err take_step(struct db *db, int version)
{
	char mark[96];
	snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d", DB_APPLICATION_ID, version + 1);
	if (exec(db, "BEGIN EXCLUSIVE") && exec(db, steps[version]) && exec(db, mark) && exec(db, "COMMIT"))
		return ERR_NONE;
	sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	return ERR_IO;
}

enum err db_migrate(struct db *db, char *why, size_t n_why)
{
	int version, application, tables;
	if (!read_int(db, "PRAGMA user_version", &version) || !read_int(db, "PRAGMA application_id", &application) ||
	    !read_int(db, "SELECT count(*) FROM sqlite_schema", &tables)) {
		bool foreign = (db->rc & 0xff) == SQLITE_NOTADB;
		snprintf(why, n_why, "%s", foreign ? "this file is not a database" : db->text);
		return foreign ? ERR_INVALID : ERR_IO;
	}
	if (tables && application != DB_APPLICATION_ID) {
		snprintf(why, n_why, "this database belongs to another program");
		return ERR_INVALID;
	}
	if (version > VERSION) {
		snprintf(why, n_why, "its schema has version %d, this program knows up to %d: a newer starling wrote it", version, VERSION);
		return ERR_INVALID;
	}
	for (; version < VERSION; version++) {
		if (take_step(db, version)) {
			snprintf(why, n_why, "migration to schema version %d failed: %s", version + 1, db->text);
			return ERR_IO;
		}
	}
	return ERR_NONE;
}
