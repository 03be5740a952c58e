/*
 * show.h: how starlingctl prints an answer: as the JSON it came in, or for people: a text, "name: value" lines, one item a line, or a
 * table.
 *
 * A table has aligned columns under a head when it goes to a terminal; into a pipe it is one row a line, cells between tabs, no head. What
 * is a list of objects in its rows comes after an empty line, as a table in which each row begins with the first cell of its own.
 * Control characters of values are shown as '?': whoever looks at an account's resource must not have their terminal rewritten.
 */
#ifndef NODE_CTL_SHOW_H
#define NODE_CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Returns the reply's exit code. */
int show_reply(json_t *reply, bool as_json, FILE *out, FILE *err);
/* One line of a stream. */
void show_line(const json_t *line, bool as_json, FILE *out);
/* The table alone; `head`: as for a terminal. */
void show_table(const json_t *rows, bool head, FILE *out);

/* By address or name: strings, or objects with a "jid" or a "node"; the first `limit` (0: all). Consumes the list. */
json_t *show_sorted(json_t *list, uint64_t limit);

#endif
