#include "cluster/registry_script.h"

#include "cluster/frame.h"

/* The assembler reads the file; the Makefile knows that this file depends on it. */
__asm__(".section .rodata\n"
	"registry_lua_begin:\n"
	".incbin \"cluster/registry.lua\"\n"
	"registry_lua_end:\n"
	".byte 0\n"
	".previous\n");
extern const char registry_lua_begin[] __asm__("registry_lua_begin");
extern const char registry_lua_end[] __asm__("registry_lua_end");

static const char *const names[REGISTRY_VERB_COUNT] = {
	"join", "renew", "nodes", "state", "fence", "leave", "home-claim", "home-release", "bind", "update", "unbind", "purge",
	"place-claim", "place-renew", "place-release",
};

const char *registry_verb_name(enum registry_verb v)
{
	return v < REGISTRY_VERB_COUNT ? names[v] : "unknown";
}

unsigned registry_bucket(struct str key)
{
	return crc32c(key) % REGISTRY_BUCKETS;
}

unsigned registry_small_bucket(struct str key)
{
	return crc32c(key) / REGISTRY_BUCKETS % REGISTRY_SMALL_BUCKETS;
}

bool registry_prefix_is_sound(struct str prefix)
{
	for (size_t i = 0; i < prefix.len; i++) {
		char c = prefix.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && !str_chr(STR(".:_-"), c))
			return false;
	}
	return true;
}

/* Cuts *rest at the next line that begins with "-- @". */
static struct str cut_section(struct str *rest)
{
	struct str s = *rest;
	const char *at = memmem(s.p, s.len, "\n-- @", 5);
	if (!at) {
		*rest = STR_NONE;
		return s;
	}
	size_t len = (size_t)(at - s.p) + 1;
	*rest = str_span(s.p + len, s.len - len);
	return str_span(s.p, len);
}

struct str registry_script(struct arena *a, enum registry_verb v, struct str prefix)
{
	struct str rest = str_span(registry_lua_begin, (size_t)(registry_lua_end - registry_lua_begin));
	struct str shared = cut_section(&rest);
	BUG_ON(!registry_prefix_is_sound(prefix));
	while (str_present(rest)) {
		struct str section = cut_section(&rest), body = section;
		struct str head = str_cut(&body, '\n');
		head = str_span(head.p + 4, head.len - 4);
		if (str_is(str_cut(&head, ' '), names[v]))
			return arena_printf(a, "local P = '%.*s'\n%.*s%.*s", STR_ARG(prefix), STR_ARG(shared), STR_ARG(body));
	}
	BUG("a verb without its script");
}

static const struct str digits = STR_INIT("0123456789abcdefghijklmnopqrstuv");

void registry_number_write(uint64_t n, char out[REGISTRY_NUMBER])
{
	for (int i = REGISTRY_NUMBER - 1; i >= 0; i--) {
		out[i] = digits.p[n & 31];
		n >>= 5;
	}
}

bool registry_number_read(struct str s, uint64_t *out)
{
	uint64_t n = 0;
	if (s.len != REGISTRY_NUMBER || s.p[0] > 'f')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char *at = str_chr(digits, s.p[i]);
		if (!at)
			return false;
		n = n << 5 | (uint64_t)(at - digits.p);
	}
	*out = n;
	return true;
}
