#include "proto/wire/unacked.h"

#include <stdlib.h>

/* ---- shares ---- */

struct unacked_share *unacked_share_new(void)
{
	struct unacked_share *s = xzalloc(sizeof *s);
	s->holders = 1;
	return s;
}

void unacked_share_unref(struct unacked_share *s)
{
	if (s && --s->holders == 0)
		free(s);
}

bool unacked_item_is_last(const struct unacked_item *i)
{
	return !i->kept && (!i->share || (!i->share->taken && i->share->holders == 1));
}

/* ---- the queue ---- */

static size_t item_bytes(const struct unacked_item *i)
{
	return sizeof *i + i->len;
}

void unacked_init(struct unacked *u)
{
	*u = (struct unacked){ 0 };
	u->end = &u->first;
}

void unacked_drop(struct unacked *u)
{
	for (struct unacked_item *i; (i = unacked_take(u));)
		unacked_item_free(i);
}

void unacked_begin_at(struct unacked *u, uint32_t sent)
{
	u->sent = sent;
	u->acked = sent;
}

struct unacked_item *unacked_add(struct unacked *u, enum stanza_kind kind, struct str bytes, int64_t at_ms, struct unacked_share *share)
{
	struct unacked_item *i = xmalloc(sizeof *i + bytes.len);
	*i = (struct unacked_item){ .share = share, .at_ms = at_ms, .len = (uint32_t)bytes.len, .kind = (uint8_t)kind };
	memcpy(i->bytes, bytes.p, bytes.len);
	if (share)
		share->holders++;
	*u->end = i;
	u->end = &i->next;
	u->n++;
	u->sent++;
	u->bytes += item_bytes(i);
	return i;
}

enum unacked_verdict unacked_ack(struct unacked *u, uint32_t h)
{
	if (h - u->acked > u->sent - u->acked)
		return (int32_t)(h - u->acked) < 0 ? UNACKED_OLD : UNACKED_TOO_HIGH;
	u->acked = h;
	while (u->n > u->sent - u->acked) {
		struct unacked_item *i = unacked_take(u);
		if (i->share)
			i->share->taken = true;
		unacked_item_free(i);
	}
	return UNACKED_FINE;
}

struct unacked_item *unacked_take(struct unacked *u)
{
	struct unacked_item *i = u->first;
	if (!i)
		return NULL;
	u->first = i->next;
	if (!u->first)
		u->end = &u->first;
	u->n--;
	u->bytes -= item_bytes(i);
	return i;
}

void unacked_item_free(struct unacked_item *i)
{
	unacked_share_unref(i->share);
	free(i);
}
