/*
 * roster.h: what the files of this folder share: one account's roster while it is in memory, and the queue of what changes it.
 *
 * A roster is loaded with its account's first session, which waits for it, or on demand for an account that nobody is logged in to; it goes
 * with the account (user_free). Reading it is immediate. Whatever may change it is a task: one at a time, in the order of arrival, it looks
 * at the roster, writes to the store (roster_commit), and only when that is safe the list changes and the world hears of it. So a
 * failed write leaves nothing behind but its error.
 *
 * After a failed write nobody knows whether it took place after all: the list is STALE. It still serves readers; before the next task it is
 * loaded again.
 *
 *   COLD -rows-> WARM -failed write-> STALE -rows-> WARM;   a load that fails changes nothing, and the tasks that waited for it are dropped
 *
 * Files: roster_list (the packed items), roster_work (loading, tasks, commits), roster_iq (get, set, push), roster_subs (subscriptions),
 * roster_presence (broadcast), roster_probe, roster_directed (directed presence), roster_tie (contacts that the service gives), roster_pie
 * (import, export), roster_ctl (commands of administrators), roster_errand (what they do to one account), roster (descriptor, hooks).
 */
#ifndef NODE_MOD_ROSTER_ROSTER_H
#define NODE_MOD_ROSTER_ROSTER_H

#include <pthread.h>

#include "node/mod/roster/roster_list.h"
#include "proto/base/tally.h"
#include "proto/rules/presence.h"

extern const struct module mod_roster;
extern const struct pie_part roster_parts[2]; /* roster_pie.c */
extern const struct command roster_commands[]; /* roster_ctl.c */

/* ---- slots ---- */

struct roster_limits {
	uint32_t items, bytes, groups, name_bytes, group_bytes, requests, request_bytes, directed, tasks, ties;
};

/* Of a host. */
struct roster_host {
	struct roster_limits limits;
	struct bucket_rate asks;    /* subscription requests of one account */
	pthread_mutex_t lock;       /* guards: */
	struct tally asked;         /* by account: a logout forgives nothing */
};

enum roster_state { ROSTER_COLD, ROSTER_WARM, ROSTER_STALE };

/* Of an account. */
struct roster {
	struct roster_list list;    /* empty when COLD */
	uint64_t ver, tie_ver;      /* what is stored; of what the service adds: clients see the sum */
	struct roster_task *first, **end; /* that wait */
	struct roster_task *current;      /* that writes */
	uint16_t n_tasks;
	uint8_t state;
	uint8_t walks;              /* how many walk over the list: tasks wait */
	bool ending;                /* the account is being removed: tasks wait for what becomes of it */
	bool loading;
	bool pumping, passing;
	bool ties_late;             /* ties have changed, and the list must follow when nobody works on it */
};

/* Of a session: to whom it sent directed presence, packed. */
struct roster_directed {
	char *p;
	uint32_t used;
	uint16_t n;
};
struct roster_session {
	struct roster_directed directed;
	bool interested;            /* it asked for the roster, and gets pushes (RFC 6121 section 2.1.6) */
};

static inline struct roster_host *roster_host(struct host *h) { return host_slot(h, &mod_roster); }
static inline const struct roster_limits *roster_limits(struct host *h) { return &roster_host(h)->limits; }
static inline struct roster *roster_of(struct user *u) { return user_slot(u, &mod_roster); }
static inline struct roster_session *roster_session(struct session *s) { return session_slot(s, &mod_roster); }
/* May it be read? */
static inline bool roster_is_here(struct user *u) { return roster_of(u)->state != ROSTER_COLD; }

/* ---- tasks (roster_work.c) ---- */

/* What a task wants to change of one contact. */
struct roster_change {
	struct roster_item item;    /* as it shall be; not listed and nothing pending: it goes */
	bool keeps_request, drops_request;
	struct str request;         /* keeps_request: the bytes */
};

struct roster_task {
	struct roster_task *next;
	struct user *user;          /* held */
	/* Its turn: the roster is WARM. It ends in roster_task_end, here or later. */
	void (*run)(struct roster_task *t);
	/* Its turn will not come: ERR_NOT_FOUND, there is no such account; ERR_LIMIT, too many wait; ERR_CANCELLED, the node ends: just
	 * let go of what it holds; others: the store. The task is freed afterwards. */
	void (*drop)(struct roster_task *t, enum err why);
	void (*committed)(struct roster_task *t, enum err err);
	/* what it is about; each kind of task uses some */
	struct iq *iq;              /* held */
	struct stanza *stanza;      /* unref'd with the task */
	uint64_t sid;               /* a session that waits for it */
	struct asked *asked;
	void *errand;               /* of roster_ctl.c */
	struct jid jid;             /* lives in the stanza */
	struct roster_item item;    /* likewise */
	struct subscription_outcome outcome;
	enum subscription_verb verb;
	bool in_order;              /* what comes from `jid` later must not overtake it (RFC 6120 section 10.1) */
	bool flag;
};

/* Zeroed but for the three. `stanza` (may be NULL) is ref'd. */
struct roster_task *roster_task_new(void (*run)(struct roster_task *t), void (*drop)(struct roster_task *t, enum err why),
				    struct stanza *stanza);
