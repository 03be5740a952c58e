/*
 * reload.h: a new configuration for a running node: read and validated whole, certificates included, then applied while all workers stand
 * still (pause.h), or not at all.
 *
 * What it applies: options of the core that do not say otherwise, certificates, log levels and the log file, and those of the features that
 * have host_reload (module.h). The rest needs a restart, and is named.
 */
#ifndef NODE_CORE_RELOAD_H
#define NODE_CORE_RELOAD_H

#include "node/core/node.h"

/* Main thread. `tell` is called for each change, before it is applied; borrowed for the call. A dry run ends there. On an error nothing has
 * changed, and `why` has a text of one line or more. */
MUST_CHECK enum err reload_config(struct node *n, bool dry_run, void (*tell)(void *arg, const struct config_change *ch), void *arg,
				  struct buf *why);
/* The same for a signal: changes and errors go to the log. */
void reload_and_log(struct node *n);

#endif
