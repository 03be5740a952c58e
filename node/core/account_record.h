/*
 * account_record.h: an account as it is stored (JSON) and back. Internal to account.c and its tests.
 */
#ifndef NODE_CORE_ACCOUNT_RECORD_H
#define NODE_CORE_ACCOUNT_RECORD_H

#include "node/core/account.h"

/* ERR_INVALID for what is no account. Strings live in the arena. */
MUST_CHECK enum err account_record_parse(struct arena *a, struct str text, struct account *out);
/* The text of an account; members of `before` (absent: none) that we do not know are kept. */
struct str account_record_format(struct arena *a, const struct account *account, struct str before);

#endif
