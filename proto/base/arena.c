/*
 * A list of chunks, newest first; allocation moves a pointer in the newest. The arena itself lies in its first chunk, so that the common
 * short-lived arena is one malloc and one free. Under AddressSanitizer every allocation is followed by a poisoned gap.
 */
#include "proto/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/err.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define GAP              8
#define POISON(p, n)     __asan_poison_memory_region(p, n)
#define UNPOISON(p, n)   __asan_unpoison_memory_region(p, n)
#else
#define GAP              0
#define POISON(p, n)     ((void)0)
#define UNPOISON(p, n)   ((void)0)
#endif

#define FIRST_BYTES 1024
#define CHUNK_MAX   (64 * 1024)

struct chunk {
	struct chunk *older;
};
struct cleanup {
	struct cleanup *older;
	void (*fn)(void *arg);
	void *arg;
};
struct arena {
	struct chunk *newest;
	char *p, *end;
	struct cleanup *cleanups;
	size_t bytes;
	size_t chunk_bytes; /* of the next chunk: doubles up to CHUNK_MAX */
};

static size_t align8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

struct arena *arena_new(size_t first_bytes)
{
	size_t head = sizeof(struct chunk) + sizeof(struct arena);
	size_t n = align8(first_bytes ? first_bytes : FIRST_BYTES);
	BUG_ON(n < first_bytes || n > SIZE_MAX / 2);
	if (n < head + 64)
		n = head + 64;
	struct chunk *c = xmalloc(n);
	struct arena *a = (struct arena *)(c + 1);
	c->older = NULL;
	*a = (struct arena){ .newest = c, .p = (char *)(a + 1), .end = (char *)c + n, .bytes = n, .chunk_bytes = n };
	POISON(a->p, (size_t)(a->end - a->p));
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->cleanups) {
		struct cleanup *c = a->cleanups;
		a->cleanups = c->older;
		c->fn(c->arg);
	}
	for (struct chunk *c = a->newest, *older; c; c = older) { /* the oldest, which holds `a`, goes last */
		older = c->older;
		free(c);
	}
}

static struct chunk *chunk_add(struct arena *a, size_t n)
{
	struct chunk *c = xmalloc(n);
	a->bytes += n;
	POISON(c + 1, n - sizeof(*c));
	return c;
}

static void *alloc_slow(struct arena *a, size_t n)
{
	size_t need = n + sizeof(struct chunk);
	if (n > CHUNK_MAX / 4) {
		/* A big one gets a chunk of its own, slipped in behind the newest, whose rest stays in use. */
		struct chunk *c = chunk_add(a, need);
		c->older = a->newest->older;
		a->newest->older = c;
		return c + 1;
	}
	if (a->chunk_bytes < CHUNK_MAX)
		a->chunk_bytes = a->chunk_bytes * 2 < CHUNK_MAX ? a->chunk_bytes * 2 : CHUNK_MAX;
	size_t size = need > a->chunk_bytes ? need : a->chunk_bytes;
	struct chunk *c = chunk_add(a, size);
	c->older = a->newest;
	a->newest = c;
	a->p = (char *)(c + 1) + n;
	a->end = (char *)c + size;
	return c + 1;
}

void *arena_alloc(struct arena *a, size_t n)
{
	BUG_ON(n > SIZE_MAX / 2);
	size_t take = align8(n) + GAP;
	void *p;
	if (__builtin_expect(take <= (size_t)(a->end - a->p), 1)) {
		p = a->p;
		a->p += take;
	} else {
		p = alloc_slow(a, take);
	}
	UNPOISON(p, n);
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *arena_strz(struct arena *a, struct str s)
{
	if (!s.p)
		return NULL;
	char *p = arena_alloc(a, s.len + 1);
	memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

struct str arena_str(struct arena *a, struct str s)
{
	return str_span(arena_strz(a, s), s.len);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	BUG_ON(n < 0);
	char *p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return str_span(p, (size_t)n);
}

void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct cleanup *c = arena_alloc(a, sizeof(*c));
	*c = (struct cleanup){ a->cleanups, fn, arg };
	a->cleanups = c;
}

size_t arena_bytes(const struct arena *a)
{
	return a->bytes;
}
