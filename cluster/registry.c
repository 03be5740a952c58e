#include "cluster/registry.h"

#include <hiredis.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/redis.h"
#include "cluster/registry_script.h"
#include "cluster/view.h"

#define ARGS_MAX      24
#define KEY_MAX       8192
#define RELOAD_MS     2000
#define PURGE_LIMIT   100
#define SHA_CHARS     40
#define NUMBERS_BYTES 512

struct registry {
	struct worker *worker;
	struct redis *redis;
	struct arena *arena;
	struct str prefix;
	struct {
		struct str text;
		char sha[SHA_CHARS];
	} scripts[REGISTRY_VERB_COUNT];
	unsigned loading;          /* answers that are awaited */
	bool ready, fresh;
	uint32_t own;              /* the incarnation that JOINed; 0: none */
	bool lost;                 /* its RENEW was not found, and that was told */
	char where[256];
	struct timer reload;       /* after SCRIPT LOAD was refused */
	void (*on_change)(void *arg, bool up, bool fresh, const char *text);
	void *change_arg;
	struct registry_stats stats;
};

/* A call that is under way. */
struct asked {
	struct registry *r;
	struct registry_call *c;
	void (*done)(void *arg, struct registry_call *c);
	void *arg;
	uint64_t since_ns;
	bool again;                /* its script was loaded anew */
};

static void send_call(struct asked *a);

/* ---- the question ---- */

/* One command in the making. Numbers become text in `text`; strs are borrowed. */
struct command {
	struct str argv[ARGS_MAX];
	unsigned argc;
	char text[NUMBERS_BYTES];
	size_t used;
	struct buf key;            /* KEYS[1] */
	struct buf member;         /* of a place, in its node's index */
};

static void add(struct command *m, struct str s)
{
	BUG_ON(m->argc == ARGS_MAX);
	m->argv[m->argc++] = str_present(s) ? s : STR("");
}

static void add_number(struct command *m, int64_t n)
{
	char *at = m->text + m->used;
	int len = snprintf(at, sizeof m->text - m->used, "%" PRId64, n);
	BUG_ON(len < 0 || m->used + (size_t)len >= sizeof m->text);
	m->used += (size_t)len;
	add(m, str_span(at, (size_t)len));
}

static void add_wide(struct command *m, uint64_t n)
{
	char *at = m->text + m->used;
	BUG_ON(m->used + REGISTRY_NUMBER > sizeof m->text);
	registry_number_write(n, at);
	m->used += REGISTRY_NUMBER;
	add(m, str_span(at, REGISTRY_NUMBER));
}

static void add_bucket(struct command *m, struct str name)
{
	char *at = m->text + m->used;
	int len = snprintf(at, sizeof m->text - m->used, "%u:%u", registry_bucket(name), registry_small_bucket(name));
	BUG_ON(len < 0 || m->used + (size_t)len >= sizeof m->text);
	m->used += (size_t)len;
	add(m, str_span(at, (size_t)len));
}

static uint32_t lease_of(const struct registry_call *c)
{
	return c->limit ? c->limit : REGISTRY_LEASE_MS;
}

static void add_join(struct command *m, const struct registry_call *c)
{
	const struct registry_node *n = &c->self;
	add_number(m, c->epoch);
	add_number(m, c->id);
	add_number(m, (int64_t)c->fence);
	if (c->sid)
		add_wide(m, c->sid);
	else
		add(m, STR(""));
	add_number(m, lease_of(c));
	add(m, n->name);
	add(m, n->addr);
	add(m, n->version);
	add_number(m, n->workers);
	add_number(m, n->speaks_min);
	add_number(m, n->speaks_max);
	add_number(m, n->state);
	add_number(m, VIEW_NODES_MAX);
}

/* What is asked of the nodes' table. */
static void add_node_args(struct command *m, const struct registry_call *c)
{
	switch (c->verb) {
	case REGISTRY_JOIN:
		add_join(m, c);
		break;
	case REGISTRY_RENEW:
		add_number(m, c->epoch);
		add_number(m, lease_of(c));
		break;
	case REGISTRY_STATE:
		add_number(m, c->epoch);
		add_number(m, c->state);
		break;
	case REGISTRY_FENCE:
		add_number(m, c->epoch);
		add_number(m, c->votes);
		add_number(m, c->refused);
		add_number(m, NODE_DEAD);
		break;
	case REGISTRY_LEAVE:
		add_number(m, c->epoch);
		add_number(m, NODE_LEFT);
		break;
	case REGISTRY_PURGE:
		add_number(m, c->epoch);
		add_number(m, c->bucket);
		add_number(m, c->limit ? c->limit : PURGE_LIMIT);
		break;
	default: /* NODES */
		break;
	}
}

