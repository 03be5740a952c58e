#include "proto/wire/stanza.h"

#include "proto/xml/fragment.h"
#include "proto/xml/names.h"

struct type_row {
	enum stanza_kind kind;
	enum stanza_type type;
	struct str name;
};

static const struct type_row types[] = {
	{ STANZA_MESSAGE, TYPE_CHAT, STR_INIT("chat") },
	{ STANZA_MESSAGE, TYPE_NORMAL, STR_INIT("normal") },
	{ STANZA_MESSAGE, TYPE_GROUPCHAT, STR_INIT("groupchat") },
	{ STANZA_MESSAGE, TYPE_HEADLINE, STR_INIT("headline") },
	{ STANZA_MESSAGE, TYPE_ERROR, STR_INIT("error") },
	{ STANZA_PRESENCE, TYPE_UNAVAILABLE, STR_INIT("unavailable") },
	{ STANZA_PRESENCE, TYPE_SUBSCRIBE, STR_INIT("subscribe") },
	{ STANZA_PRESENCE, TYPE_SUBSCRIBED, STR_INIT("subscribed") },
	{ STANZA_PRESENCE, TYPE_UNSUBSCRIBE, STR_INIT("unsubscribe") },
	{ STANZA_PRESENCE, TYPE_UNSUBSCRIBED, STR_INIT("unsubscribed") },
	{ STANZA_PRESENCE, TYPE_PROBE, STR_INIT("probe") },
	{ STANZA_PRESENCE, TYPE_ERROR, STR_INIT("error") },
	{ STANZA_IQ, TYPE_GET, STR_INIT("get") },
	{ STANZA_IQ, TYPE_SET, STR_INIT("set") },
	{ STANZA_IQ, TYPE_RESULT, STR_INIT("result") },
	{ STANZA_IQ, TYPE_ERROR, STR_INIT("error") },
};
static const struct str kind_names[] = { STR_INIT("message"), STR_INIT("presence"), STR_INIT("iq") };

struct str stanza_kind_name(enum stanza_kind k)
{
	return kind_names[k];
}

struct str stanza_type_name(enum stanza_kind k, enum stanza_type t)
{
	if (t == TYPE_NORMAL || t == TYPE_AVAILABLE)
		return STR_NONE;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].kind == k && types[i].type == t)
			return types[i].name;
	return STR_NONE;
}

/* An unknown message type counts as normal (RFC 6121 section 5.2.2); unknown presence and IQ types are bad requests. */
static bool type_find(enum stanza_kind k, struct str name, enum stanza_type *out)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (types[i].kind == k && str_eq(types[i].name, name)) {
			*out = types[i].type;
			return true;
		}
	}
	*out = k == STANZA_MESSAGE ? TYPE_NORMAL : k == STANZA_PRESENCE ? TYPE_AVAILABLE : TYPE_GET;
	return k == STANZA_MESSAGE || (k == STANZA_PRESENCE && !str_present(name));
}

static unsigned child_count(const struct elem *e)
{
	unsigned n = 0;
	for (const struct elem *c = elem_first(e); c; c = elem_next(c))
		n++;
	return n;
}

static enum stanza_error iq_check(const struct stanza *s)
{
	if (!str_present(s->id) || str_empty(s->id))
		return STANZA_BAD_REQUEST;
	if (stanza_is_request(s) && child_count(s->root) != 1)
		return STANZA_BAD_REQUEST;
	if (s->type == TYPE_RESULT && child_count(s->root) > 1)
		return STANZA_BAD_REQUEST;
	return STANZA_ERROR_NONE;
}

static bool kind_find(const struct elem *root, struct str content_ns, enum stanza_kind *k)
{
	if (!str_eq(root->ns, content_ns))
		return false;
	for (int i = 0; i < 3; i++) {
		if (str_eq(root->name, kind_names[i])) {
			*k = (enum stanza_kind)i;
			return true;
		}
	}
	return false;
}

static struct stanza *stanza_alloc(struct arena **arena, const struct elem *root)
{
	struct stanza *s = arena_zalloc(*arena, sizeof *s);
	atomic_init(&s->refs, 1);
	s->arena = *arena;
	s->root = root;
	*arena = NULL;
	return s;
}

/* The stanza is not frozen yet: its root may still be written through this. */
static struct elem *root_of(struct stanza *s)
{
	return (struct elem *)(uintptr_t)s->root;
}

/* A prepared form that differs from what was written replaces it in the tree. */
static enum err address_read(struct stanza *s, struct str attr, struct jid *out)
{
	struct str text = elem_attr(s->root, attr.p);
	if (!str_present(text))
		return ERR_NONE;
	enum err e = jid_parse(s->arena, text, out);
	if (e == ERR_NONE && out->text != text.p)
		elem_set(s->arena, root_of(s), attr, jid_str(out));
	return e;
}

struct stanza *stanza_from_elem(struct arena **arena, struct elem *root, struct str content_ns, enum stanza_error *error)
{
	enum stanza_kind kind;
	*error = STANZA_ERROR_NONE;
	if (!kind_find(root, content_ns, &kind)) {
		arena_free(*arena);
		*arena = NULL;
		return NULL;
	}
	struct stanza *s = stanza_alloc(arena, root);
	s->kind = kind;
	s->id = elem_attr(root, "id");
	if (!type_find(kind, elem_attr(root, "type"), &s->type))
		*error = STANZA_BAD_REQUEST;
	if (address_read(s, STR("to"), &s->to) != ERR_NONE && !*error)
		*error = STANZA_JID_MALFORMED;
	if (address_read(s, STR("from"), &s->from) != ERR_NONE && !*error)
		*error = STANZA_JID_MALFORMED;
	if (!*error && kind == STANZA_IQ)
		*error = iq_check(s);
	return s;
}

