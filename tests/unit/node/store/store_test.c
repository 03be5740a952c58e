/* One suite over every backend: what store.h promises. */
#include "tests/unit/node/store/backends.h"

#include "node/store/fault.h"

static const struct store_space account = { "account", STORE_KV }, vcard = { "vcard", STORE_KV };
static const struct store_space roster = { "roster", STORE_MAP }, private = { "private", STORE_MAP };
static const struct store_space offline = { "offline", STORE_LOG }, archive = { "archive", STORE_LOG };

#define HOST  "example.org"
#define OWNER "juliet"

/* Slow, but honest: nothing of what the suite expects may depend on speed. */
static int setup_slow_sqlite(void **state)
{
	struct rig *r = *state = rig_new();
	struct store *inner = open_sqlite(r);
	r->store = fault_store_open(&inner, 7, &(struct fault_odds){ .delay_max_ms = 2 }, NULL);
	return 0;
}

static int setup_slow_memory(void **state)
{
	struct rig *r = *state = rig_new();
	struct store *inner = memory_store_open(NULL, 0);
	r->store = fault_store_open(&inner, 8, &(struct fault_odds){ .delay_max_ms = 2 }, NULL);
	return 0;
}

/* As one that is far away. */
static int setup_slow_postgres(void **state)
{
	struct rig *r = *state = rig_new();
	struct store *inner = pg_open_fresh((struct postgres_store_options){ .pool = 1, .max_batch = 3 });
	r->store = fault_store_open(&inner, 9, &(struct fault_odds){ .delay_max_ms = 2 }, NULL);
	return 0;
}

static struct store_op *op_new(struct rig *r)
{
	return rig_op(r, HOST, OWNER);
}

/* ---- kv ---- */

static void kv_get_of_nothing_is_not_found(void **state)
{
	struct rig *r = *state;
	struct store_op *op = op_new(r);
	store_kv_get(op, &account);
	assert_int_equal(rig_run(r), ERR_NOT_FOUND);
	assert_false(str_present(op->first->value));
}

static void put_value(struct rig *r, const char *owner, const struct store_space *space, const char *value)
{
	struct store_op *op = rig_op(r, HOST, owner);
	store_kv_put(op, space, str_of(value));
	assert_int_equal(rig_run(r), ERR_NONE);
}

/* The value, or NULL. */
static const char *get_value(struct rig *r, const char *owner, const struct store_space *space)
{
	struct store_op *op = rig_op(r, HOST, owner);
	store_kv_get(op, space);
	enum err err = rig_run(r);
	if (err == ERR_NOT_FOUND)
		return NULL;
	assert_int_equal(err, ERR_NONE);
	return op->first->value.p;
}

static void kv_get_answers_what_was_put_last(void **state)
{
	struct rig *r = *state;
	put_value(r, OWNER, &account, "one");
	assert_string_equal(get_value(r, OWNER, &account), "one");
	put_value(r, OWNER, &account, "two");
	assert_string_equal(get_value(r, OWNER, &account), "two");
}

static void kv_keeps_binary_and_empty_values(void **state)
{
	struct rig *r = *state;
	struct store_op *op = op_new(r);
	store_kv_put(op, &account, str_span("a\0b\xff", 4));
	store_kv_put(op, &vcard, STR(""));
	assert_int_equal(rig_run(r), ERR_NONE);
	op = op_new(r);
	struct store_step *a = store_kv_get(op, &account), *b = store_kv_get(op, &vcard);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_true(str_eq(a->value, str_span("a\0b\xff", 4)));
	assert_true(str_present(b->value));
	assert_int_equal(b->value.len, 0);
}

static void kv_tells_hosts_owners_and_spaces_apart(void **state)
{
	struct rig *r = *state;
	put_value(r, OWNER, &account, "here");
	assert_null(get_value(r, OWNER, &vcard));
	assert_null(get_value(r, "romeo", &account));
	assert_null(get_value(r, "", &account));
	struct store_op *op = rig_op(r, "example.net", OWNER);
	store_kv_get(op, &account);
	assert_int_equal(rig_run(r), ERR_NOT_FOUND);
}

