/*
 * roster_errand.h: what an administrator wants of one account's roster: from the main thread to the account's worker and back.
 *
 * There each contact is a task like those of the account's own clients: after what waits already, within the same ceilings, safe in the
 * store before anybody hears of it, pushed to the resources that show the roster. Between two contacts others have their turn.
 *
 * Ownership: it lives in the asker's arena, as all that it points to, and is the worker's until `then`, which is called once.
 */
#ifndef NODE_MOD_ROSTER_ROSTER_ERRAND_H
#define NODE_MOD_ROSTER_ROSTER_ERRAND_H

#include "node/mod/roster/roster.h"

struct roster_errand {
	/* the asker's; constant while it is under way */
	struct node *node;
	struct host *host;
	struct jid jid;                  /* bare: whose roster */
	void (*run)(struct roster_task *t); /* one of the three below */
	const struct roster_item *items; /* contacts; of `side` the state alone counts, and of it whether there is "to" and "from" */
	unsigned n_items;                /* 1 for roster_errand_get, which needs no item */
	struct str after;                /* of roster_errand_get: contacts behind this one, at most `limit` */
	uint64_t limit;
	const _Atomic bool *stop;        /* may be NULL: begin no further contact */
	void (*then)(struct roster_errand *e); /* on the main thread */
	void *arg;
	/* what became of it */
	enum err err;                    /* ERR_NOT_FOUND: no such account; ERR_LIMIT: too much waits; ERR_CANCELLED: the node stops, or
					  * `stop`; others: the store */
	const char *refusal;             /* a literal; NULL: none */
	unsigned done;                   /* contacts */
	json_t *told;                    /* of roster_errand_get */
	/* its own */
	struct message message;
	struct user *user;
	unsigned next;
};

/* Main thread. */
void roster_errand_begin(struct roster_errand *e);

/* Tells contacts by address, requests that wait for the user's answer among them. */
void roster_errand_get(struct roster_task *t);
/* Puts a contact there, or changes one. The other side is not told, as it has its own item, unless a request of his is granted by it. */
void roster_errand_add(struct roster_task *t);
/* Takes a contact away, as a client does: it ends the subscriptions both ways. */
void roster_errand_delete(struct roster_task *t);

#endif
