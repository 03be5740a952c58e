/* The glance at the store when a session is bound: whatever happens while it is under way, a log that is not empty is never taken for one
 * that is. A node of one worker and one host, with a store in memory that can be made to fail. */
#include "tests/unit/node/store/store_rig.h"

#include "node/mod/offline/flush.h"
#include "node/store/fault.h"
#include "node/store/memory.h"
#include "proto/xml/names.h"

struct scene {
	struct rig *rig;
	struct node node;
	struct host host;
	struct arena *arena;
	struct user *user;
	struct session session; /* bound; nobody but the glance looks at it */
	struct timer look;
	bool glances, keeps, glances_again;
	bool empty;
};
static struct scene *scene; /* rig_call passes the rig alone */

static struct jid jid_of(const char *text)
{
	struct jid j;
	assert_int_equal(jid_parse(scene->arena, str_of(text), &j), ERR_NONE);
	return j;
}

/* ---- on the worker ---- */

static void on_look(struct timer *t)
{
	struct store_stats stats;
	store_stats(scene->host.store, &stats);
	if (stats.waiting || scene->user->holds > 1) {
		worker_timer_set(scene->rig->worker, &scene->look, 1);
		return;
	}
	scene->empty = offline_of(scene->user)->empty;
	rig_wake(scene->rig);
}

static void keep_one(void)
{
	struct arena *a = arena_new(512);
	struct jid juliet = jid_of("juliet@test"), romeo = jid_of("romeo@test");
	struct elem *root = stanza_root(a, STANZA_MESSAGE, TYPE_CHAT);
	elem_add_text(a, root, STR("body"), STR("one"));
	struct stanza *st = stanza_new(&a, root, &romeo, &juliet);
	assert_int_equal(offline_keep(scene->user, st), HOLD);
	stanza_unref(st);
}

static void play(struct rig *r)
{
	if (scene->glances)
		flush_glance(&scene->session);
	if (scene->keeps)
		keep_one();
	if (scene->glances_again)
		flush_glance(&scene->session);
	scene->look.on_timer = on_look;
	worker_timer_set(r->worker, &scene->look, 1);
}

static void take_hold(struct rig *r)
{
	struct jid juliet = jid_of("juliet@test");
	scene->user = user_hold(nw_of(r->worker), &scene->host, &juliet);
	scene->session.user = scene->user;
	rig_wake(r);
}

static void end_users(struct rig *r)
{
	user_release(scene->user);
	user_free_all(nw_of(r->worker));
	rig_wake(r);
}

/* ---- the scene ---- */

static int setup(void **state)
{
	struct scene *s = *state = scene = xzalloc(sizeof *s);
	struct fault_odds none = { 0 };
	s->rig = rig_new();
	s->arena = arena_new(0);
	struct store *memory = memory_store_open(NULL, 0);
	s->rig->store = s->host.store = fault_store_open(&memory, 1, &none, NULL);
	s->host = (struct host){ .node = &s->node, .jid = jid_of("test"), .name = STR("test"), .store = s->rig->store, .arena = s->arena };
	for (unsigned i = 0; all_modules[i]; i++)
		s->host.enabled |= all_modules[i] == &mod_offline ? 1ull << i : 0;
	s->node.n_workers = s->node.n_hosts = 1;
	s->node.workers[0] = s->rig->worker;
	s->node.store = s->rig->store;
	s->node.hosts = arena_zalloc(s->arena, sizeof *s->node.hosts);
	s->node.hosts[0] = &s->host;
	s->node.hooks = hooks_new(&s->node, NULL);
	struct offline_host *h = host_slot(&s->host, &mod_offline);
	h->max_messages = 10;
	h->max_bytes = 4096;
	node_worker_new(&s->node, s->rig->worker);
	store_kv_put(rig_op(s->rig, "test", "juliet"), &account_space, STR("{}"));
	assert_int_equal(rig_run(s->rig), ERR_NONE);
	rig_call(s->rig, take_hold);
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	struct node_worker *nw = nw_of(s->rig->worker);
	rig_call(s->rig, end_users);
	rig_free(s->rig);
	node_worker_free(nw);
	hooks_free(s->node.hooks);
	arena_free(s->arena);
	free(s);
	scene = NULL;
	return 0;
}

/* Whether the log is taken for empty when all is silent again. */
static bool is_empty_after(bool glances, bool keeps, bool glances_again)
{
	scene->glances = glances;
	scene->keeps = keeps;
	scene->glances_again = glances_again;
	rig_call(scene->rig, play);
	return scene->empty;
}

/* ---- cases ---- */

static void log_of_which_nothing_is_known_is_not_taken_for_empty(void **state)
{
	assert_false(is_empty_after(false, false, false));
}

static void glance_at_an_empty_log_knows_that_it_is(void **state)
{
	assert_true(is_empty_after(true, false, false));
	assert_false(is_empty_after(false, true, false));
}

static void glance_at_a_kept_message_sees_it(void **state)
{
	assert_false(is_empty_after(false, true, false));
	assert_false(is_empty_after(true, false, false));
}

static void message_that_is_kept_during_a_glance_is_not_forgotten(void **state)
{
	assert_false(is_empty_after(true, true, false));
}

static void first_of_two_glances_does_not_answer_for_the_second(void **state)
{
	assert_false(is_empty_after(true, true, true));
}

static void glance_that_fails_knows_nothing(void **state)
{
	struct fault_odds odds = { .io = 1000 };
	fault_store_set(scene->host.store, &odds);
	assert_false(is_empty_after(true, false, false));
	odds.io = 0;
	fault_store_set(scene->host.store, &odds);
	assert_true(is_empty_after(true, false, false));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(log_of_which_nothing_is_known_is_not_taken_for_empty),
		CASE(glance_at_an_empty_log_knows_that_it_is),
		CASE(glance_at_a_kept_message_sees_it),
		CASE(message_that_is_kept_during_a_glance_is_not_forgotten),
		CASE(first_of_two_glances_does_not_answer_for_the_second),
		CASE(glance_that_fails_knows_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
