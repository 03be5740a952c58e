#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/ctl/command.h"

/* ---- a call of its own, without a node ---- */

static struct {
	unsigned runs, answers;
	enum ctl_exit code;
	char text[256];
	struct call seen;
} got;

static void on_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	got.answers++;
	got.code = code;
	snprintf(got.text, sizeof got.text, "%.*s", STR_ARG(text));
	json_decref(data);
}

static void run_it(struct call *c)
{
	got.runs++;
	got.seen = *c;
	call_ok(c, NULL, "done");
}

static struct call *call_of(struct arena *a, const struct command *cmd, unsigned n, const char *const *args)
{
	struct call *c = arena_zalloc(a, sizeof *c);
	memset(&got, 0, sizeof got);
	*c = (struct call){ .command = cmd, .arena = a, .done = on_done, .n_args = n };
	for (unsigned i = 0; i < n; i++)
		c->args[i] = str_of(args[i]);
	return c;
}

#define CALL(a, cmd, ...)                                                                                                  \
	call_of(a, cmd, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), (const char *[]){ __VA_ARGS__ })

static const struct command ban = { "ban", "USER HOST [REASON...] --limit=N --dry_run", 0, "Bans.", run_it };
static const struct command plain = { "plain", "", 0, "Does nothing.", run_it };

/* ---- the rows ---- */

static void every_row_is_well_formed(void **state)
{
	for (const struct command *c = command_next(NULL, NULL); c; c = command_next(c, NULL)) {
		assert_true(strspn(c->name, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(c->name));
		assert_non_null(c->run);
		assert_int_equal(c->doc[strlen(c->doc) - 1], '.');
		assert_null(strchr(c->doc, '\n'));
		assert_ptr_equal(command_find(str_of(c->name)), c); /* no name twice */
		unsigned min, max;
		command_arity(c, &min, &max);
		assert_in_range(max, min, CTL_ARGS_MAX);
		for (unsigned i = 0; i < max; i++)
			assert_false(str_empty(command_arg_name(c, i)));
	}
}

static void command_found_with_dashes_for_underscores(void **state)
{
	assert_string_equal(command_find(STR("connected-users"))->name, "connected_users");
	assert_null(command_find(STR("connected users")));
	assert_null(command_find(STR("")));
}

static void arguments_and_options_are_told_apart(void **state)
{
	unsigned min, max;
	struct str value;
	command_arity(&ban, &min, &max);
	assert_int_equal(min, 2);
	assert_int_equal(max, 3);
	assert_true(str_is(command_arg_name(&ban, 2), "REASON"));
	assert_false(str_present(command_arg_name(&ban, 3)));
	assert_true(command_option(&ban, STR("limit"), &value));
	assert_true(str_is(value, "N"));
	assert_true(command_option(&ban, STR("dry-run"), &value));
	assert_false(str_present(value));
	assert_false(command_option(&ban, STR("REASON"), &value));
	command_arity(&plain, &min, &max);
	assert_int_equal(max, 0);
}

/* ---- running ---- */

static void the_last_words_become_one_argument(void **state)
{
	struct arena *a = arena_new(0);
	command_run(CALL(a, &ban, "juliet", "capulet.example", "too", "much", "noise"));
	assert_int_equal(got.runs, 1);
	assert_int_equal(got.seen.n_args, 3);
	assert_true(str_is(got.seen.args[2], "too much noise"));
	arena_free(a);
}

static void a_wrong_number_of_arguments_is_refused_with_the_usage(void **state)
{
	struct arena *a = arena_new(0);
	command_run(CALL(a, &ban, "juliet"));
	assert_int_equal(got.runs, 0);
	assert_int_equal(got.code, CTL_USAGE);
	assert_non_null(strstr(got.text, "ban USER HOST [REASON...]"));
	command_run(CALL(a, &plain, "more"));
	assert_int_equal(got.code, CTL_USAGE);
	assert_int_equal(got.answers, 1);
	arena_free(a);
}

static void options_are_checked_against_the_row(void **state)
{
	struct arena *a = arena_new(0);
	struct call *c = CALL(a, &ban, "u", "h");
	c->options[c->n_options++] = (struct call_option){ STR("dry-run"), STR("true") };
	c->options[c->n_options++] = (struct call_option){ STR("limit"), STR("7") };
	command_run(c);
	assert_int_equal(got.runs, 1);
	assert_true(str_is(call_option(&got.seen, "dry_run"), "true"));
	assert_true(str_is(call_option(&got.seen, "limit"), "7"));
	assert_false(str_present(call_option(&got.seen, "after")));

	c = CALL(a, &ban, "u", "h");
	c->options[c->n_options++] = (struct call_option){ STR("nonsense"), STR("true") };
	command_run(c);
	assert_int_equal(got.runs, 0);
	assert_int_equal(got.code, CTL_USAGE);

	c = CALL(a, &ban, "u", "h");
	c->options[c->n_options++] = (struct call_option){ STR("dry_run"), STR("perhaps") };
	command_run(c);
	assert_int_equal(got.runs, 0);
	arena_free(a);
}

static void a_number_outside_its_bounds_answers_the_call(void **state)
{
	struct arena *a = arena_new(0);
	uint64_t n = 0;
	struct call *c = CALL(a, &plain, "x");
	assert_true(call_number(c, STR("10"), "DAYS", 1, 10, &n));
	assert_int_equal(n, 10);
	assert_int_equal(got.answers, 0);
	assert_false(call_number(c, STR("11"), "DAYS", 1, 10, &n));
	assert_non_null(strstr(got.text, "DAYS must be a number from 1 to 10, not '11'"));
	assert_false(call_number(c, STR("-1"), "DAYS", 1, 10, &n));
	assert_int_equal(got.answers, 2);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_well_formed),
		cmocka_unit_test(command_found_with_dashes_for_underscores),
		cmocka_unit_test(arguments_and_options_are_told_apart),
		cmocka_unit_test(the_last_words_become_one_argument),
		cmocka_unit_test(a_wrong_number_of_arguments_is_refused_with_the_usage),
		cmocka_unit_test(options_are_checked_against_the_row),
		cmocka_unit_test(a_number_outside_its_bounds_answers_the_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
