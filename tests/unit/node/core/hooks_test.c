#include "tests/unit/node/node_rig.h"

#include "node/core/hooks.h"

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

/* Filled with a module's number, whatever order they are asked in: none lies in another one's. */
static void each_module_has_slots_of_its_own(void **state)
{
	struct jid jid = { .text = "u@localhost", .local_len = 1, .bare_len = 11, .len = 11 };
	struct host *h = node.hosts[0];
	struct user *u = user_hold(nw_of(node.workers[0]), h, &jid);
	unsigned n = 0;
	while (all_modules[n])
		n++;
	for (unsigned i = n; i-- > 0;) {
		memset(user_slot(u, all_modules[i]), (int)i + 1, all_modules[i]->user_slot);
		assert_ptr_equal(user_slot(u, all_modules[i]), user_slot(u, all_modules[i]));
	}
	for (unsigned i = 0; i < n; i++)
		for (size_t k = 0; k < all_modules[i]->user_slot; k++)
			assert_int_equal(((unsigned char *)user_slot(u, all_modules[i]))[k], i + 1);
	for (unsigned i = 0; i < n; i++)
		memset(user_slot(u, all_modules[i]), 0, all_modules[i]->user_slot);
	user_release(u);
}

static void a_host_has_the_modules_that_are_enabled(void **state)
{
	struct host *h = node.hosts[0];
	uint64_t before = h->enabled;
	for (unsigned i = 0; all_modules[i]; i++) {
		h->enabled = UINT64_C(1) << i;
		for (unsigned k = 0; all_modules[k]; k++)
			assert_int_equal(host_has_module(h, all_modules[k]), i == k);
	}
	h->enabled = before;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_module_has_slots_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_host_has_the_modules_that_are_enabled, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
