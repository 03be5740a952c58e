#include "node/core/router.h"

#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/hooks.h"
#include "node/core/iq.h"
#include "node/core/node.h"
#include "node/core/placing.h"
#include "node/core/session.h"
#include "proto/rules/delivery.h"

struct worker *node_shard(struct node *n, struct str bare)
{
	return n->workers[n->n_workers == 1 ? 0 : str_hash(bare, n->hash_key) % n->n_workers];
}

void router_bounce(struct node_worker *nw, struct stanza *st, enum stanza_error e, struct str text)
{
	struct stanza *reply = stanza_error_reply(st, e, text, NULL);
	stanza_unref(st);
	if (!reply)
		return;
	count_at(nw, METRIC_STANZAS_BOUNCED_TOTAL, e, 1);
	if (jid_present(&reply->to))
		router_route(nw, reply);
	else
		stanza_unref(reply);
}

static void drop(struct node_worker *nw, struct stanza *st)
{
	count(nw, METRIC_STANZAS_DROPPED_TOTAL, 1);
	stanza_unref(st);
}

/* ---- arriving at an account ---- */

static enum delivery_kind kind_of(const struct stanza *st)
{
	static const uint8_t messages[] = {
		[TYPE_NORMAL] = DELIVERY_MESSAGE_NORMAL,       [TYPE_CHAT] = DELIVERY_MESSAGE_CHAT,
		[TYPE_GROUPCHAT] = DELIVERY_MESSAGE_GROUPCHAT, [TYPE_HEADLINE] = DELIVERY_MESSAGE_HEADLINE,
		[TYPE_ERROR] = DELIVERY_MESSAGE_ERROR,
	};
	static const uint8_t presences[] = {
		[TYPE_AVAILABLE] = DELIVERY_PRESENCE_STATE,      [TYPE_UNAVAILABLE] = DELIVERY_PRESENCE_STATE,
		[TYPE_SUBSCRIBE] = DELIVERY_PRESENCE_SUBSCRIBE,  [TYPE_SUBSCRIBED] = DELIVERY_PRESENCE_ANSWER,
		[TYPE_UNSUBSCRIBE] = DELIVERY_PRESENCE_ANSWER,   [TYPE_UNSUBSCRIBED] = DELIVERY_PRESENCE_ANSWER,
		[TYPE_PROBE] = DELIVERY_PRESENCE_PROBE,          [TYPE_ERROR] = DELIVERY_PRESENCE_ERROR,
	};
	if (st->kind == STANZA_IQ)
		return stanza_is_request(st) ? DELIVERY_IQ_REQUEST : DELIVERY_IQ_RESPONSE;
	return (enum delivery_kind)(st->kind == STANZA_MESSAGE ? messages[st->type] : presences[st->type]);
}

/* Whether an account without sessions exists only the store knows: what depends on it (keeping offline, subscriptions, IQ on behalf
 * of an account) asks
 * there, and answers as for one that does not. */
static struct delivery_facts facts_of(const struct user *u, const struct stanza *st, struct session **one)
{
	struct delivery_facts f = { .to = jid_is_full(&st->to) ? DELIVERY_TO_FULL : DELIVERY_TO_BARE };
	f.account_exists = !u->host->anonymous || u->n_sessions;
	*one = jid_is_full(&st->to) ? user_session(u, jid_resource(&st->to)) : NULL;
	f.resource_matches = *one != NULL;
	for (const struct session *s = u->sessions; s; s = s->next) {
		f.available += session_is_available(s);
		f.non_negative += session_is_available(s) && s->priority >= 0;
	}
	return f;
}

/* Nobody is there to take it: a module may keep it, else its sender is told. */
static void nobody(struct user *u, struct stanza *st)
{
	int v = hooks_arrive_offline(u, st);
	if (v == DONE || v == HOLD)
		stanza_unref(st);
	else
		router_bounce(u->nw, st, v < 0 ? (enum stanza_error)-v : STANZA_SERVICE_UNAVAILABLE, STR_NONE);
}

/* A message that has come this far is the account's: archives and copies see it, whoever takes it then. */
static void message_seen(struct user *u, struct stanza *st, struct session *one)
{
	if (st->kind != STANZA_MESSAGE)
		return;
	hooks_arrive_archive(u, st);
	hooks_arrive_copy(u, st, one);
}

/* May it not be delivered yet, as older ones are on their way? A refusal is bounced. */
static bool waits_behind(struct user *u, struct stanza *st)
{
	int v = hooks_arrive_behind(u, st);
	if (v < 0)
		router_bounce(u->nw, stanza_ref(st), (enum stanza_error)-v, STR_NONE);
	return v != PASS;
}

