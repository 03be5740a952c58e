/*
 * ascii.h: one table over bytes, for the fast paths of addresses: most of them are ASCII and canonical, and one pass over the bytes
 * proves it. ascii_scan gives the union of the classes of a text's bytes; what is not in the union does not occur in the text.
 */
#ifndef PROTO_ADDR_ASCII_H
#define PROTO_ADDR_ASCII_H

#include "proto/base/str.h"

enum ascii_class {
	ASCII_UPPER = 1,      /* A-Z */
	ASCII_SPACE = 2,      /* U+0020 */
	ASCII_CONTROL = 4,    /* U+0000..U+001F, U+007F */
	ASCII_HIGH = 8,       /* not ASCII: the slow paths' business */
	ASCII_NOT_LOCAL = 16, /* RFC 7622 section 3.3.1: " & ' / : < > @ */
	ASCII_NOT_LDH = 32    /* neither a letter, a digit, a hyphen nor a full stop (never set for bytes past ASCII) */
};

extern const uint8_t ascii_table[256];

static inline unsigned ascii_scan(struct str s)
{
	unsigned all = 0;
	for (size_t i = 0; i < s.len; i++)
		all |= ascii_table[(unsigned char)s.p[i]];
	return all;
}

#endif