static void kv_create_refuses_a_second_value(void **state)
{
	struct rig *r = *state;
	store_kv_create(op_new(r), &account, STR("first"));
	assert_int_equal(rig_run(r), ERR_NONE);
	store_kv_create(op_new(r), &account, STR("second"));
	assert_int_equal(rig_run(r), ERR_EXISTS);
	assert_string_equal(get_value(r, OWNER, &account), "first");
}

static void kv_replace_needs_the_stored_version(void **state)
{
	struct rig *r = *state;
	store_kv_replace(op_new(r), &account, 1, STR("x"));
	assert_int_equal(rig_run(r), ERR_NOT_FOUND);
	struct store_op *put = op_new(r);
	store_kv_put(put, &account, STR("one"));
	assert_int_equal(rig_run(r), ERR_NONE);
	uint64_t first = put->first->version;
	struct store_op *swap = op_new(r);
	store_kv_replace(swap, &account, first, STR("two"));
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_not_equal(swap->first->version, first);
	store_kv_replace(op_new(r), &account, first, STR("three"));
	assert_int_equal(rig_run(r), ERR_EXISTS);
	struct store_op *get = op_new(r);
	store_kv_get(get, &account);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_string_equal(get->first->value.p, "two");
	assert_int_equal(get->first->version, swap->first->version);
}

static void kv_versions_differ_after_delete_and_create(void **state)
{
	struct rig *r = *state;
	struct store_op *a = op_new(r);
	store_kv_create(a, &account, STR("x"));
	store_kv_delete(op_new(r), &account);
	struct store_op *b = op_new(r);
	store_kv_create(b, &account, STR("x"));
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_not_equal(a->first->version, b->first->version);
}

static void kv_delete_counts_what_it_removed(void **state)
{
	struct rig *r = *state;
	put_value(r, OWNER, &account, "x");
	struct store_op *a = op_new(r);
	store_kv_delete(a, &account);
	struct store_op *b = op_new(r);
	store_kv_delete(b, &account);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(a->first->count, 1);
	assert_int_equal(b->first->count, 0);
	assert_null(get_value(r, OWNER, &account));
}

static void kv_owners_come_in_pages(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 25; i++) {
		char name[16];
		snprintf(name, sizeof name, "u%02d", (i * 7) % 25);
		put_value(r, name, &account, "x");
	}
	put_value(r, "u001", &vcard, "not an account");
	store_kv_put(rig_op(r, "example.net", "u99"), &account, STR("elsewhere"));
	char after[16] = "";
	int seen = 0;
	for (bool more = true; more;) {
		struct store_op *op = rig_op(r, HOST, "");
		store_kv_owners(op, &account, after[0] ? str_of(after) : STR_NONE, 10);
		store_kv_count(op, &account);
		assert_int_equal(rig_run(r), ERR_NONE);
		assert_int_equal(op->last->count, 25);
		for (uint32_t i = 0; i < op->first->n_rows; i++, seen++) {
			snprintf(after, sizeof after, "u%02d", seen);
			assert_string_equal(op->first->rows[i].key.p, after);
		}
		more = op->first->more;
		assert_int_equal(op->first->n_rows, more ? 10 : 5);
	}
	assert_int_equal(seen, 25);
}

/* ---- map ---- */

static void put_field(struct rig *r, const struct store_space *space, const char *field, const char *value)
{
	store_map_put(op_new(r), space, str_of(field), str_of(value), 0);
	assert_int_equal(rig_run(r), ERR_NONE);
}

static void map_keeps_fields_apart_and_in_order(void **state)
{
	struct rig *r = *state;
	put_field(r, &roster, "b@x", "2");
	put_field(r, &roster, "a@x", "1");
	put_field(r, &roster, "", "0");
	put_field(r, &roster, "a@x", "one");
	put_field(r, &private, "a@x", "other space");
	struct store_op *op = op_new(r);
	struct store_step *one = store_map_get(op, &roster, STR("a@x")), *all = store_map_all(op, &roster, STR_NONE, 0);
	struct store_step *count = store_map_count(op, &roster);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_string_equal(one->value.p, "one");
	assert_int_equal(count->count, 3);
	assert_int_equal(all->n_rows, 3);
	assert_false(all->more);
	assert_string_equal(all->rows[0].key.p, "");
	assert_string_equal(all->rows[1].key.p, "a@x");
	assert_string_equal(all->rows[1].value.p, "one");
	assert_string_equal(all->rows[2].key.p, "b@x");
}

