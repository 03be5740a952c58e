#include "cluster/homes.h"

#include <stdlib.h>

#include "cluster/claimants.h"
#include "cluster/tally.h"
#include "proto/base/map.h"

#define CLAIMS_MAX    10000  /* under way */
#define LINE_MAX      100000 /* that wait for those */
#define CLAIMANTS_MAX 10000
#define ASK_MS       2000  /* until the arbiter is asked again; its answer may wait for its store */
#define CLAIM_MS     15000
#define RETRY_MS     500   /* of a claim that the registry gave to somebody we do not see */
#define GRANT_MS     10000
#define SYNC_MS      10000
#define DIGEST_MS    30000
#define SWEEP_MS     60000

enum claim_step { WAITS, ASKS, REGISTERS, RETRIES };

struct claim {
	struct claim *next; /* that waits behind it */
	uint64_t fp, hlc;
	uint32_t arbiter;
	uint8_t step;
	bool granted;       /* by an arbiter on another node, which believes it ours */
	uint64_t again_ms, until_ms;
	char *bare;
	size_t len;
};

struct peer {
	uint32_t epoch;
	uint32_t ends, ends_due; /* of its homes; due 0: none heard yet */
};

struct homes {
	struct homes_out out;
	unsigned worker, n_workers;
	struct view *view;
	uint32_t self;
	struct routes routes;
	struct tallies tallies;
	size_t own;
	struct map claims;         /* the 8 bytes of a fingerprint -> struct claim */
	size_t n_under_way;
	struct claim *line, **line_end; /* those that wait until one under way ends */
	bool starting;
	struct claimants claimants;
	struct peer peers[VIEW_NODES_MAX];
	unsigned n_peers;
	bool synced, stale;        /* stale: entries of the dead are left */
	uint64_t since_ms, digest_ms, sweep_ms;
	uint64_t mismatches, conflicts, claims_total;
	struct ways ways;
};

static struct str claim_key(const uint64_t *fp)
{
	return str_span((const char *)fp, sizeof *fp);
}

static struct claim *claim_find(const struct homes *h, uint64_t fp)
{
	return map_get(&h->claims, claim_key(&fp));
}

static struct str claim_bare(const struct claim *c)
{
	return str_span(c->bare, c->len);
}

/* ---- what is known ---- */

static bool is_alive(const struct homes *h, uint32_t epoch)
{
	return epoch == h->self || (h->view && view_is_alive(h->view, epoch));
}

uint32_t homes_claimed(const struct homes *h, uint64_t fp)
{
	const struct route *e = routes_find(&h->routes, fp);
	return e && is_alive(h, e->epoch) ? e->epoch : 0;
}

static uint32_t place_of(const struct homes *h, uint64_t fp)
{
	uint32_t place = h->view ? view_place(h->view, fp) : 0;
	return place ? place : h->self;
}

uint32_t homes_where(const struct homes *h, uint64_t fp)
{
	uint32_t claimed = homes_claimed(h, fp);
	return claimed ? claimed : place_of(h, fp);
}

uint32_t homes_self(const struct homes *h)
{
	return h->self;
}

uint64_t homes_own_claim(const struct homes *h, uint64_t fp)
{
	const struct route *e = routes_find(&h->routes, fp);
	return e && e->epoch == h->self ? e->hlc : 0;
}

/* ---- the table: who owns how many, and their sums, are kept up ---- */

static void put(struct homes *h, uint64_t fp, uint32_t epoch, uint64_t hlc)
{
	const struct route *e = routes_find(&h->routes, fp);
	h->own -= e && e->epoch == h->self;
	h->own += epoch == h->self;
	if (e)
		tallies_del(&h->tallies, e);
	routes_put(&h->routes, fp, epoch, hlc);
	tallies_add(&h->tallies, routes_find(&h->routes, fp));
}

/* Somebody says so of a third. */
static void put_hearsay(struct homes *h, uint64_t fp, uint32_t epoch, uint64_t hlc)
{
	put(h, fp, epoch, hlc);
	routes_find(&h->routes, fp)->hearsay = 1;
}

