#include "proto/xml/elem.h"

#include "proto/base/err.h"
#include "proto/xml/names.h"

static const struct text *as_text(const struct xml_node *n)
{
	return (const struct text *)n;
}

static const struct elem *as_elem(const struct xml_node *n)
{
	return (const struct elem *)n;
}

static bool is_named(struct str s, const char *name)
{
	size_t n = strlen(name);
	return s.len == n && memcmp(s.p, name, n) == 0;
}

/* ---- building ---- */

struct elem *elem_new(struct arena *a, struct str ns, struct str name)
{
	struct elem *e = arena_alloc(a, sizeof(*e));
	*e = (struct elem){ .node.kind = NODE_ELEM, .name = name, .ns = ns };
	return e;
}

static struct xml_node *copy_head(struct arena *a, const struct xml_node *n)
{
	size_t size = n->kind == NODE_ELEM ? sizeof(struct elem) : sizeof(struct text);
	struct xml_node *copy = memcpy(arena_alloc(a, size), n, size);
	if (copy->kind == NODE_ELEM) { /* what hangs below is shared from now on */
		((struct elem *)copy)->last_child = NULL;
		((struct elem *)copy)->last_attr = NULL;
	}
	copy->next = NULL;
	return copy;
}

static void link_node(struct elem *parent, struct xml_node *n)
{
	n->next = NULL;
	if (parent->last_child)
		parent->last_child->next = n;
	else
		parent->children = n;
	parent->last_child = n;
}

static void unshare_children(struct arena *a, struct elem *e)
{
	if (e->last_child || !e->children)
		return;
	const struct xml_node *old = e->children;
	e->children = NULL;
	for (; old; old = old->next)
		link_node(e, copy_head(a, old));
}

static void link_attr(struct elem *e, struct attr *at)
{
	at->next = NULL;
	if (e->last_attr)
		e->last_attr->next = at;
	else
		e->attrs = at;
	e->last_attr = at;
}

static void unshare_attrs(struct arena *a, struct elem *e)
{
	if (e->last_attr || !e->attrs)
		return;
	const struct attr *old = e->attrs;
	e->attrs = NULL;
	for (; old; old = old->next)
		link_attr(e, memcpy(arena_alloc(a, sizeof(*old)), old, sizeof(*old)));
}

void elem_append(struct arena *a, struct elem *parent, struct elem *child)
{
	unshare_children(a, parent);
	link_node(parent, &child->node);
}

struct elem *elem_add(struct arena *a, struct elem *parent, struct str ns, struct str name)
{
	struct elem *e = elem_new(a, str_present(ns) ? ns : parent->ns, name);
	elem_append(a, parent, e);
	return e;
}

void elem_append_text(struct arena *a, struct elem *e, struct str text)
{
	if (str_empty(text))
		return;
	struct text *t = arena_alloc(a, sizeof(*t));
	*t = (struct text){ .node.kind = NODE_TEXT, .data = text };
	unshare_children(a, e);
	link_node(e, &t->node);
}

struct elem *elem_add_text(struct arena *a, struct elem *parent, struct str name, struct str text)
{
	struct elem *e = elem_add(a, parent, STR_NONE, name);
	elem_append_text(a, e, text);
	return e;
}

struct elem *elem_append_shared(struct arena *a, struct elem *parent, const struct elem *child)
{
	struct elem *copy = (struct elem *)copy_head(a, &child->node);
	elem_append(a, parent, copy);
	return copy;
}

struct elem *elem_reroot(struct arena *a, const struct elem *old)
{
	return (struct elem *)copy_head(a, &old->node);
}

static void append_attr(struct arena *a, struct elem *e, struct str ns, struct str name, struct str value)
{
	struct attr *at = arena_alloc(a, sizeof(*at));
	*at = (struct attr){ .name = name, .value = value, .ns = ns };
	link_attr(e, at);
}

static bool attr_is(const struct attr *at, struct str ns, struct str name)
{
	return str_eq(at->name, name) && str_eq(at->ns, ns);
}

static void remove_attr(struct elem *e, struct str ns, struct str name)
{
	struct attr *before = NULL;
	for (const struct attr *at = e->attrs; at; at = at->next) {
		if (!attr_is(at, ns, name)) {
			before = (struct attr *)at; /* ours: the list is not shared */
			continue;
		}
		if (before)
			before->next = at->next;
		else
			e->attrs = at->next;
		if (!at->next)
			e->last_attr = before;
		return;
	}
}

void elem_set_ns(struct arena *a, struct elem *e, struct str ns, struct str name, struct str value)
{
	unshare_attrs(a, e);
	if (!str_present(value)) {
		remove_attr(e, ns, name);
		return;
	}
	for (const struct attr *at = e->attrs; at; at = at->next)
		if (attr_is(at, ns, name)) {
			((struct attr *)at)->value = value;
			return;
		}
	append_attr(a, e, ns, name, value);
}