/* So much waits for its client that it takes no more of what can be refused. */
static bool is_choked(const struct session *s, const struct stanza *st)
{
	bool may_refuse = st->kind == STANZA_MESSAGE ? st->type != TYPE_ERROR : stanza_is_request(st);
	return may_refuse && s->outlet && s->outlet->choked;
}

/* One of them would not get what the others do. */
static bool any_is_choked(const struct user *u, const struct stanza *st)
{
	for (const struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s) && s->priority >= 0 && is_choked(s, st))
			return true;
	return false;
}

static void refuse_choked(struct user *u, struct stanza *st)
{
	router_bounce(u->nw, st, STANZA_RESOURCE_CONSTRAINT, STR("the recipient reads more slowly than others write"));
}

static void carry_out(struct user *u, struct stanza *st, enum delivery_verdict v, struct session *one)
{
	switch (v) {
	case DELIVERY_BOUNCE:
		router_bounce(u->nw, st, STANZA_SERVICE_UNAVAILABLE, STR_NONE);
		return;
	case DELIVERY_STORE:
		message_seen(u, st, NULL);
		nobody(u, st);
		return;
	case DELIVERY_BY_ACCOUNT:
		if (st->kind == STANZA_IQ)
			iq_arrived(u->nw, u->host, u, st);
		else
			drop(u->nw, st); /* presence that no module wanted */
		return;
	case DELIVERY_TO_RESOURCE:
		if (is_choked(one, st)) {
			refuse_choked(u, st);
			return;
		}
		message_seen(u, st, one);
		session_deliver(one, st);
		break;
	case DELIVERY_TO_NON_NEGATIVE:
		if (any_is_choked(u, st)) {
			refuse_choked(u, st);
			return;
		}
		message_seen(u, st, NULL);
		if (!waits_behind(u, st))
			user_deliver(u, st, 0, false);
		break;
	case DELIVERY_TO_AVAILABLE:
		user_deliver(u, st, -128, false);
		break;
	default:
		drop(u->nw, st);
		return;
	}
	stanza_unref(st);
}

/* Does what the hooks said; consumes st. */
static void settle(struct user *u, struct stanza *st, int v)
{
	struct session *one;
	if (v < 0) {
		router_bounce(u->nw, st, (enum stanza_error)-v, STR_NONE);
	} else if (v != PASS) {
		stanza_unref(st);
	} else {
		struct delivery_facts facts = facts_of(u, st, &one);
		carry_out(u, st, delivery_decide(kind_of(st), &facts), one);
	}
}

static void return_message(struct user *u, struct stanza *st)
{
	struct session *one;
	struct delivery_facts facts = facts_of(u, st, &one);
	enum delivery_verdict v = delivery_decide(kind_of(st), &facts);
	if (v == DELIVERY_STORE) {
		nobody(u, st);
	} else if (v == DELIVERY_TO_NON_NEGATIVE) {
		if (!waits_behind(u, st))
			user_deliver(u, st, 0, false);
		stanza_unref(st);
	} else if (v == DELIVERY_TO_RESOURCE) { /* which has come since */
		session_deliver(one, st);
		stanza_unref(st);
	} else if (v == DELIVERY_BOUNCE) {
		router_bounce(u->nw, st, STANZA_SERVICE_UNAVAILABLE, STR_NONE);
	} else {
		drop(u->nw, st);
	}
}

void router_return(struct user *u, struct stanza *st)
{
	bool has_moved = fleet_elsewhere(u->nw, jid_str(&u->jid)) != 0;
	if (st->kind == STANZA_MESSAGE && has_moved && fleet_forwards(u->nw, st))
		return;
	if (st->kind == STANZA_MESSAGE)
		return_message(u, st);
	else if (stanza_is_request(st))
		router_bounce(u->nw, st, STANZA_SERVICE_UNAVAILABLE, STR_NONE);
	else
		drop(u->nw, st);
}

/* An IQ request to a resource waits to hear whether its sender may know of it. */
struct stranger {
	struct asked asked;
	struct user *user; /* held */
	struct stanza *stanza;
};

static void on_stranger_known(struct asked *asked, bool knows, bool cancelled)
{
	struct stranger *w = (struct stranger *)asked;
	if (cancelled)
		stanza_unref(w->stanza);
	else
		settle(w->user, w->stanza, knows ? PASS : -STANZA_SERVICE_UNAVAILABLE);
	user_release(w->user);
	free(w);
}

