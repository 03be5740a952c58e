/*
 * escape.h: localparts out of names that may hold what a localpart may not, such as spaces and at signs, and back (XEP-0106).
 *
 * Pure text: what comes out of jid_escape goes through PRECIS as any localpart does. Used where names of another system become addresses;
 * never for comparing addresses, which stay as they are on the wire.
 */
#ifndef PROTO_ADDR_ESCAPE_H
#define PROTO_ADDR_ESCAPE_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

/* ERR_INVALID when it begins or ends with a space (section 3.2). Borrows s when there is nothing to do. */
MUST_CHECK enum err jid_escape(struct arena *a, struct str s, struct str *out);
/* Sequences that are no escapes stay as they are (section 4.2). Borrows s when there is nothing to do. */
struct str jid_unescape(struct arena *a, struct str s);

#endif
