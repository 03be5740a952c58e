#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/rules/subscription.h"

static enum subscription state_of(const char *name)
{
	enum subscription s;
	assert_true(subscription_find(str_of(name), &s));
	return s;
}

static void check_cell(struct subscription_outcome o, const char *before, bool passed, bool wanted, const char *after)
{
	assert_int_equal(passed, wanted);
	assert_string_equal(subscription_name(o.side.state).p, *after ? after : before);
}

/* One case per cell: the state before, whether it is routed (out) or delivered (in), the state after ("": no change). */
#define OUT_CELL(name, verb, before, routes_, after)                                                                         \
	static void name(void **state)                                                                                       \
	{                                                                                                                    \
		struct subscription_outcome o = subscription_out((struct subscription_side){ state_of(before), false }, verb); \
		check_cell(o, before, o.routes, routes_, after);                                                             \
	}
#define IN_CELL(name, verb, before, delivers_, after)                                                                       \
	static void name(void **state)                                                                                      \
	{                                                                                                                   \
		struct subscription_outcome o = subscription_in((struct subscription_side){ state_of(before), false }, verb); \
		check_cell(o, before, o.delivers, delivers_, after);                                                        \
	}
#define YES true
#define NO  false

/* RFC 6121 A.2.1 */
#define A_2_1(X)                                                                                       \
	X(out_subscribe_none, VERB_SUBSCRIBE, "none", YES, "none+out")                                 \
	X(out_subscribe_none_pending_out, VERB_SUBSCRIBE, "none+out", YES, "")                         \
	X(out_subscribe_none_pending_in, VERB_SUBSCRIBE, "none+in", YES, "none+out+in")                \
	X(out_subscribe_none_pending_out_in, VERB_SUBSCRIBE, "none+out+in", YES, "")                   \
	X(out_subscribe_to, VERB_SUBSCRIBE, "to", YES, "")                                             \
	X(out_subscribe_to_pending_in, VERB_SUBSCRIBE, "to+in", YES, "")                               \
	X(out_subscribe_from, VERB_SUBSCRIBE, "from", YES, "from+out")                                 \
	X(out_subscribe_from_pending_out, VERB_SUBSCRIBE, "from+out", YES, "")                         \
	X(out_subscribe_both, VERB_SUBSCRIBE, "both", YES, "")
/* RFC 6121 A.2.2 */
#define A_2_2(X)                                                                                       \
	X(out_unsubscribe_none, VERB_UNSUBSCRIBE, "none", YES, "")                                     \
	X(out_unsubscribe_none_pending_out, VERB_UNSUBSCRIBE, "none+out", YES, "none")                 \
	X(out_unsubscribe_none_pending_in, VERB_UNSUBSCRIBE, "none+in", YES, "")                       \
	X(out_unsubscribe_none_pending_out_in, VERB_UNSUBSCRIBE, "none+out+in", YES, "none+in")        \
	X(out_unsubscribe_to, VERB_UNSUBSCRIBE, "to", YES, "none")                                     \
	X(out_unsubscribe_to_pending_in, VERB_UNSUBSCRIBE, "to+in", YES, "none+in")                    \
	X(out_unsubscribe_from, VERB_UNSUBSCRIBE, "from", YES, "")                                     \
	X(out_unsubscribe_from_pending_out, VERB_UNSUBSCRIBE, "from+out", YES, "from")                 \
	X(out_unsubscribe_both, VERB_UNSUBSCRIBE, "both", YES, "from")
/* RFC 6121 A.2.3 */
#define A_2_3(X)                                                                                       \
	X(out_subscribed_none, VERB_SUBSCRIBED, "none", NO, "")                                        \
	X(out_subscribed_none_pending_out, VERB_SUBSCRIBED, "none+out", NO, "")                        \
	X(out_subscribed_none_pending_in, VERB_SUBSCRIBED, "none+in", YES, "from")                     \
	X(out_subscribed_none_pending_out_in, VERB_SUBSCRIBED, "none+out+in", YES, "from+out")         \
	X(out_subscribed_to, VERB_SUBSCRIBED, "to", NO, "")                                            \
	X(out_subscribed_to_pending_in, VERB_SUBSCRIBED, "to+in", YES, "both")                         \
	X(out_subscribed_from, VERB_SUBSCRIBED, "from", NO, "")                                        \
	X(out_subscribed_from_pending_out, VERB_SUBSCRIBED, "from+out", NO, "")                        \
	X(out_subscribed_both, VERB_SUBSCRIBED, "both", NO, "")