void elem_set(struct arena *a, struct elem *e, struct str name, struct str value)
{
	elem_set_ns(a, e, STR_NONE, name, value);
}

/* ---- reading ---- */

struct str elem_attr_ns(const struct elem *e, struct str ns, const char *name)
{
	for (const struct attr *at = e->attrs; at; at = at->next)
		if (is_named(at->name, name) && str_eq(at->ns, ns))
			return at->value;
	return STR_NONE;
}

struct str elem_attr(const struct elem *e, const char *name)
{
	return elem_attr_ns(e, STR_NONE, name);
}

static const struct elem *skip_to_elem(const struct xml_node *n)
{
	while (n && n->kind != NODE_ELEM)
		n = n->next;
	return as_elem(n);
}

const struct elem *elem_first(const struct elem *e)
{
	return skip_to_elem(e->children);
}

const struct elem *elem_next(const struct elem *e)
{
	return skip_to_elem(e->node.next);
}

const struct elem *elem_child(const struct elem *e, struct str ns, const char *name)
{
	for (const struct elem *c = elem_first(e); c; c = elem_next(c))
		if ((!name || is_named(c->name, name)) && (!str_present(ns) || str_eq(c->ns, ns)))
			return c;
	return NULL;
}

bool elem_is(const struct elem *e, struct str ns, const char *name)
{
	return is_named(e->name, name) && str_eq(e->ns, ns);
}

struct str elem_text(struct arena *a, const struct elem *e)
{
	const struct text *only = NULL;
	size_t len = 0;
	unsigned pieces = 0;
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->kind == NODE_TEXT) {
			only = as_text(n);
			len += only->data.len;
			pieces++;
		}
	if (pieces <= 1)
		return only ? only->data : STR("");
	char *p = arena_alloc(a, len), *at = p;
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->kind == NODE_TEXT) {
			memcpy(at, as_text(n)->data.p, as_text(n)->data.len);
			at += as_text(n)->data.len;
		}
	return str_span(p, len);
}

static struct str copy_ns(struct arena *a, struct str ns)
{
	struct str row = names_find(ns);
	return str_present(row) ? row : arena_str(a, ns);
}

struct elem *elem_copy(struct arena *a, const struct elem *e)
{
	struct elem *copy = elem_new(a, copy_ns(a, e->ns), arena_str(a, e->name));
	for (const struct attr *at = e->attrs; at; at = at->next)
		append_attr(a, copy, copy_ns(a, at->ns), arena_str(a, at->name), arena_str(a, at->value));
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->kind == NODE_ELEM)
			elem_append(a, copy, elem_copy(a, as_elem(n)));
		else
			elem_append_text(a, copy, arena_str(a, as_text(n)->data));
	return copy;
}

/* ---- comparing ---- */

static bool attrs_eq(const struct elem *a, const struct elem *b)
{
	size_t n = 0;
	for (const struct attr *x = a->attrs; x; x = x->next, n++) {
		const struct attr *y = b->attrs;
		while (y && !attr_is(y, x->ns, x->name))
			y = y->next;
		if (!y || !str_eq(x->value, y->value))
			return false;
	}
	for (const struct attr *y = b->attrs; y; y = y->next)
		n--;
	return n == 0;
}

/* A place in a run of adjacent text nodes. */
struct text_at {
	const struct xml_node *n;
	size_t done;
};

static const char *text_byte(struct text_at *t)
{
	while (t->n && t->n->kind == NODE_TEXT) {
		if (t->done < as_text(t->n)->data.len)
			return as_text(t->n)->data.p + t->done++;
		t->n = t->n->next;
		t->done = 0;
	}
	return NULL;
}

/* Compares the runs of text at *x and *y and moves both past them. */
static bool text_eq(const struct xml_node **x, const struct xml_node **y)
{
	struct text_at a = { *x, 0 }, b = { *y, 0 };
	for (;;) {
		const char *p = text_byte(&a), *q = text_byte(&b);
		if (!p || !q) {
			*x = a.n;
			*y = b.n;
			return p == q;
		}
		if (*p != *q)
			return false;
	}
}

bool elem_may_hold(struct str text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	for (size_t i = 0; i < text.len; i++) {
		if (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
			return false;
		if (p[i] == 0xEF && text.len - i >= 3 && p[i + 1] == 0xBF && p[i + 2] >= 0xBE) /* U+FFFE, U+FFFF */
			return false;
	}
	return str_is_utf8(text);
}

bool elem_eq(const struct elem *a, const struct elem *b)
{
	if (!str_eq(a->name, b->name) || !str_eq(a->ns, b->ns) || !attrs_eq(a, b))
		return false;
	const struct xml_node *x = a->children, *y = b->children;
	for (;;) {
		if (!text_eq(&x, &y) || !x != !y)
			return false;
		if (!x)
			return true;
		if (!elem_eq(as_elem(x), as_elem(y)))
			return false;
		x = x->next;
		y = y->next;
	}
}
