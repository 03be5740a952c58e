#include "tests/cluster/sim/accounts_state.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- messages: who is answerable for each ---- */

struct message_fate *accounts_fates;
unsigned accounts_n_fates;
static unsigned cap_fates;

static void in_hand(struct accounts *a, uint64_t id)
{
	struct message_fate *f = accounts_fate(id);
	f->node = (uint8_t)a->node;
	f->life = a->w->nodes[a->node].life;
}

/* ---- names ---- */

static struct str bare_of(unsigned account, char out[16])
{
	snprintf(out, 16, "u%u@x", account);
	return str_of(out);
}

static unsigned account_of(uint64_t fp)
{
	unsigned i = 0;
	while (i < ACCOUNTS - 1 && accounts_fp(i) != fp)
		i++;
	return i;
}

static uint64_t hlc_now(const struct accounts *a)
{
	return (uint64_t)((int64_t)a->w->now + 100000 + a->w->plan.skew[a->node]) << 8 | a->node;
}

static bool is_alive(const struct accounts *a, uint32_t epoch)
{
	return epoch && (epoch == a->self || (a->view && view_is_alive(a->view, epoch)));
}

/* ---- what goes out ---- */

static void handle(struct accounts *a, uint32_t from, const struct frame_record *r);
static void given_back(struct accounts *a, uint32_t to, const struct frame_record *r);

static void post_record(struct accounts *a, uint32_t epoch, const struct frame_record *r)
{
	struct buf b;
	struct str body;
	struct frame_record copy;
	buf_init(&b, FRAME_MAX);
	BUG_ON(frame_add_record(&b, r) != ERR_NONE);
	struct blob *blob = blob_new(buf_str(&b));
	body = blob_str(blob);
	(void)!frame_next_record(&body, &copy);
	if (epoch == a->self)
		handle(a, epoch, &copy);
	else if (core_send(a->w->nodes[a->node].core, epoch, blob, 1) != ERR_NONE)
		given_back(a, epoch, &copy);
	blob_unref(blob);
	buf_fini(&b);
}

static void say(struct accounts *a, uint32_t epoch, enum kind kind, unsigned account, unsigned resource, uint64_t sid, uint64_t hlc)
{
	char bare[16];
	struct frame_record r = { .kind = (uint8_t)kind, .ttl = FRAME_TTL, .dst_fp = accounts_fp(account), .dst_sid = sid, .osm = hlc,
				  .oseq = resource, .to = bare_of(account, bare) };
	post_record(a, epoch, &r);
}

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	struct worker_arg *x = arg;
	if (epoch != x->a->self)
		post_record(x->a, epoch, r);
}

static void on_broadcast(void *arg, const struct frame_record *r)
{
	struct worker_arg *x = arg;
	struct buf b;
	buf_init(&b, FRAME_MAX);
	BUG_ON(frame_add_record(&b, r) != ERR_NONE);
	struct blob *blob = blob_new(buf_str(&b));
	core_broadcast(x->a->w->nodes[x->a->node].core, blob, 1);
	blob_unref(blob);
	buf_fini(&b);
}

/* ---- the registry ---- */

static void ask(struct accounts *a, enum registry_verb verb, unsigned account, uint64_t hlc, uint32_t flags, bool claim)
{
	struct sim_world *w = a->w;
	struct errand *e = xzalloc(sizeof *e);
	uint64_t delay = 1 + sim_rand(w, sim_chance(w, 5) ? 400 : 5);
	e->fp = accounts_fp(account);
	e->claim = claim;
	a->errands++;
	e->call = (struct registry_call){ .verb = verb, .key = bare_of(account, e->bare), .epoch = a->self, .hlc = hlc, .flags = flags };
	sim_registry(w, a->node, &e->call, &delay);
	struct sim_event *ev = sim_at(w, w->now + delay, EV_HOMES, a->node);
	ev->life = w->nodes[a->node].life;
	ev->what = e;
}

