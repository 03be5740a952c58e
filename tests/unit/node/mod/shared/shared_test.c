/* Who is online, as nodes tell one another (fleet_rig.h). */
#include "tests/unit/node/core/fleet_rig.h"

#include "node/mod/shared/shared_deeds.h"
#include "node/store/fault.h"

static struct shared_host *slot(void)
{
	return shared_host(node.hosts[0]);
}

static uint32_t where(const char *user)
{
	pthread_mutex_lock(&slot()->lock);
	uint32_t node_of = shared_is_online(&slot()->groups, str_of(user));
	pthread_mutex_unlock(&slot()->lock);
	return node_of;
}

static struct rig_client login(char user[16], char bare[64])
{
	slot()->counts_online = true;
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	rig_say(&c, "<presence/>");
	RIG_HEAR(&c, "<presence");
	return c;
}

static void other_tells(const char *text)
{
	other_says((struct frame_record){ .kind = FLEET_STALE, .ttl = FRAME_TTL, .to = STR("localhost"), .from = STR("shared"),
					  .xml = str_of(text) });
	rig_turns(4);
}

static void assert_told(char sign, const char *user)
{
	struct frame_record r = expect(FLEET_STALE);
	assert_true(str_is(r.to, "localhost") && str_is(r.from, "shared"));
	assert_int_equal(r.xml.p[0], sign);
	assert_true(str_is(str_span(r.xml.p + 1, r.xml.len - 1), user));
}

static void who_comes_and_goes_here_is_told_to_the_others(void **state)
{
	char user[16], bare[64];
	struct rig_client c = login(user, bare);
	assert_told('+', user);
	assert_int_equal(where(user), SHARED_HERE);
	rig_say(&c, "<presence type='unavailable'/>");
	assert_told('-', user);
	assert_int_equal(where(user), 0);
	rig_hang_up(&c);
	rig_turns(10);
	assert_null(next_of(FLEET_STALE)); /* once */
}

static void who_goes_without_a_word_is_told_as_well(void **state)
{
	char user[16], bare[64];
	struct rig_client c = login(user, bare);
	assert_told('+', user);
	other_claims(bare); /* and the claim is older than ours: the session goes there */
	assert_told('-', user);
	assert_int_equal(where(user), 0);
	rig_hang_up(&c);
}

static void a_node_that_comes_is_told_of_all(void **state)
{
	char user[16], bare[64];
	struct rig_client c = login(user, bare);
	assert_told('+', user);
	look(NODE_DEAD);
	look(NODE_UP);
	assert_told('+', user);
	self_epoch = 3; /* they took us for dead: for them we have just come */
	look(NODE_UP);
	assert_told('+', user);
	rig_hang_up(&c);
}

static void what_a_node_has_told_goes_with_it(void **state)
{
	other_tells("+juliet\n+nurse\n+romeo");
	assert_int_equal(where("juliet"), OTHER);
	assert_int_equal(where("romeo"), OTHER);
	other_tells("-romeo");
	assert_int_equal(where("romeo"), 0);
	look(NODE_DEAD);
	assert_int_equal(where("juliet"), 0);
	assert_int_equal(where("nurse"), 0);
	other_tells("+juliet"); /* it is no more */
	assert_int_equal(where("juliet"), 0);
}

static void lines_that_are_none_say_nothing(void **state)
{
	other_tells("\n+\n-\njuliet\n-juliet\n?juliet\n");
	assert_int_equal(where("juliet"), 0);
	assert_int_equal(map_count(&slot()->groups.people), 0);
}

static void who_is_here_is_not_taken_away_by_what_another_node_says(void **state)
{
	char user[16], bare[64];
	struct rig_client c = login(user, bare);
	other_tells(arena_printf(keep, "+%s", user).p);
	assert_int_equal(where(user), SHARED_HERE);
	rig_hang_up(&c);
}

/* He was there and here while the service was split, and a third node believes whom it heard last. */
static void who_is_here_is_told_of_again_when_he_has_gone_from_another_node(void **state)
{
	char user[16], bare[64];
	struct rig_client c = login(user, bare);
	assert_told('+', user);
	other_tells(arena_printf(keep, "-%s", user).p);
	assert_int_equal(where(user), SHARED_HERE);
	assert_told('+', user);
	other_tells(arena_printf(keep, "+%s", user).p);
	rig_turns(4);
	assert_null(next_of(FLEET_STALE)); /* or the two would go on telling one another */
	rig_hang_up(&c);
}

