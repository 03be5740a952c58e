/*
 * module.h: what a feature is: one const descriptor, listed once in node/modules.c.
 *
 * A descriptor names everything that a feature adds: disco features, options, IQ routes, typed hooks in named phases, private slots.
 * Nothing is registered at run time. Handlers answer a verdict:
 *
 *   PASS   not mine, or nothing to say: the next one is asked
 *   DONE   handled: nobody else is asked
 *   HOLD   it waits for the store, a peer or DNS, and will finish by itself: the sender's later stanzas queue behind it
 *   < 0    the negated enum stanza_error with which the router answers: return -STANZA_FORBIDDEN
 *
 * Inside a phase the order of modules must not matter; phases are in the order of struct hooks.
 */
#ifndef NODE_CORE_MODULE_H
#define NODE_CORE_MODULE_H

#include "node/core/config.h"
#include "node/store/store.h"
#include "proto/wire/stanza.h"

struct call;
struct command;
struct adhoc_command;
struct disco_ask;
struct early;
struct host;
struct ip;
struct iq;
struct node;
struct node_worker;
struct place;
struct service;
struct session;
struct tie_list;
struct user;

enum verdict { PASS = 0, DONE = 1, HOLD = 2 };

/* To whom an IQ is addressed: the service itself, the sender's own account (its bare JID, or no `to` at all), or somebody else's.
 * IQ_FRIEND is somebody else's too, but only those whom the hook `knows` confirms get through; for the others there may be a route for
 * IQ_STRANGER, else they hear what they would hear of no account. */
enum iq_target { IQ_HOST = 1, IQ_OWN = 2, IQ_OTHER = 4, IQ_FRIEND = 8, IQ_STRANGER = 16, IQ_ACCOUNT = 6, IQ_ANY = 7 };

/* Embedded first in what waits for the answer to the hook `knows`. `then` is called once, on the account's worker; cancelled: just free. */
struct asked {
	void (*then)(struct asked *a, bool knows, bool cancelled);
};

struct iq_route {
	unsigned targets;    /* bits of enum iq_target */
	enum stanza_type type; /* TYPE_GET or TYPE_SET */
	const struct str *ns;
	const char *element; /* NULL: any in that namespace */
	int (*handler)(struct iq *iq);
};

struct hooks {
	/* ---- what a client of ours sends; on its session's worker, before it is routed ---- */
	int (*accept)(struct session *s, struct stanza *st);        /* policy: may it? */
	void (*amend)(struct session *s, struct stanza *st);        /* nobody has seen it yet: may put another root in */
	int (*message_sent)(struct session *s, struct stanza *st);
	int (*presence_sent)(struct session *s, struct stanza *st); /* DONE: nothing is left to route */
	int (*iq_sent)(struct session *s, struct stanza *st);

	/* ---- what arrives for an account of ours; on the account's worker. `u` may have no session, but is never NULL ---- */
	/* Blocking: a negative verdict bounces, DONE swallows, HOLD keeps a reference for router_arrive later. */
	int (*arrive_policy)(struct user *u, struct stanza *st);
	int (*presence_arrived)(struct user *u, struct stanza *st); /* subscriptions, probes: DONE: do not deliver */
	void (*arrive_archive)(struct user *u, struct stanza *st);
	void (*arrive_copy)(struct user *u, struct stanza *st, struct session *taken_by); /* taken_by: the one session, or NULL */
	/* A message that the available sessions would get: DONE or HOLD: it waits behind older ones; PASS: it is delivered. */
	int (*arrive_behind)(struct user *u, struct stanza *st);
	int (*arrive_offline)(struct user *u, struct stanza *st);   /* nobody took it: DONE or HOLD: kept; PASS: bounce */

	/* ---- what arrives for the service itself ---- */
	/* A message, to the host or one of its resources: DONE: taken; negative: bounced; PASS: not mine. */
	int (*host_message)(struct node_worker *nw, struct host *h, struct stanza *st);

	/* ---- who may know what; on the account's worker ---- */
	/* May `who` know whether the user is there: he sees its presence, by subscription or because it was directed to him? DONE: yes;
	 * negative: no; HOLD: `later` (consumed) gets the answer, or, if it is NULL, ask again with one. When nobody says anything: IQs
	 * reach connected resources, and IQ_FRIEND nobody. */
	int (*knows)(struct user *u, const struct jid *who, struct asked *later);
	/* What the server sends to `to` for the user: presence, subscriptions. Anything but PASS: it sends nothing. */
	int (*leave_policy)(struct user *u, const struct jid *to);
	/* The user hides from whoever `item` matches (rules/blocking.h), or shows itself again. What that changes for those who see its
	 * presence is sent now, while the policies still, or again, let it pass. */
	void (*hides)(struct user *u, struct str item, bool hidden);

