#include "node/core/stores.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/core/log.h"
#include "node/store/memory.h"
#include "node/store/postgres.h"
#include "node/store/sqlite.h"

#define GUESTS_MAX_BYTES (64u << 20) /* of all that anonymous users may store while they are there */

enum backend { BACKEND_SQLITE, BACKEND_MEMORY, BACKEND_POSTGRES };

static const struct option store_options[] = {
	{ .name = "backend", .kind = OPTION_ENUM, .default_text = "sqlite", .choices = "sqlite memory postgres", .needs_restart = true,
	  .doc = "Where accounts and what belongs to them are kept: a file of this node, the server of a cluster, or memory, which forgets "
		 "all when the node ends." },
	{ .name = "sync", .kind = OPTION_ENUM, .default_text = "full", .choices = "full normal", .needs_restart = true,
	  .doc = "full: what was answered survives a power cut; normal: it survives a crash of the node." },
	{ .name = "waiting_bytes", .kind = OPTION_SIZE, .default_text = "32 MiB", .min = 1 << 20, .max = INT64_C(1) << 32,
	  .needs_restart = true,
	  .doc = "What may wait for the store; from a quarter of it on, clients whose messages must be kept are not read until these are; "
		 "past it nothing more is taken, and what it was for is refused." },
};

static const struct option postgres_options[] = {
	{ .name = "uri", .kind = OPTION_STRING, .default_text = "\"\"", .needs_restart = true, .is_secret = true,
	  .doc = "Address of the server in libpq's form, postgresql://user@host/database?sslmode=verify-full; what it says counts more "
		 "than the options below, and the database is its. It may hold a password." },
	{ .name = "host", .kind = OPTION_STRING, .default_text = "\"\"", .max = 255, .needs_restart = true,
	  .doc = "Name or address of the server, or the folder of its socket; empty: libpq's default, the local socket." },
	{ .name = "port", .kind = OPTION_INT, .default_text = "5432", .min = 1, .max = 65535, .needs_restart = true, .doc = "Its port." },
	{ .name = "database", .kind = OPTION_STRING, .default_text = "starling", .max = 63, .needs_restart = true,
	  .doc = "Name of the database; the node makes a schema \"starling\" in it." },
	{ .name = "user", .kind = OPTION_STRING, .default_text = "starling", .max = 63, .needs_restart = true,
	  .doc = "Whom to log in as." },
	{ .name = "password", .kind = OPTION_STRING, .default_text = "\"\"", .max = 1024, .needs_restart = true, .is_secret = true,
	  .doc = "With what password; better {file: PATH}, or the variable STARLING_STORE_POSTGRES_PASSWORD_FILE." },
	{ .name = "tls", .kind = OPTION_ENUM, .default_text = "prefer", .choices = "disable prefer require verify-ca verify-full",
	  .needs_restart = true,
	  .doc = "libpq's sslmode: only the verify modes prove whom the node talks to; verify-full also compares the name." },
	{ .name = "root_certificate", .kind = OPTION_PATH, .needs_restart = true,
	  .doc = "PEM file with the authorities that may sign the server's certificate, for the verify modes." },
	{ .name = "pool", .kind = OPTION_INT, .default_text = "4", .min = 1, .max = POSTGRES_POOL_MAX, .unit = "connections",
	  .needs_restart = true, .doc = "Connections of this node; each serves a part of the accounts." },
	{ .name = "connect_timeout", .kind = OPTION_DURATION, .default_text = "5s", .min = 100, .max = 60000, .needs_restart = true,
	  .doc = "How long one try to connect may take; tries go on, at longer intervals up to 5s." },
	{ .name = "start_wait", .kind = OPTION_DURATION, .default_text = "1m", .min = 0, .max = 86400000, .needs_restart = true,
	  .doc = "How long a node that starts waits for a server that is away, alive but not ready, before it ends; 0: not at all." },
};

void stores_register(struct config_schema *s)
{
	config_register(s, "store", store_options, sizeof store_options / sizeof *store_options);
	config_describe(s, "store", "Where accounts and what belongs to them are kept.");
	config_register(s, "store.postgres", postgres_options, sizeof postgres_options / sizeof *postgres_options);
	config_describe(s, "store.postgres", "The server of store.backend postgres: PostgreSQL 14 or newer.");
}

