/*
 * banned.h: banned_users: goes through a host's accounts and tells those that are banned. There is no list of them: a ban is a member of
 * the account's record, and administrators ask rarely.
 */
#ifndef NODE_CTL_BANNED_H
#define NODE_CTL_BANNED_H

#include "node/ctl/command.h"

void banned_run(struct call *c); /* HOST --limit=N */

#endif