/* What is asked about an account or a place: `name` and bucket come first. */
static void add_named_args(struct command *m, const struct registry_call *c, struct str name)
{
	if (c->verb == REGISTRY_UPDATE) {
		add(m, c->resource);
		add_wide(m, c->sid);
		add_number(m, c->priority);
		add_number(m, c->flags);
		return;
	}
	add(m, name);
	add_bucket(m, c->key);
	if (c->verb == REGISTRY_BIND || c->verb == REGISTRY_UNBIND)
		add(m, c->resource);
	if (c->verb == REGISTRY_UNBIND) {
		add_wide(m, c->sid);
		return;
	}
	add_number(m, c->epoch);
	switch (c->verb) {
	case REGISTRY_HOME_CLAIM:
		add_wide(m, c->hlc);
		add_number(m, (c->flags & REGISTRY_REPLAY) != 0);
		break;
	case REGISTRY_BIND:
		if (c->edge == c->epoch)
			add(m, STR(""));
		else
			add_number(m, c->edge);
		add_wide(m, c->sid);
		add_wide(m, c->hlc);
		add_number(m, c->priority);
		add_number(m, c->flags);
		add_number(m, c->limit);
		break;
	case REGISTRY_HOME_RELEASE:
		break;
	default: /* PLACE_* */
		add_number(m, (int64_t)c->fence);
		if (c->verb == REGISTRY_PLACE_RELEASE)
			add_number(m, c->edge);
		break;
	}
}

static bool is_about_account(enum registry_verb v)
{
	return v >= REGISTRY_HOME_CLAIM && v <= REGISTRY_UNBIND;
}

static bool is_about_place(enum registry_verb v)
{
	return v >= REGISTRY_PLACE_CLAIM && v <= REGISTRY_PLACE_RELEASE;
}

static void command_make(struct command *m, const struct registry *r, const struct registry_call *c)
{
	buf_init(&m->key, KEY_MAX);
	buf_init(&m->member, KEY_MAX);
	m->argc = 0;
	m->used = 0;
	buf_add_str(&m->key, r->prefix);
	if (is_about_account(c->verb))
		buf_addf(&m->key, "s:{%.*s}", STR_ARG(c->key));
	else if (is_about_place(c->verb))
		buf_addf(&m->member, "r:{%.*s}", STR_ARG(c->key));
	else
		buf_addz(&m->key, "c:nodes");
	buf_add_str(&m->key, buf_str(&m->member));
	add(m, STR("EVALSHA"));
	add(m, str_span(r->scripts[c->verb].sha, SHA_CHARS));
	add_number(m, 1);
	add(m, buf_str(&m->key));
	if (is_about_account(c->verb))
		add_named_args(m, c, c->key);
	else if (is_about_place(c->verb))
		add_named_args(m, c, buf_str(&m->member));
	else
		add_node_args(m, c);
}

static void command_fini(struct command *m)
{
	buf_fini(&m->key);
	buf_fini(&m->member);
}

/* ---- the answer ---- */

static struct str text_of(const redisReply *reply)
{
	return reply->str ? str_span(reply->str, reply->len) : STR("");
}

/* An integer, also one that came as text. */
static uint64_t number_of(const redisReply *reply)
{
	uint64_t n = 0;
	if (reply->type == REDIS_REPLY_INTEGER)
		return reply->integer > 0 ? (uint64_t)reply->integer : 0;
	return str_to_u64(text_of(reply), &n) ? n : 0;
}

static struct arena *arena_of(struct registry_call *c)
{
	if (!c->arena)
		c->arena = arena_new(0);
	return c->arena;
}

static struct str json_text(struct arena *a, const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	return json_is_string(v) ? arena_str(a, str_span(json_string_value(v), json_string_length(v))) : STR("");
}

static unsigned json_number(const json_t *object, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(object, name));
	return n > 0 && n <= UINT16_MAX ? (unsigned)n : 0;
}

/* A row that is no JSON (names that are no UTF-8) still says that this incarnation is there. */
static void node_read(struct arena *a, struct registry_node *n, struct str text)
{
	json_t *j = json_loadb(text.p, text.len, 0, NULL);
	n->name = json_text(a, j, "name");
	n->addr = json_text(a, j, "addr");
	n->version = json_text(a, j, "version");
	n->id = (uint16_t)json_number(j, "id");
	n->workers = (uint16_t)json_number(j, "workers");
	n->speaks_min = (uint8_t)json_number(j, "min");
	n->speaks_max = (uint8_t)json_number(j, "max");
	n->state = (uint8_t)json_number(j, "state");
	json_decref(j);
}

static int by_epoch(const void *a, const void *b)
{
	const struct registry_node *x = a, *y = b;
	return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
}

