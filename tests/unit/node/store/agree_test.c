/* Two stores written apart from each other are given the same random ops and must answer alike, seed by seed. */
#include "tests/unit/node/store/pg_server.h"

#include "node/store/memory.h"
#include "node/store/sqlite.h"

#define SEEDS  12
#define ROUNDS 120
#define BURST  12 /* ops in one go: batches, order, savepoints */

static const struct store_space spaces[] = {
	{ "kv-a", STORE_KV },   { "kv-b", STORE_KV },   { "map-a", STORE_MAP },
	{ "map-b", STORE_MAP }, { "log-a", STORE_LOG }, { "log-b", STORE_LOG },
};
static const char *const hosts[] = { "x", "xy" }, *const owners[] = { "", "a", "ab", "b" };
static const char *const names[] = { "", "f", "fg", "g", "\xc3\xa9" };

/* The version that each store gave last: versions differ between stores, what replace makes of them does not. */
static uint64_t versions[2][2][4][2];

#define PICK(table, n) ((table)[(n) % (sizeof(table) / sizeof((table)[0]))])

static bool no_wide;

static struct str text(uint64_t n)
{
	return str_of(PICK(names, n));
}

static void add_kv(struct store_op *op, uint64_t n, uint64_t version)
{
	const struct store_space *space = &spaces[n % 2];
	n /= 2;
	struct str value = text(n >> 8);
	switch (n % 7) {
	case 0:
		store_kv_put(op, space, value);
		break;
	case 1:
		store_kv_create(op, space, value);
		break;
	case 2:
		store_kv_replace(op, space, version, value);
		break;
	case 3:
		store_kv_delete(op, space);
		break;
	case 4:
		if (no_wide)
			break;
		store_kv_owners(op, space, n & 64 ? STR_NONE : text(n >> 12), (uint32_t)(n >> 16) % 4);
		break;
	case 5:
		if (!no_wide)
			store_kv_count(op, space);
		break;
	default:
		store_kv_get(op, space);
	}
}

static void add_map(struct store_op *op, uint64_t n)
{
	const struct store_space *space = &spaces[2 + n % 2];
	n /= 2;
	struct str field = text(n >> 8);
	switch (n % 7) {
	case 0:
	case 1:
		store_map_put(op, space, field, text(n >> 12), (uint32_t)(n >> 16) % 4);
		break;
	case 2:
		store_map_get(op, space, field);
		break;
	case 3:
		store_map_all(op, space, n & 64 ? STR_NONE : field, (uint32_t)(n >> 16) % 4);
		break;
	case 4:
		store_map_delete(op, space, field);
		break;
	case 5:
		store_map_count(op, space);
		break;
	default:
		if (n % 3 == 0)
			store_map_clear(op, space);
		else
			store_map_count(op, space);
	}
}

static void add_log(struct store_op *op, uint64_t n)
{
	const struct store_space *space = &spaces[4 + n % 2];
	n /= 2;
	struct str peer = n & 64 ? STR_NONE : text(n >> 8);
	struct store_range range = {
		.from_seq = (n >> 12) % 12,
		.to_seq = (n >> 16) % 20,
		.from_ms = (int64_t)((n >> 20) % 50),
		.to_ms = (int64_t)((n >> 26) % 90),
		.peer = n & 128 ? peer : STR_NONE,
		.limit = (uint32_t)(n >> 32) % 5,
		.newest_first = n >> 40 & 1,
	};
	switch (n % 8) {
	case 0:
	case 1:
	case 2:
		store_log_append(op, space, (int64_t)((n >> 20) % 100), peer, text(n >> 28), (uint32_t)(n >> 32) % 9);
		break;
	case 3:
		store_log_range(op, space, &range);
		break;
	case 4:
		store_log_count(op, space, n & 256 ? &range : NULL);
		break;
	case 5:
		store_log_delete(op, space, range.from_seq);
		break;
	case 6:
		store_log_trim(op, space, range.from_seq / 2);
		break;
	default:
		if (no_wide)
			break;
		store_log_expire(op, space, range.from_ms, 1000, 0); /* in chunks, stores may differ in where they begin */
	}
}

static struct store_op *random_op(struct rig *r, int which, uint64_t n, struct rng *rng)
{
	uint64_t h = n % 2, o = (n >> 1) % 4;
	struct store_op *op = rig_op(r, hosts[h], owners[o]);
	for (unsigned steps = 1 + (n >> 8) % 4; steps > 0; steps--) {
		uint64_t m = rng_u64(rng);
		uint64_t version = m & 1 ? versions[which][h][o][(m >> 1) % 2] : 5;
		if (m >> 58 == 0)
			store_owner_delete(op);
		else if (m >> 58 < 12)
			store_fence(op, (m >> 8) % 1000 << (m >> 18) % 50);
		else if (m % 3 == 0)
			add_kv(op, m >> 1, version);
		else if (m % 3 == 1)
			add_map(op, m >> 1);
		else
			add_log(op, m >> 1);
	}
	if (!op->n_steps)
		store_kv_get(op, &spaces[0]);
	return op;
}

