/*
 * presence.h: how the server answers a presence probe for its user: RFC 6121 section 4.3.2 as a table.
 *
 * Pure: small facts in, a verdict out. Who gets presence otherwise follows from the subscription (subscription.h): "from" and "both".
 */
#ifndef PROTO_RULES_PRESENCE_H
#define PROTO_RULES_PRESENCE_H

#include <stdbool.h>

#include "proto/rules/subscription.h"

enum probe_sender {
	PROBE_BY_CONTACT, /* anybody: the subscription decides */
	PROBE_BY_SELF,    /* the account itself */
	PROBE_BY_TRUSTED, /* the service itself or a part of it */
	PROBE_SENDER_COUNT
};

struct probe_facts {
	enum probe_sender sender;
	bool no_account;
	enum subscription state;  /* as the probed account sees the sender; NONE without a roster item */
	bool to_full;             /* it names one resource */
	bool resource_available;  /* that one is available */
	bool resource_told;       /* that one sent the sender directed presence, and no 'unavailable' since */
	bool any_available;
};

enum probe_verdict {
	PROBE_SILENCE,
	PROBE_UNSUBSCRIBED, /* <presence type='unsubscribed'/> from the bare JID */
	PROBE_UNAVAILABLE,  /* <presence type='unavailable'/> from the address that was probed */
	PROBE_ONE,          /* the last presence of the resource that was named */
	PROBE_ALL,          /* the last presence of each available resource */
	PROBE_VERDICT_COUNT
};

enum probe_verdict presence_probe(const struct probe_facts *f);
/* "silence", "unsubscribed", ... */
const char *presence_probe_name(enum probe_verdict v);

#endif
