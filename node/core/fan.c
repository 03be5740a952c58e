#include "node/core/fan.h"

#include <stdlib.h>

#include "cluster/addressees.h"
#include "node/core/log.h"

#define BODY_MAX (FRAME_BODY_MAX / 2) /* a larger one goes alone: with the addresses it must fit into a frame */

struct fan {
	uint32_t epoch;
	unsigned worker;       /* of that node */
	uint64_t fp;           /* of the first recipient */
	uint8_t ttl;
	struct stanza *stanza; /* to the first; it keeps the body alive that the others have, too */
	struct buf others;     /* addressees */
	unsigned n_others;
};

struct fans {
	struct node_worker *nw;
	struct fan open[FANS_OPEN]; /* the oldest first */
	unsigned n;
	struct deferred flush;
};

/* ---- out ---- */

static void fan_fini(struct fan *f)
{
	stanza_unref(f->stanza);
	buf_fini(&f->others);
}

static void close_at(struct fans *fs, unsigned i)
{
	struct fan f = fs->open[i];
	struct frame_record r = fleet_record(f.n_others ? FLEET_FAN : FLEET_STANZA, f.fp, 0);
	memmove(&fs->open[i], &fs->open[i + 1], (--fs->n - i) * sizeof f);
	r.dst_sid = ways_passed(homes_ways(fs->nw->fleet->homes), 0);
	r.ttl = f.ttl;
	r.rule = (uint8_t)f.stanza->kind;
	r.to = buf_str(&f.others);
	fleet_put_stanza(fs->nw, f.epoch, &r, f.stanza);
	if (f.n_others)
		count(fs->nw, METRIC_FANS_TOTAL, 1);
	if (f.n_others)
		count(fs->nw, METRIC_FAN_RECIPIENTS_TOTAL, f.n_others + 1);
	fan_fini(&f);
}

static void close_all(struct fans *fs, uint32_t epoch)
{
	for (unsigned i = 0; i < fs->n;)
		if (!epoch || fs->open[i].epoch == epoch)
			close_at(fs, i);
		else
			i++;
}

void fan_close(struct node_worker *nw, uint32_t epoch)
{
	if (nw->fleet->fans->n)
		close_all(nw->fleet->fans, epoch);
}

static void on_flush(struct deferred *d)
{
	close_all((struct fans *)((char *)d - offsetof(struct fans, flush)), 0);
}

static bool is_same_body(const struct stanza *a, const struct stanza *b)
{
	return a->wire.p == b->wire.p;
}

/* The one that may take this recipient. What must not be overtaken by it is closed. */
static struct fan *find(struct fans *fs, uint32_t epoch, unsigned worker, uint8_t ttl, const struct stanza *st)
{
	struct fan *found = NULL;
	for (unsigned i = 0; i < fs->n;) {
		struct fan *f = &fs->open[i];
		bool same = is_same_body(f->stanza, st);
		if (f->epoch == epoch && !same && jid_bare_eq(&f->stanza->from, &st->from)) {
			close_at(fs, i);
			continue;
		}
		if (f->epoch == epoch && f->worker == worker && f->ttl == ttl && same)
			found = f; /* what is closed after it moves nothing that stands before it */
		i++;
	}
	return found;
}

static void open_one(struct fans *fs, struct fan f)
{
	if (fs->n == FANS_OPEN)
		close_at(fs, 0);
	buf_init(&f.others, ADDRESSEES_BYTES);
	fs->open[fs->n++] = f;
	worker_defer(fs->nw->worker, &fs->flush);
}

bool fan_add(struct node_worker *nw, const struct view_node *to, uint8_t ttl, struct stanza *st)
{
	struct fans *fs = nw->fleet->fans;
	if (!to || to->speaks < SPEAKS_FANS || !to->workers || !str_present(st->wire) || st->wire.len > BODY_MAX)
		return false;
	uint64_t fp = fleet_fp(nw, jid_bare_str(&st->to));
	unsigned worker = mesh_worker_of(fp, to->workers);
	struct fan *f = find(fs, to->epoch, worker, ttl, st);
	if (f && addressees_add(&f->others, f->n_others, jid_str(&st->to)) == ERR_NONE) {
		f->n_others++;
		return true;
	}
	if (f)
		close_at(fs, (unsigned)(f - fs->open));
	open_one(fs, (struct fan){ .epoch = to->epoch, .worker = worker, .fp = fp, .ttl = ttl, .stanza = stanza_ref(st) });
	return true;
}

/* ---- in ---- */

void fan_unfold(struct node_worker *nw, const struct frame_record *r,
		void (*each)(struct node_worker *nw, const struct frame_record *r, struct stanza *st))
{
	struct stanza *base = fleet_stanza(nw, r);
	struct str rest = r->to, text;
	if (!base)
		return;
	if (!jid_present(&base->to) || addressees_check(rest) != ERR_NONE) {
		LOG(LOG_ERROR, "fleet", "a node sent a stanza for many whose addresses are none");
		stanza_unref(base);
		return;
	}
	struct arena *a = arena_new(1024);
	struct jid to;
	stanza_written(base, r->xml);
	each(nw, r, stanza_ref(base));
	while (addressees_next(&rest, &text) == ERR_NONE) {
		if (jid_parse(a, text, &to) == ERR_NONE)
			each(nw, r, stanza_readdress(base, NULL, &to));
		else
			LOG(LOG_ERROR, "fleet", "a node sent a stanza to what is no address");
	}
	arena_free(a);
	stanza_unref(base);
}

/* ---- life ---- */

struct fans *fans_new(struct node_worker *nw)
{
	struct fans *fs = xzalloc(sizeof *fs);
	fs->nw = nw;
	fs->flush.fn = on_flush;
	return fs;
}

void fans_free(struct fans *fs)
{
	for (unsigned i = 0; i < fs->n; i++)
		fan_fini(&fs->open[i]);
	free(fs);
}
