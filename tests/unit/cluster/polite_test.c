#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "cluster/polite.h"

static void *policy_of_here(void *arg)
{
	*(int *)arg = sched_getscheduler(0);
	return NULL;
}

/* Of a thread that this one makes. */
static int policy_of_a_child(void)
{
	pthread_t thread;
	int policy = -1;
	assert_int_equal(pthread_create(&thread, NULL, policy_of_here, &policy), 0);
	pthread_join(thread, NULL);
	return policy;
}

static void polite_until_its_end(void **state)
{
	assert_true(polite_begin());
	assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
	polite_end();
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

static void polite_parents_have_polite_children(void **state)
{
	assert_true(polite_begin());
	assert_int_equal(policy_of_a_child(), SCHED_BATCH);
	polite_end();
	assert_int_equal(policy_of_a_child(), SCHED_OTHER);
}

static void polite_twice_is_once(void **state)
{
	assert_true(polite_begin());
	assert_false(polite_begin());
	polite_end();
}

/* A thread of its own: without privileges there is no way back from idle. */
static void *idle(void *arg)
{
	const struct sched_param none = { .sched_priority = 0 };
	int *policy = arg;
	assert_int_equal(sched_setscheduler(0, SCHED_IDLE, &none), 0);
	assert_false(polite_begin());
	policy[0] = sched_getscheduler(0);
	polite_end();
	policy[1] = sched_getscheduler(0);
	return NULL;
}

static void polite_leaves_a_policy_that_was_chosen(void **state)
{
	pthread_t thread;
	int policy[2] = { 0 };
	assert_int_equal(pthread_create(&thread, NULL, idle, policy), 0);
	pthread_join(thread, NULL);
	assert_int_equal(policy[0], SCHED_IDLE);
	assert_int_equal(policy[1], SCHED_IDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(polite_until_its_end),
		cmocka_unit_test(polite_parents_have_polite_children),
		cmocka_unit_test(polite_twice_is_once),
		cmocka_unit_test(polite_leaves_a_policy_that_was_chosen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
