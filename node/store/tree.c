#include "node/store/tree.h"

struct tree_node *tree_find(const struct tree *t, struct str key)
{
	struct tree_node *n = tree_seek(t, key, false);
	return n && str_eq(n->key, key) ? n : NULL;
}

struct tree_node *tree_seek(const struct tree *t, struct str key, bool past)
{
	struct tree_node *best = NULL;
	for (struct tree_node *n = t->root; n;) {
		int order = str_cmp(n->key, key);
		if (order > 0 || (order == 0 && !past)) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

/* Splits into keys below `key` and keys above it. */
static void split(struct tree_node *n, struct str key, struct tree_node **below, struct tree_node **above)
{
	while (n) {
		if (str_cmp(n->key, key) < 0) {
			*below = n;
			below = &n->right;
			n = n->right;
		} else {
			*above = n;
			above = &n->left;
			n = n->left;
		}
	}
	*below = *above = NULL;
}

static struct tree_node *join(struct tree_node *below, struct tree_node *above)
{
	struct tree_node *root, **at = &root;
	while (below && above) {
		if (below->priority > above->priority) {
			*at = below;
			at = &below->right;
			below = below->right;
		} else {
			*at = above;
			at = &above->left;
			above = above->left;
		}
	}
	*at = below ? below : above;
	return root;
}

/* The link that points to the place of `key`, or to the first node on the way with a lower priority than `stop`. */
static struct tree_node **link_of(struct tree *t, struct str key, uint32_t stop)
{
	struct tree_node **at = &t->root;
	while (*at && (*at)->priority >= stop) {
		int order = str_cmp((*at)->key, key);
		if (order == 0)
			break;
		at = order > 0 ? &(*at)->left : &(*at)->right;
	}
	return at;
}

void tree_add(struct tree *t, struct tree_node *node)
{
	t->random = t->random * 6364136223846793005ull + 1442695040888963407ull;
	node->priority = (uint32_t)(t->random >> 32);
	struct tree_node **at = link_of(t, node->key, node->priority);
	split(*at, node->key, &node->left, &node->right);
	*at = node;
	t->count++;
}

void tree_remove(struct tree *t, struct tree_node *node)
{
	struct tree_node **at = link_of(t, node->key, 0);
	*at = join(node->left, node->right);
	t->count--;
}
