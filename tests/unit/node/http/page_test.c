#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/http/page.h"

static unsigned times(const char *word)
{
	unsigned n = 0;
	for (const char *at = page_text().p; (at = strstr(at, word)); at++)
		n++;
	return n;
}

static void page_has_one_script_and_one_style_for_its_policy(void **state)
{
	(void)state;
	assert_int_equal(times("<script"), 1);
	assert_int_equal(times("<script>"), 1);
	assert_int_equal(times("<style"), 1);
	assert_int_equal(times("<style>"), 1);
	assert_int_equal(times("style=\""), 0);
	assert_int_equal(times("onclick="), 0);
}

/* It must work where there is no other machine. */
static void page_names_no_other_place(void **state)
{
	(void)state;
	assert_int_equal(times("https:"), 0);
	assert_int_equal(times("http:"), times("http://www.w3.org/2000/svg"));
	assert_int_equal(times("src="), 0);
}

static void page_policy_allows_by_hash_only(void **state)
{
	struct buf policy;
	(void)state;
	buf_init(&policy, 1024);
	page_policy(&policy);
	buf_addc(&policy, '\0');
	assert_non_null(strstr(policy.p, "default-src 'none'"));
	assert_non_null(strstr(policy.p, "script-src 'sha256-"));
	assert_non_null(strstr(policy.p, "style-src 'sha256-"));
	assert_null(strstr(policy.p, "unsafe"));
	buf_fini(&policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_has_one_script_and_one_style_for_its_policy),
		cmocka_unit_test(page_names_no_other_place),
		cmocka_unit_test(page_policy_allows_by_hash_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
