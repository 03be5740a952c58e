/* redis_server_test.c: cluster/redis.c and cluster/registry.c with a real redis-server: crashes, time-outs, users, TLS, Sentinels. */
#include "tests/unit/cluster/redis_rig.h"

#include "cluster/registry.h"
#include "tests/cluster/redis_server.h"

#define SENTINELS 3

static struct redis_server server, replica, sentinels[SENTINELS];
static struct redis *redis;
static struct registry *registry;
static struct redis_options options;

/* ---- beside what is tested: hiredis' own blocking client ---- */

/* NULL: the connection was cut, as a Sentinel does with those of a server that it makes a replica. */
static redisReply *query(const struct redis_server *s, const char *command)
{
	redisContext *c = redisConnectUnix(s->unix_path);
	assert_non_null(c);
	redisReply *reply = c->err ? NULL : redisCommand(c, command);
	redisFree(c);
	return reply;
}

static bool query_has(const struct redis_server *s, const char *command, const char *what)
{
	redisReply *reply = query(s, command);
	bool has = reply && reply->str && strstr(reply->str, what);
	freeReplyObject(reply);
	return has;
}

static void do_query(const struct redis_server *s, const char *command)
{
	redisReply *reply = query(s, command);
	assert_non_null(reply);
	freeReplyObject(reply);
}

/* ---- the fixture ---- */

static int set_up(void **state)
{
	rig_open();
	redis_server_init(&server, redis_server_free_port());
	options = (struct redis_options){ .host = STR("127.0.0.1"), .port = (uint16_t)server.port };
	options.timeout_ms = options.connect_ms = 10000; /* who wants a time-out sets one */
	return 0;
}

static int tear_down(void **state)
{
	redis_free(redis);
	registry_free(registry);
	redis = NULL;
	registry = NULL;
	rig_close();
	for (unsigned i = 0; i < SENTINELS; i++)
		redis_server_fini(&sentinels[i]);
	redis_server_fini(&replica);
	redis_server_fini(&server);
	return 0;
}

static void start_redis(void)
{
	redis = redis_new(rig_worker, &options);
	redis_on_change(redis, rig_on_change, NULL);
	redis_start(redis);
}

static void start_registry(void)
{
	registry = registry_new(rig_worker, &options);
	registry_on_change(registry, rig_on_change, NULL);
	registry_start(registry);
}

static bool answered;
static void on_done(void *arg, struct registry_call *c)
{
	answered = true;
}

static enum err ask(struct registry_call c)
{
	answered = false;
	registry_ask(registry, &c, on_done, NULL);
	rig_until(answered);
	arena_free(c.arena);
	return c.err;
}

static uint32_t join(void)
{
	struct registry_call c = { .verb = REGISTRY_JOIN, .self = { .name = STR("n"), .addr = STR("tcp://h:1") } };
	answered = false;
	registry_ask(registry, &c, on_done, NULL);
	rig_until(answered);
	assert_int_equal(c.err, ERR_NONE);
	arena_free(c.arena);
	return c.epoch;
}

/* ---- crashes and time-outs ---- */

static void redis_comes_back_fresh_after_kill_9(void **state)
{
	struct rig_answer a[100] = { 0 };
	redis_server_start(&server, NULL);
	start_redis();
	rig_until(redis_is_up(redis));
	kill(server.pid, SIGSTOP); /* so that none is answered before it dies */
	for (int i = 0; i < 100; i++)
		rig_ask(redis, &a[i], "PING");
	redis_server_kill(&server);
	rig_until(a[99].count);
	for (int i = 0; i < 100; i++)
		assert_true(a[i].count == 1 && a[i].type == 0);
	assert_int_equal(rig_changes.downs, 1);
	rig_until(rig_changes.downs == 2); /* refused: another reason */
	redis_server_start(&server, NULL);
	rig_until(redis_is_up(redis));
	assert_int_equal(rig_changes.freshes, 2);
	rig_ask(redis, &a[0], "PING");
	rig_until(a[0].count == 2);
	assert_string_equal(a[0].text, "PONG");
}

static void redis_times_out_a_stopped_server_and_knows_it_again(void **state)
{
	struct rig_answer a = { 0 };
	options.timeout_ms = 200;
	options.connect_ms = 400;
	redis_server_start(&server, NULL);
	start_redis();
	rig_until(redis_is_up(redis));
	kill(server.pid, SIGSTOP);
	uint64_t begin = rig_ms();
	rig_ask(redis, &a, "PING");
	rig_until(a.count);
	assert_int_equal(a.type, 0);
	assert_true(rig_ms() - begin >= 150); /* 200 since its thread looked at the clock last */
	rig_until(rig_changes.downs >= 2); /* the kernel accepts for it, HELLO is not answered */
	kill(server.pid, SIGCONT);
	rig_until(redis_is_up(redis));
	assert_int_equal(rig_changes.freshes, 1);
}

