/*
 * sm_back.h: what a client did not acknowledge (proto/wire/unacked.h), read back: to be sent again, or to be given to somebody else.
 */
#ifndef NODE_CORE_SM_BACK_H
#define NODE_CORE_SM_BACK_H

#include "node/core/session.h"
#include "proto/wire/unacked.h"

/* Appends what goes to the client again: a message tells when it came. */
void sm_back_write(struct buf *out, struct user *u, const struct unacked_item *i);
/* Its session is gone: to whoever gets it now, else an error to its sender (XEP-0198 section 4). Presence is gone with it. */
void sm_back_give(struct user *u, const struct unacked_item *i);

#endif
