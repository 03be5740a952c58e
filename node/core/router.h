/*
 * router.h: where a stanza goes. Any worker may route; the rest happens on the recipient's shard, in the order in which stanzas of one
 * sender were routed.
 */
#ifndef NODE_CORE_ROUTER_H
#define NODE_CORE_ROUTER_H

#include "node/core/node.h"

/* Sends a stanza (consumed) to its `to`, which must be present, as must `from`. Refusals go back to `from` as errors. */
void router_route(struct node_worker *nw, struct stanza *st);
/* One whose recipient's home is here, whatever the fleet says. Consumes st. On the account's worker. */
void router_arrive_here(struct node_worker *nw, struct host *h, struct stanza *st);
/* What an arrive_policy hook kept (verdict HOLD, with a reference of its own): from the policies on again. Consumes st. */
void router_arrive(struct user *u, struct stanza *st);
/* A message or IQ that a session was sent and its client never had: to whoever would get it now. It has passed the policies, and archives
 * have seen it. Consumes st. */
void router_return(struct user *u, struct stanza *st);
/* Answers with an error (consumes st); vanishes where the RFC wants silence. */
void router_bounce(struct node_worker *nw, struct stanza *st, enum stanza_error e, struct str text);
/* What a client sent, with `from` stamped (consumed): phases, then routing, or handling on behalf of the account. */
void router_sent(struct session *s, struct stanza *st);

/* Its client is not read until all workers that it has written to (session.through) have handled what it sent, and have put on the brakes
 * (brake.h) that came of it. */
void router_breathe(struct session *s);

/* An IQ request on its way through a handler. */
struct iq {
	struct node_worker *nw;
	struct host *host;
	struct user *user;       /* the account asked; NULL when the service is asked */
	enum iq_target target;
	uint64_t sid;            /* the sender's session if it lives on this worker, else 0 */
	struct sender sender;    /* wherever it lives */
	uint64_t read_ns;        /* node_worker's when it came */
	struct stanza *stanza;
	const struct elem *payload;
};

/* A result ready for a payload under *root; send it with iq_send. */
struct stanza *iq_result(struct iq *iq, struct elem **root);
/* Consumes the reply. */
void iq_send(struct iq *iq, struct stanza *reply);
/* An empty result. */
void iq_send_empty(struct iq *iq);
/* For HOLD: a copy that outlives the handler, with a hold on the account and a brake on the sender. End it with iq_finish. */
struct iq *iq_hold(struct iq *iq);
/* Sends the reply (consumed), or the error if reply is NULL, and frees the held iq. */
void iq_finish(struct iq *held, struct stanza *reply, enum stanza_error e, struct str text);
/* Frees the held iq without an answer: it was answered otherwise, or the node ends. */
void iq_abandon(struct iq *held);
/* The sender's session, if it lives here and is still there. */
struct session *iq_session(const struct iq *iq);

#endif
