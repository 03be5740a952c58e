/*
 * str.h: a borrowed run of bytes. Not NUL-terminated. `p == NULL` means absent, which differs from empty.
 * A str owns nothing: it lives as long as what it points into.
 */
#ifndef PROTO_BASE_STR_H
#define PROTO_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t len;
};

/* A str of a string literal, usable in expressions; STR_INIT in static initialisers. */
#define STR(lit)      ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_INIT(lit) { "" lit, sizeof(lit) - 1 }
#define STR_NONE      ((struct str){ NULL, 0 })
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_of(const char *z) { return (struct str){ z, z ? strlen(z) : 0 }; }
static inline struct str str_span(const char *p, size_t len) { return (struct str){ p, len }; }

static inline bool str_eq(struct str a, struct str b)
{
#ifdef __clang_analyzer__ /* it cannot know the invariant: bytes are somewhere */
	if ((a.len && !a.p) || (b.len && !b.p))
		__builtin_unreachable();
#endif
	return a.len == b.len && (a.p == b.p || a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
static inline bool str_is(struct str a, const char *z) { return str_eq(a, str_of(z)); }
static inline bool str_empty(struct str a) { return a.len == 0; }
static inline bool str_present(struct str a) { return a.p != NULL; }

/* Order as memcmp does, shorter first on a common prefix. */
int str_cmp(struct str a, struct str b);
/* ASCII case only. */
bool str_caseeq(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* The first `c` in s, or NULL. */
const char *str_chr(struct str s, char c);
/* Cuts `*rest` at the first `sep`: returns what was before it and leaves what is after it; absent once used up. */
struct str str_cut(struct str *rest, char sep);
/* Without leading and trailing space, tab, CR, LF. */
struct str str_trim(struct str s);
/* A base-10 number without sign or space that fits; false otherwise. */
bool str_to_u64(struct str s, uint64_t *out);
/* True when the bytes are well-formed UTF-8 (no overlongs, no surrogates, at most U+10FFFF). */
bool str_is_utf8(struct str s);
/* SipHash-2-4 under a 128-bit key: for tables whose keys a peer chooses. */
uint64_t str_hash(struct str s, const uint64_t key[2]);
/* Compares without a data-dependent branch; lengths are public. */
bool str_eq_consttime(struct str a, struct str b);
/* Optimal-string-alignment distance, for "did you mean"; both at most 64 bytes, else 65. */
unsigned str_distance(struct str a, struct str b);

#endif
