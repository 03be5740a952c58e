/* What is SQLite's own: files, locks, crashes, full disks, group commit. */
#include "tests/unit/node/store/store_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "node/store/sqlite.h"

static const struct store_space account = { "account", STORE_KV };
static const struct store_space offline = { "offline", STORE_LOG };

static char why[SQLITE_WHY_BYTES];

static enum err try_open(struct rig *r, struct sqlite_store_options options)
{
	options.path = rig_path(r);
	options.sync_normal = true;
	return sqlite_store_open(&options, &r->store, why);
}

static void reopen(struct rig *r, struct sqlite_store_options options)
{
	rig_sweep(r);
	store_close(r->store);
	r->store = NULL;
	if (try_open(r, options))
		fail_msg("%s", why);
}

static int setup(void **state)
{
	struct rig *r = *state = rig_new();
	return try_open(r, (struct sqlite_store_options){ 0 });
}

static int setup_closed(void **state)
{
	*state = rig_new();
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
	struct store_op *op = rig_op(r, "h", "o");
	store_log_count(op, &offline, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	return op->first->count;
}

/* ---- files ---- */

static void data_survives_a_restart(void **state)
{
	struct rig *r = *state;
	append(r, "one");
	store_kv_put(rig_op(r, "h", "o"), &account, STR("x"));
	assert_int_equal(rig_run(r), ERR_NONE);
	reopen(r, (struct sqlite_store_options){ 0 });
	struct store_op *op = append(r, "two");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->seq, 2);
	op = rig_op(r, "h", "o");
	store_kv_get(op, &account);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_string_equal(op->first->value.p, "x");
}

static void second_server_on_the_same_data_is_refused(void **state)
{
	struct rig *r = *state;
	struct store *mine = r->store;
	assert_int_equal(try_open(r, (struct sqlite_store_options){ 0 }), ERR_DENIED);
	assert_null(r->store);
	assert_non_null(strstr(why, "another starling runs on this data directory"));
	r->store = mine;
	append(r, "still mine");
	assert_int_equal(rig_run(r), ERR_NONE);
}