void accounts_forget(void *what)
{
	struct errand *e = what;
	arena_free(e->call.arena);
	free(e);
}

static void on_claim(void *arg, struct str bare, uint64_t fp, uint64_t hlc)
{
	struct worker_arg *x = arg;
	ask(x->a, REGISTRY_HOME_CLAIM, account_of(fp), hlc, 0, true);
}

static void on_release(void *arg, struct str bare)
{
	struct worker_arg *x = arg;
	ask(x->a, REGISTRY_HOME_RELEASE, (unsigned)(bare.p[1] - '0'), 0, 0, false);
}

void accounts_replay(struct sim_world *w, unsigned node)
{
	struct accounts *a = w->nodes[node].accounts;
	if (a && a->stopped)
		return;
	if (a && a->toys)
		toys_tell_all(a->toys);
	for (unsigned i = 0; a && a->self && i < ACCOUNTS; i++) {
		uint64_t hlc = homes_own_claim(accounts_homes(a, i), accounts_fp(i));
		if (hlc)
			ask(a, REGISTRY_HOME_CLAIM, i, hlc, REGISTRY_REPLAY, false);
	}
}

void accounts_janitor(struct sim_world *w, unsigned node, uint32_t dead)
{
	for (unsigned i = 0; i < REGISTRY_BUCKETS && !w->redis_away && !w->nodes[node].no_redis; i++) {
		struct registry_call c = { .verb = REGISTRY_PURGE, .epoch = dead, .bucket = (uint8_t)i };
		uint64_t delay;
		sim_registry(w, node, &c, &delay);
		arena_free(c.arena);
	}
}

/* ---- seats: whose home we are ---- */

static unsigned seats_of(const struct accounts *a, unsigned account)
{
	unsigned n = 0;
	for (unsigned i = 0; i < a->n_seats; i++)
		n += a->seats[i].account == account;
	return n;
}

static void look_ended(struct accounts *a, unsigned account)
{
	char bare[16];
	for (unsigned i = 0; i < CLIENTS_MAX; i++) /* one of ours is about to be seated here */
		if (a->clients[i].used && a->clients[i].account == account && a->clients[i].state == ASKED)
			return;
	if (!seats_of(a, account) && a->busy_until[account] <= a->w->now)
		homes_ended(accounts_homes(a, account), bare_of(account, bare), accounts_fp(account));
}

static bool unseat(struct accounts *a, unsigned account, uint64_t sid)
{
	for (unsigned i = 0; i < a->n_seats; i++)
		if (a->seats[i].account == account && a->seats[i].sid == sid) {
			a->seats[i] = a->seats[--a->n_seats];
			return true;
		}
	return false;
}

/* The newer one keeps the name. */
static void seat(struct accounts *a, uint32_t edge, const struct frame_record *r)
{
	unsigned account = account_of(r->dst_fp), resource = r->oseq;
	if (a->leaving || homes_claimed(accounts_homes(a, account), r->dst_fp) != a->self || a->n_seats == SEATS_MAX) {
		say(a, edge, K_NO, account, resource, r->dst_sid, 0);
		return;
	}
	unseat(a, account, r->dst_sid);
	for (unsigned i = 0; i < a->n_seats; i++) {
		struct seat s = a->seats[i];
		if (s.account != account || s.resource != resource)
			continue;
		if (s.hlc > r->osm || (s.hlc == r->osm && s.sid > r->dst_sid)) {
			say(a, edge, K_KICK, account, resource, r->dst_sid, 0);
			return;
		}
		a->seats[i] = a->seats[--a->n_seats];
		a->seats[a->n_seats++] = (struct seat){ (uint8_t)account, (uint8_t)resource, edge, r->dst_sid, r->osm };
		say(a, edge, K_OK, account, resource, r->dst_sid, 0);
		say(a, s.edge, K_KICK, account, resource, s.sid, 0);
		return;
	}
	a->seats[a->n_seats++] = (struct seat){ (uint8_t)account, (uint8_t)resource, edge, r->dst_sid, r->osm };
	say(a, edge, K_OK, account, resource, r->dst_sid, 0);
}

