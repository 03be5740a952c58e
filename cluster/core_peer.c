#include "cluster/core_state.h"

#include <stdio.h>
#include <stdlib.h>

#define PEERS_MAX (VIEW_NODES_MAX - 1) /* with ourselves they fill a view */

void core_event(struct core *c, enum core_event e, uint32_t epoch, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->out.event(c->out.arg, e, epoch, text);
}

struct core_peer *core_peer_find(struct core *c, uint32_t epoch)
{
	for (unsigned i = 0; epoch && i < c->n_slots; i++)
		if (c->peers[i].epoch == epoch)
			return &c->peers[i];
	return NULL;
}

bool core_peer_alive(const struct core_peer *p)
{
	return p->epoch && !p->incompatible && !core_peer_gone(p);
}

bool core_peer_heard(const struct core *c, const struct core_peer *p)
{
	return c->now - p->heard_ms <= c->o.suspect_ms;
}

bool core_peer_hears_directly(const struct core *c, const struct core_peer *p)
{
	return p->direct_ms && c->now - p->direct_ms <= c->o.suspect_ms;
}

uint8_t core_peer_says(const struct core *c, const struct core_peer *p, uint32_t epoch)
{
	if (!epoch || !p->ping_ms || c->now - p->ping_ms > c->o.suspect_ms)
		return 0;
	for (unsigned i = 0; i < p->n_says; i++)
		if (p->says[i].epoch == epoch)
			return p->says[i].flags;
	return 0;
}

/* ---- the dead ---- */

struct core_dead *core_dead_find(struct core *c, uint32_t epoch)
{
	for (unsigned i = 0; i < c->n_dead; i++)
		if (c->dead[i].epoch == epoch)
			return &c->dead[i];
	return NULL;
}

struct core_dead *core_dead_add(struct core *c, uint32_t epoch, bool left, uint32_t by)
{
	struct core_dead *d = &c->dead[c->next_dead];
	c->next_dead = (c->next_dead + 1) % CORE_DEAD_MAX;
	if (c->n_dead < CORE_DEAD_MAX)
		c->n_dead++;
	*d = (struct core_dead){ .epoch = epoch, .left = left, .by = by, .ms = c->now };
	return d;
}

static bool are_lowest(const struct core *c)
{
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]) && core_peer_heard(c, &c->peers[i]) && c->peers[i].epoch < c->epoch)
			return false;
	return c->epoch != 0;
}

/* Is anybody at it? Who fenced it is, unless it is gone itself; who did is told with the news, or soon after. */
static bool is_being_purged(struct core *c, const struct core_dead *d)
{
	if (d->by == 0)
		return c->now - d->ms < CORE_WHO_MS;
	return d->by == c->epoch || !core_dead_find(c, d->by);
}

/* What is purged twice is not harmed: the oldest node goes on where another has died. Who left has nothing, unless it was fenced since. */
void core_inherit_purges(struct core *c)
{
	if (!are_lowest(c))
		return;
	for (unsigned i = 0; i < c->n_dead; i++) {
		struct core_dead *d = &c->dead[i];
		if ((d->left && !d->by && !d->fenced) || d->tell || c->now - d->ms > CORE_JANITOR_MS || is_being_purged(c, d))
			continue;
		/* By a FENCE first: perhaps the registry has not heard yet that it is dead. */
		d->by = c->epoch;
		d->tell = d->unsure = true;
	}
}

/* Nothing waits for it any more. */
static void give_back(struct core *c, struct core_peer *p, struct link_frame *f)
{
	while (f) {
		struct link_frame *next = f->next;
		c->out.lost(c->out.arg, p->epoch, f->body);
		blob_unref(f->body);
		free(f);
		f = next;
	}
	if (p->full)
		c->dirty = true;
	p->full = p->slow = p->stuck = false;
}

void core_peer_deaf(struct core *c, struct core_peer *p)
{
	struct link_frame *f;
	if (p->deaf)
		return;
	p->deaf = true;
	link_out_take_back(&p->out, &f);
	give_back(c, p, f);
}

void core_peer_orphan(struct core *c, struct core_peer *p)
{
	struct link_frame *f, *none;
	link_out_epoch(&p->out, 0, &f);
	link_out_epoch(&p->out, p->epoch, &none);
	give_back(c, p, f);
	p->in = (struct link_in){ .peer_epoch = p->epoch };
	p->high_seq = p->stall_acked = 0;
	p->ack_due = false;
	p->gap_ms = 0;
}

