/*
 * caps.h: the verification string of XEP-0115 section 5: a hash over what a disco#info answer says.
 */
#ifndef PROTO_FORMS_CAPS_H
#define PROTO_FORMS_CAPS_H

#include "proto/base/err.h"
#include "proto/xml/elem.h"

/* Base64 of SHA-1 over the identities, features and forms of a <query xmlns='disco#info'/>, in the arena. ERR_INVALID for an answer
 * that section 5.4
 * calls ill-formed: the same identity, feature or form type twice; ERR_LIMIT beyond 1,000 lines. */
MUST_CHECK enum err caps_hash(struct arena *a, const struct elem *query, struct str *out);

#endif
