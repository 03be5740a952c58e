/*
 * subscription.h: presence subscriptions between a user of ours and a contact: the states and tables of RFC 6121 appendix A.
 *
 * Pure: states and verbs in, an outcome out. "Out" is what the user sends to the contact, "in" is what comes from the contact. The caller
 * stamps addresses, keeps the state, and does what the outcome says in the order of its members.
 */
#ifndef PROTO_RULES_SUBSCRIPTION_H
#define PROTO_RULES_SUBSCRIPTION_H

#include <stdbool.h>

#include "proto/base/str.h"

/* Appendix A.1. "To": the user sees the contact; "from": the contact sees the user; pending out: the user asked; in: the contact asked. */
enum subscription {
	SUBSCRIPTION_NONE,
	SUBSCRIPTION_NONE_OUT,
	SUBSCRIPTION_NONE_IN,
	SUBSCRIPTION_NONE_OUT_IN,
	SUBSCRIPTION_TO,
	SUBSCRIPTION_TO_IN,
	SUBSCRIPTION_FROM,
	SUBSCRIPTION_FROM_OUT,
	SUBSCRIPTION_BOTH,
	SUBSCRIPTION_COUNT
};

enum subscription_verb { VERB_SUBSCRIBE, VERB_SUBSCRIBED, VERB_UNSUBSCRIBE, VERB_UNSUBSCRIBED, VERB_COUNT };

/* What one side of the pair knows. */
struct subscription_side {
	enum subscription state;
	bool approved; /* the contact's next request is granted in advance (section 3.4) */
};

struct subscription_outcome {
	struct subscription_side side; /* to keep */
	bool keeps_request;  /* in: the request must be kept and shown at each login until it is answered */
	bool drops_request;  /* a kept request has been answered or withdrawn */
	bool delivers;       /* in: the user's resources get it */
	bool pushes;         /* what the roster shows has changed: "subscription", "ask" or "approved" */
	bool routes;         /* out: it goes to the contact */
	bool answers;        /* in: the server says 'subscribed' for the user */
	bool shows_presence; /* then the contact gets the presence of each available resource */
	bool hides_presence; /* then the contact gets 'unavailable' from each available resource */
};

struct subscription_outcome subscription_out(struct subscription_side before, enum subscription_verb verb);
struct subscription_outcome subscription_in(struct subscription_side before, enum subscription_verb verb);

/* Removing a roster item (section 2.5): which of these go to the contact. */
struct subscription_farewell {
	bool unsubscribe, unsubscribed, hides_presence;
};
struct subscription_farewell subscription_remove(enum subscription state);

bool subscription_has_to(enum subscription s);
bool subscription_has_from(enum subscription s);
bool subscription_is_pending_out(enum subscription s); /* the roster's ask='subscribe' */
bool subscription_is_pending_in(enum subscription s);
/* The state of these four facts; a side that is granted is not pending. */
enum subscription subscription_of(bool to, bool from, bool pending_out, bool pending_in);
/* As a roster item tells it: "none", "to", "from" or "both". */
struct str subscription_attr(enum subscription s);
/* For logs and stores: "none", "none+out", "none+in", "none+out+in", "to", "to+in", "from", "from+out", "both". */
struct str subscription_name(enum subscription s);
/* False when there is no such state. */
bool subscription_find(struct str name, enum subscription *out);

#endif
