#include "node/store/postgres.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/store/postgres_care.h"
#include "node/store/postgres_lane.h"

#define POOL_DEFAULT       4
#define MAX_BATCH_DEFAULT  128
#define CONNECT_MS_DEFAULT 5000

struct postgres_store {
	struct store store;
	struct postgres_store_options options; /* its texts are in the arena */
	struct arena *arena;
	struct pg_link model;      /* never opened: what connections are made of */
	_Atomic bool stop;
	struct postgres_care care;
	pthread_mutex_t lock;      /* guards what follows */
	unsigned n_sick;
	bool ever_up, gave_up;
	uint64_t give_up_at_us;
	/* the lanes */
	unsigned n_lanes;
	struct pg_lane lanes[];
};

struct store *pool_store(struct postgres_store *s)
{
	return &s->store;
}

const struct postgres_store_options *pool_options(const struct postgres_store *s)
{
	return &s->options;
}

/* ---- health ---- */

/* Healthy is a store whose lanes all are: each has owners that no other serves. */
void pool_tell_sick(struct pg_lane *l, bool sick, const char *text)
{
	struct postgres_store *s = l->store;
	pthread_mutex_lock(&s->lock);
	s->n_sick += sick ? 1 : -1u;
	store_set_health(&s->store, !s->n_sick, text);
	pthread_mutex_unlock(&s->lock);
}

void pool_tell_link(struct pg_lane *l, bool up)
{
	struct postgres_store *s = l->store;
	atomic_fetch_add(&s->store.connections_up, up ? 1 : UINT64_MAX);
	pthread_mutex_lock(&s->lock);
	s->ever_up |= up;
	pthread_mutex_unlock(&s->lock);
}

void pool_tell_failure(struct pg_lane *l, enum err err)
{
	struct postgres_store *s = l->store;
	pthread_mutex_lock(&s->lock);
	bool over = !s->ever_up && !s->gave_up && (err == ERR_INVALID || store_now_us() >= s->give_up_at_us);
	s->gave_up |= over;
	pthread_mutex_unlock(&s->lock);
	if (over && s->options.on_give_up && !atomic_load(&s->stop))
		s->options.on_give_up(s->options.common.arg, l->link.text);
}

/* ---- the backend ---- */

static void on_submit(struct store *store, struct store_op *op)
{
	struct postgres_store *s = (struct postgres_store *)store;
	lane_submit(&s->lanes[(uint64_t)lane_lock_of(op) % s->n_lanes], op);
}

static void postgres_free(struct postgres_store *s)
{
	atomic_store(&s->stop, true);
	postgres_care_fini(&s->care);
	for (unsigned i = 0; i < s->n_lanes; i++)
		lane_stop(&s->lanes[i]);
	for (unsigned i = 0; i < s->n_lanes; i++)
		lane_fini(&s->lanes[i]);
	pthread_mutex_destroy(&s->lock);
	arena_free(s->arena);
	free(s);
}

static void on_close(struct store *store)
{
	postgres_free((struct postgres_store *)store);
}

static enum err on_care(struct store *store, struct store_care *c)
{
	return postgres_care_begin(&((struct postgres_store *)store)->care, c);
}

static void on_care_cancel(struct store *store)
{
	postgres_care_cancel(&((struct postgres_store *)store)->care);
}

static const struct store_backend postgres_backend = {
	.name = "postgres", .submit = on_submit, .close = on_close, .care = on_care, .care_cancel = on_care_cancel,
};

/* ---- opening ---- */

/* Of two that are the same the later wins; the parts of a URI count as if they stood where `dbname` does. */
static void add_arg(struct postgres_store *s, const char *key, const char *value)
{
	struct pg_link *m = &s->model;
	unsigned n = 0;
	if (!value || !*value)
		return;
	while (m->keys[n])
		n++;
	BUG_ON(n + 1 >= PG_ARGS_MAX);
	m->keys[n] = key;
	m->args[n] = arena_str(s->arena, str_of(value)).p;
}

static void make_model(struct postgres_store *s, const struct postgres_store_options *o)
{
	char seconds[16];
	snprintf(seconds, sizeof seconds, "%u", o->connect_timeout_ms / 1000 + 1);
	add_arg(s, "fallback_application_name", "starling");
	add_arg(s, "gssencmode", "disable");
	add_arg(s, "target_session_attrs", "read-write");
	add_arg(s, "connect_timeout", seconds);
	add_arg(s, "keepalives_idle", "10");
	add_arg(s, "keepalives_interval", "5");
	add_arg(s, "keepalives_count", "3");
	add_arg(s, "tcp_user_timeout", "20000");
	add_arg(s, "host", o->host);
	add_arg(s, "port", o->port);
	add_arg(s, "user", o->user);
	add_arg(s, "password", o->password);
	add_arg(s, "sslmode", o->tls_mode);
	add_arg(s, "sslrootcert", o->root_certificate);
	add_arg(s, "dbname", o->uri && *o->uri ? o->uri : o->database); /* libpq looks at the first one only */
	add_arg(s, "client_encoding", "UTF8");
	s->model.connect_timeout_ms = o->connect_timeout_ms;
	s->model.sync_normal = o->sync_normal;
	s->model.stop = &s->stop;
}

static struct postgres_store *postgres_new(const struct postgres_store_options *options)
{
	unsigned pool = options->pool ? options->pool : POOL_DEFAULT;
	BUG_ON(pool > POSTGRES_POOL_MAX);
	struct postgres_store *s = xzalloc(sizeof *s + pool * sizeof s->lanes[0]);
	store_init(&s->store, &postgres_backend, &options->common);
	s->arena = arena_new(0);
	s->options = *options;
	if (!s->options.max_batch)
		s->options.max_batch = MAX_BATCH_DEFAULT;
	if (!s->options.connect_timeout_ms)
		s->options.connect_timeout_ms = CONNECT_MS_DEFAULT;
	make_model(s, &s->options);
	pthread_mutex_init(&s->lock, NULL);
	s->n_lanes = pool;
	s->store.connections = pool;
	postgres_care_init(&s->care, &s->model);
	for (unsigned i = 0; i < pool; i++)
		lane_init(&s->lanes[i], s, &s->model);
	return s;
}

/* The first connection, here and now, so that a mistake is told at once. */
static enum err open_first(struct postgres_store *s, char *why)
{
	struct pg_lane *first = &s->lanes[0];
	enum err err = link_open(&first->link);
	snprintf(why, POSTGRES_WHY_BYTES, "%s", first->link.text);
	s->give_up_at_us = store_now_us() + s->options.start_wait_ms * 1000ull;
	if (!err)
		pool_tell_link(first, true);
	else if (err == ERR_UNAVAILABLE && s->options.start_wait_ms)
		lane_set_sick(first, true, why);
	else
		return err;
	return ERR_NONE;
}

enum err postgres_store_open(const struct postgres_store_options *options, struct store **out, char why[POSTGRES_WHY_BYTES])
{
	struct postgres_store *s = postgres_new(options);
	*out = NULL;
	enum err err = open_first(s, why);
	for (unsigned i = 0; !err && i < s->n_lanes; i++) {
		err = lane_start(&s->lanes[i]);
		if (err)
			snprintf(why, POSTGRES_WHY_BYTES, "cannot start a thread of the store");
	}
	if (err) {
		postgres_free(s);
		return err;
	}
	*out = &s->store;
	return ERR_NONE;
}
