/*
 * hints.h: what a message says about how it wants to be kept and copied (XEP-0334), and what it carries. In a message of type error
 * hints mean nothing: the caller looks at the type first.
 */
#ifndef PROTO_FORMS_HINTS_H
#define PROTO_FORMS_HINTS_H

#include "proto/xml/elem.h"

enum hint { HINT_NO_STORE = 1, HINT_NO_PERMANENT_STORE = 2, HINT_NO_COPY = 4, HINT_STORE = 8 };

/* Bits of enum hint. */
unsigned hints_read(const struct elem *message);
/* Nothing but chat states (XEP-0085): a thread, ids and hints may stand beside them. True for a message that is empty. */
bool hints_is_only_state(const struct elem *message);

#endif
