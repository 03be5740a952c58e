/*
 * log_options.h: the section "log" of the configuration.
 */
#ifndef NODE_CORE_LOG_OPTIONS_H
#define NODE_CORE_LOG_OPTIONS_H

#include "node/core/config.h"

void log_register(struct config_schema *s);
/* Starts the log as configured; `node` names this node in every line, absent: not. Before the first other thread. */
void log_apply(const struct config *c, struct str node);
/* On a reload: the levels only, from any thread. */
void log_apply_levels(const struct config *c);

#endif
