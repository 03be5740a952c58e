/*
 * sweep.h: delete_old_users: goes through accounts and removes those that nobody has used for long.
 *
 * One account at a time: a node goes on serving while it sweeps. An account with a session stays, however long ago it logged in.
 */
#ifndef NODE_CTL_SWEEP_H
#define NODE_CTL_SWEEP_H

#include "node/ctl/command.h"

void sweep_run_all(struct call *c);   /* DAYS */
void sweep_run_vhost(struct call *c); /* HOST DAYS */

#endif
