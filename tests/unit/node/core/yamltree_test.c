#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/core/yamltree.h"
#include "proto/base/buf.h"

static struct arena *arena;
static struct buf told;

static void on_error(void *arg, unsigned line, unsigned column, const char *text)
{
	buf_addf(&told, "%u:%u: %s\n", line, column, text);
}

static int setup(void **state)
{
	arena = arena_new(0);
	buf_init(&told, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	buf_fini(&told);
	return 0;
}

static enum err parse_str(struct str text, struct yamltree **out)
{
	struct yamltree_errors errors = { on_error, NULL };
	buf_clear(&told);
	enum err e = yamltree_parse(arena, text, errors, out);
	assert_int_equal(e != ERR_NONE, told.len > 0);
	assert_non_null(*out);
	return e;
}

static void refused(struct str text, const char *expected)
{
	struct yamltree *t;
	assert_int_equal(parse_str(text, &t), ERR_INVALID);
	buf_addc(&told, '\0');
	assert_string_equal(told.p, expected);
}

static void yamltree_keeps_places_order_and_shape(void **state)
{
	struct yamltree *t;
	assert_int_equal(parse_str(STR("a: 1\nlist:\n  - x\n  - {k: 'v'}\nnothing:\n"), &t), ERR_NONE);
	assert_int_equal(t->kind, YAMLTREE_MAP);
	assert_int_equal(t->n, 3);
	const struct yamltree *a = t->first, *list = a->next, *nothing = list->next;
	assert_true(str_is(a->key, "a") && str_is(a->text, "1") && a->line == 1 && a->column == 4 && a->key_column == 1);
	assert_true(list->kind == YAMLTREE_LIST && list->n == 2);
	assert_true(list->first->line == 3 && list->first->column == 5);
	assert_true(str_is(list->first->next->first->text, "v") && list->first->next->first->key_column == 6);
	assert_true(nothing->is_null && !nothing->next);
}

static void yamltree_tells_null_from_a_quoted_word(void **state)
{
	struct yamltree *t;
	assert_int_equal(parse_str(STR("[~, null, '', 'null', '~', x]"), &t), ERR_NONE);
	static const bool nulls[] = { true, true, false, false, false, false };
	const struct yamltree *item = t->first;
	for (size_t i = 0; i < 6; i++, item = item->next)
		assert_int_equal(item->is_null, nulls[i]);
}

static void yamltree_reads_nothing_as_an_empty_map(void **state)
{
	static const struct str rows[] = { STR_INIT(""), STR_INIT("# only a comment\n"), STR_INIT("---\n"), STR_INIT("---\n...\n"),
		{ NULL, 0 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct yamltree *t;
		assert_int_equal(parse_str(rows[i], &t), ERR_NONE);
		assert_true(t->kind == YAMLTREE_MAP && t->n == 0);
	}
}

static void yamltree_refuses_what_makes_yaml_surprising(void **state)
{
	refused(STR("a: &x 1\nb: 2\n"), "1:4: anchors are not supported\n");
	refused(STR("a: *x\n"), "1:4: aliases are not supported\n");
	refused(STR("a: &x [1]\n"), "1:4: anchors are not supported\n");
	refused(STR("a: !!int 1\n"), "1:4: tags are not supported\n");
	refused(STR("a: !x {b: 1}\n"), "1:4: tags are not supported\n");
	refused(STR("&x a: 1\n"), "1:1: anchors are not supported\n");
	refused(STR("a: 1\n---\nb: 2\n"), "2:1: a second document begins here; one is expected\n");
	refused(STR("? [a]\n: 1\n"), "1:3: a key must be a word\n");
}

static void yamltree_tells_every_duplicate_and_keeps_the_tree(void **state)
{
	struct yamltree *t;
	assert_int_equal(parse_str(STR("a: 1\nb: {c: 1, c: 2}\na: 3\n"), &t), ERR_INVALID);
	buf_addc(&told, '\0');
	assert_string_equal(told.p, "2:11: the key \"c\" stands here a second time, first in line 2\n"
	                            "3:1: the key \"a\" stands here a second time, first in line 1\n");
	assert_int_equal(t->n, 3);
}

static void yamltree_names_the_place_of_bad_syntax(void **state)
{
	refused(STR("a: 1\n  b: 2\n"), "2:4: mapping values are not allowed in this context\n");
	refused(STR("a: [1, 2\nb: 3\n"), "2:2: did not find expected ',' or ']', while parsing a flow sequence\n");
	struct yamltree *t;
	assert_int_equal(parse_str(STR("a: 1\nb: \xff\n"), &t), ERR_INVALID);
	assert_int_equal(memcmp(told.p, "2:4: ", 5), 0);
	assert_int_equal(parse_str(STR("a: [1\n"), &t), ERR_INVALID);
	assert_true(t->kind == YAMLTREE_MAP && t->n == 0);
}

static void yamltree_bounds_the_depth(void **state)
{
	struct yamltree *t;
	assert_int_equal(parse_str(STR("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"), &t), ERR_NONE);
	refused(STR("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), "1:17: nested too deeply\n");
}

static void yamltree_bounds_bytes_and_nodes(void **state)
{
	struct buf text;
	struct yamltree *t;
	buf_init(&text, 2 << 20);
	buf_addc(&text, '#');
	while (text.len < YAMLTREE_BYTES_MAX)
		buf_addc(&text, 'x');
	assert_int_equal(parse_str(buf_str(&text), &t), ERR_NONE);
	buf_addc(&text, 'x');
	refused(buf_str(&text), "1:1: longer than 1 MiB\n");
	buf_clear(&text);
	buf_addc(&text, '[');
	for (unsigned i = 0; i < YAMLTREE_NODES_MAX; i++)
		buf_addz(&text, "1,");
	buf_addc(&text, ']');
	assert_int_equal(parse_str(buf_str(&text), &t), ERR_INVALID);
	assert_non_null(memmem(told.p, told.len, "too many values", 15));
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yamltree_keeps_places_order_and_shape),
		cmocka_unit_test(yamltree_tells_null_from_a_quoted_word),
		cmocka_unit_test(yamltree_reads_nothing_as_an_empty_map),
		cmocka_unit_test(yamltree_refuses_what_makes_yaml_surprising),
		cmocka_unit_test(yamltree_tells_every_duplicate_and_keeps_the_tree),
		cmocka_unit_test(yamltree_names_the_place_of_bad_syntax),
		cmocka_unit_test(yamltree_bounds_the_depth),
		cmocka_unit_test(yamltree_bounds_bytes_and_nodes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
