/*
 * logline.h: the text of one log line, logfmt or JSON, built in place without allocation. For log.c.
 *
 * Invariant: whatever is added, logline_end gives one well-formed line of at most LOG_LINE_MAX bytes, newline included, without raw
 * control bytes or invalid UTF-8. A field that does not fit is left out whole; a string that takes more than about LOG_VALUE_MAX bytes is
 * cut; either adds truncated=true. Escapes: \" \\ \n \r \t, \u00XX for other controls (C0, DEL, C1), and \xXX for a byte that is not
 * UTF-8; in JSON the latter is \\xXX.
 */
#ifndef NODE_CORE_LOGLINE_H
#define NODE_CORE_LOGLINE_H

#include "node/core/log.h"

struct logline {
	char text[LOG_LINE_MAX];
	size_t len;
	bool json, truncated, full;
};

void logline_start(struct logline *l, bool json);
/* An absent value adds nothing. Keys are literals that need no escaping. */
void logline_str(struct logline *l, const char *key, struct str value);
void logline_int(struct logline *l, const char *key, int64_t value);
void logline_uint(struct logline *l, const char *key, uint64_t value);
void logline_bool(struct logline *l, const char *key, bool value);
/* Closes the line; borrows from l. */
struct str logline_end(struct logline *l);

#endif
