#include "redis_rig.h"

#include <sys/un.h>

#include "cluster/redis_locate.h"

static struct rig_server server, other;
static struct redis *redis;

static int set_up(void **state)
{
	rig_open();
	server_open(&server);
	server_open(&other);
	return 0;
}

static int tear_down(void **state)
{
	redis_free(redis);
	redis = NULL;
	server_close(&server);
	server_close(&other);
	rig_close();
	return 0;
}

static struct redis_options options(void)
{
	/* The time-outs are long: a test that wants one sets it, others must not meet one on a slow machine. */
	return (struct redis_options){ .host = STR("127.0.0.1"), .port = server.port, .timeout_ms = 10000, .connect_ms = 10000 };
}

static void start(const struct redis_options *o)
{
	redis = redis_new(rig_worker, o);
	redis_on_change(redis, rig_on_change, NULL);
	redis_start(redis);
}

static void start_up(const struct redis_options *o)
{
	start(o);
	server_greet(&server, RIG_RUN_A);
	rig_until(redis_is_up(redis));
}

static void redis_goes_up_and_says_where(void **state)
{
	struct redis_options o = options();
	char where[64];
	snprintf(where, sizeof where, "127.0.0.1:%u", server.port);
	start_up(&o);
	assert_int_equal(rig_changes.ups, 1);
	assert_int_equal(rig_changes.freshes, 1);
	assert_int_equal(rig_changes.downs, 0);
	assert_string_equal(rig_changes.text, where);
}

static void redis_answers_in_order(void **state)
{
	struct redis_options o = options();
	struct rig_answer a[3] = { 0 };
	start_up(&o);
	rig_ask(redis, &a[0], "GET x");
	rig_ask(redis, &a[1], "INCR y");
	rig_ask(redis, &a[2], "LRANGE z 0 -1");
	assert_int_equal(redis_pending(redis), 3);
	rig_until(server_has(&server, "*2\r\n$3\r\nGET\r\n$1\r\nx\r\n*2\r\n$4\r\nINCR\r\n$1\r\ny\r\n*4\r\n"));
	server_write(&server, "$5\r\nhello\r\n:42\r\n*2\r\n$1\r\na\r\n$-1\r\n");
	rig_until(a[2].count);
	assert_string_equal(a[0].text, "hello");
	assert_int_equal(a[1].integer, 42);
	assert_int_equal(a[2].elements, 2);
	assert_true(a[0].order < a[1].order && a[1].order < a[2].order);
	assert_int_equal(a[0].count + a[1].count + a[2].count, 3);
	assert_int_equal(redis_pending(redis), 0);
}

static void redis_reads_replies_that_come_byte_by_byte(void **state)
{
	struct redis_options o = options();
	struct rig_answer a[2] = { 0 };
	const char *wire = "*3\r\n$5\r\nhello\r\n:-7\r\n*1\r\n+OK\r\n-ERR no\r\n";
	start_up(&o);
	rig_ask(redis, &a[0], "ONE");
	rig_ask(redis, &a[1], "TWO");
	rig_until(server_has(&server, "TWO"));
	for (const char *p = wire; *p; p++) {
		server_write(&server, (char[]){ *p, 0 });
		rig_turn();
	}
	rig_until(a[1].count);
	assert_int_equal(a[0].type, REDIS_REPLY_ARRAY);
	assert_int_equal(a[0].elements, 3);
	assert_int_equal(a[1].type, REDIS_REPLY_ERROR);
	assert_string_equal(a[1].text, "ERR no");
	assert_true(redis_is_up(redis));
}

static void redis_drops_a_server_that_does_not_answer_in_time(void **state)
{
	struct redis_options o = options();
	struct rig_answer a[2] = { 0 };
	o.timeout_ms = 100;
	start_up(&o);
	uint64_t begin = rig_ms();
	rig_ask(redis, &a[0], "GET x");
	rig_ask(redis, &a[1], "GET y");
	rig_until(a[1].count);
	assert_true(rig_ms() - begin >= 100);
	assert_int_equal(a[0].type + a[1].type, 0);
	assert_false(redis_is_up(redis));
	assert_string_equal(rig_changes.text, "no answer in time");
	rig_until(server_sees_end(&server));
	server_hang_up(&server);
	server_greet(&server, RIG_RUN_A);
	rig_until(redis_is_up(redis));
	assert_int_equal(rig_changes.freshes, 1); /* the same server */
}

