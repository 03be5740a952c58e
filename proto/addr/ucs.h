/*
 * ucs.h: the code points of one part of an address while it is prepared: a bounded array on the stack, and the mappings that
 * profiles share.
 *
 * Invariant: len <= UCS_MAX. Every function leaves the array as it was or holds a prefix of garbage after a failure: drop it then.
 */
#ifndef PROTO_ADDR_UCS_H
#define PROTO_ADDR_UCS_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

#define UCS_PART_MAX 1023 /* bytes of a prepared part (RFC 7622) */
/* What is looked at before preparation: mapping shrinks a text at most threefold where it matters (fullwidth forms), so that nothing
 * useful is longer, and what costs more than ASCII costs is bounded. */
#define UCS_MAX (3 * UCS_PART_MAX)

struct ucs {
	size_t len;
	uint32_t cp[UCS_MAX];
};

/* ERR_LIMIT past UCS_MAX bytes, ERR_INVALID for what is not UTF-8. */
MUST_CHECK enum err ucs_decode(struct ucs *u, struct str s);
/* Encoded in the arena; ERR_LIMIT past UCS_PART_MAX bytes, ERR_INVALID when empty. Gives `s` itself if it is the same text. */
MUST_CHECK enum err ucs_encode(struct arena *a, const struct ucs *u, struct str s, struct str *out);
/* Fullwidth and halfwidth code points to their decomposition mappings (RFC 8264 section 5.2.1). */
void ucs_map_width(struct ucs *u);
/* Unicode's toLowerCase (not case folding: RFC 8265 section 3.3.1), then NFC; and NFC alone. ERR_LIMIT when it grows past UCS_MAX. */
MUST_CHECK enum err ucs_lower_nfc(struct ucs *u);
MUST_CHECK enum err ucs_nfc(struct ucs *u);
static inline bool ucs_eq(const struct ucs *x, const struct ucs *y)
{
	return x->len == y->len && memcmp(x->cp, y->cp, x->len * sizeof(*x->cp)) == 0;
}

#endif
