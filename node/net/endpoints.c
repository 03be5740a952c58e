#include "node/net/endpoints.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

#include "node/net/inherited.h"
#include "node/stream/c2s.h"

static const struct option listen_fields[] = {
	{ .name = "port", .kind = OPTION_INT, .required = true, .min = 1, .max = 65535, .unit = "port", .doc = "TCP port." },
	{ .name = "address", .kind = OPTION_STRING, .default_text = "\"::\"", .max = 64, .doc = "IPv4 or IPv6 address; :: takes both." },
	{ .name = "socket",
	  .kind = OPTION_STRING,
	  .max = 255,
	  .doc = "FileDescriptorName= of sockets that systemd passes: they take the place of address and port. Without it those are taken "
		 "that were made for the same address and port." },
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

/* One more, with what `like` says. */
static struct listen_spec *spec_add(struct node *n, const struct listen_spec *like)
{
	struct listen_spec *spec = &n->listens[n->n_listens++];
	*spec = *like;
	spec->on_accept = c2s_accept;
	for (unsigned k = 0; k < sizeof spec->fds / sizeof *spec->fds; k++)
		spec->fds[k] = -1;
	return spec;
}

static enum err spec_make(struct node *n, const struct listen_spec *like, struct str address, int port, struct buf *why)
{
	struct listen_spec *spec = spec_add(n, like);
	spec->text = str_chr(address, ':') ? arena_printf(n->arena, "[%.*s]:%d", STR_ARG(address), port)
					   : arena_printf(n->arena, "%.*s:%d", STR_ARG(address), port);
	enum err e = address_read(spec, address, port, why);
	int fd = e == ERR_NONE ? inherited_at((const struct sockaddr *)&spec->addr) : -1;
	if (e != ERR_NONE)
		return e;
	return fd < 0 ? listen_bind(spec, n->n_workers, why) : listen_adopt(spec, fd, n->n_workers, why);
}

/* One for each socket of that name. */
static enum err specs_adopt(struct node *n, const struct listen_spec *like, struct str name, struct buf *why)
{
	struct sockaddr_storage addr;
	socklen_t addr_len;
	enum err e = ERR_NONE;
	for (int fd; e == ERR_NONE && (fd = inherited_named(name, &addr, &addr_len)) >= 0;) {
		struct listen_spec *spec = spec_add(n, like);
		spec->addr = addr;
		spec->addr_len = addr_len;
		spec->text = inherited_text(n->arena, (const struct sockaddr *)&addr);
		e = listen_adopt(spec, fd, n->n_workers, why);
	}
	return e;
}

static enum err specs_read(struct node *n, const struct option_map *m, struct buf *why)
{
	size_t n_trusted;
	struct listen_spec like = {
		.tls = (enum listen_tls)option_enum(option_field(m, "tls")),
		.proxy_protocol = option_bool(option_field(m, "proxy_protocol")),
		.trusted = option_cidrs(option_field(m, "trusted_proxies"), &n_trusted),
	};
	like.n_trusted = (unsigned)n_trusted;
	struct str name = option_str(option_field(m, "socket"));
	unsigned before = n->n_listens;
	enum err e = str_empty(name) ? ERR_NONE : specs_adopt(n, &like, name, why);
	if (e != ERR_NONE || n->n_listens > before)
		return e;
	return spec_make(n, &like, option_str(option_field(m, "address")), (int)option_int(option_field(m, "port")), why);
}

enum err endpoints_listen(struct node *n, struct buf *why)
{
	static const struct { int port; enum listen_tls tls; } usual[] = { { 5222, LISTEN_STARTTLS }, { 5223, LISTEN_DIRECT_TLS } };
	size_t n_maps;
	const struct option_map *maps = config_maps(n->config, "listen", &n_maps);
	size_t n_wanted = n_maps ? n_maps : sizeof usual / sizeof *usual;
	n->listens = arena_zalloc(n->arena, (n_wanted + inherited_count()) * sizeof *n->listens);
	enum err e = ERR_NONE;
	for (size_t i = 0; e == ERR_NONE && i < n_wanted; i++) {
		struct listen_spec like = { .tls = usual[n_maps ? 0 : i].tls };
		e = n_maps ? specs_read(n, &maps[i], why) : spec_make(n, &like, STR("::"), usual[i].port, why);
	}
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
	if (n->fleet)
		paths.ticket_secret = n->secret;
	struct tls_config *made = tls_config_load(&paths, old, text);
	if (!made)
		buf_addz(why, text);
	arena_free(a);
	return made;
}
