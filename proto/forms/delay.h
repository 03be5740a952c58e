/*
 * delay.h: delayed delivery (XEP-0203): when a stanza was first received, told by who kept it.
 */
#ifndef PROTO_FORMS_DELAY_H
#define PROTO_FORMS_DELAY_H

#include "proto/base/err.h"
#include "proto/xml/elem.h"

/* A new root around the children of `old` with a <delay/> of `by` at the end. One that claims to be of `by` already is left out: only we
 * may say what we did (section 4). `text` (the reason) may be absent. All in the arena, but for shared subtrees. */
struct elem *delay_stamp(struct arena *a, const struct elem *old, struct str by, int64_t at_ms, struct str text);
/* When `by` (absent: anybody) first had it. ERR_NOT_FOUND; ERR_INVALID for a stamp that is none. */
MUST_CHECK enum err delay_read(const struct elem *stanza, struct str by, int64_t *at_ms);

#endif