void core_peer_dead(struct core *c, uint32_t epoch, bool left, uint32_t by)
{
	struct core_dead *d = core_dead_find(c, epoch);
	if (d || epoch == c->epoch || !epoch)
		return;
	d = core_dead_add(c, epoch, left, by);
	struct core_peer *p = core_peer_find(c, epoch);
	/* Perhaps we fenced it, and the answer was lost: asked again, we know. */
	d->tell = d->unsure = p && p->fence_unsure;
	if (p) {
		core_path_none(c, p);
		core_peer_orphan(c, p);
		p->state = left ? NODE_LEFT : NODE_DEAD;
		p->dead_ms = c->now;
		p->n_says = 0;
		p->suspect = p->answer_hello = false;
		c->dirty = true;
		core_event(c, left ? CORE_PEER_LEFT : CORE_PEER_DEAD, epoch, "%s", p->name);
	}
	for (unsigned i = 0; i < c->n_seeds; i++)
		if (c->seeds[i].epoch == epoch)
			c->seeds[i].epoch = 0;
}

/* ---- slots ---- */

void core_peer_release(struct core *c, struct core_peer *p)
{
	if (p->opened)
		c->out.close(c->out.arg, core_slot(c, p));
	if (p->epoch)
		c->dirty = true;
	link_out_fini(&p->out);
	*p = (struct core_peer){ .used = false };
	while (c->n_slots && !c->peers[c->n_slots - 1].used)
		c->n_slots--;
}

static struct core_peer *slot_new(struct core *c)
{
	struct core_peer *p = NULL, *oldest = NULL;
	for (unsigned i = 0; i < PEERS_MAX && !p; i++) {
		struct core_peer *q = &c->peers[i];
		if (!q->used)
			p = q;
		else if (core_peer_gone(q) && (!oldest || q->dead_ms < oldest->dead_ms))
			oldest = q;
	}
	if (!p && oldest) {
		p = oldest;
		core_peer_release(c, p);
	}
	if (!p)
		return NULL;
	*p = (struct core_peer){ .used = true, .heard_ms = c->now, .gen = 1, .hello_at = c->now };
	/* Its own ceiling is hard_bytes; from window_bytes on it is called full. */
	link_out_init(&p->out, c->o.hard_bytes + c->o.hard_bytes / 4, 16 * c->o.window_frames);
	if (core_slot(c, p) >= c->n_slots)
		c->n_slots = core_slot(c, p) + 1;
	return p;
}

static void copy_text(char *to, size_t size, struct str s)
{
	if (!core_text_ok(s, size))
		s = STR("?");
	if (s.len)
		memcpy(to, s.p, s.len);
	to[s.len] = '\0';
}

static void open_slot(struct core *c, struct core_peer *p)
{
	if (!p->addr[0] || strcmp(p->addr, c->addr) == 0)
		return;
	p->opened = true;
	c->out.open(c->out.arg, core_slot(c, p), str_of(p->addr));
}

/* The registry, or a third node, knew another node by its number, or an older address: it knows best where it is. */
void core_peer_readdress(struct core *c, struct core_peer *p, const struct core_member *m)
{
	if (str_is(m->addr, p->addr))
		return;
	if (p->opened)
		c->out.close(c->out.arg, core_slot(c, p));
	p->opened = p->connected = p->blocked = false;
	core_path_none(c, p);
	copy_text(p->name, sizeof p->name, m->name);
	copy_text(p->addr, sizeof p->addr, m->addr);
	copy_text(p->version, sizeof p->version, m->version);
	c->dirty = true;
	open_slot(c, p);
}

/* A younger incarnation listens where an older one did: nobody listens for that any more. */
static void usurp(struct core *c, const struct core_peer *p)
{
	for (unsigned i = 0; i < c->n_slots; i++) {
		struct core_peer *q = &c->peers[i];
		if (q != p && q->epoch && q->epoch < p->epoch && strcmp(q->addr, p->addr) == 0)
			q->usurped = true;
	}
}

struct core_peer *core_peer_add(struct core *c, const struct core_member *m)
{
	struct core_peer *p = core_peer_find(c, m->epoch);
	struct core_dead *d = core_dead_find(c, m->epoch);
	if (m->epoch > c->seen_epoch)
		c->seen_epoch = m->epoch;
	if (p || !m->epoch || m->epoch == c->epoch)
		return p;
	p = slot_new(c);
	if (!p)
		return NULL;
	p->epoch = m->epoch;
	p->id = m->id;
	p->workers = m->workers;
	p->min = m->min;
	p->max = m->max;
	p->said = m->state;
	p->state = d ? (d->left ? NODE_LEFT : NODE_DEAD) : NODE_SYNCING;
	p->dead_ms = c->now;
	copy_text(p->name, sizeof p->name, m->name);
	copy_text(p->addr, sizeof p->addr, m->addr);
	copy_text(p->version, sizeof p->version, m->version);
	struct link_frame *none;
	link_out_epoch(&p->out, p->epoch, &none);
	link_in_epoch(&p->in, p->epoch);
	c->dirty = true;
	open_slot(c, p);
	if (d)
		return p;
	core_event(c, CORE_PEER_SEEN, p->epoch, "%s at %s", p->name, p->addr);
	usurp(c, p);
	return p;
}