static void del(struct homes *h, uint64_t fp)
{
	const struct route *e = routes_find(&h->routes, fp);
	if (!e)
		return;
	h->own -= e->epoch == h->self;
	tallies_del(&h->tallies, e);
	routes_del(&h->routes, fp);
}

static struct frame_record record(enum homes_kind kind, uint64_t fp, uint64_t hlc)
{
	return (struct frame_record){ .kind = (uint8_t)kind, .ttl = FRAME_TTL, .dst_fp = fp, .osm = hlc };
}

static void tell_all(struct homes *h, enum homes_kind kind, uint64_t fp, uint64_t hlc)
{
	struct frame_record r = record(kind, fp, hlc);
	h->out.broadcast(h->out.arg, &r);
}

static void tell(struct homes *h, uint32_t epoch, enum homes_kind kind, uint64_t fp, uint64_t hlc)
{
	struct frame_record r = record(kind, fp, hlc);
	h->out.send(h->out.arg, epoch, &r);
}

/* ---- claims: the claimant ---- */

static void claim_end(struct homes *h, struct claim *c, uint32_t epoch)
{
	h->n_under_way -= c->step != WAITS;
	map_del(&h->claims, claim_key(&c->fp));
	ways_settled(&h->ways, c->fp);
	h->out.settled(h->out.arg, claim_bare(c), c->fp, epoch);
	free(c->bare);
	free(c);
}

static void claim_won(struct homes *h, struct claim *c)
{
	put(h, c->fp, h->self, c->hlc);
	tell_all(h, HOMES_ADD, c->fp, c->hlc);
	claim_end(h, c, h->self);
}

/* It is somebody else's: an arbiter that believed it ours hears that it is not. */
static void claim_lost(struct homes *h, struct claim *c, uint32_t winner, uint64_t hlc)
{
	if (c->arbiter != h->self && c->arbiter != winner)
		tell(h, c->arbiter, HOMES_DEL, c->fp, 0);
	put_hearsay(h, c->fp, winner, hlc);
	struct frame_record r = record(HOMES_YOURS, c->fp, 0);
	r.to = claim_bare(c);
	h->out.send(h->out.arg, winner, &r);
	claim_end(h, c, winner);
}

static void claim_register(struct homes *h, struct claim *c)
{
	c->step = REGISTERS;
	h->out.claim(h->out.arg, claim_bare(c), c->fp, c->hlc);
}

static void claim_ask(struct homes *h, struct claim *c, uint64_t now_ms)
{
	c->arbiter = place_of(h, c->fp);
	c->step = ASKS;
	c->again_ms = now_ms + ASK_MS;
	if (c->arbiter == h->self) {
		claim_register(h, c);
		return;
	}
	struct frame_record r = record(HOMES_CLAIM, c->fp, c->hlc);
	r.to = claim_bare(c);
	r.dst_sid = h->self;
	h->out.send(h->out.arg, c->arbiter, &r);
}

/* Called from outside of what it calls, as an answer that comes at once would otherwise nest as deep as the line is long. */
static void line_moves(struct homes *h, uint64_t now_ms)
{
	if (h->starting)
		return;
	h->starting = true;
	while (h->line && h->n_under_way < CLAIMS_MAX) {
		struct claim *c = h->line;
		uint32_t claimed = homes_claimed(h, c->fp);
		h->line = c->next;
		if (!h->line)
			h->line_end = &h->line;
		if (claimed) { /* meanwhile */
			claim_end(h, c, claimed);
			continue;
		}
		h->n_under_way++;
		c->until_ms = now_ms + CLAIM_MS;
		claim_ask(h, c, now_ms);
	}
	h->starting = false;
}

