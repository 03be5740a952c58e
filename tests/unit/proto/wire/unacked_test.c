#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/wire/unacked.h"

static struct unacked u, v;

static int set_up(void **state)
{
	unacked_init(&u);
	unacked_init(&v);
	return 0;
}

static int tear_down(void **state)
{
	unacked_drop(&u);
	unacked_drop(&v);
	assert_int_equal(u.bytes, 0);
	return 0;
}

static struct unacked_item *add(struct unacked *q, const char *bytes)
{
	return unacked_add(q, STANZA_MESSAGE, str_of(bytes), 1000, NULL);
}

/* The oldest is this one; it is taken. */
static void comes(const char *bytes)
{
	struct unacked_item *i = unacked_take(&u);
	assert_non_null(i);
	assert_true(str_is(unacked_item_str(i), bytes));
	unacked_item_free(i);
}

static void what_is_acknowledged_goes_and_the_rest_stays_in_order(void **state)
{
	add(&u, "one");
	add(&u, "two");
	add(&u, "three");
	assert_int_equal(u.sent, 3);
	assert_int_equal(unacked_ack(&u, 1), UNACKED_FINE);
	assert_int_equal(u.n, 2);
	assert_int_equal(unacked_ack(&u, 1), UNACKED_FINE);
	assert_int_equal(u.n, 2);
	add(&u, "four");
	assert_true(unacked_is_whole(&u));
	comes("two");
	comes("three");
	comes("four");
	assert_null(unacked_take(&u));
	add(&u, "five"); /* after the queue was empty */
	comes("five");
}

static void more_than_was_sent_changes_nothing(void **state)
{
	add(&u, "one");
	assert_int_equal(unacked_ack(&u, 2), UNACKED_TOO_HIGH);
	assert_int_equal(unacked_ack(&u, UINT32_MAX / 2), UNACKED_TOO_HIGH);
	assert_int_equal(u.n, 1);
	assert_int_equal(unacked_ack(&u, 1), UNACKED_FINE);
	assert_int_equal(unacked_ack(&u, 2), UNACKED_TOO_HIGH);
}

static void less_than_before_changes_nothing(void **state)
{
	for (int i = 0; i < 5; i++)
		add(&u, "x");
	assert_int_equal(unacked_ack(&u, 4), UNACKED_FINE);
	assert_int_equal(unacked_ack(&u, 3), UNACKED_OLD);
	assert_int_equal(unacked_ack(&u, 0), UNACKED_OLD);
	assert_int_equal(u.acked, 4);
	assert_int_equal(u.n, 1);
}

static void numbers_go_from_the_last_to_zero(void **state)
{
	unacked_begin_at(&u, UINT32_MAX - 1);
	add(&u, "last but one is acknowledged; this is the last");
	add(&u, "this is number 0");
	add(&u, "this is number 1");
	assert_int_equal(u.sent, 1);
	assert_false(unacked_has_acked(&u, UINT32_MAX));
	assert_int_equal(unacked_ack(&u, 2), UNACKED_TOO_HIGH);
	assert_int_equal(unacked_ack(&u, UINT32_MAX), UNACKED_FINE);
	assert_int_equal(u.n, 2);
	assert_true(unacked_has_acked(&u, UINT32_MAX));
	assert_int_equal(unacked_ack(&u, 0), UNACKED_FINE);
	assert_int_equal(unacked_ack(&u, UINT32_MAX), UNACKED_OLD);
	assert_int_equal(u.n, 1);
	assert_true(unacked_has_acked(&u, UINT32_MAX));
	assert_true(unacked_has_acked(&u, 0));
	assert_false(unacked_has_acked(&u, 1));
	comes("this is number 1");
}

