/* Logs: a row in `logs` names each, holds its next seq and its count; its entries are one range of ids (sqlite_schema.c). */
#include "node/store/sqlite_db.h"

#define SEQ_BITS 32
#define SEQ_MAX  0xffffffffu
/* EXPIRE looks at this many logs at most before it answers, however little it found. */
#define EXPIRE_LOGS_MAX 512

struct log {
	sqlite3_int64 id, next_seq, count;
};

/* ERR_NOT_FOUND while nothing was ever appended. */
static enum err log_find(struct db *db, struct store_op *op, const struct store_space *space, struct log *log)
{
	sqlite3_stmt *st = db_stmt_key(db, SQL_LOG_FIND, op, space);
	if (!st)
		return ERR_IO;
	if (!db_next(db, st))
		return db->rc ? ERR_IO : ERR_NOT_FOUND;
	log->id = sqlite3_column_int64(st, 0);
	log->next_seq = sqlite3_column_int64(st, 1);
	log->count = sqlite3_column_int64(st, 2);
	db_end(st);
	return ERR_NONE;
}

static sqlite3_int64 entry_id(sqlite3_int64 log, uint64_t seq)
{
	return log << SEQ_BITS | (sqlite3_int64)(seq < SEQ_MAX ? seq : SEQ_MAX);
}

static enum err log_count_row(struct db *db, struct store_op *op, struct store_step *step, struct log *log)
{
	enum err err = log_find(db, op, step->space, log);
	if (err == ERR_NOT_FOUND) {
		err = db_run(db, db_stmt_key(db, SQL_LOG_NEW, op, step->space));
		*log = (struct log){ .id = sqlite3_last_insert_rowid(db->handle), .next_seq = 1 };
		return err;
	}
	if (err)
		return err;
	if ((step->range.limit && log->count >= step->range.limit) || log->next_seq >= SEQ_MAX)
		return ERR_LIMIT;
	sqlite3_stmt *st = db_stmt(db, SQL_LOG_BUMP);
	if (!st)
		return ERR_IO;
	sqlite3_bind_int64(st, 1, log->id);
	return db_run(db, st);
}

static enum err log_append(struct db *db, struct store_op *op, struct store_step *step)
{
	struct log log;
	enum err err = log_count_row(db, op, step, &log);
	if (err)
		return err;
	sqlite3_stmt *st = db_stmt(db, SQL_LOG_ADD);
	if (!st)
		return ERR_IO;
	sqlite3_bind_int64(st, 1, entry_id(log.id, (uint64_t)log.next_seq));
	sqlite3_bind_int64(st, 2, step->at_ms);
	db_bind_text(st, 3, step->range.peer); /* absent: NULL */
	db_bind_blob(st, 4, step->in);
	step->seq = (uint64_t)log.next_seq;
	return db_run(db, st);
}

static sqlite3_stmt *stmt_range(struct db *db, enum sql id, const struct log *log, const struct store_range *range)
{
	sqlite3_stmt *st = db_stmt(db, id);
	if (!st)
		return NULL;
	bool empty = range->from_seq > SEQ_MAX;
	sqlite3_bind_int64(st, 1, empty ? 1 : entry_id(log->id, range->from_seq));
	sqlite3_bind_int64(st, 2, empty ? 0 : entry_id(log->id, range->to_seq));
	sqlite3_bind_int64(st, 3, range->from_ms);
	sqlite3_bind_int64(st, 4, range->to_ms);
	db_bind_text(st, 5, range->peer);
	return st;
}

static enum err log_range(struct db *db, struct store_op *op, struct store_step *step)
{
	struct store_rows rows;
	struct log log;
	store_rows_begin(&rows, op, step);
	enum err err = log_find(db, op, step->space, &log);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_NONE : err;
	sqlite3_stmt *st = stmt_range(db, step->range.newest_first ? SQL_LOG_DOWN : SQL_LOG_UP, &log, &step->range);
	if (!st)
		return ERR_IO;
	sqlite3_bind_int64(st, 6, (sqlite3_int64)rows.limit + 1);
	while (db_next(db, st)) {
		struct store_row row = {
			.seq = (uint64_t)sqlite3_column_int64(st, 0) & SEQ_MAX,
			.at_ms = sqlite3_column_int64(st, 1),
			.peer = db_column(st, 2),
			.value = db_column(st, 3),
		};
		if (!store_rows_add(&rows, &row)) {
			db_end(st);
			break;
		}
	}
	return db->rc ? ERR_IO : ERR_NONE;
}

static enum err log_count(struct db *db, struct store_op *op, struct store_step *step)
{
	const struct store_range *r = &step->range;
	struct log log;
	enum err err = log_find(db, op, step->space, &log);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_NONE : err;
	bool whole = r->from_seq <= 1 && r->to_seq >= SEQ_MAX && r->from_ms == INT64_MIN && r->to_ms == INT64_MAX && !str_present(r->peer);
	if (whole) {
		step->count = (uint64_t)log.count;
		return ERR_NONE;
	}
	sqlite3_stmt *st = stmt_range(db, SQL_LOG_COUNT, &log, r);
	if (!st || !db_next(db, st))
		return ERR_IO;
	step->count = (uint64_t)sqlite3_column_int64(st, 0);
	db_end(st);
	return ERR_NONE;
}

