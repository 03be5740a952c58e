/*
 * err.h: the two ways in which code below the protocol fails.
 *
 * A *bug* is ours: BUG_ON stays on in release builds, prints where and what, and aborts.
 * A *fault* is the world's: a full buffer, an absent row, a refused connection. It is an `enum err`, and callers must look at it.
 * The third way, a protocol *refusal*, is in errors.h.
 */
#ifndef PROTO_BASE_ERR_H
#define PROTO_BASE_ERR_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
	ERR_NONE = 0,
	ERR_NOT_FOUND,   /* no such thing */
	ERR_EXISTS,      /* it is there already */
	ERR_INVALID,     /* the input is not of the form it should have */
	ERR_LIMIT,       /* a ceiling was hit */
	ERR_DENIED,      /* not allowed */
	ERR_IO,          /* disk or network */
	ERR_UNAVAILABLE, /* the service behind this is down or not ready */
	ERR_TIMEOUT,
	ERR_CANCELLED,   /* the asker went away, or we are stopping */
	ERR_COUNT
};

/* A short lower-case name for logs: "not-found". Never NULL. */
const char *err_name(enum err e);

/* Prints the message with its place to stderr and aborts. */
void bug_at(const char *file, int line, const char *func, const char *what) __attribute__((noreturn));
#define BUG(what) bug_at(__FILE__, __LINE__, __func__, what)
#define BUG_ON(cond)                              \
	do {                                      \
		if (__builtin_expect(!!(cond), 0)) \
			BUG(#cond);               \
	} while (0)

/* Memory that cannot fail: out of memory aborts here, in one place. `n` is never chosen by input without a ceiling. */
void *xmalloc(size_t n) __attribute__((returns_nonnull, malloc));
void *xzalloc(size_t n) __attribute__((returns_nonnull, malloc));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
/* A NUL-terminated copy; free it. */
char *xstrndup(const char *p, size_t n) __attribute__((returns_nonnull, malloc));

#endif
