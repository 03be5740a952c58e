#include "node/core/trace.h"

#include <stdlib.h>

#include "proto/xml/names.h"
#include "proto/xml/writer.h"

struct line {
	struct message message;
	struct trace *trace;
	bool sent_by_client;
	int64_t at_ms;
	size_t jid_len, xml_len;
	char text[]; /* the full JID, then the XML */
};

void trace_add(struct node_worker *nw, struct trace *t)
{
	t->next = nw->traces;
	nw->traces = t;
}

void trace_remove(struct node_worker *nw, struct trace *t)
{
	for (struct trace **at = &nw->traces; *at; at = &(*at)->next) {
		if (*at != t)
			continue;
		*at = t->next;
		return;
	}
}

/* ---- what is shown ---- */

static bool is_harmless(const struct elem *e)
{
	return str_eq(e->ns, NS_CLIENT) && (str_is(e->name, "show") || str_is(e->name, "priority"));
}

static struct elem *hidden_copy(struct arena *a, const struct elem *from)
{
	struct elem *e = elem_new(a, from->ns, from->name);
	size_t hidden = 0;
	for (const struct attr *at = from->attrs; at; at = at->next)
		elem_set_ns(a, e, at->ns, at->name, at->value);
	for (const struct xml_node *n = from->children; n; n = n->next) {
		if (n->kind == NODE_ELEM)
			elem_append(a, e, hidden_copy(a, (const struct elem *)n));
		else if (is_harmless(from))
			elem_append_text(a, e, ((const struct text *)n)->data);
		else
			hidden += ((const struct text *)n)->data.len;
	}
	if (hidden)
		elem_append_text(a, e, arena_printf(a, "(%zu bytes)", hidden));
	return e;
}

static void show(struct buf *out, const struct stanza *st, bool with_text)
{
	if (with_text) {
		stanza_write(out, st);
		return;
	}
	struct arena *a = arena_new(2048);
	struct elem *e = hidden_copy(a, st->root);
	if (jid_present(&st->to))
		elem_set(a, e, STR("to"), jid_str(&st->to));
	xml_write(out, e, NS_CLIENT, true);
	arena_free(a);
}

/* ---- on its way ---- */

static void on_line(struct worker *w, struct message *m, bool cancelled)
{
	struct line *l = (struct line *)m;
	struct trace *t = l->trace;
	if (!cancelled) {
		atomic_fetch_sub(&t->pending, 1);
		t->on_line(t, l->sent_by_client, str_span(l->text, l->jid_len), l->at_ms, str_span(l->text + l->jid_len, l->xml_len));
	}
	free(l);
}

static bool concerns(const struct trace *t, const struct session *s)
{
	return jid_is_full(&t->jid) ? jid_eq(&t->jid, &s->jid) : jid_bare_eq(&t->jid, &s->jid);
}

static void tell(struct trace *t, const struct session *s, bool sent_by_client, const struct stanza *st)
{
	struct buf xml;
	if (atomic_load(&t->pending) >= TRACE_PENDING) {
		atomic_fetch_add(&t->lost, 1);
		return;
	}
	buf_init(&xml, 2u * XML_MAX_BYTES);
	show(&xml, st, t->with_text);
	size_t jid_len = s->jid.len, xml_len = xml.len < TRACE_TEXT_BYTES ? xml.len : TRACE_TEXT_BYTES;
	while (xml_len < xml.len && xml_len && ((unsigned char)xml.p[xml_len] & 0xc0) == 0x80)
		xml_len--; /* not inside a character */
	struct line *l = xmalloc(sizeof *l + jid_len + xml_len);
	*l = (struct line){ .message.run = on_line, .trace = t, .sent_by_client = sent_by_client, .at_ms = worker_wall_ms() };
	l->jid_len = jid_len;
	l->xml_len = xml_len;
	memcpy(l->text, s->jid.text, jid_len);
	if (xml_len)
		memcpy(l->text + jid_len, xml.p, xml_len);
	buf_fini(&xml);
	atomic_fetch_add(&t->pending, 1);
	worker_post(s->nw->node->main, &l->message);
}

void trace_note(const struct session *s, bool sent_by_client, const struct stanza *st)
{
	for (struct trace *t = s->nw->traces; t; t = t->next)
		if (concerns(t, s))
			tell(t, s, sent_by_client, st);
}
