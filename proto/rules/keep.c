#include "proto/rules/keep.h"

/*
 * 1. Only normal and chat messages are kept. A groupchat message is bounced, headlines and errors vanish (XEP-0160 section 3).
 * 2. The hint no-store forbids keeping, also beside the hint store. What has a body is bounced then, as somebody wrote it and should learn
 *    that it did not arrive; what has none (a state, a marker) vanishes, for nobody waits for an answer to it.
 * 3. The hint store asks for keeping, whatever the message carries.
 * 4. Chat states alone are out of date when the user comes back: chat messages with nothing else vanish.
 * 5. All else is kept.
 */
enum keep_verdict keep_offline(const struct keep_facts *f)
{
	if (f->kind == DELIVERY_MESSAGE_GROUPCHAT)
		return KEEP_BOUNCE;
	if (f->kind != DELIVERY_MESSAGE_NORMAL && f->kind != DELIVERY_MESSAGE_CHAT)
		return KEEP_DROP;
	if (f->no_store)
		return f->has_body ? KEEP_BOUNCE : KEEP_DROP;
	if (f->store)
		return KEEP_STORE;
	return f->kind == DELIVERY_MESSAGE_CHAT && f->only_state ? KEEP_DROP : KEEP_STORE;
}
