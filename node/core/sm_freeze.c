#include "node/core/sm_freeze.h"

#include "node/core/node.h"
#include "node/core/sm_private.h"

/* state := head item*; all numbers little endian, of the hosts that we run on. An item's bytes follow it. */
struct frozen {
	uint64_t max_ms;
	uint32_t handled, sent, acked;
	uint8_t resumable, given_up;
	char id[SM_ID_CHARS];
};
struct frozen_item {
	int64_t at_ms;
	uint32_t len;
	uint8_t kind, kept, spare[2];
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frozen states are written as they lie in memory");

void sm_freeze_add(const struct session *s, struct buf *out, bool whole)
{
	const struct sm_session *sm = s->sm;
	if (!sm)
		return;
	struct frozen f = { .max_ms = sm->max_ms, .handled = sm->handled, .sent = sm->queue.sent, .acked = sm->queue.acked,
			    .resumable = sm->resumable, .given_up = sm->given_up };
	memcpy(f.id, sm->id, SM_ID_CHARS);
	buf_add(out, &f, sizeof f);
	for (const struct unacked_item *i = whole ? sm->queue.first : NULL; i; i = i->next) {
		struct frozen_item item = { .at_ms = i->at_ms, .len = i->len, .kind = i->kind, .kept = i->kept };
		buf_add(out, &item, sizeof item);
		buf_add_str(out, unacked_item_str(i));
	}
}

static void thaw_items(struct sm_session *sm, struct str left)
{
	struct frozen_item item;
	while (left.len >= sizeof item) {
		memcpy(&item, left.p, sizeof item);
		if (item.len > left.len - sizeof item || item.kind > STANZA_IQ)
			return;
		struct str bytes = str_span(left.p + sizeof item, item.len);
		unacked_add(&sm->queue, item.kind, bytes, item.at_ms, NULL)->kept = item.kept;
		left = str_span(bytes.p + item.len, left.len - sizeof item - item.len);
	}
}

void sm_freeze_thaw(struct session *s, struct str state)
{
	struct frozen f;
	if (s->sm || state.len < sizeof f)
		return;
	memcpy(&f, state.p, sizeof f);
	struct sm_session *sm = sm_session_new(s);
	sm->max_ms = f.max_ms;
	sm->handled = f.handled;
	sm->resumable = f.resumable;
	sm->given_up = f.given_up;
	memcpy(sm->id, f.id, SM_ID_CHARS);
	thaw_items(sm, str_span(state.p + sizeof f, state.len - sizeof f));
	sm->queue.sent = f.sent;
	sm->queue.acked = f.acked;
	sm->asked = f.acked;
	count_at(s->nw, METRIC_MEMORY_BYTES, MEMORY_UNACKED, (int64_t)sm->queue.bytes);
}

void sm_freeze_recount(struct session *s, uint32_t handled, uint32_t sent)
{
	struct sm_session *sm = s->sm;
	if (!sm)
		return;
	sm->handled = handled;
	if (sm->queue.sent == sent)
		return;
	sm_session_drop_queue(sm); /* its end is missing: what is written to the client is all that is known */
	unacked_begin_at(&sm->queue, sent);
	sm->asked = sent;
}
