#include "node/core/settings.h"

#include "node/core/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/sasl/sasl.h"

static const struct option top_options[] = {
	{ .name = "data_dir",
	  .kind = OPTION_PATH,
	  .default_text = "starling-data",
	  .needs_restart = true,
	  .doc = "Folder of the embedded store, made certificates and the control socket." },
	{ .name = "workers",
	  .kind = OPTION_INT,
	  .default_text = "0",
	  .min = 0,
	  .max = WORKERS_MAX,
	  .unit = "threads",
	  .needs_restart = true,
	  .doc = "Threads that serve clients; 0 means one per processor." },
	{ .name = "control_socket",
	  .kind = OPTION_PATH,
	  .needs_restart = true,
	  .doc = "Where starlingctl finds the node; by default starling.sock in data_dir." },
};

static const struct option host_options[] = {
	{ .name = "anonymous", .kind = OPTION_BOOL, .default_text = "false", .needs_restart = true,
	  .doc = "Anybody may log in without an account (SASL ANONYMOUS), nobody else; nothing is stored." },
};

static const struct option c2s_options[] = {
	{ .name = "require_tls", .kind = OPTION_BOOL, .default_text = "true", .doc = "Clients must use STARTTLS before they log in." },
	{ .name = "plain_on_loopback",
	  .kind = OPTION_BOOL,
	  .default_text = "false",
	  .doc = "Clients from 127.0.0.0/8 and ::1 may log in without TLS." },
	{ .name = "login_timeout",
	  .kind = OPTION_DURATION,
	  .default_text = "30s",
	  .min = 100,
	  .max = 600000,
	  .doc = "How long a connection may take to log in and bind." },
	{ .name = "idle_ping",
	  .kind = OPTION_DURATION,
	  .default_text = "5m",
	  .min = 0,
	  .max = 86400000,
	  .doc = "After this long without input a space is sent, which makes a dead connection fail; 0 means never." },
	{ .name = "idle_timeout",
	  .kind = OPTION_DURATION,
	  .default_text = "0",
	  .min = 0,
	  .max = 604800000,
	  .doc = "After this long without input the stream is closed; 0 means never." },
	{ .name = "login_tries",
	  .kind = OPTION_INT,
	  .default_text = "10",
	  .min = 1,
	  .max = 100,
	  .unit = "tries",
	  .doc = "Failed logins on one stream before it is closed." },
};

static const struct option limit_options[] = {
	{ .name = "stanza_bytes",
	  .kind = OPTION_SIZE,
	  .default_text = "256 KiB",
	  .min = 10000,
	  .max = XML_MAX_BYTES,
	  .doc = "Longest stanza of a logged-in client." },
	{ .name = "stanza_bytes_before_login",
	  .kind = OPTION_SIZE,
	  .default_text = "10 KiB",
	  .min = 10000,
	  .max = 1 << 20,
	  .doc = "Longest element of a client that has not logged in." },
	{ .name = "depth",
	  .kind = OPTION_INT,
	  .default_text = "64",
	  .min = 8,
	  .max = 200,
	  .unit = "elements",
	  .doc = "How deep elements may nest." },
	{ .name = "attributes",
	  .kind = OPTION_INT,
	  .default_text = "128",
	  .min = 16,
	  .max = 1000,
	  .unit = "attributes",
	  .doc = "Attributes of one element." },
	{ .name = "elements",
	  .kind = OPTION_INT,
	  .default_text = "4096",
	  .min = 64,
	  .max = 100000,
	  .unit = "elements",
	  .doc = "Elements of one stanza." },
	{ .name = "resources",
	  .kind = OPTION_INT,
	  .default_text = "64",
	  .min = 1,
	  .max = 1000,
	  .unit = "resources",
	  .doc = "Connected resources of one account." },
	{ .name = "places",
	  .kind = OPTION_INT,
	  .default_text = "100000",
	  .min = 64,
	  .max = 10000000,
	  .unit = "places",
	  .needs_restart = true,
	  .doc = "Rooms and other addresses of services that one node serves at a time; what would be one more is refused." },
	{ .name = "mailbox_bytes",
	  .kind = OPTION_SIZE,
	  .default_text = "16 MiB",
	  .min = 1 << 20,
	  .max = INT64_C(1) << 32,
	  .doc = "What may wait for one worker; past it those who send to its accounts are not read for a while." },
	{ .name = "unsent_bytes",
	  .kind = OPTION_SIZE,
	  .default_text = "1 MiB",
	  .min = 65536,
	  .max = 1 << 30,
	  .doc = "What may wait for a client that does not read; past it the stream is closed. From a quarter of it on, clients that go on "
		 "filling it are not read until it has drained." },
	{ .name = "late_bytes",
	  .kind = OPTION_SIZE,
	  .default_text = "16 MiB",
	  .min = 0,
	  .max = 1 << 30,
	  .doc = "What clients have sent until they hear that they are not read, on other nodes or as there are many of them, "
		 "comes on top, so much for one client. Past three quarters of it messages and requests to that client are refused with "
		 "resource-constraint." },
	{ .name = "late_bytes_all",
	  .kind = OPTION_SIZE,
	  .default_text = "256 MiB",
	  .min = 0,
	  .max = INT64_C(1) << 40,
	  .doc = "The same for all clients of a node together. Past three quarters of it what is for clients who have some of it is "
		 "refused; the client for whom what cannot be refused would be more ends, with resource-constraint." },
	{ .name = "unsent_wait",
	  .kind = OPTION_DURATION,
	  .default_text = "5s",
	  .min = 100,
	  .max = 60000,
	  .doc = "How long clients wait for another that reads nothing of what they sent; after it they fill what may wait for it." },
};

