/*
 * session.h: live accounts (struct user) and their bound resources (struct session).
 *
 * Both belong to the account's shard (node.h). A user exists while it has a session or a hold: something under way that will come back
 * to it. Across callbacks refer to a session by its sid, never by pointer.
 *
 *   session: BOUND -initial presence-> AVAILABLE -unavailable-> BOUND;  either -stream ends, replaced, kicked-> GONE
 *
 * A session that acknowledges (sm_session.h) survives its stream for a while.
 */
#ifndef NODE_CORE_SESSION_H
#define NODE_CORE_SESSION_H

#include "node/core/module.h"
#include "node/core/outlet.h"
#include "proto/base/bucket.h"

struct sm_session;

struct user {
	struct node_worker *nw;
	struct host *host;
	struct jid jid;              /* bare; lives with the user */
	struct session *sessions;    /* oldest first */
	unsigned n_sessions, holds;
	struct bucket stanzas;       /* what its clients may still send (limits.h) */
	char *slots;
};

struct session {
	uint64_t sid;
	struct node_worker *nw;
	struct user *user;
	struct session *next;
	struct outlet *outlet;       /* NULL: its client is gone, and so will it be */
	struct sm_session *sm;       /* NULL: it does not acknowledge */
	struct jid jid;              /* full; lives with the session */
	struct stanza *presence;     /* the last available presence that it broadcast; NULL: not available */
	int64_t bound_wall_ms;
	uint64_t through, breath_at; /* workers that got something from it since, as bits; node_worker.input_at then (router.c) */
	int8_t priority;             /* 0 while not available */
	bool secure, anonymous;
	uint16_t holds;              /* that have no release yet, whatever became of its outlet */
	bool apart;                  /* it lived in one part of a split cluster: to be announced where it comes */
	bool moving;                 /* it leaves for another node: nobody need hear of an end */
	uint64_t hlc;                /* when it was bound, by the cluster's clock; 0: a node alone */
	uint8_t transport;           /* enum transport */
	char *slots;
};

/* ---- users; their own shard ---- */

/* NULL when it has neither session nor hold. */
struct user *user_find(struct node_worker *nw, struct str bare);
/* Found or made, with one hold on it: user_release it. `host` is the domain's. */
struct user *user_hold(struct node_worker *nw, struct host *host, const struct jid *bare);
/* May free it. */
void user_release(struct user *u);
/* At the end of the worker's life: those that are still held, because something was under way, are freed. */
void user_free_all(struct node_worker *nw);
static inline bool session_is_available(const struct session *s) { return s->presence != NULL; }
/* To all its available sessions of that priority or more; `kept`: as session_deliver_kept. Consumes nothing. */
void user_deliver(struct user *u, const struct stanza *st, int lowest, bool kept);
/* Any available session with a non-negative priority? */
bool user_is_reachable(const struct user *u);
struct session *user_session(const struct user *u, struct str resource);

/* ---- sessions ---- */

/* Links a new one to its account; `hlc` as in the struct. The resource is free (session_end the older one first). */
struct session *session_new(struct node_worker *nw, struct host *host, const struct jid *full, struct outlet *outlet, uint64_t hlc);
/* Announces an available one as unavailable, runs the hooks, unlinks, frees. The outlet must forget it. */
void session_end(struct session *s);
/* Its stream has died without a word: it ends, or waits for its client. The outlet must forget it. */
void session_lost(struct session *s);
/* It goes on at this outlet, which is held as it is. */
void session_attach(struct session *s, struct outlet *outlet);
struct session *session_find(struct node_worker *nw, uint64_t sid);
/* Writes the stanza to the client. One that cannot take more is closed, but not inside this call. Consumes nothing. */
void session_deliver(struct session *s, const struct stanza *st);
/* The same for what is kept elsewhere, too, until it is acknowledged: it is not given back when the session ends without that. */
void session_deliver_kept(struct session *s, const struct stanza *st);
/* Its later stanzas queue behind what is under way, until as many releases came. Release by sid: it may be gone by then. */
void session_hold(struct session *s);
void session_release(struct node_worker *nw, uint64_t sid);
/* The client sent broadcast presence (RFC 6121 sections 4.2, 4.5): keeps it and tells the hooks, which may end the session. False for a
 * priority that is none (RFC 6121 section 4.7.2.3): nothing changed. Consumes nothing. */
bool session_set_presence(struct session *s, struct stanza *st);
/* The presence that it had on another node; no hook hears. Consumes nothing. */
void session_restore_presence(struct session *s, struct stanza *st);
/* To contacts who may believe that it is away, as if it had become available now: all that comes of that comes of this. Nothing for one
 * that is not available. May end the session. */
void session_announce(struct session *s);
/* What freeze.h would say of it has changed. */
void session_changed(struct session *s);
/* The same for what the registry is not told. */
void session_restated(struct session *s);
/* Unlinks and frees it here without a word, as it lives on elsewhere; the outlet must forget it. */
void session_depart(struct session *s);
/* Another session of this resource ends, as the newer wins (RFC 6120 section 7.7.2.2). Too many resources: the newest is refused. */
enum stanza_error session_make_room(struct node_worker *nw, const struct jid *full);
/* Has this address a session of a client that was bound later? Then one that comes from another node (hlc: since when) gives way: of two
 * that were bound apart the newer one stays. Not for a client that binds just now, whatever its node's clock says. */
bool session_is_overtaken(struct node_worker *nw, const struct jid *full, uint64_t hlc);
/* Ends the stream with this error, and the session. */
void session_close(struct session *s, enum stream_error e, struct str text);
/* With an application-specific condition as bytes. */
void session_close_with(struct session *s, enum stream_error e, struct str text, struct str extra);

#endif
