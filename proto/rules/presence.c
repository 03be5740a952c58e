#include "proto/rules/presence.h"

#include "proto/base/err.h"

/*
 * The rules of RFC 6121 section 4.3.2; where it leaves a choice, ours follows the arrow.
 *
 *  1. No such account: ignored, or 'unsubscribed' (section 8.5.1) -> 'unsubscribed', as for an account that shares nothing: nobody
 *     learns who exists.
 *  2. The account itself, and the service, may know; so may a contact with a subscription ('from' or 'both').
 *  3. Somebody whose request is pending hears nothing: 'unsubscribed' would deny the request in the user's name.
 *  4. Somebody else hears 'unsubscribed' -> but a probe of the very resource that sent him directed presence is answered (section 4.6.5).
 *  5. Who may know is answered: from a bare JID the presence of each available resource, from a full JID that one's; 'unavailable'
 *     when there is none -> always sent, as it makes the answer certain.
 */
static bool may_know(const struct probe_facts *f)
{
	return f->sender != PROBE_BY_CONTACT || subscription_has_from(f->state);
}

enum probe_verdict presence_probe(const struct probe_facts *f)
{
	BUG_ON((unsigned)f->sender >= PROBE_SENDER_COUNT);
	if (f->no_account)
		return PROBE_UNSUBSCRIBED;
	if (!may_know(f) && f->to_full && f->resource_available && f->resource_told)
		return PROBE_ONE;
	if (!may_know(f))
		return subscription_is_pending_in(f->state) ? PROBE_SILENCE : PROBE_UNSUBSCRIBED;
	if (f->to_full)
		return f->resource_available ? PROBE_ONE : PROBE_UNAVAILABLE;
	return f->any_available ? PROBE_ALL : PROBE_UNAVAILABLE;
}

const char *presence_probe_name(enum probe_verdict v)
{
	static const char *const names[PROBE_VERDICT_COUNT] = { "silence", "unsubscribed", "unavailable", "one", "all" };
	return (unsigned)v < PROBE_VERDICT_COUNT ? names[v] : "unknown";
}
