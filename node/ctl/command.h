/*
 * command.h: what an administrator can ask: one row a command. The same rows serve the control socket, its client and their help, the shell
 * completion, the manual page and the HTTP API.
 *
 * A command runs on the main thread and answers once, now or later (call_ok, call_fail), with a text for people and data for programs. It
 * may tell lines before its answer (COMMAND_STREAMS). A feature has commands of its own in its descriptor (module.h).
 *
 * Whoever hands a call in fills node, command, arena, args, options, `by` and done, then calls command_run. `done` is called once and owns
 * the call then. What changes something is in the audit log, with who asked and what became of it; arguments named PASSWORD, SUBJECT, BODY
 * and STANZA are not.
 */
#ifndef NODE_CTL_COMMAND_H
#define NODE_CTL_COMMAND_H

#include <jansson.h>

#include "node/core/node.h"

#define CTL_ARGS_MAX    16
#define CTL_OPTIONS_MAX 8

/* Exit codes of starlingctl. */
enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_NO_SERVER = 3 };

enum command_flags {
	COMMAND_READS = 1,   /* looks only: changes nothing */
	COMMAND_STREAMS = 2, /* tells lines until its asker goes away: for the control socket, where an asker can */
	COMMAND_LOCAL = 4,   /* needs no node: runs in starlingctl itself, with call->node NULL */
	COMMAND_HOME = 8,    /* about an account: runs on the node where that is at home (relay.h) */
	COMMAND_EVERYWHERE = 16, /* runs on all nodes; lists are put together, numbers added */
	COMMAND_AWAITS = 32, /* starlingctl waits for a node to ask, --seconds=N */
};

struct relay;

struct call {
	struct node *node;
	const struct command *command;
	struct arena *arena;
	unsigned n_args;
	struct str args[CTL_ARGS_MAX]; /* in the arena, NUL-terminated */
	unsigned n_options;
	struct call_option {
		struct str name, value;
	} options[CTL_OPTIONS_MAX];    /* likewise; a switch has the value "true" */
	struct str by;                 /* who asks, for the audit log: "uid 0" */
	uint64_t began_ms;
	void (*done)(struct call *c, enum ctl_exit code, struct str text, json_t *data);
	void *asker;
	bool stop_after;
	bool relayed;                  /* another node asks: no third one is asked for it */
	struct relay *relay;           /* relay.c's */
	enum err err;                  /* the command's: why it failed, where it is one of these */
	/* COMMAND_STREAMS. `line` consumes its data; false: the asker reads too slowly, and the line is lost. */
	bool (*line)(struct call *c, json_t *data);
	void (*on_gone)(struct call *c); /* the command's: its asker is gone; it must still answer, soon */
	void *state;                     /* the command's */
};

struct command {
	const char *name;
	/* Words in order: "USER HOST [REASON...] --limit=N --dry_run". In brackets: may be left out; with dots: takes all that follows,
	 * joined by blanks. With dashes: an option, which may stand anywhere and be left out; without "=" it is a switch. */
	const char *args;
	unsigned flags;        /* enum command_flags */
	const char *doc;       /* one line */
	void (*run)(struct call *c);
};

struct command_group {
	const char *name, *doc;
	const struct command *commands; /* ends with a NULL name */
};
/* The groups of the core; ends with NULL. */
extern const struct command_group *const all_command_groups[];

/* Every command, those of features included: NULL gives the first, the last gives NULL. *group (may be NULL) is its group's name. */
const struct command *command_next(const struct command *c, const char **group);
const struct command *command_find(struct str name);
/* The name of the i-th argument without brackets and dots; absent past the last. */
struct str command_arg_name(const struct command *cmd, unsigned i);
/* How many arguments; options aside. */
void command_arity(const struct command *cmd, unsigned *min, unsigned *max);
/* The i-th option; absent past the last. *value_name is absent for a switch. */
struct str command_option_name(const struct command *cmd, unsigned i, struct str *value_name);
/* True when it takes this option; dashes and underscores count as the same. */
bool command_option(const struct command *cmd, struct str name, struct str *value_name);
/* Checks arguments and options, then runs it. */
void command_run(struct call *c);

/* ---- for commands ---- */

/* Each answers and ends the call. `data` is consumed; NULL: there is none but the text. An empty text: people see the data: a list of
 * objects as a table, an object as "name: value" lines. */
void call_ok(struct call *c, json_t *data, const char *fmt, ...) PRINTF_LIKE(3, 4);
void call_fail(struct call *c, enum ctl_exit code, const char *fmt, ...) PRINTF_LIKE(3, 4);
json_t *json_str(struct str s);

/* Arguments. Each answers the call itself (CTL_FAILED, CTL_USAGE) when the argument is bad: NULL or false then, and the call with its
 * arena is gone. */
struct host *call_host(struct call *c, unsigned i);
bool call_user(struct call *c, unsigned i, const struct host *h, struct jid *out);
bool call_jid(struct call *c, unsigned i, struct jid *out);
/* What becomes text of a stanza. */
bool call_text(struct call *c, struct str text);
/* The value of an option; absent when it was not given. */
struct str call_option(const struct call *c, const char *name);
bool call_number(struct call *c, struct str text, const char *what, uint64_t min, uint64_t max, uint64_t *out);

#endif
