/*
 * The fleet's options, the keys that all its nodes share, and its beginning and end on the main thread.
 */
#include <ifaddrs.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cluster/redis.h"
#include "node/core/fleet.h"
#include "node/core/log.h"
#include "node/version.h"

#define SECRET_MIN     32
#define SECRET_MAX     4096
#define ISOLATED_MS    30000 /* then no new sessions are taken */

static const struct option options[] = {
	{ .name = "enabled", .kind = OPTION_BOOL, .default_text = "false", .needs_restart = true,
	  .doc = "This node is one of several; they find one another through Redis, and share a PostgreSQL store." },
	{ .name = "name", .kind = OPTION_STRING, .max = VIEW_NAME_MAX - 1, .needs_restart = true,
	  .doc = "What people call this node; by default its host name." },
	{ .name = "listen", .kind = OPTION_STRING, .default_text = "\"0.0.0.0:7400\"", .max = 100, .needs_restart = true,
	  .doc = "Where the other nodes connect: an address of the private network, and a port (0: any)." },
	{ .name = "advertise", .kind = OPTION_STRING, .max = 100, .needs_restart = true,
	  .doc = "What the others connect to, if it is not an address of this machine and that port." },
	{ .name = "secret", .kind = OPTION_STRING, .is_secret = true, .needs_restart = true,
	  .doc = "The same 32 or more random bytes on every node, or a file with them; who does not have them is not let in." },
	{ .name = "encryption", .kind = OPTION_BOOL, .default_text = "true", .needs_restart = true,
	  .doc = "Encrypt and authenticate what nodes say to one another (CURVE); off only inside a network that nobody else reaches." },
	{ .name = "drain_rate", .kind = OPTION_INT, .default_text = "500", .min = 10, .max = 1000000, .unit = "streams a second",
	  .doc = "How fast a node that is told to drain or leave ends its clients' streams: as fast as the others can let them in." },
	{ .name = "leave_on_signal", .kind = OPTION_BOOL, .default_text = "false",
	  .doc = "SIGTERM and SIGINT do what `starlingctl leave` does, and what they do otherwise when they come again; for who waits long "
	         "enough before he kills." },
	{ .name = "seeds", .kind = OPTION_STRINGS, .max = 32, .needs_restart = true,
	  .doc = "Addresses of other nodes to look for when Redis has forgotten them: host:port. To join, a node needs Redis." },
};
static const struct option redis_options[] = {
	{ .name = "host", .kind = OPTION_STRING, .default_text = "\"127.0.0.1\"", .max = 253, .needs_restart = true,
	  .doc = "Where Redis is." },
	{ .name = "port", .kind = OPTION_INT, .default_text = "6379", .min = 1, .max = 65535, .unit = "port", .needs_restart = true,
	  .doc = "Its port." },
	{ .name = "socket", .kind = OPTION_PATH, .needs_restart = true, .doc = "Its Unix socket, in place of host and port." },
	{ .name = "user", .kind = OPTION_STRING, .max = 255, .needs_restart = true,
	  .doc = "The user of its access list; none: its default." },
	{ .name = "password", .kind = OPTION_STRING, .is_secret = true, .needs_restart = true, .doc = "The password, if it asks for one." },
	{ .name = "database", .kind = OPTION_INT, .default_text = "0", .min = 0, .max = 65535, .unit = "number", .needs_restart = true,
	  .doc = "The number of the database." },
	{ .name = "tls", .kind = OPTION_BOOL, .default_text = "false", .needs_restart = true, .doc = "Connect with TLS." },
	{ .name = "tls_ca", .kind = OPTION_PATH, .needs_restart = true,
	  .doc = "PEM file with the authorities that may sign its certificate; by default the system's." },
	{ .name = "tls_name", .kind = OPTION_STRING, .max = 253, .needs_restart = true,
	  .doc = "The name in its certificate, if it is not host." },
	{ .name = "sentinels", .kind = OPTION_STRINGS, .max = 16, .needs_restart = true,
	  .doc = "Sentinels that know where the master is, as host:port; in place of host and port." },
	{ .name = "master", .kind = OPTION_STRING, .default_text = "\"mymaster\"", .max = 255, .needs_restart = true,
	  .doc = "The name by which the Sentinels know it." },
	{ .name = "timeout", .kind = OPTION_DURATION, .default_text = "500ms", .min = 50, .max = 10000, .needs_restart = true,
	  .doc = "How long an answer may take; then the connection is made anew." },
};

