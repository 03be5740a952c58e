/*
 * Directed presence: RFC 6121 section 4.6. Who was told of a resource hears of its end, though he is no contact. Each session keeps whom
 * it told, but for contacts who will hear anyway: two bytes of length each, then the full text.
 */
#include <stdlib.h>

#include "node/mod/roster/roster.h"
#include "proto/rules/blocking.h"

#define HEAD 6 /* len, bare_len, local_len */

static void put16(char *p, size_t n)
{
	p[0] = (char)(n >> 8);
	p[1] = (char)n;
}

static uint16_t get16(const char *p)
{
	return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static bool next(const struct roster_directed *d, uint32_t *at, struct jid *out)
{
	if (*at >= d->used)
		return false;
	const char *p = d->p + *at;
	*out = (struct jid){ .text = p + HEAD, .len = get16(p), .bare_len = get16(p + 2), .local_len = get16(p + 4) };
	*at += HEAD + out->len;
	return true;
}

static bool find(const struct roster_directed *d, const struct jid *jid, uint32_t *begin)
{
	struct jid j;
	uint32_t at = 0;
	for (*begin = 0; next(d, &at, &j); *begin = at)
		if (jid_eq(&j, jid))
			return true;
	return false;
}

static void add(struct roster_directed *d, const struct jid *jid)
{
	d->p = xrealloc(d->p, d->used + HEAD + jid->len);
	char *p = d->p + d->used;
	put16(p, jid->len);
	put16(p + 2, jid->bare_len);
	put16(p + 4, jid->local_len);
	memcpy(p + HEAD, jid->text, jid->len);
	d->used += HEAD + jid->len;
	d->n++;
}

static void drop(struct roster_directed *d, const struct jid *jid)
{
	uint32_t at;
	if (!find(d, jid, &at))
		return;
	uint32_t bytes = HEAD + (uint32_t)jid->len;
	memmove(d->p + at, d->p + at + bytes, d->used - at - bytes);
	d->used -= bytes;
	if (--d->n == 0) {
		free(d->p);
		*d = (struct roster_directed){ 0 };
	}
}

/* Will he hear of the session's end as a contact, or as ourselves? */
static bool hears_anyway(struct session *s, const struct jid *to)
{
	struct roster_item item;
	return jid_bare_eq(to, &s->jid) || (roster_list_find(&roster_of(s->user)->list, jid_bare_str(to), &item) &&
					    subscription_has_from(roster_item_state(&item)));
}

int roster_directed_sent(struct session *s, struct stanza *st)
{
	struct roster_directed *d = &roster_session(s)->directed;
	uint32_t at;
	if (!jid_present(&st->to) || (st->type != TYPE_AVAILABLE && st->type != TYPE_UNAVAILABLE))
		return PASS;
	if (st->type == TYPE_UNAVAILABLE) {
		drop(d, &st->to);
	} else if (!find(d, &st->to, &at) && !(session_is_available(s) && hears_anyway(s, &st->to))) {
		if (d->n >= roster_limits(s->user->host)->directed)
			return -STANZA_RESOURCE_CONSTRAINT;
		add(d, &st->to);
	} else {
		return PASS;
	}
	session_changed(s);
	return PASS;
}

/* Their full texts, a NUL behind each. */
void roster_directed_freeze(struct session *s, struct buf *out)
{
	struct jid to;
	for (uint32_t at = 0; next(&roster_session(s)->directed, &at, &to);) {
		buf_add_str(out, jid_str(&to));
		buf_addc(out, '\0');
	}
}

void roster_directed_thaw(struct session *s, struct str state)
{
	struct roster_directed *d = &roster_session(s)->directed;
	struct arena *a = arena_new(1024);
	struct jid to;
	while (state.len && d->n < roster_limits(s->user->host)->directed)
		if (jid_parse(a, str_cut(&state, '\0'), &to) == ERR_NONE)
			add(d, &to);
	arena_free(a);
}

void roster_directed_forget(struct session *s)
{
	struct roster_directed *d = &roster_session(s)->directed;
	free(d->p);
	*d = (struct roster_directed){ 0 };
}

bool roster_directed_has(struct session *s, const struct jid *full)
{
	uint32_t at;
	struct jid bare = jid_bare(full);
	const struct roster_directed *d = &roster_session(s)->directed;
	return find(d, full, &at) || find(d, &bare, &at);
}

bool roster_directed_has_bare(struct user *u, const struct jid *who)
{
	struct jid j;
	for (struct session *s = u->sessions; s; s = s->next)
		for (uint32_t at = 0; next(&roster_session(s)->directed, &at, &j);)
			if (jid_bare_eq(&j, who))
				return true;
	return false;
}

void roster_directed_drop(struct session *s, const struct jid *to)
{
	drop(&roster_session(s)->directed, to);
}

void roster_directed_end(struct session *s, struct stanza *st, bool contacts_know)
{
	struct roster_directed d = roster_session(s)->directed;
	struct jid to;
	roster_session(s)->directed = (struct roster_directed){ 0 };
	for (uint32_t at = 0; next(&d, &at, &to);)
		if (!contacts_know || !hears_anyway(s, &to))
			router_route(s->nw, stanza_readdress(st, NULL, &to));
	free(d.p);
}

void roster_directed_hide(struct session *s, struct str item)
{
	struct roster_directed *d = &roster_session(s)->directed;
	struct jid to;
	for (uint32_t at = 0, before = 0; next(d, &at, &to); before = at) {
		if (!blocking_item_hits(item, &to))
			continue;
		struct arena *a = arena_new(512);
		struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_UNAVAILABLE);
		struct stanza *st = stanza_new(&a, root, &s->jid, &to);
		drop(d, &to);
		at = before;
		router_route(s->nw, st);
	}
}
