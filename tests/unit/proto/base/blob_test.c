#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "proto/base/blob.h"

static void blob_new_copies_the_bytes(void **state)
{
	char src[] = "hello";
	struct blob *b = blob_new(str_span(src, 5));
	src[0] = 'X';
	assert_true(str_is(blob_str(b), "hello"));
	blob_unref(b);
	b = blob_new(STR_NONE);
	assert_int_equal(blob_str(b).len, 0);
	assert_true(str_present(blob_str(b)));
	blob_unref(b);
}

static void blob_lives_until_its_last_unref(void **state)
{
	struct blob *b = blob_new(STR("x"));
	assert_ptr_equal(blob_ref(b), b);
	blob_unref(b);
	assert_true(str_is(blob_str(b), "x"));
	blob_unref(b);
	blob_unref(NULL);
	assert_false(str_present(blob_str(NULL)));
}

static void a_blob_written_in_place_takes_the_bufs_memory(void **state)
{
	struct buf buf;
	buf_init(&buf, 4096);
	for (size_t n = 0; n < 3000; n += 977) { /* with and without much room to spare */
		blob_begin(&buf);
		for (size_t i = 0; i < n; i++)
			buf_addc(&buf, (char)i);
		struct blob *b = blob_end(&buf);
		assert_int_equal(buf.len, 0);
		assert_null(buf.p);
		assert_int_equal(blob_str(b).len, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(blob_str(b).p[i], (char)i);
		blob_unref(blob_ref(b));
		blob_unref(b);
	}
	buf_fini(&buf);
}

static void *churn(void *arg)
{
	for (int i = 0; i < 20000; i++)
		blob_unref(blob_ref(arg));
	blob_unref(arg);
	return NULL;
}

static void blob_counts_across_threads(void **state)
{
	struct blob *b = blob_new(STR("shared"));
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, churn, blob_ref(b));
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&b->refs), 1);
	blob_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blob_new_copies_the_bytes),
		cmocka_unit_test(blob_lives_until_its_last_unref),
		cmocka_unit_test(a_blob_written_in_place_takes_the_bufs_memory),
		cmocka_unit_test(blob_counts_across_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