static void nodes_read(struct registry_call *c, const redisReply *reply, size_t from)
{
	struct arena *a = arena_of(c);
	size_t n = (reply->elements - from) / 4;
	c->nodes = arena_zalloc(a, n * sizeof *c->nodes);
	for (size_t i = 0; i < n; i++) {
		redisReply *const *e = reply->element + from + 4 * i;
		struct registry_node *node = &c->nodes[i];
		node_read(a, node, text_of(e[1]));
		node->epoch = (uint32_t)number_of(e[0]);
		node->lease_ms = (int64_t)number_of(e[2]);
		node->dead = number_of(e[3]) != 0;
	}
	c->n_nodes = (unsigned)n;
	qsort(c->nodes, n, sizeof *c->nodes, by_epoch);
}

static void rows_read(struct registry_call *c, const redisReply *reply)
{
	struct arena *a = arena_of(c);
	size_t n = (reply->elements - 2) / 4;
	c->more = number_of(reply->element[1]) != 0;
	c->rows = arena_zalloc(a, n * sizeof *c->rows);
	for (size_t i = 0; i < n; i++) {
		redisReply *const *e = reply->element + 2 + 4 * i;
		c->rows[i].bare = arena_str(a, text_of(e[0]));
		c->rows[i].resource = arena_str(a, text_of(e[1]));
		c->rows[i].flags = (uint32_t)number_of(e[2]);
		c->rows[i].edge = (uint32_t)number_of(e[3]);
	}
	c->n_rows = (unsigned)n;
}

/* The codes of registry.lua. */
static const enum err codes[] = { ERR_NONE, ERR_NOT_FOUND, ERR_EXISTS, ERR_LIMIT, ERR_DENIED };

static size_t least_elements(enum registry_verb v)
{
	return v == REGISTRY_PLACE_CLAIM ? 4 : v == REGISTRY_JOIN || v == REGISTRY_HOME_CLAIM ? 3 : v == REGISTRY_PURGE ? 2 : 1;
}

/* False: this is no answer of our script. */
static bool answer_read(struct registry_call *c, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements)
		return false;
	uint64_t code = number_of(reply->element[0]);
	if (code >= sizeof codes / sizeof *codes)
		return false;
	c->err = codes[code];
	if (c->err)
		return true;
	if (reply->elements < least_elements(c->verb))
		return false;
	switch (c->verb) {
	case REGISTRY_JOIN:
		c->epoch = (uint32_t)number_of(reply->element[1]);
		c->id = (uint16_t)number_of(reply->element[2]);
		nodes_read(c, reply, 3);
		break;
	case REGISTRY_NODES:
		nodes_read(c, reply, 1);
		break;
	case REGISTRY_HOME_CLAIM:
		c->winner = (uint32_t)number_of(reply->element[1]);
		return registry_number_read(text_of(reply->element[2]), &c->winner_hlc);
	case REGISTRY_PLACE_CLAIM:
		c->winner = (uint32_t)number_of(reply->element[1]);
		c->fence = number_of(reply->element[2]);
		c->after = number_of(reply->element[3]);
		break;
	case REGISTRY_PURGE:
		rows_read(c, reply);
		break;
	default:
		break;
	}
	return true;
}

/* ---- asking ---- */

static void note_error(struct registry *r, const char *text)
{
	snprintf(r->stats.last_error, sizeof r->stats.last_error, "%s", text);
}

static void finish(struct asked *a)
{
	void (*done)(void *arg, struct registry_call *c) = a->done;
	void *arg = a->arg;
	struct registry_call *c = a->c;
	free(a);
	done(arg, c);
}

/* What the node has registered is gone: found out by the first RENEW after it, and told once. One for a peer proves nothing: who is dead
 * for long is not found either. */
static void note_memory(struct registry *r, const struct registry_call *c)
{
	if (c->verb == REGISTRY_JOIN && c->err == ERR_NONE) {
		r->own = c->epoch;
		r->lost = false;
	}
	if (c->verb != REGISTRY_RENEW || c->epoch != r->own)
		return;
	bool told = r->lost;
	r->lost = c->err == ERR_NOT_FOUND;
	if (told || !r->lost)
		return;
	r->stats.freshes++;
	if (r->on_change)
		r->on_change(r->change_arg, true, true, "Redis has lost its memory");
}

static void on_loaded_again(void *arg, const struct redisReply *reply)
{
	struct registry *r = arg;
	r->stats.reloads += reply && reply->type == REDIS_REPLY_STRING;
}

static void load(struct registry *r, enum registry_verb v, void (*fn)(void *arg, const struct redisReply *reply), void *arg)
{
	redis_command(r->redis, 3, (struct str[]){ STR("SCRIPT"), STR("LOAD"), r->scripts[v].text }, fn, arg);
}

