/*
 * Each question is a call that goes through some of: read the account, derive on the pool, write it back.
 *
 *   get           read
 *   set_disabled, note_login   read -> write
 *   set_password  read -> derive -> write        the write is a compare-and-set: when somebody else was faster, read again,
 *   create        read -> derive -> write        with the derived keys at hand
 *   check         read -> derive
 *   delete, list, count    one op of their own
 */
#include "node/core/account.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "cluster/pool.h"
#include "node/core/account_record.h"

#define CONFLICTS_MAX 5
#define REASON_MAX    1023

const struct store_space account_space = { "account", STORE_KV };

enum question { ASK_GET, ASK_CREATE, ASK_PASSWORD, ASK_CHECK, ASK_DISABLE, ASK_LOGIN, ASK_DELETE, ASK_LIST, ASK_COUNT };

struct account_call {
	struct job job;
	struct arena *arena; /* the call lies in it */
	enum question question;
	struct account_ask ask;
	struct store_op *op; /* under way */
	bool cancelled, deriving;
	struct str password; /* wiped as soon as it was used */
	struct str reason;
	uint32_t iterations;
	struct rng rng;
	unsigned conflicts;
	/* derived on the pool */
	enum err derived;
	bool has_new_keys, matches;
	struct sasl_keys new_keys;
	/* read */
	struct account account;
	bool found;
	struct str record;
	uint64_t version;
};

static void forget_password(struct account_call *c)
{
	if (c->password.len)
		OPENSSL_cleanse((char *)c->password.p, c->password.len);
	c->password = STR_NONE;
}

static void call_free(struct account_call *c)
{
	forget_password(c);
	OPENSSL_cleanse(&c->new_keys, sizeof c->new_keys);
	arena_free(c->arena);
}

static struct account_call *call_new(const struct account_ask *ask, enum question question)
{
	struct arena *a = arena_new(2048);
	struct account_call *c = arena_zalloc(a, sizeof *c);
	c->arena = a;
	c->question = question;
	c->ask = *ask;
	c->ask.host = arena_str(a, ask->host);
	c->ask.user = arena_str(a, ask->user);
	c->rng = worker_current()->rng;
	return c;
}

/* The end of a call. */
static void finish(struct account_call *c, struct account_answer answer)
{
	answer.arg = c->ask.arg;
	if (c->found)
		answer.account = &c->account;
	if (c->ask.call)
		*c->ask.call = NULL;
	if (!c->cancelled && c->ask.on_done)
		c->ask.on_done(&answer);
	call_free(c);
}

static void finish_err(struct account_call *c, enum err err)
{
	finish(c, (struct account_answer){ .err = err });
}

void account_cancel(struct account_call **p)
{
	struct account_call *c = *p;
	*p = NULL;
	if (!c)
		return;
	c->cancelled = true;
	c->ask.call = NULL;
	if (c->deriving)
		return; /* the pool has it: on_derived frees it */
	store_op_cancel(&c->op);
	call_free(c);
}

static struct store_op *op_new(struct account_call *c, void (*on_done)(struct store_op *op))
{
	return c->op = store_op_new(c->ask.host, c->ask.user, on_done, c);
}

static enum err submit(struct account_call *c)
{
	enum err err = store_submit(c->ask.store, c->op);
	if (err)
		c->op = NULL;
	return err;
}

/* For the steps after the first, where an error is answered and not returned. */
static void submit_next(struct account_call *c)
{
	enum err err = submit(c);
	if (err)
		finish_err(c, err);
}

/* The first step of a question: consumes the call when it cannot even begin. */
static enum err begin(struct account_call *c)
{
	enum err err = submit(c);
	if (err)
		call_free(c);
	else if (c->ask.call)
		*c->ask.call = c;
	return err;
}

/* ---- write ---- */

static void read_account(struct account_call *c);

static void on_written(struct store_op *op)
{
	struct account_call *c = op->arg;
	enum err err = op->err;
	c->op = NULL;
	bool raced = c->question != ASK_CREATE && err == ERR_EXISTS;
	if (!raced) {
		finish_err(c, err);
	} else if (++c->conflicts > CONFLICTS_MAX) {
		finish_err(c, ERR_UNAVAILABLE);
	} else {
		read_account(c);
		submit_next(c);
	}
}

static void write_account(struct account_call *c)
{
	struct account next = c->account;
	int64_t now = worker_wall_ms();
	if (c->question == ASK_CREATE)
		next = (struct account){ .created_ms = now };
	if (c->question == ASK_DISABLE) {
		next.disabled = str_present(c->reason);
		next.reason = c->reason;
	} else if (c->question == ASK_LOGIN) {
		next.login_ms = now;
	} else {
		next.has_keys = true;
		next.keys = c->new_keys;
		next.changed_ms = now;
	}
	struct store_op *op = op_new(c, on_written);
	struct str text = account_record_format(op->arena, &next, c->record);
	if (c->question == ASK_CREATE)
		store_kv_create(op, &account_space, text);
	else
		store_kv_replace(op, &account_space, c->version, text);
	submit_next(c);
}

/* ---- derive ---- */

