/*
 * tree.h: an ordered set of nodes with byte-string keys (a treap), for stores in memory: what a hash map cannot do is to go on after a key.
 *
 * Ownership: nodes are embedded in what they index, and their keys live as long. A zeroed tree is empty. One thread at a time.
 */
#ifndef NODE_STORE_TREE_H
#define NODE_STORE_TREE_H

#include "proto/base/str.h"

struct tree_node {
	struct tree_node *left, *right;
	uint32_t priority;
	struct str key;
};
struct tree {
	struct tree_node *root;
	size_t count;
	uint64_t random; /* of the priorities */
};

/* NULL when absent. */
struct tree_node *tree_find(const struct tree *t, struct str key);
/* The first node whose key is at or after (with `past`: after) this one; NULL when there is none. */
struct tree_node *tree_seek(const struct tree *t, struct str key, bool past);
/* node->key is set and not in the tree. */
void tree_add(struct tree *t, struct tree_node *node);
/* `node` is in the tree. */
void tree_remove(struct tree *t, struct tree_node *node);

#endif
