/*
 * Subscriptions while the store fails: what the roster in memory says is what the store says, whatever was lost on the way; nothing is
 * left behind. A node of one worker and one host, whose store makes faults happen.
 */
#include "tests/unit/node/store/store_rig.h"

#include "node/mod/roster/roster_errand.h"
#include "node/store/fault.h"
#include "node/store/memory.h"
#include "proto/xml/names.h"

enum { CONTACTS = 12, STANZAS = 400 };

struct scene {
	struct rig *rig;
	struct node node;
	struct host host;
	struct arena *arena;
	struct rng rng;
	struct jid jid;
	struct user *user;
	struct timer look;
	struct roster_item seen[CONTACTS]; /* flat copies: no name, no groups */
	struct fault_odds odds;
	unsigned n;
	struct roster_errand errand;
};
static struct scene *scene; /* rig_call passes the rig alone */

static struct jid jid_of(const char *text)
{
	struct jid j;
	assert_int_equal(jid_parse(scene->arena, str_of(text), &j), ERR_NONE);
	return j;
}

static struct jid contact(unsigned i)
{
	return jid_of(arena_printf(scene->arena, "c%u@test", i).p);
}

/* ---- on the worker ---- */

static void on_look(struct timer *t)
{
	struct store_stats stats;
	store_stats(scene->host.store, &stats);
	const struct roster *r = scene->user ? roster_of(scene->user) : NULL;
	bool busy = stats.waiting || (r && (r->first || r->current || r->loading)) ||
		    map_count(&nw_of(scene->rig->worker)->users) > (scene->user != NULL);
	if (busy)
		worker_timer_set(scene->rig->worker, &scene->look, 1);
	else
		rig_wake(scene->rig);
}

/* Wakes the test once nothing is under way. */
static void wait_for_silence(void)
{
	scene->look.on_timer = on_look;
	worker_timer_set(scene->rig->worker, &scene->look, 1);
}

static void send_one(unsigned from, enum stanza_type type)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, type);
	struct jid who = contact(from);
	router_route(nw_of(scene->rig->worker), stanza_new(&a, root, &who, &scene->jid));
}

static void send_many(struct rig *r)
{
	static const enum stanza_type types[] = { TYPE_SUBSCRIBE, TYPE_SUBSCRIBE, TYPE_UNSUBSCRIBE, TYPE_AVAILABLE, TYPE_PROBE };
	fault_store_set(scene->host.store, &scene->odds);
	for (unsigned i = 0; i < scene->n; i++)
		send_one((unsigned)(rng_u64(&scene->rng) % CONTACTS), types[rng_u64(&scene->rng) % 5]);
	wait_for_silence();
}

static void take_hold(struct rig *r)
{
	scene->user = user_hold(nw_of(r->worker), &scene->host, &scene->jid);
	rig_wake(r);
}

static void let_go(struct rig *r)
{
	struct user *u = scene->user;
	scene->user = NULL;
	user_release(u);
	wait_for_silence();
}

static void look(struct rig *r)
{
	for (unsigned i = 0; i < CONTACTS; i++) {
		struct jid who = contact(i);
		scene->seen[i] = roster_item_or_none(scene->user, &who);
	}
	rig_wake(r);
}

static void load_in_peace(struct rig *r)
{
	scene->odds = (struct fault_odds){ 0 };
	fault_store_set(scene->host.store, &scene->odds);
	roster_load(scene->user);
	wait_for_silence();
}

static void end_users(struct rig *r)
{
	struct node_worker *nw = nw_of(r->worker);
	user_free_all(nw);
	rig_wake(r);
}

/* ---- the scene ---- */

static struct scene *scene_new(uint64_t seed)
{
	struct scene *s = scene = xzalloc(sizeof *s);
	struct fault_odds none = { 0 };
	s->rig = rig_new();
	s->arena = arena_new(0);
	rng_init_seeded(&s->rng, seed);
	struct store *memory = memory_store_open(NULL, 0);
	s->rig->store = s->host.store = fault_store_open(&memory, seed, &none, NULL);
	s->jid = jid_of("juliet@test");
	s->host = (struct host){ .node = &s->node, .jid = jid_of("test"), .name = STR("test"), .store = s->rig->store };
	s->host.arena = s->arena;
	for (unsigned i = 0; all_modules[i]; i++)
		s->host.enabled |= all_modules[i] == &mod_roster ? 1ull << i : 0;
	s->node.n_workers = s->node.n_hosts = 1;
	s->node.workers[0] = s->rig->worker;
	s->node.store = s->rig->store;
	s->node.hosts = arena_zalloc(s->arena, sizeof *s->node.hosts);
	s->node.hosts[0] = &s->host;
	s->node.hooks = hooks_new(&s->node, NULL);
	roster_host(&s->host)->limits = (struct roster_limits){
		.items = 100, .bytes = 65536, .groups = 8, .name_bytes = 100, .group_bytes = 100, .requests = 100, .request_bytes = 1024,
		.directed = 16, .tasks = 10000,
	};
	node_worker_new(&s->node, s->rig->worker);
	struct store_op *op = rig_op(s->rig, "test", "juliet");
	store_kv_put(op, &account_space, STR("{}"));
	assert_int_equal(rig_run(s->rig), ERR_NONE);
	return s;
}

static void scene_free(struct scene *s)
{
	struct node_worker *nw = nw_of(s->rig->worker);
	rig_call(s->rig, end_users);
	rig_free(s->rig);
	node_worker_free(nw);
	hooks_free(s->node.hooks);
	arena_free(s->arena);
	free(s);
	scene = NULL;
}