static const struct option sm_options[] = {
	{ .name = "enabled", .kind = OPTION_BOOL, .default_text = "true", .doc = "Offer stream management to clients." },
	{ .name = "resume_timeout",
	  .kind = OPTION_DURATION,
	  .default_text = "5m",
	  .min = 0,
	  .max = 86400000,
	  .doc = "How long a session waits for its client when its connection is lost; a client may ask for less. 0: it does not wait." },
	{ .name = "ack_timeout",
	  .kind = OPTION_DURATION,
	  .default_text = "1m",
	  .min = 100,
	  .max = 600000,
	  .doc = "A client that does not answer a request for acknowledgement for so long, nor sends anything else, counts as lost." },
	{ .name = "ask_stanzas",
	  .kind = OPTION_INT,
	  .default_text = "20",
	  .min = 1,
	  .max = 10000,
	  .unit = "stanzas",
	  .doc = "After so many stanzas to a client it is asked to acknowledge." },
	{ .name = "ask_bytes", .kind = OPTION_SIZE, .default_text = "32 KiB", .min = 1024, .max = 1 << 20, .doc = "The same in bytes." },
	{ .name = "ask_after",
	  .kind = OPTION_DURATION,
	  .default_text = "2s",
	  .min = 10,
	  .max = 600000,
	  .doc = "So long after a stanza at the latest its client is asked to acknowledge it." },
	{ .name = "queue_stanzas",
	  .kind = OPTION_INT,
	  .default_text = "5000",
	  .min = 10,
	  .max = 100000,
	  .unit = "stanzas",
	  .doc = "Unacknowledged stanzas of a session. Past it a connected client cannot resume any more, and a session that waits for its "
		 "client ends: messages go to the offline store." },
	{ .name = "queue_bytes",
	  .kind = OPTION_SIZE,
	  .default_text = "512 KiB",
	  .min = 16384,
	  .max = 1 << 30,
	  .doc = "The same in bytes of memory; at most three quarters of limits.unsent_bytes, as all of it is sent at a resumption." },
	{ .name = "detached",
	  .kind = OPTION_INT,
	  .default_text = "8",
	  .min = 1,
	  .max = 1000,
	  .unit = "sessions",
	  .doc = "Sessions of one account that wait for their clients; of more the oldest ends." },
};

static const struct option sasl_options[] = {
	{ .name = "iterations",
	  .kind = OPTION_INT,
	  .default_text = "10000",
	  .min = 4096,
	  .max = SASL_ITERATIONS_MAX,
	  .unit = "rounds",
	  .per_host = true,
	  .doc = "PBKDF2 rounds of new passwords." },
	{ .name = "channel_binding",
	  .kind = OPTION_BOOL,
	  .default_text = "true",
	  .per_host = true,
	  .doc = "Offer the -PLUS mechanisms; off helps clients that get channel binding wrong on TLS 1.3." },
	{ .name = "strongest_scram",
	  .kind = OPTION_ENUM,
	  .default_text = "sha-512",
	  .choices = "sha-1 sha-256 sha-512",
	  .per_host = true,
	  .doc = "Strongest SCRAM mechanism on offer; sha-1 for accounts that were imported with no other keys." },
};

static const struct option module_switch[] = {
	{ .name = "enabled",
	  .kind = OPTION_BOOL,
	  .default_text = "true",
	  .per_host = true,
	  .needs_restart = true,
	  .doc = "Whether the feature is there." },
};

static char module_sections[64][48]; /* "modules.ping": written once, before any thread */

#define ROWS(rows) rows, sizeof(rows) / sizeof(*(rows))

struct config_schema *settings_schema(void)
{
	struct config_schema *s = config_schema_new();
	config_register(s, "", ROWS(top_options));
	config_register(s, "host", ROWS(host_options));
	config_register(s, "c2s", ROWS(c2s_options));
	config_describe(s, "c2s", "Client connections.");
	config_register(s, "limits", ROWS(limit_options));
	limits_register(s);
	fleet_register(s);
	roles_register(s);
	config_describe(s, "limits", "Ceilings; each has its answer when it is hit.");
	config_register(s, "sm", ROWS(sm_options));
	config_describe(s, "sm", "Stream management (XEP-0198): acknowledgements, and sessions that survive their connection.");
	config_register(s, "sasl", ROWS(sasl_options));
	config_describe(s, "sasl", "Passwords and logins.");
	for (unsigned i = 0; all_modules[i]; i++) {
		const struct module *m = all_modules[i];
		snprintf(module_sections[i], sizeof module_sections[i], "modules.%s", m->name);
		config_register(s, module_sections[i], ROWS(module_switch));
		config_describe(s, module_sections[i], m->doc);
		if (m->n_options)
			config_register(s, module_sections[i], m->options, m->n_options);
		if (!m->host_reload)
			config_freeze(s, module_sections[i]);
	}
	return s;
}

