/* What is PostgreSQL's own: several nodes, servers that go and come back, schemas, long names. */
#include "tests/unit/node/store/pg_server.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "node/store/care.h"

static const struct store_space account = { "account", STORE_KV };
static const struct store_space roster = { "roster", STORE_MAP };
static const struct store_space offline = { "offline", STORE_LOG };

static char why[POSTGRES_WHY_BYTES];

static int setup(void **state)
{
	struct rig *r = *state = rig_new();
	r->store = pg_open_fresh((struct postgres_store_options){ 0 });
	return 0;
}

static int setup_closed(void **state)
{
	*state = rig_new();
	pg_sql("DROP SCHEMA IF EXISTS starling CASCADE");
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void open_again(struct rig *r, struct postgres_store_options options)
{
	rig_sweep(r);
	store_close(r->store);
	r->store = NULL;
	if (pg_open(&r->store, options, why))
		fail_msg("%s", why);
}

static struct store_op *append(struct rig *r, const char *owner, const char *value)
{
	struct store_op *op = rig_op(r, "h", owner);
	store_log_append(op, &offline, 1, STR_NONE, str_of(value), 0);
	return op;
}

static uint64_t entries(struct rig *r, const char *owner)
{
	struct store_op *op = rig_op(r, "h", owner);
	store_log_count(op, &offline, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	return op->first->count;
}

static void wait_for_health(struct rig *r, bool healthy)
{
	for (int i = 0; i < 3000 && store_healthy(r->store) != healthy; i++)
		usleep(10000);
	assert_int_equal(store_healthy(r->store), healthy);
}

static void wait_for_connections(struct rig *r, uint64_t n)
{
	struct store_stats stats = { .connections_up = n + 1 };
	for (int i = 0; i < 3000 && stats.connections_up != n; i++) {
		usleep(i ? 10000 : 0);
		store_stats(r->store, &stats);
	}
	assert_int_equal(stats.connections_up, n);
}

/* ---- opening ---- */

static void data_survives_a_restart(void **state)
{
	struct rig *r = *state;
	append(r, "o", "one");
	store_kv_put(rig_op(r, "h", "o"), &account, STR("x"));
	assert_int_equal(rig_run(r), ERR_NONE);
	open_again(r, (struct postgres_store_options){ 0 });
	struct store_op *op = append(r, "o", "two");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->seq, 2);
	op = rig_op(r, "h", "o");
	store_kv_get(op, &account);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_string_equal(op->first->value.p, "x");
}

static void uri_is_an_address_as_well(void **state)
{
	struct rig *r = *state;
	char uri[160];
	snprintf(uri, sizeof uri, "postgresql://starling@/postgres?host=%s", pg.dir);
	struct postgres_store_options options = { .uri = uri, .host = "/nowhere", .user = "nobody", .database = "none", .pool = 2 };
	assert_int_equal(postgres_store_open(&options, &r->store, why), ERR_NONE);
	append(r, "o", "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	struct store_stats stats;
	store_stats(r->store, &stats);
	assert_int_equal(stats.connections, 2);
}

static void mistakes_are_told_at_once(void **state)
{
	struct rig *r = *state;
	struct postgres_store_options patient = { .database = "nothing-here", .start_wait_ms = 60000 };
	assert_int_equal(pg_open(&r->store, patient, why), ERR_INVALID);
	assert_non_null(strstr(why, "nothing-here"));
	patient = (struct postgres_store_options){ .uri = "postgresql://[", .start_wait_ms = 60000 };
	assert_int_equal(postgres_store_open(&patient, &r->store, why), ERR_INVALID);
	assert_true(strlen(why) > 10 && !strchr(why, '\n'));
	patient = (struct postgres_store_options){ .host = pg.dir, .user = "mallory", .database = "postgres", .start_wait_ms = 60000 };
	assert_int_equal(postgres_store_open(&patient, &r->store, why), ERR_INVALID);
	assert_non_null(strstr(why, "mallory"));
	assert_null(r->store);
}

static void newer_schema_is_refused_with_its_version(void **state)
{
	struct rig *r = *state;
	store_close(r->store);
	pg_sql("INSERT INTO starling.migrations(version) VALUES(4711)");
	assert_int_equal(pg_open(&r->store, (struct postgres_store_options){ 0 }, why), ERR_INVALID);
	assert_non_null(strstr(why, "4711"));
}

static void schema_of_another_program_is_refused(void **state)
{
	struct rig *r = *state;
	pg_sql("CREATE SCHEMA starling; CREATE TABLE starling.birds(id int)");
	assert_int_equal(pg_open(&r->store, (struct postgres_store_options){ 0 }, why), ERR_INVALID);
	assert_non_null(strstr(why, "another program"));
}

/* An administrator made all for a role that may change rows and nothing else. */
static void role_without_rights_to_make_tables_is_enough_later(void **state)
{
	struct rig *r = *state;
	rig_sweep(r);
	store_close(r->store);
	r->store = NULL;
	pg_sql("DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA starling TO clerk;"
	       "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA starling TO clerk;"
	       "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA starling TO clerk");
	struct postgres_store_options options = { .host = pg.dir, .user = "clerk", .database = "postgres" };
	if (postgres_store_open(&options, &r->store, why))
		fail_msg("%s", why);
	append(r, "o", "x");
	assert_int_equal(rig_run(r), ERR_NONE);
}

#define NODES 6

static void *open_one(void *arg)
{
	char text[POSTGRES_WHY_BYTES];
	return (void *)(uintptr_t)pg_open(arg, (struct postgres_store_options){ .pool = 2 }, text);
}

static void nodes_that_start_together_make_one_schema(void **state)
{
	struct store *stores[NODES] = { NULL };
	pthread_t threads[NODES];
	(void)state;
	for (int i = 0; i < NODES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_one, &stores[i]), 0);
	for (int i = 0; i < NODES; i++) {
		void *err;
		pthread_join(threads[i], &err);
		assert_int_equal((uintptr_t)err, ERR_NONE);
	}
	for (int i = 0; i < NODES; i++)
		store_close(stores[i]);
	assert_string_equal(pg_sql("SELECT count(*) = max(version) FROM starling.migrations"), "t");
}

/* ---- names ---- */

static void longest_names_fit_and_keep_their_order(void **state)
{
	struct rig *r = *state;
	static char host[STORE_NAME_MAX + 1], owner[STORE_NAME_MAX + 1], fields[40][STORE_FIELD_MAX + 1];
	struct rng rng;
	rng_init_seeded(&rng, 77);
	for (int i = 0; i < STORE_NAME_MAX; i++) { /* nothing that a compressor could make smaller */
		host[i] = (char)(1 + rng_u64(&rng) % 255);
		owner[i] = (char)(1 + rng_u64(&rng) % 255);
	}
	for (int f = 0; f < 40; f++) { /* some differ early, some after the head alone, some are no longer than it */
		size_t same = f % 3 ? 600 : 10, len = f % 5 ? STORE_FIELD_MAX : 480;
		for (size_t i = 0; i < len; i++)
			fields[f][i] = (char)(i < same ? 'a' : (char)(1 + rng_u64(&rng) % 255));
		store_map_put(rig_op(r, host, owner), &roster, str_of(fields[f]), str_of(fields[f] + 1), 0);
	}
	store_kv_put(rig_op(r, host, owner), &account, STR("x"));
	store_log_append(rig_op(r, host, owner), &offline, 1, str_of(fields[1]), STR("y"), 0);
	assert_int_equal(rig_run(r), ERR_NONE);
	struct str after = STR_NONE;
	unsigned seen = 0;
	for (bool more = true; more;) {
		struct store_op *op = rig_op(r, host, owner);
		store_map_all(op, &roster, after, 7);
		assert_int_equal(rig_run(r), ERR_NONE);
		more = op->first->more;
		for (uint32_t i = 0; i < op->first->n_rows; i++, seen++) {
			struct store_row *row = &op->first->rows[i];
			assert_true(!str_present(after) || str_cmp(after, row->key) < 0);
			assert_true(str_eq(str_span(row->key.p + 1, row->key.len - 1), row->value));
			after = row->key;
		}
	}
	assert_int_equal(seen, 36); /* five are the same: 480 times 'a' */
}

/* ---- several nodes ---- */

/* What a node does at the same time as others, on stores of their own. */
struct node_job {
	struct rig *rig;
	unsigned index;
	void (*fn)(struct node_job *j);
	uint64_t done;
};

static void *run_job(void *arg)
{
	struct node_job *j = arg;
	j->fn(j);
	return NULL;
}

/* The sum of what they did. */
static uint64_t on_all_nodes(void (*fn)(struct node_job *j))
{
	struct node_job jobs[NODES];
	pthread_t threads[NODES];
	uint64_t done = 0;
	for (unsigned i = 0; i < NODES; i++) {
		jobs[i] = (struct node_job){ rig_new(), i, fn, 0 };
		if (pg_open(&jobs[i].rig->store, (struct postgres_store_options){ .pool = 2 }, why))
			fail_msg("%s", why);
	}
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
	for (unsigned i = 0; i < NODES; i++) {
		pthread_join(threads[i], NULL);
		done += jobs[i].done;
		rig_free(jobs[i].rig);
	}
	return done;
}

static void put_up_to_a_ceiling(struct node_job *j)
{
	for (unsigned i = 0; i < 200; i++) {
		char field[32], owner[8];
		snprintf(field, sizeof field, "f%u.%u", j->index, i);
		snprintf(owner, sizeof owner, "o%u", i % 3);
		store_map_put(rig_op(j->rig, "h", owner), &roster, str_of(field), STR("x"), 50);
		store_log_append(rig_op(j->rig, "h", owner), &offline, 1, STR_NONE, STR("x"), 70);
		if (i % 20 == 19)
			rig_run(j->rig);
	}
}

static void ceilings_hold_whatever_other_nodes_do(void **state)
{
	struct rig *r = *state;
	on_all_nodes(put_up_to_a_ceiling);
	for (int i = 0; i < 3; i++) {
		char owner[8];
		snprintf(owner, sizeof owner, "o%d", i);
		struct store_op *op = rig_op(r, "h", owner);
		store_map_count(op, &roster);
		assert_int_equal(rig_run(r), ERR_NONE);
		assert_int_equal(op->first->count, 50);
		assert_int_equal(entries(r, owner), 70);
	}
}

static void create_many(struct node_job *j)
{
	for (unsigned i = 0; i < 100; i++) {
		char owner[8];
		snprintf(owner, sizeof owner, "u%u", i);
		struct store_op *op = rig_op(j->rig, "h", owner);
		store_kv_create(op, &account, STR("x"));
		store_log_append(op, &offline, 1, STR_NONE, STR("welcome"), 0);
		if (i % 10 != 9)
			continue;
		rig_run(j->rig);
		for (unsigned n = 0; n < j->rig->n_kept; n++)
			j->done += !j->rig->kept[n]->err;
		rig_sweep(j->rig);
	}
}

static void account_is_created_on_one_node_only(void **state)
{
	struct rig *r = *state;
	assert_int_equal(on_all_nodes(create_many), 100);
	for (unsigned i = 0; i < 100; i++) {
		char owner[8];
		snprintf(owner, sizeof owner, "u%u", i);
		assert_int_equal(entries(r, owner), 1);
	}
}

/* Reads the value and writes one more, if nobody did meanwhile. */
static void count_up(struct node_job *j)
{
	while (j->done < 50) {
		uint64_t value;
		char text[24];
		struct store_op *get = rig_op(j->rig, "h", "counter");
		store_kv_get(get, &account);
		assert_int_equal(rig_run(j->rig), ERR_NONE);
		assert_true(str_to_u64(get->first->value, &value));
		snprintf(text, sizeof text, "%llu", (unsigned long long)value + 1);
		store_kv_replace(rig_op(j->rig, "h", "counter"), &account, get->first->version, str_of(text));
		j->done += rig_run(j->rig) == ERR_NONE;
		rig_sweep(j->rig);
	}
}

static void compare_and_set_loses_no_update(void **state)
{
	struct rig *r = *state;
	store_kv_put(rig_op(r, "h", "counter"), &account, STR("0"));
	assert_int_equal(rig_run(r), ERR_NONE);
	on_all_nodes(count_up);
	struct store_op *get = rig_op(r, "h", "counter");
	store_kv_get(get, &account);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_string_equal(get->first->value.p, "300");
}

/* Some make an account and delete it, others write under the condition that it is there: nothing is left behind. */
static void make_and_delete(struct node_job *j)
{
	for (unsigned i = 0; i < 100; i++) {
		struct store_op *op = rig_op(j->rig, "h", "ghost");
		if (j->index % 2) {
			store_kv_get(op, &account);
			store_map_put(op, &roster, STR("a@x"), STR("x"), 0);
			store_log_append(op, &offline, 1, STR_NONE, STR("x"), 0);
		} else if (i % 2) {
			store_owner_delete(op);
		} else {
			store_kv_put(op, &account, STR("x"));
		}
		if (i % 3 == 0)
			rig_run(j->rig);
	}
	rig_run(j->rig);
}

static void condition_holds_until_its_writes_are_done(void **state)
{
	struct rig *r = *state;
	on_all_nodes(make_and_delete);
	store_owner_delete(rig_op(r, "h", "ghost"));
	on_all_nodes(make_and_delete);
	struct store_op *get = rig_op(r, "h", "ghost"), *count = rig_op(r, "h", "ghost");
	store_kv_get(get, &account);
	store_map_count(count, &roster);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_true(get->err == ERR_NONE || count->first->count == 0);
	assert_int_equal(get->err == ERR_NONE ? 0 : entries(r, "ghost"), 0);
}

/* Many owners in one transaction, in another order on each node. */
static void write_to_all(struct node_job *j)
{
	for (unsigned i = 0; i < 600; i++) {
		char owner[8];
		snprintf(owner, sizeof owner, "u%u", i * (7 + 2 * j->index) % 60);
		append(j->rig, owner, "x");
		if (i % 100 == 99)
			rig_run(j->rig);
	}
	for (unsigned n = 0; n < j->rig->n_kept; n++)
		j->done += !j->rig->kept[n]->err;
}

static void nodes_do_not_wait_for_each_other_in_a_circle(void **state)
{
	struct rig *r = *state;
	uint64_t sum = 0, done = on_all_nodes(write_to_all); /* on a machine that is slow enough some give up to wait for a lock */
	for (unsigned i = 0; i < 60; i++) {
		char owner[8];
		snprintf(owner, sizeof owner, "u%u", i);
		sum += entries(r, owner);
	}
	assert_int_equal(sum, done);
	assert_true(done > NODES * 300);
	assert_string_equal(pg_sql("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), "0");
}

/* ---- servers that go and come ---- */

static void ops_wait_for_a_server_that_comes_back(void **state)
{
	struct rig *r = *state;
	append(r, "o", "before");
	assert_int_equal(rig_run(r), ERR_NONE);
	pg_stop(SIGINT);
	wait_for_health(r, false);
	struct store_op *late = append(r, "o", "late");
	late->timeout_ms = 300;
	assert_int_equal(rig_run(r), ERR_TIMEOUT);
	struct store_stats stats;
	for (int i = 0; i < 1000; i++) { /* what nobody waits for does not fill the queue */
		store_stats(r->store, &stats);
		if (!stats.waiting)
			break;
		usleep(10000);
	}
	assert_int_equal(stats.waiting, 0);
	wait_for_connections(r, 0);
	pg_start();
	struct store_op *op = append(r, "o", "after");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->seq, 2); /* the late one was not carried out */
	wait_for_health(r, true);
	wait_for_connections(r, 4);
}

static void close_answers_what_waits_for_a_server(void **state)
{
	struct rig *r = *state;
	pg_stop(SIGINT);
	wait_for_health(r, false);
	store_close(r->store);
	r->store = NULL;
	pg_start();
}

static _Atomic int gave_up;

static void on_give_up(void *arg, const char *text)
{
	assert_non_null(arg);
	assert_true(text[0]);
	atomic_fetch_add(&gave_up, 1);
}

static void server_that_is_away_at_the_start_is_waited_for(void **state)
{
	struct rig *r = *state;
	pg_stop(SIGINT);
	assert_int_equal(pg_open(&r->store, (struct postgres_store_options){ 0 }, why), ERR_UNAVAILABLE);
	assert_true(strlen(why) > 10);
	struct postgres_store_options options = { .start_wait_ms = 60000, .on_give_up = on_give_up, .common.arg = why };
	atomic_store(&gave_up, 0);
	assert_int_equal(pg_open(&r->store, options, why), ERR_NONE);
	assert_false(store_healthy(r->store));
	pg_start();
	wait_for_health(r, true);
	append(r, "o", "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(atomic_load(&gave_up), 0);
}

static void server_that_never_comes_is_given_up_once(void **state)
{
	struct rig *r = *state;
	struct postgres_store_options options = { .host = "/nowhere", .database = "x", .user = "x", .start_wait_ms = 300,
						  .on_give_up = on_give_up, .common.arg = why };
	atomic_store(&gave_up, 0);
	assert_int_equal(postgres_store_open(&options, &r->store, why), ERR_NONE);
	for (int i = 0; i < 1000 && !atomic_load(&gave_up); i++)
		usleep(10000);
	store_kv_get(rig_op(r, "h", "o"), &account);
	r->ops[0]->timeout_ms = 500;
	assert_int_equal(rig_run(r), ERR_TIMEOUT);
	assert_int_equal(atomic_load(&gave_up), 1);
}

static void server_that_may_only_be_read_is_waited_for(void **state)
{
	struct rig *r = *state;
	append(r, "o", "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	pg_sql("ALTER SYSTEM SET default_transaction_read_only = on");
	pg_sql("SELECT pg_reload_conf()");
	for (int i = 0; i < 300 && store_healthy(r->store); i++) { /* some are in time, before the server has read it */
		append(r, "o", "y")->timeout_ms = 100;
		rig_run(r);
	}
	assert_false(store_healthy(r->store));
	append(r, "o", "y")->timeout_ms = 300;
	assert_int_equal(rig_run(r), ERR_TIMEOUT);
	pg_sql("ALTER SYSTEM RESET default_transaction_read_only");
	pg_sql("SELECT pg_reload_conf()");
	append(r, "o", "z");
	assert_int_equal(rig_run(r), ERR_NONE);
	wait_for_health(r, true);
}

/* ---- writes that nobody knows the end of ---- */

/* What a broken network does: ends the connections of this process to the server, unseen by it; but not this one. */
static void break_connections(int but)
{
	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_un peer = { 0 };
		socklen_t n = sizeof peer - 1;
		bool ours = fd != but && getpeername(fd, (struct sockaddr *)&peer, &n) == 0 && peer.sun_family == AF_UNIX;
		if (ours && strstr(peer.sun_path, pg.dir))
			shutdown(fd, SHUT_RDWR);
	}
}

static void *break_while_it_waits(void *arg)
{
	PGconn *other = arg;
	for (int i = 0; i < 1000 && strcmp(pg_sql("SELECT count(*) FROM pg_locks WHERE NOT granted"), "0") == 0; i++)
		usleep(5000);
	break_connections(PQsocket(other));
	return NULL;
}

/* The session of a write waits for a lock when its connection breaks. The asker hears that nobody knows; and as he may try again, the write
 * must not happen later, when the lock is free. */
static void write_in_doubt_is_told_and_comes_to_an_end(void **state)
{
	struct rig *r = *state;
	pthread_t thread;
	open_again(r, (struct postgres_store_options){ .pool = 1 });
	append(r, "o", "before");
	assert_int_equal(rig_run(r), ERR_NONE);
	PGconn *other = pg_connect();
	PQclear(PQexec(other, "BEGIN; SELECT FROM starling.logs FOR UPDATE"));
	assert_int_equal(pthread_create(&thread, NULL, break_while_it_waits, other), 0);
	append(r, "o", "in doubt");
	assert_int_equal(rig_run(r), ERR_IO);
	pthread_join(thread, NULL);
	assert_int_equal(entries(r, "o"), 1); /* on the next connection, before which the session was ended */
	assert_string_equal(pg_sql("SELECT count(*) FROM pg_locks WHERE NOT granted"), "0");
	PQclear(PQexec(other, "ROLLBACK"));
	PQfinish(other);
	assert_int_equal(entries(r, "o"), 1);
	append(r, "o", "after");
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(entries(r, "o"), 2);
}

/* Reads are asked again: nobody hears of the broken connection. */
static void read_survives_a_broken_connection(void **state)
{
	struct rig *r = *state;
	append(r, "o", "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	for (int i = 0; i < 5; i++) {
		break_connections(-1);
		assert_int_equal(entries(r, "o"), 1);
	}
}

/* A session that is ended by its server says so: what it was doing was not done, and is done on the next one. */
static void write_of_a_session_that_is_ended_is_done_on_the_next(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 5; i++) {
		pg_sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'starling'");
		append(r, "o", "x");
		assert_int_equal(rig_run(r), ERR_NONE);
	}
	assert_int_equal(entries(r, "o"), 5);
}

static void lock_that_stays_stops_one_owner_only(void **state)
{
	struct rig *r = *state;
	open_again(r, (struct postgres_store_options){ .pool = 1 });
	append(r, "held", "x");
	append(r, "free", "x");
	assert_int_equal(rig_run(r), ERR_NONE);
	PGconn *other = pg_connect();
	PQclear(PQexec(other, "BEGIN; SELECT FROM starling.logs WHERE owner = 'held' FOR UPDATE"));
	struct store_op *held = append(r, "held", "y"), *unbound = append(r, "free", "y");
	held->timeout_ms = unbound->timeout_ms = 60000;
	rig_run(r);
	assert_int_equal(held->err, ERR_UNAVAILABLE);
	assert_int_equal(unbound->err, ERR_NONE);
	PQclear(PQexec(other, "ROLLBACK"));
	PQfinish(other);
	assert_int_equal(entries(r, "held"), 1);
	append(r, "held", "y");
	assert_int_equal(rig_run(r), ERR_NONE);
}

/* ---- under load ---- */

#define LOAD_OWNERS 8
#define LOAD_BURST  64

static _Atomic bool load_over;
static uint64_t n_answers;
static unsigned char acked[LOAD_OWNERS][100000]; /* by the number that is the value */

static void on_counted(struct store_op *op)
{
	n_answers++;
	rig_on_done(op);
}

static void *disturb_server(void *arg)
{
	int sig = *(int *)arg;
	for (int i = 0; i < 4; i++) {
		usleep(300000);
		pg_stop(sig);
		usleep(i * 100000);
		pg_start();
	}
	atomic_store(&load_over, true);
	return NULL;
}

static uint64_t load(struct rig *r)
{
	uint64_t asked = 0;
	for (unsigned n = 0; !atomic_load(&load_over) && n + LOAD_BURST < 100000; n += LOAD_BURST / LOAD_OWNERS) {
		for (unsigned i = 0; i < LOAD_BURST; i++, asked++) {
			char owner[8], value[16];
			snprintf(owner, sizeof owner, "l%u", i % LOAD_OWNERS);
			snprintf(value, sizeof value, "%u", n + i / LOAD_OWNERS);
			append(r, owner, value)->on_done = on_counted;
		}
		rig_run(r);
		for (unsigned i = 0; i < LOAD_BURST; i++) {
			struct store_op *op = r->ops[i];
			acked[i % LOAD_OWNERS][n + i / LOAD_OWNERS] = op->err == ERR_NONE;
			assert_true(!op->err || op->err == ERR_IO || op->err == ERR_UNAVAILABLE || op->err == ERR_TIMEOUT);
		}
		rig_sweep(r);
	}
	return asked;
}

/* Every value that was acknowledged is there, none is there twice, all in order. */
static uint64_t judge_owner(struct rig *r, unsigned at)
{
	char owner[8];
	uint64_t from = 0, n = 0, n_acked = 0, next = 0;
	snprintf(owner, sizeof owner, "l%u", at);
	for (bool more = true; more; rig_sweep(r)) {
		struct store_op *op = rig_op(r, "h", owner);
		store_log_range(op, &offline, &(struct store_range){ .from_seq = from });
		assert_int_equal(rig_run(r), ERR_NONE);
		more = op->first->more;
		for (uint32_t i = 0; i < op->first->n_rows; i++, n++) {
			uint64_t value;
			assert_true(str_to_u64(op->first->rows[i].value, &value));
			assert_true(value >= next); /* one that is written twice comes again */
			next = value + 1;
			n_acked += acked[at][value];
			from = op->first->rows[i].seq + 1;
		}
	}
	uint64_t wanted = 0;
	for (unsigned i = 0; i < 100000; i++)
		wanted += acked[at][i];
	assert_int_equal(n_acked, wanted);
	return wanted;
}

static void under_load(struct rig *r, int sig)
{
	pthread_t thread;
	uint64_t n = 0;
	memset(acked, 0, sizeof acked);
	atomic_store(&load_over, false);
	n_answers = 0;
	assert_int_equal(pthread_create(&thread, NULL, disturb_server, &sig), 0);
	uint64_t asked = load(r);
	pthread_join(thread, NULL);
	pg_stop(SIGKILL); /* it dies with the thread that started it */
	pg_start();
	wait_for_health(r, true);
	assert_int_equal(n_answers, asked);
	for (unsigned i = 0; i < LOAD_OWNERS; i++)
		n += judge_owner(r, i);
	print_message("%llu of %llu writes acknowledged\n", (unsigned long long)n, (unsigned long long)asked);
	assert_true(n > 100);
}

static void nothing_acknowledged_is_lost_when_the_server_is_killed(void **state)
{
	under_load(*state, SIGKILL);
}

static void nothing_acknowledged_is_lost_when_the_server_stops_fast(void **state)
{
	under_load(*state, SIGINT);
}

/* ---- care ---- */

static struct store_care care;

static void on_cared(struct store_care *c)
{
	rig_wake(c->arg);
}

static void begin_care(struct rig *r)
{
	care.on_done = on_cared;
	care.arg = r;
	enum err err = store_care_begin(r->store, &care);
	if (!err)
		return;
	care.err = err;
	rig_wake(r);
}

static enum err take_care(struct rig *r, enum care_kind kind)
{
	care = (struct store_care){ .kind = kind, .path = "/tmp/never" };
	rig_call(r, begin_care);
	return care.err;
}

static void care_finds_damage_and_leaves_copies_to_others(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 100; i++)
		append(r, "o", "x");
	store_map_put(rig_op(r, "h", "o"), &roster, STR("a"), STR("x"), 0);
	store_kv_put(rig_op(r, "h", "o"), &account, STR("x"));
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(take_care(r, CARE_BACKUP), ERR_DENIED);
	assert_non_null(strstr(care.text, "pg_dump"));
	assert_int_equal(take_care(r, CARE_CHECK), ERR_NONE);
	assert_true(care.bytes > 8192);
	assert_int_equal(take_care(r, CARE_COMPACT), ERR_NONE);
	assert_true(care.bytes > 8192 && care.bytes_before > 8192);
	static const char *const damage[][2] = {
		{ "UPDATE starling.logs SET count = count + 1", "UPDATE starling.logs SET count = count - 1" },
		{ "UPDATE starling.logs SET next_seq = 1", "UPDATE starling.logs SET next_seq = 101" },
		{ "UPDATE starling.entries SET log = log + 1", "UPDATE starling.entries SET log = log - 1" },
		{ "UPDATE starling.kv SET version = version * 2", "UPDATE starling.kv SET version = version / 2" },
	};
	for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
		pg_sql(damage[i][0]);
		assert_int_equal(take_care(r, CARE_CHECK), ERR_IO);
		assert_non_null(strstr(care.text, "damaged"));
		pg_sql(damage[i][1]);
	}
	assert_int_equal(take_care(r, CARE_CHECK), ERR_NONE);
}

