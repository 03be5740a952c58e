/*
 * removal.h: the end of an account: its sessions, what belongs to it in the store, and what others have of it.
 *
 *   account_ending hooks -> the store forgets -> sessions end -> account_ended hooks -> the asker hears
 *
 * All of it happens on the account's worker, in this order; the account is held meanwhile. Whoever removes an account comes here:
 * account_delete alone leaves subscriptions behind.
 */
#ifndef NODE_CORE_REMOVAL_H
#define NODE_CORE_REMOVAL_H

#include "node/core/account.h"
#include "proto/addr/jid.h"

struct host;

/* Any worker, main included; on_done is called there, once, later, with the error of account_delete, the asker's arg and nothing else.
 * `bare` is copied; `reason` is a literal, which the sessions hear as they end. */
void account_remove(struct host *h, const struct jid *bare, const char *reason,
		    void (*on_done)(const struct account_answer *answer), void *arg);

#endif
