#include "proto/rules/blocking.h"

#include <stdlib.h>

/* Where it is, or belongs. */
static size_t place_of(const struct blocking *b, struct str jid, bool *found)
{
	size_t low = 0, high = b->n;
	*found = false;
	while (low < high && !*found) {
		size_t mid = low + (high - low) / 2;
		int order = str_cmp(str_of(b->items[mid]), jid);
		*found = order == 0;
		if (*found || order > 0)
			high = mid;
		else
			low = mid + 1;
	}
	return high;
}

void blocking_fini(struct blocking *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->items[i]);
	free(b->items);
	*b = (struct blocking){ 0 };
}

bool blocking_add(struct blocking *b, struct str jid)
{
	bool found;
	size_t at = place_of(b, jid, &found);
	if (found)
		return false;
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 4;
		b->items = xrealloc(b->items, b->cap * sizeof *b->items);
	}
	memmove(b->items + at + 1, b->items + at, (b->n - at) * sizeof *b->items);
	b->items[at] = xstrndup(jid.p, jid.len);
	b->n++;
	return true;
}

bool blocking_remove(struct blocking *b, struct str jid)
{
	bool found;
	size_t at = place_of(b, jid, &found);
	if (!found)
		return false;
	free(b->items[at]);
	b->n--;
	memmove(b->items + at, b->items + at + 1, (b->n - at) * sizeof *b->items);
	return true;
}

bool blocking_has(const struct blocking *b, struct str jid)
{
	bool found;
	place_of(b, jid, &found);
	return found;
}

bool blocking_hits(const struct blocking *b, const struct jid *who)
{
	return b->n && (blocking_has(b, jid_str(who)) || blocking_has(b, jid_bare_str(who)) || blocking_has(b, jid_domain(who)));
}

bool blocking_item_hits(struct str item, const struct jid *who)
{
	return str_eq(item, jid_str(who)) || str_eq(item, jid_bare_str(who)) || str_eq(item, jid_domain(who));
}

bool blocking_stands_between(const struct blocking *b, const struct jid *user, const struct jid *other)
{
	bool own = jid_bare_eq(user, other) || str_eq(jid_domain(user), jid_str(other));
	return b->n && !own && blocking_hits(b, other);
}