static void on_health(void *arg, bool healthy, const char *text)
{
	(void)arg;
	if (healthy)
		LOG(LOG_INFO, "store", "works again");
	else
		LOG(LOG_ERROR, "store", "fails", L_Z("reason", text));
}

/* ---- a server that does not come ---- */

struct giving_up {
	struct message message;
	struct node *node;
	void (*fn)(struct node *n);
	char text[POSTGRES_WHY_BYTES];
};

static void on_gave_up(struct worker *w, struct message *m, bool cancelled)
{
	struct giving_up *g = (struct giving_up *)m;
	if (!cancelled) {
		LOG(LOG_ERROR, "store", "the server did not come: the node ends", L_Z("reason", g->text));
		g->fn(g->node);
	}
	free(g);
}

/* `arg` is what open_postgres made. */
static void on_give_up(void *arg, const char *text)
{
	const struct giving_up *model = arg;
	struct giving_up *g = xzalloc(sizeof *g);
	*g = *model;
	snprintf(g->text, sizeof g->text, "%s", text);
	worker_post(g->node->main, &g->message);
}

/* ---- opening ---- */

static struct store_options common_options(const struct node *n)
{
	uint64_t bytes = (uint64_t)config_int(n->config, "store.waiting_bytes");
	return (struct store_options){ .on_health = on_health, .max_waiting_bytes = bytes };
}

static enum err open_sqlite(struct node *n, struct buf *why)
{
	char text[SQLITE_WHY_BYTES] = "";
	struct sqlite_store_options o = {
		.common = common_options(n),
		.path = arena_printf(n->arena, "%.*s/starling.db", STR_ARG(n->data_dir)).p,
		.sync_normal = config_enum(n->config, "store.sync") == 1,
	};
	enum err e = sqlite_store_open(&o, &n->store, text);
	if (e != ERR_NONE)
		buf_addf(why, "store: %s", text);
	return e;
}

static enum err open_postgres(struct node *n, void (*fn)(struct node *n), struct buf *why)
{
	static const char *const tls_modes[] = { "disable", "prefer", "require", "verify-ca", "verify-full" };
	const struct config *c = n->config;
	char text[POSTGRES_WHY_BYTES] = "";
	struct giving_up *model = arena_zalloc(n->arena, sizeof *model);
	*model = (struct giving_up){ .message = { .run = on_gave_up }, .node = n, .fn = fn };
	struct postgres_store_options o = {
		.common = common_options(n),
		.uri = config_str(c, "store.postgres.uri").p,
		.host = config_str(c, "store.postgres.host").p,
		.port = arena_printf(n->arena, "%lld", (long long)config_int(c, "store.postgres.port")).p,
		.database = config_str(c, "store.postgres.database").p,
		.user = config_str(c, "store.postgres.user").p,
		.password = config_str(c, "store.postgres.password").p,
		.tls_mode = tls_modes[config_enum(c, "store.postgres.tls")],
		.root_certificate = config_str(c, "store.postgres.root_certificate").p,
		.sync_normal = config_enum(c, "store.sync") == 1,
		.pool = (uint32_t)config_int(c, "store.postgres.pool"),
		.connect_timeout_ms = (uint32_t)config_int(c, "store.postgres.connect_timeout"),
		.start_wait_ms = (uint32_t)config_int(c, "store.postgres.start_wait"),
		.on_give_up = on_give_up,
	};
	o.common.arg = model;
	enum err e = postgres_store_open(&o, &n->store, text);
	if (e != ERR_NONE)
		buf_addf(why, "store: postgres: %s", text);
	return e;
}

enum err stores_start(struct node *n, void (*fn)(struct node *n), struct buf *why)
{
	struct store_options memory = common_options(n);
	enum err e = ERR_NONE;
	switch ((enum backend)config_enum(n->config, "store.backend")) {
	case BACKEND_SQLITE:
		e = open_sqlite(n, why);
		break;
	case BACKEND_MEMORY:
		n->store = memory_store_open(&memory, 0);
		break;
	case BACKEND_POSTGRES:
		e = open_postgres(n, fn, why);
		break;
	}
	for (unsigned i = 0; i < n->n_hosts; i++) {
		if (n->hosts[i]->anonymous && !n->memory)
			n->memory = memory_store_open(NULL, GUESTS_MAX_BYTES);
		n->hosts[i]->store = n->hosts[i]->anonymous ? n->memory : n->store;
	}
	return e;
}

void stores_close(struct node *n)
{
	store_close(n->store);
	store_close(n->memory);
}
