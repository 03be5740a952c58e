#include "node/mod/roster/roster_list.h"

#include <stdlib.h>

struct head {
	uint32_t bytes; /* of all, this included */
	uint16_t jid_len, local_len, name_len, groups_len;
	uint8_t state;
	bool approved, listed;
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
	const char *p = l->p + at + sizeof *h;
	*out = (struct roster_item){
		.jid = { .text = p, .local_len = h->local_len, .bare_len = h->jid_len, .len = h->jid_len },
		.side = { (enum subscription)h->state, h->approved },
		.listed = h->listed,
		.name = str_span(p + h->jid_len, h->name_len),
		.groups = str_span(p + h->jid_len + h->name_len, h->groups_len),
	};
}

static void tally(struct roster_list *l, const struct head *h, int n)
{
	l->n = (uint16_t)(l->n + n);
	l->n_listed = (uint16_t)(l->n_listed + n * h->listed);
	l->n_pending = (uint16_t)(l->n_pending + n * subscription_is_pending_in((enum subscription)h->state));
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

void roster_list_del(struct roster_list *l, struct str bare)
{
	uint32_t at;
	struct head h;
	if (!find(l, bare, &at, &h))
		return;
	tally(l, &h, -1);
	memmove(l->p + at, l->p + at + h.bytes, l->used - at - h.bytes);
	l->used -= h.bytes;
}

static void add(struct roster_list *l, const void *p, size_t n)
{
	if (n)
		memcpy(l->p + l->used, p, n);
	l->used += (uint32_t)n;
}

void roster_list_put(struct roster_list *l, const struct roster_item *item)
{
	size_t bytes = roster_list_bytes(item);
	struct head h = { .bytes = (uint32_t)bytes, .jid_len = item->jid.bare_len, .local_len = item->jid.local_len,
			  .name_len = (uint16_t)item->name.len, .groups_len = (uint16_t)item->groups.len,
			  .state = (uint8_t)item->side.state, .approved = item->side.approved, .listed = item->listed };
	BUG_ON(item->name.len > UINT16_MAX || item->groups.len > ROSTER_GROUPS_BYTES_MAX);
	roster_list_del(l, jid_bare_str(&item->jid));
	BUG_ON(l->n == UINT16_MAX || l->used + bytes > UINT32_MAX / 2);
	if (l->used + bytes > l->cap) {
		l->cap = (uint32_t)(l->used + bytes + (l->cap ? l->used / 2 : 0));
		l->p = xrealloc(l->p, l->cap);
	}
	add(l, &h, sizeof h);
	add(l, item->jid.text, h.jid_len);
	add(l, item->name.p, h.name_len);
	add(l, item->groups.p, h.groups_len);
	tally(l, &h, 1);
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
