#include "node/ctl/kept.h"

#include "node/core/stored.h"

static void on_answer(struct store_op *op)
{
	struct call *c = op->arg;
	unsigned long long n = op->last->count;
	if (op->err == ERR_NOT_FOUND)
		call_fail(c, CTL_FAILED, "User %s@%s is not registered", c->args[0].p, c->args[1].p);
	else if (op->err != ERR_NONE)
		call_fail(c, CTL_FAILED, "the store answers: %s", err_name(op->err));
	else
		call_ok(c, json_integer((json_int_t)n), "%llu", n);
}

static void add_step(struct store_op *op, const struct store_space *space, bool purge)
{
	BUG_ON(space->shape != STORE_MAP && space->shape != STORE_LOG);
	if (space->shape == STORE_MAP && purge)
		store_map_clear(op, space);
	else if (space->shape == STORE_MAP)
		store_map_count(op, space);
	else if (purge)
		store_log_trim(op, space, INT64_MAX);
	else
		store_log_count(op, space, NULL);
}

static void ask(struct call *c, const struct store_space *space, bool purge)
{
	struct jid jid;
	struct host *h = call_host(c, 1);
	if (!h || !call_user(c, 0, h, &jid))
		return;
	struct store_op *op = store_op_new(h->name, jid_local(&jid), on_answer, c);
	stored_if_account(op, h);
	add_step(op, space, purge);
	if (store_submit(h->store, op) != ERR_NONE)
		call_fail(c, CTL_FAILED, "the store takes no more questions now");
}

void kept_count(struct call *c, const struct store_space *space)
{
	ask(c, space, false);
}

void kept_purge(struct call *c, const struct store_space *space)
{
	ask(c, space, true);
}
