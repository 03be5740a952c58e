/* A run of addresses in a record: what is written is read, what is none is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/addressees.h"

static void what_is_added_is_taken_off_in_order(void **state)
{
	static const char *const names[] = { "romeo@localhost", "juliet@localhost/balcony", "x@y" };
	struct buf run;
	struct str rest, one;
	buf_init(&run, ADDRESSEES_BYTES);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(addressees_add(&run, i, str_of(names[i])), ERR_NONE);
	rest = buf_str(&run);
	assert_int_equal(addressees_check(rest), ERR_NONE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(addressees_next(&rest, &one), ERR_NONE);
		assert_true(str_is(one, names[i]));
	}
	assert_int_equal(addressees_next(&rest, &one), ERR_NOT_FOUND);
	buf_fini(&run);
}

static void a_run_has_so_many_and_so_long(void **state)
{
	static char text[ADDRESSEES_BYTES];
	struct buf run;
	buf_init(&run, ADDRESSEES_BYTES);
	memset(text, 'a', sizeof text);
	assert_int_equal(addressees_add(&run, ADDRESSEES_MAX, STR("a@b")), ERR_LIMIT);
	assert_int_equal(addressees_add(&run, 0, STR("")), ERR_LIMIT);
	assert_int_equal(addressees_add(&run, 0, str_span(text, sizeof text - 1)), ERR_LIMIT);
	assert_int_equal(run.len, 0);
	assert_int_equal(addressees_add(&run, 0, str_span(text, sizeof text - 2)), ERR_NONE);
	assert_int_equal(addressees_check(buf_str(&run)), ERR_NONE);
	assert_int_equal(addressees_add(&run, 1, STR("a")), ERR_LIMIT);
	buf_fini(&run);
	buf_init(&run, 2 * ADDRESSEES_BYTES); /* the ceiling is the run's, not the buf's */
	assert_int_equal(addressees_add(&run, 0, str_span(text, sizeof text - 3)), ERR_NONE);
	assert_int_equal(addressees_add(&run, 1, STR("a")), ERR_LIMIT);
	assert_int_equal(run.len, sizeof text - 1);
	buf_fini(&run);
}

static void lengths_that_do_not_fit_are_invalid(void **state)
{
	static const struct str bad[] = {
		STR_INIT("\1"), STR_INIT("\0\0"), STR_INIT("\3\0ab"), STR_INIT("\1\0a\0\0"), STR_INIT("\xff\xff.."),
	};
	struct str one;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(addressees_check(bad[i]), ERR_INVALID);
	struct str rest = bad[2];
	assert_int_equal(addressees_next(&rest, &one), ERR_INVALID);
	assert_int_equal(addressees_check(STR("")), ERR_NONE);
}

static void a_run_of_too_many_is_invalid(void **state)
{
	struct buf run;
	buf_init(&run, 2 * ADDRESSEES_BYTES);
	for (unsigned i = 0; i < ADDRESSEES_MAX; i++)
		buf_add(&run, "\1\0a", 3);
	assert_int_equal(addressees_check(buf_str(&run)), ERR_NONE);
	buf_add(&run, "\1\0a", 3);
	assert_int_equal(addressees_check(buf_str(&run)), ERR_INVALID);
	while (run.len <= ADDRESSEES_BYTES)
		buf_add(&run, "\1\0a", 3);
	assert_int_equal(addressees_check(buf_str(&run)), ERR_INVALID);
	buf_fini(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_taken_off_in_order),
		cmocka_unit_test(a_run_has_so_many_and_so_long),
		cmocka_unit_test(lengths_that_do_not_fit_are_invalid),
		cmocka_unit_test(a_run_of_too_many_is_invalid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
