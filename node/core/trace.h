/*
 * trace.h: one account's stanzas, live, for an administrator who looks for a fault: what its clients send, and what is sent to them.
 *
 * A trace is linked on the account's shard, where all of its sessions are, so it is touched there by one thread. What it sees goes to the
 * main thread as text. Without a trace on a worker a stanza costs one look at a pointer. Text inside stanzas is hidden ("(12 bytes)")
 * unless the administrator asks for it, but for what says nothing of people: <show/>, <priority/>, stanza errors' own elements have none.
 * Ceiling: TRACE_PENDING lines on their way to the main thread; more are counted as lost.
 */
#ifndef NODE_CORE_TRACE_H
#define NODE_CORE_TRACE_H

#include "node/core/session.h"
#include "node/core/node.h"

#define TRACE_PENDING    256
#define TRACE_TEXT_BYTES (64u << 10) /* of one stanza; the rest is cut */

struct trace {
	struct trace *next;   /* the worker's list */
	struct jid jid;       /* bare: all of its resources; full: one */
	bool with_text;
	/* Main thread: one line. Borrowed for the call. */
	void (*on_line)(struct trace *t, bool sent_by_client, struct str full_jid, int64_t at_ms, struct str xml);
	void *arg;
	_Atomic unsigned pending;
	_Atomic uint64_t lost;
};

/* On the shard of t->jid. The caller owns t, which must stay until trace_remove came back to the main thread with an errand
 * (ctl/visit.h): by then every line has arrived, as they come the same way. */
void trace_add(struct node_worker *nw, struct trace *t);
void trace_remove(struct node_worker *nw, struct trace *t);

/* For trace_tap. */
void trace_note(const struct session *s, bool sent_by_client, const struct stanza *st);
static inline void trace_tap(const struct session *s, bool sent_by_client, const struct stanza *st)
{
	if (__builtin_expect(s && s->nw->traces, 0))
		trace_note(s, sent_by_client, st);
}

#endif