uint32_t homes_want(struct homes *h, struct str bare, uint64_t fp, uint64_t hlc, uint64_t now_ms)
{
	uint32_t claimed = homes_claimed(h, fp);
	if (claimed || claim_find(h, fp))
		return claimed;
	struct claim *c = xzalloc(sizeof *c);
	*c = (struct claim){ .fp = fp, .hlc = hlc, .bare = xstrndup(bare.p, bare.len), .len = bare.len, .until_ms = UINT64_MAX };
	map_put(&h->claims, claim_key(&c->fp), c);
	h->claims_total++;
	if (map_count(&h->claims) > CLAIMS_MAX + LINE_MAX) {
		claim_end(h, c, 0);
		return 0;
	}
	*h->line_end = c;
	h->line_end = &c->next;
	line_moves(h, now_ms);
	return 0;
}

void homes_registered(struct homes *h, uint64_t fp, enum err err, uint32_t winner, uint64_t winner_hlc, uint64_t now_ms)
{
	struct claim *c = claim_find(h, fp);
	if (!c || c->step != REGISTERS)
		return;
	if (err != ERR_NONE || winner == h->self) {
		claim_won(h, c);
	} else if (is_alive(h, winner)) {
		claim_lost(h, c, winner, winner_hlc);
	} else { /* it will be seen, or be seen dead */
		c->step = RETRIES;
		c->again_ms = now_ms + RETRY_MS;
	}
	line_moves(h, now_ms);
	ways_run(&h->ways);
}

static void on_grant(struct homes *h, uint32_t from, const struct frame_record *r)
{
	struct claim *c = claim_find(h, r->dst_fp);
	uint32_t winner = (uint32_t)r->dst_sid;
	if (!c && winner == h->self && !homes_own_claim(h, r->dst_fp)) /* too late: nobody here wants it any more */
		tell(h, from, HOMES_DEL, r->dst_fp, 0);
	if (!c || c->step != ASKS)
		return;
	if (winner == h->self) {
		c->granted = true;
		claim_register(h, c);
	} else if (is_alive(h, winner))
		claim_lost(h, c, winner, r->osm);
	/* else the arbiter's view is older: it is asked again */
}

/* ---- claims: the arbiter ---- */

static void grant(struct homes *h, uint32_t claimant, struct str bare, uint64_t fp, uint64_t hlc)
{
	uint32_t home = homes_claimed(h, fp);
	const struct claim *ours = claim_find(h, fp);
	if (!home && ours && ours->step != WAITS) /* we want it ourselves: whoever gets it, we shall know */
		home = h->self;
	if (!home) {
		put_hearsay(h, fp, claimant, hlc);
		home = claimant;
	}
	struct frame_record r = record(HOMES_GRANT, fp, hlc);
	const struct route *e = routes_find(&h->routes, fp);
	if (e && e->epoch == home)
		r.osm = e->hlc;
	r.to = bare;
	r.dst_sid = home;
	h->out.send(h->out.arg, claimant, &r);
}

static void on_claim(struct homes *h, const struct frame_record *r, uint64_t now_ms)
{
	uint32_t claimant = (uint32_t)r->dst_sid, place = place_of(h, r->dst_fp);
	if (claimant == h->self) { /* the arbiter believes that by now it is we: whom we never grant anything */
		struct claim *c = claim_find(h, r->dst_fp);
		if (c && c->step == ASKS && place == h->self)
			claim_ask(h, c, now_ms);
		return;
	}
	if (!is_alive(h, claimant) || claimants_has(&h->claimants, r->dst_fp, claimant))
		return;
	if (!homes_claimed(h, r->dst_fp) && place != h->self && r->ttl > 1) {
		struct frame_record on = *r;
		on.ttl--;
		h->out.send(h->out.arg, place, &on);
		return;
	}
	bool busy = ways_has(&h->ways, r->dst_fp) || h->out.is_busy(h->out.arg, r->to, r->dst_fp);
	busy &= !homes_claimed(h, r->dst_fp);
	if (busy && h->claimants.n < CLAIMANTS_MAX)
		claimants_add(&h->claimants, r->dst_fp, claimant, r->osm, r->to, now_ms + GRANT_MS);
	else
		grant(h, claimant, r->to, r->dst_fp, r->osm);
}

