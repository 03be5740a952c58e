/*
 * accord.h: all nodes do the same, and the one that asks for it goes on when they have. For what shows at several nodes at once: clients of
 * all must know a new contact before anybody's presence is shown to him.
 *
 * Asked as commands are (relay.h), of each node that lives: its feature's hook host_step does it and answers. One that does not answer in
 * time, or does not know the question (it is of another version), is told by host_changed, and not waited for.
 */
#ifndef NODE_CTL_ACCORD_H
#define NODE_CTL_ACCORD_H

#include "node/ctl/command.h"

struct host;
struct module;

/* Main thread: `then` as well, at once when there are no other nodes. When main has ended before: `drop`, which frees arg and no more. */
void accord(struct host *h, const struct module *m, unsigned step, void (*then)(void *arg), void (*drop)(void *arg), void *arg);

/* What the other nodes are asked with; people are not told of it. */
extern const struct command accord_command;

#endif