/* RFC 6121 A.2.4 */
#define A_2_4(X)                                                                                       \
	X(out_unsubscribed_none, VERB_UNSUBSCRIBED, "none", NO, "")                                    \
	X(out_unsubscribed_none_pending_out, VERB_UNSUBSCRIBED, "none+out", NO, "")                    \
	X(out_unsubscribed_none_pending_in, VERB_UNSUBSCRIBED, "none+in", YES, "none")                 \
	X(out_unsubscribed_none_pending_out_in, VERB_UNSUBSCRIBED, "none+out+in", YES, "none+out")     \
	X(out_unsubscribed_to, VERB_UNSUBSCRIBED, "to", NO, "")                                        \
	X(out_unsubscribed_to_pending_in, VERB_UNSUBSCRIBED, "to+in", YES, "to")                       \
	X(out_unsubscribed_from, VERB_UNSUBSCRIBED, "from", YES, "none")                               \
	X(out_unsubscribed_from_pending_out, VERB_UNSUBSCRIBED, "from+out", YES, "none+out")           \
	X(out_unsubscribed_both, VERB_UNSUBSCRIBED, "both", YES, "to")
/* RFC 6121 A.3.1 */
#define A_3_1(X)                                                                                       \
	X(in_subscribe_none, VERB_SUBSCRIBE, "none", YES, "none+in")                                   \
	X(in_subscribe_none_pending_out, VERB_SUBSCRIBE, "none+out", YES, "none+out+in")               \
	X(in_subscribe_none_pending_in, VERB_SUBSCRIBE, "none+in", NO, "")                             \
	X(in_subscribe_none_pending_out_in, VERB_SUBSCRIBE, "none+out+in", NO, "")                     \
	X(in_subscribe_to, VERB_SUBSCRIBE, "to", YES, "to+in")                                         \
	X(in_subscribe_to_pending_in, VERB_SUBSCRIBE, "to+in", NO, "")                                 \
	X(in_subscribe_from, VERB_SUBSCRIBE, "from", NO, "")                                           \
	X(in_subscribe_from_pending_out, VERB_SUBSCRIBE, "from+out", NO, "")                           \
	X(in_subscribe_both, VERB_SUBSCRIBE, "both", NO, "")
/* RFC 6121 A.3.2 */
#define A_3_2(X)                                                                                       \
	X(in_unsubscribe_none, VERB_UNSUBSCRIBE, "none", NO, "")                                       \
	X(in_unsubscribe_none_pending_out, VERB_UNSUBSCRIBE, "none+out", NO, "")                       \
	X(in_unsubscribe_none_pending_in, VERB_UNSUBSCRIBE, "none+in", YES, "none")                    \
	X(in_unsubscribe_none_pending_out_in, VERB_UNSUBSCRIBE, "none+out+in", YES, "none+out")        \
	X(in_unsubscribe_to, VERB_UNSUBSCRIBE, "to", NO, "")                                           \
	X(in_unsubscribe_to_pending_in, VERB_UNSUBSCRIBE, "to+in", YES, "to")                          \
	X(in_unsubscribe_from, VERB_UNSUBSCRIBE, "from", YES, "none")                                  \
	X(in_unsubscribe_from_pending_out, VERB_UNSUBSCRIBE, "from+out", YES, "none+out")              \
	X(in_unsubscribe_both, VERB_UNSUBSCRIBE, "both", YES, "to")
/* RFC 6121 A.3.3 */
#define A_3_3(X)                                                                                       \
	X(in_subscribed_none, VERB_SUBSCRIBED, "none", NO, "")                                         \
	X(in_subscribed_none_pending_out, VERB_SUBSCRIBED, "none+out", YES, "to")                      \
	X(in_subscribed_none_pending_in, VERB_SUBSCRIBED, "none+in", NO, "")                           \
	X(in_subscribed_none_pending_out_in, VERB_SUBSCRIBED, "none+out+in", YES, "to+in")             \
	X(in_subscribed_to, VERB_SUBSCRIBED, "to", NO, "")                                             \
	X(in_subscribed_to_pending_in, VERB_SUBSCRIBED, "to+in", NO, "")                               \
	X(in_subscribed_from, VERB_SUBSCRIBED, "from", NO, "")                                         \
	X(in_subscribed_from_pending_out, VERB_SUBSCRIBED, "from+out", YES, "both")                    \
	X(in_subscribed_both, VERB_SUBSCRIBED, "both", NO, "")