/* Answers that are there count, although this process was stopped past their deadline. */
static void redis_reads_before_it_judges_a_deadline(void **state)
{
	struct redis_options o = options();
	struct rig_answer a = { 0 };
	o.timeout_ms = 50;
	start_up(&o);
	rig_ask(redis, &a, "GET x");
	rig_until(server_has(&server, "GET"));
	server_write(&server, "+late\r\n");
	nanosleep(&(struct timespec){ 0, 200000000 }, NULL); /* the loop stands still */
	rig_until(a.count);
	assert_string_equal(a.text, "late");
	assert_true(redis_is_up(redis));
}

static void redis_answers_null_when_the_server_closes_within_a_reply(void **state)
{
	struct redis_options o = options();
	struct rig_answer a[2] = { 0 };
	start_up(&o);
	rig_ask(redis, &a[0], "GET x");
	rig_ask(redis, &a[1], "GET y");
	rig_until(server_has(&server, "y\r\n"));
	server_write(&server, "$100\r\nhalf of it");
	server_hang_up(&server);
	rig_until(a[1].count);
	assert_int_equal(a[0].type + a[1].type, 0);
	assert_true(a[0].order < a[1].order);
	assert_string_equal(rig_changes.text, "the server closed the connection");
	rig_ask(redis, &a[0], "GET z");
	assert_int_equal(a[0].count, 2); /* at once */
	server_greet(&server, RIG_RUN_B);
	rig_until(redis_is_up(redis));
	assert_int_equal(rig_changes.freshes, 2); /* another run id: it was started again */
}

static void redis_leaves_a_server_that_is_read_only(void **state)
{
	static const char *const errors[] = {
		"-READONLY You can't write against a read only replica.\r\n",
		"-LOADING Redis is loading the dataset in memory\r\n",
		"-ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write against a read only replica.\r\n",
	};
	struct redis_options o = options();
	start_up(&o);
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct rig_answer a[2] = { 0 };
		rig_ask(redis, &a[0], "SET x 1");
		rig_ask(redis, &a[1], "SET y 1");
		rig_until(server_has(&server, "y\r\n"));
		server_write(&server, errors[i]);
		rig_until(a[1].count);
		assert_int_equal(a[0].type + a[1].type, 0);
		assert_false(redis_is_up(redis));
		server_hang_up(&server);
		server_greet(&server, RIG_RUN_A);
		rig_until(redis_is_up(redis));
	}
}

static void redis_does_not_go_up_while_the_server_loads(void **state)
{
	struct redis_options o = options();
	start(&o);
	rig_until(server_accepted(&server));
	rig_until(server_has(&server, "PING\r\n"));
	server_write(&server, RIG_HELLO_MASTER);
	server_write_infos(&server, RIG_RUN_A);
	server_write(&server, "-LOADING Redis is loading the dataset in memory\r\n");
	rig_until(rig_changes.downs);
	assert_string_equal(rig_changes.text, "PING: LOADING Redis is loading the dataset in memory");
	assert_int_equal(rig_changes.ups, 0);
	server_hang_up(&server);
	server_greet(&server, RIG_RUN_A);
	rig_until(redis_is_up(redis));
}

static void expect_refusal(const char *hello, const char *text)
{
	unsigned downs = rig_changes.downs;
	rig_until(server_accepted(&server));
	rig_until(server_has(&server, "PING\r\n"));
	server_write(&server, hello);
	rig_until(rig_changes.downs > downs);
	assert_string_equal(rig_changes.text, text);
	server_hang_up(&server);
}

static void redis_refuses_what_is_no_master_of_redis_6(void **state)
{
	struct redis_options o = options();
	start(&o);
	expect_refusal("*4\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$7\r\nreplica\r\n", "it is no master");
	expect_refusal("*4\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n",
		       "it is part of a Redis Cluster, which is not supported");
	expect_refusal("-ERR unknown command `HELLO`, with args beginning with: `2`,\r\n", "it is older than Redis 6");
	expect_refusal("-WRONGPASS invalid username-password pair or user is disabled.\r\n",
		       "HELLO: WRONGPASS invalid username-password pair or user is disabled.");
	expect_refusal("+OK\r\n", "it is no master");
	expect_refusal("HTTP/1.1 400 Bad Request\r\n", "reading: Protocol error, got \"H\" as reply type byte");
	assert_int_equal(rig_changes.ups, 0);
}

