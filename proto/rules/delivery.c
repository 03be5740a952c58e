#include "proto/rules/delivery.h"

#include "proto/base/err.h"

/*
 * The rules. Where the RFC leaves a choice, ours follows the arrow.
 *
 *  1. What is addressed to the domain itself is the server's (RFC 6120 section 10.5.1), whatever it is: it may have asked.
 *  2. An error never makes an error, and neither does an IQ result (RFC 6120 section 8.3.1): where nobody is there to take it, it is
 *     dropped.
 *
 * No such account (RFC 6121 section 8.5.1):
 *  3. An IQ request is bounced. A message is bounced or dropped -> normal, chat and groupchat are bounced, for their senders are people
 *     or rooms who want to know; a headline is dropped, for nobody waits for an answer. All presence is dropped (a probe: or answered
 *     'unsubscribed').
 *
 * To the bare JID (section 8.5.2):
 *  4. Normal and chat messages go to the available resources with non-negative priority: to one if there is one, else "most available"
 *     or all -> all. When there is none they are stored or bounced -> stored.
 *  5. A headline goes to all of those, or is dropped when there is none. A groupchat message is bounced always.
 *  6. A message of type error is dropped.
 *  7. Presence state goes to all available resources, of any priority, or is dropped. Subscriptions and probes are the account's.
 *  8. An IQ request is the account's: the server answers for the user. So is an IQ response: the server may have asked for the user.
 *
 * To a full JID (section 8.5.3):
 *  9. When the resource is there, it gets the stanza, of whatever priority it is and even if it is not available; but subscriptions and
 *     probes are the account's (sections 3 and 4.3).
 * 10. When it is not: chat messages are treated as rule 4 says. Other messages are bounced or dropped -> normal and groupchat are
 *     bounced (a room learns from that that its occupant has gone), headlines dropped. Presence state is dropped; 'subscribe' and probes
 *     are the account's, the other subscription stanzas are dropped. An IQ request is bounced.
 */

/* The rows of RFC 6121 section 8.5.4's summary, and the server's own. */
enum row {
	ROW_HOST,
	ROW_NO_ACCOUNT_BARE,
	ROW_NO_ACCOUNT_FULL,
	ROW_NONE_BARE,     /* the account exists, no available resources */
	ROW_NONE_FULL,
	ROW_NEGATIVE_BARE, /* available resources, all of negative priority */
	ROW_NEGATIVE_FULL,
	ROW_SOME_BARE,     /* one or more of non-negative priority */
	ROW_SOME_FULL,
	ROW_MATCH,         /* the full JID's resource is there */
	ROW_COUNT
};

#define DROP   DELIVERY_DROP
#define BOUNCE DELIVERY_BOUNCE
#define STORE  DELIVERY_STORE
#define ONE    DELIVERY_TO_RESOURCE
#define NONNEG DELIVERY_TO_NON_NEGATIVE
#define AVAIL  DELIVERY_TO_AVAILABLE
#define ACCT   DELIVERY_BY_ACCOUNT
#define SERVER DELIVERY_BY_SERVER

static const uint8_t table[ROW_COUNT][DELIVERY_KIND_COUNT] = {
	/*                        normal  chat    group   headl.  error   state   subscr. answer  probe   p-err.  request response */
	[ROW_HOST] =            { SERVER, SERVER, SERVER, SERVER, SERVER, SERVER, SERVER, SERVER, SERVER, SERVER, SERVER, SERVER },
	[ROW_NO_ACCOUNT_BARE] = { BOUNCE, BOUNCE, BOUNCE, DROP,   DROP,   DROP,   DROP,   DROP,   DROP,   DROP,   BOUNCE, DROP },
	[ROW_NO_ACCOUNT_FULL] = { BOUNCE, BOUNCE, BOUNCE, DROP,   DROP,   DROP,   DROP,   DROP,   DROP,   DROP,   BOUNCE, DROP },
	[ROW_NONE_BARE] =       { STORE,  STORE,  BOUNCE, DROP,   DROP,   DROP,   ACCT,   ACCT,   ACCT,   DROP,   ACCT,   ACCT },
	[ROW_NONE_FULL] =       { BOUNCE, STORE,  BOUNCE, DROP,   DROP,   DROP,   ACCT,   DROP,   ACCT,   DROP,   BOUNCE, DROP },
	[ROW_NEGATIVE_BARE] =   { STORE,  STORE,  BOUNCE, DROP,   DROP,   AVAIL,  ACCT,   ACCT,   ACCT,   DROP,   ACCT,   ACCT },
	[ROW_NEGATIVE_FULL] =   { BOUNCE, STORE,  BOUNCE, DROP,   DROP,   DROP,   ACCT,   DROP,   ACCT,   DROP,   BOUNCE, DROP },
	[ROW_SOME_BARE] =       { NONNEG, NONNEG, BOUNCE, NONNEG, DROP,   AVAIL,  ACCT,   ACCT,   ACCT,   DROP,   ACCT,   ACCT },
	[ROW_SOME_FULL] =       { BOUNCE, NONNEG, BOUNCE, DROP,   DROP,   DROP,   ACCT,   DROP,   ACCT,   DROP,   BOUNCE, DROP },
	[ROW_MATCH] =           { ONE,    ONE,    ONE,    ONE,    ONE,    ONE,    ACCT,   ACCT,   ACCT,   ONE,    ONE,    ONE },
};

