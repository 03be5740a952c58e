#include "node/stream/jam.h"

#include <stdlib.h>

#include "node/core/brake.h"
#include "node/core/log.h"
#include "node/stream/edge.h"

#define SENDERS_MAX 1024
#define FEW         64 /* senders, each of whom may add: */
#define FILL_BYTES  8192
#define STEP_BYTES  32768

struct filler {
	struct sender who;
	size_t bytes;
	bool waits;
};

struct jam {
	struct c2s *stream;
	struct timer pace;
	uint64_t out_at;   /* conn->bytes_out when the pace was last looked at */
	size_t next_below; /* the next goes on when less is unsent */
	unsigned n, room, waiting;
	bool given_up, late; /* late: its ceiling was raised, */
	bool no_later;       /* and lowered again, as all together had too much */
	size_t late_bytes;   /* that wait above the ceiling that it had before */
	struct filler *of;   /* in the order in which they came */
};

static size_t mark_of(const struct c2s *c)
{
	return c->nw->node->settings.out_mark;
}

static size_t low_of(const struct c2s *c)
{
	return mark_of(c) / 4 * 3;
}

/* ---- the ceiling ---- */

static void raise_ceiling(struct jam *j)
{
	struct c2s *c = j->stream;
	if (j->late)
		return;
	j->late = true;
	conn_out(c->conn)->max = c->nw->node->settings.out_max + c->nw->node->settings.late_max;
}

/* What waits already stays; nothing more fits until less than the ceiling is unsent. */
static void lower_ceiling(struct jam *j)
{
	struct c2s *c = j->stream;
	if (!j->late)
		return;
	struct buf *out = conn_out(c->conn);
	size_t max = c->nw->node->settings.out_max;
	out->max = max > out->len ? max : out->len;
}

static void note_late(struct jam *j)
{
	struct node_worker *nw = j->stream->nw;
	size_t unsent = conn_unsent(j->stream->conn), max = nw->node->settings.out_max;
	size_t late = j->late && unsent > max ? unsent - max : 0;
	count(nw, METRIC_LATE_BYTES, (int64_t)late - (int64_t)j->late_bytes);
	nw->late_bytes += late - j->late_bytes;
	j->late_bytes = late;
}

/* All streams together have taken what they may: this one takes no more, and ends. */
static void look_at_late(struct jam *j)
{
	struct node_worker *nw = j->stream->nw;
	note_late(j);
	if (!j->late_bytes || j->no_later || nw->late_bytes <= nw->node->settings.late_all / nw->node->n_workers)
		return;
	j->no_later = true;
	count_limit(nw, LIMIT_LATE_BYTES);
	lower_ceiling(j);
}

/* ---- who is refused ---- */

static void choke(struct jam *j, bool on)
{
	struct c2s *c = j->stream;
	if (c->outlet.choked == on)
		return;
	c->outlet.choked = on;
	if (on)
		count_limit(c->nw, LIMIT_CHOKED);
	if (c->edge)
		edge_choked(c->edge);
}

/* It has most of what it may have, or all together have of what they may; the rest is for what cannot be refused, and what is under way. */
static bool is_nearly_full(const struct jam *j)
{
	const struct node_worker *nw = j->stream->nw;
	const struct settings *set = &nw->node->settings;
	bool all = nw->late_bytes > set->late_all / nw->node->n_workers / 4 * 3;
	return j->late_bytes && (all || j->late_bytes > set->late_max / 4 * 3);
}

/* ---- who waits ---- */

static void remove_filler(struct jam *j, unsigned i)
{
	struct filler *f = &j->of[i];
	j->waiting -= f->waits;
	if (f->waits)
		brake_off(j->stream->nw, &f->who);
	j->n--;
	memmove(f, f + 1, (j->n - i) * sizeof *f);
}

