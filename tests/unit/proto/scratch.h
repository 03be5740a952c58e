/* scratch.h: an arena and a buffer for each test of what is read from elements, or written as bytes. */
#ifndef TESTS_UNIT_PROTO_SCRATCH_H
#define TESTS_UNIT_PROTO_SCRATCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/base/arena.h"
#include "proto/base/buf.h"

static struct arena *a;
static struct buf out;

static inline int set_up(void **state)
{
	a = arena_new(0);
	buf_init(&out, 4096);
	return 0;
}

static inline int tear_down(void **state)
{
	arena_free(a);
	buf_fini(&out);
	return 0;
}

/* What was written, and is forgotten then. */
static inline void assert_out(const char *want)
{
	buf_addc(&out, '\0');
	assert_int_equal(buf_status(&out), ERR_NONE);
	assert_string_equal(out.p, want);
	buf_clear(&out);
}

#endif