#define ROWS(rows) rows, sizeof(rows) / sizeof(*(rows))

void fleet_register(struct config_schema *s)
{
	config_register(s, "cluster", ROWS(options));
	config_describe(s, "cluster", "Several nodes that form one service.");
	config_register(s, "cluster.redis", ROWS(redis_options));
	config_describe(s, "cluster.redis", "The registry: who is there. Nodes go on without it for a while.");
}

/* ---- keys ---- */

/* HKDF-SHA256 (RFC 5869): one purpose, one key. */
static void derive(struct str secret, const char *purpose, void *out, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (char *)secret.p, secret.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)purpose, strlen(purpose)),
		OSSL_PARAM_construct_end(),
	};
	int ok = ctx ? EVP_KDF_derive(ctx, out, n, params) : 0;
	BUG_ON(ok != 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

enum err fleet_make(struct node *n, const struct config *c, struct buf *why)
{
	if (!config_bool(c, "cluster.enabled"))
		return ERR_NONE;
	struct str secret = config_str(c, "cluster.secret");
	secret = str_present(secret) ? str_trim(secret) : secret;
	if (!str_present(secret) || secret.len < SECRET_MIN) {
		buf_addf(why, "cluster.secret: %s",
			 str_present(secret) ? "is shorter than 32 bytes" : "is missing: the nodes of a cluster share one");
		return ERR_INVALID;
	}
	struct fleet *f = arena_zalloc(n->arena, sizeof *f);
	f->node = n;
	f->arena = n->arena;
	derive(secret, "starling accounts", n->hash_key, sizeof n->hash_key);
	pthread_mutex_init(&f->lock, NULL);
	n->fleet = f;
	return ERR_NONE;
}

void fleet_service_secret(struct node *n)
{
	derive(str_trim(config_str(n->config, "cluster.secret")), "starling service", n->secret, sizeof n->secret);
}

/* ---- addresses ---- */

/* The first address of an interface that others can reach; loopback when there is none. */
static struct str own_address(struct arena *a)
{
	struct ifaddrs *all, *i;
	char text[INET_ADDRSTRLEN] = "127.0.0.1";
	if (getifaddrs(&all) != 0)
		return arena_str(a, str_of(text));
	for (i = all; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && (i->ifa_flags & IFF_UP) && !(i->ifa_flags & IFF_LOOPBACK))
			break;
	if (i)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, text, sizeof text);
	freeifaddrs(all);
	return arena_str(a, str_of(text));
}

static bool split(struct str address, struct str *host, struct str *port)
{
	const char *colon = address.p;
	for (size_t i = 0; i < address.len; i++)
		if (address.p[i] == ':')
			colon = address.p + i;
	if (colon == address.p)
		return false;
	*host = str_span(address.p, (size_t)(colon - address.p));
	*port = str_span(colon + 1, address.len - (size_t)(colon + 1 - address.p));
	return !str_empty(*port);
}

static enum err addresses(struct arena *a, const struct config *c, struct mesh_options *o, struct buf *why)
{
	struct str listen = config_str(c, "cluster.listen"), advertise = config_str(c, "cluster.advertise"), host, port;
	if (!split(listen, &host, &port)) {
		buf_addf(why, "cluster.listen: '%.*s' is not of the form address:port", STR_ARG(listen));
		return ERR_INVALID;
	}
	o->bind = arena_printf(a, "tcp://%.*s", STR_ARG(listen));
	if (str_present(advertise) && !str_empty(advertise))
		o->core.addr = arena_printf(a, "tcp://%.*s", STR_ARG(advertise));
	else if (str_is(host, "0.0.0.0") || str_is(host, "*") || str_is(host, "[::]"))
		o->core.addr = arena_printf(a, "tcp://%.*s:%.*s", STR_ARG(own_address(a)), STR_ARG(port));
	else
		o->core.addr = o->bind;
	size_t n;
	const struct str *seeds = config_strs(c, "cluster.seeds", &n);
	struct str *urls = arena_zalloc(a, (n + 1) * sizeof *urls);
	for (size_t i = 0; i < n; i++)
		urls[i] = arena_printf(a, "tcp://%.*s", STR_ARG(seeds[i]));
	o->seeds = urls;
	o->n_seeds = (unsigned)n;
	return ERR_NONE;
}

