/*
 * unacked.h: the stanzas that a peer of a managed stream (XEP-0198) was sent and has not acknowledged, in order. Pure.
 *
 * Numbers count modulo 2^32 (section 4): `sent` stanzas in all, of which the peer has handled `acked`. What waits are the last `n` of those
 * that were sent: all behind `acked`, unless they were dropped (unacked_drop) or their place is known only (unacked_begin_at).
 *
 * Kept as the bytes that were written: a chat message is 200 to 400 of them, its tree 1,500 and more; and they can be written again, sent
 * to another node, and read back, as they are.
 *
 * A stanza that several resources of an account got is given back only by the last that loses it, and only if none acknowledged it
 * (struct unacked_share). That holds when they go to another node, too: what they share has a name, by which it is one thing there again
 * (unacked_join).
 *
 * Ceiling: the caller's, by `n` and `bytes`. One thread.
 */
#ifndef PROTO_WIRE_UNACKED_H
#define PROTO_WIRE_UNACKED_H

#include "proto/wire/stanza.h"

/* What several resources got at once. Counted. */
struct unacked_share {
	uint64_t name; /* the account's later ones have greater names; 0: none, it never leaves this node */
	unsigned holders;
	bool taken;    /* one has acknowledged it, or acknowledges nothing */
	bool moved;    /* one has gone to another node with it, and sees to it there */
};

/* One reference, yours. */
struct unacked_share *unacked_share_new(uint64_t name);
/* NULL is fine. */
void unacked_share_unref(struct unacked_share *s);

struct unacked_item {
	struct unacked_item *next;
	struct unacked_share *share; /* NULL: nobody else got it */
	int64_t at_ms;               /* wall clock: when it came */
	uint32_t len;
	uint8_t kind;                /* enum stanza_kind */
	bool kept;                   /* elsewhere as well: it need not be given back */
	char bytes[];
};

struct unacked {
	struct unacked_item *first, **end;
	uint32_t sent, acked, n;
	size_t bytes; /* of memory */
};

enum unacked_verdict {
	UNACKED_FINE,
	UNACKED_OLD,     /* less than was acknowledged before: nothing changes */
	UNACKED_TOO_HIGH /* more than was sent: nothing changes */
};

void unacked_init(struct unacked *u);
/* Frees what waits; empty and with the numbers as they are. */
void unacked_drop(struct unacked *u);
/* One was sent before, of which nothing is kept: as if it were all acknowledged. */
void unacked_begin_at(struct unacked *u, uint32_t sent);
/* One more is sent, and waits. `share` is referenced; NULL: nobody else gets it. */
struct unacked_item *unacked_add(struct unacked *u, enum stanza_kind kind, struct str bytes, int64_t at_ms, struct unacked_share *share);
/* One more is sent, and will not be kept. */
static inline void unacked_skip(struct unacked *u) { u->sent++; }
enum unacked_verdict unacked_ack(struct unacked *u, uint32_t h);
/* Is all that was sent and not acknowledged still here? */
static inline bool unacked_is_whole(const struct unacked *u) { return u->n == u->sent - u->acked; }
/* Was `number` acknowledged? */
static inline bool unacked_has_acked(const struct unacked *u, uint32_t number) { return (int32_t)(u->acked - number) >= 0; }
/* Appends the numbers, and with `whole` what waits, for another node: sent u32 | acked u32 | n u32 | item*, little endian;
 * item := when i64 | length u32 | kind u8 | kept u8 | bytes. */
void unacked_write(const struct unacked *u, struct buf *out, bool whole);
/* The same back, into an empty one. ERR_INVALID: it is none; u is empty then. */
MUST_CHECK enum err unacked_read(struct unacked *u, struct str bytes);
/* Appends which of those that wait are shared: (place in the queue u32 | name u64 | taken u8)*, little endian. */
void unacked_write_shares(const struct unacked *u, struct buf *out);
/* It goes to another node now: who stays gives none of it back. */
void unacked_leave(struct unacked *u);
/* The same into what unacked_read has read. ERR_INVALID: what it says from some place on was ignored. */
MUST_CHECK enum err unacked_read_shares(struct unacked *u, struct str bytes);
/* What u and another resource of the account share, by name, becomes one thing. */
void unacked_join(struct unacked *u, const struct unacked *other);
/* The oldest, off the queue, without a change of the numbers; yours: unacked_item_free. NULL: none. */
struct unacked_item *unacked_take(struct unacked *u);
void unacked_item_free(struct unacked_item *i);
static inline struct str unacked_item_str(const struct unacked_item *i) { return str_span(i->bytes, i->len); }
/* Would it be lost without this item? */
bool unacked_item_is_last(const struct unacked_item *i);

#endif