static void redis_says_the_same_reason_once(void **state)
{
	struct redis_options o = options();
	server_close(&other);
	o.port = other.port;
	start(&o);
	uint64_t end = rig_ms() + 1000; /* several attempts */
	while (rig_ms() < end)
		rig_turn();
	assert_int_equal(rig_changes.downs, 1);
	assert_string_equal(rig_changes.text, "connecting: connection refused");
	server_open(&other);
}

static void redis_authenticates_and_selects(void **state)
{
	struct redis_options o = options();
	o.user = STR("starling");
	o.password = STR("pass word");
	o.database = 3;
	start(&o);
	rig_until(server_accepted(&server));
	rig_until(server_has(&server, "PING\r\n"));
	assert_true(server_has(&server, "*5\r\n$5\r\nHELLO\r\n$1\r\n2\r\n$4\r\nAUTH\r\n$8\r\nstarling\r\n$9\r\npass word\r\n"
					"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"));
	server_write(&server, RIG_HELLO_MASTER "+OK\r\n");
	server_write_infos(&server, RIG_RUN_A);
	server_write(&server, "+PONG\r\n");
	rig_until(redis_is_up(redis));
}

static void redis_refuses_replies_past_the_ceiling(void **state)
{
	static const char *const huge[] = { "*2000000000\r\n", "*3\r\n*100\r\n", "$100000\r\n" };
	struct redis_options o = options();
	char filler[9001];
	memset(filler, 'x', sizeof filler - 1);
	filler[sizeof filler - 1] = '\0';
	o.max_reply_bytes = 4096;
	start_up(&o);
	for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
		struct rig_answer a = { 0 };
		rig_ask(redis, &a, "GET x");
		rig_until(server_has(&server, "GET"));
		server_write(&server, huge[i]);
		server_write(&server, filler);
		rig_until(a.count);
		assert_int_equal(a.type, 0);
		assert_string_equal(rig_changes.text, "reading: the reply is too large");
		server_hang_up(&server);
		server_greet(&server, RIG_RUN_A);
		rig_until(redis_is_up(redis));
	}
}

static void redis_answers_null_past_its_ceilings(void **state)
{
	struct redis_options o = options();
	struct rig_answer a[4] = { 0 }, big = { 0 };
	char value[3000];
	memset(value, 'v', sizeof value);
	o.max_pending = 5; /* and HELLO takes four */
	o.max_out_bytes = 4096;
	start_up(&o);
	redis_command(redis, 2, (struct str[]){ STR("SET"), str_span(value, sizeof value) }, rig_on_answer, &a[0]);
	redis_command(redis, 2, (struct str[]){ STR("SET"), str_span(value, sizeof value) }, rig_on_answer, &big);
	assert_int_equal(big.count, 1);
	assert_int_equal(big.type, 0);
	for (int i = 1; i < 4; i++)
		rig_ask(redis, &a[i], "GET x");
	rig_ask(redis, &big, "GET fifth");
	assert_int_equal(big.count, 1);
	rig_ask(redis, &big, "GET sixth");
	assert_int_equal(big.count, 2);
	rig_until(server_has(&server, "fifth"));
	server_write(&server, "+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n");
	rig_until(big.count == 3);
	assert_string_equal(a[3].text, "4");
	assert_string_equal(big.text, "5");
	assert_true(redis_is_up(redis));
}

static void redis_survives_more_output_than_the_socket_takes(void **state)
{
	enum { COMMANDS = 200, SIZE = 40000 };
	struct redis_options o = options();
	static struct rig_answer a[COMMANDS];
	static char value[SIZE];
	size_t got = 0;
	memset(a, 0, sizeof a);
	memset(value, 'v', sizeof value);
	start_up(&o);
	for (int i = 0; i < COMMANDS; i++)
		redis_command(redis, 2, (struct str[]){ STR("SET"), str_span(value, SIZE) }, rig_on_answer, &a[i]);
	for (int i = 0; i < 50; i++)
		rig_turn(); /* nobody reads: the socket is full now */
	const size_t command = strlen("*2\r\n$3\r\nSET\r\n$40000\r\n") + SIZE + 2;
	uint64_t end = rig_ms() + RIG_WAIT_MS;
	while (got < COMMANDS * command && rig_ms() < end) {
		ssize_t n = recv(server.fd, server.in, sizeof server.in, 0);
		got += n > 0 ? (size_t)n : 0;
		if (n <= 0)
			rig_turn();
	}
	assert_int_equal(got, COMMANDS * command);
	for (int i = 0; i < COMMANDS; i++)
		server_write(&server, "+OK\r\n");
	rig_until(a[COMMANDS - 1].count);
	assert_string_equal(a[0].text, "OK");
}