static struct redis_options *redis_from(struct arena *a, const struct config *c)
{
	struct redis_options *r = arena_zalloc(a, sizeof *r);
	size_t n;
	const struct str *sentinels = config_strs(c, "cluster.redis.sentinels", &n);
	*r = (struct redis_options){
		.host = config_str(c, "cluster.redis.host"),
		.port = (uint16_t)config_int(c, "cluster.redis.port"),
		.unix_path = config_str(c, "cluster.redis.socket"),
		.user = config_str(c, "cluster.redis.user"),
		.password = config_str(c, "cluster.redis.password"),
		.database = (unsigned)config_int(c, "cluster.redis.database"),
		.tls = config_bool(c, "cluster.redis.tls"),
		.tls_ca_file = config_str(c, "cluster.redis.tls_ca"),
		.tls_name = config_str(c, "cluster.redis.tls_name"),
		.sentinels = sentinels,
		.n_sentinels = (unsigned)n,
		.master_name = config_str(c, "cluster.redis.master"),
		.timeout_ms = (uint32_t)config_int(c, "cluster.redis.timeout"),
	};
	return r;
}

struct str fleet_name(const struct config *c, char space[VIEW_NAME_MAX])
{
	struct str name = config_str(c, "cluster.name");
	if (!config_bool(c, "cluster.enabled"))
		return STR_NONE;
	if (str_present(name) && !str_empty(name))
		return name;
	memset(space, 0, VIEW_NAME_MAX);
	gethostname(space, VIEW_NAME_MAX - 1);
	return str_of(*space ? space : "node");
}

/* ---- beginning and end ---- */

static void on_event(void *arg, enum core_event e, uint32_t epoch, const char *text)
{
	(void)arg;
#define SAY(level, message) LOG(level, "cluster", message, L_Z("text", text), L_UINT("epoch", epoch))
	switch (e) {
	case CORE_JOINED: SAY(LOG_INFO, "joined the cluster"); break;
	case CORE_PEER_SEEN: SAY(LOG_INFO, "a node is known"); break;
	case CORE_PEER_UP: SAY(LOG_INFO, "a node is up"); break;
	case CORE_PEER_SUSPECT: SAY(LOG_WARN, "a node is silent"); break;
	case CORE_PEER_DEAD: SAY(LOG_WARN, "a node is dead"); break;
	case CORE_PEER_LEFT: SAY(LOG_INFO, "a node has left"); break;
	case CORE_FENCED: SAY(LOG_WARN, "the others took this node for dead; it joins again"); break;
	case CORE_ISOLATED: SAY(LOG_WARN, "isolated: neither the registry nor most of the nodes can be reached"); break;
	case CORE_HEALED: SAY(LOG_INFO, "no longer isolated"); break;
	case CORE_REGISTRY_DOWN:
		if (epoch)
			LOG(LOG_WARN, "cluster", "Redis is away; the nodes go on without it", L_Z("text", text));
		else
			LOG(LOG_WARN, "cluster", "Redis does not answer: this node waits for it, to join", L_Z("text", text));
		break;
	case CORE_REGISTRY_UP: LOG(LOG_INFO, "cluster", "Redis is there", L_Z("text", text)); break;
	case CORE_BAD_FRAME: SAY(LOG_WARN, "a node or a stranger was refused, or sent what is no frame"); break;
	case CORE_RELAYING: SAY(LOG_WARN, "a node is reached through a third one"); break;
	case CORE_CLOCK_SKEW: SAY(LOG_WARN, "this node's clock differs from the others'"); break;
	case CORE_INCOMPATIBLE: SAY(LOG_WARN, "a node of another version is left out: no common protocol"); break;
	case CORE_PEER_SLOW: SAY(LOG_WARN, "a node is slow, or no longer"); break;
	case CORE_PEER_REFUSED: LOG(LOG_WARN, "cluster", "somebody without the cluster's secret was refused", L_Z("text", text)); break;
	case CORE_EVENT_COUNT: break;
	}
#undef SAY
}