/* RFC 6121 A.3.4 */
#define A_3_4(X)                                                                                       \
	X(in_unsubscribed_none, VERB_UNSUBSCRIBED, "none", NO, "")                                     \
	X(in_unsubscribed_none_pending_out, VERB_UNSUBSCRIBED, "none+out", YES, "none")                \
	X(in_unsubscribed_none_pending_in, VERB_UNSUBSCRIBED, "none+in", NO, "")                       \
	X(in_unsubscribed_none_pending_out_in, VERB_UNSUBSCRIBED, "none+out+in", YES, "none+in")       \
	X(in_unsubscribed_to, VERB_UNSUBSCRIBED, "to", YES, "none")                                    \
	X(in_unsubscribed_to_pending_in, VERB_UNSUBSCRIBED, "to+in", YES, "none+in")                   \
	X(in_unsubscribed_from, VERB_UNSUBSCRIBED, "from", NO, "")                                     \
	X(in_unsubscribed_from_pending_out, VERB_UNSUBSCRIBED, "from+out", YES, "from")                \
	X(in_unsubscribed_both, VERB_UNSUBSCRIBED, "both", YES, "from")

#define OUT_TABLES(X) A_2_1(X) A_2_2(X) A_2_3(X) A_2_4(X)
#define IN_TABLES(X)  A_3_1(X) A_3_2(X) A_3_3(X) A_3_4(X)
OUT_TABLES(OUT_CELL)
IN_TABLES(IN_CELL)

static struct subscription_side side(const char *name, bool approved)
{
	return (struct subscription_side){ state_of(name), approved };
}

static void subscribed_approves_in_advance_without_a_request(void **state)
{
	static const char *const without[] = { "none", "none+out", "to" }, *const with[] = { "none+in", "none+out+in", "to+in" };
	for (int i = 0; i < 3; i++) {
		struct subscription_outcome o = subscription_out(side(without[i], false), VERB_SUBSCRIBED);
		assert_true(o.side.approved && o.pushes && !o.routes && !o.shows_presence);
		o = subscription_out(side(without[i], true), VERB_SUBSCRIBED);
		assert_true(o.side.approved && !o.pushes && !o.routes);
		o = subscription_out(side(with[i], false), VERB_SUBSCRIBED);
		assert_true(!o.side.approved && o.pushes && o.routes && o.shows_presence && o.drops_request);
	}
}

static void subscribed_to_a_subscriber_approves_nothing(void **state)
{
	static const char *const names[] = { "from", "from+out", "both" };
	for (int i = 0; i < 3; i++) {
		struct subscription_outcome o = subscription_out(side(names[i], false), VERB_SUBSCRIBED);
		assert_true(!o.side.approved && !o.pushes && !o.routes && !o.shows_presence);
	}
}

static void unsubscribed_takes_an_approval_back(void **state)
{
	static const char *const names[] = { "none", "none+out", "to" };
	for (int i = 0; i < 3; i++) {
		struct subscription_outcome o = subscription_out(side(names[i], true), VERB_UNSUBSCRIBED);
		assert_true(!o.side.approved && o.pushes && !o.routes && !o.hides_presence);
	}
}

static void a_request_that_was_approved_in_advance_is_answered(void **state)
{
	static const char *const before[] = { "none", "none+out", "to" }, *const after[] = { "from", "from+out", "both" };
	for (int i = 0; i < 3; i++) {
		struct subscription_outcome o = subscription_in(side(before[i], true), VERB_SUBSCRIBE);
		assert_string_equal(subscription_name(o.side.state).p, after[i]);
		assert_true(o.answers && o.shows_presence && o.pushes && !o.delivers && !o.keeps_request);
		assert_false(o.side.approved);
	}
}

static void a_subscriber_who_asks_again_is_answered(void **state)
{
	static const char *const names[] = { "from", "from+out", "both" };
	for (int i = 0; i < 3; i++) {
		struct subscription_outcome o = subscription_in(side(names[i], false), VERB_SUBSCRIBE);
		assert_true(o.answers && o.shows_presence && !o.pushes && !o.delivers && !o.keeps_request);
	}
}

static void a_request_is_kept_until_it_is_answered_or_withdrawn(void **state)
{
	struct subscription_outcome o = subscription_in(side("to", false), VERB_SUBSCRIBE);
	assert_true(o.keeps_request && o.delivers && !o.pushes && !o.answers);
	o = subscription_in(o.side, VERB_SUBSCRIBE);
	assert_true(!o.keeps_request && !o.drops_request && !o.delivers);
	assert_true(subscription_in(o.side, VERB_UNSUBSCRIBE).drops_request);
	assert_true(subscription_out(o.side, VERB_UNSUBSCRIBED).drops_request);
	assert_true(subscription_out(o.side, VERB_SUBSCRIBED).drops_request);
	assert_false(subscription_out(o.side, VERB_UNSUBSCRIBE).drops_request);
}

