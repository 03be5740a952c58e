/*
 * manual.h: what the command table says about itself: help, the list for shell completion, the manual page.
 */
#ifndef NODE_CTL_MANUAL_H
#define NODE_CTL_MANUAL_H

#include <stdio.h>

#include "node/ctl/command.h"

void manual_help(FILE *out);
void manual_command(const struct command *c, FILE *out);
/* A command a line with its options: "registered_users --limit= --after=". */
void manual_names(FILE *out);
/* starlingctl(1) in man format. */
void manual_page(FILE *out);

#endif
