/*
 * order.h: a command (command.h) run for somebody who is on a worker: an administrator with a client. It goes to the main thread, runs as
 * any other, with its line in the audit log, and the answer comes back to the worker that asked.
 */
#ifndef NODE_CTL_ORDER_H
#define NODE_CTL_ORDER_H

#include "node/ctl/command.h"

/* Borrowed for the call of on_done. */
struct order_answer {
	enum ctl_exit code;
	enum err err;       /* why it failed, if that is one of these; else ERR_NONE */
	struct str text;
	const json_t *data; /* NULL: none */
	void *arg;
};

struct order {
	const char *command;      /* a name; an unknown one fails */
	struct str args[CTL_ARGS_MAX];
	unsigned n_args;
	struct call_option option; /* name absent: none */
	struct str by;            /* for the audit log */
	void (*on_done)(const struct order_answer *answer);
	void *arg;
};

/* Any worker's thread. What is in the order is copied. on_done is called once, later, there; never when the node is at its end. */
void order_run(struct node *n, const struct order *o);

#endif