/* Those for which it holds go; where none is left the claim is given back. */
static void drop_seats(struct accounts *a, bool (*goes)(const struct accounts *a, const struct seat *s))
{
	bool touched[ACCOUNTS] = { false };
	for (unsigned i = 0; i < a->n_seats;)
		if (goes(a, &a->seats[i])) {
			touched[a->seats[i].account] = true;
			a->seats[i] = a->seats[--a->n_seats];
		} else {
			i++;
		}
	for (unsigned i = 0; i < ACCOUNTS; i++)
		if (touched[i])
			look_ended(a, i);
}

static bool edge_is_gone(const struct accounts *a, const struct seat *s)
{
	return !is_alive(a, s->edge);
}

/* ---- clients: whose edge we are ---- */

static struct client *client_of(struct accounts *a, uint64_t sid)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (a->clients[i].used && a->clients[i].sid == sid)
			return &a->clients[i];
	return NULL;
}

static void bind_at(struct accounts *a, struct client *c, uint32_t home)
{
	c->state = BINDS;
	c->home = home;
	sim_log(a->w, "n%u binds account %u at %u", a->node, c->account, home);
	say(a, home, K_BIND, c->account, c->resource, c->sid, c->hlc);
}

static void want(struct accounts *a, struct client *c)
{
	char bare[16];
	if (!a->self)
		return;
	c->state = ASKED;
	c->retry_at = a->w->now + 20000;
	sim_log(a->w, "n%u wants a home for account %u", a->node, c->account);
	uint32_t home = homes_want(accounts_homes(a, c->account), bare_of(c->account, bare), accounts_fp(c->account), c->hlc, a->w->now);
	if (home)
		bind_at(a, c, home);
}

static void want_later(struct accounts *a, struct client *c)
{
	c->state = WANTS;
	c->home = 0;
	c->retry_at = a->w->now + RETRY_MS / 4 + sim_rand(a->w, RETRY_MS);
}

static void on_settled(void *arg, struct str bare, uint64_t fp, uint32_t epoch)
{
	struct accounts *a = ((struct worker_arg *)arg)->a;
	unsigned account = account_of(fp);
	sim_log(a->w, "n%u: account %u is at home at %u", a->node, account, epoch);
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &a->clients[i];
		if (!c->used || c->account != account || c->state != ASKED)
			continue;
		if (epoch)
			bind_at(a, c, epoch);
		else
			want_later(a, c);
	}
	if (epoch == a->self)
		look_ended(a, account); /* who wanted it may have left meanwhile */
}

static void send_away(struct accounts *a, unsigned account)
{
	for (unsigned i = 0; i < a->n_seats;) {
		struct seat s = a->seats[i];
		if (s.account != account) {
			i++;
			continue;
		}
		a->seats[i] = a->seats[--a->n_seats];
		say(a, s.edge, K_MOVED, account, s.resource, s.sid, 0);
	}
}

static void on_moved(void *arg, uint64_t fp, uint32_t epoch)
{
	struct accounts *a = ((struct worker_arg *)arg)->a;
	unsigned account = account_of(fp);
	sim_log(a->w, "n%u: account %u moves to %u", a->node, account, epoch);
	a->w->moved++;
	if (a->w->mutation != MUTATE_STAY)
		send_away(a, account);
}

static bool on_busy(void *arg, struct str bare, uint64_t fp)
{
	struct accounts *a = ((struct worker_arg *)arg)->a;
	return a->busy_until[account_of(fp)] > a->w->now;
}

static void on_synced(void *arg)
{
	struct worker_arg *x = arg;
	bool all = true;
	x->synced = true;
	for (unsigned i = 0; i < x->a->w->plan.workers; i++)
		all &= x->a->args[i].synced;
	/* What was heard counts for the incarnation that heard it. */
	if (all && x->a->w->nodes[x->a->node].view->self == x->a->self)
		core_synced(x->a->w->nodes[x->a->node].core);
}

