#include "node/store/sqlite_db.h"

static struct str keep(struct store_op *op, sqlite3_stmt *st, int column)
{
	return arena_str(op->arena, db_column(st, column));
}

/* The end of a read that may fail on the way. */
static enum err read_end(const struct db *db)
{
	return db->rc ? ERR_IO : ERR_NONE;
}

/* Rows after `after`: the least text greater than it is itself and a NUL, which arena strings have behind them. */
static void bind_after(sqlite3_stmt *st, int at, struct str after)
{
	db_bind_text(st, at, str_present(after) ? str_span(after.p, after.len + 1) : STR(""));
}

static enum err changed(struct db *db, sqlite3_stmt *st, uint64_t *count)
{
	enum err err = db_run(db, st);
	if (!err)
		*count += (uint64_t)sqlite3_changes64(db->handle);
	return err;
}

/* ---- kv ---- */

static enum err kv_get(struct db *db, struct store_op *op, struct store_step *step)
{
	sqlite3_stmt *st = db_stmt_key(db, SQL_KV_GET, op, step->space);
	if (!st)
		return ERR_IO;
	if (!db_next(db, st))
		return db->rc ? ERR_IO : ERR_NOT_FOUND;
	step->version = (uint64_t)sqlite3_column_int64(st, 0);
	step->value = keep(op, st, 1);
	db_end(st);
	return ERR_NONE;
}

static enum err kv_exists(struct db *db, struct store_op *op, struct store_step *step)
{
	sqlite3_stmt *st = db_stmt_key(db, SQL_KV_GET, op, step->space);
	if (!st)
		return ERR_IO;
	bool found = db_next(db, st);
	if (found)
		db_end(st);
	return db->rc ? ERR_IO : found ? ERR_EXISTS : ERR_NOT_FOUND;
}

static enum err kv_write(struct db *db, struct store_op *op, struct store_step *step, enum sql id)
{
	uint64_t version = store_next_version(), n = 0;
	sqlite3_stmt *st = db_stmt_key(db, id, op, step->space);
	if (!st)
		return ERR_IO;
	sqlite3_bind_int64(st, 4, (sqlite3_int64)version);
	db_bind_blob(st, 5, step->in);
	if (id == SQL_KV_REPLACE)
		sqlite3_bind_int64(st, 6, (sqlite3_int64)step->in_version);
	enum err err = changed(db, st, &n);
	if (!err && !n)
		err = kv_exists(db, op, step);
	if (!err)
		step->version = version;
	return err;
}

static enum err fence(struct db *db, struct store_op *op, struct store_step *step)
{
	sqlite3_stmt *st = db_stmt_key(db, SQL_KV_GET, op, step->space);
	int order = -1;
	if (!st)
		return ERR_IO;
	if (db_next(db, st)) {
		struct str kept = db_column(st, 1);
		order = str_cmp(kept, step->in);
		step->version = store_fence_of(order < 0 ? step->in : kept);
		db_end(st);
	} else if (db->rc) {
		return ERR_IO;
	}
	if (order >= 0)
		return order > 0 ? ERR_DENIED : ERR_NONE;
	enum err err = kv_write(db, op, step, SQL_KV_PUT);
	step->version = store_fence_of(step->in);
	return err;
}

static enum err kv_owners(struct db *db, struct store_op *op, struct store_step *step)
{
	struct store_rows rows;
	store_rows_begin(&rows, op, step);
	sqlite3_stmt *st = db_stmt_key(db, SQL_KV_OWNERS, op, step->space);
	if (!st)
		return ERR_IO;
	bind_after(st, 4, step->field);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)rows.limit + 1);
	while (db_next(db, st)) {
		if (!store_rows_add(&rows, &(struct store_row){ .key = db_column(st, 0) })) {
			db_end(st);
			break;
		}
	}
	return read_end(db);
}

static enum err count_rows(struct db *db, struct store_op *op, struct store_step *step, enum sql id)
{
	sqlite3_stmt *st = db_stmt_key(db, id, op, step->space);
	if (!st || !db_next(db, st))
		return ERR_IO;
	step->count = (uint64_t)sqlite3_column_int64(st, 0);
	db_end(st);
	return ERR_NONE;
}

/* ---- map ---- */