static void redis_comes_back_after_client_kill(void **state)
{
	redis_server_start(&server, NULL);
	start_redis();
	rig_until(redis_is_up(redis));
	do_query(&server, "CLIENT KILL TYPE normal SKIPME yes");
	rig_until(rig_changes.downs == 1);
	rig_until(redis_is_up(redis));
	assert_int_equal(rig_changes.freshes, 1);
}

static void registry_leaves_a_master_that_became_a_replica(void **state)
{
	struct registry_call renew = { .verb = REGISTRY_RENEW };
	redis_server_start(&server, NULL);
	start_registry();
	rig_until(registry_is_up(registry));
	renew.epoch = join();
	assert_int_equal(ask(renew), ERR_NONE);
	do_query(&server, "REPLICAOF 127.0.0.1 1");
	assert_int_equal(ask(renew), ERR_UNAVAILABLE);
	assert_false(registry_is_up(registry));
	rig_until(strcmp(rig_changes.text, "it is no master") == 0);
	do_query(&server, "REPLICAOF NO ONE");
	rig_until(registry_is_up(registry));
	assert_int_equal(rig_changes.freshes, 2);
	assert_int_equal(ask(renew), ERR_NONE);
}

static void registry_notices_that_redis_was_emptied(void **state)
{
	struct registry_call renew = { .verb = REGISTRY_RENEW };
	struct registry_stats stats;
	redis_server_start(&server, NULL);
	start_registry();
	rig_until(registry_is_up(registry));
	renew.epoch = join();
	do_query(&server, "FLUSHALL");
	assert_int_equal(ask(renew), ERR_NOT_FOUND);
	assert_int_equal(rig_changes.freshes, 2);
	do_query(&server, "SCRIPT FLUSH");
	struct registry_call again = { .verb = REGISTRY_JOIN, .epoch = renew.epoch, .id = 1 };
	assert_int_equal(ask(again), ERR_NONE);
	assert_int_equal(ask(renew), ERR_NONE);
	registry_stats(registry, &stats);
	assert_int_equal(stats.reloads, 2);
	assert_true(renew.epoch < join()); /* the counter was raised */
}

/* ---- users ---- */

static void redis_is_refused_with_a_wrong_password(void **state)
{
	static const char *const extra[] = { "--requirepass", "right horse", NULL };
	redis_server_start(&server, extra);
	options.password = STR("wrong horse");
	start_redis();
	rig_until(rig_changes.downs);
	assert_string_equal(rig_changes.text, "HELLO: WRONGPASS invalid username-password pair or user is disabled.");
	redis_free(redis);
	options.password = STR_NONE;
	start_redis();
	rig_until(rig_changes.downs == 2);
	assert_memory_equal(rig_changes.text, "HELLO: NOAUTH ", 14);
	redis_free(redis);
	options.password = STR("right horse");
	start_redis();
	rig_until(redis_is_up(redis));
}

/* The line of docs/redis.md, with a password. */
static void write_acl(const char *path)
{
	char line[1024], *at;
	FILE *doc = fopen("docs/redis.md", "r"), *acl = fopen(path, "w");
	assert_non_null(doc);
	assert_non_null(acl);
	fputs("user default off\n", acl);
	bool found = false;
	while (fgets(line, sizeof line, doc)) {
		if (strncmp(line, "user starling on ", 17) != 0)
			continue;
		at = strstr(line, "PASSWORD");
		assert_non_null(at);
		fprintf(acl, "%.*ssecret%s", (int)(at - line), line, at + strlen("PASSWORD"));
		found = true;
	}
	assert_true(found);
	fclose(doc);
	fclose(acl);
}