/* Deletes a run of entries, takes them off the log's count, and adds them to *count. */
static enum err entries_delete(struct db *db, sqlite3_int64 log, uint64_t from_seq, uint64_t to_seq, uint64_t *count)
{
	sqlite3_stmt *st = db_stmt(db, SQL_LOG_DELETE);
	if (!st)
		return ERR_IO;
	sqlite3_bind_int64(st, 1, entry_id(log, from_seq));
	sqlite3_bind_int64(st, 2, entry_id(log, to_seq));
	enum err err = db_run(db, st);
	sqlite3_int64 n = sqlite3_changes64(db->handle);
	if (err || !n)
		return err;
	*count += (uint64_t)n;
	st = db_stmt(db, SQL_LOG_DROP);
	if (!st)
		return ERR_IO;
	sqlite3_bind_int64(st, 1, log);
	sqlite3_bind_int64(st, 2, n);
	return db_run(db, st);
}

static enum err log_delete(struct db *db, struct store_op *op, struct store_step *step)
{
	struct log log;
	enum err err = log_find(db, op, step->space, &log);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_NONE : err;
	if (step->range.from_seq > SEQ_MAX)
		return ERR_NONE;
	return entries_delete(db, log.id, step->range.from_seq, step->range.to_seq, &step->count);
}

/* ---- over many logs ---- */

/* From the oldest end of one log, while entries are older than step->at_ms and *left is not used up. */
static enum err expire_one(struct db *db, struct store_step *step, sqlite3_int64 log, uint64_t *left)
{
	sqlite3_stmt *st = db_stmt(db, SQL_LOG_TIMES);
	if (!st)
		return ERR_IO;
	sqlite3_bind_int64(st, 1, entry_id(log, 0));
	sqlite3_bind_int64(st, 2, entry_id(log, SEQ_MAX));
	sqlite3_bind_int64(st, 3, (sqlite3_int64)*left);
	uint64_t last = 0, before = step->count;
	while (db_next(db, st)) {
		if (sqlite3_column_int64(st, 1) >= step->at_ms) {
			db_end(st);
			break;
		}
		last = (uint64_t)sqlite3_column_int64(st, 0) & SEQ_MAX;
	}
	if (db->rc)
		return ERR_IO;
	enum err err = last ? entries_delete(db, log, 0, last, &step->count) : ERR_NONE;
	*left -= step->count - before;
	return err;
}

static enum err log_expire(struct db *db, struct store_op *op, struct store_step *step)
{
	uint64_t left = step->range.limit ? step->range.limit : STORE_ROWS_MAX;
	step->cursor = step->in_cursor;
	for (int looked = 0;; looked++) {
		sqlite3_stmt *st = db_stmt_key(db, SQL_LOGS_NEXT, op, step->space);
		if (!st)
			return ERR_IO;
		sqlite3_bind_int64(st, 4, (sqlite3_int64)step->cursor);
		if (!db_next(db, st))
			return db->rc ? ERR_IO : ERR_NONE;
		sqlite3_int64 log = sqlite3_column_int64(st, 0);
		db_end(st);
		step->cursor = (uint64_t)log;
		step->more = left == 0 || looked == EXPIRE_LOGS_MAX;
		if (step->more)
			return ERR_NONE;
		enum err err = expire_one(db, step, log, &left);
		if (err)
			return err;
		if (left)
			step->cursor++; /* else this log may hold more */
	}
}

enum err db_log_delete_owner(struct db *db, struct store_op *op, uint64_t *count)
{
	for (;;) {
		sqlite3_stmt *st = db_stmt_key(db, SQL_OWNER_LOG, op, NULL);
		if (!st)
			return ERR_IO;
		if (!db_next(db, st))
			return db->rc ? ERR_IO : ERR_NONE;
		sqlite3_int64 log = sqlite3_column_int64(st, 0);
		db_end(st);
		enum err err = entries_delete(db, log, 0, SEQ_MAX, count);
		if (err)
			return err;
		st = db_stmt(db, SQL_OWNER_LOG_DELETE);
		if (!st)
			return ERR_IO;
		sqlite3_bind_int64(st, 1, log);
		err = db_run(db, st);
		if (err)
			return err;
	}
}

enum err db_log_step(struct db *db, struct store_op *op, struct store_step *step)
{
	switch (step->verb) {
	case STORE_LOG_APPEND:
		return log_append(db, op, step);
	case STORE_LOG_RANGE:
		return log_range(db, op, step);
	case STORE_LOG_COUNT:
		return log_count(db, op, step);
	case STORE_LOG_DELETE:
	case STORE_LOG_TRIM:
		return log_delete(db, op, step);
	case STORE_LOG_EXPIRE:
		return log_expire(db, op, step);
	default:
		BUG("a verb without a table");
	}
}