static void redis_drops_a_server_that_talks_unasked(void **state)
{
	struct redis_options o = options();
	start_up(&o);
	server_write(&server, "+hello?\r\n");
	rig_until(rig_changes.downs);
	assert_string_equal(rig_changes.text, "it answers what nobody asked");
}

static void redis_gives_up_a_hello_that_is_not_answered(void **state)
{
	struct redis_options o = options();
	o.connect_ms = 100;
	start(&o);
	rig_until(rig_changes.downs);
	assert_string_equal(rig_changes.text, "HELLO: no answer in time");
}

static void redis_says_that_a_name_does_not_resolve(void **state)
{
	struct redis_options o = options();
	o.host = STR("redis.invalid");
	start(&o);
	rig_until(rig_changes.downs);
	assert_memory_equal(rig_changes.text, "resolving its name: ", 20);
}

static void redis_tries_each_address_of_a_name(void **state)
{
	struct redis_options o = options();
	o.host = STR("localhost"); /* ::1 is refused, where there is one */
	start_up(&o);
}

/* An answer of NULL may be followed by the next question: it is answered NULL as well, at once, and that is all. */
static unsigned again;
static void ask_again(void *arg, const struct redisReply *reply)
{
	assert_null(reply);
	if (++again < 3)
		redis_command(redis, 1, (struct str[]){ STR("PING") }, ask_again, NULL);
}

static void redis_free_answers_null_also_to_what_is_asked_then(void **state)
{
	struct redis_options o = options();
	again = 0;
	start_up(&o);
	redis_command(redis, 1, (struct str[]){ STR("PING") }, ask_again, NULL);
	redis_free(redis);
	redis = NULL;
	assert_int_equal(again, 3);
}

static void redis_can_be_freed_in_every_state(void **state)
{
	struct redis_options o = options();
	o.host = STR("localhost");
	start(&o); /* resolving */
	redis_free(redis);
	start(&o);
	rig_until(server_accepted(&server)); /* connecting, or HELLO */
	redis_free(redis);
	redis = redis_new(rig_worker, &o); /* never started */
}

static void redis_speaks_over_a_unix_socket(void **state)
{
	struct redis_options o = options();
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	snprintf(un.sun_path, sizeof un.sun_path, "/tmp/redis-test-%d.sock", getpid());
	close(server.listener);
	server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_return_code(bind(server.listener, (struct sockaddr *)&un, sizeof un), errno);
	assert_return_code(listen(server.listener, 8), errno);
	o.host = STR_NONE;
	o.unix_path = str_of(un.sun_path);
	start_up(&o);
	assert_string_equal(rig_changes.text, un.sun_path);
	unlink(un.sun_path);
}

/* ---- sentinels ---- */

static void sentinel_says_the_server(struct rig_server *sentinel)
{
	char port[8];
	rig_until(server_accepted(sentinel));
	rig_until(server_has(sentinel, "*3\r\n$8\r\nSENTINEL\r\n$23\r\nget-master-addr-by-name\r\n$6\r\nmaster\r\n"));
	snprintf(port, sizeof port, "%u", server.port);
	server_write(sentinel, "*2\r\n$9\r\n127.0.0.1\r\n");
	server_write_bulk(sentinel, port);
	rig_until(server_sees_end(sentinel));
	server_hang_up(sentinel);
}