static void registry_does_with_the_user_that_the_docs_name(void **state)
{
	char path[128];
	struct rig_answer denied = { 0 };
	snprintf(path, sizeof path, "%s/users.acl", server.dir);
	write_acl(path);
	redis_server_start(&server, (const char *const[]){ "--aclfile", path, NULL });
	options.user = STR("starling");
	options.password = STR("secret");
	options.database = 1;
	start_registry();
	rig_until(registry_is_up(registry));
	struct registry_call base = { .epoch = join(), .key = STR("a@b"), .resource = STR("r"), .hlc = 1, .sid = 1 };
	uint32_t dead = join();
	for (enum registry_verb v = REGISTRY_RENEW; v < REGISTRY_VERB_COUNT; v++) {
		struct registry_call c = base;
		c.verb = v;
		c.limit = v == REGISTRY_BIND ? 5 : 0;
		if (v == REGISTRY_LEAVE || v == REGISTRY_PURGE)
			c.epoch = dead;
		enum err err = ask(c);
		if (err != ERR_NONE && err != ERR_DENIED)
			fail_msg("%s: %s", registry_verb_name(v), err_name(err));
	}
	/* A home that is taken over from the dead, and a place: what the scripts do rarely. */
	struct registry_call theirs = base;
	theirs.verb = REGISTRY_HOME_CLAIM;
	theirs.key = STR("c@d");
	assert_int_equal(ask(theirs), ERR_NONE);
	theirs.verb = REGISTRY_LEAVE;
	assert_int_equal(ask(theirs), ERR_NONE);
	theirs.verb = REGISTRY_HOME_CLAIM;
	theirs.epoch = join();
	assert_int_equal(ask(theirs), ERR_NONE);
	start_redis();
	rig_until(redis_is_up(redis));
	static const char *const forbidden[] = { "FLUSHALL", "KEYS *", "CONFIG GET *", "SHUTDOWN", "GET other" };
	for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
		unsigned before = denied.count;
		rig_ask(redis, &denied, forbidden[i]);
		rig_until(denied.count > before);
		assert_memory_equal(denied.text, "NOPERM", 6);
	}
}

/* ---- TLS ---- */

static void run(const char *const *argv)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, 2);
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

struct certificates {
	char ca_key[96], ca[96], key[96], cert[96];
};

static void make_certificates(struct certificates *c)
{
	snprintf(c->ca_key, sizeof c->ca_key, "%s/ca.key", server.dir);
	snprintf(c->ca, sizeof c->ca, "%s/ca.crt", server.dir);
	snprintf(c->key, sizeof c->key, "%s/server.key", server.dir);
	snprintf(c->cert, sizeof c->cert, "%s/server.crt", server.dir);
#define OPENSSL_REQ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"
	run((const char *const[]){ OPENSSL_REQ, "-subj", "/CN=the test's own", "-keyout", c->ca_key, "-out", c->ca, NULL });
	run((const char *const[]){ OPENSSL_REQ, "-subj", "/CN=redis.example", "-addext", "subjectAltName=DNS:redis.example,IP:127.0.0.1",
				   "-addext", "basicConstraints=critical,CA:FALSE", "-CA", c->ca, "-CAkey", c->ca_key, "-keyout", c->key,
				   "-out", c->cert, NULL });
}

static void expect_tls_refusal(const char *text)
{
	unsigned downs = rig_changes.downs;
	start_redis();
	rig_until(rig_changes.downs > downs);
	if (!strstr(rig_changes.text, text))
		fail_msg("\"%s\" does not say \"%s\"", rig_changes.text, text);
	redis_free(redis);
	redis = NULL;
}

static void redis_verifies_the_chain_and_the_name(void **state)
{
	struct certificates c;
	char port[16];
	make_certificates(&c);
	int tls_port = redis_server_free_port();
	snprintf(port, sizeof port, "%d", tls_port);
	redis_server_start(&server, (const char *const[]){ "--tls-port", port, "--tls-cert-file", c.cert, "--tls-key-file", c.key,
							   "--tls-ca-cert-file", c.ca, "--tls-auth-clients", "no", NULL });
	options.tls = true;
	options.connect_ms = 1000;
	expect_tls_refusal("TLS: no answer in time"); /* the plain port waits for the end of a line */
	options.connect_ms = 10000;
	options.port = (uint16_t)tls_port;
	expect_tls_refusal("TLS: the server's certificate: "); /* not an authority of the system's */
	options.tls_ca_file = STR("/nonexistent/ca.crt");
	expect_tls_refusal("TLS: cannot read the certificates in /nonexistent/ca.crt");
	options.tls_ca_file = str_of(c.ca);
	options.tls_name = STR("other.example");
	expect_tls_refusal("ostname mismatch");
	options.tls_name = STR("127.0.0.2");
	expect_tls_refusal("IP address mismatch");
	options.tls_name = STR("redis.example");
	start_registry();
	rig_until(registry_is_up(registry));
	options.tls_name = STR_NONE; /* the address itself */
	start_redis();
	rig_until(redis_is_up(redis));
	/* More than a TLS record, and than a read, each way. */
	static char value[300000];
	struct rig_answer set = { 0 }, got = { 0 };
	memset(value, 'v', sizeof value);
	redis_command(redis, 3, (struct str[]){ STR("SET"), STR("k"), str_span(value, sizeof value) }, rig_on_answer, &set);
	for (int i = 0; i < 20; i++)
		rig_ask(redis, &got, "GET k");
	rig_until(got.count == 20);
	assert_string_equal(set.text, "OK");
	assert_int_equal(strlen(got.text), sizeof got.text - 1);
	kill(server.pid, SIGKILL);
	rig_until(!redis_is_up(redis));
}

