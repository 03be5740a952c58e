/*
 * birth.h: the beginning of an account: its record, then the account_created hooks on its worker. Whoever makes accounts comes here.
 */
#ifndef NODE_CORE_BIRTH_H
#define NODE_CORE_BIRTH_H

#include "node/core/account.h"
#include "proto/addr/jid.h"

struct host;
struct node_worker;

/* Any worker, main included; on_done is called there, once, later, with the error of account_create, the asker's arg and nothing else.
 * `bare` and the password are copied. */
void account_add(struct host *h, const struct jid *bare, struct str password, void (*on_done)(const struct account_answer *answer),
		 void *arg);
/* Any worker: the hooks alone, for an account that was written otherwise: an import. */
void account_announce(struct host *h, const struct jid *bare);

/* Another node has made an account that is at home here. */
void birth_heard(struct node_worker *nw, struct str bare);

#endif