/* ---- messages ---- */

/* To where the account is at home now. */
static void message_goes(struct accounts *a, const struct frame_record *r)
{
	unsigned account = account_of(r->dst_fp);
	struct message_fate *f = accounts_fate(r->dst_sid);
	struct homes *h = accounts_homes(a, account);
	uint32_t where = homes_where(h, r->dst_fp);
	f->strayed |= where != a->self && (r->ttl <= 1 || order_times_here(a, f) > 1);
	sim_log(a->w, "n%u: message %llu for account %u goes to %u, ttl %u%s%s", a->node, (unsigned long long)r->dst_sid, account, where,
		r->ttl, r->flags & FRAME_MAYBE_DUP ? ", given back" : "", f->strayed ? ", strayed" : "");
	if (where != a->self && where && r->ttl > 1) {
		struct frame_record on = *r;
		on.ttl--;
		on.osm = ways_passed(homes_ways(h), r->osm);
		post_record(a, where, &on);
	} else if (seats_of(a, account)) {
		f->delivered++;
		a->w->delivered++;
		order_arrived(a, r->dst_sid, account);
	} else {
		f->offline++;
		a->w->offline++;
		order_arrived(a, r->dst_sid, account);
		a->busy_until[account] = a->w->now + 1 + sim_rand(a->w, 300);
	}
}

struct waiting {
	struct ways_item item;
	struct frame_record r;
	char bare[16];
};

static void on_go(void *arg, struct ways_item *item)
{
	struct worker_arg *x = arg;
	struct waiting *m = (struct waiting *)item;
	message_goes(x->a, &m->r);
	free(m);
}

static void on_drop(void *arg, struct ways_item *item)
{
	(void)arg;
	free(item);
}

static void message(struct accounts *a, const struct frame_record *r)
{
	unsigned account = account_of(r->dst_fp);
	struct message_fate *f = accounts_fate(r->dst_sid);
	struct homes *h = accounts_homes(a, account);
	in_hand(a, r->dst_sid);
	order_passes(a, f);
	f->again |= (r->flags & FRAME_MAYBE_DUP) != 0;
	if (a->w->mutation == MUTATE_LOSE_MESSAGE && sim_rand(a->w, 100) == 0)
		return;
	bool waits = ways_waits(homes_ways(h), r->dst_fp, homes_where(h, r->dst_fp), r->osm, a->w->now);
	if (waits)
		sim_log(a->w, "n%u: message %llu for account %u waits", a->node, (unsigned long long)r->dst_sid, account);
	if (!waits || a->w->mutation == MUTATE_HURRY) {
		message_goes(a, r);
		return;
	}
	struct waiting *m = xzalloc(sizeof *m);
	*m = (struct waiting){ .item.bytes = sizeof *m, .r = *r };
	m->r.to = bare_of(account, m->bare);
	ways_wait(homes_ways(h), r->dst_fp, r->osm, &m->item, a->w->now);
	ways_run(homes_ways(h));
}

static void write_message(struct accounts *a, unsigned account)
{
	char bare[16];
	if (accounts_n_fates == cap_fates)
		accounts_fates = xrealloc(accounts_fates, (cap_fates = cap_fates ? 2 * cap_fates : 256) * sizeof *accounts_fates);
	accounts_fates[accounts_n_fates++] = (struct message_fate){
		.account = (uint8_t)account, .from = (uint8_t)a->node, .from_life = a->w->nodes[a->node].life,
		.written_at = a->w->now, .hurried = order_hurried(a->w, account),
	};
	struct frame_record r = { .kind = K_MESSAGE, .ttl = FRAME_TTL, .dst_fp = accounts_fp(account), .dst_sid = accounts_n_fates,
				  .to = bare_of(account, bare) };
	message(a, &r);
}