static void map_get_of_nothing_is_not_found_but_all_is_empty(void **state)
{
	struct rig *r = *state;
	store_map_get(op_new(r), &roster, STR("a@x"));
	assert_int_equal(rig_run(r), ERR_NOT_FOUND);
	struct store_op *op = op_new(r);
	store_map_all(op, &roster, STR_NONE, 0);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->n_rows, 0);
}

static void map_all_tells_when_it_is_cut(void **state)
{
	struct rig *r = *state;
	put_field(r, &roster, "a", "1");
	put_field(r, &roster, "ab", "2");
	put_field(r, &roster, "b", "3");
	struct store_op *op = op_new(r);
	struct store_step *cut = store_map_all(op, &roster, STR_NONE, 2), *rest = store_map_all(op, &roster, STR("a"), 2);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(cut->n_rows, 2);
	assert_true(cut->more);
	assert_int_equal(rest->n_rows, 2);
	assert_false(rest->more);
	assert_string_equal(rest->rows[0].key.p, "ab");
}

static void map_put_past_its_ceiling_is_refused_but_may_change(void **state)
{
	struct rig *r = *state;
	put_field(r, &roster, "a", "1");
	put_field(r, &roster, "b", "2");
	store_map_put(op_new(r), &roster, STR("c"), STR("3"), 2);
	assert_int_equal(rig_run(r), ERR_LIMIT);
	store_map_put(op_new(r), &roster, STR("b"), STR("two"), 2);
	assert_int_equal(rig_run(r), ERR_NONE);
	store_map_put(op_new(r), &roster, STR("c"), STR("3"), 3);
	assert_int_equal(rig_run(r), ERR_NONE);
}

static void map_delete_and_clear_count_what_they_removed(void **state)
{
	struct rig *r = *state;
	put_field(r, &roster, "a", "1");
	put_field(r, &roster, "b", "2");
	put_field(r, &roster, "c", "3");
	put_field(r, &private, "a", "stays");
	struct store_op *op = op_new(r);
	struct store_step *one = store_map_delete(op, &roster, STR("a")), *none = store_map_delete(op, &roster, STR("a"));
	struct store_step *clear = store_map_clear(op, &roster), *left = store_map_count(op, &roster);
	struct store_step *other = store_map_count(op, &private);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(one->count, 1);
	assert_int_equal(none->count, 0);
	assert_int_equal(clear->count, 2);
	assert_int_equal(left->count, 0);
	assert_int_equal(other->count, 1);
}

/* ---- log ---- */

static uint64_t append(struct rig *r, const struct store_space *space, int64_t at_ms, const char *peer, const char *value)
{
	struct store_op *op = op_new(r);
	store_log_append(op, space, at_ms, str_of(peer), str_of(value), 0);
	assert_int_equal(rig_run(r), ERR_NONE);
	return op->first->seq;
}

/* The values of a range, joined by commas; a plus when there are more. */
static const char *range(struct rig *r, const struct store_space *space, struct store_range range)
{
	static char text[512];
	struct store_op *op = op_new(r);
	struct store_step *step = store_log_range(op, space, &range);
	assert_int_equal(rig_run(r), ERR_NONE);
	size_t n = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < step->n_rows; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", i ? "," : "", STR_ARG(step->rows[i].value));
	if (step->more)
		snprintf(text + n, sizeof text - n, "+");
	return text;
}

static uint64_t count(struct rig *r, const struct store_space *space, const struct store_range *range)
{
	struct store_op *op = op_new(r);
	store_log_count(op, space, range);
	assert_int_equal(rig_run(r), ERR_NONE);
	return op->first->count;
}

static void log_numbers_entries_from_one(void **state)
{
	struct rig *r = *state;
	assert_int_equal(append(r, &offline, 1000, NULL, "a"), 1);
	assert_int_equal(append(r, &offline, 2000, NULL, "b"), 2);
	assert_int_equal(append(r, &archive, 2000, NULL, "x"), 1);
	struct store_op *op = op_new(r);
	store_log_range(op, &offline, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->n_rows, 2);
	assert_int_equal(op->first->rows[0].seq, 1);
	assert_int_equal(op->first->rows[0].at_ms, 1000);
	assert_false(str_present(op->first->rows[0].peer));
	assert_string_equal(op->first->rows[1].value.p, "b");
	assert_int_equal(op->first->rows[1].at_ms, 2000);
}

