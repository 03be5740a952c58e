#include <string.h>

#include "node/store/postgres_db.h"

enum err pg_refusal(const char *sqlstate)
{
	if (strncmp(sqlstate, PG_REFUSAL, 4) != 0)
		return ERR_NONE;
	return sqlstate[4] == '1' ? ERR_NOT_FOUND : sqlstate[4] == '2' ? ERR_EXISTS : sqlstate[4] == '3' ? ERR_LIMIT :
	       sqlstate[4] == '4' ? ERR_DENIED : ERR_NONE;
}

/* ---- asking ---- */

static int64_t seq_of(uint64_t seq)
{
	return seq < INT64_MAX ? (int64_t)seq : INT64_MAX;
}

static void params_field(struct pg_params *p, struct str field)
{
	size_t head = field.len < PG_HEAD_MAX ? field.len : PG_HEAD_MAX;
	params_bytes(p, str_span(field.p, head));
	params_bytes(p, str_span(field.p + head, field.len - head));
}

/* What comes after a key: the least text greater than it is itself and a NUL, which arena strings have behind them. */
static struct str after_key(struct str key)
{
	return str_present(key) ? str_span(key.p, key.len + 1) : STR("");
}

static void params_rows(struct pg_params *p, const struct store_step *step)
{
	uint32_t limit = step->range.limit;
	params_int(p, (limit && limit < STORE_ROWS_MAX ? limit : STORE_ROWS_MAX) + 1);
}

static void params_weight(struct pg_params *p, const struct store_step *step)
{
	uint32_t bytes = step->range.max_bytes;
	params_int(p, bytes && bytes < STORE_ROWS_BYTES_MAX ? bytes : STORE_ROWS_BYTES_MAX);
}

static void params_range(struct pg_params *p, const struct store_range *r)
{
	params_int(p, seq_of(r->from_seq));
	params_int(p, seq_of(r->to_seq));
	params_int(p, r->from_ms);
	params_int(p, r->to_ms);
	params_bytes(p, r->peer);
}

static bool is_whole(const struct store_range *r)
{
	return r->from_seq <= 1 && r->to_seq >= INT64_MAX && r->from_ms == INT64_MIN && r->to_ms == INT64_MAX && !str_present(r->peer);
}

static enum pg_sql kv_params(struct pg_params *p, const struct store_step *step, bool strict)
{
	switch (step->verb) {
	case STORE_KV_GET:
		params_int(p, strict);
		return PG_KV_GET;
	case STORE_KV_PUT:
		params_bytes(p, step->in);
		return PG_KV_PUT;
	case STORE_KV_CREATE:
		params_bytes(p, step->in);
		params_int(p, strict);
		return PG_KV_CREATE;
	case STORE_KV_REPLACE:
		params_bytes(p, step->in);
		params_int(p, (int64_t)step->in_version);
		params_int(p, strict);
		return PG_KV_REPLACE;
	case STORE_FENCE:
		params_bytes(p, step->in);
		params_int(p, strict);
		return PG_FENCE;
	case STORE_KV_DELETE:
		return PG_KV_DELETE;
	case STORE_KV_OWNERS:
		params_bytes(p, after_key(step->field));
		params_rows(p, step);
		return PG_KV_OWNERS;
	default:
		return PG_KV_COUNT;
	}
}

static enum pg_sql map_params(struct pg_params *p, const struct store_step *step, bool strict)
{
	switch (step->verb) {
	case STORE_MAP_GET:
		params_field(p, step->field);
		params_int(p, strict);
		return PG_MAP_GET;
	case STORE_MAP_ALL:
		params_field(p, after_key(step->field));
		params_rows(p, step);
		params_weight(p, step);
		return PG_MAP_ALL;
	case STORE_MAP_PUT:
		params_field(p, step->field);
		params_bytes(p, step->in);
		if (!step->range.limit)
			return PG_MAP_PUT;
		params_int(p, step->range.limit);
		params_int(p, strict);
		return PG_MAP_PUT_MAX;
	case STORE_MAP_DELETE:
		params_field(p, step->field);
		return PG_MAP_DELETE;
	case STORE_MAP_CLEAR:
		return PG_MAP_CLEAR;
	default:
		return PG_MAP_COUNT;
	}
}

static enum pg_sql log_params(struct pg_params *p, const struct store_step *step, bool strict)
{
	switch (step->verb) {
	case STORE_LOG_APPEND:
		params_int(p, step->at_ms);
		params_bytes(p, step->range.peer);
		params_bytes(p, step->in);
		params_int(p, step->range.limit);
		params_int(p, strict);
		return PG_LOG_APPEND;
	case STORE_LOG_RANGE:
		params_range(p, &step->range);
		params_rows(p, step);
		params_weight(p, step);
		return step->range.newest_first ? PG_LOG_DOWN : PG_LOG_UP;
	case STORE_LOG_COUNT:
		if (is_whole(&step->range))
			return PG_LOG_SIZE;
		params_range(p, &step->range);
		return PG_LOG_COUNT;
	case STORE_LOG_EXPIRE:
		params_int(p, step->at_ms);
		params_int(p, step->range.limit ? step->range.limit : STORE_ROWS_MAX);
		params_int(p, seq_of(step->in_cursor));
		return PG_LOG_EXPIRE;
	default:
		params_int(p, seq_of(step->range.from_seq));
		params_int(p, seq_of(step->range.to_seq));
		return PG_LOG_DELETE;
	}
}