void jam_forget(struct c2s *c)
{
	struct jam *j = c->jam;
	if (!j)
		return;
	while (j->n)
		remove_filler(j, j->n - 1);
	choke(j, false);
	lower_ceiling(j);
	j->late = false;
	note_late(j);
	worker_timer_cancel(c->nw->worker, &j->pace);
	free(j->of);
	free(j);
	c->jam = NULL;
}

/* ---- the pace ---- */

static void on_pace(struct timer *t)
{
	struct jam *j = (struct jam *)((char *)t - offsetof(struct jam, pace));
	struct c2s *c = j->stream;
	if (c->conn->bytes_out != j->out_at) {
		j->out_at = c->conn->bytes_out;
		worker_timer_set(c->nw->worker, t, c->nw->node->settings.unsent_wait_ms);
		return;
	}
	LOG(LOG_INFO, "c2s", "a client does not read: nobody waits for it any more", L_UINT("stream", c->number),
	    L_UINT("unsent", conn_unsent(c->conn)));
	j->given_up = true;
	choke(j, false); /* what comes now ends it */
	lower_ceiling(j);
	while (j->n)
		remove_filler(j, j->n - 1);
}

/* ---- filling ---- */

static struct jam *jam_new(struct c2s *c)
{
	struct jam *j = c->jam = xzalloc(sizeof *j);
	j->stream = c;
	j->pace.on_timer = on_pace;
	return j;
}

static bool is_same(const struct sender *a, const struct sender *b)
{
	return a->sid == b->sid && a->worker == b->worker && a->epoch == b->epoch;
}

/* NULL: there are too many. */
static struct filler *filler_of(struct jam *j, const struct sender *who)
{
	for (unsigned i = 0; i < j->n; i++)
		if (is_same(&j->of[i].who, who))
			return &j->of[i];
	if (j->n == SENDERS_MAX)
		return NULL;
	if (j->n == j->room) {
		j->room = j->room ? 2 * j->room : 8;
		j->of = xrealloc(j->of, j->room * sizeof *j->of);
	}
	j->of[j->n] = (struct filler){ .who = *who };
	return &j->of[j->n++];
}

/* Of many each little would be too much. */
static size_t may_fill(const struct jam *j)
{
	return j->n > FEW ? 0 : FILL_BYTES;
}

void jam_fill(struct c2s *c, size_t bytes)
{
	const struct sender *who = &c->nw->sender;
	struct jam *j = c->jam ? c->jam : who->sid ? jam_new(c) : NULL;
	if (!j)
		return;
	j->next_below = low_of(c);
	if (who->sid && !j->given_up)
		raise_ceiling(j);
	look_at_late(j);
	if (!j->given_up && is_nearly_full(j))
		choke(j, true);
	struct filler *f = who->sid && !j->given_up ? filler_of(j, who) : NULL;
	if (!f)
		return;
	f->bytes += bytes;
	if (f->waits || f->bytes < may_fill(j))
		return;
	f->waits = true;
	brake_on_at_once(c->nw, who);
	count_limit(c->nw, LIMIT_SLOW_READER);
	if (j->waiting++)
		return;
	j->out_at = c->conn->bytes_out;
	worker_timer_set(c->nw->worker, &j->pace, c->nw->node->settings.unsent_wait_ms);
}

/* ---- draining ---- */

static void let_one_go(struct jam *j)
{
	unsigned i = 0;
	while (!j->of[i].waits)
		i++;
	remove_filler(j, i);
}

void jam_written(struct c2s *c)
{
	struct jam *j = c->jam;
	size_t unsent = conn_unsent(c->conn);
	note_late(j);
	if (!j->late_bytes)
		choke(j, false);
	while (j->waiting && (!unsent || unsent < j->next_below)) {
		let_one_go(j);
		j->next_below = j->next_below > STEP_BYTES ? j->next_below - STEP_BYTES : 0;
	}
	if (!j->waiting && unsent < low_of(c))
		jam_forget(c);
}