static void database_is_not_readable_by_others(void **state)
{
	struct rig *r = *state;
	struct stat st;
	assert_int_equal(stat(rig_path(r), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void folder_that_is_missing_is_named(void **state)
{
	(void)state;
	struct store *s;
	struct sqlite_store_options options = { .path = "/nowhere/at/all/starling.db" };
	assert_int_equal(sqlite_store_open(&options, &s, why), ERR_IO);
	assert_non_null(strstr(why, "/nowhere/at/all/starling.db"));
}

static void sql(struct rig *r, const char *text)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(rig_path(r), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void newer_schema_is_refused_with_its_version(void **state)
{
	struct rig *r = *state;
	store_close(r->store);
	sql(r, "PRAGMA user_version = 4711");
	assert_int_equal(try_open(r, (struct sqlite_store_options){ 0 }), ERR_INVALID);
	assert_non_null(strstr(why, "4711"));
}

static void database_of_another_program_is_refused(void **state)
{
	struct rig *r = *state;
	sql(r, "CREATE TABLE bookmarks(id)");
	assert_int_equal(try_open(r, (struct sqlite_store_options){ 0 }), ERR_INVALID);
	assert_non_null(strstr(why, "another program"));
}

static void file_that_is_no_database_is_refused(void **state)
{
	struct rig *r = *state;
	FILE *f = fopen(rig_path(r), "w");
	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is a letter, not a database\n", f);
	fclose(f);
	assert_int_equal(try_open(r, (struct sqlite_store_options){ 0 }), ERR_INVALID);
	assert_non_null(strstr(why, "not a database"));
}

/* ---- crashes ---- */

static struct rig *rig_in(const char *dir)
{
	struct rig *r = rig_new();
	rmdir(r->dir);
	snprintf(r->dir, sizeof r->dir, "%s", dir);
	return r;
}

/* In the child: appends, and tells of each entry that was answered. */
static void append_until_killed(const char *dir, int fd)
{
	struct rig *r = rig_in(dir);
	struct sqlite_store_options options = { .path = rig_path(r) };
	if (sqlite_store_open(&options, &r->store, why))
		_exit(1);
	for (;;) {
		struct store_op *ops[8];
		for (int i = 0; i < 8; i++)
			ops[i] = append(r, "acknowledged");
		if (rig_run(r) || write(fd, &ops[7]->first->seq, sizeof ops[7]->first->seq) < 0)
			_exit(1);
	}
}

static void answered_writes_survive_kill_9(void **state)
{
	char dir[] = "/tmp/starling-crash-XXXXXX";
	int fds[2];
	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork(); /* before this process has any other thread */
	if (!child)
		append_until_killed(dir, fds[1]);
	close(fds[1]);
	uint64_t seq = 0, last = 0;
	for (int i = 0; i < 40 && read(fds[0], &seq, sizeof seq) == sizeof seq; i++)
		last = seq;
	kill(child, SIGKILL);
	while (read(fds[0], &seq, sizeof seq) == sizeof seq)
		last = seq;
	close(fds[0]);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_true(last >= 8 * 40);
	struct rig *r = rig_in(dir);
	if (try_open(r, (struct sqlite_store_options){ 0 }))
		fail_msg("%s", why);
	uint64_t n = entries(r);
	assert_true(n >= last);
	struct store_op *op = append(r, "after");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->seq, n + 1);
	rig_free(r);
}

/* ---- disks ---- */

static _Atomic int sick, well;

static void on_health(void *arg, bool healthy, const char *text)
{
	(void)arg;
	assert_non_null(text);
	atomic_fetch_add(healthy ? &well : &sick, 1);
}

static void wait_until_healthy(struct rig *r)
{
	for (int i = 0; i < 1000 && !store_healthy(r->store); i++)
		usleep(10000);
	assert_true(store_healthy(r->store));
}

static void limit_file_size(rlim_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void full_disk_is_an_io_error_until_there_is_room(void **state)
{
	struct rig *r = *state;
	char *big = xzalloc(300000);
	atomic_store(&sick, 0);
	atomic_store(&well, 0);
	reopen(r, (struct sqlite_store_options){ .common = { .on_health = on_health } });
	append(r, "before");
	assert_int_equal(rig_run(r), ERR_NONE);
	signal(SIGXFSZ, SIG_IGN);
	limit_file_size(60000);
	struct store_op *other = rig_op(r, "h", "other");
	store_kv_put(other, &account, str_span(big, 200000));
	store_log_append(rig_op(r, "h", "o"), &offline, 1, STR_NONE, str_span(big, 300000), 0);
	assert_int_equal(rig_run(r), ERR_IO);
	assert_int_equal(other->err, ERR_IO);
	assert_false(store_healthy(r->store));
	assert_int_equal(entries(r), 1); /* reading still works */
	limit_file_size(RLIM_INFINITY);
	wait_until_healthy(r); /* nobody asks: the probe finds out */
	append(r, "after");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(entries(r), 2);
	assert_int_equal(atomic_load(&sick), 1);
	assert_int_equal(atomic_load(&well), 1);
	free(big);
}

static void op_that_the_disk_refuses_does_not_take_others_along(void **state)
{
	struct rig *r = *state;
	char *big = xzalloc(500000);
	reopen(r, (struct sqlite_store_options){ .max_bytes = 400000 });
	struct store_op *small[10], *large[3];
	for (int i = 0; i < 10; i++) {
		small[i] = append(r, "small");
		if (i % 4 == 1) {
			large[i / 4] = rig_op(r, "h", "o");
			store_kv_put(large[i / 4], &account, str_span(big, 500000));
		}
	}
	rig_run(r);
	for (int i = 0; i < 10; i++)
		assert_int_equal(small[i]->err, ERR_NONE);
	assert_int_equal(large[0]->err, ERR_IO);
	assert_int_equal(large[1]->err, ERR_IO);
	assert_int_equal(large[2]->err, ERR_IO);
	assert_int_equal(entries(r), 10);
	append(r, "small too");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_true(store_healthy(r->store));
	free(big);
}

/* ---- locks and batches ---- */

static sqlite3 *lock_database(struct rig *r)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(rig_path(r), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void unlock_database(sqlite3 *db)
{
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
}

static void foreign_lock_that_stays_is_an_io_error(void **state)
{
	struct rig *r = *state;
	reopen(r, (struct sqlite_store_options){ .busy_ms = 20 });
	sqlite3 *db = lock_database(r);
	append(r, "x");
	assert_int_equal(rig_run(r), ERR_IO);
	assert_int_equal(entries(r), 0);
	unlock_database(db);
	append(r, "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(entries(r), 1);
	assert_true(store_healthy(r->store));
}

static unsigned left;

static void on_awaited(struct store_op *op)
{
	enum err *expected = op->arg;
	assert_int_equal(op->err, *expected);
	left--;
}

static void submit_awaited(struct rig *r)
{
	for (unsigned i = 0; i < r->n; i++)
		assert_int_equal(store_submit(r->store, r->ops[i]), ERR_NONE);
	rig_wake(r);
}

static void submit(struct rig *r, struct store_op *op, enum err *expected)
{
	op->on_done = on_awaited;
	op->arg = expected;
	left++;
	rig_call(r, submit_awaited);
	r->n = 0;
}

/* A write that waits behind a lock past its deadline was reported as failed: it must not happen afterwards. */
static void write_that_expired_in_the_queue_is_not_carried_out(void **state)
{
	struct rig *r = *state;
	static enum err none = ERR_NONE, timeout = ERR_TIMEOUT;
	reopen(r, (struct sqlite_store_options){ .busy_ms = 20000, .common.default_timeout_ms = 30000 });
	sqlite3 *db = lock_database(r);
	submit(r, append(r, "first, holds up the queue"), &none);
	struct store_stats stats;
	do {
		store_stats(r->store, &stats);
	} while (stats.batches == 0);
	struct store_op *late = append(r, "late");
	late->timeout_ms = 20;
	submit(r, late, &timeout);
	do {
		usleep(2000);
		store_stats(r->store, &stats);
	} while (stats.timeouts == 0);
	unlock_database(db);
	assert_int_equal(entries(r), 1);
	rig_call(r, rig_wake);
	assert_int_equal(left, 0);
}

static void many_writes_share_a_commit(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 1000; i++)
		append(r, "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.writes, 1000);
	assert_true(stats.commits <= 500);
	assert_int_equal(entries(r), 1000);
}

static void batches_have_a_ceiling(void **state)
{
	struct rig *r = *state;
	reopen(r, (struct sqlite_store_options){ .max_batch = 4 });
	for (int i = 0; i < 100; i++)
		append(r, "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_true(stats.commits >= 25);
	for (int i = 3; i < STORE_BUCKETS; i++)
		assert_int_equal(stats.batch_size[i], 0);
}

#define CASE(f, setup) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answered_writes_survive_kill_9),
		CASE(data_survives_a_restart, setup),
		CASE(second_server_on_the_same_data_is_refused, setup),
		CASE(database_is_not_readable_by_others, setup),
		cmocka_unit_test(folder_that_is_missing_is_named),
		CASE(newer_schema_is_refused_with_its_version, setup),
		CASE(database_of_another_program_is_refused, setup_closed),
		CASE(file_that_is_no_database_is_refused, setup_closed),
		CASE(full_disk_is_an_io_error_until_there_is_room, setup),
		CASE(op_that_the_disk_refuses_does_not_take_others_along, setup),
		CASE(foreign_lock_that_stays_is_an_io_error, setup),
		CASE(write_that_expired_in_the_queue_is_not_carried_out, setup),
		CASE(many_writes_share_a_commit, setup),
		CASE(batches_have_a_ceiling, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
