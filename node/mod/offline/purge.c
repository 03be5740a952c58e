/* What administrators ask about kept messages; a session that is just being told of them loses nothing that it has begun to get. */
#include "node/mod/offline/flush.h"

static void run_get_offline_count(struct call *c)
{
	kept_count(c, &offline_space);
}

static void run_purge_offline(struct call *c)
{
	kept_purge(c, &offline_space);
}

const struct command offline_commands[] = {
	{ "get_offline_count", "USER HOST", COMMAND_READS, "Tells how many messages are kept for an account.", run_get_offline_count },
	{ "purge_offline", "USER HOST", COMMAND_HOME,
	  "Deletes the messages that are kept for an account; tells how many.", run_purge_offline },
	{ 0 },
};
