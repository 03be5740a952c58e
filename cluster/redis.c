#include "cluster/redis.h"

#include <hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/redis_locate.h"
#include "cluster/redis_wire.h"
#include "proto/base/arena.h"

#define TIMEOUT_MS      500
#define CONNECT_MS      1500
#define BACKOFF_MIN_MS  100
#define BACKOFF_MAX_MS  2000
#define MAX_PENDING     65536
#define MAX_OUT_BYTES   (16u << 20)
#define MAX_REPLY_BYTES (8u << 20)
#define ID_MAX          96

/*
 *   STOPPED -redis_start-> LOCATING (sentinels; skipped without) -> CONNECTING -> HELLO -> UP
 *   anything past STOPPED -error, time-out, READONLY, LOADING-> DOWN -back-off-> LOCATING or CONNECTING
 */
enum redis_state { REDIS_STOPPED, REDIS_DOWN, REDIS_LOCATING, REDIS_CONNECTING, REDIS_HELLO, REDIS_UP, REDIS_STATES };

static const unsigned legal[REDIS_STATES] = {
	[REDIS_STOPPED] = 1u << REDIS_LOCATING | 1u << REDIS_CONNECTING,
	[REDIS_DOWN] = 1u << REDIS_LOCATING | 1u << REDIS_CONNECTING | 1u << REDIS_STOPPED,
	[REDIS_LOCATING] = 1u << REDIS_CONNECTING | 1u << REDIS_DOWN | 1u << REDIS_STOPPED,
	[REDIS_CONNECTING] = 1u << REDIS_HELLO | 1u << REDIS_DOWN | 1u << REDIS_STOPPED,
	[REDIS_HELLO] = 1u << REDIS_UP | 1u << REDIS_DOWN | 1u << REDIS_STOPPED,
	[REDIS_UP] = 1u << REDIS_DOWN | 1u << REDIS_STOPPED,
};

struct waiting {
	void (*fn)(void *arg, const struct redisReply *reply);
	void *arg;
	uint64_t deadline_ms;
};

struct redis {
	struct worker *worker;
	struct redis_options o;
	struct arena *arena;
	enum redis_state state;
	struct redis_target target;
	struct redis_locate *locate;
	struct redis_wire *wire;
	struct timer timer;       /* DOWN: the back-off; LOCATING to HELLO: their deadline; UP: the oldest command's */
	unsigned attempts;        /* since it was UP */
	struct waiting *ring;     /* the oldest at `head` */
	unsigned head, n, cap;
	void (*on_change)(void *arg, bool up, bool fresh, const char *text);
	void *change_arg;
	/* of HELLO */
	unsigned hello_left;
	char run_id[ID_MAX], replid[ID_MAX];
	char known[2 * ID_MAX];   /* both, of the server that was UP last; "": none yet */
	char down_text[256];      /* what was told last: each reason is told once while it is DOWN */
};

static void drop(struct redis *r, const char *text);

static void set_state(struct redis *r, enum redis_state to)
{
	BUG_ON(!(legal[r->state] & 1u << to));
	r->state = to;
}

/* ---- what waits for its answer ---- */

static void waiting_push(struct redis *r, struct waiting w)
{
	if (r->n == r->cap) {
		unsigned cap = r->cap ? 2 * r->cap : 64;
		struct waiting *ring = xmalloc(cap * sizeof *ring);
		for (unsigned i = 0; i < r->n; i++)
			ring[i] = r->ring[(r->head + i) % r->cap];
		free(r->ring);
		r->ring = ring;
		r->cap = cap;
		r->head = 0;
	}
	r->ring[(r->head + r->n++) % r->cap] = w;
}

static struct waiting waiting_pop(struct redis *r)
{
	struct waiting w = r->ring[r->head];
	r->head = (r->head + 1) % r->cap;
	r->n--;
	return w;
}

/* Those that were asked before; what their callbacks ask is answered at once, as we are not UP. */
static void answer_nothing(struct redis *r)
{
	while (r->n) {
		struct waiting w = waiting_pop(r);
		w.fn(w.arg, NULL);
	}
}

static void send_waiting(struct redis *r, unsigned argc, const struct str *argv, void (*fn)(void *arg, const struct redisReply *reply),
			 void *arg)
{
	if (r->n >= r->o.max_pending || !redis_wire_send(r->wire, argc, argv)) {
		fn(arg, NULL);
		return;
	}
	uint64_t deadline_ms = r->worker->now_ms + r->o.timeout_ms;
	waiting_push(r, (struct waiting){ fn, arg, deadline_ms });
	if (r->state == REDIS_UP && !timer_is_set(&r->timer))
		worker_timer_set(r->worker, &r->timer, r->o.timeout_ms);
}