/* ---- what comes in ---- */

static void handle_client(struct accounts *a, uint32_t from, const struct frame_record *r)
{
	struct client *c = client_of(a, r->dst_sid);
	if (r->kind == K_OK && (!c || c->home != from)) {
		say(a, from, K_UNBIND, account_of(r->dst_fp), r->oseq, r->dst_sid, 0);
		return;
	}
	if (!c || c->home != from)
		return;
	sim_log(a->w, "n%u: %u says %s for account %u", a->node, from,
		r->kind == K_OK ? "ok" : r->kind == K_NO ? "no" : r->kind == K_KICK ? "kick" : "moved", c->account);
	if (r->kind == K_OK) {
		c->state = BOUND;
		a->w->bound++;
	} else if (r->kind == K_KICK)
		c->used = false;
	else
		want_later(a, c);
}

static void handle(struct accounts *a, uint32_t from, const struct frame_record *r)
{
	switch (r->kind) {
	case K_BIND:
		seat(a, from, r);
		break;
	case K_UNBIND:
		if (a->w->mutation == MUTATE_KEEP_SEAT && sim_rand(a->w, 20) == 0)
			break;
		if (unseat(a, account_of(r->dst_fp), r->dst_sid))
			look_ended(a, account_of(r->dst_fp));
		break;
	case K_MESSAGE:
		message(a, r);
		break;
	default:
		handle_client(a, from, r);
		break;
	}
}

/* The peer is gone, or cannot be sent to. */
static void given_back(struct accounts *a, uint32_t to, const struct frame_record *r)
{
	struct client *c;
	if (r->kind >= TOYS_KIND) {
		toys_given_back(a->toys, to, r);
	} else if (r->kind == K_MESSAGE) {
		struct frame_record again = *r;
		again.flags |= FRAME_MAYBE_DUP;
		if (r->ttl > 1)
			again.ttl--;
		/* Whoever it was: it is not asked again. */
		bool again_there = is_alive(a, to) && homes_where(accounts_homes(a, account_of(r->dst_fp)), r->dst_fp) == to;
		if (again_there || again.ttl <= 1) {
			in_hand(a, r->dst_sid);
			accounts_fate(r->dst_sid)->again = true;
			accounts_fate(r->dst_sid)->offline++;
		} else {
			message(a, &again);
		}
	} else if (r->kind == K_BIND && (c = client_of(a, r->dst_sid)) && c->home == to) {
		want_later(a, c);
	}
}

static void record(struct accounts *a, uint32_t from, const struct frame_record *r)
{
	if (r->kind >= TOYS_KIND) {
		toys_record(a->toys, r);
		return;
	}
	if (r->kind >= HOMES_KIND_COUNT) {
		handle(a, from, r);
		return;
	}
	for (unsigned i = 0; i < a->w->plan.workers; i++)
		if (!r->dst_fp || r->dst_fp % a->w->plan.workers == i)
			homes_record(a->homes[i], from, r, a->w->now);
}

static bool is_of_another(const struct accounts *a, const struct seat *s)
{
	return s->edge != a->self;
}

/* Others know nothing of this incarnation yet: they bind anew. Our own clients at our own homes stay. */
static void become(struct accounts *a, uint32_t self)
{
	uint32_t before = a->self;
	a->self = self;
	for (unsigned i = 0; i < a->w->plan.workers; i++)
		a->args[i].synced = false;
	for (unsigned i = 0; i < a->n_seats; i++)
		if (a->seats[i].edge == before)
			a->seats[i].edge = self;
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &a->clients[i];
		if (c->used && c->home && c->home == before)
			c->home = self;
		else if (c->used && c->state != ASKED)
			want_later(a, c);
	}
}

