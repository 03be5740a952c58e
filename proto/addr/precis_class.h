/*
 * precis_class.h: the two string classes of PRECIS (RFC 8264 sections 4, 8 and 9) over code points, with the contextual rules of RFC 5892
 * appendix A. Unicode's properties are libunistring's, so the Unicode version is that library's.
 */
#ifndef PROTO_ADDR_PRECIS_CLASS_H
#define PROTO_ADDR_PRECIS_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum precis_class { PRECIS_IDENTIFIER, PRECIS_FREEFORM };

/* RFC 8264 section 8's derived property value of one code point. */
enum precis_value { PRECIS_PVALID, PRECIS_FREE_PVAL, PRECIS_CONTEXTJ, PRECIS_CONTEXTO, PRECIS_DISALLOWED, PRECIS_UNASSIGNED };
enum precis_value precis_class_value(uint32_t cp);
/* Is every code point of the string allowed in the class, where it stands? Linear in n. */
bool precis_class_allows(enum precis_class class, const uint32_t *cp, size_t n);

#endif
