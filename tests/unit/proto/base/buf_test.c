#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/buf.h"

static void buf_holds_no_memory_until_its_first_add(void **state)
{
	struct buf b;
	buf_init(&b, 100);
	assert_null(b.p);
	buf_add(&b, "", 0);
	assert_null(b.p);
	buf_addz(&b, "x");
	assert_non_null(b.p);
	buf_fini(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 100);
	struct buf zeroed = { 0 };
	buf_fini(&zeroed);
}

static void buf_adds_append_in_order(void **state)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_addc(&b, '<');
	buf_addz(&b, "iq");
	buf_add_str(&b, STR(" id='"));
	buf_addf(&b, "%d", 17);
	buf_add(&b, "'/>", 3);
	buf_add_str(&b, STR_NONE);
	assert_true(str_is(buf_str(&b), "<iq id='17'/>"));
	assert_int_equal(buf_status(&b), ERR_NONE);
	buf_fini(&b);
}

static void buf_grows_by_doubling_up_to_its_ceiling(void **state)
{
	struct buf b;
	buf_init(&b, 1000);
	size_t caps = 0, cap = 0;
	for (int i = 0; i < 1000; i++) {
		buf_addc(&b, 'x');
		assert_true(b.len <= b.cap && b.cap <= b.max);
		caps += b.cap != cap;
		cap = b.cap;
	}
	assert_int_equal(buf_status(&b), ERR_NONE);
	assert_int_equal(b.cap, 1000);
	assert_true(caps <= 5);
	buf_addc(&b, 'x');
	assert_int_equal(buf_status(&b), ERR_LIMIT);
	buf_fini(&b);
}

static void buf_past_the_ceiling_adds_nothing_and_stays_failed(void **state)
{
	struct buf b;
	buf_init(&b, 4);
	buf_addz(&b, "abc");
	buf_addz(&b, "de");
	assert_int_equal(buf_status(&b), ERR_LIMIT);
	buf_addc(&b, 'd');
	buf_addf(&b, "%s", "d");
	assert_true(str_is(buf_str(&b), "abc"));
	assert_null(buf_reserve(&b, 1));
	buf_consume(&b, 2);
	assert_int_equal(buf_status(&b), ERR_LIMIT);
	buf_clear(&b);
	assert_int_equal(buf_status(&b), ERR_NONE);
	buf_addz(&b, "wxyz");
	assert_true(str_is(buf_str(&b), "wxyz"));
	assert_int_equal(buf_status(&b), ERR_NONE);
	buf_fini(&b);
}

static void buf_reserve_refuses_sizes_that_would_wrap(void **state)
{
	struct buf b;
	buf_init(&b, 10);
	buf_addz(&b, "abc");
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(buf_status(&b), ERR_LIMIT);
	buf_fini(&b);
}

static void buf_reserve_gives_room_that_the_caller_fills(void **state)
{
	struct buf b;
	buf_init(&b, 500);
	buf_addz(&b, "ab");
	char *p = buf_reserve(&b, 300);
	memset(p, 'c', 300);
	b.len += 300;
	assert_int_equal(b.len, 302);
	assert_int_equal(b.p[1], 'b');
	assert_int_equal(b.p[301], 'c');
	assert_non_null(buf_reserve(&b, 198));
	assert_null(buf_reserve(&b, 199));
	buf_fini(&b);
}

static void buf_addf_takes_long_texts_up_to_the_last_byte(void **state)
{
	struct buf b;
	buf_init(&b, 300);
	buf_addf(&b, "%0300d", 1);
	assert_int_equal(buf_status(&b), ERR_NONE);
	assert_int_equal(b.len, 300);
	assert_int_equal(b.p[299], '1');
	buf_clear(&b);
	buf_addf(&b, "%0301d", 1);
	assert_int_equal(buf_status(&b), ERR_LIMIT);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void buf_consume_drops_the_front(void **state)
{
	struct buf b;
	buf_init(&b, 100);
	buf_addz(&b, "abcdef");
	buf_consume(&b, 0);
	buf_consume(&b, 2);
	assert_true(str_is(buf_str(&b), "cdef"));
	buf_consume(&b, 4);
	assert_int_equal(b.len, 0);
	buf_addz(&b, "x");
	assert_true(str_is(buf_str(&b), "x"));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_holds_no_memory_until_its_first_add),
		cmocka_unit_test(buf_adds_append_in_order),
		cmocka_unit_test(buf_grows_by_doubling_up_to_its_ceiling),
		cmocka_unit_test(buf_past_the_ceiling_adds_nothing_and_stays_failed),
		cmocka_unit_test(buf_reserve_refuses_sizes_that_would_wrap),
		cmocka_unit_test(buf_reserve_gives_room_that_the_caller_fills),
		cmocka_unit_test(buf_addf_takes_long_texts_up_to_the_last_byte),
		cmocka_unit_test(buf_consume_drops_the_front),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
