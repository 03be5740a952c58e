/*
 * The schema, as steps from each version to the next; the table `migrations` holds those that were taken. A step, once released, never
 * changes: what must differ is another step. All is in a schema of PostgreSQL of its own, "starling".
 */
#include <stdio.h>
#include <string.h>

#include "node/store/postgres_db.h"

static const char *const steps[] = {
	/* 1. Versions of values come from one sequence: two nodes never give the same one. Keys stay below the 2704 bytes that an index
	 * takes: names have at most 1023 each, a field's head 480, and of a tail the index holds the digest. A log's row remembers the next
	 * seq, so that none is ever given twice; who changes a log's entries holds that row first, so that its count is right. */
	"CREATE SEQUENCE versions START 1099511627776;"
	"CREATE TABLE kv("
	" host bytea NOT NULL, owner bytea NOT NULL, space text COLLATE \"C\" NOT NULL, version bigint NOT NULL, value bytea NOT NULL,"
	" PRIMARY KEY(host, owner, space)) WITH (fillfactor = 80);"
	"CREATE INDEX kv_space ON kv(host, space, owner);"
	"CREATE TABLE map("
	" host bytea NOT NULL, owner bytea NOT NULL, space text COLLATE \"C\" NOT NULL, head bytea NOT NULL, tail bytea NOT NULL,"
	" tail_key bytea GENERATED ALWAYS AS (CASE WHEN tail = '' THEN ''::bytea ELSE sha256(tail) END) STORED,"
	" value bytea NOT NULL, PRIMARY KEY(host, owner, space, head, tail_key)) WITH (fillfactor = 90);"
	"CREATE TABLE logs("
	" id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, host bytea NOT NULL, owner bytea NOT NULL, space text COLLATE \"C\" NOT NULL,"
	" next_seq bigint NOT NULL, count bigint NOT NULL, UNIQUE(host, owner, space)) WITH (fillfactor = 70);"
	"CREATE INDEX logs_space ON logs(host, space, id);"
	"CREATE TABLE entries("
	" log bigint NOT NULL, seq bigint NOT NULL, at_ms bigint NOT NULL, peer bytea, value bytea NOT NULL, PRIMARY KEY(log, seq));"
	"CREATE TABLE probe(id int PRIMARY KEY, at timestamptz NOT NULL);"

	"CREATE FUNCTION refuse(strict bigint, code bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$ BEGIN"
	" IF strict <> 0 THEN RAISE EXCEPTION 'refused' USING ERRCODE = 'ST00' || code; END IF; RETURN NULL; END $$;"

	"CREATE FUNCTION log_delete(h bytea, o bytea, s text, from_seq bigint, to_seq bigint) RETURNS bigint LANGUAGE plpgsql AS $$"
	" DECLARE l bigint; n bigint; BEGIN"
	" SELECT id INTO l FROM logs WHERE host = h AND owner = o AND space = s FOR UPDATE;"
	" IF NOT FOUND THEN RETURN 0; END IF;"
	" DELETE FROM entries WHERE log = l AND seq BETWEEN from_seq AND to_seq;"
	" GET DIAGNOSTICS n = ROW_COUNT;"
	" IF n > 0 THEN UPDATE logs SET count = count - n WHERE id = l; END IF;"
	" RETURN n; END $$;"

	"CREATE FUNCTION owner_delete(h bytea, o bytea) RETURNS bigint LANGUAGE plpgsql AS $$"
	" DECLARE l bigint; n bigint; total bigint := 0; BEGIN"
	" FOR l IN SELECT id FROM logs WHERE host = h AND owner = o ORDER BY id FOR UPDATE LOOP"
	"  DELETE FROM entries WHERE log = l;"
	"  GET DIAGNOSTICS n = ROW_COUNT; total := total + n;"
	" END LOOP;"
	" DELETE FROM logs WHERE host = h AND owner = o;"
	" DELETE FROM map WHERE host = h AND owner = o;"
	" GET DIAGNOSTICS n = ROW_COUNT; total := total + n;"
	" DELETE FROM kv WHERE host = h AND owner = o;"
	" GET DIAGNOSTICS n = ROW_COUNT; total := total + n;"
	" RETURN total; END $$;"

	/* At most 512 logs a call, however little it found. A log that somebody writes to at this moment is left for the next round: so it
	 * waits for nobody. */
	"CREATE FUNCTION log_expire(h bytea, s text, older_than bigint, most bigint, start bigint,"
	"  OUT removed bigint, OUT more bigint, OUT next bigint) LANGUAGE plpgsql AS $$"
	" DECLARE l bigint; kept bigint; n bigint; looked int := 0; BEGIN"
	" removed := 0; more := 0; next := start;"
	" FOR l IN SELECT id FROM logs WHERE host = h AND space = s AND id >= start ORDER BY id LIMIT 513 LOOP"
	"  EXIT WHEN removed >= most;" /* the log that used it up may hold more: `next` is still that one */
	"  next := l;"
	"  IF looked = 512 THEN more := 1; EXIT; END IF;"
	"  looked := looked + 1;"
	"  PERFORM FROM logs WHERE id = l FOR UPDATE SKIP LOCKED;"
	"  IF FOUND THEN"
	"   SELECT coalesce(min(seq) FILTER (WHERE at_ms >= older_than), max(seq) + 1) INTO kept"
	"    FROM (SELECT seq, at_ms FROM entries WHERE log = l ORDER BY seq LIMIT most - removed) oldest;"
	"   DELETE FROM entries WHERE log = l AND seq < kept;"
	"   GET DIAGNOSTICS n = ROW_COUNT;"
	"   IF n > 0 THEN UPDATE logs SET count = count - n WHERE id = l; removed := removed + n; END IF;"
	"  END IF;"
	"  IF removed < most THEN next := l + 1; ELSE more := 1; END IF;"
	" END LOOP; END $$;",
};
#define VERSION ((int)(sizeof steps / sizeof steps[0]))

