/*
 * command.h: what an administrator can ask: one row a command; the same rows serve the control socket, its client and their help.
 *
 * A command runs on the main thread and answers once, now or later (call_ok, call_fail), with a text for people and data for programs.
 */
#ifndef NODE_CTL_COMMAND_H
#define NODE_CTL_COMMAND_H

#include <jansson.h>

#include "node/core/node.h"

#define CTL_ARGS_MAX 16

/* Exit codes of starlingctl. */
enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_NO_SERVER = 3 };

struct call {
	struct node *node;
	const struct command *command;
	struct arena *arena;
	unsigned n_args;
	struct str args[CTL_ARGS_MAX]; /* in the arena, NUL-terminated */
	/* the server's */
	void (*done)(struct call *c, enum ctl_exit code, struct str text, json_t *data);
	void *asker;
	bool stop_after;
};

struct command {
	const char *name;
	const char *args;     /* "USER HOST PASSWORD", "[HOST]" */
	unsigned min_args, max_args;
	const char *doc;      /* one line */
	void (*run)(struct call *c);
};

/* Every command; ends with a NULL name. */
extern const struct command all_commands[];
const struct command *command_find(struct str name);
/* Checks the number of arguments, then runs it. */
void command_run(struct call *c);

/* Each answers and ends the call. `data` is consumed; NULL: there is none but the text. An empty text: people see the data, a line
 * an item. */
void call_ok(struct call *c, json_t *data, const char *fmt, ...) PRINTF_LIKE(3, 4);
void call_fail(struct call *c, enum ctl_exit code, const char *fmt, ...) PRINTF_LIKE(3, 4);
json_t *json_str(struct str s);

#endif
