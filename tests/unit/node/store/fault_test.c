/* What askers meet when the store misbehaves: deadlines, ceilings, errors that may or may not have had an effect. */
#include "tests/unit/node/store/store_rig.h"

#include "node/store/fault.h"
#include "node/store/memory.h"

static const struct store_space account = { "account", STORE_KV };
static const struct store_space offline = { "offline", STORE_LOG };

static struct store *faulty(uint64_t seed, struct fault_odds odds, struct store_options options)
{
	struct store *inner = memory_store_open(NULL, 0);
	struct store *s = fault_store_open(&inner, seed, &odds, &options);
	assert_null(inner);
	return s;
}

static int setup(void **state)
{
	struct rig *r = *state = rig_new();
	r->store = faulty(1, (struct fault_odds){ 0 }, (struct store_options){ .max_waiting = 8 });
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static struct store_op *append(struct rig *r, const char *value)
{
	struct store_op *op = rig_op(r, "h", "o");
	store_log_append(op, &offline, 1, STR_NONE, str_of(value), 0);
	return op;
}

static uint64_t entries(struct rig *r)
{
	fault_store_set(r->store, &(struct fault_odds){ 0 });
	struct store_op *op = rig_op(r, "h", "o");
	store_log_count(op, &offline, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	return op->first->count;
}

static void io_error_means_not_carried_out(void **state)
{
	struct rig *r = *state;
	fault_store_set(r->store, &(struct fault_odds){ .io = 1000 });
	append(r, "x");
	assert_int_equal(rig_run(r), ERR_IO);
	fault_store_set(r->store, &(struct fault_odds){ .unavailable = 1000 });
	append(r, "x");
	assert_int_equal(rig_run(r), ERR_UNAVAILABLE);
	assert_int_equal(entries(r), 0);
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.failed, 2);
}

static void late_error_hides_a_write_that_took_place(void **state)
{
	struct rig *r = *state;
	fault_store_set(r->store, &(struct fault_odds){ .late_io = 1000 });
	append(r, "x");
	assert_int_equal(rig_run(r), ERR_IO);
	assert_int_equal(entries(r), 1);
}

static void lost_answer_ends_with_the_deadline(void **state)
{
	struct rig *r = *state;
	fault_store_set(r->store, &(struct fault_odds){ .lost = 1000 });
	append(r, "x")->timeout_ms = 40;
	assert_int_equal(rig_run(r), ERR_TIMEOUT);
	struct store_op *op = append(r, "y");
	op->timeout_ms = 20;
	assert_int_equal(rig_run(r), ERR_TIMEOUT);
	assert_int_equal(entries(r), 2);
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.timeouts, 2);
}

static void slow_answer_after_the_deadline_is_ignored(void **state)
{
	struct rig *r = *state;
	fault_store_set(r->store, &(struct fault_odds){ .delay_min_ms = 150 });
	append(r, "x")->timeout_ms = 20;
	assert_int_equal(rig_run(r), ERR_TIMEOUT);
}

static void too_many_waiting_ops_are_refused(void **state)
{
	struct rig *r = *state;
	fault_store_set(r->store, &(struct fault_odds){ .delay_min_ms = 10 });
	for (int i = 0; i < 12; i++)
		append(r, "x");
	assert_int_equal(rig_run(r), ERR_LIMIT);
	for (int i = 0; i < 12; i++)
		assert_int_equal(r->refused[i], i < 8 ? ERR_NONE : ERR_LIMIT);
	assert_int_equal(entries(r), 8);
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.refused, 4);
	assert_int_equal(stats.waiting, 0);
}

static struct store_op *append_bytes(struct rig *r, size_t n)
{
	struct store_op *op = rig_op(r, "h", "o");
	char *value = xzalloc(n);
	store_log_append(op, &offline, 1, STR_NONE, str_span(value, n), 0);
	free(value);
	return op;
}

static void submit_and_look(struct rig *r)
{
	struct store_stats stats;
	rig_submit_all(r);
	store_stats(r->store, &stats);
	assert_int_equal(stats.waiting, 8);
	assert_in_range(stats.waiting_bytes, 7 * 12000, 100000);
	assert_true(store_is_behind(r->store));
}

