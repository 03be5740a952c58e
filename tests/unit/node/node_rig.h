/*
 * node_rig.h: a whole node without threads: its workers' loops are turned by the test, which so decides who may run. Clients are socket
 * pairs; accounts live in a store in memory.
 */
#ifndef TESTS_UNIT_NODE_NODE_RIG_H
#define TESTS_UNIT_NODE_NODE_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster/pool.h"
#include "node/core/account.h"
#include "node/core/life.h"
#include "node/core/log_options.h"
#include "node/core/session.h"
#include "node/core/settings.h"
#include "node/core/sm_session.h"
#include "node/core/stores.h"
#include "node/http/http.h"
#include "node/net/endpoints.h"
#include "node/stream/c2s.h"
#include "proto/base/encode.h"

#define RIG_HEADER "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

static struct node node;
static struct config_schema *rig_schema;
static char rig_dir[64];
static unsigned rig_held = UINT32_MAX; /* the worker that is not turned */

struct rig_client {
	int fd;
	struct buf heard;
	char bare[64];
	unsigned worker; /* of its account */
};

static inline void rig_turn(void)
{
	for (unsigned i = 0; i < node.n_workers; i++)
		if (i != rig_held)
			worker_turn(node.workers[i]);
	worker_turn(node.main);
}

