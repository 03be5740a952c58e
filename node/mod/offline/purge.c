/* What administrators ask about kept messages; a session that is just being told of them loses nothing that it has begun to get. */
#include "node/mod/offline/flush.h"

static void on_answer(struct store_op *op)
{
	struct call *c = op->arg;
	unsigned long long n = op->first->count;
	if (op->err != ERR_NONE)
		call_fail(c, CTL_FAILED, "the store answers: %s", err_name(op->err));
	else
		call_ok(c, json_integer((json_int_t)n), "%llu", n);
}

static void ask(struct call *c, bool purge)
{
	struct jid jid;
	struct host *h = call_host(c, 1);
	if (!h || !call_user(c, 0, h, &jid))
		return;
	struct store_op *op = store_op_new(h->name, jid_local(&jid), on_answer, c);
	if (purge)
		store_log_trim(op, &offline_space, INT64_MAX);
	else
		store_log_count(op, &offline_space, NULL);
	if (store_submit(h->store, op) != ERR_NONE)
		call_fail(c, CTL_FAILED, "the store takes no more questions now");
}

static void run_get_offline_count(struct call *c)
{
	ask(c, false);
}

static void run_purge_offline(struct call *c)
{
	ask(c, true);
}

const struct command offline_commands[] = {
	{ "get_offline_count", "USER HOST", COMMAND_READS, "Tells how many messages are kept for an account.", run_get_offline_count },
	{ "purge_offline", "USER HOST", 0, "Deletes the messages that are kept for an account; tells how many.", run_purge_offline },
	{ 0 },
};
