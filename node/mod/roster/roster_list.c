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

static void drop(struct roster_list *l, struct str bare)
{
	uint32_t at;
	struct head h;
	if (!find(l, bare, &at, &h))
		return;
	tally(l, &h, -1);
	memmove(l->p + at, l->p + at + h.bytes, l->used - at - h.bytes);
	l->used -= h.bytes;
}

static char *add(char *end, const void *p, size_t n)
{
	if (n)
		memcpy(end, p, n);
	return end + n;
}

/* In place of the one with this jid, from which the texts may be borrowed. */
static void replace(struct roster_list *l, const struct roster_item *item, bool keep)
{
	struct head h = { .bytes = (uint32_t)(roster_list_bytes(item) + item->tie_groups.len), .jid_len = item->jid.bare_len,
			  .local_len = item->jid.local_len, .name_len = (uint16_t)item->name.len, .groups_len = (uint16_t)item->groups.len,
			  .tie_groups_len = (uint16_t)item->tie_groups.len, .state = (uint8_t)item->side.state,
			  .approved = item->side.approved, .listed = item->listed, .tie_to = item->tie_to, .tie_from = item->tie_from,
			  .fresh = item->tie_fresh };
	BUG_ON(item->name.len > UINT16_MAX || item->groups.len > ROSTER_GROUPS_BYTES_MAX || item->tie_groups.len > UINT16_MAX);
	char *bytes = xmalloc(h.bytes), *end = add(bytes, &h, sizeof h);
	struct str bare = str_span(end, h.jid_len);
	end = add(end, item->jid.text, h.jid_len);
	end = add(end, item->name.p, h.name_len);
	end = add(end, item->groups.p, h.groups_len);
	add(end, item->tie_groups.p, h.tie_groups_len);
	drop(l, bare);
	if (keep) {
		BUG_ON(l->n == UINT16_MAX || l->used + h.bytes > UINT32_MAX / 2);
		if (l->used + h.bytes > l->cap) {
			l->cap = l->used + h.bytes + (l->cap ? l->used / 2 : 0);
			l->p = xrealloc(l->p, l->cap);
		}
		memcpy(l->p + l->used, bytes, h.bytes);
		l->used += h.bytes;
		tally(l, &h, 1);
	}
	free(bytes);
}

static void put(struct roster_list *l, const struct roster_item *item, bool keep)
{
	struct roster_item both = *item, before = { 0 };
	roster_list_find(l, jid_bare_str(&item->jid), &before);
	both.tie_to = before.tie_to;
	both.tie_from = before.tie_from;
	both.tie_fresh = before.tie_fresh;
	both.tie_groups = before.tie_groups;
	replace(l, &both, keep || both.tie_to || both.tie_from);
}

void roster_list_put(struct roster_list *l, const struct roster_item *item)
{
	put(l, item, true);
}

void roster_list_del(struct roster_list *l, struct str bare)
{
	struct roster_item item;
	if (roster_list_find(l, bare, &item))
		put(l, &(struct roster_item){ .jid = item.jid, .name = STR(""), .groups = STR("") }, false);
}

void roster_list_tie(struct roster_list *l, const struct tie *t, bool fresh)
{
	struct roster_item item = { .jid = t->jid, .name = STR(""), .groups = STR("") };
	bool keep = t->to || t->from;
	if (roster_list_find(l, jid_bare_str(&t->jid), &item))
		keep |= item.listed || item.side.approved || item.side.state != SUBSCRIPTION_NONE;
	item.tie_to = t->to;
	item.tie_from = t->from;
	item.tie_groups = t->to ? t->groups : STR("");
	item.tie_fresh = fresh && t->from;
	replace(l, &item, keep);
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