/* On a pool thread. */
static void derive(struct job *j)
{
	struct account_call *c = (struct account_call *)j;
	if (c->question == ASK_CHECK)
		c->matches = c->account.has_keys && sasl_keys_check(&c->account.keys, c->password);
	else
		c->derived = sasl_keys_make(c->password, c->iterations, &c->rng, &c->new_keys);
}

static void on_derived(struct job *j, bool cancelled)
{
	struct account_call *c = (struct account_call *)j;
	c->deriving = false;
	forget_password(c);
	if (c->cancelled)
		call_free(c);
	else if (cancelled)
		finish_err(c, ERR_CANCELLED);
	else if (c->derived)
		finish_err(c, c->derived);
	else if (c->question == ASK_CHECK)
		finish(c, (struct account_answer){ .matches = c->matches });
	else {
		c->has_new_keys = true;
		write_account(c);
	}
}

static void start_derive(struct account_call *c)
{
	c->job.work = derive;
	c->job.on_done = on_derived;
	enum err err = pool_submit(worker_current(), &c->job);
	if (err)
		finish_err(c, err);
	else
		c->deriving = true;
}

/* ---- read ---- */

static void on_read(struct store_op *op)
{
	struct account_call *c = op->arg;
	enum err err = op->err;
	c->op = NULL;
	c->found = false;
	if (!err) {
		c->record = arena_str(c->arena, op->first->value);
		c->version = op->first->version;
		err = account_record_parse(c->arena, c->record, &c->account);
		c->found = err == ERR_NONE;
		if (err)
			err = ERR_IO; /* what is stored is broken; ERR_INVALID would blame the asker */
	}
	bool create = c->question == ASK_CREATE;
	if (create && (c->found || err == ERR_NOT_FOUND))
		err = c->found ? ERR_EXISTS : ERR_NONE;
	if (err || c->question == ASK_GET)
		finish_err(c, err);
	else if (c->question == ASK_DISABLE || c->question == ASK_LOGIN || c->has_new_keys)
		write_account(c);
	else
		start_derive(c);
}

static void read_account(struct account_call *c)
{
	store_kv_get(op_new(c, on_read), &account_space);
}

static enum err begin_read(struct account_call *c)
{
	if (str_empty(c->ask.user)) {
		call_free(c);
		return ERR_INVALID;
	}
	read_account(c);
	return begin(c);
}

/* ---- questions ---- */

enum err account_get(const struct account_ask *ask)
{
	return begin_read(call_new(ask, ASK_GET));
}

static enum err begin_password(const struct account_ask *ask, enum question question, struct str password, uint32_t iterations)
{
	if (password.len > SASL_PASSWORD_MAX)
		return ERR_LIMIT;
	struct account_call *c = call_new(ask, question);
	c->password = arena_str(c->arena, str_present(password) ? password : STR(""));
	c->iterations = iterations ? iterations : SASL_ITERATIONS;
	return begin_read(c);
}

enum err account_create(const struct account_ask *ask, struct str password, uint32_t iterations)
{
	return begin_password(ask, ASK_CREATE, password, iterations);
}

enum err account_set_password(const struct account_ask *ask, struct str password, uint32_t iterations)
{
	return begin_password(ask, ASK_PASSWORD, password, iterations);
}

enum err account_check_password(const struct account_ask *ask, struct str password)
{
	return begin_password(ask, ASK_CHECK, password, 0);
}

enum err account_set_disabled(const struct account_ask *ask, struct str reason)
{
	if (reason.len > REASON_MAX)
		return ERR_LIMIT;
	struct account_call *c = call_new(ask, ASK_DISABLE);
	c->reason = arena_str(c->arena, reason);
	return begin_read(c);
}

enum err account_note_login(const struct account_ask *ask)
{
	return begin_read(call_new(ask, ASK_LOGIN));
}

static void on_one_op(struct store_op *op)
{
	struct account_call *c = op->arg;
	const struct store_step *step = op->first;
	struct account_answer answer = { .err = op->err };
	c->op = NULL;
	if (!op->err && c->question != ASK_DELETE) {
		answer.rows = step->rows;
		answer.n_rows = step->n_rows;
		answer.more = step->more;
		answer.count = step->count;
	}
	finish(c, answer);
}

enum err account_delete(const struct account_ask *ask)
{
	struct account_call *c = call_new(ask, ASK_DELETE);
	if (str_empty(ask->user)) {
		call_free(c);
		return ERR_INVALID; /* the owner "" is the host's own data */
	}
	struct store_op *op = op_new(c, on_one_op);
	store_kv_get(op, &account_space);
	store_owner_delete(op);
	return begin(c);
}

enum err account_list(const struct account_ask *ask, struct str after, uint32_t limit)
{
	struct account_call *c = call_new(ask, ASK_LIST);
	store_kv_owners(op_new(c, on_one_op), &account_space, after, limit);
	return begin(c);
}

enum err account_count(const struct account_ask *ask)
{
	struct account_call *c = call_new(ask, ASK_COUNT);
	store_kv_count(op_new(c, on_one_op), &account_space);
	return begin(c);
}
