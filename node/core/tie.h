/*
 * tie.h: contacts that the service gives to its users, beside those that they made: members of a shared group know one another.
 *
 * A feature says in the hook `ties` whom a user is tied to; the roster shows them and treats them as subscribed, and keeps nothing. When
 * ties have changed the feature calls ties_spread: every live account hears of it (hook `ties_changed`) in phases, each of which ends
 * everywhere before the next one begins:
 *
 *   TIES_LOOK     features look at the accounts, if what is to be known lies there
 *   TIES_CHANGE   rosters change: clients get their pushes, and who is lost hears 'unavailable'
 *   TIES_SETTLE   all clients know the new contacts now: presence is shown
 *
 * With several nodes a feature that can wait for them runs the first two on all (accord.h) before it settles. Where ties have changed on
 * another node already, and nobody waits, TIES_LATE is in place of the last two: presence is shown, and asked for, with each change.
 */
#ifndef NODE_CORE_TIE_H
#define NODE_CORE_TIE_H

#include "node/core/module.h"

enum ties_phase { TIES_LOOK, TIES_CHANGE, TIES_SETTLE, TIES_LATE, TIES_PHASES };

struct tie {
	struct jid jid;    /* bare */
	bool to, from;     /* the user sees the contact's presence; the contact sees the user's */
	struct str groups; /* under which the contact is shown; packed: roster_group_next. A contact without `to` is not shown */
};

/* What the hook `ties` fills. Past `max` nothing is added, and `more` says so. */
struct tie_list {
	struct arena *arena;
	struct tie *v;
	uint32_t n, cap, max;
	bool more;
};
/* Copies. Each contact once. */
void ties_add(struct tie_list *l, const struct tie *t);

/* Any thread. Ties between `who` and others have changed; NULL: any. on_done (may be NULL) runs on the main thread when it is done. */
void ties_spread(struct host *h, const struct jid *who, void (*on_done)(void *arg), void *arg);
/* The same with some phases only: a bit for each, 1 << TIES_LOOK ... */
void ties_run(struct host *h, const struct jid *who, unsigned phases, void (*on_done)(void *arg), void *arg);

#endif
