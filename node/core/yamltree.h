/*
 * yamltree.h: YAML as far as a configuration needs it: maps, lists and scalars in an arena, each with its place.
 *
 * Refused, because they let a short text mean a long one or a key mean two things: anchors, aliases, tags, several documents,
 * duplicate keys, keys that are not scalars. Ceilings: YAMLTREE_BYTES_MAX of text, YAMLTREE_DEPTH_MAX levels, YAMLTREE_NODES_MAX nodes.
 */
#ifndef NODE_CORE_YAMLTREE_H
#define NODE_CORE_YAMLTREE_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

#define YAMLTREE_BYTES_MAX (1u << 20)
#define YAMLTREE_DEPTH_MAX 16
#define YAMLTREE_NODES_MAX 100000

enum yamltree_kind { YAMLTREE_SCALAR, YAMLTREE_LIST, YAMLTREE_MAP };
struct yamltree {
	enum yamltree_kind kind;
	bool is_null;          /* a plain scalar that is empty, ~ or null */
	unsigned line, column; /* from 1 */
	struct str text;       /* of a scalar; NUL-terminated */
	size_t n;              /* children */
	struct yamltree *first, *next;
	struct str key;        /* in a map */
	unsigned key_line, key_column;
};

/* Told of each error; the text has no line break. */
struct yamltree_errors {
	void (*on_error)(void *arg, unsigned line, unsigned column, const char *text);
	void *arg;
};
/* An empty document is an empty map. ERR_INVALID when anything was told: after duplicate keys, all of which are
 * told, the tree is whole; other errors end the reading, and the tree is an empty map. */
MUST_CHECK enum err yamltree_parse(struct arena *a, struct str text, struct yamltree_errors errors, struct yamltree **out);

#endif