static void what_is_not_kept_counts_and_makes_the_queue_less_than_whole(void **state)
{
	add(&u, "one");
	unacked_drop(&u);
	assert_false(unacked_is_whole(&u));
	unacked_skip(&u);
	assert_int_equal(u.sent, 2);
	add(&u, "three");
	assert_int_equal(unacked_ack(&u, 2), UNACKED_FINE);
	assert_true(unacked_is_whole(&u));
	assert_int_equal(u.n, 1);
	assert_int_equal(unacked_ack(&u, 3), UNACKED_FINE);
	assert_int_equal(u.n, 0);
}

static void what_several_got_is_given_back_by_the_last_alone(void **state)
{
	struct unacked_share *s = unacked_share_new(1);
	struct unacked_item *i = unacked_add(&u, STANZA_MESSAGE, STR("x"), 0, s);
	unacked_add(&v, STANZA_MESSAGE, STR("x"), 0, s);
	unacked_share_unref(s);
	assert_false(unacked_item_is_last(i));
	unacked_drop(&v);
	assert_true(unacked_item_is_last(i));
}

static void what_one_of_several_acknowledged_is_not_given_back(void **state)
{
	struct unacked_share *s = unacked_share_new(1);
	struct unacked_item *i = unacked_add(&u, STANZA_MESSAGE, STR("x"), 0, s);
	unacked_add(&v, STANZA_MESSAGE, STR("x"), 0, s);
	unacked_share_unref(s);
	assert_int_equal(unacked_ack(&v, 1), UNACKED_FINE);
	assert_false(unacked_item_is_last(i));
}

static void what_is_kept_elsewhere_is_not_given_back(void **state)
{
	struct unacked_item *i = add(&u, "x");
	assert_true(unacked_item_is_last(i));
	i->kept = true;
	assert_false(unacked_item_is_last(i));
}

static void bytes_are_those_of_memory(void **state)
{
	add(&u, "12345");
	assert_int_equal(u.bytes, sizeof(struct unacked_item) + 5);
	add(&u, "");
	assert_int_equal(u.bytes, 2 * sizeof(struct unacked_item) + 5);
	assert_int_equal(unacked_ack(&u, 1), UNACKED_FINE);
	assert_int_equal(u.bytes, sizeof(struct unacked_item));
}

static void a_queue_goes_to_another_node_and_back(void **state)
{
	struct buf b;
	buf_init(&b, 1000);
	unacked_begin_at(&u, UINT32_MAX);
	unacked_add(&u, STANZA_IQ, STR("one"), -5, NULL)->kept = true;
	unacked_add(&u, STANZA_MESSAGE, STR(""), INT64_MAX, NULL);
	unacked_write(&u, &b, true);
	assert_int_equal(unacked_read(&v, buf_str(&b)), ERR_NONE);
	assert_int_equal(v.sent, 1);
	assert_int_equal(v.acked, UINT32_MAX);
	assert_int_equal(v.n, 2);
	assert_int_equal(v.bytes, u.bytes);
	assert_true(str_is(unacked_item_str(v.first), "one") && v.first->kept && v.first->at_ms == -5 && v.first->kind == STANZA_IQ);
	buf_clear(&b);
	unacked_write(&u, &b, false);
	unacked_drop(&v);
	assert_int_equal(unacked_read(&v, buf_str(&b)), ERR_NONE);
	assert_int_equal(v.n, 0);
	assert_int_equal(v.sent, 1);
	assert_false(unacked_is_whole(&v));
	buf_fini(&b);
}

/* Both get it, under that name. */
static void add_shared(uint64_t name, const char *bytes)
{
	struct unacked_share *s = unacked_share_new(name);
	unacked_add(&u, STANZA_MESSAGE, str_of(bytes), 0, s);
	unacked_add(&v, STANZA_MESSAGE, str_of(bytes), 0, s);
	unacked_share_unref(s);
}

/* To another node. */
static void move(struct unacked *q)
{
	struct buf queue, shares;
	buf_init(&queue, 1000);
	buf_init(&shares, 1000);
	unacked_write(q, &queue, true);
	unacked_write_shares(q, &shares);
	unacked_leave(q);
	unacked_drop(q);
	assert_int_equal(unacked_read(q, buf_str(&queue)), ERR_NONE);
	assert_int_equal(unacked_read_shares(q, buf_str(&shares)), ERR_NONE);
	buf_fini(&queue);
	buf_fini(&shares);
}

