/*
 * commands_message.c: stanzas in an administrator's hand; names as in ejabberdctl.
 */
#include <stdio.h>

#include "node/core/router.h"
#include "node/ctl/command.h"
#include "node/ctl/visit.h"
#include "proto/xml/names.h"
#include "proto/xml/reader.h"

struct sending {
	struct visit visit;
	struct call *call;
	struct jid from, to;
	struct str xml;              /* of a whole stanza; absent: the message below */
	enum stanza_type type;
	struct str subject, body;
	const char *problem;
};

static struct stanza *message_make(const struct sending *s)
{
	struct arena *a = arena_new(1024);
	struct elem *root = stanza_root(a, STANZA_MESSAGE, s->type);
	if (!str_empty(s->subject))
		elem_add_text(a, root, STR("subject"), arena_str(a, s->subject));
	if (!str_empty(s->body))
		elem_add_text(a, root, STR("body"), arena_str(a, s->body));
	return stanza_new(&a, root, &s->from, &s->to);
}

/* The way of everything that comes from outside: the reader's checks and ceilings hold for an administrator as well. */
static struct stanza *stanza_read(struct sending *s, struct node_worker *nw)
{
	struct str header = STR("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>");
	struct xml_reader *r = xml_reader_new(&nw->node->settings.after_auth);
	struct xml_item item = { 0 };
	struct stanza *st = NULL;
	enum stanza_error error = STANZA_ERROR_NONE;
	struct str rest = s->xml;
	if (xml_reader_next(r, nw->parser, &header, &item) == XML_STREAM_OPEN) {
		arena_free(item.arena);
		item = (struct xml_item){ 0 };
		if (xml_reader_next(r, nw->parser, &rest, &item) == XML_STANZA)
			st = stanza_from_elem(&item.arena, item.root, NS_CLIENT, &error);
	}
	xml_reader_free(r);
	if (!st)
		s->problem = item.why ? item.why : "that is not one whole message, presence or iq";
	else if (error != STANZA_ERROR_NONE || !str_empty(str_trim(rest)))
		s->problem = error ? "that stanza breaks a rule of its kind" : "there is more behind the stanza";
	if (s->problem) {
		stanza_unref(st);
		return NULL;
	}
	stanza_stamp_from(st, &s->from);
	stanza_stamp_to(st, &s->to);
	return st;
}

static void send_on_worker(struct visit *v, struct node_worker *nw)
{
	struct sending *s = (struct sending *)v;
	struct stanza *st = str_present(s->xml) ? stanza_read(s, nw) : message_make(s);
	if (st)
		router_route(nw, st);
}

static void on_sent(struct visit *v)
{
	struct sending *s = (struct sending *)v;
	if (s->problem)
		call_fail(s->call, CTL_FAILED, "not sent: %s", s->problem);
	else
		call_ok(s->call, NULL, "Sent to %.*s", STR_ARG(jid_str(&s->to)));
}

static struct sending *sending_new(struct call *c, unsigned from, unsigned to)
{
	struct sending *s = arena_zalloc(c->arena, sizeof *s);
	s->call = c;
	return call_jid(c, from, &s->from) && call_jid(c, to, &s->to) ? s : NULL;
}

static void dispatch(struct sending *s)
{
	struct node *n = s->call->node;
	visit_one(&s->visit, n, node_shard(n, jid_bare_str(&s->to)), send_on_worker, on_sent);
}

static bool type_read(struct call *c, struct str text, enum stanza_type *out)
{
	static const enum stanza_type types[] = { TYPE_CHAT, TYPE_HEADLINE, TYPE_GROUPCHAT };
	*out = TYPE_NORMAL;
	if (str_is(text, "normal"))
		return true;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		*out = types[i];
		if (str_eq(text, stanza_type_name(STANZA_MESSAGE, types[i])))
			return true;
	}
	call_fail(c, CTL_USAGE, "a message's type is normal, chat, headline or groupchat, not '%.*s'", STR_ARG(text));
	return false;
}

static void run_send_message(struct call *c)
{
	enum stanza_type type;
	if (!type_read(c, c->args[0], &type) || !call_text(c, c->args[3]) || !call_text(c, c->args[4]))
		return;
	struct sending *s = sending_new(c, 1, 2);
	if (!s)
		return;
	s->type = type;
	s->subject = c->args[3];
	s->body = c->args[4];
	dispatch(s);
}

static void run_send_stanza(struct call *c)
{
	struct sending *s = sending_new(c, 0, 1);
	if (!s)
		return;
	s->xml = c->args[2];
	dispatch(s);
}

static const struct command commands[] = {
	{ "send_message", "TYPE FROM TO SUBJECT BODY", 0,
	  "Sends a message; TYPE is normal, chat, headline or groupchat; '' leaves a part out.", run_send_message },
	{ "send_stanza", "FROM TO STANZA", 0, "Sends a stanza, given as XML; from and to are set on it.", run_send_stanza },
	{ 0 },
};

const struct command_group ctl_message = { "message", "Messages.", commands };