/* The first is granted it, and the others hear so. */
static void grant_waiting(struct homes *h, uint64_t fp)
{
	for (struct claimant *w = claimants_take(&h->claimants, fp), *next; w; w = next) {
		next = w->next;
		if (is_alive(h, w->epoch))
			grant(h, w->epoch, str_span(w->bare, w->len), fp, w->hlc);
		free(w);
	}
}

static void grant_overdue(struct homes *h, uint64_t now_ms)
{
	while (h->claimants.oldest && h->claimants.oldest->until_ms <= now_ms)
		grant_waiting(h, h->claimants.oldest->fp);
}

void homes_ended(struct homes *h, struct str bare, uint64_t fp)
{
	const struct route *e = routes_find(&h->routes, fp);
	if (e && e->epoch == h->self) {
		del(h, fp);
		tell_all(h, HOMES_DEL, fp, 0);
		h->out.release(h->out.arg, bare);
	}
	if (!ways_has(&h->ways, fp))
		grant_waiting(h, fp);
}

/* ---- what others claim ---- */

static bool is_older(uint64_t hlc, uint32_t epoch, const struct route *than)
{
	return hlc != than->hlc ? hlc < than->hlc : epoch < than->epoch;
}

static void on_add(struct homes *h, uint32_t from, uint64_t fp, uint64_t hlc)
{
	if (!is_alive(h, from))
		return;
	const struct route *e = routes_find(&h->routes, fp);
	bool theirs = !e || e->epoch == from || e->hearsay || !is_alive(h, e->epoch) || is_older(hlc, from, e);
	if (!e || e->epoch != h->self) {
		if (theirs)
			put(h, fp, from, hlc);
		return;
	}
	h->conflicts++;
	if (!theirs) {
		tell(h, from, HOMES_ADD, fp, e->hlc);
		return;
	}
	tell_all(h, HOMES_DEL, fp, 0); /* to whom our claim is still under way it would look alive */
	put(h, fp, from, hlc);
	h->out.moved(h->out.arg, fp, from);
}

static void on_del(struct homes *h, uint32_t from, uint64_t fp)
{
	const struct route *e = routes_find(&h->routes, fp);
	if (e && e->epoch == from && from != h->self)
		del(h, fp);
}

static void on_yours(struct homes *h, uint32_t from, const struct frame_record *r)
{
	uint64_t hlc = homes_own_claim(h, r->dst_fp);
	tell(h, from, hlc ? HOMES_ADD : HOMES_DEL, r->dst_fp, hlc);
	if (!hlc && !claim_find(h, r->dst_fp))
		h->out.release(h->out.arg, r->to);
}

/* ---- newcomers hear all; digests find what was missed ---- */

static struct peer *peer_find(struct homes *h, uint32_t epoch)
{
	for (unsigned i = 0; i < h->n_peers; i++)
		if (h->peers[i].epoch == epoch)
			return &h->peers[i];
	return NULL;
}

static unsigned workers_of(const struct homes *h, uint32_t epoch)
{
	const struct view_node *n = h->view ? view_find(h->view, epoch) : NULL;
	return n && n->workers ? n->workers : 1;
}

/* Those of ours that the peer's worker `theirs` (of `of`) owns; of == 0: all. */
static void send_own(struct homes *h, uint32_t epoch, unsigned theirs, unsigned of)
{
	size_t i = 0;
	for (const struct route *e; (e = routes_next(&h->routes, &i));)
		if (e->epoch == h->self && (!of || e->fp % of == theirs))
			tell(h, epoch, HOMES_ADD, e->fp, e->hlc);
}

static void greet(struct homes *h, uint32_t epoch)
{
	struct frame_record end = record(HOMES_END, 0, 0);
	end.oseq = h->n_workers;
	send_own(h, epoch, 0, 0);
	h->out.send(h->out.arg, epoch, &end);
}

/* A fingerprint that leads to that worker and is not 0, which would lead to all. */
static uint64_t fp_for(unsigned worker, unsigned of)
{
	return (uint64_t)worker + of;
}

static uint64_t part_id(unsigned part, unsigned of)
{
	return (uint64_t)part << 32 | of;
}