void core_peer_incompatible(struct core *c, struct core_peer *p)
{
	if (p->incompatible)
		return;
	core_event(c, CORE_INCOMPATIBLE, p->epoch, "%s speaks versions %u to %u, we speak %u to %u", p->name, p->min, p->max,
		   c->o.protocol_min, c->o.protocol_max);
	core_path_none(c, p);
	core_peer_orphan(c, p);
	p->incompatible = true;
	p->speaks = 0;
	core_peer_believe(c, p);
}

void core_peer_believe(struct core *c, struct core_peer *p)
{
	if (!p->epoch || core_peer_gone(p))
		return;
	uint8_t state = p->said;
	if (p->incompatible)
		state = NODE_JOINING;
	else if (!p->met)
		state = NODE_SYNCING;
	else if ((p->suspect || p->stuck) && p->said == NODE_UP)
		state = NODE_SUSPECT;
	if (state == p->state)
		return;
	p->state = state;
	c->dirty = true;
	if (state == NODE_UP)
		core_event(c, CORE_PEER_UP, p->epoch, "%s", p->name);
	else if (state == NODE_SUSPECT)
		core_event(c, CORE_PEER_SUSPECT, p->epoch, "%s has %s for %llu ms", p->name,
			   p->suspect ? "been silent" : "taken too little",
			   (unsigned long long)(c->now - (p->suspect ? p->heard_ms : p->full_ms)));
}

/* ---- what nodes tell one another of third ones ---- */

static uint64_t digest_of(uint32_t epoch)
{
	uint64_t x = epoch * 0x9e3779b97f4a7c15u;
	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
}

uint64_t core_digest(const struct core *c)
{
	uint64_t d = digest_of(c->epoch);
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]))
			d ^= digest_of(c->peers[i].epoch);
	return d;
}

void core_gossip_fill(const struct core *c, struct core_gossip *g, bool all)
{
	g->n = g->n_dead = 0;
	for (unsigned i = 0; all && i < c->n_slots; i++) {
		const struct core_peer *p = &c->peers[i];
		if (!core_peer_alive(p) || !p->addr[0])
			continue;
		g->members[g->n++] = (struct core_member){
			.epoch = p->epoch, .id = p->id, .workers = p->workers, .state = p->said, .min = p->min, .max = p->max,
			.name = str_of(p->name), .addr = str_of(p->addr), .version = str_of(p->version),
		};
	}
	for (unsigned i = 0; i < c->n_dead && g->n_dead < CORE_GOSSIP_DEAD; i++) {
		const struct core_dead *d = &c->dead[(c->next_dead + CORE_DEAD_MAX - 1 - i) % CORE_DEAD_MAX];
		if (c->now - d->ms > (all ? CORE_JANITOR_MS : CORE_NEWS_MS))
			continue;
		g->dead[g->n_dead].epoch = d->epoch;
		g->dead[g->n_dead].by = d->tell ? 0 : d->by;
		g->dead[g->n_dead++].left = d->left;
	}
}

void core_dead_by(struct core *c, uint32_t epoch, uint32_t by, uint32_t teller)
{
	struct core_dead *d = core_dead_find(c, epoch);
	if (d && by && d->by != c->epoch && (by == teller || !d->by))
		d->by = by;
}

void core_gossip_take(struct core *c, const struct core_gossip *g, uint32_t teller)
{
	for (unsigned i = 0; i < g->n_dead; i++) {
		if (g->dead[i].epoch == c->epoch) {
			core_fenced(c, "a peer says that we are dead");
			return;
		}
		core_peer_dead(c, g->dead[i].epoch, g->dead[i].left, g->dead[i].by);
		core_dead_by(c, g->dead[i].epoch, g->dead[i].by, teller);
	}
	for (unsigned i = 0; i < g->n; i++)
		if (!core_dead_find(c, g->members[i].epoch))
			core_peer_add(c, &g->members[i]);
}

/* ---- seeds ---- */