#define CASE(f, setup) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(data_survives_a_restart, setup),
		CASE(uri_is_an_address_as_well, setup_closed),
		CASE(mistakes_are_told_at_once, setup_closed),
		CASE(newer_schema_is_refused_with_its_version, setup),
		CASE(schema_of_another_program_is_refused, setup_closed),
		CASE(role_without_rights_to_make_tables_is_enough_later, setup),
		CASE(nodes_that_start_together_make_one_schema, setup_closed),
		CASE(longest_names_fit_and_keep_their_order, setup),
		CASE(ceilings_hold_whatever_other_nodes_do, setup),
		CASE(account_is_created_on_one_node_only, setup),
		CASE(compare_and_set_loses_no_update, setup),
		CASE(condition_holds_until_its_writes_are_done, setup),
		CASE(nodes_do_not_wait_for_each_other_in_a_circle, setup),
		CASE(ops_wait_for_a_server_that_comes_back, setup),
		CASE(close_answers_what_waits_for_a_server, setup),
		CASE(server_that_is_away_at_the_start_is_waited_for, setup_closed),
		CASE(server_that_never_comes_is_given_up_once, setup_closed),
		CASE(server_that_may_only_be_read_is_waited_for, setup),
		CASE(write_in_doubt_is_told_and_comes_to_an_end, setup),
		CASE(read_survives_a_broken_connection, setup),
		CASE(write_of_a_session_that_is_ended_is_done_on_the_next, setup),
		CASE(lock_that_stays_stops_one_owner_only, setup),
		CASE(nothing_acknowledged_is_lost_when_the_server_is_killed, setup),
		CASE(nothing_acknowledged_is_lost_when_the_server_stops_fast, setup),
		CASE(care_finds_damage_and_leaves_copies_to_others, setup),
	};
	return cmocka_run_group_tests(tests, pg_setup_group, pg_teardown_group);
}