static void send_digests(struct homes *h)
{
	for (unsigned i = 0; i < h->n_peers; i++) {
		unsigned of = workers_of(h, h->peers[i].epoch);
		for (unsigned j = 0; j < of && of <= TALLY_PARTS_MAX; j++) {
			struct frame_record r = record(HOMES_DIGEST, fp_for(j, of), 0);
			struct tally_part p = tallies_part(&h->tallies, &h->routes, h->self, j, of);
			r.osm = p.sum;
			r.oseq = p.n;
			r.dst_sid = part_id(h->worker, h->n_workers);
			h->out.send(h->out.arg, h->peers[i].epoch, &r);
		}
	}
}

static void on_digest(struct homes *h, uint32_t from, const struct frame_record *r)
{
	unsigned part = (unsigned)(r->dst_sid >> 32), of = (uint32_t)r->dst_sid;
	const struct peer *p = peer_find(h, from);
	if (part >= of || of > TALLY_PARTS_MAX || !p || !p->ends_due || p->ends < p->ends_due)
		return;
	struct tally_part ours = tallies_part(&h->tallies, &h->routes, from, part, of);
	if (ours.sum == r->osm && ours.n == r->oseq)
		return;
	h->mismatches++;
	struct frame_record ask = record(HOMES_ASK, fp_for(part, of), 0);
	ask.dst_sid = part_id(h->worker, h->n_workers);
	h->out.send(h->out.arg, from, &ask);
}

static void on_ask(struct homes *h, uint32_t from, const struct frame_record *r)
{
	unsigned theirs = (unsigned)(r->dst_sid >> 32), of = (uint32_t)r->dst_sid;
	if (!of || theirs >= of)
		return;
	struct frame_record reset = record(HOMES_RESET, fp_for(theirs, of), 0);
	reset.dst_sid = part_id(h->worker, h->n_workers);
	h->out.send(h->out.arg, from, &reset);
	tallies_drop(&h->tallies, h->self); /* if they should be what is wrong */
	send_own(h, from, theirs, of);
}

struct part {
	uint32_t epoch;
	unsigned part, of;
};

static bool is_of_part(const struct route *e, void *arg)
{
	const struct part *p = arg;
	return e->epoch == p->epoch && e->fp % p->of == p->part;
}

static void on_reset(struct homes *h, uint32_t from, const struct frame_record *r)
{
	struct part p = { .epoch = from, .part = (unsigned)(r->dst_sid >> 32), .of = (uint32_t)r->dst_sid };
	if (p.of && from != h->self)
		routes_sweep(&h->routes, is_of_part, &p);
	tallies_drop(&h->tallies, from);
}

static void look_synced(struct homes *h, uint64_t now_ms)
{
	if (h->synced || !h->self)
		return;
	for (unsigned i = 0; i < h->n_peers; i++)
		if ((!h->peers[i].ends_due || h->peers[i].ends < h->peers[i].ends_due) && now_ms - h->since_ms < SYNC_MS)
			return;
	h->synced = true;
	h->out.synced(h->out.arg);
}

static void on_end(struct homes *h, uint32_t from, const struct frame_record *r)
{
	struct peer *p = peer_find(h, from);
	if (p && r->oseq) {
		p->ends_due = r->oseq;
		p->ends++;
	}
}

void homes_record(struct homes *h, uint32_t from, const struct frame_record *r, uint64_t now_ms)
{
	switch ((enum homes_kind)r->kind) {
	case HOMES_CLAIM:
		on_claim(h, r, now_ms);
		break;
	case HOMES_GRANT:
		on_grant(h, from, r);
		line_moves(h, now_ms);
		break;
	case HOMES_ADD:
		on_add(h, from, r->dst_fp, r->osm);
		break;
	case HOMES_DEL:
		on_del(h, from, r->dst_fp);
		break;
	case HOMES_END:
		on_end(h, from, r);
		look_synced(h, now_ms);
		break;
	case HOMES_DIGEST:
		on_digest(h, from, r);
		break;
	case HOMES_ASK:
		on_ask(h, from, r);
		break;
	case HOMES_RESET:
		on_reset(h, from, r);
		break;
	case HOMES_YOURS:
		on_yours(h, from, r);
		break;
	case HOMES_ECHO:
	case HOMES_ECHOED:
		ways_record(&h->ways, r, now_ms);
		break;
	default: /* of a version that speaks more: the link's handshake keeps those away */
		break;
	}
	ways_run(&h->ways);
}