static enum row row_of(const struct delivery_facts *f)
{
	bool full = f->to == DELIVERY_TO_FULL;
	if (f->to == DELIVERY_TO_HOST)
		return ROW_HOST;
	if (!f->account_exists)
		return full ? ROW_NO_ACCOUNT_FULL : ROW_NO_ACCOUNT_BARE;
	if (full && f->resource_matches)
		return ROW_MATCH;
	if (f->non_negative > 0)
		return full ? ROW_SOME_FULL : ROW_SOME_BARE;
	if (f->available > 0)
		return full ? ROW_NEGATIVE_FULL : ROW_NEGATIVE_BARE;
	return full ? ROW_NONE_FULL : ROW_NONE_BARE;
}

enum delivery_verdict delivery_decide(enum delivery_kind kind, const struct delivery_facts *facts)
{
	BUG_ON((unsigned)kind >= DELIVERY_KIND_COUNT);
	BUG_ON(facts->non_negative > facts->available);
	enum delivery_verdict v = table[row_of(facts)][kind];
	BUG_ON(v == DELIVERY_BOUNCE && !delivery_may_bounce(kind));
	return v;
}

const char *delivery_verdict_name(enum delivery_verdict v)
{
	static const char *const names[DELIVERY_VERDICT_COUNT] = {
		"drop", "bounce", "store", "to-resource", "to-non-negative", "to-available", "by-account", "by-server",
	};
	return (unsigned)v < DELIVERY_VERDICT_COUNT ? names[v] : "unknown";
}

/* What a stanza may say, and what it is when it says nothing (an absent type is the empty name here). */
static const struct kind_row {
	const char *element, *type;
	enum delivery_kind kind;
} kinds[] = {
	{ "message", "", DELIVERY_MESSAGE_NORMAL },
	{ "message", "normal", DELIVERY_MESSAGE_NORMAL },
	{ "message", "chat", DELIVERY_MESSAGE_CHAT },
	{ "message", "groupchat", DELIVERY_MESSAGE_GROUPCHAT },
	{ "message", "headline", DELIVERY_MESSAGE_HEADLINE },
	{ "message", "error", DELIVERY_MESSAGE_ERROR },
	{ "presence", "", DELIVERY_PRESENCE_STATE },
	{ "presence", "unavailable", DELIVERY_PRESENCE_STATE },
	{ "presence", "subscribe", DELIVERY_PRESENCE_SUBSCRIBE },
	{ "presence", "subscribed", DELIVERY_PRESENCE_ANSWER },
	{ "presence", "unsubscribe", DELIVERY_PRESENCE_ANSWER },
	{ "presence", "unsubscribed", DELIVERY_PRESENCE_ANSWER },
	{ "presence", "probe", DELIVERY_PRESENCE_PROBE },
	{ "presence", "error", DELIVERY_PRESENCE_ERROR },
	{ "iq", "get", DELIVERY_IQ_REQUEST },
	{ "iq", "set", DELIVERY_IQ_REQUEST },
	{ "iq", "result", DELIVERY_IQ_RESPONSE },
	{ "iq", "error", DELIVERY_IQ_RESPONSE },
};

bool delivery_kind_of(struct str element, struct str type, enum delivery_kind *out)
{
	/* A type that is there but empty is an unknown one. */
	bool unknown = str_present(type) && str_empty(type);
	for (size_t i = 0; !unknown && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (str_is(type, kinds[i].type) && str_is(element, kinds[i].element)) {
			*out = kinds[i].kind;
			return true;
		}
	}
	*out = DELIVERY_MESSAGE_NORMAL;
	return str_is(element, "message");
}

bool delivery_may_bounce(enum delivery_kind kind)
{
	return kind != DELIVERY_MESSAGE_ERROR && kind != DELIVERY_PRESENCE_ERROR && kind != DELIVERY_IQ_RESPONSE;
}