/* One that was never queued. */
void roster_task_free(struct roster_task *t);
/* Queues it, consumed; its turn may come and go before this returns. */
void roster_task_queue(struct user *u, struct roster_task *t);
/* Its work is done: frees it, lets the next one begin. */
void roster_task_end(struct roster_task *t);
/* Writes the change; then, later or at once, t->committed. On ERR_NONE the list has changed. */
void roster_commit(struct roster_task *t, const struct roster_change *c);
/* Is there a task that what comes from him must not overtake? */
bool roster_is_busy_with(struct user *u, const struct jid *who);
/* Begins to load a roster that is not WARM, unless that is under way. */
void roster_load(struct user *u);
/* Around a walk over the list that may come back to this roster: while it lasts no task begins. */
void roster_walk_begin(struct user *u);
void roster_walk_end(struct user *u);
/* The account is being removed, or not any more. */
void roster_ending(struct user *u, bool ending);
/* Drops all that waits. */
void roster_forget(struct user *u, enum err why);
void roster_user_free(struct user *u);
/* The item, or an empty one that is not listed. */
struct roster_item roster_item_or_none(struct user *u, const struct jid *bare);

/* ---- contacts that the service gives (roster_tie.c) ---- */

/* Puts them into a list that has just been loaded. */
void roster_ties_load(struct user *u);
/* Takes them over into a list that was loaded again. */
void roster_ties_keep(struct roster *r, const struct roster_list *before);
void roster_ties_changed(struct user *u, const struct jid *who, int phase);
/* What could not be done while tasks or walks were under way. */
void roster_ties_late(struct user *u);

/* ---- IQs (roster_iq.c) ---- */

int roster_on_get(struct iq *iq);
int roster_on_set(struct iq *iq);
int roster_on_foreign(struct iq *iq);
/* The contact's item as it is now, or its removal, to each interested resource. */
void roster_push(struct user *u, const struct jid *bare);

/* Is there room for the item in the place of what was there before? */
bool roster_has_room(struct user *u, const struct roster_item *before, const struct roster_item *item);
/* An item is no longer in the roster: the other side learns that there is nothing any more (section 2.5.2), but for what the service gives.
 * Of the item as it was only jid, side and ties are looked at. */
void roster_farewell(struct user *u, const struct roster_item *was);

/* ---- subscriptions (roster_subs.c) ---- */

/* PASS for what is no subscription stanza. */
int roster_subscription_sent(struct session *s, struct stanza *st);
int roster_subscription_arrived(struct user *u, struct stanza *st);
/* HOLD for what must wait behind a subscription stanza of the same sender. */
int roster_arrive_in_order(struct user *u, struct stanza *st);
/* An error about a subscription: it names no resource. */
int roster_error_arrived(struct user *u, struct stanza *st);
/* Sends the requests that wait for an answer to a resource that has become available. */
void roster_offer_requests(struct session *s);
/* Sends <presence type/> of ours from the account to the contact. */
void roster_say(struct user *u, const struct jid *to, enum stanza_type type);
/* The account is gone: ends all subscriptions, both ways. */
void roster_farewell_all(struct user *u);

/* ---- presence (roster_presence.c) ---- */

void roster_broadcast(struct session *s, struct stanza *st, bool was_available);
/* <presence type='unavailable'/> from the account or one of its resources. */
void roster_say_unavailable(struct user *u, const struct jid *from, const struct jid *to);
/* The presence of each available resource to somebody who may see it now; 'unavailable' from each to somebody who no longer may. */
void roster_show_presence(struct user *u, const struct jid *to);
void roster_hide_presence(struct user *u, const struct jid *to);
/* The user hides from contacts and others that a block list's item matches, or no longer does (XEP-0191 section 3.3). */
void roster_hides(struct user *u, struct str item, bool hidden);

/* ---- probes (roster_probe.c) ---- */

/* PASS for what is no probe. */
int roster_probe_arrived(struct user *u, struct stanza *st);
/* The account itself, this service, or somebody else. */
enum probe_sender roster_sender_kind(struct user *u, const struct jid *who);

/* ---- directed presence (roster_directed.c) ---- */

/* The client sends presence to somebody. A negative verdict when it has told too many. */
int roster_directed_sent(struct session *s, struct stanza *st);
bool roster_directed_has(struct session *s, const struct jid *full);
/* Has any session told an address of this account or room? */
bool roster_directed_has_bare(struct user *u, const struct jid *who);
/* He did not take it. */
void roster_directed_drop(struct session *s, const struct jid *to);
/* The session is no longer available: sends `st` to those it told, but for contacts if they got it as such; and forgets them. */
void roster_directed_end(struct session *s, struct stanza *st, bool contacts_know);

/* To another node and back (module.h, session_freeze). */
void roster_directed_freeze(struct session *s, struct buf *out);
void roster_directed_thaw(struct session *s, struct str state);
/* Without a word. */
void roster_directed_forget(struct session *s);
/* Those whom the item matches hear that the session is gone, and are forgotten. */
void roster_directed_hide(struct session *s, struct str item);

#endif
