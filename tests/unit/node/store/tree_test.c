#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "node/store/tree.h"
#include "proto/base/rng.h"

#define N 500

struct item {
	struct tree_node node;
	char key[8];
	bool in;
};
static struct item items[N];

static void make_items(void)
{
	for (int i = 0; i < N; i++) {
		int n = snprintf(items[i].key, sizeof items[i].key, "k%03d", i);
		items[i].node.key = str_span(items[i].key, (size_t)n);
		items[i].in = false;
	}
}

/* The tree holds just those items that are in, in their order, and finds its way from any key. */
static void check(const struct tree *t)
{
	struct tree_node *n = tree_seek(t, STR(""), false);
	size_t count = 0;
	for (int i = 0; i < N; i++) {
		assert_true(tree_find(t, items[i].node.key) == (items[i].in ? &items[i].node : NULL));
		assert_true(!items[i].in || tree_seek(t, items[i].node.key, false) == n);
		if (!items[i].in)
			continue;
		assert_ptr_equal(n, &items[i].node);
		n = tree_seek(t, n->key, true);
		count++;
	}
	assert_null(n);
	assert_int_equal(t->count, count);
}

static void tree_stays_in_order_under_random_changes(void **state)
{
	(void)state;
	struct tree t = { .random = 1 };
	struct rng rng;
	rng_init_seeded(&rng, 42);
	make_items();
	for (int round = 0; round < 20000; round++) {
		struct item *it = &items[rng_u64(&rng) % N];
		if (it->in)
			tree_remove(&t, &it->node);
		else
			tree_add(&t, &it->node);
		it->in = !it->in;
		if (round % 200 == 0)
			check(&t);
	}
	check(&t);
}

static size_t depth(const struct tree_node *n)
{
	if (!n)
		return 0;
	size_t l = depth(n->left), r = depth(n->right);
	return 1 + (l > r ? l : r);
}

static void tree_stays_shallow_when_keys_come_in_order(void **state)
{
	(void)state;
	struct tree t = { .random = 99 };
	make_items();
	for (int i = 0; i < N; i++)
		tree_add(&t, &items[i].node);
	assert_true(depth(t.root) < 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_stays_in_order_under_random_changes),
		cmocka_unit_test(tree_stays_shallow_when_keys_come_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