static void redis_asks_sentinels_until_one_knows(void **state)
{
	struct redis_options o = options();
	struct rig_server silent, ignorant;
	char names[3][32];
	struct str sentinels[3];
	server_open(&silent);
	server_open(&ignorant);
	struct rig_server *all[3] = { &silent, &ignorant, &other };
	for (int i = 0; i < 3; i++) {
		snprintf(names[i], sizeof names[i], "127.0.0.1:%u", all[i]->port);
		sentinels[i] = str_of(names[i]);
	}
	o.host = STR_NONE;
	o.port = 0;
	o.connect_ms = 1200;
	o.sentinels = sentinels;
	o.n_sentinels = 3;
	o.master_name = STR("master");
	start(&o);
	rig_until(server_accepted(&ignorant)); /* the silent one had its part of the time */
	rig_until(server_has(&ignorant, "master\r\n"));
	server_write(&ignorant, "*-1\r\n");
	sentinel_says_the_server(&other);
	server_greet(&server, RIG_RUN_A);
	rig_until(redis_is_up(redis));
	/* After a failure it asks again, and another one first: this time nobody knows. */
	server_write(&server, "+unasked\r\n");
	rig_until(rig_changes.downs);
	server_close(&silent);
	server_close(&ignorant);
	server_close(&other);
	rig_until(strstr(rig_changes.text, "sentinel 127.0.0.1") || strstr(rig_changes.text, "no sentinel"));
	server_open(&other);
}

static void redis_asks_the_sentinel_again_when_what_it_named_is_no_master(void **state)
{
	struct redis_options o = options();
	char name[32];
	snprintf(name, sizeof name, "127.0.0.1:%u", other.port);
	struct str sentinels[1] = { str_of(name) };
	o.host = STR_NONE;
	o.sentinels = sentinels;
	o.n_sentinels = 1;
	o.master_name = STR("master");
	start(&o);
	sentinel_says_the_server(&other);
	expect_refusal("*4\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$7\r\nreplica\r\n", "it is no master");
	sentinel_says_the_server(&other);
	server_greet(&server, RIG_RUN_A);
	rig_until(redis_is_up(redis));
}

static void redis_locate_parse_reads_addresses(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} cases[] = {
		{ "s1", "s1", 26379 }, { "s1:1", "s1", 1 }, { "[::1]", "::1", 26379 }, { "[::1]:7", "::1", 7 },
		{ "", NULL, 0 }, { ":1", NULL, 0 }, { "s1:", NULL, 0 }, { "s1:0", NULL, 0 }, { "s1:65536", NULL, 0 }, { "s1:x", NULL, 0 },
		{ "[::1", NULL, 0 }, { "[::1]x", NULL, 0 }, { "[::1]:", NULL, 0 }, { "::1", NULL, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str host = STR_NONE;
		uint16_t port = 0;
		bool ok = redis_locate_parse(str_of(cases[i].text), 26379, &host, &port);
		if (ok != (cases[i].host != NULL))
			fail_msg("\"%s\" is %s", cases[i].text, ok ? "taken" : "refused");
		if (!ok)
			continue;
		assert_true(str_is(host, cases[i].host));
		assert_int_equal(port, cases[i].port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		CASE(redis_goes_up_and_says_where),
		CASE(redis_answers_in_order),
		CASE(redis_reads_replies_that_come_byte_by_byte),
		CASE(redis_drops_a_server_that_does_not_answer_in_time),
		CASE(redis_reads_before_it_judges_a_deadline),
		CASE(redis_answers_null_when_the_server_closes_within_a_reply),
		CASE(redis_leaves_a_server_that_is_read_only),
		CASE(redis_does_not_go_up_while_the_server_loads),
		CASE(redis_refuses_what_is_no_master_of_redis_6),
		CASE(redis_says_the_same_reason_once),
		CASE(redis_authenticates_and_selects),
		CASE(redis_refuses_replies_past_the_ceiling),
		CASE(redis_answers_null_past_its_ceilings),
		CASE(redis_survives_more_output_than_the_socket_takes),
		CASE(redis_drops_a_server_that_talks_unasked),
		CASE(redis_gives_up_a_hello_that_is_not_answered),
		CASE(redis_says_that_a_name_does_not_resolve),
		CASE(redis_tries_each_address_of_a_name),
		CASE(redis_free_answers_null_also_to_what_is_asked_then),
		CASE(redis_can_be_freed_in_every_state),
		CASE(redis_speaks_over_a_unix_socket),
		CASE(redis_asks_sentinels_until_one_knows),
		CASE(redis_asks_the_sentinel_again_when_what_it_named_is_no_master),
		CASE(redis_locate_parse_reads_addresses),
	};
	return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
