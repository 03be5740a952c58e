#include "redis_rig.h"

#include "cluster/registry.h"
#include "cluster/registry_script.h"

static struct rig_server server;
static struct registry *registry;

static int set_up(void **state)
{
	rig_open();
	server_open(&server);
	struct redis_options o = { .host = STR("127.0.0.1"),
				   .port = server.port,
				   .timeout_ms = 10000,
				   .connect_ms = 10000,
				   .key_prefix = STR("x:") };
	registry = registry_new(rig_worker, &o);
	registry_on_change(registry, rig_on_change, NULL);
	registry_start(registry);
	return 0;
}

static int tear_down(void **state)
{
	registry_free(registry);
	registry = NULL;
	server_close(&server);
	rig_close();
	return 0;
}

#define SHA "aaaaaaaaaabbbbbbbbbbccccccccccddddddddd"

/* All SCRIPT LOADs are here: the end of the last script is. */
static void server_gets_scripts(void)
{
	rig_until(server_has(&server, "heir, place[2], place[2])\nend\nreturn {OK}\n"));
}

/* Answers them: each with its own 40 characters. */
static void server_load(void)
{
	server_gets_scripts();
	for (int i = 0; i < REGISTRY_VERB_COUNT; i++) {
		char sha[41];
		snprintf(sha, sizeof sha, SHA "%c", 'a' + i);
		server_write_bulk(&server, sha);
	}
	server.n = 0;
}

static void start_up(void)
{
	server_greet(&server, RIG_RUN_A);
	server_load();
	rig_until(registry_is_up(registry));
}

static unsigned answered;
static void on_done(void *arg, struct registry_call *c)
{
	answered++;
	assert_ptr_equal(arg, c);
}

static void ask(struct registry_call *c)
{
	answered = 0;
	c->err = ERR_COUNT;
	registry_ask(registry, c, on_done, c);
}

static void registry_loads_its_scripts_and_is_up(void **state)
{
	start_up();
	assert_int_equal(rig_changes.ups, 1);
	assert_int_equal(rig_changes.freshes, 1);
}

static void registry_answers_unavailable_at_once_while_it_is_down(void **state)
{
	struct registry_call c = { .verb = REGISTRY_RENEW, .epoch = 1 };
	struct registry_stats stats;
	ask(&c);
	assert_int_equal(answered, 1);
	assert_int_equal(c.err, ERR_UNAVAILABLE);
	registry_stats(registry, &stats);
	assert_int_equal(stats.calls, 1);
	assert_int_equal(stats.failures, 1);
}

static void registry_asks_by_the_sha_that_redis_gave(void **state)
{
	struct registry_call c = { .verb = REGISTRY_HOME_CLAIM, .key = STR("a@b"), .epoch = 7, .hlc = 33, .flags = REGISTRY_REPLAY };
	start_up();
	ask(&c);
	rig_until(server_has(&server, "*9\r\n$7\r\nEVALSHA\r\n$40\r\n" SHA "g\r\n$1\r\n1\r\n$9\r\nx:s:{a@b}\r\n$3\r\na@b\r\n"));
	rig_until(server_has(&server, "$1\r\n7\r\n$13\r\n0000000000011\r\n$1\r\n1\r\n"));
	server_write(&server, "*3\r\n:0\r\n$1\r\n9\r\n$13\r\n0000000000010\r\n");
	rig_until(answered);
	assert_int_equal(c.err, ERR_NONE);
	assert_int_equal(c.winner, 9);
	assert_int_equal(c.winner_hlc, 32);
}

