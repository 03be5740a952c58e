/* Fences over every backend: what store.h promises of store_fence. */
#include "tests/unit/node/store/backends.h"

static const struct store_space value = { "value", STORE_KV }, table = { "table", STORE_MAP }, entries = { "entries", STORE_LOG };

#define HOST  "rooms.example.org"
#define OWNER "hall"

static struct store_op *op_new(struct rig *r)
{
	return rig_op(r, HOST, OWNER);
}

/* The value kept; NULL: none. */
static const char *kept(struct rig *r)
{
	struct store_op *op = op_new(r);
	store_kv_get(op, &value);
	enum err err = rig_run(r);
	assert_true(err == ERR_NONE || err == ERR_NOT_FOUND);
	return err ? NULL : op->first->value.p;
}

/* What becomes of a write of every shape under a fence. */
static enum err write_under(struct rig *r, uint64_t fence, const char *text)
{
	struct store_op *op = op_new(r);
	store_fence(op, fence);
	store_kv_put(op, &value, str_of(text));
	store_map_put(op, &table, STR("field"), str_of(text), 0);
	store_log_append(op, &entries, 1, STR_NONE, str_of(text), 0);
	return rig_run(r);
}

static void fence_refuses_writes_under_a_smaller_one(void **state)
{
	struct rig *r = *state;
	assert_int_equal(write_under(r, 255, "one"), ERR_NONE);
	assert_int_equal(write_under(r, 255, "one again"), ERR_NONE);
	assert_int_equal(write_under(r, 256, "two"), ERR_NONE);
	assert_int_equal(write_under(r, 255, "late"), ERR_DENIED);
	assert_string_equal(kept(r), "two");
	struct store_op *counts = op_new(r);
	store_log_count(counts, &entries, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(counts->first->count, 3);
	struct store_op *get = op_new(r);
	store_map_get(get, &table, STR("field"));
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_string_equal(get->first->value.p, "two");
	assert_int_equal(write_under(r, UINT64_MAX, "last"), ERR_NONE);
	assert_int_equal(write_under(r, 1ull << 63, "late"), ERR_DENIED);
}

static void fence_alone_shuts_out_older_ones_and_tells_the_greatest(void **state)
{
	struct rig *r = *state;
	store_kv_put(op_new(r), &value, STR("kept"));
	assert_int_equal(rig_run(r), ERR_NONE);
	struct store_op *mine = op_new(r);
	store_fence(mine, 7);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(mine->first->version, 7);
	assert_int_equal(write_under(r, 6, "late"), ERR_DENIED);
	struct store_op *late = op_new(r);
	store_fence(late, 5);
	assert_int_equal(rig_run(r), ERR_DENIED);
	assert_int_equal(late->first->version, 7);
	assert_string_equal(kept(r), "kept");
	assert_int_equal(write_under(r, 7, "in time"), ERR_NONE);
}

static void fence_of_an_op_that_fails_is_not_kept(void **state)
{
	struct rig *r = *state;
	struct store_op *op = op_new(r);
	store_fence(op, 9);
	store_kv_get(op, &value);
	assert_int_equal(rig_run(r), ERR_NOT_FOUND);
	assert_int_equal(write_under(r, 8, "fine"), ERR_NONE);
}

static void fence_guards_one_owner_and_goes_with_it(void **state)
{
	struct rig *r = *state;
	assert_int_equal(write_under(r, 9, "x"), ERR_NONE);
	struct store_op *other = rig_op(r, HOST, "romeo");
	store_fence(other, 1);
	store_kv_put(other, &value, STR("his"));
	assert_int_equal(rig_run(r), ERR_NONE);
	struct store_op *end = op_new(r);
	store_fence(end, 9);
	store_owner_delete(end);
	store_fence(end, 9);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_null(kept(r));
	assert_int_equal(write_under(r, 8, "late"), ERR_DENIED);
	store_owner_delete(op_new(r));
	assert_int_equal(write_under(r, 8, "anew"), ERR_NONE);
}

#define CASE(f, setup) { #f, f, setup, teardown, NULL }
#define SUITE(setup)                                                                  \
	{                                                                             \
		CASE(fence_refuses_writes_under_a_smaller_one, setup),                \
		CASE(fence_alone_shuts_out_older_ones_and_tells_the_greatest, setup), \
		CASE(fence_of_an_op_that_fails_is_not_kept, setup),                   \
		CASE(fence_guards_one_owner_and_goes_with_it, setup),                 \
	}

int main(void)
{
	const struct CMUnitTest sqlite[] = SUITE(setup_sqlite), memory[] = SUITE(setup_memory), postgres[] = SUITE(setup_postgres);
	int failed = cmocka_run_group_tests_name("fences over sqlite", sqlite, NULL, NULL);
	failed |= cmocka_run_group_tests_name("fences over memory", memory, NULL, NULL);
	failed |= cmocka_run_group_tests_name("fences over postgres", postgres, pg_setup_group, pg_teardown_group);
	return failed;
}
