#include "node/net/endpoints.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

#include "node/stream/c2s.h"

static const struct option listen_fields[] = {
	{ .name = "port", .kind = OPTION_INT, .required = true, .min = 1, .max = 65535, .unit = "port", .doc = "TCP port." },
	{ .name = "address", .kind = OPTION_STRING, .default_text = "\"::\"", .max = 64, .doc = "IPv4 or IPv6 address; :: takes both." },
	{ .name = "tls",
	  .kind = OPTION_ENUM,
	  .default_text = "starttls",
	  .choices = "starttls direct none",
	  .doc = "STARTTLS, TLS from the first byte (XEP-0368), or none at all (for tests and trusted networks)." },
	{ .name = "proxy_protocol",
	  .kind = OPTION_BOOL,
	  .default_text = "false",
	  .doc = "Connections from trusted_proxies begin with a PROXY header." },
	{ .name = "trusted_proxies",
	  .kind = OPTION_CIDRS,
	  .doc = "Networks whose PROXY headers are believed; others are plain clients." },
};
static const struct option listen_options[] = {
	{ .name = "listen",
	  .kind = OPTION_MAPS,
	  .max = 32,
	  .fields = listen_fields,
	  .n_fields = sizeof listen_fields / sizeof *listen_fields,
	  .needs_restart = true,
	  .doc = "Where clients connect; without any: STARTTLS on 5222 and direct TLS on 5223." },
};
static const struct option tls_options[] = {
	{ .name = "certificate",
	  .kind = OPTION_PATH,
	  .per_host = true,
	  .doc = "PEM file with the certificate and its chain; none: one is made." },
	{ .name = "key", .kind = OPTION_PATH, .per_host = true, .doc = "PEM file with its key; none: it is in the certificate's file." },
	{ .name = "certificate2",
	  .kind = OPTION_PATH,
	  .per_host = true,
	  .doc = "A second certificate of another kind (RSA beside ECDSA)." },
	{ .name = "key2", .kind = OPTION_PATH, .per_host = true, .doc = "The second certificate's key." },
};

void endpoints_register(struct config_schema *s)
{
	config_register(s, "", listen_options, 1);
	config_register(s, "tls", tls_options, sizeof tls_options / sizeof *tls_options);
	config_describe(s, "tls", "Certificates; also per host.");
}

/* ---- sockets ---- */

static enum err address_read(struct listen_spec *spec, struct str address, int port, struct buf *why)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *found;
	char text[16];
	snprintf(text, sizeof text, "%d", port);
	if (getaddrinfo(address.p, text, &hints, &found) != 0) {
		buf_addf(why, "listen: not an IP address: %.*s", STR_ARG(address));
		return ERR_INVALID;
	}
	memcpy(&spec->addr, found->ai_addr, found->ai_addrlen);
	spec->addr_len = found->ai_addrlen;
	freeaddrinfo(found);
	return ERR_NONE;
}

static enum err spec_make(struct node *n, struct listen_spec *spec, struct str address, int port, enum listen_tls tls, struct buf *why)
{
	spec->tls = tls;
	spec->on_accept = c2s_accept;
	spec->text = str_chr(address, ':') ? arena_printf(n->arena, "[%.*s]:%d", STR_ARG(address), port)
					   : arena_printf(n->arena, "%.*s:%d", STR_ARG(address), port);
	enum err e = address_read(spec, address, port, why);
	return e != ERR_NONE ? e : listen_bind(spec, n->n_workers, why);
}

static enum err spec_read(struct node *n, struct listen_spec *spec, const struct option_map *m, struct buf *why)
{
	size_t n_trusted;
	spec->proxy_protocol = option_bool(option_field(m, "proxy_protocol"));
	spec->trusted = option_cidrs(option_field(m, "trusted_proxies"), &n_trusted);
	spec->n_trusted = (unsigned)n_trusted;
	return spec_make(n, spec, option_str(option_field(m, "address")), (int)option_int(option_field(m, "port")),
			 (enum listen_tls)option_enum(option_field(m, "tls")), why);
}

enum err endpoints_listen(struct node *n, struct buf *why)
{
	static const struct { int port; enum listen_tls tls; } usual[] = { { 5222, LISTEN_STARTTLS }, { 5223, LISTEN_DIRECT_TLS } };
	size_t n_maps;
	const struct option_map *maps = config_maps(n->config, "listen", &n_maps);
	n->n_listens = n_maps ? (unsigned)n_maps : 2;
	n->listens = arena_zalloc(n->arena, n->n_listens * sizeof *n->listens);
	enum err e = ERR_NONE;
	for (unsigned i = 0; i < n->n_listens; i++)
		for (unsigned k = 0; k < 64; k++)
			n->listens[i].fds[k] = -1;
	for (unsigned i = 0; e == ERR_NONE && i < n->n_listens; i++)
		e = n_maps ? spec_read(n, &n->listens[i], &maps[i], why)
			   : spec_make(n, &n->listens[i], STR("::"), usual[i].port, usual[i].tls, why);
	return e;
}

/* ---- certificates ---- */

static size_t pairs_read(const struct config *c, struct str host, struct tls_pair pairs[2])
{
	static const char *const paths[2][2] = { { "tls.certificate", "tls.key" }, { "tls.certificate2", "tls.key2" } };
	size_t n = 0;
	for (int i = 0; i < 2; i++) {
		struct str chain = config_host_str(c, host, paths[i][0]);
		struct str key = config_host_str(c, host, paths[i][1]);
		if (str_present(chain) && !str_empty(chain))
			pairs[n++] = (struct tls_pair){ .chain_path = chain.p,
							.key_path = str_present(key) && !str_empty(key) ? key.p : NULL };
	}
	return n;
}

struct tls_config *endpoints_tls(const struct node *n, const struct config *c, const struct tls_config *old, struct buf *why)
{
	char text[TLS_WHY_BYTES] = "";
	size_t n_hosts = n->n_hosts; /* those that run: a reload brings no other */
	struct arena *a = arena_new(4096);
	struct tls_host_paths *hosts = arena_zalloc(a, n_hosts * sizeof *hosts);
	for (size_t i = 0; i < n_hosts; i++) {
		struct tls_pair *pairs = arena_zalloc(a, 2 * sizeof *pairs);
		hosts[i].host = n->hosts[i]->name.p;
		hosts[i].pairs = pairs;
		hosts[i].n_pairs = pairs_read(c, n->hosts[i]->name, pairs);
	}
	struct tls_paths paths = { .hosts = hosts, .n_hosts = n_hosts, .data_dir = n->data_dir.p };
	struct tls_config *made = tls_config_load(&paths, old, text);
	if (!made)
		buf_addz(why, text);
	arena_free(a);
	return made;
}
