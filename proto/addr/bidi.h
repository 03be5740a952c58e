/*
 * bidi.h: the Bidi Rule of RFC 5893 section 2 over code points.
 */
#ifndef PROTO_ADDR_BIDI_H
#define PROTO_ADDR_BIDI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does it have a right-to-left code point (R, AL or AN)? The rule is for strings that do, and for every label of a domain
 * of which one does. */
bool bidi_is_rtl(const uint32_t *cp, size_t n);
/* All six conditions. An empty string passes. */
bool bidi_rule(const uint32_t *cp, size_t n);

#endif