/* RFC 6121 section 8.5.3.1: a request to a resource that does not share its presence with the sender is answered as if there were none. */
static int strangers_policy(struct user *u, struct stanza *st)
{
	bool to_other = stanza_is_request(st) && jid_is_full(&st->to) && !jid_bare_eq(&st->from, &st->to);
	int v = to_other && user_session(u, jid_resource(&st->to)) ? hooks_knows(u, &st->from, NULL) : PASS;
	if (v == HOLD) {
		struct stranger *w = xzalloc(sizeof *w);
		w->asked.then = on_stranger_known;
		w->user = u;
		w->stanza = stanza_ref(st);
		u->holds++;
		v = hooks_knows(u, &st->from, &w->asked);
		if (v != HOLD)
			on_stranger_known(&w->asked, v >= 0, false);
		return HOLD;
	}
	return v < 0 ? -STANZA_SERVICE_UNAVAILABLE : PASS;
}

void router_arrive(struct user *u, struct stanza *st)
{
	int v = hooks_arrive_policy(u, st);
	if (v == PASS && st->kind == STANZA_PRESENCE)
		v = hooks_presence_arrived(u, st);
	if (v == PASS && st->kind == STANZA_IQ)
		v = strangers_policy(u, st);
	settle(u, st, v);
}

/* RFC 6121 section 8.5.1: presence for an account without sessions vanishes, and needs no look at its lists before. */
static bool is_for_nobody(struct node_worker *nw, const struct stanza *st)
{
	bool state = st->kind == STANZA_PRESENCE && (st->type == TYPE_AVAILABLE || st->type == TYPE_UNAVAILABLE);
	return state && !user_find(nw, jid_bare_str(&st->to));
}

void router_arrive_here(struct node_worker *nw, struct host *h, struct stanza *st)
{
	if (is_for_nobody(nw, st)) {
		drop(nw, st);
		return;
	}
	struct user *u = user_hold(nw, h, &st->to);
	router_arrive(u, st);
	user_release(u);
}

static void user_arrive(struct node_worker *nw, struct host *h, struct stanza *st)
{
	if (!nw->fleet || !fleet_forwards(nw, st))
		router_arrive_here(nw, h, st);
}

/* ---- arriving at the service itself ---- */

static void host_message(struct node_worker *nw, struct host *h, struct stanza *st)
{
	int v = hooks_host_message(nw, h, st);
	if (v == DONE || v == HOLD)
		stanza_unref(st);
	else
		router_bounce(nw, st, v < 0 ? (enum stanza_error)-v : STANZA_SERVICE_UNAVAILABLE, STR_NONE);
}

static void host_arrive(struct node_worker *nw, struct host *h, struct stanza *st)
{
	if (st->kind == STANZA_IQ && stanza_is_request(st))
		iq_arrived(nw, h, NULL, st);
	else if (st->kind == STANZA_MESSAGE)
		host_message(nw, h, st);
	else
		drop(nw, st);
}

/* ---- routing ---- */

struct routed {
	struct message message;
	struct stanza *stanza;
	struct host *host;           /* NULL: for a place of a service */
	const struct served *served;
	uint64_t read_ns;
	struct sender sender;
};

/* On the worker that owns the name. */
static void arrive(struct node_worker *nw, struct host *h, const struct served *s, struct stanza *st)
{
	if (h)
		user_arrive(nw, h, st);
	else
		placing_arrive(nw, s, st);
}

static void arrive_at_domain(struct node_worker *nw, struct host *h, const struct served *s, struct stanza *st)
{
	if (h)
		host_arrive(nw, h, st);
	else
		placing_arrive_at_domain(nw, s, st);
}

static void on_routed(struct worker *w, struct message *m, bool cancelled)
{
	struct routed *r = (struct routed *)m;
	struct node_worker *nw = nw_of(w);
	nw->read_ns = r->read_ns;
	nw->sender = r->sender;
	if (cancelled)
		stanza_unref(r->stanza);
	else
		arrive(nw, r->host, r->served, r->stanza);
	nw->read_ns = 0;
	nw->sender.sid = 0;
	free(r);
}

void router_route(struct node_worker *nw, struct stanza *st)
{
	struct host *h = host_find(nw->node, jid_domain(&st->to));
	count_at(nw, METRIC_STANZAS_ROUTED_TOTAL, st->kind, 1);
	const struct served *s = h ? NULL : placing_find(nw->node, jid_domain(&st->to));
	if (!h && !s) {
		router_bounce(nw, st, STANZA_REMOTE_SERVER_NOT_FOUND, STR("this service does not talk to other domains"));
		return;
	}
	if (!jid_has_local(&st->to)) {
		arrive_at_domain(nw, h, s, st);
		return;
	}
	struct worker *shard = node_shard(nw->node, jid_bare_str(&st->to));
	if (shard == nw->worker) {
		arrive(nw, h, s, st);
		return;
	}
	struct routed *r = xmalloc(sizeof *r);
	*r = (struct routed){ .stanza = st, .host = h, .served = s, .read_ns = nw->read_ns, .sender = nw->sender };
	r->message.run = on_routed;
	r->message.bytes = (uint32_t)(sizeof *r + arena_bytes(st->arena));
	worker_post(shard, &r->message);
	if (nw->sender.sid && nw->sender.worker == nw->worker) {
		nw->through |= UINT64_C(1) << shard->index;
		nw->crowded |= worker_backlog(shard) > nw->node->settings.mailbox_bytes;
	}
}

