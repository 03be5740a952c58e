/*
 * precis.h: PRECIS profiles (RFC 8264, RFC 8265) and host names (RFC 5890-5893) for XMPP, with an ASCII fast path.
 *
 * Each takes UTF-8 and gives the prepared and enforced form: `*out` borrows the input when it is that already, else lives in the arena.
 * ERR_INVALID for what the profile refuses (empty results too), ERR_LIMIT past 1023 bytes.
 */
#ifndef PROTO_ADDR_PRECIS_H
#define PROTO_ADDR_PRECIS_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

/* RFC 8265 section 3.3, and RFC 7622 section 3.3.1's further exclusions are the JID's, not this function's. */
MUST_CHECK enum err precis_username(struct arena *a, struct str s, struct str *out);
/* RFC 8265 section 4.2: resourceparts and passwords. */
MUST_CHECK enum err precis_opaque(struct arena *a, struct str s, struct str *out);
/* RFC 7622 section 3.2: U-labels (A-labels are converted), lower case, without a trailing dot; or an IPv4 address or a bracketed
 * IPv6 one. */
MUST_CHECK enum err precis_domain(struct arena *a, struct str s, struct str *out);
/* RFC 4013, for SCRAM clients' and servers' passwords and user names as RFC 5802 wants; unassigned code points refused. */
MUST_CHECK enum err saslprep(struct arena *a, struct str s, struct str *out);

#endif
