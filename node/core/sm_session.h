/*
 * sm_session.h: the session's part of stream management (XEP-0198): what its client has not acknowledged, how many of the client's stanzas
 * are handled, and its life without a stream.
 *
 *   IDLE -a stanza is sent-> SOON -after a while, or many stanzas-> ASKED -<a/>-> IDLE
 *   ASKED -neither an answer nor anything else in time-> its stream ends
 *   any -its stream dies-> DETACHED -<resume/>-> IDLE;   DETACHED -time-> the session ends
 *
 * State belongs to the session, so it is where the account is at home, on its worker, whichever node the client is connected to.
 *
 * Handled: a stanza counts when the router takes it, and nothing more is read from its client while a handler holds it: while a message
 * is put into the offline store, say. An <r/> is answered when other workers, too, have handled what went to them, and hold nothing any
 * more. So all that an answer counts is done with on this node; what went to other nodes is on its way. A resumption waits likewise.
 *
 * At the end what is unacknowledged goes to whoever gets it now, with the time when it came (section 4): another resource, the offline
 * store, or back as an error.
 *
 * Ceilings (options in section `sm`): at that of the queue a session with a stream gives its queue up, and cannot be resumed any more: its
 * client takes stanzas, but acknowledges none; one without a stream ends. Of more detached sessions of an account the oldest ends.
 */
#ifndef NODE_CORE_SM_SESSION_H
#define NODE_CORE_SM_SESSION_H

#include "node/core/session.h"
#include "proto/wire/sm.h"
#include "proto/wire/unacked.h"

/* ---- words of its client ---- */

/* The client of a bound session said this. May end the session. */
void sm_session_heard(struct session *s, const struct sm_said *said);
/* One of its stanzas is taken. */
void sm_session_took(struct session *s);
/* Nothing holds it any more; for session.c. */
void sm_session_released(struct session *s);

/* ---- what it is sent; for session.c ---- */

/* `share` and `kept` as in unacked.h. */
void sm_session_send(struct session *s, const struct stanza *st, struct unacked_share *share, bool kept);

#define SM_LAST_MS 1000 /* for all of it */
/* The streams of the worker are about to end: each client that has not acknowledged all is asked, unless it was, so that who does not
 * resume its session gets nothing twice. True: there are some, call it again soon. `since_ms`: the first time, by the worker's clock; in
 * the end none is waited for. */
bool sm_session_ask_last(struct node_worker *nw, uint64_t since_ms);

/* ---- without a stream ---- */

/* It has no outlet any more. False: it cannot live on so. */
bool sm_session_detach(struct session *s);
bool sm_session_is_detached(const struct session *s);
/* All detached sessions of a worker end: the node does. */
void sm_session_end_detached(struct node_worker *nw);

/* ---- resumption ---- */

enum sm_resumption {
	SM_MAY_RESUME,
	SM_UNKNOWN,  /* there is no such session; or it cannot give what the client has not got */
	SM_TOO_HIGH, /* the client has handled more than it was sent */
	SM_BUSY      /* what it sent last is not handled yet: ask again */
};
/* The session of that name, of this account alone. NULL: none. */
struct session *sm_session_find(struct node_worker *nw, struct str bare, struct str previd);
enum sm_resumption sm_session_may_resume(struct session *s, uint32_t h);
/* It goes on at this outlet, which the client has been told nothing at yet; an old stream ends with <conflict/>. Only after
 * SM_MAY_RESUME. */
void sm_session_resume(struct session *s, struct outlet *o, uint32_t h);
/* What the stream error of SM_TOO_HIGH says. */
void sm_session_too_high(const struct session *s, uint32_t h, struct buf *text, struct buf *extra);
/* How many of its stanzas are handled, and what it was sent: for an edge. 0 when it does not acknowledge. */
void sm_session_counts(const struct session *s, uint32_t *handled, uint32_t *sent);

/* ---- the end; for session.c ---- */

/* It is gone, this was its state, and `u` is its account: gives back what is unacknowledged, and frees it. */
void sm_session_end(struct sm_session *sm, struct user *u);
/* Frees it: it lives on elsewhere. */
void sm_session_free(struct sm_session *sm);

/* ---- for administrators ---- */

struct sm_info {
	const char *state; /* "none", "acks", "resumable", "detached" */
	uint32_t unacked;
	uint64_t left_ms;  /* of a detached one */
};
void sm_session_describe(const struct session *s, struct sm_info *out);

/* ---- for features ---- */

/* The number of the last stanza that it was sent. False: it does not acknowledge. */
bool sm_session_sent(const struct session *s, uint32_t *number);
/* Has it acknowledged all up to that one? */
bool sm_session_has_acked(const struct session *s, uint32_t number);

#endif