static void view(struct accounts *a, struct view *v)
{
	view_unref(a->view);
	a->view = view_ref(v);
	order_view(a->w, v);
	bool other = v->self && v->self != a->self;
	if (other)
		become(a, v->self);
	for (unsigned i = 0; i < a->w->plan.workers; i++)
		homes_view(a->homes[i], v, a->w->now);
	if (a->toys)
		toys_view(a->toys, v);
	if (other) {
		drop_seats(a, is_of_another);
		accounts_replay(a->w, a->node);
	}
	drop_seats(a, edge_is_gone);
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &a->clients[i];
		if (c->used && c->home && !is_alive(a, c->home))
			want_later(a, c);
	}
}

static void read_mail(struct accounts *a, struct mail *m)
{
	struct frame_record r;
	if (m->view) {
		view(a, m->view);
		return;
	}
	struct str body = blob_str(m->body);
	while (frame_next_record(&body, &r) == ERR_NONE) {
		if (m->lost)
			given_back(a, m->epoch, &r);
		else
			record(a, m->epoch, &r);
	}
}

static void mail_free(struct mail *m)
{
	view_unref(m->view);
	blob_unref(m->body);
	free(m);
}

static void post(struct sim_world *w, unsigned node, struct mail m)
{
	struct accounts *a = w->nodes[node].accounts;
	struct mail *copy = xmalloc(sizeof *copy);
	*copy = m;
	if (a->stopped) {
		mail_free(copy);
		return;
	}
	if (w->mutation == MUTATE_OVERTAKE && m.body && a->first && a->first->body && sim_rand(w, 10) == 0) {
		copy->next = a->first;
		a->first = copy;
		return;
	}
	*a->last = copy;
	a->last = &copy->next;
	if (a->scheduled)
		return;
	a->scheduled = true;
	sim_at(w, w->now + sim_rand(w, 4), EV_MAIL, node)->life = w->nodes[node].life;
}

void accounts_view(struct sim_world *w, unsigned node, struct view *v)
{
	post(w, node, (struct mail){ .view = view_ref(v) });
}

void accounts_take(struct sim_world *w, unsigned node, uint32_t from, struct str body)
{
	struct frame_record r;
	for (struct str rest = body; frame_next_record(&rest, &r) == ERR_NONE;) {
		if (r.kind == K_MESSAGE)
			in_hand(w->nodes[node].accounts, r.dst_sid);
		else if (r.kind >= TOYS_KIND)
			toys_come(w->nodes[node].accounts->toys, &r);
	}
	post(w, node, (struct mail){ .epoch = from, .body = blob_new(body) });
}

void accounts_lost(struct sim_world *w, unsigned node, uint32_t to, struct str body)
{
	post(w, node, (struct mail){ .epoch = to, .lost = true, .body = blob_new(body) });
}

void accounts_event(struct sim_world *w, const struct sim_event *e)
{
	struct accounts *a = w->nodes[e->node].accounts;
	if (e->kind == EV_TOYS) {
		if (a->stopped)
			toys_forget(e->what);
		else
			toys_event(a->toys, e);
		return;
	}
	if (e->kind == EV_HOMES) {
		struct errand *x = e->what;
		const struct registry_call *c = &x->call;
		a->errands--;
		if (x->claim && !a->stopped)
			homes_registered(accounts_homes(a, account_of(x->fp)), x->fp, c->err, c->winner, c->winner_hlc, w->now);
		accounts_forget(x);
		return;
	}
	struct mail *m = a->first;
	a->first = NULL;
	a->last = &a->first;
	a->scheduled = false;
	while (m) {
		struct mail *next = m->next;
		if (!w->nodes[e->node].crashing)
			read_mail(a, m);
		mail_free(m);
		m = next;
	}
}

/* ---- what people do ---- */

static void come(struct accounts *a)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &a->clients[i];
		if (c->used)
			continue;
		*c = (struct client){ .used = true };
		c->account = (uint8_t)sim_rand(a->w, ACCOUNTS);
		c->resource = (uint8_t)sim_rand(a->w, RESOURCES);
		c->sid = (uint64_t)a->node << 56 | (uint64_t)a->w->nodes[a->node].life << 40 | ++a->sids;
		c->hlc = hlc_now(a);
		want_later(a, c);
		return;
	}
}

