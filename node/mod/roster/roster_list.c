#include "node/mod/roster/roster_list.h"

#include <stdlib.h>

struct head {
	uint32_t bytes; /* of all, this included */
	uint16_t jid_len, local_len, name_len, groups_len, tie_groups_len;
	uint8_t state;
	bool approved : 1, listed : 1, tie_to : 1, tie_from : 1, fresh : 1;
};

size_t roster_list_bytes(const struct roster_item *item)
{
	return sizeof(struct head) + item->jid.bare_len + item->name.len + item->groups.len;
}

/* Heads are not aligned. */
static struct head head_at(const struct roster_list *l, uint32_t at)
{
	struct head h;
	memcpy(&h, l->p + at, sizeof h);
	return h;
}

static void item_of(const struct roster_list *l, uint32_t at, const struct head *h, struct roster_item *out)
{
	const char *p = l->p + at + sizeof *h, *groups = p + h->jid_len + h->name_len;
	*out = (struct roster_item){
		.jid = { .text = p, .local_len = h->local_len, .bare_len = h->jid_len, .len = h->jid_len },
		.side = { (enum subscription)h->state, h->approved },
		.listed = h->listed,
		.name = str_span(p + h->jid_len, h->name_len),
		.groups = str_span(groups, h->groups_len),
		.tie_to = h->tie_to,
		.tie_from = h->tie_from,
		.tie_fresh = h->fresh,
		.tie_groups = str_span(groups + h->groups_len, h->tie_groups_len),
	};
}

static bool is_own(const struct head *h)
{
	return h->listed || h->approved || h->state != SUBSCRIPTION_NONE;
}

static bool is_tied(const struct head *h)
{
	return h->tie_to || h->tie_from;
}

static void tally(struct roster_list *l, const struct head *h, int n)
{
	l->n = (uint16_t)(l->n + n);
	l->n_listed = (uint16_t)(l->n_listed + n * h->listed);
	l->n_pending = (uint16_t)(l->n_pending + n * subscription_is_pending_in((enum subscription)h->state));
	l->n_tied = (uint16_t)(l->n_tied + n * is_tied(h));
	l->n_fresh = (uint16_t)(l->n_fresh + n * h->fresh);
	l->tied += (uint32_t)n * (!is_tied(h) ? 0 : is_own(h) ? h->tie_groups_len : h->bytes);
}

static bool find(const struct roster_list *l, struct str bare, uint32_t *at, struct head *h)
{
	for (*at = 0; *at < l->used; *at += h->bytes) {
		*h = head_at(l, *at);
		if (h->jid_len == bare.len && memcmp(l->p + *at + sizeof *h, bare.p, bare.len) == 0)
			return true;
	}
	return false;
}

bool roster_list_find(const struct roster_list *l, struct str bare, struct roster_item *out)
{
	uint32_t at;
	struct head h;
	if (!find(l, bare, &at, &h))
		return false;
	item_of(l, at, &h, out);
	return true;
}

bool roster_list_next(const struct roster_list *l, uint32_t *at, struct roster_item *out)
{
	if (*at >= l->used)
		return false;
	struct head h = head_at(l, *at);
	item_of(l, *at, &h, out);
	*at += h.bytes;
	return true;
}

static char *add(char *end, const void *p, size_t n)
{
	if (n)
		memcpy(end, p, n);
	return end + n;
}

static void write_item(char *to, const struct head *h, const struct roster_item *item)
{
	char *end = add(to, h, sizeof *h);
	end = add(end, item->jid.text, h->jid_len);
	end = add(end, item->name.p, h->name_len);
	end = add(end, item->groups.p, h->groups_len);
	add(end, item->tie_groups.p, h->tie_groups_len);
}