static void who_has_come_to_a_third_node_stays_when_the_first_says_that_he_left(void **state)
{
	struct shared_groups *g = &slot()->groups;
	assert_true(shared_set_online(g, STR("juliet"), 7, true));
	assert_false(shared_set_online(g, STR("juliet"), 8, true)); /* no news: she is online */
	assert_false(shared_set_online(g, STR("juliet"), 7, false));
	assert_int_equal(where("juliet"), 8);
	assert_false(shared_node_gone(g, 7));
	assert_true(shared_node_gone(g, 8));
	assert_int_equal(where("juliet"), 0);
	assert_int_equal(map_count(&g->people), 0);
}

/* ---- what is stored ---- */

static const struct store_space rows = { "shared-groups", STORE_MAP }, turn = { "shared-turn", STORE_KV };

struct writing {
	struct message message;
	const char *name;
	struct str text;
	bool written;
};

static void on_written(struct store_op *op)
{
	assert_int_equal(op->err, ERR_NONE);
	((struct writing *)op->arg)->written = true;
}

static void on_write(struct worker *w, struct message *m, bool cancelled)
{
	struct writing *x = (struct writing *)m;
	struct store_op *op = store_op_new(STR("localhost"), STR(""), on_written, x);
	store_kv_put(op, &turn, STR("1"));
	store_map_put(op, &rows, str_of(x->name), x->text, 0);
	assert_int_equal(store_submit(node.store, op), ERR_NONE);
}

/* The other node writes a group, and has not told us yet. */
static void other_writes(const char *name, struct str text)
{
	struct writing x = { .message.run = on_write, .name = name, .text = text };
	worker_post(node.main, &x.message);
	RIG_UNTIL(x.written);
}

static bool is_quiet(void)
{
	return slot()->ready && !slot()->busy && !slot()->first && !slot()->stale;
}

/* It says so: we read. */
static void other_has_written(void)
{
	struct frame_record r = { .kind = FLEET_STALE, .ttl = FRAME_TTL, .to = STR("localhost"), .from = STR("shared") };
	RIG_UNTIL(is_quiet());
	other_says(r);
	rig_turns(4);
	RIG_UNTIL(is_quiet());
}

static bool has(const char *group, const char *user)
{
	pthread_mutex_lock(&slot()->lock);
	const struct shared_group *g = shared_find(&slot()->groups, str_of(group));
	bool yes = g && shared_has(&slot()->groups, g, str_of(user));
	pthread_mutex_unlock(&slot()->lock);
	return yes;
}

static struct str group_of(const char *members)
{
	return arena_printf(keep, "{\"label\":\"\",\"description\":\"\",\"shows\":[\"g\"],\"members\":[%s]}", members);
}

static char gone[16]; /* whose account is removed */
static bool reads_meanwhile;

static void remove_account(struct node_worker *nw)
{
	struct jid jid;
	assert_int_equal(jid_make(keep, str_of(gone), STR("localhost"), STR_NONE, &jid), ERR_NONE);
	struct user *u = user_hold(nw, node.hosts[0], &jid);
	if (reads_meanwhile)
		shared_stale(node.hosts[0]);
	mod_shared.hooks.account_ended(u, true);
	user_release(u);
}

static void group_with_two(bool reads)
{
	other_writes("g", group_of("\"romeo\",\"juliet\""));
	other_has_written();
	assert_true(has("g", "romeo") && has("g", "juliet"));
	snprintf(gone, sizeof gone, "romeo");
	reads_meanwhile = reads;
}

/* Groups are read again at that moment, from a store that has him in them still. */
static void a_removed_account_does_not_come_back(void **state)
{
	group_with_two(true);
	rig_order(0, remove_account);
	rig_turns(2);
	RIG_UNTIL(is_quiet());
	assert_false(has("g", "romeo"));
	other_has_written();
	assert_false(has("g", "romeo"));
	assert_true(has("g", "juliet"));
}