void redis_command(struct redis *r, unsigned argc, const struct str *argv, void (*fn)(void *arg, const struct redisReply *reply), void *arg)
{
	if (r->state == REDIS_UP)
		send_waiting(r, argc, argv, fn, arg);
	else
		fn(arg, NULL);
}

unsigned redis_pending(const struct redis *r)
{
	return r->n;
}

/* ---- HELLO: who we are, who it is ---- */

static bool text_has(const struct redisReply *reply, const char *what)
{
	return reply->str && memmem(reply->str, reply->len, what, strlen(what));
}

static bool hello_failed(struct redis *r, const struct redisReply *reply, const char *what)
{
	char text[256];
	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	if (text_has(reply, "unknown command"))
		snprintf(text, sizeof text, "it is older than Redis 6");
	else
		snprintf(text, sizeof text, "%s: %s", what, reply->str);
	drop(r, text);
	return true;
}

static void hello_done(struct redis *r)
{
	if (--r->hello_left)
		return;
	char id[sizeof r->known];
	snprintf(id, sizeof id, "%.80s %.80s", r->run_id, r->replid);
	bool fresh = strcmp(id, r->known) != 0;
	memcpy(r->known, id, sizeof id);
	set_state(r, REDIS_UP);
	worker_timer_cancel(r->worker, &r->timer);
	r->attempts = 0;
	r->down_text[0] = '\0';
	char text[192];
	if (r->target.unix_path)
		snprintf(text, sizeof text, "%.150s", r->target.unix_path);
	else
		snprintf(text, sizeof text, "%.150s:%u", r->target.host, r->target.port);
	if (r->on_change)
		r->on_change(r->change_arg, true, fresh, text);
}

/* HELLO's answer is a flat list of names and values. */
static const struct redisReply *hello_value(const struct redisReply *reply, const char *name)
{
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
		const struct redisReply *key = reply->element[i];
		if (key->str && strcmp(key->str, name) == 0)
			return reply->element[i + 1];
	}
	return NULL;
}

static bool value_is(const struct redisReply *value, const char *what)
{
	return value && value->str && strcmp(value->str, what) == 0;
}

static void on_hello(void *arg, const struct redisReply *reply)
{
	struct redis *r = arg;
	if (!reply || r->state != REDIS_HELLO || hello_failed(r, reply, "HELLO"))
		return;
	if (value_is(hello_value(reply, "mode"), "cluster"))
		drop(r, "it is part of a Redis Cluster, which is not supported");
	else if (!value_is(hello_value(reply, "role"), "master"))
		drop(r, "it is no master");
	else
		hello_done(r);
}

static void on_select(void *arg, const struct redisReply *reply)
{
	struct redis *r = arg;
	if (reply && r->state == REDIS_HELLO && !hello_failed(r, reply, "SELECT"))
		hello_done(r);
}

/* Refused while it loads its data: HELLO is not. */
static void on_ping(void *arg, const struct redisReply *reply)
{
	struct redis *r = arg;
	if (reply && r->state == REDIS_HELLO && !hello_failed(r, reply, "PING"))
		hello_done(r);
}

/* The value of "name:value\r\n". */
static bool info_value(const struct redisReply *reply, const char *name, char *out, size_t max)
{
	struct str rest = str_span(reply->str, reply->len);
	while (str_present(rest)) {
		struct str line = str_trim(str_cut(&rest, '\n')), key = str_cut(&line, ':');
		if (!str_is(key, name))
			continue;
		snprintf(out, max, "%.*s", STR_ARG(line));
		return true;
	}
	return false;
}

static void on_info(struct redis *r, const struct redisReply *reply, const char *name, char *out)
{
	if (!reply || r->state != REDIS_HELLO || hello_failed(r, reply, "INFO"))
		return;
	if (!reply->str || !info_value(reply, name, out, ID_MAX))
		drop(r, "INFO does not say who it is");
	else
		hello_done(r);
}

static void on_info_server(void *arg, const struct redisReply *reply)
{
	struct redis *r = arg;
	on_info(r, reply, "run_id", r->run_id);
}

