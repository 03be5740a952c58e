/*
 * config_private.h: the insides of a schema and a config, for config.c (life and getters), config_load.c (file and environment)
 * and config_print.c.
 */
#ifndef NODE_CORE_CONFIG_PRIVATE_H
#define NODE_CORE_CONFIG_PRIVATE_H

#include <stdatomic.h>

#include "node/core/config.h"
#include "node/core/yamltree.h"
#include "proto/base/map.h"

#define CONFIG_ROWS_MAX     1024
#define CONFIG_SECTIONS_MAX 128
#define CONFIG_CHECKS_MAX   64
#define CONFIG_FIELDS_MAX   64
#define CONFIG_HOST_SECTION "host"

struct config_row {
	size_t index;
	const char *section;
	const struct option *option;
	struct str path;     /* section.name */
	struct str env_name; /* absent: not from the environment, but for STARLING_HOSTS */
	struct option_value initial;
	bool needs_restart;  /* its own word, or its section's */
};
struct config_section {
	const char *name, *doc;
};
struct config_schema {
	struct arena *arena;
	struct map by_path; /* to struct config_row */
	struct config_row *rows[CONFIG_ROWS_MAX];
	size_t n_rows;
	struct config_section sections[CONFIG_SECTIONS_MAX]; /* each once, in the order of their first rows */
	size_t n_sections;
	void (*checks[CONFIG_CHECKS_MAX])(const struct config *c, struct config_report *r);
	size_t n_checks;
};

/* What one host says for itself. */
struct config_override {
	struct config_override *next;
	const struct config_row *row;
	struct option_value value;
};
struct config_host {
	struct config_host *next;
	struct str name;
	struct option_origin origin;
	struct config_override *overrides;
};
struct config {
	_Atomic uint32_t refs;
	struct arena *arena;
	const struct config_schema *schema;
	struct option_value *values; /* by row index */
	struct config_host *hosts, **hosts_tail;
	size_t n_hosts;
	struct map hosts_by_name;
};

struct config_report {
	struct buf *out;
	unsigned count;
};

/* One error line: "name:line:column: text", "name: text" from elsewhere. */
void config_report_at(struct config_report *r, const struct option_origin *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
const struct config_row *config_row_find(const struct config_schema *s, struct str path);
/* A section of that name, or one below it. */
bool config_has_section(const struct config_schema *s, struct str path);

/* Unknown key; `words` are those that may stand there. */
void config_report_unknown(struct config_report *r, const struct option_origin *at, struct str path, struct str key,
        const char *const *words,
                           size_t n);

/* Reads a value of any kind out of the tree; `label` names it in messages. False: told already. */
bool config_read_value(struct config_report *r, struct arena *a, const struct option *o, struct str label, const struct yamltree *t,
                       const char *file, struct option_value *v);
/* The same from one scalar's text. */
bool config_read_text(struct config_report *r, struct arena *a, const struct option *o, struct str label, struct str text,
                      struct option_origin at, struct option_value *v);
/* The contents of a small file without its last line breaks; errno says why not. */
MUST_CHECK enum err config_read_secret(struct arena *a, const char *path, struct str *out);
/* The value of o's default text. */
void config_read_default(struct arena *a, const struct option *o, struct option_value *v);
struct option_origin config_value_place(const char *file, const struct yamltree *t);
struct option_origin config_key_place(const char *file, const struct yamltree *t);

/* The host of that name, added unless it is there. NULL: a bad name, one too many, or twice in the file; told. */
struct config_host *config_add_host(struct config *c, struct config_report *r, struct str name, struct option_origin origin);
/* A whole configuration from text, over what is there; `name` stands for the file. */
void config_read_yaml(struct config *c, struct config_report *r, const char *name, struct str text);
void config_read_env(struct config *c, char *const *env, struct config_report *r);

#endif