/* Seven of 12000 bytes fit into 100000, an eighth does not; a read is taken all the same. */
static void too_many_waiting_bytes_are_refused(void **state)
{
	struct rig *r = *state;
	store_close(r->store);
	r->store = faulty(1, (struct fault_odds){ .delay_min_ms = 300 }, (struct store_options){ .max_waiting_bytes = 100000 });
	assert_false(store_is_behind(r->store));
	for (int i = 0; i < 12; i++)
		append_bytes(r, 12000);
	struct store_op *count = rig_op(r, "h", "o");
	store_log_count(count, &offline, NULL);
	rig_call(r, submit_and_look);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(r->refused[i], i < 7 ? ERR_NONE : ERR_LIMIT);
	assert_int_equal(r->refused[12], ERR_NONE);
	for (unsigned i = 0; i < 13; i++)
		if (r->ops[i])
			r->kept[r->n_kept++] = r->ops[i];
	r->n = 0;
	assert_int_equal(count->first->count, 7);
	assert_false(store_is_behind(r->store));
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.refused, 5);
	assert_int_equal(stats.waiting_bytes, 0);
}

/* However small the ceiling, nothing that may be written at all is refused for ever. */
static void one_large_op_is_taken_when_none_waits(void **state)
{
	struct rig *r = *state;
	store_close(r->store);
	r->store = faulty(1, (struct fault_odds){ 0 }, (struct store_options){ .max_waiting_bytes = 1000 });
	append_bytes(r, 12000);
	assert_int_equal(rig_run(r), ERR_NONE);
	fault_store_set(r->store, &(struct fault_odds){ .delay_min_ms = 300 });
	append_bytes(r, 12000);
	append_bytes(r, 12000);
	assert_int_equal(rig_run(r), ERR_LIMIT);
	assert_int_equal(r->refused[0], ERR_NONE);
}

/* 200 ops; the pattern of their errors as bits of a checksum. */
static uint64_t pattern(uint64_t seed)
{
	struct rig *r = rig_new();
	uint64_t sum = 0;
	r->store = faulty(seed, (struct fault_odds){ .io = 200, .late_io = 200, .unavailable = 100 }, (struct store_options){ 0 });
	for (int i = 0; i < 200; i++) {
		struct store_op *op = rig_op(r, "h", "o");
		store_kv_put(op, &account, STR("x"));
		sum = sum * 31 + (uint64_t)rig_run(r);
	}
	rig_free(r);
	return sum;
}

static void same_seed_makes_the_same_faults(void **state)
{
	(void)state;
	assert_true(pattern(5) == pattern(5));
	assert_true(pattern(5) != pattern(6));
}

/* Submits all, and ends the wait of the test's thread at once; answers come later. */
static void submit_and_leave(struct rig *r)
{
	for (unsigned i = 0; i < r->n; i++)
		assert_int_equal(store_submit(r->store, r->ops[i]), ERR_NONE);
	rig_wake(r);
}

static unsigned answered;

static void on_counted(struct store_op *op)
{
	assert_true(op->err == ERR_NONE || op->err == ERR_CANCELLED);
	answered++;
}

static void close_answers_what_is_lost_or_delayed(void **state)
{
	struct rig *r = *state;
	store_close(r->store);
	r->store = faulty(3, (struct fault_odds){ .lost = 500, .delay_max_ms = 5 }, (struct store_options){ .default_timeout_ms = 60000 });
	for (int i = 0; i < 40; i++)
		append(r, "x")->on_done = on_counted;
	rig_call(r, submit_and_leave);
	r->n = 0;
	store_close(r->store);
	r->store = NULL;
	rig_call(r, rig_wake); /* behind all answers in the worker's mailbox */
	assert_int_equal(answered, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(io_error_means_not_carried_out, setup, teardown),
		cmocka_unit_test_setup_teardown(late_error_hides_a_write_that_took_place, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_answer_ends_with_the_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_answer_after_the_deadline_is_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_waiting_ops_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_waiting_bytes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(one_large_op_is_taken_when_none_waits, setup, teardown),
		cmocka_unit_test(same_seed_makes_the_same_faults),
		cmocka_unit_test_setup_teardown(close_answers_what_is_lost_or_delayed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