static void what_another_node_writes_meanwhile_is_not_undone(void **state)
{
	group_with_two(false);
	other_writes("g", group_of("\"romeo\",\"juliet\",\"nurse\""));
	rig_order(0, remove_account);
	rig_turns(2);
	RIG_UNTIL(is_quiet());
	assert_true(!has("g", "romeo") && has("g", "nurse"));
	other_has_written();
	assert_true(!has("g", "romeo") && has("g", "juliet") && has("g", "nurse"));
}

static void store_fails(bool fails)
{
	fault_store_set(node.store, &(struct fault_odds){ .io = fails ? 1000 : 0 });
}

/* The moment has come, which the clock would bring. */
static void some_time_later(void)
{
	assert_true(timer_is_set(&slot()->again));
	worker_timer_set(node.main, &slot()->again, 0);
	RIG_UNTIL(!timer_is_set(&slot()->again));
	RIG_UNTIL(is_quiet());
}

static void what_a_store_did_not_do_is_done_later(void **state)
{
	struct fault_odds none = { .io = 0 };
	RIG_UNTIL(is_quiet());
	node.store = node.hosts[0]->store = fault_store_open(&node.store, 1, &none, NULL);
	group_with_two(false);
	other_writes("h", group_of("\"nurse\""));
	store_fails(true);
	other_has_written();
	assert_false(has("h", "nurse"));
	rig_order(0, remove_account);
	rig_turns(2);
	RIG_UNTIL(is_quiet());
	store_fails(false);
	some_time_later();
	assert_true(has("h", "nurse"));
	other_has_written();
	assert_true(!has("g", "romeo") && has("g", "juliet"));
}

static void more_groups_than_one_answer_holds_are_read(void **state)
{
	enum { GROUPS = 10 };
	char name[GROUPS][4], *text = malloc(STORE_VALUE_MAX);
	memset(text, 'x', STORE_VALUE_MAX);
	struct str big = arena_printf(keep, "{\"label\":\"\",\"description\":\"%.*s\",\"shows\":[],\"members\":[\"nurse\"]}",
				      (int)STORE_VALUE_MAX - 100, text);
	for (unsigned i = 0; i < GROUPS; i++) {
		snprintf(name[i], sizeof name[i], "g%u", i);
		other_writes(name[i], big);
	}
	other_has_written();
	assert_int_equal(slot()->groups.n, GROUPS);
	for (unsigned i = 0; i < GROUPS; i++)
		assert_true(has(name[i], "nurse"));
	free(text);
}

/* ---- accounts ---- */

static void on_roll(struct shared_roll *r, enum err err)
{
	assert_int_equal(err, ERR_NONE);
	free(r);
}

static void call_roll(struct worker *w, struct message *m, bool cancelled)
{
	shared_roll_call(slot(), NULL, on_roll);
}

/* As many as count. */
static void accounts_up_to_the_ceiling_stay_when_they_are_read_again(void **state)
{
	struct message m = { .run = call_roll };
	RIG_UNTIL(is_quiet());
	slot()->max_accounts = 2;
	for (const char *const *name = (const char *const[]){ "a", "b", "c", NULL }; *name; name++)
		rig_account(*name);
	for (unsigned i = 0; i < 3; i++) {
		worker_post(node.main, &m);
		rig_turns(20);
		assert_int_equal(slot()->groups.n_accounts, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_comes_and_goes_here_is_told_to_the_others),
		CASE(who_goes_without_a_word_is_told_as_well),
		CASE(a_node_that_comes_is_told_of_all),
		CASE(what_a_node_has_told_goes_with_it),
		CASE(lines_that_are_none_say_nothing),
		CASE(who_is_here_is_not_taken_away_by_what_another_node_says),
		CASE(who_is_here_is_told_of_again_when_he_has_gone_from_another_node),
		CASE(a_removed_account_does_not_come_back),
		CASE(what_another_node_writes_meanwhile_is_not_undone),
		CASE(what_a_store_did_not_do_is_done_later),
		CASE(more_groups_than_one_answer_holds_are_read),
		CASE(accounts_up_to_the_ceiling_stay_when_they_are_read_again),
		CASE(who_has_come_to_a_third_node_stays_when_the_first_says_that_he_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
