#include "node/core/limits.h"

#include <pthread.h>
#include <stdlib.h>

#include "proto/base/map.h"
#include "proto/base/tally.h"

#define STRANGERS 65536 /* addresses, and accounts, whose failed logins are remembered */

static const struct option options[] = {
	{ .name = "stanza_rate", .kind = OPTION_INT, .default_text = "10000", .min = 0, .max = 10000000, .unit = "stanzas",
	  .doc = "A second, from one client; past it the client is not read for a while; 0 means no limit." },
	{ .name = "stanza_burst", .kind = OPTION_INT, .default_text = "20000", .min = 1, .max = 10000000, .unit = "stanzas",
	  .doc = "What a client that was silent may send at once." },
	{ .name = "account_rate", .kind = OPTION_INT, .default_text = "20000", .min = 0, .max = 10000000, .unit = "stanzas",
	  .doc = "A second, from all clients of one account; past it whichever sends is not read for a while; 0 means no limit." },
	{ .name = "account_burst", .kind = OPTION_INT, .default_text = "40000", .min = 1, .max = 10000000, .unit = "stanzas",
	  .doc = "What the clients of an account that was silent may send at once." },
	{ .name = "byte_rate", .kind = OPTION_SIZE, .default_text = "8 MiB", .min = 0, .max = 1 << 30,
	  .doc = "A second, from one connection; past it the connection is not read for a while; 0 means no limit." },
	{ .name = "byte_burst", .kind = OPTION_SIZE, .default_text = "16 MiB", .min = 1024, .max = 1 << 30,
	  .doc = "What a connection that was silent may send at once." },
	{ .name = "connections_per_address", .kind = OPTION_INT, .default_text = "1000", .min = 0, .max = 1000000, .unit = "connections",
	  .doc = "Open connections from one IPv4 address or IPv6 /64; more are closed; 0 means no limit." },
	{ .name = "exempt", .kind = OPTION_CIDRS, .default_text = "[127.0.0.0/8, \"::1\"]", .needs_restart = true,
	  .doc = "Networks whose addresses are not limited (what one stream may send is)." },
	{ .name = "login_delay", .kind = OPTION_DURATION, .default_text = "250ms", .min = 0, .max = 10000,
	  .doc = "How late the first answer to a wrong password beyond the free ones is; doubles with each more; 0 means never late." },
	{ .name = "login_delay_max", .kind = OPTION_DURATION, .default_text = "5s", .min = 0, .max = 25000,
	  .doc = "How late an answer to a wrong password gets at most." },
	{ .name = "login_free_account", .kind = OPTION_INT, .default_text = "5", .min = 0, .max = 1000000, .unit = "wrong passwords",
	  .doc = "For one account before answers are late." },
	{ .name = "login_free_address", .kind = OPTION_INT, .default_text = "20", .min = 0, .max = 1000000, .unit = "wrong passwords",
	  .doc = "From one address before answers are late." },
	{ .name = "login_forget", .kind = OPTION_DURATION, .default_text = "15m", .min = 1000, .max = 86400000, .needs_restart = true,
	  .doc = "After this long without another, wrong passwords are forgotten." },
};

/* A peer with connections; the map borrows its key. */
struct peer {
	struct ip ip;
	unsigned connections;
};

struct limits {
	struct limit_rates rates;
	const struct cidr *exempt;
	size_t n_exempt;
	unsigned connections_max;
	uint64_t delay_ms, delay_max_ms;
	uint32_t free_account, free_address;
	uint64_t hash_key[2];
	struct config *config;     /* the first: `exempt` is its */
	pthread_mutex_t mutex;     /* guards what follows */
	struct map peers;          /* struct ip -> struct peer */
	struct tally addresses, accounts;
};

void limits_register(struct config_schema *s)
{
	config_register(s, "limits", options, sizeof options / sizeof *options);
}

static struct bucket_rate rate_of(const struct config *c, const char *rate, const char *burst)
{
	return bucket_rate_of((uint64_t)config_int(c, rate), 1000, (uint64_t)config_int(c, burst));
}

void limits_reload(struct limits *l, const struct config *c)
{
	l->rates.stanzas = rate_of(c, "limits.stanza_rate", "limits.stanza_burst");
	l->rates.account = rate_of(c, "limits.account_rate", "limits.account_burst");
	l->rates.bytes = rate_of(c, "limits.byte_rate", "limits.byte_burst");
	l->connections_max = (unsigned)config_int(c, "limits.connections_per_address");
	l->delay_ms = (uint64_t)config_int(c, "limits.login_delay");
	l->delay_max_ms = (uint64_t)config_int(c, "limits.login_delay_max");
	l->free_account = (uint32_t)config_int(c, "limits.login_free_account");
	l->free_address = (uint32_t)config_int(c, "limits.login_free_address");
}

