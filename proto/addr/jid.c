#include "proto/addr/jid.h"

#include "proto/addr/ascii.h"
#include "proto/addr/precis.h"

/* The three parts, raw or prepared; an absent one is not there. */
struct parts {
	struct str local, domain, resource;
};

/* RFC 7622 section 3.1: the resourcepart is all behind the first '/', the localpart all before the first '@' of the rest. An empty
 * part that a separator announces is present and empty: preparation refuses it. */
static void split(struct str s, struct parts *out)
{
	struct str head = s;
	*out = (struct parts){ .domain = s };
	const char *slash = s.len ? memchr(s.p, '/', s.len) : NULL;
	if (slash) {
		head.len = (size_t)(slash - s.p);
		out->resource = str_span(slash + 1, s.len - head.len - 1);
	}
	const char *at = head.len ? memchr(head.p, '@', head.len) : NULL;
	out->domain = head;
	if (at) {
		out->local = str_span(head.p, (size_t)(at - head.p));
		out->domain = str_span(at + 1, head.len - out->local.len - 1);
	}
}

static enum err prepare(struct arena *a, const struct parts *raw, struct parts *out)
{
	*out = (struct parts){ .domain = STR_NONE };
	if (precis_domain(a, raw->domain, &out->domain))
		return ERR_INVALID;
	if (str_present(raw->local)) {
		if (precis_username(a, raw->local, &out->local))
			return ERR_INVALID;
		/* RFC 7622 section 3.3.1, after preparation: width mapping makes such characters. */
		if (ascii_scan(out->local) & ASCII_NOT_LOCAL)
			return ERR_INVALID;
	}
	if (str_present(raw->resource) && precis_opaque(a, raw->resource, &out->resource))
		return ERR_INVALID;
	return ERR_NONE;
}

static size_t append(char *to, size_t len, struct str s)
{
	if (s.len)
		memcpy(to + len, s.p, s.len);
	return len + s.len;
}

static void measure(const struct parts *p, struct jid *out)
{
	size_t bare = p->local.len + (p->local.len ? 1 : 0) + p->domain.len;
	out->local_len = (uint16_t)p->local.len;
	out->bare_len = (uint16_t)bare;
	out->len = (uint16_t)(bare + (p->resource.len ? 1 + p->resource.len : 0));
}

static void join(struct arena *a, const struct parts *p, struct jid *out)
{
	measure(p, out);
	char *text = arena_alloc(a, out->len + 1u);
	size_t len = append(text, 0, p->local);
	if (p->local.len)
		text[len++] = '@';
	len = append(text, len, p->domain);
	if (p->resource.len)
		text[len++] = '/';
	len = append(text, len, p->resource);
	text[len] = '\0';
	out->text = text;
}

static bool is_same(struct str a, struct str b) { return a.p == b.p && a.len == b.len; }

enum err jid_parse(struct arena *a, struct str s, struct jid *out)
{
	struct parts raw, made;
	*out = (struct jid){ .text = NULL };
	split(s, &raw);
	if (prepare(a, &raw, &made))
		return ERR_INVALID;
	/* A domain that lost its trailing dot is still a prefix when nothing follows. */
	bool domain_same = made.domain.p == raw.domain.p && (made.domain.len == raw.domain.len || !made.resource.len);
	if (domain_same && is_same(made.local, raw.local) && is_same(made.resource, raw.resource)) {
		measure(&made, out);
		out->text = s.p;
		return ERR_NONE;
	}
	join(a, &made, out);
	return ERR_NONE;
}

enum err jid_make(struct arena *a, struct str local, struct str domain, struct str resource, struct jid *out)
{
	struct parts made, raw = {
		.local = local.len ? local : STR_NONE,
		.domain = domain,
		.resource = resource.len ? resource : STR_NONE,
	};
	*out = (struct jid){ .text = NULL };
	if (prepare(a, &raw, &made))
		return ERR_INVALID;
	join(a, &made, out);
	return ERR_NONE;
}

enum err jid_with_resource(struct arena *a, const struct jid *bare, struct str resource, struct jid *out)
{
	struct parts p = { .local = jid_local(bare), .domain = jid_domain(bare) };
	BUG_ON(!jid_present(bare));
	if (precis_opaque(a, resource, &p.resource)) {
		*out = (struct jid){ .text = NULL };
		return ERR_INVALID;
	}
	join(a, &p, out);
	return ERR_NONE;
}

struct jid jid_copy(struct arena *a, const struct jid *j)
{
	struct jid copy = *j;
	copy.text = arena_str(a, jid_str(j)).p;
	return copy;
}

struct jid jid_bare(const struct jid *j)
{
	struct jid bare = *j;
	bare.len = j->bare_len;
	return bare;
}

struct jid jid_host(const struct jid *j)
{
	struct str domain = jid_domain(j);
	return (struct jid){ .text = domain.p, .local_len = 0, .bare_len = (uint16_t)domain.len, .len = (uint16_t)domain.len };
}