static void log_never_gives_a_number_twice(void **state)
{
	struct rig *r = *state;
	append(r, &offline, 1, NULL, "a");
	assert_int_equal(append(r, &offline, 1, NULL, "b"), 2);
	store_log_trim(op_new(r), &offline, UINT64_MAX);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(count(r, &offline, NULL), 0);
	assert_int_equal(append(r, &offline, 1, NULL, "c"), 3);
}

static void log_range_follows_seq_time_peer_and_direction(void **state)
{
	struct rig *r = *state;
	assert_string_equal(range(r, &archive, (struct store_range){ 0 }), "");
	const char *peers[] = { "romeo@x", "nurse@x", NULL };
	for (int i = 0; i < 9; i++) {
		char value[2] = { (char)('a' + i), 0 };
		append(r, &archive, 100 * (i + 1), peers[i % 3], value);
	}
	assert_string_equal(range(r, &archive, (struct store_range){ 0 }), "a,b,c,d,e,f,g,h,i");
	assert_string_equal(range(r, &archive, (struct store_range){ .limit = 3 }), "a,b,c+");
	assert_string_equal(range(r, &archive, (struct store_range){ .limit = 3, .newest_first = true }), "i,h,g+");
	assert_string_equal(range(r, &archive, (struct store_range){ .max_bytes = 1 }), "a+");
	assert_string_equal(range(r, &archive, (struct store_range){ .max_bytes = 2 * (sizeof(struct store_row) + 8) }), "a,b+");
	assert_string_equal(range(r, &archive, (struct store_range){ .from_seq = 3, .to_seq = 5 }), "c,d,e");
	assert_string_equal(range(r, &archive, (struct store_range){ .from_seq = 8 }), "h,i");
	assert_string_equal(range(r, &archive, (struct store_range){ .from_seq = 1ull << 40 }), "");
	assert_string_equal(range(r, &archive, (struct store_range){ .to_seq = 2, .limit = 2, .newest_first = true }), "b,a");
	assert_string_equal(range(r, &archive, (struct store_range){ .from_ms = 300, .to_ms = 500 }), "c,d");
	assert_string_equal(range(r, &archive, (struct store_range){ .peer = STR("romeo@x") }), "a,d,g");
	assert_string_equal(range(r, &archive, (struct store_range){ .peer = STR("romeo@x"), .from_seq = 2, .limit = 1 }), "d+");
	assert_int_equal(count(r, &archive, &(struct store_range){ .peer = STR("nurse@x") }), 3);
	assert_int_equal(count(r, &archive, &(struct store_range){ .from_ms = 300 }), 7);
	assert_int_equal(count(r, &archive, NULL), 9);
}

static void log_append_past_its_ceiling_is_refused(void **state)
{
	struct rig *r = *state;
	append(r, &offline, 1, NULL, "a");
	append(r, &offline, 1, NULL, "b");
	store_log_append(op_new(r), &offline, 1, STR_NONE, STR("c"), 2);
	assert_int_equal(rig_run(r), ERR_LIMIT);
	store_log_delete(op_new(r), &offline, 1);
	store_log_append(op_new(r), &offline, 1, STR_NONE, STR("d"), 2);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_string_equal(range(r, &offline, (struct store_range){ 0 }), "b,d");
}

static void log_deletes_one_or_all_up_to(void **state)
{
	struct rig *r = *state;
	for (const char *c = "abcdef"; *c; c++)
		append(r, &offline, 1, NULL, (char[]){ *c, 0 });
	struct store_op *op = op_new(r);
	struct store_step *one = store_log_delete(op, &offline, 5), *none = store_log_delete(op, &offline, 77);
	struct store_step *head = store_log_trim(op, &offline, 2);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(one->count, 1);
	assert_int_equal(none->count, 0);
	assert_int_equal(head->count, 2);
	assert_string_equal(range(r, &offline, (struct store_range){ 0 }), "c,d,f");
	assert_int_equal(count(r, &offline, NULL), 3);
}

