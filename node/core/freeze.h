/*
 * freeze.h: what a session is beyond its stream, as bytes: it goes with the session to another node (far.h). Its presence, and what
 * features keep of it in their slots (hooks session_freeze and session_thaw).
 *
 *   state := section*      section := length of name u8 | name | length u32 LE | bytes      "presence", "apart", the features by name,
 *                                                                                        "sm", "sm-shares", "sm-at"
 *
 * What is unknown is skipped: nodes of neighbouring versions exchange states.
 */
#ifndef NODE_CORE_FREEZE_H
#define NODE_CORE_FREEZE_H

#include "node/core/session.h"

#define FREEZE_MAX       (768u << 10)
#define FREEZE_TOO_LARGE "your account moves to another node, and more waits for you than can go along; log in again"

/* Without what its client has not acknowledged. */
void freeze_session(struct session *s, struct buf *out);
/* It moves now: with that, too. False: that does not fit; the session cannot move, and must end: then it is given back (sm_session.h). */
MUST_CHECK bool freeze_moving(struct session *s, struct buf *out);
/* Appends what the edge knows better (section "sm-at"): how many stanzas the client has sent, and was sent. */
void freeze_add_counts(struct buf *out, uint32_t handled, uint32_t sent);
/* Into a session that was just made: no hook hears of its presence, as nobody but the node has changed; unless it lived in one part of a
 * split cluster ("apart"): then it is announced, which may end it. */
void freeze_thaw(struct session *s, struct str state);
/* The client of a session in that state is lost before it came to another node. */
void freeze_give_back(struct user *u, struct str state);
/* The bytes of one section; absent when there is none. */
struct str freeze_section(struct str state, const char *name);

#endif
