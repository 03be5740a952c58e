#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/rules/stages.h"

static void each_cell_of_the_table(void **state)
{
	static const struct { enum stages_action a; unsigned stage, n; int verdict; unsigned show; bool submits; } rows[] = {
		/* one stage */
		{ STAGES_EXECUTE, 0, 1, STAGES_RUN, 0, true },
		{ STAGES_COMPLETE, 0, 1, STAGES_RUN, 0, true },
		{ STAGES_NEXT, 0, 1, STAGES_REFUSE, 0, false },
		{ STAGES_PREV, 0, 1, STAGES_REFUSE, 0, false },
		{ STAGES_CANCEL, 0, 1, STAGES_END, 0, false },
		/* the first of three */
		{ STAGES_EXECUTE, 0, 3, STAGES_SHOW, 1, true },
		{ STAGES_NEXT, 0, 3, STAGES_SHOW, 1, true },
		{ STAGES_COMPLETE, 0, 3, STAGES_REFUSE, 0, false },
		{ STAGES_PREV, 0, 3, STAGES_REFUSE, 0, false },
		{ STAGES_CANCEL, 0, 3, STAGES_END, 0, false },
		/* in the middle */
		{ STAGES_EXECUTE, 1, 3, STAGES_SHOW, 2, true },
		{ STAGES_NEXT, 1, 3, STAGES_SHOW, 2, true },
		{ STAGES_PREV, 1, 3, STAGES_SHOW, 0, false },
		{ STAGES_COMPLETE, 1, 3, STAGES_REFUSE, 0, false },
		{ STAGES_CANCEL, 1, 3, STAGES_END, 0, false },
		/* the last */
		{ STAGES_EXECUTE, 2, 3, STAGES_RUN, 0, true },
		{ STAGES_COMPLETE, 2, 3, STAGES_RUN, 0, true },
		{ STAGES_NEXT, 2, 3, STAGES_REFUSE, 0, false },
		{ STAGES_PREV, 2, 3, STAGES_SHOW, 1, false },
		{ STAGES_CANCEL, 2, 3, STAGES_END, 0, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct stages_move m = stages_decide(rows[i].a, rows[i].stage, rows[i].n);
		bool refused = m.verdict == STAGES_REFUSE;
		if ((int)m.verdict != rows[i].verdict || m.show != rows[i].show || m.submits != rows[i].submits)
			fail_msg("row %zu", i);
		assert_int_equal(refused, !stages_allows(rows[i].a, rows[i].stage, rows[i].n));
	}
}

static void actions_have_names(void **state)
{
	enum stages_action a;
	for (unsigned i = 0; i < STAGES_ACTION_COUNT; i++) {
		assert_true(stages_action_from_name(stages_action_name((enum stages_action)i), &a));
		assert_int_equal(a, i);
	}
	assert_true(stages_action_from_name(STR_NONE, &a));
	assert_int_equal(a, STAGES_EXECUTE);
	assert_false(stages_action_from_name(STR("explode"), &a));
	assert_false(stages_action_from_name(STR(""), &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cell_of_the_table),
		cmocka_unit_test(actions_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
