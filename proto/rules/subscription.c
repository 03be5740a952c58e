#include "proto/rules/subscription.h"

#include "proto/base/err.h"

/*
 * The rules. Where the RFC leaves a choice, ours follows the arrow.
 *
 * What the user sends (sections 3.1.2, 3.1.5, 3.2.2, 3.3.2):
 *  1. 'subscribe' asks: pending out, unless the user has or asked for a subscription already. It is routed in any case, for the other
 *     side may have forgotten.
 *  2. 'unsubscribe' gives up a subscription or a request for one. It is routed in any case.
 *  3. 'subscribed' grants what the contact asked for, and is routed then only. Without a request and without a subscription it
 *     approves the next request in advance (section 3.4).
 *  4. 'unsubscribed' denies a request or takes a subscription back, and is routed then only. It always takes back an approval in
 *     advance.
 *
 * What the contact sends (sections 3.1.3, 3.1.6, 3.2.3, 3.3.3):
 *  5. 'subscribe' from one who is subscribed is answered 'subscribed' -> and presence follows, as the other side seems not to have
 *     it. From one who is approved it is answered as well, and the approval is used up -> the RFC speaks of one request.
 *     From one who asked already it changes nothing and is not delivered again. Else it is pending, kept and delivered.
 *  6. 'unsubscribe' ends a subscription or withdraws a request; else it is ignored.
 *  7. 'subscribed' grants what the user asked for; else it is ignored: nobody can put himself into a roster.
 *  8. 'unsubscribed' denies what the user asked for or ends a subscription; else it is ignored.
 *
 * Both:
 *  9. Who gains a subscription gets presence; who loses one gets 'unavailable'.
 * 10. Pending in is never shown in the roster (section 2.1.2.5), so it pushes nothing.
 */

/* What a state consists of. */
enum part { TO = 1, FROM = 2, OUT = 4, IN = 8 };

struct row {
	unsigned parts;
	struct str name, attr;
};
static const struct row rows[SUBSCRIPTION_COUNT] = {
	[SUBSCRIPTION_NONE] = { 0, STR_INIT("none"), STR_INIT("none") },
	[SUBSCRIPTION_NONE_OUT] = { OUT, STR_INIT("none+out"), STR_INIT("none") },
	[SUBSCRIPTION_NONE_IN] = { IN, STR_INIT("none+in"), STR_INIT("none") },
	[SUBSCRIPTION_NONE_OUT_IN] = { OUT | IN, STR_INIT("none+out+in"), STR_INIT("none") },
	[SUBSCRIPTION_TO] = { TO, STR_INIT("to"), STR_INIT("to") },
	[SUBSCRIPTION_TO_IN] = { TO | IN, STR_INIT("to+in"), STR_INIT("to") },
	[SUBSCRIPTION_FROM] = { FROM, STR_INIT("from"), STR_INIT("from") },
	[SUBSCRIPTION_FROM_OUT] = { FROM | OUT, STR_INIT("from+out"), STR_INIT("from") },
	[SUBSCRIPTION_BOTH] = { TO | FROM, STR_INIT("both"), STR_INIT("both") },
};

/*
 * What a verb makes of its sender's side: sections A.2.1 to A.2.4, a row each. Where it comes from the contact, "to" and "from" change
 * places, and so do the two that are pending: A.3.1 to A.3.4 are the same rows in a mirror. The unit test has every cell as the RFC
 * prints it.
 */
struct move {
	unsigned unless;  /* with one of these nothing changes */
	unsigned needs;   /* without it nothing changes */
	unsigned takes, gives;
};
static const struct move moves[VERB_COUNT] = {
	[VERB_SUBSCRIBE] =    { .unless = TO | OUT, .gives = OUT },             /* rules 1 and 5 */
	[VERB_UNSUBSCRIBE] =  { .takes = TO | OUT },                            /* rules 2 and 6 */
	[VERB_SUBSCRIBED] =   { .needs = IN, .takes = IN, .gives = FROM },      /* rules 3 and 7 */
	[VERB_UNSUBSCRIBED] = { .takes = FROM | IN },                           /* rules 4 and 8 */
};

static unsigned mirrored(unsigned parts)
{
	return (parts & TO ? FROM : 0) | (parts & FROM ? TO : 0) | (parts & OUT ? IN : 0) | (parts & IN ? OUT : 0);
}

