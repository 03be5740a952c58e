/*
 * bind.c: resource binding (RFC 6120 section 7).
 *
 * We run on the account's shard, where all its sessions live: a conflict is a look at a list.
 */
#include <stdlib.h>

#include "node/core/log.h"
#include "node/core/session.h"
#include "node/stream/edge.h"
#include "proto/xml/names.h"

#define RESOURCE_CHARS 12 /* 60 random bits */

/* The JID to bind: the client's resource prepared, or one of ours. */
static enum err full_jid(struct c2s *c, struct arena *a, const struct elem *bind, struct jid *out)
{
	struct jid bare;
	const struct elem *res = elem_child(bind, NS_BIND, "resource");
	struct str wanted = res ? elem_text(a, res) : STR("");
	if (jid_parse(a, str_of(c->account), &bare) != ERR_NONE)
		return ERR_INVALID;
	if (str_empty(wanted))
		wanted = rng_token(&c->nw->worker->rng, a, RESOURCE_CHARS);
	return jid_with_resource(a, &bare, wanted, out);
}

void bind_refuse(struct c2s *c, struct stanza *st, enum stanza_error e, struct str text)
{
	struct stanza *reply = stanza_error_reply(st, e, text, NULL);
	if (reply)
		c2s_send(c, reply);
	stanza_unref(reply);
	stanza_unref(st);
}

void bind_done(struct c2s *c)
{
	const struct settings *set = &c->nw->node->settings;
	uint64_t idle = set->idle_ping_ms && (!set->idle_close_ms || set->idle_ping_ms < set->idle_close_ms) ? set->idle_ping_ms
													     : set->idle_close_ms;
	if (!c->overflowed)
		worker_timer_cancel(c->nw->worker, &c->timer);
	if (idle && !c->overflowed)
		worker_timer_set(c->nw->worker, &c->timer, idle);
	free(c->account);
	c->account = NULL;
}

bool bind_answer(struct c2s *c, struct stanza *st, const struct jid *full)
{
	struct elem *root;
	struct stanza *reply = stanza_result(st, &root);
	struct elem *bind = elem_add(reply->arena, root, NS_BIND, STR("bind"));
	elem_add_text(reply->arena, bind, STR("jid"), arena_str(reply->arena, jid_str(full)));
	c2s_enter(c, C2S_OPEN);
	c2s_send(c, reply);
	stanza_unref(reply);
	stanza_unref(st);
	if (c->state != C2S_OPEN)
		return false;
	bind_done(c);
	LOG(LOG_INFO, "c2s", "session bound", L_UINT("stream", c->number), L_STR("jid", jid_str(full)), L_BOOL("tls", c2s_is_secure(c)));
	return true;
}

void bind_here(struct c2s *c, struct stanza *st, const struct jid *full, uint64_t hlc)
{
	struct user *u = user_hold(c->nw, c->host, full); /* its home stays here while one session makes room for the other */
	enum stanza_error error = session_make_room(c->nw, full);
	stanza_ref(st); /* `full` may live in it */
	if (error != STANZA_ERROR_NONE)
		bind_refuse(c, st, error, STR("too many resources of this account are connected"));
	else if (bind_answer(c, st, full))
		c2s_open(c, full, hlc);
	stanza_unref(st);
	user_release(u);
}

void bind_on_stanza(struct c2s *c, struct stanza *st, enum stanza_error error)
{
	struct jid full;
	const struct elem *payload = stanza_payload(st);
	bool wanted = st->kind == STANZA_IQ && st->type == TYPE_SET && payload && elem_is(payload, NS_BIND, "bind");
	if (st->kind == STANZA_IQ && st->type == TYPE_GET && payload && elem_is(payload, NS_BIND, "bind")) {
		bind_refuse(c, st, STANZA_BAD_REQUEST, STR_NONE);
		return;
	}
	if (!wanted) { /* RFC 6120 section 7.1: nothing else before binding */
		stanza_unref(st);
		c2s_close(c, STREAM_NOT_AUTHORIZED, STR("bind a resource first"));
		return;
	}
	if (error != STANZA_ERROR_NONE || full_jid(c, st->arena, payload, &full) != ERR_NONE) {
		bind_refuse(c, st, error ? error : STANZA_BAD_REQUEST, STR_NONE);
		return;
	}
	if (c->nw->fleet && fleet_is_cut_off(c->nw)) {
		stanza_unref(st);
		c2s_close(c, STREAM_SYSTEM_SHUTDOWN, STR("this node is cut off from the others; log in again"));
	} else if (c->nw->fleet)
		edge_bind(c, st, &full);
	else
		bind_here(c, st, &full, 0);
}
