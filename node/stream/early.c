#include "node/core/early.h"

#include <stdlib.h>

#include "node/core/hooks.h"
#include "node/stream/c2s.h"
#include "proto/xml/names.h"

void early_send(struct early *e, struct stanza *reply)
{
	if (e->stream)
		c2s_send(e->stream, reply);
	stanza_unref(reply);
}

static void refuse(struct early *e, enum stanza_error error, struct str text)
{
	struct stanza *reply = stanza_error_reply(e->stanza, error, text, NULL);
	if (reply)
		early_send(e, reply);
}

struct early *early_hold(struct early *e)
{
	struct early *held = xmalloc(sizeof *held);
	BUG_ON(e->stream->early);
	*held = *e;
	stanza_ref(held->stanza);
	held->stream->early = held;
	c2s_hold(held->stream);
	return held;
}

void early_finish(struct early *held, struct stanza *reply, enum stanza_error error, struct str text)
{
	struct c2s *c = held->stream;
	if (reply)
		early_send(held, reply);
	else
		refuse(held, error, text);
	if (held->stream) { /* sending may have closed it */
		c->early = NULL;
		c2s_release(c);
	}
	stanza_unref(held->stanza);
	free(held);
}

void early_drop(struct c2s *c)
{
	if (c->early)
		c->early->stream = NULL;
	c->early = NULL;
}

/* True: some module took it. */
static bool offer(struct c2s *c, struct stanza *st)
{
	struct early e = { .nw = c->nw, .host = c->host, .stream = c, .stanza = st, .payload = stanza_payload(st), .peer = c->conn->peer };
	int v = e.payload ? hooks_early_iq(&e) : PASS;
	if (v < 0)
		refuse(&e, (enum stanza_error)-v, STR_NONE);
	return v != PASS;
}

void early_on_element(struct c2s *c, struct xml_item *item)
{
	enum stanza_error error;
	struct stanza *st = stanza_from_elem(&item->arena, item->root, NS_CLIENT, &error);
	bool may = c->state == C2S_NEGOTIATE && (c2s_is_secure(c) || c2s_plain_is_fine(c));
	bool taken = st && may && !error && stanza_is_request(st) && !jid_present(&st->from) && offer(c, st);
	stanza_unref(st);
	if (!taken)
		c2s_close(c, STREAM_NOT_AUTHORIZED, STR("log in first"));
}
