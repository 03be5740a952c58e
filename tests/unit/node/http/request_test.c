#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "node/http/request.h"

static struct request_reader *reader;

static int set_up(void **state)
{
	(void)state;
	reader = request_reader_new((struct request_limits){ .head = 1024, .body = 100 });
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	request_reader_free(reader);
	return 0;
}

/* Feeds all of it, `step` bytes at a time, up to the first request or refusal. */
static enum request_event feed(struct str text, size_t step, struct request *q, unsigned *status)
{
	enum request_event e = REQUEST_MORE;
	while (text.len && e == REQUEST_MORE) {
		struct str part = str_span(text.p, text.len < step ? text.len : step);
		size_t len = part.len;
		e = request_next(reader, &part, q, status);
		text = str_span(text.p + (len - part.len), text.len - (len - part.len));
	}
	return e;
}

static unsigned refused(struct str text)
{
	struct request q;
	unsigned status = 0;
	assert_int_equal(feed(text, text.len, &q, &status), REQUEST_BAD);
	return status;
}

static void request_is_read_however_it_is_split(void **state)
{
	static const struct str text = STR_INIT("POST /api/status?a=b&c HTTP/1.1\r\nHost: x\r\nAUTHORIZATION: Bearer t\r\nContent-Type: "
						"application/json\r\nContent-Length: 9\r\n\r\n{\"a\": [] }");
	(void)state;
	for (size_t step = 1; step <= text.len; step++) {
		struct request q;
		unsigned status;
		tear_down(NULL);
		set_up(NULL);
		assert_int_equal(feed(text, step, &q, &status), REQUEST_READY);
		assert_int_equal(q.method, REQUEST_POST);
		assert_true(str_is(q.path, "/api/status"));
		assert_true(str_is(q.query, "a=b&c"));
		assert_true(str_is(q.authorization, "Bearer t"));
		assert_true(str_is(q.content_type, "application/json"));
		assert_true(str_is(q.body, "{\"a\": [] "));
		assert_false(str_present(q.accept));
		assert_true(q.keep_alive);
	}
}

static void request_leaves_what_follows_it(void **state)
{
	struct str text = STR("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nrest");
	struct request q;
	unsigned status;
	(void)state;
	assert_true(request_is_idle(reader));
	assert_int_equal(request_next(reader, &text, &q, &status), REQUEST_READY);
	assert_true(str_is(q.path, "/a") && q.keep_alive);
	assert_true(request_is_idle(reader));
	assert_int_equal(request_next(reader, &text, &q, &status), REQUEST_READY);
	assert_true(str_is(q.path, "/b") && !q.keep_alive);
	assert_true(str_is(text, "rest"));
}

static void request_takes_a_chunked_body(void **state)
{
	struct request q;
	unsigned status;
	(void)state;
	assert_int_equal(feed(STR("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n"
				  "Authorization: Bearer late\r\n\r\n"),
			      7, &q, &status),
			 REQUEST_READY);
	assert_true(str_is(q.body, "abcde"));
	assert_false(str_present(q.authorization));
}

static void request_without_keep_alive_is_the_last(void **state)
{
	struct request q;
	unsigned status;
	(void)state;
	assert_int_equal(feed(STR("GET / HTTP/1.0\r\n\r\n"), 100, &q, &status), REQUEST_READY);
	assert_false(q.keep_alive);
}

static void request_with_an_upgrade_is_answered_and_the_last(void **state)
{
	struct request q;
	unsigned status;
	(void)state;
	assert_int_equal(feed(STR("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), 100, &q, &status),
			 REQUEST_READY);
	assert_false(q.keep_alive);
}

static void request_refuses_a_head_that_is_too_long(void **state)
{
	char text[4096];
	(void)state;
	memset(text, 'a', sizeof text);
	int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
	text[n] = 'a';
	assert_int_equal(refused(str_span(text, sizeof text)), 431);
}

static void request_refuses_endless_empty_lines(void **state)
{
	char text[4096];
	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 2 ? '\n' : '\r';
	assert_int_equal(refused(str_span(text, sizeof text)), 431);
}

static void request_refuses_a_body_that_is_too_long_before_it_comes(void **state)
{
	(void)state;
	assert_int_equal(refused(STR("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n")), 413);
}

static void request_refuses_chunks_that_are_too_long(void **state)
{
	char text[512];
	(void)state;
	int n = snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n%0101d\r\n", 7);
	assert_int_equal(refused(str_span(text, (size_t)n)), 413);
}

static void request_refuses_two_ways_to_end_a_body(void **state)
{
	(void)state;
	assert_int_equal(refused(STR("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
			 400);
}

static void request_refuses_what_is_no_http(void **state)
{
	(void)state;
	assert_int_equal(refused(STR("<stream:stream xmlns='jabber:client'>\r\n\r\n")), 400);
	tear_down(NULL);
	set_up(NULL);
	assert_int_equal(refused(STR("GET / HTTP/1.1\r\nHost x\r\n\r\n")), 400);
	tear_down(NULL);
	set_up(NULL);
	assert_int_equal(refused(STR("GET / HTTP/2.0\r\nHost: x\r\n\r\n")), 505);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(request_is_read_however_it_is_split),
		CASE(request_leaves_what_follows_it),
		CASE(request_takes_a_chunked_body),
		CASE(request_without_keep_alive_is_the_last),
		CASE(request_with_an_upgrade_is_answered_and_the_last),
		CASE(request_refuses_a_head_that_is_too_long),
		CASE(request_refuses_endless_empty_lines),
		CASE(request_refuses_a_body_that_is_too_long_before_it_comes),
		CASE(request_refuses_chunks_that_are_too_long),
		CASE(request_refuses_two_ways_to_end_a_body),
		CASE(request_refuses_what_is_no_http),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
