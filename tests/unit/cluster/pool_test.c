#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "cluster/pool.h"

#define JOBS 100

static struct worker *w;
static unsigned done;
static bool answered_here;
static _Atomic unsigned worked, worked_on_a_worker, worked_as_pool;
static uv_sem_t gate;

static int set_up(void **state)
{
	w = worker_new(0, "test");
	done = 0;
	atomic_store(&worked, 0);
	answered_here = true;
	atomic_store(&worked_on_a_worker, 0);
	atomic_store(&worked_as_pool, 0);
	return 0;
}

static int tear_down(void **state)
{
	pool_set_limit(4096);
	worker_free(w);
	return 0;
}

static void work(struct job *j)
{
	atomic_fetch_add(&worked, 1);
	if (worker_current())
		atomic_fetch_add(&worked_on_a_worker, 1);
	char name[16];
	pthread_getname_np(pthread_self(), name, sizeof name);
	if (strcmp(name, "pool") == 0)
		atomic_fetch_add(&worked_as_pool, 1);
}

static void on_done(struct job *j, bool cancelled)
{
	answered_here &= worker_current() == w && !cancelled;
	if (++done == JOBS)
		worker_stop(w);
}

static void every_job_works_elsewhere_and_is_answered_on_its_worker(void **state)
{
	struct job jobs[JOBS] = { 0 };
	for (int i = 0; i < JOBS; i++) {
		jobs[i].work = work;
		jobs[i].on_done = on_done;
		assert_int_equal(pool_submit(w, &jobs[i]), ERR_NONE);
	}
	worker_run(w);
	assert_int_equal(done, JOBS);
	assert_int_equal(atomic_load(&worked), JOBS);
	assert_int_equal(atomic_load(&worked_on_a_worker), 0);
	assert_int_equal(atomic_load(&worked_as_pool), JOBS);
	assert_true(answered_here);
	assert_int_equal(pool_waiting(), 0);
}

static void work_behind_gate(struct job *j)
{
	uv_sem_wait(&gate);
	uv_sem_post(&gate);
}

static void count_done(struct job *j, bool cancelled)
{
	done++;
}

static void jobs_past_the_ceiling_are_refused(void **state)
{
	struct job jobs[4] = { 0 };
	uv_sem_init(&gate, 0);
	pool_set_limit(3);
	for (int i = 0; i < 4; i++) {
		jobs[i].work = work_behind_gate;
		jobs[i].on_done = count_done;
		assert_int_equal(pool_submit(w, &jobs[i]), i < 3 ? ERR_NONE : ERR_LIMIT);
	}
	assert_int_equal(pool_waiting(), 3);
	uv_sem_post(&gate);
	worker_stop(w);
	worker_run(w); /* it waits for what it began */
	assert_int_equal(done, 3);
	assert_int_equal(pool_waiting(), 0);
	uv_sem_destroy(&gate);
}

static void once_more(struct job *j, bool cancelled)
{
	if (++done == 3)
		worker_stop(w);
	else
		assert_int_equal(pool_submit(w, j), ERR_NONE);
}

static void job_may_be_submitted_again_when_it_is_done(void **state)
{
	struct job j = { .work = work, .on_done = once_more };
	assert_int_equal(pool_submit(w, &j), ERR_NONE);
	worker_run(w);
	assert_int_equal(done, 3);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest cases[] = {
		CASE(every_job_works_elsewhere_and_is_answered_on_its_worker),
		CASE(jobs_past_the_ceiling_are_refused),
		CASE(job_may_be_submitted_again_when_it_is_done),
	};
	return cmocka_run_group_tests(cases, NULL, NULL);
}