static void registry_loads_a_script_again_that_redis_forgot(void **state)
{
	struct registry_call c = { .verb = REGISTRY_RENEW, .epoch = 7 };
	struct registry_stats stats;
	start_up();
	ask(&c);
	rig_until(server_has(&server, SHA "b"));
	server.n = 0;
	server_write(&server, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
	rig_until(server_has(&server, "LOAD") && server_has(&server, SHA "b"));
	server_write_bulk(&server, SHA "b");
	server_write(&server, "*1\r\n:0\r\n");
	rig_until(answered);
	assert_int_equal(c.err, ERR_NONE);
	registry_stats(registry, &stats);
	assert_int_equal(stats.reloads, 1);
	assert_int_equal(stats.failures, 0);
	/* And not for ever. */
	ask(&c);
	rig_until(server_has(&server, SHA "b"));
	server_write(&server, "-NOSCRIPT No matching script.\r\n$1\r\nx\r\n-NOSCRIPT No matching script.\r\n");
	rig_until(answered);
	assert_int_equal(c.err, ERR_UNAVAILABLE);
}

static void registry_says_when_it_may_not_load(void **state)
{
	server_greet(&server, RIG_RUN_A);
	server_gets_scripts();
	for (int i = 0; i < REGISTRY_VERB_COUNT; i++)
		server_write(&server, "-NOPERM this user has no permissions to run the 'script|load' command\r\n");
	rig_until(rig_changes.downs);
	assert_string_equal(rig_changes.text, "SCRIPT LOAD: NOPERM this user has no permissions to run the 'script|load' command");
	assert_false(registry_is_up(registry));
	server.n = 0;
	server_load(); /* it tries again after a while: an operator may have allowed it */
	rig_until(registry_is_up(registry));
	assert_int_equal(rig_changes.downs, 1);
}

static void registry_takes_no_answer_of_another_form(void **state)
{
	static const char *const odd[] = {
		"+OK\r\n", ":0\r\n", "*0\r\n", "*1\r\n:5\r\n", "*1\r\n:0\r\n", "*3\r\n:0\r\n:1\r\n$3\r\nabc\r\n",
		"*3\r\n:0\r\n:1\r\n$13\r\nvvvvvvvvvvvvv\r\n", "-ERR something\r\n", "$-1\r\n",
	};
	start_up();
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		struct registry_call c = { .verb = REGISTRY_HOME_CLAIM, .key = STR("a@b"), .epoch = 1, .hlc = 1 };
		ask(&c);
		rig_until(server_has(&server, SHA));
		server.n = 0;
		server_write(&server, odd[i]);
		rig_until(answered);
		if (c.err != ERR_UNAVAILABLE)
			fail_msg("%s: %s", odd[i], err_name(c.err));
	}
	assert_true(registry_is_up(registry));
}

static void registry_reads_nodes(void **state)
{
	struct registry_call c = { .verb = REGISTRY_NODES };
	start_up();
	ask(&c);
	rig_until(server_has(&server, SHA "c"));
	server_write(&server, "*9\r\n:0\r\n$2\r\n12\r\n$8\r\nno json!\r\n:0\r\n:1\r\n$1\r\n9\r\n");
	server_write_bulk(&server, "{\"id\":3,\"name\":\"n\",\"addr\":\"tcp:\\/\\/h:1\","
				   "\"version\":\"v\",\"workers\":2,\"min\":1,\"max\":2,\"state\":4}");
	server_write(&server, ":7000\r\n:0\r\n");
	rig_until(answered);
	assert_int_equal(c.n_nodes, 2);
	assert_int_equal(c.nodes[0].epoch, 9);
	assert_int_equal(c.nodes[0].id, 3);
	assert_true(str_is(c.nodes[0].addr, "tcp://h:1"));
	assert_int_equal(c.nodes[0].lease_ms, 7000);
	assert_int_equal(c.nodes[0].speaks_max, 2);
	assert_int_equal(c.nodes[0].state, 4);
	assert_int_equal(c.nodes[1].epoch, 12);
	assert_true(c.nodes[1].dead);
	arena_free(c.arena);
}

static enum err ask_and_answer(struct registry_call *c, const char *wire)
{
	ask(c);
	rig_until(server_has(&server, SHA));
	server.n = 0;
	server_write(&server, wire);
	rig_until(answered);
	arena_free(c->arena);
	c->arena = NULL;
	return c->err;
}