static void log_expires_over_all_owners_in_chunks(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 40; i++) {
		char owner[8];
		snprintf(owner, sizeof owner, "u%d", i % 4);
		store_log_append(rig_op(r, HOST, owner), &archive, i * 10, STR_NONE, STR("x"), 0);
	}
	store_log_append(rig_op(r, "example.net", "u1"), &archive, 0, STR_NONE, STR("other host"), 0);
	store_log_append(rig_op(r, HOST, "u1"), &offline, 0, STR_NONE, STR("other space"), 0);
	assert_int_equal(rig_run(r), ERR_NONE);
	uint64_t removed = 0, cursor = 0;
	int chunks = 0;
	for (bool more = true; more; chunks++) {
		struct store_op *op = rig_op(r, HOST, "");
		store_log_expire(op, &archive, 300, 7, cursor);
		assert_int_equal(rig_run(r), ERR_NONE);
		assert_true(op->first->count <= 7);
		removed += op->first->count;
		more = op->first->more;
		cursor = op->first->cursor;
	}
	assert_int_equal(removed, 30);
	assert_true(chunks >= 5);
	struct store_op *op = rig_op(r, HOST, "u1");
	struct store_step *left = store_log_count(op, &archive, NULL), *other = store_log_count(op, &offline, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(left->count, 2);
	assert_int_equal(other->count, 1);
	op = rig_op(r, "example.net", "u1");
	store_log_count(op, &archive, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->count, 1);
}

/* ---- ops ---- */

static void op_that_fails_writes_nothing(void **state)
{
	struct rig *r = *state;
	put_value(r, OWNER, &account, "old");
	put_field(r, &roster, "a", "old");
	append(r, &offline, 1, NULL, "old");
	struct store_op *op = op_new(r);
	store_kv_put(op, &account, STR("new"));
	store_kv_delete(op, &account);
	store_map_put(op, &roster, STR("a"), STR("new"), 0);
	store_map_put(op, &roster, STR("b"), STR("new"), 0);
	store_map_clear(op, &roster);
	store_log_append(op, &offline, 2, STR_NONE, STR("new"), 0);
	store_log_trim(op, &offline, 1);
	store_owner_delete(op);
	store_kv_put(op, &vcard, STR("new"));
	store_kv_create(op, &vcard, STR("newer"));
	assert_int_equal(rig_run(r), ERR_EXISTS);
	assert_string_equal(get_value(r, OWNER, &account), "old");
	assert_null(get_value(r, OWNER, &vcard));
	op = op_new(r);
	store_map_all(op, &roster, STR_NONE, 0);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->n_rows, 1);
	assert_string_equal(op->first->rows[0].value.p, "old");
	assert_string_equal(range(r, &offline, (struct store_range){ 0 }), "old");
	assert_int_equal(count(r, &offline, NULL), 1);
}

static void op_that_fails_does_not_disturb_others_beside_it(void **state)
{
	struct rig *r = *state;
	store_kv_put(rig_op(r, HOST, "a"), &account, STR("a"));
	struct store_op *bad = rig_op(r, HOST, "b");
	store_kv_put(bad, &account, STR("b"));
	store_kv_create(bad, &account, STR("bb"));
	store_kv_put(rig_op(r, HOST, "c"), &account, STR("c"));
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(bad->err, ERR_EXISTS);
	assert_string_equal(get_value(r, "a", &account), "a");
	assert_null(get_value(r, "b", &account));
	assert_string_equal(get_value(r, "c", &account), "c");
}

static void read_step_is_a_condition_for_the_writes_after_it(void **state)
{
	struct rig *r = *state;
	put_field(r, &roster, "a", "1");
	struct store_op *op = op_new(r);
	store_kv_get(op, &account);
	store_owner_delete(op);
	assert_int_equal(rig_run(r), ERR_NOT_FOUND);
	op = op_new(r);
	store_map_count(op, &roster);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->count, 1);
}

static void owner_delete_removes_all_spaces_of_one_owner(void **state)
{
	struct rig *r = *state;
	put_value(r, OWNER, &account, "x");
	put_value(r, OWNER, &vcard, "x");
	put_value(r, "julie", &account, "a neighbour in the order of keys");
	put_field(r, &roster, "a", "1");
	append(r, &offline, 1, NULL, "a");
	append(r, &archive, 1, NULL, "a");
	struct store_op *op = op_new(r);
	store_owner_delete(op);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->count, 5);
	assert_null(get_value(r, OWNER, &account));
	assert_null(get_value(r, OWNER, &vcard));
	assert_int_equal(count(r, &offline, NULL), 0);
	assert_int_equal(count(r, &archive, NULL), 0);
	assert_non_null(get_value(r, "julie", &account));
	assert_int_equal(append(r, &offline, 1, NULL, "a"), 1);
}