int pg_schema_version(void)
{
	return VERSION;
}

/* ERR_NOT_FOUND: the schema is not there, or empty. */
static enum err read_version(struct pg_link *k, int *out)
{
	*out = 0;
	PGresult *r = link_exec(k, "SELECT to_regclass('starling.migrations') IS NOT NULL, (SELECT count(*) FROM pg_class c"
				   " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'starling')");
	if (!r)
		return ERR_IO;
	bool ours = *PQgetvalue(r, 0, 0) == 't', empty = strcmp(PQgetvalue(r, 0, 1), "0") == 0;
	PQclear(r);
	if (!ours && empty)
		return ERR_NOT_FOUND;
	if (!ours) {
		snprintf(k->text, sizeof k->text, "the schema \"starling\" of this database belongs to another program");
		return ERR_INVALID;
	}
	r = link_exec(k, "SELECT coalesce(max(version), 0) FROM starling.migrations");
	if (!r)
		return ERR_IO;
	uint64_t version = 0;
	str_to_u64(str_of(PQgetvalue(r, 0, 0)), &version);
	PQclear(r);
	*out = (int)version;
	if (*out <= VERSION)
		return ERR_NONE;
	snprintf(k->text, sizeof k->text, "its schema has version %d, this program knows up to %d: a newer starling wrote it", *out,
		 VERSION);
	return ERR_INVALID;
}

static enum err take_steps(struct pg_link *k)
{
	int version = 0;
	char mark[96];
	/* One after the other, whoever comes: who waited here finds the work done. */
	enum err err = link_run(k, "BEGIN; SELECT pg_advisory_xact_lock(1400140396, 1)");
	err = err ? err : read_version(k, &version);
	if (err == ERR_NOT_FOUND)
		err = link_run(k, "DO $$ BEGIN IF to_regnamespace('starling') IS NULL THEN CREATE SCHEMA starling; END IF; END $$;"
				  "CREATE TABLE starling.migrations(version int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())");
	err = err ? err : link_run(k, "SET LOCAL search_path = starling");
	for (; !err && version < VERSION; version++) {
		snprintf(mark, sizeof mark, "INSERT INTO migrations(version) VALUES(%d)", version + 1);
		err = link_run(k, steps[version]);
		err = err ? err : link_run(k, mark);
	}
	return err ? err : link_run(k, "COMMIT");
}

enum err pg_migrate(struct pg_link *k)
{
	int version = 0;
	enum err err = read_version(k, &version);
	if (err == ERR_NOT_FOUND || (!err && version < VERSION))
		err = take_steps(k);
	return err;
}
