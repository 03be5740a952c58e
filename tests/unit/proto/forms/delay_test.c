#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/forms/delay.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

#define AT INT64_C(1031699305123) /* 2002-09-10T23:08:25.123Z */

static struct elem *message(struct arena *a)
{
	struct elem *m = elem_new(a, NS_CLIENT, STR("message"));
	elem_set(a, m, STR("to"), STR("juliet@capulet.com"));
	elem_add_text(a, m, STR("body"), STR("O blessed night"));
	return m;
}

static void assert_written(const struct elem *e, const char *want)
{
	struct buf b;
	buf_init(&b, 10000);
	xml_write(&b, e, NS_CLIENT, false);
	buf_addc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_fini(&b);
}

static void stamp_is_added_and_the_original_stays(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *m = message(a);
	int64_t at;
	struct elem *d = delay_stamp(a, m, STR("capulet.com"), AT, STR("Offline storage"));
	assert_written(d, "<message to='juliet@capulet.com'><body>O blessed night</body><delay xmlns='urn:xmpp:delay' from='capulet.com' "
			  "stamp='2002-09-10T23:08:25.123Z'>Offline storage</delay></message>");
	assert_written(m, "<message to='juliet@capulet.com'><body>O blessed night</body></message>");
	assert_int_equal(delay_read(d, STR("capulet.com"), &at), ERR_NONE);
	assert_true(at == AT);
	assert_int_equal(delay_read(d, STR_NONE, &at), ERR_NONE);
	assert_int_equal(delay_read(d, STR("montague.net"), &at), ERR_NOT_FOUND);
	arena_free(a);
}

static void stamp_of_another_stays_and_a_forged_one_goes(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *m = message(a);
	elem_set(a, elem_add(a, m, NS_DELAY, STR("delay")), STR("from"), STR("capulet.com"));
	struct elem *d = delay_stamp(a, delay_stamp(a, m, STR("room.net"), 0, STR_NONE), STR("capulet.com"), AT, STR_NONE);
	assert_written(d, "<message to='juliet@capulet.com'><body>O blessed night</body><delay xmlns='urn:xmpp:delay' from='room.net' "
			  "stamp='1970-01-01T00:00:00.000Z'/><delay xmlns='urn:xmpp:delay' from='capulet.com' "
			  "stamp='2002-09-10T23:08:25.123Z'/></message>");
	arena_free(a);
}

static void read_refuses_what_is_no_time(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *m = message(a);
	int64_t at;
	elem_set(a, elem_add(a, m, NS_DELAY, STR("delay")), STR("stamp"), STR("yesterday"));
	assert_int_equal(delay_read(m, STR_NONE, &at), ERR_INVALID);
	assert_int_equal(delay_read(message(a), STR_NONE, &at), ERR_NOT_FOUND);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamp_is_added_and_the_original_stays),
		cmocka_unit_test(stamp_of_another_stays_and_a_forged_one_goes),
		cmocka_unit_test(read_refuses_what_is_no_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