static void on_info_replication(void *arg, const struct redisReply *reply)
{
	struct redis *r = arg;
	on_info(r, reply, "master_replid", r->replid);
}

static void hello_send(struct redis *r, unsigned argc, const struct str *argv, void (*fn)(void *arg, const struct redisReply *reply))
{
	r->hello_left++;
	send_waiting(r, argc, argv, fn, r);
}

static void on_open(void *arg)
{
	struct redis *r = arg;
	struct str user = str_empty(r->o.user) ? STR("default") : r->o.user;
	struct str hello[] = { STR("HELLO"), STR("2"), STR("AUTH"), user, r->o.password };
	set_state(r, REDIS_HELLO);
	r->hello_left = 0;
	hello_send(r, str_present(r->o.password) ? 5 : 2, hello, on_hello);
	if (r->o.database) {
		char number[16];
		snprintf(number, sizeof number, "%u", r->o.database);
		hello_send(r, 2, (struct str[]){ STR("SELECT"), str_of(number) }, on_select);
	}
	hello_send(r, 2, (struct str[]){ STR("INFO"), STR("server") }, on_info_server);
	hello_send(r, 2, (struct str[]){ STR("INFO"), STR("replication") }, on_info_replication);
	hello_send(r, 1, (struct str[]){ STR("PING") }, on_ping);
}

/* ---- UP ---- */

/* Not a master any more, or not yet: another one may be by now. A script of Redis 6 has the word inside its error. */
static bool is_useless(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	       (text_has(reply, "READONLY") || text_has(reply, "LOADING") || text_has(reply, "MASTERDOWN"));
}

static void on_reply(void *arg, const struct redisReply *reply)
{
	struct redis *r = arg;
	if (!r->n) {
		drop(r, "it answers what nobody asked");
		return;
	}
	bool useless = r->state == REDIS_UP && is_useless(reply);
	struct redis_wire *wire = r->wire;
	struct waiting w = waiting_pop(r);
	w.fn(w.arg, useless ? NULL : reply);
	if (useless && r->wire == wire) {
		char text[128];
		snprintf(text, sizeof text, "it answers: %.100s", reply->str);
		drop(r, text);
	}
}

static void on_closed(void *arg, const char *text)
{
	struct redis *r = arg;
	r->wire = NULL;
	drop(r, text);
}

static const struct redis_wire_ops wire_ops = { on_open, on_reply, on_closed };

/* ---- its ways up and down ---- */

static void connect_target(struct redis *r)
{
	set_state(r, REDIS_CONNECTING);
	r->wire = redis_wire_open(r->worker, &r->target, &wire_ops, r);
}

static void on_located(void *arg, const char *host, uint16_t port, const char *text)
{
	struct redis *r = arg;
	if (!host) {
		drop(r, text);
		return;
	}
	r->target.host = host;
	r->target.port = port;
	connect_target(r);
}

static void begin(struct redis *r)
{
	worker_timer_set(r->worker, &r->timer, r->o.connect_ms);
	if (r->locate) {
		set_state(r, REDIS_LOCATING);
		redis_locate_ask(r->locate);
	} else {
		connect_target(r);
	}
}

static uint64_t backoff_ms(struct redis *r)
{
	unsigned doublings = r->attempts < 5 ? r->attempts : 5;
	uint64_t ms = BACKOFF_MIN_MS << doublings;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	r->attempts++;
	return ms / 2 + rng_u64(&r->worker->rng) % (ms / 2 + 1);
}

static void disconnect(struct redis *r)
{
	if (r->locate)
		redis_locate_stop(r->locate);
	redis_wire_close(r->wire);
	r->wire = NULL;
}

static void drop(struct redis *r, const char *text)
{
	char kept[sizeof r->down_text]; /* `text` may be the wire's */
	if (r->state == REDIS_DOWN || r->state == REDIS_STOPPED)
		return;
	memset(kept, 0, sizeof kept);
	snprintf(kept, sizeof kept, "%s", text);
	set_state(r, REDIS_DOWN);
	worker_timer_set(r->worker, &r->timer, backoff_ms(r));
	disconnect(r);
	answer_nothing(r);
	bool told = strcmp(kept, r->down_text) == 0;
	memcpy(r->down_text, kept, sizeof kept);
	if (r->on_change && !told)
		r->on_change(r->change_arg, false, false, kept);
}