struct limits *limits_new(const struct config *c, const uint64_t hash_key[2])
{
	struct limits *l = xzalloc(sizeof *l);
	uint64_t forget_ms = (uint64_t)config_int(c, "limits.login_forget");
	l->config = config_ref((struct config *)c);
	l->exempt = config_cidrs(c, "limits.exempt", &l->n_exempt);
	limits_reload(l, c);
	memcpy(l->hash_key, hash_key, sizeof l->hash_key);
	pthread_mutex_init(&l->mutex, NULL);
	map_init(&l->peers, hash_key);
	tally_init(&l->addresses, STRANGERS, forget_ms);
	tally_init(&l->accounts, STRANGERS, forget_ms);
	return l;
}

void limits_free(struct limits *l)
{
	struct str key;
	void *value;
	if (!l)
		return;
	for (size_t i = 0; map_next(&l->peers, &i, &key, &value);)
		free(value);
	map_fini(&l->peers);
	tally_fini(&l->addresses);
	tally_fini(&l->accounts);
	pthread_mutex_destroy(&l->mutex);
	config_unref(l->config);
	free(l);
}

const struct limit_rates *limits_rates(const struct limits *l)
{
	return &l->rates;
}

/* The address, or the network that stands for it. */
static struct ip peer_of(const struct ip *ip)
{
	struct ip p = *ip;
	if (!ip_is_v4(ip))
		memset(p.bytes + 8, 0, 8);
	return p;
}

static struct str ip_key(const struct ip *ip)
{
	return str_span((const char *)ip->bytes, sizeof ip->bytes);
}

static bool is_exempt(const struct limits *l, const struct ip *ip)
{
	return cidr_any_has(l->exempt, l->n_exempt, ip);
}

uint64_t limits_address_key(const struct limits *l, const struct ip *peer)
{
	struct ip p = peer_of(peer);
	return is_exempt(l, peer) ? 0 : str_hash(ip_key(&p), l->hash_key) | 1;
}

/* ---- connections ---- */

bool limits_connected(struct limits *l, const struct ip *ip)
{
	bool fine = true;
	if (is_exempt(l, ip))
		return true;
	struct ip key = peer_of(ip);
	pthread_mutex_lock(&l->mutex);
	struct peer *p = map_get(&l->peers, ip_key(&key));
	if (!p) {
		p = xzalloc(sizeof *p);
		p->ip = key;
		map_put(&l->peers, ip_key(&p->ip), p);
	}
	if (!l->connections_max || p->connections < l->connections_max)
		p->connections++;
	else
		fine = false;
	pthread_mutex_unlock(&l->mutex);
	return fine;
}

void limits_disconnected(struct limits *l, const struct ip *ip)
{
	if (is_exempt(l, ip))
		return;
	struct ip key = peer_of(ip);
	pthread_mutex_lock(&l->mutex);
	struct peer *p = map_get(&l->peers, ip_key(&key));
	BUG_ON(!p);
	if (--p->connections == 0) {
		map_del(&l->peers, ip_key(&key));
		free(p);
	}
	pthread_mutex_unlock(&l->mutex);
}

/* ---- failed logins ---- */

static uint64_t account_key(const struct limits *l, struct str user, struct str host)
{
	uint64_t parts[2] = { str_hash(user, l->hash_key), str_hash(host, l->hash_key) };
	return str_hash(str_span((const char *)parts, sizeof parts), l->hash_key);
}

uint64_t limits_login_failed(struct limits *l, const struct ip *peer, struct str user, struct str host, uint64_t now_ms)
{
	uint64_t address = limits_address_key(l, peer), of_account = 0, of_address = 0;
	if (!l->delay_ms)
		return 0;
	pthread_mutex_lock(&l->mutex);
	if (str_present(user)) {
		struct tally_entry *e = tally_touch(&l->accounts, account_key(l, user, host), now_ms);
		e->count += e->count < UINT32_MAX;
		of_account = tally_delay_ms(e->count, l->free_account, l->delay_ms, l->delay_max_ms);
	}
	if (address) {
		struct tally_entry *e = tally_touch(&l->addresses, address, now_ms);
		e->count += e->count < UINT32_MAX;
		of_address = tally_delay_ms(e->count, l->free_address, l->delay_ms, l->delay_max_ms);
	}
	pthread_mutex_unlock(&l->mutex);
	return of_account > of_address ? of_account : of_address;
}
