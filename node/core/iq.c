#include "node/core/iq.h"

#include <stdlib.h>

#include "node/core/brake.h"
#include "node/core/hooks.h"
#include "node/core/node.h"
#include "node/core/session.h"
#include "proto/xml/names.h"

/* The sender's session, if the stanza came from an account of this worker. */
static uint64_t sender_sid(struct node_worker *nw, const struct stanza *st)
{
	struct user *u = jid_is_full(&st->from) ? user_find(nw, jid_bare_str(&st->from)) : NULL;
	struct session *s = u ? user_session(u, jid_resource(&st->from)) : NULL;
	return s ? s->sid : 0;
}

/* Consumes st. */
static void dispatch(struct iq *iq, const struct iq_route *r)
{
	int v = r ? r->handler(iq) : -STANZA_SERVICE_UNAVAILABLE;
	BUG_ON(v == PASS);
	if (v < 0)
		router_bounce(iq->nw, iq->stanza, (enum stanza_error)-v, STR_NONE);
	else
		stanza_unref(iq->stanza);
}

/* ---- for friends only ---- */

struct friend_asked {
	struct asked asked;
	struct iq *iq;
	const struct iq_route *route;
};

/* Consumes iq->stanza; r is NULL for a stranger. */
static void dispatch_known(struct iq *iq, const struct iq_route *r)
{
	if (!r) {
		iq->target = IQ_STRANGER;
		r = hooks_iq_route(iq->nw->node->hooks, iq->host, iq->payload, iq->stanza->type, IQ_STRANGER);
	}
	dispatch(iq, r);
}

static void on_friend_known(struct asked *asked, bool knows, bool cancelled)
{
	struct friend_asked *f = (struct friend_asked *)asked;
	struct iq *held = f->iq;
	const struct iq_route *route = f->route;
	free(f);
	if (cancelled) {
		iq_abandon(held);
		return;
	}
	stanza_ref(held->stanza);
	dispatch_known(held, knows ? route : NULL);
	iq_abandon(held);
}

/* Consumes iq->stanza. */
static void dispatch_to_friends(struct iq *iq, const struct iq_route *r)
{
	int v = hooks_knows(iq->user, &iq->stanza->from, NULL);
	if (v != HOLD) {
		dispatch_known(iq, v == DONE ? r : NULL);
		return;
	}
	struct friend_asked *f = xzalloc(sizeof *f);
	f->asked.then = on_friend_known;
	f->iq = iq_hold(iq);
	f->route = r;
	stanza_unref(iq->stanza);
	v = hooks_knows(f->iq->user, &f->iq->stanza->from, &f->asked);
	if (v != HOLD)
		on_friend_known(&f->asked, v == DONE, false);
}

void iq_arrived(struct node_worker *nw, struct host *h, struct user *u, struct stanza *st)
{
	if (!stanza_is_request(st)) {
		stanza_unref(st);
		return;
	}
	struct iq iq = { .nw = nw, .host = h, .user = u, .stanza = st, .payload = stanza_payload(st), .sid = sender_sid(nw, st),
			 .read_ns = nw->read_ns, .sender = nw->sender };
	if (!iq.sender.sid)
		iq.sender = (struct sender){ .worker = nw->worker, .sid = iq.sid };
	iq.target = !u ? IQ_HOST : jid_bare_eq(&st->from, &u->jid) ? IQ_OWN : IQ_OTHER;
	const struct iq_route *r = iq.payload ? hooks_iq_route(nw->node->hooks, h, iq.payload, st->type, iq.target) : NULL;
	if (!r && iq.payload && iq.target == IQ_OTHER) {
		iq.target = IQ_FRIEND;
		r = hooks_iq_route(nw->node->hooks, h, iq.payload, st->type, IQ_FRIEND);
		if (r) {
			dispatch_to_friends(&iq, r);
			return;
		}
	}
	dispatch(&iq, r);
}

struct stanza *iq_answer_of_stream(const struct host *h, struct stanza *st)
{
	struct elem *root;
	const struct elem *payload = st->kind == STANZA_IQ && st->type == TYPE_SET ? stanza_payload(st) : NULL;
	bool is_session = payload && elem_is(payload, NS_SESSION, "session");
	bool binds = payload && elem_is(payload, NS_BIND, "bind");
	if ((!is_session && !binds) || (jid_present(&st->to) && !str_eq(jid_str(&st->to), h->name)))
		return NULL;
	if (is_session)
		return stanza_result(st, &root);
	return stanza_error_reply(st, STANZA_NOT_ALLOWED, STR("this stream has its resource"), NULL);
}

struct stanza *iq_result(struct iq *iq, struct elem **root)
{
	return stanza_result(iq->stanza, root);
}

void iq_send(struct iq *iq, struct stanza *reply)
{
	router_route(iq->nw, reply);
}

void iq_send_empty(struct iq *iq)
{
	struct elem *root;
	iq_send(iq, stanza_result(iq->stanza, &root));
}

struct iq *iq_hold(struct iq *iq)
{
	struct iq *held = xmalloc(sizeof *held);
	*held = *iq;
	stanza_ref(held->stanza);
	if (held->user)
		held->user->holds++;
	brake_on(held->nw, &held->sender);
	return held;
}

void iq_finish(struct iq *held, struct stanza *reply, enum stanza_error e, struct str text)
{
	struct node_worker *nw = held->nw;
	uint64_t before = nw->read_ns;
	struct sender sender_before = nw->sender;
	nw->read_ns = held->read_ns;
	nw->sender = held->sender;
	if (reply) {
		iq_send(held, reply);
		stanza_unref(held->stanza);
	} else {
		router_bounce(nw, held->stanza, e, text);
	}
	nw->read_ns = before;
	nw->sender = sender_before;
	brake_off(nw, &held->sender);
	if (held->user)
		user_release(held->user);
	free(held);
}

void iq_abandon(struct iq *held)
{
	stanza_unref(held->stanza);
	brake_off(held->nw, &held->sender);
	if (held->user)
		user_release(held->user);
	free(held);
}

struct session *iq_session(const struct iq *iq)
{
	return iq->sid ? session_find(iq->nw, iq->sid) : NULL;
}