/* FLUSHALL changes no run id: our own lease that is not found tells it, once. */
static void registry_is_fresh_when_its_lease_is_not_found(void **state)
{
	struct registry_call own = { .verb = REGISTRY_RENEW, .epoch = 7 }, peer = { .verb = REGISTRY_RENEW, .epoch = 6 };
	struct registry_call join = { .verb = REGISTRY_JOIN };
	start_up();
	assert_int_equal(ask_and_answer(&join, "*3\r\n:0\r\n$1\r\n7\r\n:1\r\n"), ERR_NONE);
	assert_int_equal(join.epoch, 7);
	assert_int_equal(ask_and_answer(&own, "*1\r\n:0\r\n"), ERR_NONE);
	assert_int_equal(ask_and_answer(&peer, "*1\r\n:1\r\n"), ERR_NOT_FOUND);
	assert_int_equal(rig_changes.freshes, 1); /* as it came up */
	assert_int_equal(ask_and_answer(&own, "*1\r\n:1\r\n"), ERR_NOT_FOUND);
	assert_int_equal(rig_changes.freshes, 2);
	assert_int_equal(ask_and_answer(&own, "*1\r\n:1\r\n"), ERR_NOT_FOUND);
	assert_int_equal(rig_changes.freshes, 2);
	assert_int_equal(ask_and_answer(&join, "*3\r\n:0\r\n$1\r\n7\r\n:1\r\n"), ERR_NONE);
	assert_int_equal(ask_and_answer(&own, "*1\r\n:1\r\n"), ERR_NOT_FOUND);
	assert_int_equal(rig_changes.freshes, 3);
	assert_int_equal(rig_changes.downs, 0);
}

static void registry_free_answers_what_waits(void **state)
{
	struct registry_call c = { .verb = REGISTRY_RENEW, .epoch = 7 };
	start_up();
	ask(&c);
	assert_int_equal(answered, 0);
	registry_free(registry);
	registry = NULL;
	assert_int_equal(answered, 1);
	assert_int_equal(c.err, ERR_UNAVAILABLE);
}

static void registry_refuses_a_key_that_is_too_long(void **state)
{
	static char name[10000];
	struct registry_call c = { .verb = REGISTRY_PLACE_CLAIM, .key = { name, sizeof name }, .epoch = 7 };
	memset(name, 'n', sizeof name);
	start_up();
	ask(&c);
	assert_int_equal(answered, 1);
	assert_int_equal(c.err, ERR_UNAVAILABLE);
}

static void registry_numbers_compare_as_text(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 31, 32, 33, 1u << 31, UINT64_C(1) << 32, UINT64_C(0x7fffffffffffffff), UINT64_MAX };
	char before[REGISTRY_NUMBER] = { 0 }, text[REGISTRY_NUMBER];
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		uint64_t back = 0;
		registry_number_write(numbers[i], text);
		assert_true(registry_number_read(str_span(text, sizeof text), &back));
		assert_true(back == numbers[i]);
		assert_true(memcmp(before, text, sizeof text) < 0);
		memcpy(before, text, sizeof text);
	}
	uint64_t n;
	assert_false(registry_number_read(STR("000000000000"), &n));
	assert_false(registry_number_read(STR("00000000000000"), &n));
	assert_false(registry_number_read(STR("000000000000w"), &n));
	assert_false(registry_number_read(STR("g000000000000"), &n)); /* 65 bits */
	assert_false(registry_number_read(str_span("000000000000\0", 13), &n));
}

static void registry_prefix_refuses_what_lua_would_read(void **state)
{
	assert_true(registry_prefix_is_sound(STR("")));
	assert_true(registry_prefix_is_sound(STR("Chat-1.a_b:")));
	assert_false(registry_prefix_is_sound(STR("a'b")));
	assert_false(registry_prefix_is_sound(STR("a b")));
	assert_false(registry_prefix_is_sound(STR("a\\")));
	assert_false(registry_prefix_is_sound(STR("{a}")));
	assert_false(registry_prefix_is_sound(str_span("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		CASE(registry_loads_its_scripts_and_is_up),
		CASE(registry_answers_unavailable_at_once_while_it_is_down),
		CASE(registry_asks_by_the_sha_that_redis_gave),
		CASE(registry_loads_a_script_again_that_redis_forgot),
		CASE(registry_says_when_it_may_not_load),
		CASE(registry_takes_no_answer_of_another_form),
		CASE(registry_reads_nodes),
		CASE(registry_is_fresh_when_its_lease_is_not_found),
		CASE(registry_free_answers_what_waits),
		CASE(registry_refuses_a_key_that_is_too_long),
		cmocka_unit_test(registry_numbers_compare_as_text),
		cmocka_unit_test(registry_prefix_refuses_what_lua_would_read),
	};
	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
