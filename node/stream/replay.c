#include "node/stream/replay.h"

#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/router.h"
#include "node/core/session.h"
#include "node/core/sm_session.h"

#define AGAIN_MS 16 /* when the session is held */

struct replay {
	struct c2s *stream;
	struct timer timer;
	struct buf records;
	size_t done;
	bool counted;
};

struct str replay_left(const struct c2s *c)
{
	const struct replay *p = c->replay;
	return p ? str_span(p->records.p + p->done, p->records.len - p->done) : STR_NONE;
}

void replay_drop(struct c2s *c)
{
	if (!c->replay)
		return;
	worker_timer_cancel(c->nw->worker, &c->replay->timer);
	buf_fini(&c->replay->records);
	free(c->replay);
	c->replay = NULL;
}

/* A session without stream management counts nothing; but a record before may have asked for it. */
static void say_again(struct c2s *c, const struct frame_record *r)
{
	struct stanza *st = r->rule == FLEET_UP_STANZA ? fleet_stanza(c->nw, r) : NULL;
	if (r->rule != FLEET_UP_WORD && !c->replay->counted)
		sm_session_took(c->session);
	if (st)
		router_sent(c->session, st);
	else if (r->rule == FLEET_UP_WORD)
		sm_stream_say_again(c, r->xml);
}

static void on_timer(struct timer *t)
{
	struct replay *p = (struct replay *)((char *)t - offsetof(struct replay, timer));
	struct c2s *c = p->stream;
	struct node_worker *nw = c->nw;
	uint64_t sid = c->session->sid;
	struct frame_record r;
	while (c->holds == 1) {
		struct str left = replay_left(c);
		if (frame_next_record(&left, &r) != ERR_NONE) {
			replay_drop(c);
			c2s_release(c);
			return;
		}
		p->done = p->records.len - left.len;
		say_again(c, &r);
		if (!session_find(nw, sid)) /* it has ended the stream, and this */
			return;
	}
	worker_timer_set(nw->worker, t, AGAIN_MS);
}

void replay_begin(struct c2s *c, struct buf *records, bool counted)
{
	struct replay *p = c->replay = xzalloc(sizeof *p);
	p->stream = c;
	p->records = *records;
	p->counted = counted;
	p->timer.on_timer = on_timer;
	buf_init(records, 0);
	worker_timer_set(c->nw->worker, &p->timer, 0);
}
