#include "node/core/sm_freeze.h"

#include "node/core/log.h"
#include "node/core/node.h"
#include "node/core/sm_back.h"
#include "node/core/sm_private.h"

/* state := head queue (unacked.h), little endian, as it lies in memory. */
struct frozen {
	uint64_t max_ms;
	uint32_t handled;
	uint8_t resumable, given_up;
	char id[SM_ID_CHARS];
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(struct frozen) == 40, "frozen states are the same on all nodes");

void sm_freeze_add(const struct session *s, struct buf *out, bool whole)
{
	const struct sm_session *sm = s->sm;
	if (!sm)
		return;
	struct frozen f = { .max_ms = sm->max_ms, .handled = sm->handled, .resumable = sm->resumable, .given_up = sm->given_up };
	memcpy(f.id, sm->id, SM_ID_CHARS);
	buf_add(out, &f, sizeof f);
	unacked_write(&sm->queue, out, whole);
}

void sm_freeze_add_shares(const struct session *s, struct buf *out)
{
	if (s->sm)
		unacked_write_shares(&s->sm->queue, out);
}

void sm_freeze_leave(struct session *s)
{
	if (s->sm)
		unacked_leave(&s->sm->queue);
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
	if (unacked_read(&sm->queue, str_span(state.p + sizeof f, state.len - sizeof f)) != ERR_NONE)
		LOG(LOG_ERROR, "sm", "what waited for a client is broken, and lost", L_STR("jid", jid_str(&s->jid)));
	sm->asked = sm->queue.acked;
	count_at(s->nw, METRIC_MEMORY_BYTES, MEMORY_UNACKED, (int64_t)sm->queue.bytes);
}

void sm_freeze_thaw_shares(struct session *s, struct str shares)
{
	struct sm_session *sm = s->sm;
	if (!sm)
		return;
	if (unacked_read_shares(&sm->queue, shares) != ERR_NONE)
		LOG(LOG_ERROR, "sm", "what several clients were sent may be delivered twice", L_STR("jid", jid_str(&s->jid)));
	for (const struct session *other = s->user->sessions; other; other = other->next)
		if (other != s && other->sm)
			unacked_join(&sm->queue, &other->sm->queue);
}

void sm_freeze_give_back(struct user *u, struct str state)
{
	struct unacked left;
	struct unacked_item *i;
	unacked_init(&left);
	if (state.len < sizeof(struct frozen))
		return;
	if (unacked_read(&left, str_span(state.p + sizeof(struct frozen), state.len - sizeof(struct frozen))) != ERR_NONE)
		LOG(LOG_ERROR, "sm", "what waited for a client is broken, and lost", L_STR("jid", jid_str(&u->jid)));
	while ((i = unacked_take(&left))) {
		if (unacked_item_is_last(i))
			sm_back_give(u, i);
		unacked_item_free(i);
	}
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