static struct head head_of(const struct roster_item *item)
{
	BUG_ON(item->name.len > UINT16_MAX || item->groups.len > ROSTER_GROUPS_BYTES_MAX || item->tie_groups.len > UINT16_MAX);
	return (struct head){ .bytes = (uint32_t)(roster_list_bytes(item) + item->tie_groups.len), .jid_len = item->jid.bare_len,
			      .local_len = item->jid.local_len, .name_len = (uint16_t)item->name.len,
			      .groups_len = (uint16_t)item->groups.len, .tie_groups_len = (uint16_t)item->tie_groups.len,
			      .state = (uint8_t)item->side.state, .approved = item->side.approved, .listed = item->listed,
			      .tie_to = item->tie_to, .tie_from = item->tie_from, .fresh = item->tie_fresh };
}

void roster_list_append(struct roster_list *l, const struct roster_item *item)
{
	struct head h = head_of(item);
	BUG_ON(l->n == UINT16_MAX || l->used + h.bytes > UINT32_MAX / 2);
	if (l->used + h.bytes > l->cap) {
		l->cap = l->used + h.bytes + (l->cap ? l->used / 2 : 0);
		l->p = xrealloc(l->p, l->cap);
	}
	write_item(l->p + l->used, &h, item);
	l->used += h.bytes;
	tally(l, &h, 1);
}

/* What is at `at` goes, and `item`, which may borrow from it, comes in its place unless it is NULL. */
static void replace(struct roster_list *l, uint32_t at, const struct roster_item *item)
{
	struct head old = head_at(l, at), h = item ? head_of(item) : (struct head){ 0 };
	char *bytes = xmalloc(h.bytes + 1u);
	if (item)
		write_item(bytes, &h, item);
	tally(l, &old, -1);
	memmove(l->p + at, l->p + at + old.bytes, l->used - at - old.bytes);
	l->used -= old.bytes;
	struct roster_item copy;
	if (item) {
		struct roster_list one = { .p = bytes, .used = h.bytes };
		item_of(&one, 0, &h, &copy);
		roster_list_append(l, &copy);
	}
	free(bytes);
}

void roster_list_put(struct roster_list *l, const struct roster_item *item)
{
	uint32_t at;
	struct head h;
	struct roster_item both = *item, before = { 0 };
	bool is_there = find(l, jid_bare_str(&item->jid), &at, &h);
	if (is_there)
		item_of(l, at, &h, &before);
	both.tie_to = before.tie_to;
	both.tie_from = before.tie_from;
	both.tie_fresh = before.tie_fresh;
	both.tie_groups = before.tie_groups;
	if (is_there)
		replace(l, at, &both);
	else
		roster_list_append(l, &both);
}

void roster_list_del(struct roster_list *l, struct str bare)
{
	uint32_t at;
	struct head h;
	struct roster_item item;
	if (!find(l, bare, &at, &h))
		return;
	item_of(l, at, &h, &item);
	item.side = (struct subscription_side){ SUBSCRIPTION_NONE, false };
	item.listed = false;
	item.name = item.groups = STR("");
	replace(l, at, is_tied(&h) ? &item : NULL);
}

void roster_list_tie(struct roster_list *l, const struct tie *t, bool fresh)
{
	uint32_t at;
	struct head h;
	struct roster_item item = { .jid = t->jid, .name = STR(""), .groups = STR("") };
	bool is_there = find(l, jid_bare_str(&t->jid), &at, &h), stays = t->to || t->from;
	if (is_there)
		item_of(l, at, &h, &item);
	item.tie_to = t->to;
	item.tie_from = t->from;
	item.tie_groups = t->to ? t->groups : STR("");
	item.tie_fresh = fresh && t->from;
	if (is_there)
		replace(l, at, stays || is_own(&h) ? &item : NULL);
	else if (stays)
		roster_list_append(l, &item);
}

void roster_list_trim(struct roster_list *l)
{
	if (l->cap == l->used)
		return;
	if (l->used == 0) {
		roster_list_fini(l);
		return;
	}
	l->p = xrealloc(l->p, l->used);
	l->cap = l->used;
}

void roster_list_fini(struct roster_list *l)
{
	free(l->p);
	*l = (struct roster_list){ 0 };
}