static enum err map_get(struct db *db, struct store_op *op, struct store_step *step)
{
	sqlite3_stmt *st = db_stmt_key(db, SQL_MAP_GET, op, step->space);
	if (!st)
		return ERR_IO;
	db_bind_text(st, 4, step->field);
	if (!db_next(db, st))
		return db->rc ? ERR_IO : ERR_NOT_FOUND;
	step->value = keep(op, st, 0);
	db_end(st);
	return ERR_NONE;
}

static enum err map_all(struct db *db, struct store_op *op, struct store_step *step)
{
	struct store_rows rows;
	store_rows_begin(&rows, op, step);
	sqlite3_stmt *st = db_stmt_key(db, SQL_MAP_ALL, op, step->space);
	if (!st)
		return ERR_IO;
	bind_after(st, 4, step->field);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)rows.limit + 1);
	while (db_next(db, st)) {
		if (!store_rows_add(&rows, &(struct store_row){ .key = db_column(st, 0), .value = db_column(st, 1) })) {
			db_end(st);
			break;
		}
	}
	return read_end(db);
}

/* May this field be added? Only a new one counts against the ceiling. */
static enum err map_has_room(struct db *db, struct store_op *op, struct store_step *step)
{
	enum err err = count_rows(db, op, step, SQL_MAP_COUNT);
	bool full = step->count >= step->range.limit;
	step->count = 0;
	if (err || !full)
		return err;
	err = map_get(db, op, step);
	step->value = STR_NONE;
	return err == ERR_NOT_FOUND ? ERR_LIMIT : err;
}

static enum err map_put(struct db *db, struct store_op *op, struct store_step *step)
{
	if (step->range.limit) {
		enum err err = map_has_room(db, op, step);
		if (err)
			return err;
	}
	sqlite3_stmt *st = db_stmt_key(db, SQL_MAP_PUT, op, step->space);
	if (!st)
		return ERR_IO;
	db_bind_text(st, 4, step->field);
	db_bind_blob(st, 5, step->in);
	return db_run(db, st);
}

static enum err map_delete(struct db *db, struct store_op *op, struct store_step *step)
{
	sqlite3_stmt *st = db_stmt_key(db, SQL_MAP_DELETE, op, step->space);
	if (!st)
		return ERR_IO;
	db_bind_text(st, 4, step->field);
	return changed(db, st, &step->count);
}

/* ---- all ---- */

static enum err owner_delete(struct db *db, struct store_op *op, struct store_step *step)
{
	enum err err = db_log_delete_owner(db, op, &step->count);
	if (!err)
		err = changed(db, db_stmt_key(db, SQL_OWNER_MAP, op, NULL), &step->count);
	if (!err)
		err = changed(db, db_stmt_key(db, SQL_OWNER_KV, op, NULL), &step->count);
	return err;
}

enum err db_step(struct db *db, struct store_op *op, struct store_step *step)
{
	switch (step->verb) {
	case STORE_KV_GET:
		return kv_get(db, op, step);
	case STORE_KV_PUT:
		return kv_write(db, op, step, SQL_KV_PUT);
	case STORE_KV_CREATE:
		return kv_write(db, op, step, SQL_KV_CREATE);
	case STORE_KV_REPLACE:
		return kv_write(db, op, step, SQL_KV_REPLACE);
	case STORE_KV_DELETE:
		return changed(db, db_stmt_key(db, SQL_KV_DELETE, op, step->space), &step->count);
	case STORE_KV_OWNERS:
		return kv_owners(db, op, step);
	case STORE_KV_COUNT:
		return count_rows(db, op, step, SQL_KV_COUNT);
	case STORE_MAP_GET:
		return map_get(db, op, step);
	case STORE_MAP_ALL:
		return map_all(db, op, step);
	case STORE_MAP_PUT:
		return map_put(db, op, step);
	case STORE_MAP_DELETE:
		return map_delete(db, op, step);
	case STORE_MAP_CLEAR:
		return changed(db, db_stmt_key(db, SQL_MAP_CLEAR, op, step->space), &step->count);
	case STORE_MAP_COUNT:
		return count_rows(db, op, step, SQL_MAP_COUNT);
	case STORE_FENCE:
		return fence(db, op, step);
	case STORE_OWNER_DELETE:
		return owner_delete(db, op, step);
	default:
		return db_log_step(db, op, step);
	}
}