static void drop_late(struct redis *r)
{
	char text[64];
	if (r->state == REDIS_LOCATING)
		snprintf(text, sizeof text, "no sentinel answered in time");
	else if (r->state == REDIS_CONNECTING)
		snprintf(text, sizeof text, "%s: no answer in time", redis_wire_doing(r->wire));
	else
		snprintf(text, sizeof text, "%sno answer in time", r->state == REDIS_HELLO ? "HELLO: " : "");
	drop(r, text);
}

/* What came while we ourselves did not run counts: so it is read before we judge. */
static void judge_oldest(struct redis *r)
{
	struct redis_wire *wire = r->wire;
	if (r->n && r->ring[r->head].deadline_ms <= r->worker->now_ms)
		redis_wire_read(wire);
	if (r->state != REDIS_UP || r->wire != wire || !r->n)
		return;
	uint64_t deadline_ms = r->ring[r->head].deadline_ms;
	if (deadline_ms <= r->worker->now_ms)
		drop_late(r);
	else
		worker_timer_set(r->worker, &r->timer, deadline_ms - r->worker->now_ms);
}

static void on_timer(struct timer *t)
{
	struct redis *r = (struct redis *)((char *)t - offsetof(struct redis, timer));
	if (r->state == REDIS_DOWN)
		begin(r);
	else if (r->state == REDIS_UP)
		judge_oldest(r);
	else
		drop_late(r);
}

/* ---- life ---- */

static void options_copy(struct redis *r, const struct redis_options *o)
{
	struct arena *a = r->arena;
	struct redis_options *c = &r->o;
	*c = *o;
	c->host = arena_str(a, o->host);
	c->unix_path = arena_str(a, o->unix_path);
	c->user = arena_str(a, o->user);
	c->password = arena_str(a, o->password);
	c->tls_ca_file = arena_str(a, o->tls_ca_file);
	c->tls_name = arena_str(a, o->tls_name);
	c->master_name = arena_str(a, o->master_name);
	c->sentinel_password = arena_str(a, o->sentinel_password);
	c->key_prefix = arena_str(a, o->key_prefix);
	struct str *sentinels = arena_alloc(a, o->n_sentinels * sizeof *sentinels);
	for (unsigned i = 0; i < o->n_sentinels; i++)
		sentinels[i] = arena_str(a, o->sentinels[i]);
	c->sentinels = sentinels;
	c->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
	c->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
	c->max_pending = o->max_pending ? o->max_pending : MAX_PENDING;
	c->max_out_bytes = o->max_out_bytes ? o->max_out_bytes : MAX_OUT_BYTES;
	c->max_reply_bytes = o->max_reply_bytes ? o->max_reply_bytes : MAX_REPLY_BYTES;
}

struct redis *redis_new(struct worker *w, const struct redis_options *o)
{
	struct redis *r = xzalloc(sizeof *r);
	r->worker = w;
	r->arena = arena_new(0);
	r->timer.on_timer = on_timer;
	options_copy(r, o);
	r->target = (struct redis_target){
		.host = r->o.host.p, /* arena_str ends them with a zero */
		.port = r->o.port,
		.unix_path = str_empty(r->o.unix_path) ? NULL : r->o.unix_path.p,
		.tls = r->o.tls,
		.ca_file = str_empty(r->o.tls_ca_file) ? NULL : r->o.tls_ca_file.p,
		.tls_name = str_empty(r->o.tls_name) ? NULL : r->o.tls_name.p,
		.max_out_bytes = r->o.max_out_bytes,
		.max_reply_bytes = r->o.max_reply_bytes,
	};
	if (r->o.n_sentinels)
		r->locate = redis_locate_new(w, &r->o, &r->target, on_located, r);
	return r;
}

void redis_free(struct redis *r)
{
	if (!r)
		return;
	if (r->state != REDIS_STOPPED)
		set_state(r, REDIS_STOPPED);
	worker_timer_cancel(r->worker, &r->timer);
	disconnect(r);
	answer_nothing(r);
	redis_locate_free(r->locate);
	free(r->ring);
	arena_free(r->arena);
	free(r);
}

void redis_start(struct redis *r)
{
	BUG_ON(r->state != REDIS_STOPPED);
	begin(r);
}

bool redis_is_up(const struct redis *r)
{
	return r->state == REDIS_UP;
}

void redis_on_change(struct redis *r, void (*fn)(void *arg, bool up, bool fresh, const char *text), void *arg)
{
	r->on_change = fn;
	r->change_arg = arg;
}
