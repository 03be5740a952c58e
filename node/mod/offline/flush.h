/*
 * flush.h: the way of kept messages to a session, shared between the files of this folder.
 *
 * Deleted only when safe: after a page of messages the client is pinged (XEP-0199); its answer, whatever it says, proves that all before
 * it was read from the wire, and only then is the page deleted. A client that dies before leaves them for the next one. One that
 * acknowledges (XEP-0198) is not pinged: its acknowledgement is the answer, which may come after it has resumed its session. Is it lost
 * before it has acknowledged all of a page, only what it did is deleted.
 *
 * Order: while older messages are on their way, newer ones wait (flush_behind): for the moment of a look into the store in memory, so
 * that whoever logs in to an empty store gets them as if nothing had been, and longer in the log, behind the older ones. Store ops of one
 * account happen in the order of their submission, so none is missed and none overtakes.
 *
 *   IDLE -some session turns reachable-> READING -rows-> WAITING -its answer-> READING (when there may be more) or TRIMMING -> IDLE
 *   READING -none-> IDLE;   any -that session ends-> IDLE, or READING for another;   WAITING -deadline of the ping-> IDLE
 */
#ifndef NODE_MOD_OFFLINE_FLUSH_H
#define NODE_MOD_OFFLINE_FLUSH_H

#include "node/api.h"
#include "proto/rules/keep.h"

extern const struct module mod_offline;
extern const struct store_space offline_space;
extern const struct command offline_commands[]; /* purge.c */

/* The slots. */
struct offline_host {
	uint32_t max_messages, max_bytes;
	int64_t expire_ms; /* 0: never */
	struct host *host;
	struct timer sweep;
	uint64_t cursor;
};
struct offline_user {
	struct flush *flush;  /* NULL: idle */
	bool empty;           /* the log is known to be */
	bool late;            /* something was appended after the last read was submitted */
	const struct store_op *glance; /* under way, and nothing was appended since; to be compared only */
};
struct offline_session {
	bool refused; /* it did not answer, or did so badly: it gets no kept messages any more */
};

static inline struct offline_user *offline_of(struct user *u) { return user_slot(u, &mod_offline); }

/* ---- offline.c ---- */

enum keep_verdict offline_verdict(const struct stanza *message);
/* Appends it to the account's log: HOLD, or a refusal. The stanza is borrowed. */
int offline_keep(struct user *u, struct stanza *st);

/* ---- flush.c ---- */

/* A session is bound: while its roster is loaded the store is asked, on the same way, whether there is anything at all. Mostly not, and
 * then its presence asks nothing any more. */
void flush_glance(struct session *s);
/* Begins if there may be kept messages, somebody is there to get them, and none is under way. */
void flush_begin(struct user *u);
/* A message that could be delivered: HOLD when it waits behind older ones, else PASS. What may not be kept waits in memory only. */
int flush_behind(struct user *u, struct stanza *st);
/* An IQ response of a client: DONE when it was the answer to our ping. */
int flush_answered(struct session *s, struct stanza *st);
/* A client has acknowledged more. */
void flush_acked(struct session *s);
void flush_session_gone(struct session *s);
/* It moves to another node, and the flush with it. */
void flush_freeze(struct session *s, struct buf *out);
void flush_thaw(struct session *s, struct str state);

#endif