static bool seed_is_known(struct core *c, struct core_seed *s)
{
	if (s->ours || strcmp(s->addr, c->addr) == 0)
		return true;
	for (unsigned i = 0; i < c->n_slots; i++)
		if (core_peer_alive(&c->peers[i]) && (c->peers[i].epoch == s->epoch || strcmp(c->peers[i].addr, s->addr) == 0))
			return true;
	return false;
}

void core_seeds_tick(struct core *c)
{
	for (unsigned i = 0; i < c->n_seeds; i++) {
		struct core_peer *p = NULL;
		for (unsigned j = 0; j < c->n_slots; j++)
			if (c->peers[j].used && !c->peers[j].epoch && c->peers[j].seed == i + 1)
				p = &c->peers[j];
		bool known = seed_is_known(c, &c->seeds[i]);
		if (p && known)
			core_peer_release(c, p);
		if (p || known || !c->epoch)
			continue;
		p = slot_new(c);
		if (!p)
			return;
		p->seed = (uint8_t)(i + 1);
		memcpy(p->addr, c->seeds[i].addr, sizeof p->addr);
		open_slot(c, p);
	}
}

/* ---- the view ---- */

void core_set_state(struct core *c, uint8_t state)
{
	/* Each row: where it may go from there. */
	static const uint16_t legal[NODE_STATE_COUNT] = {
		[NODE_JOINING] = 1 << NODE_SYNCING | 1 << NODE_LEFT,
		[NODE_SYNCING] = 1 << NODE_UP | 1 << NODE_DRAINING | 1 << NODE_JOINING | 1 << NODE_LEFT,
		[NODE_UP] = 1 << NODE_ISOLATED | 1 << NODE_DRAINING | 1 << NODE_JOINING | 1 << NODE_LEFT,
		[NODE_ISOLATED] = 1 << NODE_UP | 1 << NODE_DRAINING | 1 << NODE_JOINING | 1 << NODE_LEFT,
		[NODE_DRAINING] = 1 << NODE_LEFT | 1 << NODE_JOINING,
	};
	if (state == c->state)
		return;
	BUG_ON(!(legal[c->state] & 1 << state));
	c->state = state;
	c->dirty = c->ping_now = true;
}

static void node_of_peer(struct view_node *n, const struct core_peer *p)
{
	n->epoch = p->epoch;
	n->id = p->id;
	n->state = p->state;
	n->speaks = p->speaks;
	n->workers = p->workers;
	n->linked = p->path != PATH_NONE;
	n->relayed = p->path == PATH_RELAY;
	n->full = p->full;
	n->slow = p->slow;
	memcpy(n->name, p->name, sizeof n->name);
	memcpy(n->addr, p->addr, sizeof n->addr);
	memcpy(n->version, p->version, sizeof n->version);
}

static void node_of_self(struct view_node *n, const struct core *c)
{
	n->epoch = c->epoch;
	n->id = c->id;
	n->state = c->state;
	n->speaks = c->o.protocol_max;
	n->workers = c->o.workers;
	n->linked = true;
	memcpy(n->name, c->name, sizeof n->name);
	memcpy(n->addr, c->addr, sizeof n->addr);
	memcpy(n->version, c->version, sizeof n->version);
}

static int by_epoch(const void *a, const void *b)
{
	uint32_t x = ((const struct view_node *)a)->epoch, y = ((const struct view_node *)b)->epoch;
	return x < y ? -1 : x > y;
}

static bool same(const struct view *a, const struct view *b)
{
	return a && a->self == b->self && a->state == b->state && a->registry_ok == b->registry_ok && a->n == b->n &&
	       memcmp(a->nodes, b->nodes, a->n * sizeof a->nodes[0]) == 0;
}

void core_view(struct core *c)
{
	if (!c->dirty)
		return;
	c->dirty = false;
	unsigned n = c->epoch ? 1 : 0;
	for (unsigned i = 0; i < c->n_slots; i++)
		n += c->peers[i].epoch != 0;
	struct view *v = view_new(n);
	v->self = c->epoch;
	v->state = c->state;
	v->registry_ok = c->registry_ok;
	n = 0;
	for (unsigned i = 0; i < c->n_slots; i++)
		if (c->peers[i].epoch)
			node_of_peer(&v->nodes[n++], &c->peers[i]);
	if (c->epoch)
		node_of_self(&v->nodes[n++], c);
	qsort(v->nodes, n, sizeof v->nodes[0], by_epoch);
	if (same(c->last, v)) {
		view_unref(v);
		return;
	}
	if (c->ping_now) /* what we have become is told before we act on it: or what we send on comes back */
		core_ping_all(c);
	v->version = c->last ? c->last->version + 1 : 1;
	view_unref(c->last);
	c->last = view_ref(v);
	c->out.view(c->out.arg, v);
}
