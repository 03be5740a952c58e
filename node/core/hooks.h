/*
 * hooks.h: runs the modules' hooks of one phase, for the modules that a host has. The lists are made once at start; in a test build (or
 * with STARLING_SHUFFLE_HOOKS set) each list is shuffled, as order inside a phase must not matter.
 */
#ifndef NODE_CORE_HOOKS_H
#define NODE_CORE_HOOKS_H

#include "node/core/router.h"

#define MODULES_MAX 64

/* X(hook): int hook(struct session *, struct stanza *) */
#define SESSION_VERDICT_HOOKS(X) X(accept) X(message_sent) X(presence_sent) X(iq_sent)
/* X(hook): int hook(struct user *, struct stanza *) */
#define USER_VERDICT_HOOKS(X) X(arrive_policy) X(presence_arrived) X(arrive_behind) X(arrive_offline)
/* X(hook): void hook(struct session *) */
#define SESSION_EVENT_HOOKS(X) X(session_bound) X(session_available) X(session_presence) X(session_acked) X(session_gone)

struct hook_set;

/* Lays out slots too: called once all hosts exist and before host_start runs. `shuffle`: NULL, or the randomness for it. */
struct hook_set *hooks_new(struct node *n, struct rng *shuffle);
void hooks_free(struct hook_set *h);
/* Bytes of the slots of one user, one session. */
size_t hooks_user_slots(const struct hook_set *h);
size_t hooks_session_slots(const struct hook_set *h);

/* The first verdict that is not PASS. A hook may end the session (by writing more to it than it takes): nobody else is asked then, and
 * the answer is DONE. */
#define X(hook) int hooks_##hook(struct session *s, struct stanza *st);
SESSION_VERDICT_HOOKS(X)
#undef X
#define X(hook) int hooks_##hook(struct user *u, struct stanza *st);
USER_VERDICT_HOOKS(X)
#undef X
#define X(hook) void hooks_##hook(struct session *s);
SESSION_EVENT_HOOKS(X)
#undef X
void hooks_amend(struct session *s, struct stanza *st);
void hooks_arrive_archive(struct user *u, struct stanza *st);
void hooks_arrive_copy(struct user *u, struct stanza *st, struct session *taken_by);
/* DONE, a negative verdict, HOLD, or PASS when no module has a say; module.h. */
int hooks_knows(struct user *u, const struct jid *who, struct asked *later);
/* May the server send anything there for the user? */
bool hooks_may_leave(struct user *u, const struct jid *to);
int hooks_host_message(struct node_worker *nw, struct host *h, struct stanza *st);
void hooks_hides(struct user *u, struct str item, bool hidden);
void hooks_ties(struct user *u, const struct jid *who, struct tie_list *out);
void hooks_ties_changed(struct user *u, const struct jid *who, int phase);
void hooks_session_broadcast(struct session *s, struct stanza *st, bool was_available);
/* What each feature says, under its name; and back. */
void hooks_session_freeze(struct session *s, void (*add)(void *arg, const char *module, struct str bytes), void *arg);
void hooks_session_thaw(struct session *s, struct str module, struct str bytes);
void hooks_user_free(struct user *u);
int hooks_early_iq(struct early *e);
void hooks_early_features(struct host *h, const struct ip *peer, struct arena *a, struct elem *features);
void hooks_stream_features(struct host *h, struct arena *a, struct elem *features);
/* True when some module knows this node. */
bool hooks_disco_info(const struct disco_ask *ask, struct arena *a, struct elem *query);
bool hooks_disco_items(const struct disco_ask *ask, struct arena *a, struct elem *query);
void hooks_account_created(struct user *u);
void hooks_account_ending(struct user *u);
void hooks_account_ended(struct user *u, bool removed);

/* The IQ route for this payload and target; NULL if no module of this host has one. */
const struct iq_route *hooks_iq_route(const struct hook_set *hs, const struct host *h, const struct elem *payload, enum stanza_type type,
				      enum iq_target target);

#endif
