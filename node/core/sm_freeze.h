/*
 * sm_freeze.h: stream management of a session as bytes, to another node (freeze.h).
 */
#ifndef NODE_CORE_SM_FREEZE_H
#define NODE_CORE_SM_FREEZE_H

#include "node/core/session.h"

/* Appends its state; nothing when it does not acknowledge. `whole`: with the queue. */
void sm_freeze_add(const struct session *s, struct buf *out, bool whole);
/* Appends what of the queue other sessions of the account have, too. */
void sm_freeze_add_shares(const struct session *s, struct buf *out);
/* It goes now, with its queue. */
void sm_freeze_leave(struct session *s);
/* Into a session that was just made. What is no state is ignored. */
void sm_freeze_thaw(struct session *s, struct str state);
/* After it, with those of the account's sessions that are here: what they all got is given back by the last alone. */
void sm_freeze_thaw_shares(struct session *s, struct str shares);
/* The client of a session in that state is lost before it came anywhere: what waited goes to whoever gets it now. */
void sm_freeze_give_back(struct user *u, struct str state);
/* Its edge has counted on since the state was told. */
void sm_freeze_recount(struct session *s, uint32_t handled, uint32_t sent);

#endif
