#include "tests/unit/node/core/fleet_rig.h"

#include "node/ctl/accord.h"

static unsigned gone_on, dropped;

static void on_accord(void *arg)
{
	assert_ptr_equal(arg, &gone_on);
	gone_on++;
}

static void on_dropped(void *arg)
{
	assert_ptr_equal(arg, &gone_on);
	dropped++;
}

/* One with steps. A node without it has no test of them. */
static const struct module *feature(void)
{
	const struct module *m = module_find(STR("shared"));
	if (!m)
		skip();
	return m;
}

/* On main, as whoever wants an accord is. */
static void on_order(struct worker *w, struct message *m, bool cancelled)
{
	accord(node.hosts[0], module_find(STR("shared")), 1, on_accord, on_dropped, &gone_on);
	free(m);
}

static void begin(void)
{
	(void)feature();
	struct message *m = calloc(1, sizeof *m);
	gone_on = dropped = 0;
	m->run = on_order;
	worker_post(node.main, m);
}

static void answer(const struct frame_record *call, const char *json)
{
	other_says((struct frame_record){ .kind = FLEET_ANSWER, .ttl = FRAME_TTL, .dst_fp = call->dst_fp, .osm = call->osm,
					  .xml = str_of(json) });
}

static void it_goes_on_when_the_other_node_has_done_its_part(void **state)
{
	begin();
	struct frame_record call = expect(FLEET_CALL);
	assert_true(holds(call.xml, "\"_step\"") && holds(call.xml, "\"localhost\",\"shared\",\"1\""));
	rig_turns(10);
	assert_int_equal(gone_on, 0);
	answer(&call, "{\"code\":0,\"text\":\"\",\"err\":0,\"data\":null}");
	RIG_UNTIL(gone_on);
	rig_turns(4);
	assert_int_equal(gone_on, 1);
	assert_null(next_of(FLEET_STALE));
}

static void it_goes_on_without_one_that_cannot_and_tells_it_that_it_is_behind(void **state)
{
	begin();
	struct frame_record call = expect(FLEET_CALL);
	answer(&call, "{\"code\":2,\"text\":\"this node does not know that command\",\"err\":0,\"data\":null}");
	struct frame_record stale = expect(FLEET_STALE);
	assert_true(str_is(stale.to, "localhost") && str_is(stale.from, "shared"));
	RIG_UNTIL(gone_on);
}

static void it_goes_on_at_once_when_nobody_else_is_there(void **state)
{
	look(NODE_DEAD);
	begin();
	RIG_UNTIL(gone_on);
	assert_null(next_of(FLEET_CALL));
}

static bool ends_now;

/* The answer is here; main has ended. */
static void it_does_not_go_on_when_main_has_ended(void **state)
{
	begin();
	struct frame_record call = expect(FLEET_CALL);
	answer(&call, "{\"code\":0,\"text\":\"\",\"err\":0,\"data\":null}");
	while (nw_of(node.workers[0])->fleet->pending)
		worker_turn(node.workers[0]);
	ends_now = true;
}

static int end(void **state)
{
	if (!ends_now)
		return tear_down(state);
	life_finish(&node);
	config_schema_free(rig_schema);
	nftw(rig_dir, rig_remove, 8, FTW_DEPTH | FTW_PHYS);
	arena_free(keep);
	assert_int_equal(gone_on, 0);
	assert_int_equal(dropped, 1);
	return 0;
}

/* Asked by the other node; what this one answers. */
static struct frame_record answer_to(const char *host, const char *name, const char *step)
{
	struct frame_record call = { .kind = FLEET_CALL, .ttl = FRAME_TTL, .dst_fp = node.n_workers, .osm = 7 };
	call.xml = arena_printf(keep, "{\"command\":\"_step\",\"args\":[\"%s\",\"%s\",\"%s\"],\"by\":\"another node\"}", host, name, step);
	other_says(call);
	struct frame_record r = expect(FLEET_ANSWER);
	assert_int_equal(r.osm, 7);
	return r;
}

static void it_does_its_part_when_it_is_asked(void **state)
{
	(void)feature();
	assert_true(holds(answer_to("localhost", "shared", "0").xml, "\"code\":0"));
	assert_true(holds(answer_to("localhost", "shared", "1").xml, "\"code\":0"));
}

static void it_refuses_what_it_does_not_know(void **state)
{
	assert_true(holds(answer_to("localhost", "shared", "2").xml, "\"code\":2"));
	assert_true(holds(answer_to("localhost", "shared", "many").xml, "\"code\":2"));
	assert_true(holds(answer_to("localhost", "nonsense", "0").xml, "\"code\":2"));
	assert_true(holds(answer_to("localhost", "ping", "0").xml, "\"code\":2"));
	assert_true(holds(answer_to("example.org", "shared", "0").xml, "\"code\":2"));
}

static void people_cannot_ask_for_it(void **state)
{
	assert_null(command_find(str_of(accord_command.name)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(it_goes_on_when_the_other_node_has_done_its_part),
		CASE(it_goes_on_without_one_that_cannot_and_tells_it_that_it_is_behind),
		CASE(it_goes_on_at_once_when_nobody_else_is_there),
		CASE(it_does_its_part_when_it_is_asked),
		CASE(it_refuses_what_it_does_not_know),
		CASE(people_cannot_ask_for_it),
		cmocka_unit_test_setup_teardown(it_does_not_go_on_when_main_has_ended, set_up, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
