/*
 * elem.h: the element tree. Built once, then frozen: everybody reads it through `const struct elem *`, on any thread.
 *
 * Invariants: every node lives in the arena of its stanza. Names, namespaces, values and text are valid UTF-8 without control characters
 * that XML forbids, unescaped. `ns` is the namespace URI, never a prefix; an absent or empty ns means no namespace. Adjacent text nodes
 * may exist in what was built here (the reader makes none); read text with elem_text. To change a frozen tree, build another root
 * (elem_reroot) that shares its children. `last_child` and `last_attr` are NULL while the list is shared with another element: the first
 * change copies the list's heads, so that the other element never sees it.
 */
#ifndef PROTO_XML_ELEM_H
#define PROTO_XML_ELEM_H

#include "proto/base/arena.h"

struct attr {
	const struct attr *next;
	struct str name, value;
	struct str ns; /* absent for almost all; xml:lang has the XML namespace */
};

enum node_kind { NODE_ELEM, NODE_TEXT };

struct xml_node {
	const struct xml_node *next; /* the next sibling */
	enum node_kind kind;
};
struct text {
	struct xml_node node;
	struct str data;
};
struct elem {
	struct xml_node node;
	struct str name, ns;
	const struct attr *attrs;
	const struct xml_node *children;
	struct xml_node *last_child; /* while building; NULL with children: they are shared */
	struct attr *last_attr;  /* likewise */
};

/* ---- building: names, namespaces and values are borrowed and must outlive the arena (literals, or copies in it) ---- */

/* A root element. */
struct elem *elem_new(struct arena *a, struct str ns, struct str name);
/* Appends a child and returns it. An absent ns inherits the parent's. */
struct elem *elem_add(struct arena *a, struct elem *parent, struct str ns, struct str name);
/* <name>text</name> in the parent's namespace, appended; returned. */
struct elem *elem_add_text(struct arena *a, struct elem *parent, struct str name, struct str text);
/* Appends text; empty text adds nothing. */
void elem_append_text(struct arena *a, struct elem *e, struct str text);
/* Appends an existing tree as a child; `child` must be fresh (not linked anywhere). */
void elem_append(struct arena *a, struct elem *parent, struct elem *child);
/* Appends a shallow copy of a frozen tree's root that shares its attributes and children. */
struct elem *elem_append_shared(struct arena *a, struct elem *parent, const struct elem *child);
/* Sets an attribute without a namespace, replacing one of that name. An absent value removes it. */
void elem_set(struct arena *a, struct elem *e, struct str name, struct str value);
void elem_set_ns(struct arena *a, struct elem *e, struct str ns, struct str name, struct str value);
/* A new root with the same attributes and children, so that attributes can be set and children appended: each copies the heads of its list
 * once, never the subtrees. Nothing is copied before. */
struct elem *elem_reroot(struct arena *a, const struct elem *old);

/* Whether this may be text or a value: UTF-8 of characters that XML 1.0 allows (section 2.2). What was parsed is. */
bool elem_may_hold(struct str text);

/* ---- reading ---- */

/* The value of an attribute without a namespace; absent if not there. */
struct str elem_attr(const struct elem *e, const char *name);
struct str elem_attr_ns(const struct elem *e, struct str ns, const char *name);
/* The first child element of that name and namespace; absent ns: any; NULL name: any. NULL if none. */
const struct elem *elem_child(const struct elem *e, struct str ns, const char *name);
/* Child elements in order: for (c = elem_first(e); c; c = elem_next(c)). */
const struct elem *elem_first(const struct elem *e);
const struct elem *elem_next(const struct elem *e);
bool elem_is(const struct elem *e, struct str ns, const char *name);
/* All text directly inside, joined; borrows when it is one piece (what was parsed always is, unless elements stand between), else lives in
 * the arena. Present and empty if there is none. */
struct str elem_text(struct arena *a, const struct elem *e);
/* A deep copy into another arena. */
struct elem *elem_copy(struct arena *a, const struct elem *e);
/* Equal in meaning: names, namespaces, attributes in any order, children in order; adjacent text counts as one. */
bool elem_eq(const struct elem *a, const struct elem *b);

#endif
