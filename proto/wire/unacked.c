#include "proto/wire/unacked.h"

#include <endian.h>
#include <stdlib.h>

/* ---- shares ---- */

struct unacked_share *unacked_share_new(uint64_t name)
{
	struct unacked_share *s = xzalloc(sizeof *s);
	s->name = name;
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
	const struct unacked_share *s = i->share;
	return !i->kept && (!s || (!s->taken && !s->moved && s->holders == 1));
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

/* ---- as bytes ---- */

#define HEAD_BYTES  12
#define ITEM_BYTES  14
#define SHARE_BYTES 13

static void write_u32(struct buf *out, uint32_t n)
{
	n = htole32(n);
	buf_add(out, &n, sizeof n);
}

static uint32_t read_u32(const char *p)
{
	uint32_t n;
	memcpy(&n, p, sizeof n);
	return le32toh(n);
}

void unacked_write(const struct unacked *u, struct buf *out, bool whole)
{
	write_u32(out, u->sent);
	write_u32(out, u->acked);
	write_u32(out, whole ? u->n : 0);
	for (const struct unacked_item *i = whole ? u->first : NULL; i; i = i->next) {
		uint64_t at = htole64((uint64_t)i->at_ms);
		buf_add(out, &at, sizeof at);
		write_u32(out, i->len);
		buf_addc(out, (char)i->kind);
		buf_addc(out, i->kept);
		buf_add(out, i->bytes, i->len);
	}
}

/* Takes one item off *left. */
static bool read_item(struct unacked *u, struct str *left)
{
	uint64_t at;
	if (left->len < ITEM_BYTES)
		return false;
	memcpy(&at, left->p, sizeof at);
	uint32_t len = read_u32(left->p + 8);
	unsigned kind = (unsigned char)left->p[12], kept = (unsigned char)left->p[13];
	if (len > left->len - ITEM_BYTES || kind > STANZA_IQ || kept > 1)
		return false;
	struct str bytes = str_span(left->p + ITEM_BYTES, len);
	unacked_add(u, (enum stanza_kind)kind, bytes, (int64_t)le64toh(at), NULL)->kept = kept;
	*left = str_span(bytes.p + len, left->len - ITEM_BYTES - len);
	return true;
}

enum err unacked_read(struct unacked *u, struct str bytes)
{
	BUG_ON(u->n);
	if (bytes.len < HEAD_BYTES)
		return ERR_INVALID;
	uint32_t sent = read_u32(bytes.p), acked = read_u32(bytes.p + 4), n = read_u32(bytes.p + 8);
	struct str left = str_span(bytes.p + HEAD_BYTES, bytes.len - HEAD_BYTES);
	while (u->n < n && read_item(u, &left))
		;
	u->sent = sent;
	u->acked = acked;
	if (u->n == n && !left.len && n <= sent - acked && sent - acked <= INT32_MAX)
		return ERR_NONE;
	unacked_drop(u);
	return ERR_INVALID;
}

/* ---- shares as bytes ---- */

void unacked_write_shares(const struct unacked *u, struct buf *out)
{
	uint32_t place = 0;
	for (const struct unacked_item *i = u->first; i; i = i->next, place++) {
		if (!i->share)
			continue;
		uint64_t name = htole64(i->share->name);
		write_u32(out, place);
		buf_add(out, &name, sizeof name);
		buf_addc(out, i->share->taken);
	}
}

void unacked_leave(struct unacked *u)
{
	for (struct unacked_item *i = u->first; i; i = i->next)
		if (i->share)
			i->share->moved = true;
}

static void set_share(struct unacked_item *i, uint64_t name, bool taken)
{
	unacked_share_unref(i->share);
	i->share = unacked_share_new(name);
	i->share->taken = taken;
}

enum err unacked_read_shares(struct unacked *u, struct str bytes)
{
	struct unacked_item *i = u->first;
	uint32_t at = 0;
	for (; bytes.len >= SHARE_BYTES; bytes = str_span(bytes.p + SHARE_BYTES, bytes.len - SHARE_BYTES)) {
		uint32_t place = read_u32(bytes.p);
		uint64_t name;
		memcpy(&name, bytes.p + 4, sizeof name);
		while (i && at < place) {
			i = i->next;
			at++;
		}
		unsigned taken = (unsigned char)bytes.p[12];
		if (!i || at != place || taken > 1)
			return ERR_INVALID;
		set_share(i, le64toh(name), taken);
		i = i->next;
		at++;
	}
	return bytes.len ? ERR_INVALID : ERR_NONE;
}

static void adopt(struct unacked_item *i, struct unacked_share *s)
{
	s->taken |= i->share->taken;
	s->holders++;
	unacked_share_unref(i->share);
	i->share = s;
}

/* Names grow along a queue: one walk over both. */
void unacked_join(struct unacked *u, const struct unacked *other)
{
	const struct unacked_item *o = other->first;
	for (struct unacked_item *i = u->first; i; i = i->next) {
		if (!i->share || !i->share->name)
			continue;
		while (o && (!o->share || o->share->name < i->share->name))
			o = o->next;
		if (o && o->share->name == i->share->name && o->share != i->share)
			adopt(i, o->share);
	}
}
