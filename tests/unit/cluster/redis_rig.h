/* redis_rig.h: a redis on a worker that the test turns, and a server of which the test is the program: it accepts, reads and writes. */
#ifndef TESTS_UNIT_CLUSTER_REDIS_RIG_H
#define TESTS_UNIT_CLUSTER_REDIS_RIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <hiredis.h>

#include "cluster/redis.h"

#define RIG_WAIT_MS 20000

static struct worker *rig_worker;

/* What on_change told last, and how often. */
static struct rig_changes {
	unsigned ups, downs, freshes;
	char text[256];
} rig_changes;

static inline void rig_on_change(void *arg, bool up, bool fresh, const char *text)
{
	struct rig_changes *c = arg ? arg : &rig_changes;
	c->ups += up;
	c->downs += !up;
	c->freshes += fresh;
	snprintf(c->text, sizeof c->text, "%s", text);
}

/* One command's answer. */
struct rig_answer {
	unsigned count, order;
	int type; /* 0: NULL */
	char text[256];
	long long integer;
	size_t elements;
};
static unsigned rig_order;

static inline void rig_on_answer(void *arg, const struct redisReply *reply)
{
	struct rig_answer *a = arg;
	a->count++;
	a->order = ++rig_order;
	a->type = reply ? reply->type : 0;
	a->integer = reply ? reply->integer : 0;
	a->elements = reply ? reply->elements : 0;
	snprintf(a->text, sizeof a->text, "%s", reply && reply->str ? reply->str : "");
}

static inline uint64_t rig_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline void rig_turn(void)
{
	worker_turn(rig_worker);
	nanosleep(&(struct timespec){ 0, 200000 }, NULL);
}

/* Turns the loop until it holds; fails the test after a deadline. */
#define rig_until_ms(condition, wait_ms)                                \
	do {                                                            \
		uint64_t rig_end_ = rig_ms() + (wait_ms);               \
		while (!(condition)) {                                  \
			if (rig_ms() > rig_end_)                        \
				fail_msg("never true: %s", #condition); \
			rig_turn();                                     \
		}                                                       \
	} while (0)
#define rig_until(condition) rig_until_ms(condition, RIG_WAIT_MS)

static inline void rig_open(void)
{
	memset(&rig_changes, 0, sizeof rig_changes);
	rig_worker = worker_new(0, "test");
}

static inline void rig_close(void)
{
	worker_free(rig_worker);
	rig_worker = NULL;
}

static inline void rig_ask(struct redis *r, struct rig_answer *a, const char *command)
{
	struct str argv[16], rest = str_of(command);
	unsigned argc = 0;
	while (str_present(rest) && argc < 16)
		argv[argc++] = str_cut(&rest, ' ');
	redis_command(r, argc, argv, rig_on_answer, a);
}

/* ---- the server ---- */

struct rig_server {
	int listener, fd;
	uint16_t port;
	char in[262144];
	size_t n;
};

#define RIG_RUN_A "run_id:aaaa"
#define RIG_RUN_B "run_id:bbbb"

static inline void server_open(struct rig_server *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;
	memset(s, 0, sizeof *s);
	s->fd = -1;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_return_code(bind(s->listener, (struct sockaddr *)&in, sizeof in), errno);
	assert_return_code(listen(s->listener, 8), errno);
	getsockname(s->listener, (struct sockaddr *)&in, &len);
	s->port = ntohs(in.sin_port);
}

static inline void server_hang_up(struct rig_server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static inline void server_close(struct rig_server *s)
{
	server_hang_up(s);
	close(s->listener);
}

/* True once somebody connected. */
static inline bool server_accepted(struct rig_server *s)
{
	if (s->fd >= 0)
		return true;
	s->fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	s->n = 0;
	return s->fd >= 0;
}

/* True once what the client sent has this in it. */
static inline bool server_has(struct rig_server *s, const char *what)
{
	ssize_t n = recv(s->fd, s->in + s->n, sizeof s->in - s->n, 0);
	if (n > 0)
		s->n += (size_t)n;
	return memmem(s->in, s->n, what, strlen(what)) != NULL;
}

/* True when the client has closed. */
static inline bool server_sees_end(struct rig_server *s)
{
	char c[4096];
	ssize_t n = recv(s->fd, c, sizeof c, 0);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

static inline void server_write(struct rig_server *s, const char *text)
{
	assert_int_equal(send(s->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void server_write_bulk(struct rig_server *s, const char *text)
{
	char head[32];
	snprintf(head, sizeof head, "$%zu\r\n", strlen(text));
	server_write(s, head);
	server_write(s, text);
	server_write(s, "\r\n");
}

#define RIG_HELLO_MASTER \
	"*8\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n" \
	"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"

static inline void server_write_infos(struct rig_server *s, const char *run_id)
{
	char info[256];
	snprintf(info, sizeof info, "# Server\r\nredis_version:7.0.15\r\n%s\r\nport:1\r\n", run_id);
	server_write_bulk(s, info);
	server_write_bulk(s, "# Replication\r\nrole:master\r\nmaster_replid:cccc\r\n");
}

/* Accepts and answers HELLO, INFO, INFO, PING. */
static inline void server_greet(struct rig_server *s, const char *run_id)
{
	rig_until(server_accepted(s));
	rig_until(server_has(s, "PING\r\n"));
	server_write(s, RIG_HELLO_MASTER);
	server_write_infos(s, run_id);
	server_write(s, "+PONG\r\n");
	s->n = 0;
}

#endif
