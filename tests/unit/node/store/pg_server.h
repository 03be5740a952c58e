/*
 * pg_server.h: a PostgreSQL server of the test's own, on a Unix socket in a temporary folder, as a user without rights; it ends with the
 * test. All calls from the test's thread.
 */
#ifndef TESTS_UNIT_NODE_STORE_PG_SERVER_H
#define TESTS_UNIT_NODE_STORE_PG_SERVER_H

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/node/store/store_rig.h"

#include "node/store/postgres.h"

static struct {
	char dir[64], bin[128];
	pid_t pid;
} pg;

static inline void pg_find_programs(void)
{
	glob_t found = { 0 };
	const char *given = getenv("STARLING_PG_BIN");
	if (!given && glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0)
		given = found.gl_pathv[found.gl_pathc - 1];
	if (!given)
		fail_msg("no PostgreSQL server here: scripts/deps test installs one; or set STARLING_PG_BIN to the folder of its programs");
	snprintf(pg.bin, sizeof pg.bin, "%s", given);
	globfree(&found);
}

/* The server refuses to be root. */
static inline const struct passwd *pg_user(void)
{
	const struct passwd *p = getpwnam("postgres");
	return p ? p : getpwnam("nobody");
}

/* In a child that dies with the test. */
static inline pid_t pg_spawn(const char *program, const char *const argv[])
{
	char path[160], log[96];
	snprintf(path, sizeof path, "%s/%s", pg.bin, program);
	snprintf(log, sizeof log, "%s/log", pg.dir);
	const struct passwd *user = getuid() == 0 ? pg_user() : NULL;
	pid_t child = fork();
	if (child)
		return child;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
	dup2(fd, 1);
	dup2(fd, 2);
	/* That user may not look into our folder (root's home is closed), and initdb asks where it is. */
	if (chdir("/") || (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid))))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	const char *args[32] = { path }; /* it looks for its fellows beside what it is called as, or else in PATH */
	for (int i = 1; i < 31 && argv[i]; i++)
		args[i] = argv[i];
	execv(path, (char *const *)args);
	_exit(127);
}

static inline PGconn *pg_connect(void)
{
	char uri[220];
	snprintf(uri, sizeof uri, "host=%s user=starling dbname=postgres options='-c client_min_messages=warning"
		 " -c default_transaction_read_only=off -c lock_timeout=10s'", pg.dir);
	return PQconnectdb(uri);
}

/* Runs SQL; the first value of its last result, if any. */
static inline const char *pg_sql(const char *sql)
{
	static char value[256];
	PGconn *c = pg_connect();
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	snprintf(value, sizeof value, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	PQfinish(c);
	return value;
}

static inline void pg_start(void)
{
	char data[80];
	snprintf(data, sizeof data, "%s/data", pg.dir);
	/* fsync: what the kernel has survives the death of a process */
	const char *const argv[] = { "postgres", "-D", data, "-k", pg.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c",
				     "shared_buffers=16MB", NULL };
	for (int i = 0; i < 600; i++) {
		if (pg.pid <= 0 || waitpid(pg.pid, NULL, WNOHANG) == pg.pid) /* too early: the last one's children are not yet gone */
			pg.pid = pg_spawn("postgres", argv);
		PGconn *c = pg_connect();
		bool up = PQstatus(c) == CONNECTION_OK;
		PQfinish(c);
		if (up)
			return;
		usleep(50000);
	}
	fail_msg("PostgreSQL does not start: see %s/log", pg.dir);
}

static inline void pg_stop(int sig)
{
	if (pg.pid <= 0)
		return;
	kill(pg.pid, sig);
	waitpid(pg.pid, NULL, 0);
	pg.pid = 0;
}

static inline void pg_init(void)
{
	pg_find_programs();
	snprintf(pg.dir, sizeof pg.dir, "/tmp/starling-pg-XXXXXX");
	assert_non_null(mkdtemp(pg.dir));
	if (getuid() == 0)
		assert_int_equal(chown(pg.dir, pg_user()->pw_uid, pg_user()->pw_gid), 0);
	char data[80];
	int status = -1;
	snprintf(data, sizeof data, "%s/data", pg.dir);
	const char *const argv[] = { "initdb", "-D", data, "-U", "starling", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", NULL };
	assert_true(waitpid(pg_spawn("initdb", argv), &status, 0) > 0);
	if (status)
		fail_msg("initdb failed: see %s/log", pg.dir);
	pg_start();
}

static inline void pg_fini(void)
{
	pg_stop(SIGQUIT);
	pid_t child = fork();
	if (!child) {
		execlp("rm", "rm", "-rf", pg.dir, (char *)NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
}

/* For a group of tests. */
static inline int pg_setup_group(void **state)
{
	(void)state;
	pg_init();
	return 0;
}
static inline int pg_teardown_group(void **state)
{
	(void)state;
	pg_fini();
	return 0;
}

/* A store on this server, as it is. */
static inline enum err pg_open(struct store **out, struct postgres_store_options options, char why[POSTGRES_WHY_BYTES])
{
	options.host = pg.dir;
	options.user = "starling";
	if (!options.database)
		options.database = "postgres";
	return postgres_store_open(&options, out, why);
}

/* A store on this server, emptied before. */
static inline struct store *pg_open_fresh(struct postgres_store_options options)
{
	char why[POSTGRES_WHY_BYTES];
	struct store *s;
	pg_sql("DROP SCHEMA IF EXISTS starling CASCADE");
	if (pg_open(&s, options, why))
		fail_msg("%s", why);
	return s;
}

#endif