static void ops_of_one_owner_keep_their_order(void **state)
{
	struct rig *r = *state;
	struct store_op *reads[50];
	for (int i = 0; i < 50; i++) {
		char value[8];
		snprintf(value, sizeof value, "%d", i);
		store_kv_put(op_new(r), &account, str_of(value));
		reads[i] = op_new(r);
		store_kv_get(reads[i], &account);
		store_kv_put(rig_op(r, HOST, "somebody"), &account, STR("noise"));
	}
	assert_int_equal(rig_run(r), ERR_NONE);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t value;
		assert_true(str_to_u64(reads[i]->first->value, &value));
		assert_int_equal(value, i);
	}
}

static void op_that_is_malformed_is_refused_at_once(void **state)
{
	struct rig *r = *state;
	char *big = xzalloc(STORE_VALUE_MAX + 1);
	memset(big, 'x', STORE_VALUE_MAX + 1);
	store_kv_put(op_new(r), &account, str_span(big, STORE_VALUE_MAX + 1));
	assert_int_equal(rig_run(r), ERR_LIMIT);
	store_map_get(op_new(r), &roster, str_span(big, STORE_FIELD_MAX + 1));
	assert_int_equal(rig_run(r), ERR_LIMIT);
	store_map_get(op_new(r), &roster, str_span("a\0b", 3));
	assert_int_equal(rig_run(r), ERR_INVALID);
	struct store_op *op = op_new(r);
	for (int i = 0; i < STORE_STEPS_MAX + 1; i++)
		store_kv_get(op, &account);
	assert_int_equal(rig_run(r), ERR_LIMIT);
	struct store_op *fits = op_new(r);
	store_kv_put(fits, &account, str_span(big, STORE_VALUE_MAX));
	store_kv_get(fits, &account);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(fits->last->value.len, STORE_VALUE_MAX);
	free(big);
}

static void answers_have_a_ceiling_in_bytes(void **state)
{
	struct rig *r = *state;
	char *big = xzalloc(STORE_VALUE_MAX);
	for (int i = 0; i < 10; i++)
		store_log_append(op_new(r), &archive, i, STR_NONE, str_span(big, STORE_VALUE_MAX - 100), 0);
	assert_int_equal(rig_run(r), ERR_NONE);
	struct store_op *op = op_new(r);
	store_log_range(op, &archive, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_true(op->first->more);
	assert_int_equal(op->first->n_rows, 8);
	free(big);
}

/* ---- cancelling ---- */

static struct store_op *forgotten;

static void on_never(struct store_op *op)
{
	(void)op;
	fail_msg("a cancelled op was answered");
}

static void submit_and_cancel(struct rig *r)
{
	for (int i = 0; i < 20; i++) {
		forgotten = store_op_new(STR(HOST), STR(OWNER), on_never, NULL);
		if (i % 2)
			store_log_append(forgotten, &offline, i, STR_NONE, STR("kept"), 0);
		else
			store_kv_get(forgotten, &account);
		assert_int_equal(store_submit(r->store, forgotten), ERR_NONE);
		store_op_cancel(&forgotten);
		assert_null(forgotten);
		store_op_cancel(&forgotten);
	}
	forgotten = store_op_new(STR(HOST), STR(OWNER), on_never, NULL);
	store_op_cancel(&forgotten);
	rig_wake(r);
}

static void cancelled_ops_are_silent_and_their_writes_happen(void **state)
{
	struct rig *r = *state;
	rig_call(r, submit_and_cancel);
	assert_int_equal(count(r, &offline, NULL), 10);
}

static void on_cancel_self(struct store_op *op)
{
	struct rig *r = op->arg;
	struct store_op *self = op;
	store_op_keep(op);
	store_op_cancel(&self);
	rig_wake(r);
}

static void submit_one_that_cancels_itself(struct rig *r)
{
	struct store_op *op = store_op_new(STR(HOST), STR(OWNER), on_cancel_self, r);
	store_kv_get(op, &account);
	assert_int_equal(store_submit(r->store, op), ERR_NONE);
}

static void cancel_inside_on_done_is_harmless(void **state)
{
	rig_call(*state, submit_one_that_cancels_itself);
}

static void stats_count_what_happened(void **state)
{
	struct rig *r = *state;
	put_value(r, OWNER, &account, "x");
	get_value(r, OWNER, &account);
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.reads, 1);
	assert_int_equal(stats.writes, 1);
	assert_int_equal(stats.waiting, 0);
	uint64_t sum = 0;
	for (int i = 0; i < STORE_BUCKETS; i++)
		sum += stats.latency_us[i];
	assert_int_equal(sum, 2);
	assert_true(store_healthy(r->store));
}