struct stanza *stanza_new(struct arena **arena, struct elem *root, const struct jid *from, const struct jid *to)
{
	struct stanza *s = stanza_alloc(arena, root);
	for (int i = 0; i < 3; i++)
		if (str_eq(root->name, kind_names[i]))
			s->kind = (enum stanza_kind)i;
	(void)type_find(s->kind, elem_attr(root, "type"), &s->type);
	s->id = elem_attr(root, "id");
	if (from && jid_present(from))
		stanza_stamp_from(s, from);
	if (to && jid_present(to))
		stanza_stamp_to(s, to);
	return s;
}

void stanza_stamp_from(struct stanza *s, const struct jid *from)
{
	s->from = jid_copy(s->arena, from);
	elem_set(s->arena, root_of(s), STR("from"), jid_str(&s->from));
}

void stanza_stamp_to(struct stanza *s, const struct jid *to)
{
	s->to = jid_copy(s->arena, to);
	elem_set(s->arena, root_of(s), STR("to"), jid_str(&s->to));
}

static void unref_later(void *s)
{
	stanza_unref(s);
}

struct stanza *stanza_readdress(struct stanza *s, const struct jid *from, const struct jid *to)
{
	struct arena *a = arena_new(768);
	arena_defer(a, unref_later, stanza_ref(s));
	struct stanza *n = stanza_alloc(&a, elem_reroot(a, s->root));
	n->kind = s->kind;
	n->type = s->type;
	n->id = s->id;
	n->received_ms = s->received_ms;
	n->from = s->from;
	n->to = s->to;
	if (!from) {
		n->wire = s->wire;
		n->patch = s->patch;
	} else if (jid_present(from)) {
		stanza_stamp_from(n, from);
	}
	if (to && jid_present(to))
		stanza_stamp_to(n, to);
	return n;
}

/* ---- writing ---- */

void stanza_prewrite(struct stanza *s)
{
	struct buf b;
	struct xml_patch patch;
	buf_init(&b, SIZE_MAX);
	xml_write_patch(&b, s->root, NS_CLIENT, &patch);
	BUG_ON(buf_status(&b) != ERR_NONE || patch.to_start == 0);
	s->wire = arena_str(s->arena, buf_str(&b));
	s->patch = patch;
	buf_fini(&b);
}

void stanza_written(struct stanza *s, struct str bytes)
{
	struct xml_patch patch = xml_fragment_patch(bytes);
	if (!patch.to_start || !jid_present(&s->to))
		return;
	s->wire = arena_str(s->arena, bytes);
	s->patch = patch;
}

void stanza_write(struct buf *out, const struct stanza *s)
{
	if (!str_present(s->wire)) {
		xml_write(out, s->root, NS_CLIENT, true);
		return;
	}
	size_t before = out->len;
	buf_add(out, s->wire.p, s->patch.to_start);
	xml_escape_attr(out, jid_str(&s->to));
	buf_add(out, s->wire.p + s->patch.to_end, s->wire.len - s->patch.to_end);
	if (out->failed)
		out->len = before;
}

struct stanza *stanza_ref(struct stanza *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void stanza_unref(struct stanza *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		arena_free(s->arena);
}

struct elem *stanza_root(struct arena *a, enum stanza_kind k, enum stanza_type t)
{
	struct elem *root = elem_new(a, NS_CLIENT, kind_names[k]);
	elem_set(a, root, STR("type"), stanza_type_name(k, t));
	return root;
}

/* Copies what a reply needs of the original, so that the two arenas live and die apart. */
static struct stanza *reply_new(const struct stanza *s, enum stanza_type type, struct elem **root)
{
	struct arena *a = arena_new(1024);
	*root = stanza_root(a, s->kind, type);
	if (str_present(s->id))
		elem_set(a, *root, STR("id"), arena_str(a, s->id));
	return stanza_new(&a, *root, &s->to, &s->from);
}

struct stanza *stanza_error_reply(const struct stanza *s, enum stanza_error e, struct str text, const struct elem *extra)
{
	return stanza_error_reply_as(s, e, stanza_error_type(e), text, extra);
}

struct stanza *stanza_error_reply_as(const struct stanza *s, enum stanza_error e, struct str type, struct str text,
				     const struct elem *extra)
{
	struct elem *root;
	if (s->type == TYPE_ERROR || (s->kind == STANZA_IQ && s->type == TYPE_RESULT))
		return NULL;
	struct stanza *r = reply_new(s, TYPE_ERROR, &root);
	struct arena *a = r->arena;
	struct elem *err = elem_add(a, root, NS_CLIENT, STR("error"));
	elem_set(a, err, STR("type"), type);
	elem_add(a, err, NS_STANZA_ERRORS, stanza_error_name(e));
	if (str_present(text)) {
		struct elem *t = elem_add(a, err, NS_STANZA_ERRORS, STR("text"));
		elem_set_ns(a, t, NS_XML, STR("lang"), STR("en"));
		elem_append_text(a, t, arena_str(a, text));
	}
	if (extra)
		elem_append(a, err, elem_copy(a, extra));
	return r;
}

struct stanza *stanza_result(const struct stanza *iq, struct elem **root)
{
	return reply_new(iq, TYPE_RESULT, root);
}

const struct elem *stanza_payload(const struct stanza *s)
{
	const struct elem *c = elem_first(s->root);
	return c && !elem_next(c) ? c : NULL;
}