static void on_reply(void *arg, const struct redisReply *reply)
{
	struct asked *a = arg;
	struct registry *r = a->r;
	bool error = reply && reply->type == REDIS_REPLY_ERROR;
	if (error && !a->again && strncmp(reply->str, "NOSCRIPT", 8) == 0) {
		a->again = true;
		load(r, a->c->verb, on_loaded_again, r);
		send_call(a);
		return;
	}
	if (!reply || error || !answer_read(a->c, reply)) {
		a->c->err = ERR_UNAVAILABLE;
		r->stats.failures++;
		note_error(r, error ? reply->str : reply ? "an answer of another form" : "no answer");
	} else {
		r->stats.us_sum += (uv_hrtime() - a->since_ns) / 1000;
		note_memory(r, a->c);
	}
	finish(a);
}

static void send_call(struct asked *a)
{
	struct command m;
	command_make(&m, a->r, a->c);
	if (m.key.failed || m.member.failed)
		on_reply(a, NULL);
	else
		redis_command(a->r->redis, m.argc, m.argv, on_reply, a);
	command_fini(&m);
}

void registry_ask(struct registry *r, struct registry_call *c, void (*done)(void *arg, struct registry_call *c), void *arg)
{
	r->stats.calls++;
	if (!r->ready) {
		r->stats.failures++;
		c->err = ERR_UNAVAILABLE;
		done(arg, c);
		return;
	}
	struct asked *a = xzalloc(sizeof *a);
	*a = (struct asked){ .r = r, .c = c, .done = done, .arg = arg, .since_ns = uv_hrtime() };
	send_call(a);
}

/* ---- up and down ---- */

static void tell(struct registry *r, bool up, bool fresh, const char *text)
{
	r->stats.ups += up;
	r->stats.freshes += fresh;
	if (r->on_change)
		r->on_change(r->change_arg, up, fresh, text);
}

/* Ready once Redis has all scripts; refused, most likely, because the user may not: an operator may change that. */
static void on_loaded(void *arg, const struct redisReply *reply)
{
	struct registry *r = arg;
	if (!reply || !r->loading) /* it went down meanwhile, or one was refused */
		return;
	unsigned v = REGISTRY_VERB_COUNT - r->loading;
	if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_CHARS) {
		char text[sizeof r->stats.last_error];
		snprintf(text, sizeof text, "SCRIPT LOAD: %.120s", reply->str ? reply->str : "another answer");
		bool told = strcmp(text, r->stats.last_error) == 0;
		r->loading = 0;
		note_error(r, text);
		worker_timer_set(r->worker, &r->reload, RELOAD_MS);
		if (!told)
			tell(r, false, false, text);
		return;
	}
	memcpy(r->scripts[v].sha, reply->str, SHA_CHARS);
	if (--r->loading)
		return;
	bool fresh = r->fresh;
	r->ready = true;
	r->fresh = false;
	r->stats.last_error[0] = '\0';
	tell(r, true, fresh, r->where);
}

static void load_all(struct registry *r)
{
	r->loading = REGISTRY_VERB_COUNT;
	for (enum registry_verb v = 0; v < REGISTRY_VERB_COUNT; v++)
		load(r, v, on_loaded, r);
}

static void on_reload(struct timer *t)
{
	struct registry *r = (struct registry *)((char *)t - offsetof(struct registry, reload));
	if (redis_is_up(r->redis))
		load_all(r);
}

static void on_redis(void *arg, bool up, bool fresh, const char *text)
{
	struct registry *r = arg;
	r->loading = 0;
	r->ready = false;
	worker_timer_cancel(r->worker, &r->reload);
	if (up) {
		r->fresh |= fresh;
		snprintf(r->where, sizeof r->where, "%s", text);
		load_all(r);
		return;
	}
	note_error(r, text);
	tell(r, false, false, text);
}

struct registry *registry_new(struct worker *w, const struct redis_options *o)
{
	struct registry *r = xzalloc(sizeof *r);
	r->worker = w;
	r->arena = arena_new(65536);
	r->prefix = arena_str(r->arena, o->key_prefix);
	r->reload.on_timer = on_reload;
	for (enum registry_verb v = 0; v < REGISTRY_VERB_COUNT; v++)
		r->scripts[v].text = registry_script(r->arena, v, r->prefix);
	r->redis = redis_new(w, o);
	redis_on_change(r->redis, on_redis, r);
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	r->ready = false;
	worker_timer_cancel(r->worker, &r->reload);
	redis_free(r->redis);
	arena_free(r->arena);
	free(r);
}

void registry_start(struct registry *r)
{
	redis_start(r->redis);
}

void registry_on_change(struct registry *r, void (*fn)(void *arg, bool up, bool fresh, const char *text), void *arg)
{
	r->on_change = fn;
	r->change_arg = arg;
}

bool registry_is_up(const struct registry *r)
{
	return r->ready;
}

void registry_stats(const struct registry *r, struct registry_stats *out)
{
	*out = r->stats;
	out->pending = redis_pending(r->redis);
}
