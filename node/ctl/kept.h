/*
 * kept.h: commands "USER HOST" that tell how much of one kind the store keeps for an account, or delete it all, for features' descriptors.
 *
 * The space is a map or a log. Both answer with a number: what is there, or how much is gone. Accounts need not exist: what somebody left
 * behind can be counted and deleted too.
 */
#ifndef NODE_CTL_KEPT_H
#define NODE_CTL_KEPT_H

#include "node/ctl/command.h"

void kept_count(struct call *c, const struct store_space *space);
void kept_purge(struct call *c, const struct store_space *space);

#endif
