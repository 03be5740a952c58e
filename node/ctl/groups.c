/*
 * groups.c: the core's command groups, in the order of help. A feature's commands are in its descriptor.
 */
#include "node/ctl/command.h"

#define GROUPS(X) X(account) X(session) X(message) X(store) X(pie) X(trace) X(cluster) X(server)

#define X(name) extern const struct command_group ctl_##name;
GROUPS(X)
#undef X

const struct command_group *const all_command_groups[] = {
#define X(name) &ctl_##name,
	GROUPS(X)
#undef X
	NULL,
};