/* ---- the view ---- */

static bool is_of_others(const struct route *e, void *arg)
{
	return e->epoch != ((struct homes *)arg)->self;
}

/* We are another incarnation now: what was ours is, and everybody is told anew. So are we: of what others gave up meanwhile we know
 * nothing, and one entry that is no more would keep out the one that is. */
static void take_name(struct homes *h, uint32_t self, uint64_t now_ms)
{
	size_t i = 0;
	for (const struct route *e; h->self && (e = routes_next(&h->routes, &i));)
		if (e->epoch == h->self)
			((struct route *)e)->epoch = self;
	h->self = self;
	routes_sweep(&h->routes, is_of_others, h);
	tallies_fini(&h->tallies);
	h->n_peers = 0;
	h->synced = false;
	h->since_ms = now_ms;
}

static void forget_gone(struct homes *h)
{
	unsigned n = 0;
	for (unsigned i = 0; i < h->n_peers; i++) {
		if (view_is_alive(h->view, h->peers[i].epoch)) {
			h->peers[n++] = h->peers[i];
			continue;
		}
		tallies_drop(&h->tallies, h->peers[i].epoch);
		h->stale = true;
	}
	h->n_peers = n;
}

/* Sums of what we and the peer have are kept up from now on: counting what is there takes longest when it is much. */
static void count_with(struct homes *h, uint32_t epoch)
{
	unsigned of = workers_of(h, epoch);
	if (of > TALLY_PARTS_MAX)
		return;
	(void)tallies_part(&h->tallies, &h->routes, h->self, 0, of);
	(void)tallies_part(&h->tallies, &h->routes, epoch, 0, of);
}

static void meet_new(struct homes *h)
{
	for (unsigned i = 0; i < h->view->n; i++) {
		uint32_t epoch = h->view->nodes[i].epoch;
		if (epoch == h->self || !view_is_alive(h->view, epoch) || peer_find(h, epoch) || h->n_peers == VIEW_NODES_MAX)
			continue;
		h->peers[h->n_peers++] = (struct peer){ .epoch = epoch };
		count_with(h, epoch);
		greet(h, epoch);
	}
}

/* Collected first: asking may settle a claim, which changes the map. */
static void each_claim(struct homes *h, bool (*wanted)(const struct homes *h, const struct claim *c, uint64_t now_ms),
		       void (*act)(struct homes *h, struct claim *c, uint64_t now_ms), uint64_t now_ms)
{
	size_t n = 0, cap = map_count(&h->claims);
	if (!cap)
		return;
	struct claim **due = xmalloc(cap * sizeof *due);
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&h->claims, &i, &key, &value);)
		if (wanted(h, value, now_ms))
			due[n++] = value;
	for (size_t i = 0; i < n; i++)
		act(h, due[i], now_ms);
	free(due);
}

static bool asks_one_who_is_not(const struct homes *h, const struct claim *c, uint64_t now_ms)
{
	return c->step == ASKS && place_of(h, c->fp) != c->arbiter && (!is_alive(h, c->arbiter) || c->again_ms <= now_ms);
}

void homes_view(struct homes *h, struct view *v, uint64_t now_ms)
{
	struct view *before = h->view;
	h->view = view_ref(v);
	view_unref(before);
	if (v->self && v->self != h->self)
		take_name(h, v->self, now_ms);
	forget_gone(h);
	if (h->self)
		meet_new(h);
	ways_view(&h->ways, v);
	each_claim(h, asks_one_who_is_not, claim_ask, now_ms);
	look_synced(h, now_ms);
	ways_run(&h->ways);
}

/* ---- time ---- */

static bool is_due(const struct homes *h, const struct claim *c, uint64_t now_ms)
{
	return c->step != WAITS && (c->until_ms <= now_ms || (c->step != REGISTERS && c->again_ms <= now_ms));
}

