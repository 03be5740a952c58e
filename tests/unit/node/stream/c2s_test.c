#include "tests/unit/node/node_rig.h"

static int set_up(void **state)
{
	rig_start("");
	return 0;
}

static int tear_down(void **state)
{
	rig_stop();
	return 0;
}

static void stream_moves_to_its_accounts_worker(void **state)
{
	char user[2][16];
	for (unsigned on = 0; on < 2; on++) {
		rig_account_on(on, user[on]);
		for (unsigned from = 0; from < 2; from++) {
			struct rig_client c = rig_login(from, user[on], "r");
			struct session *s = rig_session(&c, "r");
			assert_non_null(s);
			assert_ptr_equal(s->nw, nw_of(node.workers[on]));
			assert_int_equal(atomic_load(&node.moving), 0);
			rig_hang_up(&c);
			RIG_UNTIL(rig_is_empty());
		}
	}
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(stream_moves_to_its_accounts_worker),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
