/*
 * errand.h: what several command files share: a call about one account, its kick, and the store's errors as sentences.
 */
#ifndef NODE_CTL_ERRAND_H
#define NODE_CTL_ERRAND_H

#include "node/core/account.h"
#include "node/ctl/command.h"
#include "node/ctl/visit.h"
#include "proto/base/errors.h"

/* What a command about one account works on until it is answered; lives in the call's arena. */
struct errand {
	struct visit visit;
	struct call *call;
	struct host *host;
	struct jid jid;
	unsigned kicked;
	const char *why;    /* the stream error's text */
	struct str resource; /* absent: all */
	void (*then)(struct errand *e);
};

/* From the arguments at these places; the host must have accounts. False: answered already. */
bool errand_new(struct call *c, unsigned user, unsigned host, struct errand **out);
struct errand *errand_of(struct call *c, struct host *h, const struct jid *jid);
bool errand_has_accounts(struct call *c, const struct host *h);
struct account_ask errand_ask(struct errand *e, void (*on_done)(const struct account_answer *a));
/* True when it was an error, which it told. */
bool errand_failed(struct errand *e, enum err err);
/* Ends the account's sessions (those of `resource` if it is present), counts them, then calls `then` on the main thread. */
void errand_kick(struct errand *e, const char *why, void (*then)(struct errand *e));

#endif