/* ---- Sentinels ---- */

#define FAIL_OVER_MS 120000 /* Sentinels have timers of ten seconds and more */

static void start_sentinel(struct redis_server *s, int master_port, unsigned quorum)
{
	char path[128], port[16];
	redis_server_init(s, redis_server_free_port());
	snprintf(path, sizeof path, "%.63s/sentinel.conf", s->dir);
	snprintf(port, sizeof port, "%d", s->port);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "sentinel monitor chat 127.0.0.1 %d %u\n", master_port, quorum);
	/* Long enough for a busy machine: the new master must not be taken for dead as well. */
	fprintf(f, "sentinel down-after-milliseconds chat 2000\nsentinel failover-timeout chat 3000\n");
	fclose(f);
	unlink(s->unix_path);
	s->pid = fork();
	if (s->pid == 0) {
		const char *args[] = { "redis-server", path, "--sentinel", "--port", port, "--bind", "127.0.0.1", "--dir", s->dir,
				       "--unixsocket", s->unix_path, "--logfile", "log", NULL };
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(args[0], (char **)args);
		_exit(127);
	}
	rig_until(redis_server_accepts(s));
}

static void fail_over_with(unsigned n_sentinels)
{
	char port[16], others[32], names[SENTINELS][32], where[64];
	struct str list[SENTINELS];
	redis_server_start(&server, NULL);
	redis_server_init(&replica, redis_server_free_port());
	snprintf(port, sizeof port, "%d", server.port);
	redis_server_start(&replica,
			   (const char *const[]){ "--replicaof", "127.0.0.1", port, "--repl-diskless-sync-delay", "0", NULL });
	rig_until(query_has(&replica, "INFO replication", "master_link_status:up"));
	for (unsigned i = 0; i < n_sentinels; i++) {
		start_sentinel(&sentinels[i], server.port, n_sentinels / 2 + 1);
		snprintf(names[i], sizeof names[i], "127.0.0.1:%d", sentinels[i].port);
		list[i] = str_of(names[i]);
	}
	snprintf(others, sizeof others, "slaves=1,sentinels=%u", n_sentinels);
	for (unsigned i = 0; i < n_sentinels; i++)
		rig_until(query_has(&sentinels[i], "INFO sentinel", others));
	options.host = STR_NONE;
	options.port = 0;
	options.sentinels = list;
	options.n_sentinels = n_sentinels;
	options.master_name = STR("chat");
	start_registry();
	rig_until(registry_is_up(registry));
	snprintf(where, sizeof where, "127.0.0.1:%d", server.port);
	assert_string_equal(rig_changes.text, where);
	uint32_t epoch = join();
	redis_server_kill(&server);
	rig_until_ms(rig_changes.freshes == 2, FAIL_OVER_MS);
	snprintf(where, sizeof where, "127.0.0.1:%d", replica.port);
	assert_string_equal(rig_changes.text, where);
	assert_int_equal(ask((struct registry_call){ .verb = REGISTRY_JOIN, .epoch = epoch, .id = 1 }), ERR_NONE);
	/* The old master comes back as one: we stay where we are. */
	redis_server_start(&server, NULL);
	rig_until_ms(query_has(&server, "INFO replication", "role:slave"), FAIL_OVER_MS);
	struct registry_call renew = { .verb = REGISTRY_RENEW, .epoch = epoch };
	if (ask(renew) != ERR_NONE) {
		print_message("down meanwhile: %s\n", rig_changes.text);
		rig_until_ms(ask(renew) == ERR_NONE, FAIL_OVER_MS);
	}
	assert_int_equal(rig_changes.freshes, 2);
	assert_string_equal(rig_changes.text, where);
}

static void registry_follows_one_sentinel(void **state)
{
	fail_over_with(1);
}

static void registry_follows_three_sentinels(void **state)
{
	fail_over_with(3);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as in the node */
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		CASE(redis_comes_back_fresh_after_kill_9),
		CASE(redis_times_out_a_stopped_server_and_knows_it_again),
		CASE(redis_comes_back_after_client_kill),
		CASE(registry_leaves_a_master_that_became_a_replica),
		CASE(registry_notices_that_redis_was_emptied),
		CASE(redis_is_refused_with_a_wrong_password),
		CASE(registry_does_with_the_user_that_the_docs_name),
		CASE(redis_verifies_the_chain_and_the_name),
		CASE(registry_follows_one_sentinel),
		CASE(registry_follows_three_sentinels),
	};
	return cmocka_run_group_tests_name("redis_server", tests, NULL, NULL);
}
