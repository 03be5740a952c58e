/*
 * settings.h: the option rows of the core, and what is made of them: numbers for hot paths, hosts, module switches.
 */
#ifndef NODE_CORE_SETTINGS_H
#define NODE_CORE_SETTINGS_H

#include "node/core/node.h"

/* A schema with every row of the core and of all modules. Yours: config_schema_free. */
struct config_schema *settings_schema(void);
/* Copies the hot options. */
void settings_read(const struct config *c, struct settings *out);
/* The options of a host that a reload may change. */
void settings_read_host(struct host *h);
/* Makes n->hosts from n->config. */
void settings_make_hosts(struct node *n);

/* An option of a module, for one host: "show_os" of modules.version. */
bool module_bool(const struct host *h, const struct module *m, const char *name);
int64_t module_int(const struct host *h, const struct module *m, const char *name);
struct str module_str(const struct host *h, const struct module *m, const char *name);
const struct option_value *module_value(const struct host *h, const struct module *m, const char *name);

#endif
