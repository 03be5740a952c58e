/*
 * shared.h: what the files of this folder share: a host's groups under their lock, and the queue of what changes them.
 *
 * Groups are read by every worker (a roster is loaded, a probe comes), always under the lock and for moments. They change on the main
 * thread, one deed after the other: a deed writes to the store first; when that is safe memory changes, all live accounts hear of it
 * (ties_spread), and the asker gets his answer. If another node was faster, the deed reads what that wrote, and begins anew. Before the
 * groups have been read from the store deeds wait.
 * Who is online, and which accounts there are, is noted by the workers, if there is a group that asks.
 *
 * Files: shared_groups (memory; who sees whom), shared_rows (the store), shared_deeds (loading, the queue), shared_ctl (commands of
 * administrators), shared (descriptor, hooks).
 */
#ifndef NODE_MOD_SHARED_SHARED_H
#define NODE_MOD_SHARED_SHARED_H

#include <pthread.h>

#include "node/mod/shared/shared_groups.h"

extern const struct module mod_shared;
extern const struct command shared_commands[];

struct shared_deed;

struct shared_host {
	pthread_mutex_t lock;        /* guards: */
	struct shared_groups groups;
	uint32_t max_groups, max_members, max_accounts;
	_Atomic bool counts_online, counts_accounts; /* some group asks, or asked once */
	_Atomic bool any;            /* there are groups */
	_Atomic bool stale;          /* a deed that reads them again waits */
	/* the main thread's */
	bool ready, busy;
	uint64_t turn;               /* shared_rows.h; 0: nobody has written yet */
	unsigned n_waiting;
	struct shared_deed *first, **end;
	struct message boot;
	struct timer again;          /* the store did not answer; then: */
	struct shared_deed *late;    /* deeds that nobody would ask for again */
	bool unread;                 /* what is stored is not known */
	struct host *host;
};

static inline struct shared_host *shared_host(struct host *h) { return host_slot(h, &mod_shared); }

/* Main thread, as its loop begins: reads the groups. */
void shared_boot(struct worker *w, struct message *m, bool cancelled);
/* Any thread: another node has changed them, or accounts: they are read again. */
void shared_stale(struct host *h);
/* Main thread: another node has changed them, and waits until all know. */
void shared_step(struct host *h, unsigned step, struct call *c);
/* Any thread: the account is gone; `names`, packed as roster groups, are the groups that it was in: they are written again, without it. */
void shared_forget(struct host *h, const struct jid *account, struct str names);
/* Drops deeds that wait, at the end. */
void shared_drop(struct shared_host *p);

#endif
