/*
 * blocking.h: whom a user does not want to hear from, nor to be heard by (XEP-0191): the list, its matching, and what becomes of a stanza.
 *
 * 1. An item blocks (section 5): user@domain/resource that resource only; user@domain every resource; domain/resource that one only;
 *    domain the domain itself and everybody at it.
 * 2. A user's own resources never block one another (section 4, note), and neither is the user's own server blocked: without it there would
 *    be nobody to unblock it. Its other users are, by an item for its domain.
 * 3. Inbound (section 3.3): presence vanishes; a message and an IQ request hear service-unavailable, as if the user were not there; IQ
 *    responses and errors vanish.
 * 4. Outbound: not-acceptable with <blocked/>; IQ responses and errors vanish.
 *
 * Items are prepared JIDs as text, kept in the order of their bytes. One thread; the owner has a ceiling on their number.
 */
#ifndef PROTO_RULES_BLOCKING_H
#define PROTO_RULES_BLOCKING_H

#include "proto/addr/jid.h"

/* Zeroed: empty. */
struct blocking {
	char **items;
	size_t n, cap;
};

void blocking_fini(struct blocking *b);
/* False when it was there already. */
bool blocking_add(struct blocking *b, struct str jid);
/* False when it was not there. */
bool blocking_remove(struct blocking *b, struct str jid);
/* Is this very item there? */
bool blocking_has(const struct blocking *b, struct str jid);
/* Does some item match (rule 1)? */
bool blocking_hits(const struct blocking *b, const struct jid *who);
/* Does this item alone match? */
bool blocking_item_hits(struct str item, const struct jid *who);

/* Is the stanza between this user and somebody blocked (rules 1 and 2)? `other` is its sender or its recipient. */
bool blocking_stands_between(const struct blocking *b, const struct jid *user, const struct jid *other);

#endif