/* For tests of upgrades: "1-3" in this variable has the node say that it speaks these versions of the protocol. */
static void versions(struct core_options *o)
{
	struct str text = str_of(getenv("STARLING_TEST_PROTOCOL"));
	uint64_t min, max;
	if (str_present(text) && str_to_u64(str_cut(&text, '-'), &min) && str_to_u64(text, &max) && min <= max && max <= UINT8_MAX) {
		o->protocol_min = (uint8_t)min;
		o->protocol_max = (uint8_t)max;
	}
}

enum err fleet_start(struct node *n, struct buf *why)
{
	if (!n->fleet)
		return ERR_NONE;
	struct str secret = str_trim(config_str(n->config, "cluster.secret"));
	char space[VIEW_NAME_MAX];
	struct mesh_options o = {
		.core = { .name = fleet_name(n->config, space), .version = STR(STARLING_VERSION), .workers = (uint16_t)n->n_workers },
		.curve = config_bool(n->config, "cluster.encryption"),
		.redis = redis_from(n->arena, n->config),
		.workers = n->workers,
		.n_workers = n->n_workers,
		.on_event = on_event,
	};
	derive(secret, "starling mesh", o.secret, sizeof o.secret);
	versions(&o.core);
	o.core.checksum = !o.curve;
	fleet_hooks(n->fleet, &o);
	enum err e = addresses(n->arena, n->config, &o, why);
	if (e != ERR_NONE)
		return e;
	pthread_mutex_lock(&n->fleet->lock); /* a worker whose first view comes before this is written waits here (fleet.c) */
	n->fleet->mesh = mesh_start(&o, why);
	pthread_mutex_unlock(&n->fleet->lock);
	if (!n->fleet->mesh)
		return ERR_UNAVAILABLE;
	LOG(LOG_INFO, "cluster", "joining", L_STR("name", o.core.name), L_STR("address", mesh_addr(n->fleet->mesh)));
	return ERR_NONE;
}

void fleet_drain(struct node *n)
{
	if (n->fleet && n->fleet->mesh)
		mesh_drain(n->fleet->mesh);
}

bool fleet_deafen(struct node *n, void (*then)(void *arg), void *arg)
{
	if (!n->fleet || !n->fleet->mesh)
		return false;
	mesh_deafen(n->fleet->mesh, n->main, then, arg);
	return true;
}

uint64_t fleet_waiting(const struct node *n)
{
	if (!n->fleet || !n->fleet->mesh)
		return 0;
	uint64_t waiting = mesh_owes(n->fleet->mesh);
	for (unsigned i = 0; i < n->n_workers; i++)
		waiting += nw_of(n->workers[i])->fleet->n_lost;
	return waiting;
}

const struct worker *fleet_mesh_thread(const struct node *n)
{
	return n->fleet && n->fleet->mesh ? mesh_worker(n->fleet->mesh) : NULL;
}

void fleet_stop(struct node *n)
{
	if (!n->fleet || !n->fleet->mesh)
		return;
	mesh_stop(n->fleet->mesh);
	n->fleet->mesh = NULL;
}

struct view *fleet_view(struct fleet *f)
{
	pthread_mutex_lock(&f->lock);
	struct view *v = f->view ? view_ref(f->view) : NULL;
	pthread_mutex_unlock(&f->lock);
	return v;
}

void fleet_free(struct node *n)
{
	if (!n->fleet)
		return;
	view_unref(n->fleet->view);
	pthread_mutex_destroy(&n->fleet->lock);
}

bool fleet_is_cut_off(const struct node_worker *nw)
{
	uint64_t since = atomic_load(&nw->node->fleet->isolated_ms);
	return since && nw->worker->now_ms > since + ISOLATED_MS;
}

const char *fleet_problem(const struct node *n)
{
	uint64_t since = n->fleet ? atomic_load(&n->fleet->isolated_ms) : 0;
	if (!n->fleet)
		return NULL;
	if (since && n->main->now_ms > since + ISOLATED_MS)
		return "isolated";
	if (atomic_load(&n->fleet->drains))
		return "draining";
	unsigned state = atomic_load(&n->fleet->state);
	if (state == NODE_JOINING && !atomic_load(&n->fleet->registry_ok)) /* which gives it its number, and nobody else does */
		return "joining: Redis does not answer";
	return state == NODE_JOINING || state == NODE_SYNCING ? node_state_name(state) : NULL;
}