static void what_several_got_is_one_thing_again_on_another_node(void **state)
{
	add(&u, "mine");
	add_shared(7, "one");
	add(&v, "yours");
	add_shared(9, "two");
	move(&u);
	move(&v);
	unacked_join(&v, &u);
	assert_true(unacked_item_is_last(u.first) && unacked_item_is_last(v.first->next));
	assert_false(unacked_item_is_last(u.first->next) || unacked_item_is_last(v.first));
	assert_ptr_equal(u.first->next->next->share, v.first->next->next->share);
	assert_int_equal(unacked_ack(&u, 2), UNACKED_FINE); /* "one" */
	unacked_drop(&u);
	assert_false(unacked_item_is_last(v.first));
	assert_true(unacked_item_is_last(v.first->next->next));
}

static void what_one_acknowledged_before_the_other_moved_is_not_given_back_there(void **state)
{
	add_shared(7, "one");
	assert_int_equal(unacked_ack(&u, 1), UNACKED_FINE);
	move(&v);
	assert_false(unacked_item_is_last(v.first));
}

static void what_has_gone_to_another_node_is_not_given_back_here(void **state)
{
	add_shared(7, "one");
	unacked_leave(&u);
	unacked_drop(&u);
	assert_false(unacked_item_is_last(v.first));
}

/* Place, name, whether it was taken. */
#define SHARE(place, name, taken) place "\0\0\0" name "\0\0\0\0\0\0\0" taken

static void what_is_no_list_of_shares_is_refused(void **state)
{
	static const char cut[] = SHARE("\1", "\7", "\0") SHARE("\2", "\10", "");
	static const char disordered[] = SHARE("\1", "\7", "\1") SHARE("\0", "\6", "\0");
	add(&u, "one");
	add(&u, "two");
	assert_int_equal(unacked_read_shares(&u, str_span(cut, sizeof cut - 1)), ERR_INVALID);
	assert_int_equal(u.first->next->share->name, 7);
	assert_int_equal(unacked_read_shares(&u, str_span("\1\0", 2)), ERR_INVALID);
	assert_int_equal(unacked_read_shares(&u, str_span(disordered, sizeof disordered - 1)), ERR_INVALID);
	assert_null(u.first->share);
	assert_false(unacked_item_is_last(u.first->next));
}

static void what_is_no_queue_is_refused_and_leaves_nothing(void **state)
{
	struct buf b;
	buf_init(&b, 1000);
	add(&u, "one");
	unacked_write(&u, &b, true);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(unacked_read(&v, str_span(b.p, n)), ERR_INVALID);
	buf_addc(&b, 'x');
	assert_int_equal(unacked_read(&v, buf_str(&b)), ERR_INVALID);
	b.len--;
	b.p[0] = 0; /* none was sent, but one waits */
	assert_int_equal(unacked_read(&v, buf_str(&b)), ERR_INVALID);
	b.p[0] = 1;
	b.p[24] = STANZA_IQ + 1;
	assert_int_equal(unacked_read(&v, buf_str(&b)), ERR_INVALID);
	assert_int_equal(v.n, 0);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_acknowledged_goes_and_the_rest_stays_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_than_was_sent_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(less_than_before_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_go_from_the_last_to_zero, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_kept_counts_and_makes_the_queue_less_than_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_several_got_is_given_back_by_the_last_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_one_of_several_acknowledged_is_not_given_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_kept_elsewhere_is_not_given_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_are_those_of_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_queue_goes_to_another_node_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_several_got_is_one_thing_again_on_another_node, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_one_acknowledged_before_the_other_moved_is_not_given_back_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_has_gone_to_another_node_is_not_given_back_here, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_list_of_shares_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_queue_is_refused_and_leaves_nothing, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
