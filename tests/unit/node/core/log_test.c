#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/core/log.h"

static int fds[2];
static char text[1 << 17];

static void start(enum log_format format, unsigned burst)
{
	log_start(&(struct log_settings){ .fd = fds[1], .format = format, .level = LOG_INFO, .burst = burst, .node = STR("n1") });
}

/* All lines written since the last call. */
static const char *lines(void)
{
	size_t len = 0;
	ssize_t n;
	while (len < sizeof(text) - 1 && (n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static unsigned count_lines(const char *s)
{
	unsigned n = 0;
	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* What follows the time field. */
static const char *after_time(const char *line)
{
	static const char shape[] = "time=dddd-dd-ddTdd:dd:dd.dddZ ";
	for (size_t i = 0; shape[i]; i++) {
		if (shape[i] == 'd')
			assert_true(line[i] >= '0' && line[i] <= '9');
		else
			assert_int_equal(line[i], shape[i]);
	}
	return line + sizeof(shape) - 1;
}

static int setup(void **state)
{
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	fcntl(fds[0], F_SETPIPE_SZ, 1 << 17);
	start(LOG_LOGFMT, 0);
	return 0;
}

static int teardown(void **state)
{
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static void log_writes_one_logfmt_line_with_typed_fields(void **state)
{
	LOG(LOG_WARN, "c2s", "stream refused", L_STR("host", STR("a.example")), L_INT("bytes", -5), L_UINT("n", UINT64_MAX),
		L_BOOL("tls", true),
	    L_ERR(ERR_NOT_FOUND), L_Z("absent", NULL));
	assert_string_equal(after_time(lines()), "level=warn component=c2s node=n1 msg=\"stream refused\" host=a.example bytes=-5 "
	                                         "n=18446744073709551615 tls=true error=not-found\n");
	LOG(LOG_INFO, "c2s", "ready");
	assert_string_equal(after_time(lines()), "level=info component=c2s node=n1 msg=ready\n");
}

static void log_says_whose_work_and_what_the_thread_was_doing(void **state)
{
	assert_null(log_action("reading"));
	assert_false(str_present(log_session(STR("x7k"))));
	LOG(LOG_INFO, "c2s", "odd");
	assert_string_equal(after_time(lines()), "level=info component=c2s node=n1 session=x7k while=reading msg=odd\n");
	assert_string_equal(log_action(NULL), "reading");
	assert_true(str_is(log_session(STR_NONE), "x7k"));
	LOG(LOG_INFO, "c2s", "odd");
	assert_null(strstr(lines(), "while="));
}

static void log_escapes_whatever_a_peer_sends(void **state)
{
	static const struct {
		struct str value;
		const char *logfmt;
	} rows[] = {
		{ STR_INIT("plain-1.5/x"), "v=plain-1.5/x\n" },
		{ STR_INIT(""), "v=\"\"\n" },
		{ STR_INIT("two words"), "v=\"two words\"\n" },
		{ STR_INIT("a=b"), "v=\"a=b\"\n" },
		{ STR_INIT("say \"hi\" \\"), "v=\"say \\\"hi\\\" \\\\\"\n" },
		{ STR_INIT("x\nlevel=error\r\t"), "v=\"x\\nlevel=error\\r\\t\"\n" },
		{ STR_INIT("\0\x1b[2J\x7f"), "v=\"\\u0000\\u001b[2J\\u007f\"\n" },
		{ STR_INIT("\xc2\x9b"), "v=\"\\u009b\"\n" },
		{ STR_INIT("\xc2\xa0\xf0\x9f\x98\x80"), "v=\"\xc2\xa0\xf0\x9f\x98\x80\"\n" },
		{ STR_INIT("\xff\xc3"), "v=\"\\xff\\xc3\"\n" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		LOG(LOG_INFO, "c2s", "in", L_STR("v", rows[i].value));
		assert_string_equal(strstr(lines(), "v="), rows[i].logfmt);
	}
}

static void log_json_lines_parse_whatever_is_in_them(void **state)
{
	struct str bad = STR("a\"b\\c\n\t\x01\x7f\xc2\x85\xff\xe2\x82");
	start(LOG_JSON, 0);
	log_action("parsing");
	LOG(LOG_ERROR, "c2s", "it \"broke\"", L_STR("v", bad), L_INT("n", INT64_MIN), L_BOOL("ok", false));
	log_action(NULL);
	json_t *line = json_loads(lines(), 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(line, "while")), "parsing");
	assert_string_equal(json_string_value(json_object_get(line, "msg")), "it \"broke\"");
	assert_string_equal(json_string_value(json_object_get(line, "v")), "a\"b\\c\n\t\x01\x7f\xc2\x85\\xff\\xe2\\x82");
	assert_true(json_integer_value(json_object_get(line, "n")) == INT64_MIN);
	assert_true(json_is_false(json_object_get(line, "ok")));
	json_decref(line);
}

static void log_cuts_what_is_too_long_and_says_so(void **state)
{
	static char big[20000];
	struct str v = str_span(big, sizeof(big));
	memset(big, 'x', sizeof(big));
	LOG(LOG_INFO, "c2s", "long", L_STR("v", v), L_INT("n", 1));
	const char *line = lines();
	assert_true(strlen(line) < LOG_VALUE_MAX + 200);
	assert_non_null(strstr(line, "xx\" n=1 truncated=true\n"));

	memset(big, '\x01', sizeof(big)); /* grows sixfold */
	LOG(LOG_INFO, "c2s", "long", L_STR("a", v), L_STR("b", v), L_STR("c", v), L_STR("d", v), L_STR("e", v), L_INT("n", 1));
	line = lines();
	assert_true(strlen(line) <= LOG_LINE_MAX);
	assert_int_equal(count_lines(line), 1);
	assert_non_null(strstr(line, " truncated=true\n"));
	assert_non_null(strstr(line, " n=1"));
}

static void log_json_stays_well_formed_when_it_is_cut(void **state)
{
	static char big[5000];
	memset(big, '\xff', sizeof(big));
	start(LOG_JSON, 0);
	for (size_t n = 0; n < sizeof(big); n += 37) {
		struct str v = str_span(big, n);
		LOG(LOG_INFO, "c2s", "long", L_STR("a", v), L_STR("b", v), L_STR("c", v), L_STR("d", v), L_STR("e", v));
		const char *line = lines();
		assert_true(strlen(line) <= LOG_LINE_MAX);
		json_t *parsed = json_loads(line, 0, NULL);
		assert_non_null(parsed);
		json_decref(parsed);
	}
}

static void log_levels_hold_for_all_or_for_one_component(void **state)
{
	LOG(LOG_DEBUG, "lev-a", "hidden");
	assert_string_equal(lines(), "");
	assert_int_equal(log_set_level("lev-a", LOG_DEBUG), ERR_NONE);
	LOG(LOG_DEBUG, "lev-a", "shown");
	LOG(LOG_DEBUG, "lev-b", "hidden");
	assert_int_equal(count_lines(lines()), 1);
	assert_int_equal(log_set_level(NULL, LOG_ERROR), ERR_NONE);
	assert_int_equal(log_level_of("lev-a"), LOG_DEBUG);
	assert_int_equal(log_level_of("lev-b"), LOG_ERROR);
	log_reset_level("lev-a");
	LOG(LOG_WARN, "lev-a", "hidden");
	assert_string_equal(lines(), "");
	assert_int_equal(log_set_level("lev-c", LOG_OFF), ERR_NONE); /* before it logged */
	LOG(LOG_ERROR, "lev-c", "hidden");
	assert_string_equal(lines(), "");
	LOG(LOG_ERROR, "lev-a", "shown");
	assert_int_equal(count_lines(lines()), 1);
}

static void log_level_names_go_both_ways(void **state)
{
	for (int l = LOG_DEBUG; l <= LOG_OFF; l++) {
		enum log_level back;
		assert_true(log_level_parse(str_of(log_level_name((enum log_level)l)), &back));
		assert_int_equal(back, l);
	}
	enum log_level none;
	assert_false(log_level_parse(STR("loud"), &none));
	assert_false(log_level_parse(STR_NONE, &none));
}

static void flood(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		LOG(LOG_WARN, "flood", "again", L_UINT("i", i));
}

static void log_suppresses_a_flooding_call_site_and_counts(void **state)
{
	start(LOG_LOGFMT, 5);
	flood(1000);
	unsigned first = count_lines(lines());
	assert_true(first >= 5 && first <= 15); /* the flood may span the turn of a second */
	LOG(LOG_WARN, "flood", "another site is heard");
	assert_int_equal(count_lines(lines()), 1);
	const char *told;
	for (int tries = 0; (told = strstr(lines(), "suppressed=")) == NULL; tries++) {
		assert_true(tries < 3000);
		log_report_suppressed(); /* as the node's timer does, until the second is over */
		usleep(1000); /* check-banned: the pace of a wait with a deadline */
	}
	assert_true(strtoul(told + 11, NULL, 10) <= 1000 - first);
	assert_true(strtoul(told + 11, NULL, 10) > 900);
	flood(1);
	assert_null(strstr(lines(), "suppressed="));
}

static void log_counts_lines_that_cannot_be_written(void **state)
{
	uint64_t before = log_lost();
	log_start(&(struct log_settings){ .fd = -1, .level = LOG_INFO });
	LOG(LOG_INFO, "c2s", "nowhere");
	assert_true(log_lost() == before + 1);
}

static void *shout(void *arg)
{
	log_action(arg);
	for (int i = 0; i < 200; i++)
		LOG(LOG_INFO, "threads", "line", L_Z("who", arg));
	return NULL;
}

static void log_lines_of_threads_do_not_mix(void **state)
{
	pthread_t t[2];
	static char one_name[] = "one", two_name[] = "two";
	pthread_create(&t[0], NULL, shout, one_name);
	pthread_create(&t[1], NULL, shout, two_name);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	char *line = (char *)lines(), *end;
	unsigned n = 0;
	for (; (end = strchr(line, '\n')); line = end + 1, n++) {
		*end = '\0';
		const char *rest = after_time(line);
		bool one = strcmp(rest, "level=info component=threads node=n1 while=one msg=line who=one") == 0;
		bool two = strcmp(rest, "level=info component=threads node=n1 while=two msg=line who=two") == 0;
		assert_true(one || two);
	}
	assert_int_equal(n, 400);
}

static void log_many_components_share_the_last_place(void **state)
{
	char name[32];
	enum err e = ERR_NONE;
	for (int i = 0; i < LOG_COMPONENTS + 5 && e == ERR_NONE; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		e = log_set_level(name, LOG_INFO);
	}
	assert_int_equal(e, ERR_LIMIT);
	LOG(LOG_INFO, "one-too-many", "still logged");
	assert_non_null(strstr(lines(), "component=one-too-many"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(log_writes_one_logfmt_line_with_typed_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(log_says_whose_work_and_what_the_thread_was_doing, setup, teardown),
		cmocka_unit_test_setup_teardown(log_escapes_whatever_a_peer_sends, setup, teardown),
		cmocka_unit_test_setup_teardown(log_json_lines_parse_whatever_is_in_them, setup, teardown),
		cmocka_unit_test_setup_teardown(log_cuts_what_is_too_long_and_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(log_json_stays_well_formed_when_it_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(log_levels_hold_for_all_or_for_one_component, setup, teardown),
		cmocka_unit_test_setup_teardown(log_level_names_go_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(log_suppresses_a_flooding_call_site_and_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(log_counts_lines_that_cannot_be_written, setup, teardown),
		cmocka_unit_test_setup_teardown(log_lines_of_threads_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(log_many_components_share_the_last_place, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
