/*
 * jid.h: XMPP addresses (RFC 7622): localpart@domainpart/resourcepart.
 *
 * A `struct jid` is always valid and canonical: prepared (PRECIS UsernameCaseMapped and OpaqueString, IDNA2008 U-labels), in one run of
 * bytes, so that the bare JID is a prefix of the full one and comparing is memcmp. It borrows its bytes: copy it (jid_copy) to keep it
 * longer than they live.
 * A zeroed struct jid is absent (jid_present is false).
 */
#ifndef PROTO_ADDR_JID_H
#define PROTO_ADDR_JID_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

#define JID_PART_MAX 1023
#define JID_MAX      (3 * JID_PART_MAX + 2)

struct jid {
	const char *text;  /* canonical; NUL after `len` only if made by jid_copy, jid_make or not borrowed */
	uint16_t local_len;  /* 0: no localpart */
	uint16_t bare_len;   /* length of local@domain */
	uint16_t len;        /* length of all; == bare_len when there is no resourcepart */
};

/* Parses and prepares. Where the input is canonical already (the ASCII fast path) *out borrows s, else it lives in the arena.
 * ERR_INVALID for whatever RFC 7622 refuses. */
MUST_CHECK enum err jid_parse(struct arena *a, struct str s, struct jid *out);
/* From unprepared parts; an empty local or resource means none. In the arena. */
MUST_CHECK enum err jid_make(struct arena *a, struct str local, struct str domain, struct str resource, struct jid *out);
/* With another resource, prepared here (OpaqueString). In the arena. */
MUST_CHECK enum err jid_with_resource(struct arena *a, const struct jid *bare, struct str resource, struct jid *out);
/* A copy that lives in the arena, NUL-terminated. */
struct jid jid_copy(struct arena *a, const struct jid *j);
/* Without its resource; borrows the same bytes. */
struct jid jid_bare(const struct jid *j);
/* Only the domain; borrows the same bytes. */
struct jid jid_host(const struct jid *j);

static inline bool jid_present(const struct jid *j) { return j->text != NULL; }
static inline bool jid_has_local(const struct jid *j) { return j->local_len != 0; }
static inline bool jid_is_full(const struct jid *j) { return j->len != j->bare_len; }
static inline struct str jid_str(const struct jid *j) { return (struct str){ j->text, j->len }; }
static inline struct str jid_bare_str(const struct jid *j) { return (struct str){ j->text, j->bare_len }; }
static inline struct str jid_local(const struct jid *j) { return (struct str){ j->text, j->local_len }; }
static inline struct str jid_domain(const struct jid *j)
{
	size_t at = j->local_len ? j->local_len + 1u : 0;
	return (struct str){ j->text ? j->text + at : NULL, j->bare_len - at };
}
static inline struct str jid_resource(const struct jid *j)
{
	return jid_is_full(j) ? (struct str){ j->text + j->bare_len + 1, j->len - j->bare_len - 1u } : STR_NONE;
}
static inline bool jid_eq(const struct jid *a, const struct jid *b) { return str_eq(jid_str(a), jid_str(b)); }
static inline bool jid_bare_eq(const struct jid *a, const struct jid *b) { return str_eq(jid_bare_str(a), jid_bare_str(b)); }

#endif