#define CASE(f, setup) { #f, f, setup, teardown, NULL }
#define SUITE(setup)                                                      \
	{                                                                 \
		CASE(kv_get_of_nothing_is_not_found, setup),              \
		CASE(kv_get_answers_what_was_put_last, setup),            \
		CASE(kv_keeps_binary_and_empty_values, setup),            \
		CASE(kv_tells_hosts_owners_and_spaces_apart, setup),      \
		CASE(kv_create_refuses_a_second_value, setup),            \
		CASE(kv_replace_needs_the_stored_version, setup),         \
		CASE(kv_versions_differ_after_delete_and_create, setup),  \
		CASE(kv_delete_counts_what_it_removed, setup),            \
		CASE(kv_owners_come_in_pages, setup),                     \
		CASE(map_keeps_fields_apart_and_in_order, setup),         \
		CASE(map_get_of_nothing_is_not_found_but_all_is_empty, setup), \
		CASE(map_all_tells_when_it_is_cut, setup),                \
		CASE(map_put_past_its_ceiling_is_refused_but_may_change, setup), \
		CASE(map_delete_and_clear_count_what_they_removed, setup), \
		CASE(log_numbers_entries_from_one, setup),                \
		CASE(log_never_gives_a_number_twice, setup),              \
		CASE(log_range_follows_seq_time_peer_and_direction, setup), \
		CASE(log_append_past_its_ceiling_is_refused, setup),      \
		CASE(log_deletes_one_or_all_up_to, setup),                \
		CASE(log_expires_over_all_owners_in_chunks, setup),       \
		CASE(op_that_fails_writes_nothing, setup),                \
		CASE(op_that_fails_does_not_disturb_others_beside_it, setup), \
		CASE(read_step_is_a_condition_for_the_writes_after_it, setup), \
		CASE(owner_delete_removes_all_spaces_of_one_owner, setup), \
		CASE(ops_of_one_owner_keep_their_order, setup),           \
		CASE(op_that_is_malformed_is_refused_at_once, setup),     \
		CASE(answers_have_a_ceiling_in_bytes, setup),             \
		CASE(cancelled_ops_are_silent_and_their_writes_happen, setup), \
		CASE(cancel_inside_on_done_is_harmless, setup),           \
		CASE(stats_count_what_happened, setup),                   \
	}

int main(void)
{
	const struct CMUnitTest sqlite[] = SUITE(setup_sqlite), memory[] = SUITE(setup_memory);
	const struct CMUnitTest slow_sqlite[] = SUITE(setup_slow_sqlite), slow_memory[] = SUITE(setup_slow_memory);
	const struct CMUnitTest postgres[] = SUITE(setup_postgres), slow_postgres[] = SUITE(setup_slow_postgres);
	int failed = cmocka_run_group_tests_name("store over sqlite", sqlite, NULL, NULL);
	failed |= cmocka_run_group_tests_name("store over memory", memory, NULL, NULL);
	failed |= cmocka_run_group_tests_name("store over slow sqlite", slow_sqlite, NULL, NULL);
	failed |= cmocka_run_group_tests_name("store over slow memory", slow_memory, NULL, NULL);
	failed |= cmocka_run_group_tests_name("store over postgres", postgres, pg_setup_group, pg_teardown_group);
	failed |= cmocka_run_group_tests_name("store over slow postgres", slow_postgres, pg_setup_group, pg_teardown_group);
	return failed;
}
