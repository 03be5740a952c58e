/*
 * config.h: what the operator wants: one YAML file, the environment, and defaults, checked against option rows (option.h).
 *
 * A *schema* is made once, at start: every core file and module registers its rows under a section ("limits", "modules.ping";
 * "" is the top level; "host" holds what can only be said of one host). The path of an option is section.name. A *config* is one
 * loaded state: immutable, counted, safe to read from any thread; a reload makes a new one. The schema must outlive its configs;
 * rows and section names are static.
 *
 *	hosts:
 *	  example.org:              # what is served; without any hosts: localhost
 *	    anonymous: true         # an option of the section "host"
 *	    tls: {certificate: x}   # overrides tls.certificate, which is marked per_host
 *
 * The environment overrides the file: STARLING_LIMITS_STANZA_BYTES=64KiB; lists with commas; lists of maps in YAML's flow style,
 * STARLING_LISTEN='[{port: 5222}]'; STARLING_STORE_PASSWORD_FILE=/run/secrets/x reads a string from a file.
 * STARLING_HOSTS=a.example,b.example adds hosts, STARLING_HOSTS='{a.example: {anonymous: true}}' adds them with what is theirs.
 * A variable that is nearly one of these is an error; other STARLING_ variables are left alone (container platforms make up many).
 *
 * Errors are all told, up to CONFIG_ERRORS_MAX, one a line: "starling.yml:3:5: limits.stanza_byte: unknown option; did you mean ...?".
 * Getters are for set-up, not for every stanza: keep the number. An unknown path, or another kind than the row's, is a bug and aborts.
 */
#ifndef NODE_CORE_CONFIG_H
#define NODE_CORE_CONFIG_H

#include "node/core/option.h"

#define CONFIG_ERRORS_MAX 20
#define CONFIG_HOSTS_MAX  10000

struct config_schema;
struct config;
struct config_report;

/* ---- the schema ---- */

struct config_schema *config_schema_new(void);
void config_schema_free(struct config_schema *s);
/* Adds rows; a section may be registered from several files. A name taken twice, or a default that does not parse, aborts. */
void config_register(struct config_schema *s, const char *section, const struct option *rows, size_t n);
/* A sentence above the section in print-outs. */
void config_describe(struct config_schema *s, const char *section, const char *doc);
/* A reload applies none of the section's options, whatever their rows say: nobody reads them again. After its rows. */
void config_freeze(struct config_schema *s, const char *section);
/* `check` looks at a config whose values are all well-formed, for what no row can say alone. */
void config_register_check(struct config_schema *s, void (*check)(const struct config *c, struct config_report *r));
/* For checks: an error at the place where the value came from. */
void config_complain(struct config_report *r, const struct option_value *v, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ---- loading ---- */

/* path NULL: no file. env: as `environ`, NULL: none. Errors go to *errors, a line each. ERR_NOT_FOUND: no such file; ERR_IO; ERR_INVALID.
 * *out is yours on ERR_NONE, else NULL. */
MUST_CHECK enum err config_load(const struct config_schema *s, const char *path, char *const *env, struct buf *errors, struct config **out);
/* The same from text; `name` stands for the file in messages. */
MUST_CHECK enum err config_load_text(const struct config_schema *s, const char *name, struct str text, char *const *env, struct buf *errors,
                                     struct config **out);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);

/* ---- reading ---- */

/* The value for all hosts. */
const struct option_value *config_value(const struct config *c, const char *path);
/* The value for one host: its own, else the one for all. An unknown or absent host has none of its own. */
const struct option_value *config_host_value(const struct config *c, struct str host, const char *path);

static inline bool config_bool(const struct config *c, const char *path) { return option_bool(config_value(c, path)); }
/* int, duration (ms), size (bytes) */
static inline int64_t config_int(const struct config *c, const char *path) { return option_int(config_value(c, path)); }
static inline int config_enum(const struct config *c, const char *path) { return option_enum(config_value(c, path)); }
/* string, path; borrowed from the config, NUL-terminated; may be absent */
static inline struct str config_str(const struct config *c, const char *path) { return option_str(config_value(c, path)); }
static inline const struct str *config_strs(const struct config *c, const char *path, size_t *n)
{
	return option_strs(config_value(c, path), n);
}
static inline const struct cidr *config_cidrs(const struct config *c, const char *path, size_t *n)
{
	return option_cidrs(config_value(c, path), n);
}
static inline const struct option_map *config_maps(const struct config *c, const char *path, size_t *n)
{
	return option_maps(config_value(c, path), n);
}
static inline bool config_host_bool(const struct config *c, struct str host, const char *path)
{
	return option_bool(config_host_value(c, host, path));
}
static inline int64_t config_host_int(const struct config *c, struct str host, const char *path)
{
	return option_int(config_host_value(c, host, path));
}
static inline int config_host_enum(const struct config *c, struct str host, const char *path)
{
	return option_enum(config_host_value(c, host, path));
}
static inline struct str config_host_str(const struct config *c, struct str host, const char *path)
{
	return option_str(config_host_value(c, host, path));
}

/* The hosts, in the order given; names are canonical domains. At least one. */
size_t config_host_count(const struct config *c);
struct str config_host_name(const struct config *c, size_t i);
bool config_has_host(const struct config *c, struct str host);

/* ---- telling ---- */

/* A whole configuration file with every option, its default and a comment; it loads. */
void config_print_defaults(const struct config_schema *s, struct buf *out);
/* The reference, in Markdown. */
void config_print_reference(const struct config_schema *s, struct buf *out);
/* Every value in force and where it came from, a line each; secrets hidden. `started` is what the node began with: options that need a
 * restart are shown as they were then, with what a restart would bring behind. NULL: nothing was reloaded. */
void config_dump(const struct config *c, const struct config *started, struct buf *out);

/* One value that two configs do not share. */
struct config_change {
	struct str path;   /* "limits.depth"; "hosts" when a host comes or goes */
	struct str host;   /* of one host; absent: for all */
	const struct option_value *before, *after; /* NULL on one side when a host comes or goes */
	bool needs_restart;
};
/* Calls `tell` for each, in the order of rows, then hosts. Borrowed for the call. */
void config_diff(const struct config *before, const struct config *after, void (*tell)(void *arg, const struct config_change *ch),
		 void *arg);
/* "limits.depth: 64 -> 32", "hosts.a.example: gone (needs a restart)", one line without its end; secrets hidden. */
void config_add_change(struct buf *b, const struct config_change *ch);
/* True when something differs that needs a restart. */
bool config_needs_restart(const struct config *before, const struct config *after);

#endif