static void note_versions(int which, const struct store_op *op)
{
	size_t h = str_is(op->host, "xy"), o = 0;
	while (!str_is(op->owner, owners[o]))
		o++;
	for (const struct store_step *s = op->first; s && !op->err; s = s->next) {
		if (s->version)
			versions[which][h][o][s->space == &spaces[1]] = s->version;
	}
}

static void same_step(const struct store_step *a, const struct store_step *b)
{
	assert_true(str_eq(a->value, b->value) && str_present(a->value) == str_present(b->value));
	assert_int_equal(!a->version, !b->version);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->more, b->more);
	assert_int_equal(a->n_rows, b->n_rows);
	for (uint32_t i = 0; i < a->n_rows; i++) {
		assert_true(str_eq(a->rows[i].key, b->rows[i].key));
		assert_true(str_eq(a->rows[i].value, b->rows[i].value));
		assert_true(str_eq(a->rows[i].peer, b->rows[i].peer));
		assert_int_equal(str_present(a->rows[i].peer), str_present(b->rows[i].peer));
		assert_int_equal(a->rows[i].seq, b->rows[i].seq);
		assert_int_equal(a->rows[i].at_ms, b->rows[i].at_ms);
	}
}

static void same_answer(const struct store_op *a, const struct store_op *b)
{
	assert_string_equal(err_name(a->err), err_name(b->err));
	if (a->err)
		return;
	for (const struct store_step *s = a->first, *t = b->first; s; s = s->next, t = t->next)
		same_step(s, t);
}

static void one_seed(struct rig *disk, struct rig *memory, uint64_t seed)
{
	struct rng rng, again;
	struct store_op *ops[2][BURST];
	rng_init_seeded(&rng, seed);
	memset(versions, 0, sizeof versions);
	for (int round = 0; round < ROUNDS; round++) {
		again = rng;
		for (int i = 0; i < BURST; i++)
			ops[0][i] = random_op(disk, 0, rng_u64(&rng), &rng);
		rig_run(disk);
		rng = again;
		for (int i = 0; i < BURST; i++)
			ops[1][i] = random_op(memory, 1, rng_u64(&rng), &rng);
		rig_run(memory);
		for (int i = 0; i < BURST; i++) {
			same_answer(ops[0][i], ops[1][i]);
			note_versions(0, ops[0][i]);
			note_versions(1, ops[1][i]);
		}
		rig_sweep(disk);
		rig_sweep(memory);
	}
}

static void sqlite_and_memory_answer_alike(void **state)
{
	char why[SQLITE_WHY_BYTES];
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct rig *sqlite = rig_new(), *memory = rig_new();
		struct sqlite_store_options options = { .path = rig_path(sqlite), .sync_normal = true };
		assert_int_equal(sqlite_store_open(&options, &sqlite->store, why), ERR_NONE);
		memory->store = memory_store_open(NULL, 0);
		print_message("seed %d\n", (int)seed);
		one_seed(sqlite, memory, seed);
		rig_free(sqlite);
		rig_free(memory);
	}
}

/* One connection: what is asked of all owners has its place among the rest then, as in memory. */
static void postgres_and_memory_answer_alike(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct rig *postgres = rig_new(), *memory = rig_new();
		postgres->store = pg_open_fresh((struct postgres_store_options){ .pool = 1 });
		memory->store = memory_store_open(NULL, 0);
		print_message("seed %d\n", (int)seed);
		one_seed(postgres, memory, seed);
		rig_free(postgres);
		rig_free(memory);
	}
}

/* Several, with what concerns one owner only. */
static void postgres_with_a_pool_and_memory_answer_alike(void **state)
{
	no_wide = true;
	(void)state;
	for (uint64_t seed = 101; seed <= 100 + SEEDS; seed++) {
		struct rig *postgres = rig_new(), *memory = rig_new();
		postgres->store = pg_open_fresh((struct postgres_store_options){ .pool = 3, .max_batch = 5 });
		memory->store = memory_store_open(NULL, 0);
		print_message("seed %d\n", (int)seed);
		one_seed(postgres, memory, seed);
		rig_free(postgres);
		rig_free(memory);
	}
	no_wide = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sqlite_and_memory_answer_alike) };
	const struct CMUnitTest with_server[] = {
		cmocka_unit_test(postgres_and_memory_answer_alike),
		cmocka_unit_test(postgres_with_a_pool_and_memory_answer_alike),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed | cmocka_run_group_tests(with_server, pg_setup_group, pg_teardown_group);
}
