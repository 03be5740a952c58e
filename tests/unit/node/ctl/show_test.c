#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/ctl/command.h"
#include "node/ctl/manual.h"
#include "node/ctl/show.h"

struct shown {
	char *out, *err;
	size_t n_out, n_err;
	int code;
};

static struct shown show(const char *json, bool as_json)
{
	struct shown s = { 0 };
	FILE *out = open_memstream(&s.out, &s.n_out), *err = open_memstream(&s.err, &s.n_err);
	json_t *reply = json_loads(json, 0, NULL);
	assert_non_null(reply);
	s.code = show_reply(reply, as_json, out, err);
	json_decref(reply);
	fclose(out);
	fclose(err);
	return s;
}

static void shown_free(struct shown *s)
{
	free(s->out);
	free(s->err);
}

static char *table(const char *json, bool head)
{
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	json_t *rows = json_loads(json, 0, NULL);
	show_table(rows, head, out);
	json_decref(rows);
	fclose(out);
	return text;
}

static void a_text_is_what_people_see(void **state)
{
	struct shown s = show("{\"code\":0,\"text\":\"User x registered\",\"data\":\"x@y\"}", false);
	assert_string_equal(s.out, "User x registered\n");
	assert_int_equal(s.code, 0);
	shown_free(&s);
}

static void a_failure_goes_to_the_error_output(void **state)
{
	struct shown s = show("{\"code\":1,\"text\":\"no such host\",\"data\":null}", false);
	assert_string_equal(s.out, "");
	assert_string_equal(s.err, "starlingctl: no such host\n");
	assert_int_equal(s.code, 1);
	shown_free(&s);
}

static void json_has_all_of_it(void **state)
{
	struct shown s = show("{\"code\":1,\"text\":\"no\",\"data\":null}", true);
	json_t *back = json_loads(s.out, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(back, "code")), 1);
	json_decref(back);
	shown_free(&s);
}

static void lists_are_one_item_a_line_and_objects_one_member_a_line(void **state)
{
	struct shown s = show("{\"code\":0,\"text\":\"\",\"data\":[\"a\",\"b\"]}", false);
	assert_string_equal(s.out, "a\nb\n");
	shown_free(&s);
	s = show("{\"code\":0,\"text\":\"\",\"data\":{\"n\":3,\"ok\":true,\"list\":[\"x\",\"y\"],\"none\":null}}", false);
	assert_string_equal(s.out, "n: 3\nok: yes\nlist: x, y\nnone: -\n");
	shown_free(&s);
	s = show("{\"code\":0,\"text\":\"\",\"data\":[]}", false);
	assert_string_equal(s.out, "");
	shown_free(&s);
}

static void a_table_is_aligned_under_its_head(void **state)
{
	char *t = table("[{\"jid\":\"rom\xc3\xa9o@x\",\"n\":1},{\"jid\":\"j@x\",\"n\":22,\"tls\":null}]", true);
	assert_string_equal(t, "jid      n   tls\nrom\xc3\xa9o@x  1   \nj@x      22  -\n");
	free(t);
}

static void a_table_for_a_pipe_has_tabs_and_no_head(void **state)
{
	char *t = table("[{\"jid\":\"a\",\"n\":1},{\"jid\":\"b\"}]", false);
	assert_string_equal(t, "a\t1\nb\t\n");
	free(t);
}

static void lists_of_objects_in_rows_are_a_table_below(void **state)
{
	const char *rows = "[{\"node\":\"a\",\"links\":[{\"to\":\"b\",\"ms\":1},{\"to\":\"c\",\"ms\":22}],\"n\":1},"
			   "{\"node\":\"b\",\"links\":[{\"to\":\"a\",\"ms\":3}],\"n\":2},{\"node\":\"c\",\"links\":[],\"n\":3}]";
	char *t = table(rows, true);
	assert_string_equal(t, "node  n\na     1\nb     2\nc     3\n\nnode  to  ms\na     b   1\na     c   22\nb     a   3\n");
	free(t);
	t = table(rows, false);
	assert_string_equal(t, "a\t1\nb\t2\nc\t3\n\na\tb\t1\na\tc\t22\nb\ta\t3\n");
	free(t);
}

static void nodes_are_in_the_order_of_their_names(void **state)
{
	json_t *sorted = show_sorted(json_loads("[{\"node\":\"n2\"},{\"node\":\"n1\"}]", 0, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(json_array_get(sorted, 0), "node")), "n1");
	json_decref(sorted);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	struct shown s = show("{\"code\":0,\"text\":\"\",\"data\":[\"a\\u001b[2Jb\\tc\"]}", false);
	assert_string_equal(s.out, "a?[2Jb?c\n");
	shown_free(&s);
}

/* ---- what the table says about itself ---- */

static void help_and_manual_name_every_command(void **state)
{
	char *help, *page, *names;
	size_t n;
	FILE *f = open_memstream(&help, &n);
	manual_help(f);
	fclose(f);
	f = open_memstream(&page, &n);
	manual_page(f);
	fclose(f);
	f = open_memstream(&names, &n);
	manual_names(f);
	fclose(f);
	for (const struct command *c = command_next(NULL, NULL); c; c = command_next(c, NULL)) {
		assert_non_null(strstr(help, c->name));
		assert_non_null(strstr(page, c->name));
		assert_non_null(strstr(names, c->name));
	}
	assert_non_null(strstr(names, "registered_users --limit= --after=\n"));
	free(help);
	free(page);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_what_people_see),
		cmocka_unit_test(a_failure_goes_to_the_error_output),
		cmocka_unit_test(json_has_all_of_it),
		cmocka_unit_test(lists_are_one_item_a_line_and_objects_one_member_a_line),
		cmocka_unit_test(a_table_is_aligned_under_its_head),
		cmocka_unit_test(a_table_for_a_pipe_has_tabs_and_no_head),
		cmocka_unit_test(lists_of_objects_in_rows_are_a_table_below),
		cmocka_unit_test(nodes_are_in_the_order_of_their_names),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(help_and_manual_name_every_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