void pg_step_send(struct pg_link *k, const struct store_op *op, const struct store_step *step, bool strict)
{
	struct pg_params p = { .n = 0 };
	params_bytes(&p, op->host);
	params_bytes(&p, op->owner);
	if (step->verb == STORE_OWNER_DELETE) {
		link_post(k, PG_OWNER_DELETE, &p);
		return;
	}
	params_bytes(&p, str_of(step->space->name));
	enum pg_sql id = step->space->shape == STORE_KV ? kv_params(&p, step, strict) :
			 step->space->shape == STORE_MAP ? map_params(&p, step, strict) : log_params(&p, step, strict);
	link_post(k, id, &p);
}

/* ---- hearing ---- */

static struct str column(const PGresult *r, int row, int at)
{
	if (PQgetisnull(r, row, at))
		return STR_NONE;
	return (struct str){ PQgetvalue(r, row, at), (size_t)PQgetlength(r, row, at) };
}

static int64_t number(const PGresult *r, int row, int at)
{
	struct str s = column(r, row, at);
	uint64_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n = n << 8 | (unsigned char)s.p[i];
	return (int64_t)n;
}

static uint64_t changed(const PGresult *r)
{
	uint64_t n = 0;
	return str_to_u64(str_of(PQcmdTuples((PGresult *)r)), &n) ? n : 0;
}

/* What one row with one number says; 0 without a row. */
static uint64_t count_of(const PGresult *r)
{
	return PQntuples(r) ? (uint64_t)number(r, 0, 0) : 0;
}

static struct str keep(struct store_op *op, const PGresult *r, int at)
{
	return arena_str(op->arena, column(r, 0, at));
}

/* A column of its first row that is NULL when the step failed. */
static enum err unless_null(const PGresult *r, enum err err)
{
	return PQgetisnull(r, 0, 0) ? err : ERR_NONE;
}

static enum err kv_answer(struct store_op *op, struct store_step *step, const PGresult *r)
{
	enum err err = ERR_NONE;
	switch (step->verb) {
	case STORE_KV_GET:
		err = unless_null(r, ERR_NOT_FOUND);
		if (!err)
			step->value = keep(op, r, 1);
		break;
	case STORE_KV_CREATE:
		err = unless_null(r, ERR_EXISTS);
		break;
	case STORE_KV_REPLACE:
		err = unless_null(r, number(r, 0, 1) ? ERR_EXISTS : ERR_NOT_FOUND);
		break;
	case STORE_FENCE:
		step->version = store_fence_of(column(r, 0, 1));
		return unless_null(r, ERR_DENIED);
	case STORE_KV_DELETE:
		step->count = changed(r);
		return ERR_NONE;
	case STORE_KV_COUNT:
		step->count = count_of(r);
		return ERR_NONE;
	default:
		break;
	}
	if (!err)
		step->version = count_of(r);
	return err;
}

static enum err map_answer(struct store_op *op, struct store_step *step, const PGresult *r)
{
	enum err err = ERR_NONE;
	switch (step->verb) {
	case STORE_MAP_GET:
		err = unless_null(r, ERR_NOT_FOUND);
		if (!err)
			step->value = keep(op, r, 1);
		return err;
	case STORE_MAP_PUT:
		return step->range.limit ? unless_null(r, ERR_LIMIT) : ERR_NONE;
	case STORE_MAP_COUNT:
		step->count = count_of(r);
		return ERR_NONE;
	default:
		step->count = changed(r);
		return ERR_NONE;
	}
}

static enum err log_answer(struct store_step *step, const PGresult *r)
{
	switch (step->verb) {
	case STORE_LOG_APPEND:
		step->seq = count_of(r);
		return unless_null(r, ERR_LIMIT);
	case STORE_LOG_EXPIRE:
		step->count = count_of(r);
		step->more = number(r, 0, 1) != 0;
		step->cursor = (uint64_t)number(r, 0, 2);
		return ERR_NONE;
	default:
		step->count = count_of(r);
		return ERR_NONE;
	}
}

/* ---- rows ---- */

static void owner_row(const PGresult *r, int at, struct store_row *row)
{
	row->key = column(r, at, 0);
}

static void entry_row(const PGresult *r, int at, struct store_row *row)
{
	row->seq = (uint64_t)number(r, at, 0);
	row->at_ms = number(r, at, 1);
	row->peer = column(r, at, 2);
	row->value = column(r, at, 3);
}

static void field_row(const PGresult *r, int at, char field[STORE_FIELD_MAX], struct store_row *row)
{
	struct str head = column(r, at, 0), tail = column(r, at, 1);
	BUG_ON(!head.p || !tail.p || head.len + tail.len > STORE_FIELD_MAX);
	memcpy(field, head.p, head.len);
	memcpy(field + head.len, tail.p, tail.len);
	row->key = str_span(field, head.len + tail.len);
	row->value = column(r, at, 2);
}

static void read_rows(struct store_op *op, struct store_step *step, const PGresult *r)
{
	struct store_rows rows;
	char field[STORE_FIELD_MAX];
	store_rows_begin(&rows, op, step);
	for (int i = 0; i < PQntuples(r); i++) {
		struct store_row row = { .value = STR_NONE };
		if (step->verb == STORE_KV_OWNERS)
			owner_row(r, i, &row);
		else if (step->verb == STORE_LOG_RANGE)
			entry_row(r, i, &row);
		else
			field_row(r, i, field, &row);
		if (!store_rows_add(&rows, &row))
			return;
	}
}

enum err pg_step_answer(struct store_op *op, struct store_step *step, const PGresult *r)
{
	switch (step->verb) {
	case STORE_KV_OWNERS:
	case STORE_MAP_ALL:
	case STORE_LOG_RANGE:
		read_rows(op, step, r);
		return ERR_NONE;
	case STORE_OWNER_DELETE:
		step->count = count_of(r);
		return ERR_NONE;
	default:
		break;
	}
	return step->space->shape == STORE_KV ? kv_answer(op, step, r) :
	       step->space->shape == STORE_MAP ? map_answer(op, step, r) : log_answer(step, r);
}