static void go(struct accounts *a, struct client *c)
{
	if (!c->used)
		return;
	c->used = false;
	if (c->home)
		say(a, c->home, K_UNBIND, c->account, c->resource, c->sid, 0);
}

void accounts_tick(struct sim_world *w, unsigned node)
{
	struct accounts *a = w->nodes[node].accounts;
	for (unsigned i = 0; i < CLIENTS_MAX && !a->stopped; i++) {
		struct client *c = &a->clients[i];
		bool due = (c->state == WANTS || c->state == ASKED) && w->now >= c->retry_at;
		if (c->used && due && a->view && a->view->state != NODE_JOINING)
			want(a, c);
	}
	for (unsigned i = 0; i < ACCOUNTS; i++)
		if (a->busy_until[i] && a->busy_until[i] <= a->w->now) {
			a->busy_until[i] = 0;
			look_ended(a, i);
		}
	if (a->stopped)
		return;
	if (a->toys)
		toys_tick(a->toys);
	if (a->w->now < a->tick_at)
		return;
	a->tick_at = a->w->now + 500;
	for (unsigned i = 0; i < a->w->plan.workers; i++)
		homes_tick(a->homes[i], a->w->now);
}

void accounts_work(struct sim_world *w, unsigned node)
{
	struct accounts *a = w->nodes[node].accounts;
	if (w->healed || a->leaving || !a->self || !a->view || (a->view->state != NODE_UP && a->view->state != NODE_ISOLATED))
		return;
	if (sim_chance(w, 20))
		come(a);
	if (sim_chance(w, 15))
		go(a, &a->clients[sim_rand(w, CLIENTS_MAX)]);
	if (sim_chance(w, 50))
		write_message(a, (unsigned)sim_rand(w, ACCOUNTS));
	if (a->toys)
		toys_work(a->toys);
}

/* ---- the end ---- */

void accounts_farewell(struct sim_world *w, unsigned node)
{
	struct accounts *a = w->nodes[node].accounts;
	a->leaving = true;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		go(a, &a->clients[i]);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		send_away(a, i);
		look_ended(a, i);
	}
	if (a->toys)
		toys_farewell(a->toys);
}

void accounts_stop(struct sim_world *w, unsigned node)
{
	w->nodes[node].accounts->stopped = true;
}

/* ---- life ---- */

struct accounts *accounts_new(struct sim_world *w, unsigned node)
{
	struct accounts *a = xzalloc(sizeof *a);
	a->w = w;
	a->node = node;
	a->last = &a->first;
	for (unsigned i = 0; i < w->plan.workers; i++) {
		a->args[i] = (struct worker_arg){ .a = a, .worker = i };
		struct homes_out out = { .arg = &a->args[i], .send = on_send, .broadcast = on_broadcast, .claim = on_claim,
					 .release = on_release, .is_busy = on_busy, .settled = on_settled, .moved = on_moved,
					 .synced = on_synced, .go = on_go, .drop = on_drop };
		a->homes[i] = homes_new(&out, i, w->plan.workers, w->now);
	}
	if (w->plan.toys)
		a->toys = toys_new(w, node);
	return a;
}

void accounts_free(struct sim_world *w, struct accounts *a)
{
	if (!a)
		return;
	order_ends(a);
	for (unsigned i = 0; i < w->plan.workers; i++)
		homes_free(a->homes[i]);
	toys_free(a->toys);
	while (a->first) {
		struct mail *m = a->first;
		a->first = m->next;
		mail_free(m);
	}
	view_unref(a->view);
	free(a);
}

void accounts_begin(void)
{
	toys_begin();
	order_begin();
	free(accounts_fates);
	accounts_fates = NULL;
	accounts_n_fates = cap_fates = 0;
}
