/*
 * admin.h: what the files of this folder share: a command's run, and the orders (node/ctl/order.h) that it gives.
 */
#ifndef NODE_MOD_ADMIN_ADMIN_H
#define NODE_MOD_ADMIN_ADMIN_H

#include "node/api.h"

#define FORM_TYPE "http://jabber.org/protocol/admin"
#define NODE(n)   FORM_TYPE "#" n

/* What a run works on; in the run's arena. */
struct admin_work {
	struct adhoc *x;
	struct jid jid;             /* the account that it is about now */
	const struct elem *next;    /* the next value of accountjids */
	unsigned n, n_failed;
	enum err err;               /* of the last that failed */
	struct str problems;
	struct elem *form, *fields[2]; /* a result */
};

struct admin_work *admin_work_of(struct adhoc *x);
/* The address of an account that this administrator may touch: w->jid. */
enum stanza_error admin_may_touch(struct admin_work *w, struct str text);
/* A command of starlingctl for w->jid (USER HOST), or without one for the run's host (HOST); its arg is w. */
struct order admin_order_of(struct admin_work *w, const char *command, void (*on_done)(const struct order_answer *a));
/* Section 6: what has a condition is an error, the rest a note. */
void admin_fail(struct admin_work *w, enum err err, struct str text);

/* The end of an order that just says what it did. */
void admin_on_changed(const struct order_answer *a);

/* admin_accounts.c */
void admin_run_add(struct adhoc *x);
void admin_run_password(struct adhoc *x);
void admin_run_batch(struct adhoc *x); /* one after the other, of accountjids: the command's node says what */
/* admin_lists.c */
void admin_run_list(struct adhoc *x); /* the number or the names of some users: the command's node says of whom */
void admin_run_stats(struct adhoc *x);

#endif
