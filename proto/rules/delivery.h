/*
 * delivery.h: where a stanza for a local address goes: RFC 6121 section 8 and RFC 6120 section 10.5 as one table.
 *
 * Pure: it knows small facts, no stanzas and no sessions. The caller has checked the stanza's form, its sender's rights, blocking and
 * whether the domain is ours. Whether an IQ request may reach a resource that does not share its presence with the sender (RFC 6121
 * section 8.5.3.1) is the question of who sees whose presence, asked before.
 */
#ifndef PROTO_RULES_DELIVERY_H
#define PROTO_RULES_DELIVERY_H

#include "proto/base/str.h"

/* A stanza's kind and type, as far as delivery tells them apart. */
enum delivery_kind {
	DELIVERY_MESSAGE_NORMAL,
	DELIVERY_MESSAGE_CHAT,
	DELIVERY_MESSAGE_GROUPCHAT,
	DELIVERY_MESSAGE_HEADLINE,
	DELIVERY_MESSAGE_ERROR,
	DELIVERY_PRESENCE_STATE,     /* available or unavailable */
	DELIVERY_PRESENCE_SUBSCRIBE,
	DELIVERY_PRESENCE_ANSWER,    /* subscribed, unsubscribe, unsubscribed */
	DELIVERY_PRESENCE_PROBE,
	DELIVERY_PRESENCE_ERROR,
	DELIVERY_IQ_REQUEST,         /* get or set */
	DELIVERY_IQ_RESPONSE,        /* result or error */
	DELIVERY_KIND_COUNT
};

/* The form of the `to` address. */
enum delivery_to {
	DELIVERY_TO_HOST, /* a domain of ours, with or without a resourcepart */
	DELIVERY_TO_BARE, /* user@domain, or a stanza that means it (none of `to`: RFC 6120 section 10.3.1) */
	DELIVERY_TO_FULL  /* user@domain/resource */
};

struct delivery_facts {
	enum delivery_to to;
	bool account_exists;   /* on a host without accounts (ANONYMOUS): a session of that name does */
	bool resource_matches; /* TO_FULL: that very resource is connected, available or not */
	uint32_t available;    /* available resources, of any priority */
	uint32_t non_negative; /* of them, those with priority 0 or more */
};

enum delivery_verdict {
	DELIVERY_DROP,            /* silently */
	DELIVERY_BOUNCE,          /* <service-unavailable/> to the sender */
	DELIVERY_STORE,           /* keep it offline; on a host that keeps none, bounce */
	DELIVERY_TO_RESOURCE,     /* to the one that the address names */
	DELIVERY_TO_NON_NEGATIVE, /* to each available resource with priority 0 or more; there is one */
	DELIVERY_TO_AVAILABLE,    /* to each available resource; there is one */
	DELIVERY_BY_ACCOUNT,      /* the server handles it for the user: IQ handlers, subscriptions, probes */
	DELIVERY_BY_SERVER,       /* the server itself is meant */
	DELIVERY_VERDICT_COUNT
};

enum delivery_verdict delivery_decide(enum delivery_kind kind, const struct delivery_facts *facts);
/* A short lower-case name for logs: "to-resource". */
const char *delivery_verdict_name(enum delivery_verdict v);

/* The kind of <element type='type'>; an absent type is a type as well. False for what RFC 6121 and RFC 6120 do not know, which
 * is a bad request; an unknown type of a message is a normal one (RFC 6121 section 5.2.2). */
bool delivery_kind_of(struct str element, struct str type, enum delivery_kind *out);
/* May an error be sent back for it? Never for errors and IQ results: two servers would throw them at one another for ever. */
bool delivery_may_bounce(enum delivery_kind kind);

#endif
