#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/forms/hints.h"
#include "proto/xml/names.h"

static struct elem *with(struct arena *a, struct elem *m, struct str ns, const char *name)
{
	elem_add(a, m, ns, str_of(name));
	return m;
}

static void hints_are_read_together(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *m = elem_new(a, NS_CLIENT, STR("message"));
	assert_int_equal(hints_read(m), 0);
	with(a, with(a, m, NS_HINTS, "no-copy"), NS_HINTS, "no-permanent-store");
	assert_int_equal(hints_read(m), HINT_NO_COPY | HINT_NO_PERMANENT_STORE);
	with(a, with(a, m, NS_HINTS, "no-store"), NS_HINTS, "unheard-of");
	assert_int_equal(hints_read(m), HINT_NO_COPY | HINT_NO_PERMANENT_STORE | HINT_NO_STORE);
	arena_free(a);
}

static void hints_of_another_namespace_mean_nothing(void **state)
{
	struct arena *a = arena_new(0);
	assert_int_equal(hints_read(with(a, elem_new(a, NS_CLIENT, STR("message")), STR("urn:example"), "store")), 0);
	arena_free(a);
}

static void states_with_thread_ids_and_hints_are_only_states(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *m = elem_new(a, NS_CLIENT, STR("message"));
	assert_true(hints_is_only_state(m));
	with(a, with(a, with(a, m, NS_CHATSTATES, "composing"), NS_CLIENT, "thread"), NS_STANZA_IDS, "origin-id");
	assert_true(hints_is_only_state(with(a, m, NS_HINTS, "no-store")));
	assert_false(hints_is_only_state(with(a, m, NS_CLIENT, "body")));
	assert_false(hints_is_only_state(with(a, elem_new(a, NS_CLIENT, STR("message")), NS_RECEIPTS, "received")));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hints_are_read_together),
		cmocka_unit_test(hints_of_another_namespace_mean_nothing),
		cmocka_unit_test(states_with_thread_ids_and_hints_are_only_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
