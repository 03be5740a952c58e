/*
 * last_record.h: when an account was last available, and with which words it left. Kept by one feature (XEP-0012), told by two: the answer
 * to a presence probe of somebody who is away carries it as well (RFC 6121 section 4.3.2).
 *
 *   "last"   kv   "unix-ms", then the status behind a space
 */
#ifndef NODE_CORE_LAST_RECORD_H
#define NODE_CORE_LAST_RECORD_H

#include "node/store/store.h"

extern const struct store_space last_space;

struct str last_record_format(struct arena *a, int64_t at_ms, struct str status);
/* `status` is borrowed from the text, and may be empty. False for what is no record. */
bool last_record_parse(struct str text, int64_t *at_ms, struct str *status);

#endif
