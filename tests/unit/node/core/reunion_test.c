#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/reunion.h"
#include "node/core/sm_session.h"

/* As freeze.h writes it. */
static void section(struct buf *b, const char *name, const char *bytes)
{
	uint32_t len = (uint32_t)strlen(bytes);
	buf_addc(b, (char)strlen(name));
	buf_add(b, name, strlen(name));
	buf_add(b, &len, sizeof len);
	buf_add(b, bytes, len);
}

/* The client's other device comes, with its session, from the other node. */
static void far_one_comes(const char *bare, bool apart)
{
	struct buf b;
	buf_init(&b, FREEZE_MAX);
	section(&b, "presence", "<presence><status>from there</status></presence>");
	if (apart)
		section(&b, "apart", "1");
	section(&b, "unknown", "of a later version");
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", bare);
	bind.osm = UINT64_C(1) << 60;
	bind.flags = FRAME_REROUTED;
	bind.xml = arena_str(keep, buf_str(&b));
	other_says(bind);
	buf_fini(&b);
	assert_int_not_equal(expect(FLEET_BOUND).osm, 0);
}

static struct rig_client login(char bare[64])
{
	char user[16];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near");
	rig_say(&c, "<presence><status>from here</status></presence>");
	RIG_HEAR(&c, "from here");
	return c;
}

static void who_comes_from_another_part_of_a_split_cluster_is_announced(void **state)
{
	char bare[64];
	struct rig_client c = login(bare);
	far_one_comes(bare, true);
	RIG_HEAR(&c, "from there");
	RIG_UNTIL(holds(expect(FLEET_DOWN).xml, "from here")); /* and sees who is here */
	rig_hang_up(&c);
}

static void who_merely_moves_is_not(void **state)
{
	char bare[64];
	struct rig_client c = login(bare);
	far_one_comes(bare, false);
	assert_true(session_is_available(rig_session(&c, "far")));
	rig_say(&c, "<iq type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>");
	RIG_UNTIL(rig_heard(&c, "sync"));
	assert_false(holds(buf_str(&c.heard), "from there"));
	rig_hang_up(&c);
}

static void accounts_of_a_node_that_was_taken_for_dead_find_their_homes_anew(void **state)
{
	char bare[64];
	struct rig_client c = login(bare);
	struct fleet_worker *fw = nw_of(node.workers[c.worker])->fleet;
	const struct user *before = user_find(fw->nw, str_of(bare));
	uint64_t claimed = homes_own_claim(fw->homes, fp(bare)), sid = rig_session(&c, "near")->sid;
	assert_int_not_equal(claimed, 0);
	assert_non_null(before);
	self_epoch = 3;
	look(NODE_UP);
	assert_int_equal(homes_own_claim(fw->homes, fp(bare)), claimed);
	RIG_HEAR(&c, "from here"); /* it is told of itself again, as are its contacts */
	struct frame_record r = { 0 };
	while (r.kind != HOMES_DEL || r.dst_fp != fp(bare))
		r = expect(HOMES_DEL);
	while (r.kind != HOMES_ADD || r.dst_fp != fp(bare))
		r = expect(HOMES_ADD);
	assert_int_not_equal(homes_own_claim(fw->homes, fp(bare)), 0);
	assert_int_not_equal(rig_session(&c, "near")->sid, sid);
	RIG_UNTIL(!fw->reunion);
	rig_hang_up(&c);
}

static void what_waits_for_a_client_is_given_to_others_of_its_account(void **state)
{
	char bare[64];
	other_speaks = FLEET_SM;
	look(NODE_UP);
	struct rig_client c = login(bare);
	struct fleet_worker *fw = nw_of(node.workers[c.worker])->fleet;
	struct str domain = str_of(bare), user = str_cut(&domain, '@');
	struct rig_client d = rig_login(1, arena_printf(keep, "%.*s", STR_ARG(user)).p, "phone");
	rig_say(&d, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
	RIG_HEAR(&d, "<enabled");
	rig_hang_up(&d);
	RIG_UNTIL(sm_session_is_detached(rig_session(&c, "phone")));
	rig_say(&c, arena_printf(keep, "<message to='%s/phone' type='chat'><body>kept</body></message>", bare).p);
	rig_turns(10);
	assert_false(holds(buf_str(&c.heard), "kept"));
	self_epoch = 3;
	look(NODE_UP);
	RIG_HEAR(&c, "<body>kept</body>");
	assert_null(rig_session(&c, "phone"));
	RIG_UNTIL(!fw->reunion);
	rig_hang_up(&c);
}

static void a_node_that_ends_before_it_has_told_all_forgets_the_rest(void **state)
{
	char bare[64];
	struct rig_client c = login(bare);
	self_epoch = 3;
	look(NODE_UP);
	assert_non_null(nw_of(node.workers[0])->fleet->reunion);
	self_epoch = 4; /* and once more: from the beginning */
	look(NODE_UP);
	assert_non_null(nw_of(node.workers[0])->fleet->reunion);
	rig_hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_comes_from_another_part_of_a_split_cluster_is_announced),
		CASE(who_merely_moves_is_not),
		CASE(accounts_of_a_node_that_was_taken_for_dead_find_their_homes_anew),
		CASE(what_waits_for_a_client_is_given_to_others_of_its_account),
		CASE(a_node_that_ends_before_it_has_told_all_forgets_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