/* The store's opinion on one contact's request, read without faults. */
static bool store_has_request(struct scene *s, unsigned i)
{
	struct jid who = contact(i);
	struct store_op *op = rig_op(s->rig, "test", "juliet");
	store_map_get(op, &roster_requests_space, jid_str(&who));
	return rig_run(s->rig) == ERR_NONE;
}

static void play(struct scene *s, const struct fault_odds *odds, unsigned stanzas)
{
	s->odds = *odds;
	s->n = stanzas;
	rig_call(s->rig, send_many);
}

/* ---- cases ---- */

static void check_memory_equals_store(struct scene *s)
{
	rig_call(s->rig, load_in_peace);
	rig_call(s->rig, look);
	for (unsigned i = 0; i < CONTACTS; i++)
		assert_int_equal(subscription_is_pending_in(s->seen[i].side.state), store_has_request(s, i));
}

static void writes_that_fail_or_seem_to_leave_memory_as_the_store(void **state)
{
	static const struct fault_odds odds = { .delay_max_ms = 1, .io = 200, .unavailable = 100, .late_io = 200 };
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct scene *s = scene_new(seed);
		rig_call(s->rig, take_hold);
		for (int round = 0; round < 3; round++) {
			play(s, &odds, STANZAS / 4);
			check_memory_equals_store(s);
		}
		rig_call(s->rig, let_go);
		scene_free(s);
	}
}

static void an_account_that_nobody_holds_is_loaded_for_each_stanza(void **state)
{
	static const struct fault_odds odds = { .io = 200, .late_io = 200 };
	struct scene *s = scene_new(9);
	play(s, &odds, STANZAS);
	rig_call(s->rig, take_hold);
	check_memory_equals_store(s);
	rig_call(s->rig, let_go);
	scene_free(s);
}

/* ---- what administrators do ---- */

static void on_errand_home(struct roster_errand *e)
{
	rig_wake(e->arg);
}

static void errand_start(struct rig *r)
{
	fault_store_set(scene->host.store, &scene->odds);
	roster_errand_begin(&scene->errand);
}

static struct roster_errand run_errand(struct scene *s, void (*run)(struct roster_task *t), const struct roster_item *items, unsigned n)
{
	s->errand = (struct roster_errand){ .node = &s->node, .host = &s->host, .jid = s->jid, .run = run, .items = items,
					    .n_items = n, .then = on_errand_home, .arg = s->rig };
	s->node.main = s->rig->worker;
	rig_call(s->rig, errand_start);
	return s->errand;
}

static void calm(struct rig *r)
{
	scene->odds = (struct fault_odds){ 0 };
	fault_store_set(scene->host.store, &scene->odds);
	rig_wake(r);
}

static bool store_has_item(struct scene *s, const struct jid *who)
{
	struct store_op *op = rig_op(s->rig, "test", "juliet");
	store_map_get(op, &roster_space, jid_str(who));
	return rig_run(s->rig) == ERR_NONE;
}

/* Some of both happen: contacts that are safe before the error, and the error. */
static void an_administrator_hears_which_write_failed(void **state)
{
	static const struct fault_odds odds = { .io = 200 };
	unsigned whole = 0, broken = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct scene *s = scene_new(seed);
		struct roster_item items[CONTACTS];
		for (unsigned i = 0; i < CONTACTS; i++)
			items[i] = (struct roster_item){ .jid = contact(i), .name = STR(""), .groups = STR(""),
							 .side.state = SUBSCRIPTION_BOTH };
		s->odds = odds;
		struct roster_errand e = run_errand(s, roster_errand_add, items, CONTACTS);
		whole += e.err == ERR_NONE;
		broken += e.err != ERR_NONE && e.done > 0;
		assert_true((e.err == ERR_NONE) == (e.done == CONTACTS));
		rig_call(s->rig, calm);
		for (unsigned i = 0; i < CONTACTS; i++)
			assert_int_equal(store_has_item(s, &items[i].jid), i < e.done);
		e = run_errand(s, roster_errand_delete, &items[CONTACTS - 1], 1);
		assert_true(e.err == ERR_NONE && (e.refusal == NULL) == (e.done == 1));
		assert_false(store_has_item(s, &items[CONTACTS - 1].jid));
		scene_free(s);
	}
	assert_true(whole > 0 && broken > 0);
}

static void send_and_leave(struct rig *r)
{
	fault_store_set(scene->host.store, &scene->odds);
	for (unsigned i = 0; i < CONTACTS; i++)
		send_one(i, TYPE_SUBSCRIBE);
	rig_wake(r);
}

/* As life_finish does it: the worker ends, the store answers nobody, what is still held is freed. */
static void the_end_amid_work_frees_all(void **state)
{
	for (uint32_t ms = 0; ms < 80; ms += 20) {
		struct scene *s = scene_new(11);
		struct node_worker *nw = nw_of(s->rig->worker);
		s->odds = (struct fault_odds){ .delay_min_ms = 10 + ms, .delay_max_ms = 10 + ms };
		rig_call(s->rig, send_and_leave);
		worker_stop(s->rig->worker);
		worker_join(s->rig->worker);
		store_close(s->rig->store);
		s->rig->store = NULL;
		user_free_all(nw);
		map_init(&nw->users, s->node.hash_key);
		rig_free(s->rig);
		node_worker_free(nw);
		hooks_free(s->node.hooks);
		arena_free(s->arena);
		free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_that_fail_or_seem_to_leave_memory_as_the_store),
		cmocka_unit_test(an_account_that_nobody_holds_is_loaded_for_each_stanza),
		cmocka_unit_test(an_administrator_hears_which_write_failed),
		cmocka_unit_test(the_end_amid_work_frees_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
