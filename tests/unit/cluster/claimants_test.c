#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/claimants.h"

#define BARE STR("juliet@localhost")

/* Those of an account in their order; returns how many. */
static unsigned take(struct claimants *c, uint64_t fp, const uint32_t *epochs)
{
	unsigned n = 0;
	for (struct claimant *w = claimants_take(c, fp), *next; w; w = next, n++) {
		next = w->next;
		assert_int_equal(w->epoch, epochs[n]);
		assert_true(str_eq(str_span(w->bare, w->len), BARE));
		free(w);
	}
	return n;
}

static void claimants_of_an_account_come_in_their_order(void **state)
{
	(void)state;
	struct claimants c;
	claimants_init(&c);
	assert_int_equal(take(&c, 7, NULL), 0);
	claimants_add(&c, 7, 1, 5, BARE, 100);
	claimants_add(&c, 8, 3, 5, BARE, 101);
	claimants_add(&c, 7, 2, 5, BARE, 102);
	assert_true(claimants_has(&c, 7, 2) && claimants_has(&c, 8, 3));
	assert_false(claimants_has(&c, 7, 3) || claimants_has(&c, 9, 1));
	assert_int_equal(c.n, 3);
	assert_int_equal(take(&c, 7, (const uint32_t[]){ 1, 2 }), 2);
	assert_int_equal(c.n, 1);
	assert_false(claimants_has(&c, 7, 1));
	assert_int_equal(take(&c, 7, NULL), 0);
	claimants_fini(&c);
}

static void claimants_are_found_by_age_whoever_goes(void **state)
{
	(void)state;
	struct claimants c;
	claimants_init(&c);
	for (uint64_t fp = 1; fp <= 6; fp++)
		claimants_add(&c, fp, 1, 5, BARE, 100 + fp);
	static const uint64_t goes[] = { 3, 1, 6, 2, 5 }, oldest[] = { 1, 2, 2, 4, 4 }, youngest[] = { 6, 6, 5, 5, 4 };
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(take(&c, goes[i], (const uint32_t[]){ 1 }), 1);
		assert_int_equal(c.oldest->fp, oldest[i]);
		assert_int_equal(c.youngest->fp, youngest[i]);
	}
	assert_ptr_equal(c.oldest, c.youngest);
	assert_int_equal(take(&c, 4, (const uint32_t[]){ 1 }), 1);
	assert_null(c.oldest);
	claimants_add(&c, 9, 1, 5, BARE, 200);
	assert_int_equal(c.oldest->fp, 9);
	claimants_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claimants_of_an_account_come_in_their_order),
		cmocka_unit_test(claimants_are_found_by_age_whoever_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
