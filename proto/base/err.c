#include "proto/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[ERR_COUNT] = {
	[ERR_NONE] = "none",
	[ERR_NOT_FOUND] = "not-found",
	[ERR_EXISTS] = "exists",
	[ERR_INVALID] = "invalid",
	[ERR_LIMIT] = "limit",
	[ERR_DENIED] = "denied",
	[ERR_IO] = "io",
	[ERR_UNAVAILABLE] = "unavailable",
	[ERR_TIMEOUT] = "timeout",
	[ERR_CANCELLED] = "cancelled",
};

const char *err_name(enum err e)
{
	return (unsigned)e < ERR_COUNT ? names[e] : "unknown";
}

void bug_at(const char *file, int line, const char *func, const char *what)
{
	fprintf(stderr, "BUG at %s:%d in %s: %s\n", file, line, func, what);
	fflush(stderr);
	abort();
}

static void *must_have(void *p)
{
	if (__builtin_expect(!p, 0))
		BUG("out of memory");
	return p;
}

void *xmalloc(size_t n)
{
	return must_have(malloc(n ? n : 1));
}

void *xzalloc(size_t n)
{
	return must_have(calloc(1, n ? n : 1));
}

void *xrealloc(void *p, size_t n)
{
	return must_have(realloc(p, n ? n : 1));
}

char *xstrndup(const char *p, size_t n)
{
	char *copy = xmalloc(n + 1);
	memcpy(copy, p, n);
	copy[n] = 0;
	return copy;
}
