#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/removal.h"
#include "node/ctl/relay.h"

/* An account that is at home on the other node is to be removed: what becomes of it. */

static char user[16], bare[64];
static enum err got;
static unsigned n_got;

static void on_removed(const struct account_answer *answer)
{
	got = answer->err;
	n_got++;
}

static void removes(struct node_worker *nw)
{
	struct jid jid;
	assert_int_equal(jid_parse(keep, str_of(bare), &jid), ERR_NONE);
	account_remove(node.hosts[0], &jid, "test", on_removed, NULL);
}

static struct frame_record begin(void)
{
	got = ERR_INVALID;
	n_got = 0;
	account_with_place(OTHER, user, bare);
	rig_order(0, removes);
	return expect(FLEET_CALL);
}

static void answer(const struct frame_record *call, const char *json)
{
	struct frame_record r = { .kind = FLEET_ANSWER, .ttl = FRAME_TTL, .dst_fp = call->dst_fp, .osm = call->osm, .xml = str_of(json) };
	other_says(r);
	RIG_UNTIL(n_got);
}

static void its_home_is_asked_and_says_what_became_of_it(void **state)
{
	struct frame_record call = begin();
	assert_true(holds(call.xml, "\"unregister\"") && holds(call.xml, user));
	answer(&call, "{\"code\":0,\"text\":\"\",\"err\":0,\"data\":null}");
	assert_int_equal(got, ERR_NONE);
}

static void its_home_refuses_it(void **state)
{
	struct frame_record call = begin();
	char json[96];
	snprintf(json, sizeof json, "{\"code\":1,\"text\":\"\",\"err\":%d,\"data\":null}", ERR_NOT_FOUND);
	answer(&call, json);
	assert_int_equal(got, ERR_NOT_FOUND);
}

static void an_answer_that_is_none_is_a_failure(void **state)
{
	struct frame_record call = begin();
	answer(&call, "what?");
	assert_int_equal(got, ERR_UNAVAILABLE);
	call.osm += 99; /* and one that nobody waits for is nothing */
	answer(&call, "{}");
	rig_turns(4);
	assert_int_equal(n_got, 1);
}

static void whoever_waits_hears_when_the_node_ends(void **state)
{
	(void)begin();
	rig_order(0, relay_give_up);
	RIG_UNTIL(n_got);
	assert_int_equal(got, ERR_UNAVAILABLE);
	assert_null(nw_of(node.workers[0])->fleet->pending);
}

static void a_question_that_comes_back_is_not_waited_for(void **state)
{
	struct frame_record call = begin();
	post(call, true);
	RIG_UNTIL(n_got);
	assert_int_equal(got, ERR_UNAVAILABLE);
	post(call, true);
	rig_turns(4);
	assert_int_equal(n_got, 1);
}

static void ends(struct node_worker *nw)
{
	nw->draining = true;
}

static void a_node_that_ends_asks_nobody_any_more(void **state)
{
	got = ERR_INVALID;
	n_got = 0;
	account_with_place(OTHER, user, bare);
	rig_order(0, ends);
	rig_order(0, removes);
	RIG_UNTIL(n_got);
	assert_int_equal(got, ERR_UNAVAILABLE);
	assert_null(next_of(FLEET_CALL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(its_home_is_asked_and_says_what_became_of_it),
		CASE(its_home_refuses_it),
		CASE(an_answer_that_is_none_is_a_failure),
		CASE(a_question_that_comes_back_is_not_waited_for),
		CASE(whoever_waits_hears_when_the_node_ends),
		CASE(a_node_that_ends_asks_nobody_any_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