static void claim_again(struct homes *h, struct claim *c, uint64_t now_ms)
{
	uint32_t claimed = homes_claimed(h, c->fp);
	if (c->until_ms <= now_ms)
		claim_end(h, c, claimed);
	else
		claim_ask(h, c, now_ms);
}

static bool is_of_the_dead(const struct route *e, void *arg)
{
	return !is_alive(arg, e->epoch);
}

void homes_tick(struct homes *h, uint64_t now_ms)
{
	each_claim(h, is_due, claim_again, now_ms);
	line_moves(h, now_ms);
	grant_overdue(h, now_ms);
	look_synced(h, now_ms);
	if (now_ms - h->digest_ms >= DIGEST_MS) {
		h->digest_ms = now_ms;
		send_digests(h);
	}
	if (h->stale && now_ms - h->sweep_ms >= SWEEP_MS) {
		h->sweep_ms = now_ms;
		h->stale = false;
		routes_sweep(&h->routes, is_of_the_dead, h);
	}
	ways_tick(&h->ways, now_ms);
}

/* ---- rule 8 ---- */

static uint32_t on_where(void *arg, uint64_t fp)
{
	return homes_where(arg, fp);
}

/* Its place sends it to us, and we would send it back. */
static bool on_is_unsettled(void *arg, uint64_t fp)
{
	const struct homes *h = arg;
	const struct claim *c = map_count(&h->claims) ? claim_find(h, fp) : NULL;
	return c && c->granted && !homes_is_here(h, fp);
}

/* What waited has gone, which may have begun something here. */
static void on_emptied(void *arg, uint64_t fp)
{
	struct homes *h = arg;
	const struct claimant *w = claimants_find(&h->claimants, fp);
	if (w && !h->out.is_busy(h->out.arg, str_span(w->bare, w->len), fp))
		grant_waiting(h, fp);
}

struct ways *homes_ways(struct homes *h)
{
	return &h->ways;
}

/* ---- life ---- */

struct homes *homes_new(const struct homes_out *out, unsigned worker, unsigned n_workers, uint64_t now_ms)
{
	struct homes *h = xzalloc(sizeof *h);
	*h = (struct homes){ .out = *out, .worker = worker, .n_workers = n_workers };
	h->since_ms = h->sweep_ms = h->digest_ms = now_ms;
	map_init(&h->claims, (const uint64_t[2]){ 0, 0 }); /* its keys are hashes under a secret already */
	claimants_init(&h->claimants);
	routes_init(&h->routes);
	h->line_end = &h->line;
	ways_init(&h->ways, &(struct ways_out){ .place = h, .where = on_where, .is_unsettled = on_is_unsettled,
						.emptied = on_emptied, .arg = out->arg,
						.send = out->send, .go = out->go, .drop = out->drop, .echo = HOMES_ECHO,
						.echoed = HOMES_ECHOED, .ttl = FRAME_TTL, .speaks = WAYS_PROTOCOL });
	return h;
}

void homes_free(struct homes *h)
{
	struct str key;
	void *value;
	if (!h)
		return;
	for (size_t i = 0; map_next(&h->claims, &i, &key, &value);) {
		free(((struct claim *)value)->bare);
		free(value);
	}
	map_fini(&h->claims);
	ways_fini(&h->ways);
	claimants_fini(&h->claimants);
	tallies_fini(&h->tallies);
	routes_fini(&h->routes);
	view_unref(h->view);
	free(h);
}

void homes_stats(const struct homes *h, struct homes_stats *out)
{
	*out = (struct homes_stats){
		.entries = h->routes.n,
		.own = h->own,
		.claims = h->n_under_way,
		.waiting = map_count(&h->claims) - h->n_under_way + h->claimants.n,
		.bytes = h->routes.cap * sizeof(struct route),
		.digest_mismatches = h->mismatches,
		.conflicts = h->conflicts,
		.claims_total = h->claims_total,
	};
	ways_stats(&h->ways, &out->ways);
}
