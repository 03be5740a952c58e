/*
 * log_options.h: the section "log" of the configuration.
 */
#ifndef NODE_CORE_LOG_OPTIONS_H
#define NODE_CORE_LOG_OPTIONS_H

#include "node/core/config.h"

void log_register(struct config_schema *s);
/* Starts the log as configured; `node` names this node in every line, absent: not. Before the first other thread. ERR_IO, with a text in
 * `why`, when the file cannot be opened. */
MUST_CHECK enum err log_apply(const struct config *c, struct str node, struct buf *why);
/* log.file, opened for appending (fd -1: the config has none); then used, which cannot fail. Main thread. The descriptor that lines go to
 * stays the same, so that none is lost or split while it is exchanged. */
struct log_file {
	int fd;
};
MUST_CHECK enum err log_file_open(const struct config *c, struct log_file *f, struct buf *why);
void log_file_use(const struct config *c, struct log_file *f);
void log_file_close(struct log_file *f);
/* Moves log.file away: its name and the time, as 20261122T071754Z, in *moved, which stays empty where the config has none. Lines go on to
 * go there until another is used. ERR_IO with a text in `why`. */
MUST_CHECK enum err log_file_move(const struct config *c, struct buf *moved, struct buf *why);
/* On a reload: levels and form, from any thread. */
void log_apply_again(const struct config *c);

#endif