static unsigned moved(unsigned parts, enum subscription_verb verb)
{
	const struct move *m = &moves[verb];
	if ((parts & m->unless) || (m->needs & ~parts))
		return parts;
	return (parts & ~m->takes) | m->gives;
}

static bool has(enum subscription s, unsigned part)
{
	BUG_ON((unsigned)s >= SUBSCRIPTION_COUNT);
	return rows[s].parts & part;
}

bool subscription_has_to(enum subscription s)
{
	return has(s, TO);
}

bool subscription_has_from(enum subscription s)
{
	return has(s, FROM);
}

bool subscription_is_pending_out(enum subscription s)
{
	return has(s, OUT);
}

bool subscription_is_pending_in(enum subscription s)
{
	return has(s, IN);
}

static enum subscription of_parts(unsigned parts)
{
	enum subscription s = SUBSCRIPTION_NONE;
	while (rows[s].parts != parts)
		s++;
	return s;
}

enum subscription subscription_of(bool to, bool from, bool pending_out, bool pending_in)
{
	return of_parts((to ? TO : pending_out ? OUT : 0u) | (from ? FROM : pending_in ? IN : 0u));
}

/* The members that follow from the two states alone: rules 9 and 10, and what becomes of a request. */
static struct subscription_outcome outcome(struct subscription_side before, struct subscription_side after)
{
	enum subscription b = before.state, a = after.state;
	return (struct subscription_outcome){
		.side = after,
		.keeps_request = has(a, IN) && !has(b, IN),
		.drops_request = has(b, IN) && !has(a, IN),
		.pushes = ((rows[a].parts ^ rows[b].parts) & (TO | FROM | OUT)) || before.approved != after.approved,
		.shows_presence = has(a, FROM) && !has(b, FROM),
		.hides_presence = has(b, FROM) && !has(a, FROM),
	};
}

struct subscription_outcome subscription_out(struct subscription_side before, enum subscription_verb verb)
{
	BUG_ON((unsigned)verb >= VERB_COUNT || (unsigned)before.state >= SUBSCRIPTION_COUNT);
	struct subscription_side after = { of_parts(moved(rows[before.state].parts, verb)), before.approved };
	bool changes = after.state != before.state;
	if (verb == VERB_SUBSCRIBED)
		after.approved = !changes && !has(before.state, FROM);
	else if (verb == VERB_UNSUBSCRIBED)
		after.approved = false;
	struct subscription_outcome o = outcome(before, after);
	o.routes = changes || verb == VERB_SUBSCRIBE || verb == VERB_UNSUBSCRIBE;
	return o;
}

struct subscription_outcome subscription_in(struct subscription_side before, enum subscription_verb verb)
{
	BUG_ON((unsigned)verb >= VERB_COUNT || (unsigned)before.state >= SUBSCRIPTION_COUNT);
	struct subscription_side after = { of_parts(mirrored(moved(mirrored(rows[before.state].parts), verb))), before.approved };
	bool changes = after.state != before.state, granted = verb == VERB_SUBSCRIBE && before.approved && changes;
	if (granted)
		after = (struct subscription_side){ subscription_of(has(before.state, TO), true, has(before.state, OUT), false), false };
	struct subscription_outcome o = outcome(before, after);
	o.answers = verb == VERB_SUBSCRIBE && has(after.state, FROM);
	o.shows_presence |= o.answers;
	o.delivers = !granted && changes;
	return o;
}

struct subscription_farewell subscription_remove(enum subscription s)
{
	return (struct subscription_farewell){
		.unsubscribe = has(s, TO | OUT),
		.unsubscribed = has(s, FROM | IN),
		.hides_presence = has(s, FROM),
	};
}

struct str subscription_attr(enum subscription s)
{
	BUG_ON((unsigned)s >= SUBSCRIPTION_COUNT);
	return rows[s].attr;
}

struct str subscription_name(enum subscription s)
{
	BUG_ON((unsigned)s >= SUBSCRIPTION_COUNT);
	return rows[s].name;
}

bool subscription_find(struct str name, enum subscription *out)
{
	for (unsigned s = 0; s < SUBSCRIPTION_COUNT; s++) {
		if (str_eq(rows[s].name, name)) {
			*out = (enum subscription)s;
			return true;
		}
	}
	return false;
}