static void who_loses_a_subscription_no_longer_sees_presence(void **state)
{
	assert_true(subscription_out(side("both", false), VERB_UNSUBSCRIBED).hides_presence);
	assert_true(subscription_in(side("from", false), VERB_UNSUBSCRIBE).hides_presence);
	assert_false(subscription_out(side("none+in", false), VERB_UNSUBSCRIBED).hides_presence);
	assert_false(subscription_in(side("both", false), VERB_UNSUBSCRIBED).hides_presence);
}

static void what_changes_only_pending_in_pushes_nothing(void **state)
{
	assert_false(subscription_in(side("none", false), VERB_SUBSCRIBE).pushes);
	assert_false(subscription_in(side("to+in", false), VERB_UNSUBSCRIBE).pushes);
	assert_false(subscription_out(side("none+in", false), VERB_UNSUBSCRIBED).pushes);
	assert_true(subscription_out(side("none", false), VERB_SUBSCRIBE).pushes);
	assert_false(subscription_out(side("none+out", false), VERB_SUBSCRIBE).pushes);
}

/* Whatever is sent twice changes nothing the second time. */
static void every_verb_is_idempotent(void **state)
{
	for (unsigned s = 0; s < SUBSCRIPTION_COUNT; s++) {
		for (unsigned v = 0; v < VERB_COUNT; v++) {
			struct subscription_side before = { (enum subscription)s, false };
			struct subscription_side out = subscription_out(before, (enum subscription_verb)v).side;
			struct subscription_side in = subscription_in(before, (enum subscription_verb)v).side;
			struct subscription_outcome out2 = subscription_out(out, (enum subscription_verb)v);
			struct subscription_outcome in2 = subscription_in(in, (enum subscription_verb)v);
			assert_true(out2.side.state == out.state && out2.side.approved == out.approved && !out2.pushes);
			assert_true(in2.side.state == in.state && !in2.pushes && !in2.delivers);
		}
	}
}

static void removal_says_farewell_both_ways(void **state)
{
	static const struct {
		const char *state;
		bool unsubscribe, unsubscribed, hides;
	} rows[] = {
		{ "none", NO, NO, NO },     { "none+out", YES, NO, NO },     { "none+in", NO, YES, NO }, { "none+out+in", YES, YES, NO },
		{ "to", YES, NO, NO },      { "to+in", YES, YES, NO },       { "from", NO, YES, YES },   { "from+out", YES, YES, YES },
		{ "both", YES, YES, YES },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct subscription_farewell f = subscription_remove(state_of(rows[i].state));
		assert_int_equal(f.unsubscribe, rows[i].unsubscribe);
		assert_int_equal(f.unsubscribed, rows[i].unsubscribed);
		assert_int_equal(f.hides_presence, rows[i].hides);
	}
}

/* RFC 6121 A.1 */
static void states_are_made_of_their_parts(void **state)
{
	for (unsigned i = 0; i < SUBSCRIPTION_COUNT; i++) {
		enum subscription s = (enum subscription)i, again;
		assert_int_equal(subscription_of(subscription_has_to(s), subscription_has_from(s), subscription_is_pending_out(s),
						 subscription_is_pending_in(s)), s);
		assert_true(subscription_find(subscription_name(s), &again) && again == s);
	}
	assert_int_equal(subscription_of(true, true, true, true), SUBSCRIPTION_BOTH);
	assert_string_equal(subscription_attr(SUBSCRIPTION_FROM_OUT).p, "from");
	enum subscription none;
	assert_false(subscription_find(STR("remove"), &none));
}

#define ENTRY(name, verb, before, passes, after) cmocka_unit_test(name),

int main(void)
{
	const struct CMUnitTest tests[] = {
		OUT_TABLES(ENTRY)
		IN_TABLES(ENTRY)
		cmocka_unit_test(subscribed_approves_in_advance_without_a_request),
		cmocka_unit_test(subscribed_to_a_subscriber_approves_nothing),
		cmocka_unit_test(unsubscribed_takes_an_approval_back),
		cmocka_unit_test(a_request_that_was_approved_in_advance_is_answered),
		cmocka_unit_test(a_subscriber_who_asks_again_is_answered),
		cmocka_unit_test(a_request_is_kept_until_it_is_answered_or_withdrawn),
		cmocka_unit_test(who_loses_a_subscription_no_longer_sees_presence),
		cmocka_unit_test(what_changes_only_pending_in_pushes_nothing),
		cmocka_unit_test(every_verb_is_idempotent),
		cmocka_unit_test(removal_says_farewell_both_ways),
		cmocka_unit_test(states_are_made_of_their_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
