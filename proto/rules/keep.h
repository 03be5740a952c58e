/*
 * keep.h: which messages are kept for a user whom nobody can deliver to now (XEP-0160 section 3, RFC 6121 section 8.5.2.2, XEP-0334).
 */
#ifndef PROTO_RULES_KEEP_H
#define PROTO_RULES_KEEP_H

#include "proto/rules/delivery.h"

struct keep_facts {
	enum delivery_kind kind; /* of a message */
	bool has_body;
	bool only_state;         /* it carries chat states at most */
	bool no_store, store;    /* its hints */
};

enum keep_verdict {
	KEEP_STORE,
	KEEP_DROP,  /* silently */
	KEEP_BOUNCE /* <service-unavailable/> to the sender */
};

enum keep_verdict keep_offline(const struct keep_facts *f);

#endif
