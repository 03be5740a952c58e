/* redis_server.h: a real redis-server in a folder of its own, started and stopped by a test, which also knows its pid. */
#ifndef TESTS_CLUSTER_REDIS_SERVER_H
#define TESTS_CLUSTER_REDIS_SERVER_H

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REDIS_SERVER_ARGS 64

struct redis_server {
	char dir[64], unix_path[96], clock[96];
	int port;        /* 0: a Unix socket only */
	pid_t pid;
	const char *preload; /* NULL: none; its clock is the file `clock` */
};

static inline void redis_server_die(const char *what)
{
	perror(what);
	abort();
}

/* A port that was free a moment ago. */
static inline int redis_server_free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		redis_server_die("a free port");
	close(fd);
	return ntohs(in.sin_port);
}

static inline void redis_server_init(struct redis_server *s, int port)
{
	memset(s, 0, sizeof *s);
	snprintf(s->dir, sizeof s->dir, "/tmp/starling-redis-XXXXXX");
	if (!mkdtemp(s->dir))
		redis_server_die("mkdtemp");
	snprintf(s->unix_path, sizeof s->unix_path, "%.63s/redis.sock", s->dir);
	snprintf(s->clock, sizeof s->clock, "%.63s/clock", s->dir);
	s->port = port;
}

static inline void redis_server_exec(const struct redis_server *s, const char *const *extra)
{
	char port[16], log[96];
	const char *args[REDIS_SERVER_ARGS] = { "redis-server", "--port", port,	  "--bind",	 "127.0.0.1", "--unixsocket", s->unix_path,
						"--dir",	s->dir,	  "--save", "", "--daemonize", "no",	   "--logfile",	  log };
	int n = 0;
	snprintf(port, sizeof port, "%d", s->port);
	snprintf(log, sizeof log, "%s/log", s->dir);
	while (args[n])
		n++;
	for (; extra && *extra && n < REDIS_SERVER_ARGS - 1; extra++)
		args[n++] = *extra;
	if (s->preload) {
		setenv("LD_PRELOAD", s->preload, 1);
		setenv("TEST_CLOCK", s->clock, 1);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive the test */
	execvp("redis-server", (char **)args);
	_exit(127);
}

static inline bool redis_server_accepts(const struct redis_server *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", s->unix_path);
	bool ok = connect(fd, (struct sockaddr *)&un, sizeof un) == 0;
	close(fd);
	return ok;
}

/* `extra`: more arguments, the last one NULL; may be NULL. Returns once it accepts. */
static inline void redis_server_start(struct redis_server *s, const char *const *extra)
{
	unlink(s->unix_path);
	s->pid = fork();
	if (s->pid < 0)
		redis_server_die("fork");
	if (s->pid == 0)
		redis_server_exec(s, extra);
	for (int i = 0; i < 20000; i++) {
		if (redis_server_accepts(s))
			return;
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
			fprintf(stderr, "redis-server ended at once: see %s/log\n", s->dir);
			abort();
		}
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	fprintf(stderr, "redis-server does not accept: see %s/log\n", s->dir);
	abort();
}

/* SIGKILL: as a crash. */
static inline void redis_server_kill(struct redis_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

/* Whatever is in the folder: a replica killed within a transfer leaves a file with a name of its own. Harmless when it was not begun. */
static inline void redis_server_fini(struct redis_server *s)
{
	char path[400];
	redis_server_kill(s);
	DIR *dir = s->dir[0] ? opendir(s->dir) : NULL;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		snprintf(path, sizeof path, "%.63s/%s", s->dir, e->d_name);
		unlink(path);
	}
	if (dir) {
		closedir(dir);
		rmdir(s->dir);
	}
	memset(s, 0, sizeof *s);
}

#endif