	/* ---- contacts that the service gives (tie.h); on the account's worker ---- */
	/* Adds those of the user; with `who`: at most him. */
	void (*ties)(struct user *u, const struct jid *who, struct tie_list *out);
	/* They have changed: with `who`, or any (NULL). `phase`: enum ties_phase. */
	void (*ties_changed)(struct user *u, const struct jid *who, int phase);

	/* ---- the life of a session; on its worker ---- */
	void (*session_bound)(struct session *s);
	/* A message of crowd_tell by this feature was delivered to it. */
	void (*told)(struct session *s, uint64_t arg);
	/* Broadcast presence, before the other hooks of it: what the client sent, or 'unavailable' made by us as its stream ends.
	 * s->presence is the new one already. */
	void (*session_broadcast)(struct session *s, struct stanza *st, bool was_available);
	void (*session_available)(struct session *s);               /* after its initial presence */
	void (*session_presence)(struct session *s);                /* any broadcast presence, also unavailable: it is kept now */
	void (*session_acked)(struct session *s);                   /* its client has acknowledged more (sm_session.h) */
	void (*session_gone)(struct session *s);                    /* its stream died, was closed or was replaced; still linked */
	/* It goes to another node, as bytes (freeze.h); session_changed(s) whenever they would be others. Now, if s->moving; else they are
	 * for the case that this node dies. In `session_gone` s->moving tells that it has not ended. */
	void (*session_freeze)(struct session *s, struct buf *out);
	void (*session_thaw)(struct session *s, struct str state);
	void (*user_free)(struct user *u);                          /* the last session and hold are gone: free the slot's content */

	/* ---- negotiation and disco ---- */
	int (*early_iq)(struct early *e);                           /* a request of a client that has not logged in: early.h */
	void (*early_features)(struct host *h, const struct ip *peer, struct arena *a, struct elem *features); /* before authentication */
	void (*stream_features)(struct host *h, struct arena *a, struct elem *features); /* after authentication */
	/* Adds to an answer (disco.h). True: this node is mine. */
	bool (*disco_info)(const struct disco_ask *ask, struct arena *a, struct elem *query);
	bool (*disco_items)(const struct disco_ask *ask, struct arena *a, struct elem *query);

	/* ---- accounts ---- */
	/* On the account's worker (birth.h). */
	void (*account_created)(struct user *u);
	/* On the account's worker (removal.h), with a hold from the first to the second: what a module asks the store in the first is
	 * answered as it was before. In the second all is gone; `removed` false: it failed, and the account is as it was. */
	void (*account_ending)(struct user *u);
	void (*account_ended)(struct user *u, bool removed);
};

struct module {
	const char *name;          /* as in `modules:` of the configuration */
	const char *xep, *version; /* "XEP-0199", "2.0.1"; NULL for what is no XEP */
	const char *doc;
	const char *const *features; /* disco#info features of the service; NULL-terminated or NULL */
	const char *const *account_features; /* of an account */
	const struct option *options;
	size_t n_options;
	const struct iq_route *iqs;
	size_t n_iqs;
	struct hooks hooks;
	const struct adhoc_command *adhoc; /* commands for clients (adhoc.h) */
	size_t n_adhoc;
	const struct command *commands; /* for administrators (ctl/command.h); end with a NULL name; or NULL */
	const struct service *service; /* addresses of its own (service.h); or NULL */
	const struct pie_part *parts; /* of accounts that move (pie.h) */
	size_t n_parts;
	size_t host_slot, user_slot, session_slot; /* bytes, zeroed */
	/* Once at start per host, before anything else; reads options into the host's slot. ERR_INVALID with a text in `why` ends the
	 * start. */
	enum err (*host_start)(struct host *h, struct buf *why);
	/* After every host_start. */
	void (*host_ready)(struct host *h);
	void (*host_stop)(struct host *h);
	/* Another node has changed what the store keeps for the host (host_changed): what is remembered of it is stale. Any worker. */
	void (*host_stale)(struct host *h);
	/* With several nodes, on the first worker. That node says so (host_tell). A node has come, or all hear of us anew: what they should
	 * know is to be told again, to all. That one is gone, and what it had said with it. */
	void (*host_told)(struct host *h, uint32_t node, struct str text);
	void (*host_met)(struct host *h);
	void (*host_parted)(struct host *h, uint32_t node);
	/* Another node wants its part done of something that all do (accord.h). Main thread; ends the call, now or later. */
	void (*host_step)(struct host *h, unsigned step, struct call *c);
	/* The configuration was loaded again, and all workers stand still: reads options into the host's slot as host_start did; cannot
	 * fail. NULL: the module's options need a restart. */
	void (*host_reload)(struct host *h);
};

/* Every feature of this build, NULL-terminated: node/modules.c, the one list. */
extern const struct module *const all_modules[];
/* By name; NULL when this build has no such feature. */
const struct module *module_find(struct str name);

/* The private slots of a module: zeroed at birth, of the size that the descriptor names. */
void *host_slot(struct host *h, const struct module *m);
void *user_slot(struct user *u, const struct module *m);
void *session_slot(struct session *s, const struct module *m);

#endif