/* ---- back-pressure: now and then a client is read on only when other workers have worked off all that it sent them ----
 *
 * Without it a client could be a whole mailbox ahead of whoever would like to hold it (brake.h): of a recipient that reads slowly, of a
 * store that is behind. So after every AHEAD_BYTES of input, and at once when a mailbox is full, it waits for a message that goes through
 * the mailboxes of all workers that it has written to. */

#define AHEAD_BYTES 32768

struct breath {
	struct message message;
	struct worker *from;
	uint64_t sid, through;
};

static void on_breath(struct worker *w, struct message *m, bool cancelled)
{
	struct breath *b = (struct breath *)m;
	if (!cancelled && b->through) {
		unsigned next = (unsigned)__builtin_ctzll(b->through);
		b->through &= b->through - 1;
		worker_post(nw_of(w)->node->workers[next], m);
		return;
	}
	if (!cancelled && w != b->from) {
		worker_post(b->from, m);
		return;
	}
	if (!cancelled)
		session_release(nw_of(w), b->sid);
	free(b);
}

void router_breathe(struct session *s)
{
	struct node_worker *nw = s->nw;
	struct breath *b = xmalloc(sizeof *b);
	*b = (struct breath){ .message.run = on_breath, .from = nw->worker, .sid = s->sid, .through = s->through };
	if (nw->crowded)
		count_limit(nw, LIMIT_MAILBOX);
	s->through = 0;
	s->breath_at = nw->input_at;
	session_hold(s);
	on_breath(nw->worker, &b->message, false);
}

/* After a stanza that went to other workers; ends: sessions that had ended before it. */
static void look_for_breath(struct node_worker *nw, struct session *s, uint64_t sid, uint64_t ends)
{
	if (nw->session_ends != ends && !session_find(nw, sid))
		return;
	s->through |= nw->through;
	if (nw->crowded || nw->input_at - s->breath_at >= AHEAD_BYTES)
		router_breathe(s);
}

/* ---- what our clients send ---- */

static int sent_hooks(struct session *s, struct stanza *st)
{
	int v = hooks_accept(s, st);
	if (v != PASS)
		return v;
	hooks_amend(s, st);
	if (st->kind == STANZA_MESSAGE)
		return hooks_message_sent(s, st);
	return st->kind == STANZA_PRESENCE ? hooks_presence_sent(s, st) : hooks_iq_sent(s, st);
}

/* Presence without `to` is for the server to broadcast (RFC 6121 section 4.2.2); only these two types make sense so. */
static void broadcast_presence(struct session *s, struct stanza *st)
{
	bool state = st->type == TYPE_AVAILABLE || st->type == TYPE_UNAVAILABLE;
	if (state && session_set_presence(s, st))
		stanza_unref(st);
	else
		router_bounce(s->nw, st, STANZA_BAD_REQUEST, STR_NONE);
}

static void handle_sent(struct session *s, struct stanza *st)
{
	struct node_worker *nw = s->nw;
	struct stanza *answer = iq_answer_of_stream(s->user->host, st);
	if (answer) {
		session_deliver(s, answer);
		stanza_unref(answer);
		stanza_unref(st);
		return;
	}
	int v = sent_hooks(s, st);
	if (v < 0) {
		router_bounce(nw, st, (enum stanza_error)-v, STR_NONE);
		return;
	}
	if (v == DONE || v == HOLD) {
		stanza_unref(st);
		return;
	}
	if (!jid_present(&st->to)) {
		if (st->kind == STANZA_PRESENCE) {
			broadcast_presence(s, st);
			return;
		}
		/* RFC 6120 section 10.3: on behalf of, or to, the sender's own account. */
		st->to = jid_bare(&s->jid);
		st->to = jid_copy(st->arena, &st->to);
	}
	router_route(nw, st);
}

void router_sent(struct session *s, struct stanza *st)
{
	struct node_worker *nw = s->nw;
	uint64_t sid = s->sid, ends = nw->session_ends;
	nw->crowded = false;
	nw->through = 0;
	nw->sender = (struct sender){ .worker = nw->worker, .sid = sid, .acknowledged = s->sm != NULL };
	handle_sent(s, st);
	nw->sender.sid = 0;
	if (nw->through)
		look_for_breath(nw, s, sid, ends);
}