/* By the clock, not by turns: what is waited for may be another thread's, which a busy machine runs seldom. */
#define RIG_WAIT_NS (60 * UINT64_C(1000000000))
#define RIG_UNTIL(condition)                                            \
	do {                                                            \
		uint64_t end_ns_ = uv_hrtime() + RIG_WAIT_NS;           \
		for (int tries_ = 0; !(condition); tries_++) {          \
			rig_turn();                                     \
			if (uv_hrtime() > end_ns_)                      \
				fail_msg("%s", "waited for " #condition);     \
			if (tries_ > 100)                               \
				usleep(1000);                           \
		}                                                       \
	} while (0)

static inline void rig_turns(int n)
{
	while (n--)
		rig_turn();
}

struct rig_order {
	struct message message;
	void (*fn)(struct node_worker *nw);
};

static inline void rig_on_order(struct worker *w, struct message *m, bool cancelled)
{
	struct rig_order *o = (struct rig_order *)m;
	o->fn(nw_of(w));
	free(o);
}

/* On that worker, after what was said before, and before anything comes of it. */
static inline void rig_order(unsigned worker, void (*fn)(struct node_worker *nw))
{
	struct rig_order *o = calloc(1, sizeof *o);
	*o = (struct rig_order){ .message.run = rig_on_order, .fn = fn };
	worker_post(node.workers[worker], &o->message);
}

/* Two workers, the host localhost; `more` is appended to the configuration. */
static inline void rig_start(const char *more)
{
	char path[128];
	struct buf why;
	struct config *config = NULL;
	buf_init(&why, 8192);
	snprintf(rig_dir, sizeof rig_dir, "/tmp/node_test.XXXXXX");
	assert_non_null(mkdtemp(rig_dir));
	snprintf(path, sizeof path, "%s/c.yml", rig_dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "hosts:\n  localhost: {}\ndata_dir: %s/data\nworkers: 2\nstore:\n  backend: memory\nsasl:\n  iterations: 4096\n"
		   "log:\n  level: error\n%s", rig_dir, more);
	fclose(f);
	rig_schema = settings_schema();
	endpoints_register(rig_schema);
	log_register(rig_schema);
	stores_register(rig_schema);
	http_register(rig_schema);
	enum err e = config_load(rig_schema, path, environ, &why, &config);
	e = e ? e : log_apply(config, STR_NONE, &why);
	memset(&node, 0, sizeof node);
	e = e ? e : life_make(&node, config, &why);
	if (e)
		fail_msg("%.*s", STR_ARG(buf_str(&why)));
	buf_fini(&why);
	rig_held = UINT32_MAX;
}

static inline int rig_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline bool rig_has_no_streams(void)
{
	for (unsigned i = 0; i < node.n_workers; i++)
		if (nw_of(node.workers[i])->streams)
			return false;
	return true;
}

static inline bool rig_is_empty(void)
{
	for (unsigned i = 0; i < node.n_workers; i++)
		if (map_count(&nw_of(node.workers[i])->users))
			return false;
	return rig_has_no_streams();
}

/* Every stream is cut, no session waits for its client; nothing may be left of them. */
static inline void rig_stop(void)
{
	rig_held = UINT32_MAX;
	rig_turns(3); /* who moves arrives */
	for (unsigned i = 0; i < node.n_workers; i++)
		c2s_abort_all(nw_of(node.workers[i]));
	RIG_UNTIL(rig_has_no_streams());
	for (unsigned i = 0; i < node.n_workers; i++)
		rig_order(i, sm_session_end_detached);
	RIG_UNTIL(rig_is_empty());
	RIG_UNTIL(pool_waiting() == 0);
	life_finish(&node);
	config_schema_free(rig_schema);
	nftw(rig_dir, rig_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- accounts ---- */

static inline void rig_on_created(const struct account_answer *a)
{
	*(enum err *)a->arg = a->err;
}

struct rig_create {
	struct message message;
	const char *user;
	enum err err;
};

static inline void rig_on_create(struct worker *w, struct message *m, bool cancelled)
{
	struct rig_create *c = (struct rig_create *)m;
	struct account_ask ask = { .store = node.store, .host = STR("localhost"), .user = str_of(c->user), .on_done = rig_on_created,
				   .arg = &c->err };
	assert_int_equal(account_create(&ask, STR("p"), 4096), ERR_NONE);
}

static inline void rig_account(const char *user)
{
	struct rig_create c = { .message.run = rig_on_create, .user = user, .err = ERR_COUNT };
	worker_post(node.main, &c.message);
	RIG_UNTIL(c.err != ERR_COUNT);
	assert_int_equal(c.err, ERR_NONE);
}

/* Makes an account whose shard is this worker; its name is written to `user`. */
static inline void rig_account_on(unsigned worker, char user[16])
{
	static unsigned number;
	struct arena *a = arena_new(256);
	do {
		snprintf(user, 16, "u%u", ++number);
	} while (node_shard(&node, arena_printf(a, "%s@localhost", user))->index != worker);
	arena_free(a);
	rig_account(user);
}

/* ---- clients ---- */

/* A client on a plain listener of this worker. */
static inline struct rig_client rig_connect(unsigned worker)
{
	static struct listen_spec spec = { .tls = LISTEN_PLAIN };
	struct rig_client c = { 0 };
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001), .sin_port = htons(4242) };
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	c.fd = fds[1];
	buf_init(&c.heard, 64u << 20);
	c2s_accept(nw_of(node.workers[worker]), &spec, fds[0], (struct sockaddr *)&peer);
	return c;
}

static inline void rig_hang_up(struct rig_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_fini(&c->heard);
}

static inline void rig_say(struct rig_client *c, const char *z)
{
	assert_int_equal(send(c->fd, z, strlen(z), MSG_NOSIGNAL), (ssize_t)strlen(z));
}

/* Takes what has come; true when all that was heard contains this. */
static inline bool rig_heard(struct rig_client *c, const char *want)
{
	char text[65536];
	ssize_t n;
	while ((n = recv(c->fd, text, sizeof text, 0)) > 0)
		buf_add(&c->heard, text, (size_t)n);
	return c->heard.len && memmem(c->heard.p, c->heard.len, want, strlen(want));
}

/* Waits for it and forgets all that was heard. */
#define RIG_HEAR(client, want)                       \
	do {                                         \
		RIG_UNTIL(rig_heard(client, want));  \
		buf_clear(&(client)->heard);         \
	} while (0)

/* Has logged in as this account and may bind: the features are the last that was heard. */
static inline struct rig_client rig_authenticate(unsigned worker, const char *user)
{
	struct rig_client c = rig_connect(worker);
	struct arena *a = arena_new(1024);
	struct str secret = arena_printf(a, "%c%s%cp", 0, user, 0);
	rig_say(&c, RIG_HEADER);
	RIG_HEAR(&c, "</stream:features>");
	rig_say(&c, arena_printf(a, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%.*s</auth>",
				 STR_ARG(b64_encode(a, secret))).p);
	RIG_HEAR(&c, "<success");
	rig_say(&c, RIG_HEADER);
	RIG_UNTIL(rig_heard(&c, "</stream:features>"));
	snprintf(c.bare, sizeof c.bare, "%s@localhost", user);
	c.worker = node_shard(&node, str_of(c.bare))->index;
	arena_free(a);
	return c;
}

/* Nothing that was said before the answer is heard any more. */
static inline void rig_ask_to_bind(struct rig_client *c, const char *resource)
{
	static const char ask[] = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
				  "<resource>%s</resource></bind></iq>";
	struct arena *a = arena_new(512);
	buf_clear(&c->heard);
	rig_say(c, arena_printf(a, ask, resource).p);
	arena_free(a);
}

/* A session of this account, connected to this worker. */
static inline struct rig_client rig_login(unsigned worker, const char *user, const char *resource)
{
	struct rig_client c = rig_authenticate(worker, user);
	rig_ask_to_bind(&c, resource);
	RIG_HEAR(&c, "</iq>");
	return c;
}

static inline struct session *rig_session(const struct rig_client *c, const char *resource)
{
	struct user *u = user_find(nw_of(node.workers[c->worker]), str_of(c->bare));
	return u ? user_session(u, str_of(resource)) : NULL;
}

#endif