static void read_sm(const struct config *c, const struct settings *all, struct sm_settings *out)
{
	uint64_t most = all->out_max / 4 * 3;
	out->enabled = config_bool(c, "sm.enabled");
	out->resume_ms = (uint64_t)config_int(c, "sm.resume_timeout");
	out->ack_ms = (uint64_t)config_int(c, "sm.ack_timeout");
	out->ask_stanzas = (uint32_t)config_int(c, "sm.ask_stanzas");
	out->ask_bytes = (uint64_t)config_int(c, "sm.ask_bytes");
	out->ask_after_ms = (uint64_t)config_int(c, "sm.ask_after");
	out->queue_stanzas = (uint32_t)config_int(c, "sm.queue_stanzas");
	out->queue_bytes = (uint64_t)config_int(c, "sm.queue_bytes");
	if (out->queue_bytes > most)
		out->queue_bytes = most;
	out->detached_max = (uint32_t)config_int(c, "sm.detached");
}

void settings_read(const struct config *c, struct settings *out)
{
	struct xml_limits limits = {
		.max_bytes = (uint32_t)config_int(c, "limits.stanza_bytes"),
		.max_depth = (uint32_t)config_int(c, "limits.depth"),
		.max_attrs = (uint32_t)config_int(c, "limits.attributes"),
		.max_elements = (uint32_t)config_int(c, "limits.elements"),
	};
	out->after_auth = limits;
	limits.max_bytes = (uint32_t)config_int(c, "limits.stanza_bytes_before_login");
	out->before_auth = limits;
	out->unauthenticated_ms = (uint64_t)config_int(c, "c2s.login_timeout");
	out->idle_ping_ms = (uint64_t)config_int(c, "c2s.idle_ping");
	out->idle_close_ms = (uint64_t)config_int(c, "c2s.idle_timeout");
	out->sasl_tries = (uint32_t)config_int(c, "c2s.login_tries");
	out->resources_max = (uint32_t)config_int(c, "limits.resources");
	out->mailbox_bytes = (uint64_t)config_int(c, "limits.mailbox_bytes");
	out->out_max = (uint64_t)config_int(c, "limits.unsent_bytes");
	out->late_max = (uint64_t)config_int(c, "limits.late_bytes");
	out->late_all = (uint64_t)config_int(c, "limits.late_bytes_all");
	out->places_max = (uint64_t)config_int(c, "limits.places");
	out->out_mark = out->out_max / 4;
	out->unsent_wait_ms = (uint64_t)config_int(c, "limits.unsent_wait");
	out->out_max_before_auth = 65536;
	out->tls_required = config_bool(c, "c2s.require_tls");
	out->plain_on_loopback = config_bool(c, "c2s.plain_on_loopback");
	read_sm(c, out, &out->sm);
}

const struct option_value *module_value(const struct host *h, const struct module *m, const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "modules.%s.%s", m->name, name);
	return config_host_value(h->node->config, h->name, path);
}

bool module_bool(const struct host *h, const struct module *m, const char *name)
{
	return option_bool(module_value(h, m, name));
}

int64_t module_int(const struct host *h, const struct module *m, const char *name)
{
	return option_int(module_value(h, m, name));
}

struct str module_str(const struct host *h, const struct module *m, const char *name)
{
	return option_str(module_value(h, m, name));
}

void settings_read_host(struct host *h)
{
	h->scram_iterations = (uint32_t)config_host_int(h->node->config, h->name, "sasl.iterations");
	h->channel_binding = config_host_bool(h->node->config, h->name, "sasl.channel_binding");
	h->strongest_scram = (enum sasl_hash)config_host_enum(h->node->config, h->name, "sasl.strongest_scram");
	roles_read(&h->roles, h->node->config, h->name);
}

static struct host *host_new(struct node *n, struct str name, unsigned index)
{
	struct host *h = arena_zalloc(n->arena, sizeof *h);
	h->node = n;
	h->arena = n->arena;
	h->index = index;
	h->name = arena_str(n->arena, name);
	h->jid = (struct jid){ .text = h->name.p, .bare_len = (uint16_t)name.len, .len = (uint16_t)name.len };
	h->anonymous = config_host_bool(n->config, name, "host.anonymous");
	settings_read_host(h);
	for (unsigned i = 0; all_modules[i]; i++)
		if (module_bool(h, all_modules[i], "enabled"))
			h->enabled |= UINT64_C(1) << i;
	return h;
}

void settings_make_hosts(struct node *n)
{
	n->n_hosts = (unsigned)config_host_count(n->config);
	n->hosts = arena_zalloc(n->arena, n->n_hosts * sizeof *n->hosts);
	for (unsigned i = 0; i < n->n_hosts; i++)
		n->hosts[i] = host_new(n, config_host_name(n->config, i), i);
}
