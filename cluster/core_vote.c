#include "cluster/core_state.h"

#include <stdlib.h>

/*
 * Who may declare whom dead. Everybody tells in PING whom it suspects; who counts enough votes acts.
 *
 *   the registry answers    its lease is gone, and more than half of the others that hold one suspect it: FENCE
 *                           or more than half of all members found nobody at its address: FENCE with votes, which the registry counts
 *   nobody has a registry   more than half of all members, itself among them, have not heard it for a lease, or found nobody: dead;
 *                           the registry is told when it is back
 *
 * Two halves of a split can thus never both win without the registry, and with it the one that reaches it wins.
 */

#define FENCE_RETRY_MS 500

static uint64_t silence(const struct core *c, const struct core_peer *p)
{
	return c->now - p->heard_ms;
}

uint8_t core_vote_of(const struct core *c, const struct core_peer *p)
{
	uint8_t flags = 0;
	if (p->suspect || p->stuck)
		flags |= SAYS_SUSPECT;
	if ((p->refused || p->usurped) && silence(c, p) > 2 * (uint64_t)c->o.ping_ms)
		flags |= SAYS_REFUSED;
	if (silence(c, p) > c->o.lease_ms)
		flags |= SAYS_GONE;
	return flags;
}

void core_refused(struct core *c, struct core_peer *p)
{
	p->refused_at[0] = p->refused_at[1];
	p->refused_at[1] = p->refused_at[2];
	p->refused_at[2] = c->now;
	if (p->refused_at[0] && c->now - p->refused_at[0] <= 1000)
		p->refused = true;
}

static void suspect(struct core *c)
{
	for (unsigned i = 0; i < c->n_slots; i++) {
		struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p))
			continue;
		if (!p->suspect && silence(c, p) > c->o.suspect_ms) {
			p->suspect = true;
			core_peer_believe(c, p);
		}
		uint8_t vote = core_vote_of(c, p);
		if (vote != p->voted)
			c->ping_now = true;
		p->voted = vote;
	}
}

struct count {
	unsigned members, leased, others_leased; /* all with the candidate but the last */
	unsigned suspects, refused, gone;
	bool others_ask;                         /* somebody that we hear has a registry */
};

static void count_one(struct count *n, uint8_t flags)
{
	n->suspects += (flags & SAYS_SUSPECT) != 0;
	n->refused += (flags & SAYS_REFUSED) != 0;
	n->gone += (flags & SAYS_GONE) != 0;
}

static struct count count_votes(const struct core *c, const struct core_peer *p)
{
	struct count n = { .members = 1, .leased = 1, .others_leased = 1 };
	count_one(&n, core_vote_of(c, p));
	for (unsigned i = 0; i < c->n_slots; i++) {
		const struct core_peer *q = &c->peers[i];
		if (!core_peer_alive(q))
			continue;
		n.members++;
		n.leased += !q->lease_gone;
		n.others_leased += q != p && !q->lease_gone;
		if (q == p || !core_peer_heard(c, q))
			continue;
		n.others_ask |= q->redis_ok;
		count_one(&n, core_peer_says(c, q, p->epoch));
	}
	return n;
}

static void dead_by_majority(struct core *c, struct core_peer *p, unsigned votes)
{
	uint32_t epoch = p->epoch;
	core_peer_dead(c, epoch, false, c->epoch);
	struct core_dead *d = core_dead_find(c, epoch);
	d->tell = true;
	d->votes = votes;
	core_remap_all(c, epoch, 0); /* who purges it is known once the registry is told */
}

static void judge(struct core *c, struct core_peer *p)
{
	if (!p->suspect && !p->voted && !p->predecessor)
		return;
	struct count n = count_votes(c, p);
	if (!c->registry_ok) {
		unsigned votes = n.gone > n.refused ? n.gone : n.refused;
		if (!n.others_ask && votes * 2 > n.members)
			dead_by_majority(c, p, votes);
		return;
	}
	if (c->fence.busy || c->now < p->fence_at)
		return;
	bool lapsed = p->lease_gone && n.suspects * 2 > n.others_leased, refused = n.refused * 2 > n.leased;
	if (!lapsed && !refused && !p->predecessor)
		return;
	p->fence_at = c->now + FENCE_RETRY_MS;
	/* Of what listened at our own address we know better than all others together. */
	core_fence_ask(c, p->epoch, p->predecessor ? n.members : n.refused, p->predecessor || refused);
}

/* ---- are we cut off ourselves? Known before the others can call us dead, which takes them a lease. ---- */

static void watch_isolation(struct core *c)
{
	unsigned members = 1, heard = 1;
	bool safe = c->registry_ok;
	for (unsigned i = 0; i < c->n_slots; i++) {
		const struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p))
			continue;
		bool hear = p->met && silence(c, p) <= 2 * (uint64_t)c->o.ping_ms;
		members++;
		heard += hear;
		safe |= hear && p->redis_ok;
	}
	if (safe || heard * 2 > members)
		c->safe_ms = c->now;
	if (c->state == NODE_UP && c->now - c->safe_ms > c->o.isolated_ms) {
		core_set_state(c, NODE_ISOLATED);
		core_event(c, CORE_ISOLATED, c->epoch, "no registry, and %u of %u members", heard, members);
	} else if (c->state == NODE_ISOLATED && c->safe_ms == c->now) {
		core_set_state(c, NODE_UP);
		core_event(c, CORE_HEALED, c->epoch, "%u of %u members", heard, members);
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void watch_clock(struct core *c)
{
	int64_t skews[VIEW_NODES_MAX];
	unsigned n = 0;
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]) && c->peers[i].skew_known && core_peer_heard(c, &c->peers[i]))
			skews[n++] = c->peers[i].skew_ms;
	if (n == 0)
		return;
	qsort(skews, n, sizeof skews[0], by_value);
	int64_t median = skews[n / 2], size = median < 0 ? -median : median;
	if (!c->skew_told && size > CORE_SKEW_MS)
		core_event(c, CORE_CLOCK_SKEW, c->epoch, "our clock is %lld ms %s those of most peers", (long long)size,
			   median < 0 ? "before" : "behind");
	c->skew_told = c->skew_told ? size > CORE_SKEW_MS * 4 / 5 : size > CORE_SKEW_MS;
}

void core_vote_tick(struct core *c)
{
	suspect(c);
	for (unsigned i = 0; i < c->n_slots && c->epoch; i++)
		if (core_peer_alive(&c->peers[i]))
			judge(c, &c->peers[i]);
	watch_isolation(c);
	watch_clock(c);
}
