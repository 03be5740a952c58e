#include "tests/cluster/sim/toys.h"

#include <stdio.h>
#include <stdlib.h>

#include "cluster/places.h"
#include "tests/cluster/sim/accounts_state.h"
#include "tests/cluster/sim/model.h"
#include "tests/cluster/sim/unwell.h"

#define NAMES   5
#define PATH    (PLACES_TTL + 1)
#define NEWS_MS 1000

/* A place that is served here. */
struct toy {
	struct toys *t;
	unsigned name;
	uint32_t epoch;              /* whose claim it is */
	uint64_t fence, n;
};

struct toys {
	struct sim_world *w;
	unsigned node;
	uint32_t self;
	struct view *view;
	struct places *places[4];
	struct toy *served[NAMES];
	uint64_t taken_last[NAMES];  /* of what was written here: its number */
	uint64_t tick_at, farewell_at;
	unsigned errands;            /* under way */
	bool ended;
};

/* On its way to the registry, or to the store and back. */
struct toy_errand {
	enum { ASKS, LOADS, WRITES, ECHOES } kind;
	struct registry_call call;
	char text[16];
	unsigned name, node;
	uint32_t life, message;
	uint64_t fence, n;
	enum err err;
};

/* Who is answerable for a message, what became of it, and through whom it went. */
struct toy_fate {
	uint8_t name, node, from;
	uint32_t life, taken, refused;
	bool again, strayed;
	uint32_t from_life, path[PATH];
	unsigned n_path;
	uint64_t written_at, hurried;
};

static const uint64_t seed[2] = { 5, 6 };

static struct {
	struct { uint64_t fence, n; } store[NAMES];
	uint64_t hurried[NAMES];     /* in processes that run no more */
	uint32_t frozen[NAMES];      /* its state is on its way: who gave it; 0: none is */
	bool somebody_died;
	struct toy_fate *fates;
	unsigned n_fates, cap_fates;
} all;

void toys_begin(void)
{
	free(all.fates);
	memset(&all, 0, sizeof all);
}

void toys_death(void)
{
	all.somebody_died = true;
}

/* ---- names ---- */

static struct str text_of(unsigned name, char out[16])
{
	snprintf(out, 16, "t%u@toy", name);
	return str_of(out);
}

static uint64_t fp_of(unsigned name)
{
	char text[16];
	return str_hash(text_of(name, text), seed);
}

static unsigned name_of(struct str text)
{
	return (unsigned)(text.p[1] - '0');
}

static struct places *places_of_fp(struct toys *t, uint64_t fp)
{
	return t->places[fp % t->w->plan.workers];
}

static struct places *places_for(struct toys *t, unsigned name)
{
	return places_of_fp(t, fp_of(name));
}

static struct toy_fate *in_hand(struct toys *t, uint64_t id)
{
	struct toy_fate *f = &all.fates[id - 1];
	f->node = (uint8_t)t->node;
	f->life = t->w->nodes[t->node].life;
	return f;
}

/* ---- rule 8 of places.h ---- */

static uint64_t hurried_here(struct toys *t, unsigned name)
{
	struct places_stats st;
	places_stats(places_for(t, name), &st);
	return st.hurried;
}

/* It never becomes less. */
static uint64_t hurried(const struct sim_world *w, unsigned name)
{
	uint64_t n = all.hurried[name];
	for (unsigned i = 0; i < w->plan.nodes; i++)
		if (w->nodes[i].runs && w->nodes[i].accounts->toys)
			n += hurried_here(w->nodes[i].accounts->toys, name);
	return n;
}

/* Who sees it for the second time and sends it on throws it to and fro. */
static void passes(struct toys *t, struct toy_fate *f)
{
	bool goes_on = places_where(places_for(t, f->name), fp_of(f->name)) != t->self;
	for (unsigned i = 0; i < f->n_path; i++)
		f->strayed |= goes_on && f->path[i] == t->self;
	if (f->n_path < PATH)
		f->path[f->n_path++] = t->self;
}

static bool is_gone(const struct sim_world *w, const struct toy_fate *f)
{
	for (unsigned i = 0; i < f->n_path; i++)
		if (w->gone[f->path[i] % SIM_EPOCHS])
			return true;
	return false;
}

static bool has_promise(const struct sim_world *w, const struct toy_fate *late, const struct toy_fate *first)
{
	return !is_gone(w, late) && !is_gone(w, first) && w->now - late->written_at < WAYS_KEEP_MS &&
	       hurried(w, late->name) == late->hurried;
}

static void look_for_order(struct sim_world *w, uint64_t id)
{
	const struct toy_fate *f = &all.fates[id - 1];
	const struct sim_node *n = &w->nodes[f->from];
	uint64_t *last = n->runs && n->life == f->from_life ? &n->accounts->toys->taken_last[f->name] : NULL;
	if (!last || f->again || f->strayed)
		return;
	if (id < *last && has_promise(w, f, &all.fates[*last - 1]))
		sim_fail(w, "message %llu of n%u for t%u is taken after %llu", (unsigned long long)id, f->from, f->name,
			 (unsigned long long)*last);
	w->overtaken += id < *last;
	if (id > *last)
		*last = id;
}

/* ---- what goes out ---- */

static void ask_nobody(struct toys *t, const struct frame_record *echo);

static void on_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	static const char *const names[PLACES_KIND_COUNT] = { "state", "data", "got", "yours", "not", "echo", "echoed" };
	struct toys *t = arg;
	struct frame_record out = *r;
	struct buf b;
	if (r->kind != PLACES_DATA && r->kind != PLACES_ECHOED)
		sim_log(t->w, "n%u says %s of t%u to %u: %.*s under %llu, %u", t->node, names[r->kind], name_of(r->to), epoch,
			STR_ARG(r->xml), (unsigned long long)r->osm, r->rule);
	if (r->kind == PLACES_ECHO && r->oseq == t->self && t->w->mutation == MUTATE_HURRY_PLACES) {
		ask_nobody(t, r);
		return;
	}
	out.kind = (uint8_t)(r->kind + TOYS_KIND);
	buf_init(&b, FRAME_MAX);
	BUG_ON(frame_add_record(&b, &out) != ERR_NONE);
	struct blob *blob = blob_new(buf_str(&b));
	struct str body = blob_str(blob);
	(void)!frame_next_record(&body, &out);
	if (core_send(t->w->nodes[t->node].core, epoch, blob, 1) != ERR_NONE)
		toys_given_back(t, epoch, &out);
	blob_unref(blob);
	buf_fini(&b);
}

static struct toy_errand *errand_new(struct toys *t, unsigned name, int kind)
{
	struct toy_errand *e = xzalloc(sizeof *e);
	e->kind = kind;
	t->errands++;
	e->name = name;
	e->node = t->node;
	e->life = t->w->nodes[t->node].life;
	return e;
}

/* The echo comes back at once. */
static void ask_nobody(struct toys *t, const struct frame_record *echo)
{
	struct toy_errand *e = errand_new(t, name_of(echo->to), ECHOES);
	e->fence = echo->osm;
	struct sim_event *ev = sim_at(t->w, t->w->now, EV_TOYS, t->node);
	ev->life = e->life;
	ev->what = e;
}

void toys_forget(void *what)
{
	struct toy_errand *e = what;
	if (!e)
		return;
	arena_free(e->call.arena);
	free(e);
}

static void ask(struct toys *t, enum registry_verb verb, struct str name, uint64_t fence, uint32_t heir)
{
	struct toy_errand *e = errand_new(t, name_of(name), ASKS);
	uint64_t delay;
	e->call = (struct registry_call){ .verb = verb, .key = text_of(e->name, e->text), .epoch = t->self, .fence = fence };
	e->call.edge = heir;
	sim_registry(t->w, t->node, &e->call, &delay);
	struct sim_event *ev = sim_at(t->w, t->w->now + delay, EV_TOYS, t->node);
	ev->life = e->life;
	ev->what = e;
}

static void on_claim(void *arg, struct str name, uint64_t fence)
{
	ask(arg, REGISTRY_PLACE_CLAIM, name, fence, 0);
}

static void on_renew(void *arg, struct str name, uint64_t fence)
{
	ask(arg, REGISTRY_PLACE_RENEW, name, fence, 0);
}

static void on_release(void *arg, struct str name, uint64_t fence, uint32_t heir)
{
	ask(arg, REGISTRY_PLACE_RELEASE, name, fence, heir);
}

/* It may be slow, and what was sent to it arrives though the sender sleeps or is dead. */
static void ask_store(struct toys *t, struct toy_errand *e)
{
	struct sim_event *ev = sim_at(t->w, t->w->now + 1 + sim_rand(t->w, sim_chance(t->w, 5) ? 3000 : 10), EV_STORE, t->node);
	ev->what = e;
}

/* ---- serving ---- */

static bool is_as_good_as_dead(struct sim_world *w, uint32_t epoch)
{
	struct registry_call c;
	bool lives = false;
	sim_list(w, &c);
	for (unsigned i = 0; i < c.n_nodes; i++)
		lives |= c.nodes[i].epoch == epoch && !c.nodes[i].dead && c.nodes[i].lease_ms > 0;
	arena_free(c.arena);
	return !lives;
}

static bool nobody_died(const struct sim_world *w)
{
	return !all.somebody_died && !w->forgot && !w->seen[CORE_PEER_DEAD];
}

static void look_for_others(struct toys *t, unsigned name)
{
	struct sim_world *w = t->w;
	for (unsigned i = 0; i < w->plan.nodes && !w->forgot; i++) {
		const struct toys *o = w->nodes[i].runs && i != t->node ? w->nodes[i].accounts->toys : NULL;
		const struct toy *toy = o ? o->served[name] : NULL;
		if (toy && !is_as_good_as_dead(w, toy->epoch))
			sim_fail(w, "n%u (%u) begins to serve t%u, which n%u (%u) serves, and lives", t->node, t->self, name, i,
				 toy->epoch);
	}
}

static void *on_begin(void *arg, struct str text, uint64_t fence, struct str state)
{
	struct toys *t = arg;
	struct toy *toy = xzalloc(sizeof *toy);
	*toy = (struct toy){ .t = t, .name = name_of(text), .epoch = t->self, .fence = fence };
	sim_log(t->w, "n%u serves t%u under %llu, %s", t->node, toy->name, (unsigned long long)fence,
		str_present(state) ? "with its state" : "from the store");
	BUG_ON(t->served[toy->name]);
	t->served[toy->name] = toy;
	look_for_others(t, toy->name);
	if (str_present(state)) {
		BUG_ON(!str_to_u64(state, &toy->n));
		all.frozen[toy->name] = 0;
		return toy;
	}
	/* Whoever it was sent to may have had the claim, and no lease any more. */
	if (all.frozen[toy->name] && nobody_died(t->w) && !is_as_good_as_dead(t->w, all.frozen[toy->name]) &&
	    !model_place_lapsed(t->w->model, text))
		sim_fail(t->w, "n%u begins to serve t%u without the state that was sent to it", t->node, toy->name);
	all.frozen[toy->name] = 0;
	struct toy_errand *e = errand_new(t, toy->name, LOADS);
	e->fence = fence;
	places_hold(places_for(t, toy->name), text);
	ask_store(t, e);
	return toy;
}

static void on_freeze(void *arg, void *place, struct buf *out)
{
	const struct toy *toy = place;
	buf_addf(out, "%llu", (unsigned long long)toy->n);
	all.frozen[toy->name] = toy->t->self;
	while (toy->t->w->mutation == MUTATE_LOSE_STATE && buf_status(out) == ERR_NONE)
		buf_addz(out, "more than there is room for");
	toy->t->w->given++;
}

static void on_end(void *arg, void *place)
{
	struct toy *toy = place;
	toy->t->served[toy->name] = NULL;
	free(toy);
}

static void on_take(void *arg, void *place, const struct frame_record *r)
{
	struct toys *t = arg;
	struct toy *toy = place;
	struct toy_errand *e = errand_new(t, toy->name, WRITES);
	in_hand(t, r->osm);
	look_for_order(t->w, r->osm);
	e->fence = toy->fence;
	e->n = toy->n + 1;
	e->message = (uint32_t)r->osm;
	places_hold(places_for(t, toy->name), r->to);
	ask_store(t, e);
}

static void on_refuse(void *arg, const struct frame_record *r)
{
	struct toys *t = arg;
	if (r->kind != PLACES_DATA)
		return;
	in_hand(t, r->osm)->refused++;
	t->w->turned_away++;
}

static void on_declined(void *arg, struct str name, uint32_t epoch)
{
	struct toys *t = arg;
	sim_fail(t->w, "%u declines t%u, whose service it has", epoch, name_of(name));
}

/* ---- the store ---- */

static void write_number(struct sim_world *w, struct toy_errand *e)
{
	uint64_t before = all.store[e->name].n;
	if (e->n != before + 1 && !w->doubled)
		sim_fail(w, "n%u writes %llu for t%u under %llu, where %llu is", e->node, (unsigned long long)e->n, e->name,
			 (unsigned long long)e->fence, (unsigned long long)before);
	sim_log(w, "n%u writes %llu for t%u under %llu", e->node, (unsigned long long)e->n, e->name, (unsigned long long)e->fence);
	all.store[e->name].n = e->n;
	all.fates[e->message - 1].taken++;
	w->counted++;
}

void toys_store(struct sim_world *w, const struct sim_event *ev)
{
	struct toy_errand *e = ev->what;
	e->err = e->fence < all.store[e->name].fence && w->mutation != MUTATE_NO_FENCE ? ERR_DENIED : ERR_NONE;
	w->fenced_off += e->err == ERR_DENIED;
	if (!e->err && e->fence > all.store[e->name].fence)
		all.store[e->name].fence = e->fence;
	if (!e->err && e->kind == WRITES)
		write_number(w, e);
	else if (!e->err)
		e->n = all.store[e->name].n;
	e->fence = all.store[e->name].fence;
	struct sim_event *back = sim_at(w, w->now + 1 + sim_rand(w, 5), EV_TOYS, e->node);
	back->life = e->life;
	back->what = e;
}

static void on_stored(struct toys *t, const struct toy_errand *e)
{
	char text[16];
	struct str name = text_of(e->name, text);
	struct toy *toy = t->served[e->name];
	struct places *p = places_for(t, e->name);
	BUG_ON(!toy); /* it was held */
	if (!e->err) {
		toy->n = e->n;
	} else {
		if (e->kind == WRITES)
			in_hand(t, e->message)->refused++;
		places_lose(p, name, e->fence, t->w->now);
	}
	if (!e->err && e->kind == WRITES && sim_chance(t->w, 2))
		places_close(p, name, t->w->now);
	places_release(p, name, t->w->now);
}

void toys_event(struct toys *t, const struct sim_event *ev)
{
	struct toy_errand *e = ev->what;
	const struct registry_call *c = &e->call;
	struct places *p = places_for(t, e->name);
	t->errands--;
	if (e->kind == ECHOES)
		places_record(p, &(struct frame_record){ .kind = PLACES_ECHOED, .dst_fp = fp_of(e->name), .osm = e->fence,
							 .oseq = t->self }, t->w->now);
	else if (e->kind != ASKS)
		on_stored(t, e);
	else if (c->verb == REGISTRY_PLACE_CLAIM)
		places_claimed(p, c->key, c->err, c->winner, c->fence, c->after, t->w->now);
	else if (c->verb == REGISTRY_PLACE_RENEW)
		places_renewed(p, c->key, c->fence, c->err, t->w->now);
	else
		places_released(p, c->key, c->fence, c->err, t->w->now);
	toys_forget(e);
}

/* ---- what comes in ---- */

void toys_come(struct toys *t, const struct frame_record *r)
{
	if (r->kind == TOYS_KIND + PLACES_DATA)
		in_hand(t, r->osm);
}

void toys_record(struct toys *t, const struct frame_record *r)
{
	struct frame_record in = *r;
	in.kind = (uint8_t)(r->kind - TOYS_KIND);
	if (in.kind == PLACES_DATA) {
		struct toy_fate *f = in_hand(t, r->osm);
		f->again |= (r->flags & FRAME_MAYBE_DUP) != 0;
		passes(t, f);
	}
	places_record(places_of_fp(t, r->dst_fp), &in, t->w->now);
}

void toys_given_back(struct toys *t, uint32_t to, const struct frame_record *r)
{
	struct frame_record again = *r;
	if (r->kind == TOYS_KIND + PLACES_STATE)
		places_given_back(places_for(t, name_of(r->to)), to, r, t->w->now);
	if (r->kind != TOYS_KIND + PLACES_DATA)
		return;
	again.flags |= FRAME_MAYBE_DUP;
	again.ttl--;
	if (again.ttl)
		toys_record(t, &again);
	else
		in_hand(t, r->osm)->refused++;
}

void toys_view(struct toys *t, struct view *v)
{
	if (t->self && v->self != t->self)
		toys_death();
	t->self = v->self;
	view_unref(t->view);
	t->view = view_ref(v);
	for (unsigned i = 0; i < t->w->plan.workers; i++)
		places_view(t->places[i], v, t->w->now);
}

void toys_tell_all(struct toys *t)
{
	for (unsigned i = 0; i < t->w->plan.workers; i++)
		places_tell_all(t->places[i]);
}

/* ---- time, and what people do ---- */

void toys_tick(struct toys *t)
{
	if (t->w->now < t->tick_at)
		return;
	t->tick_at = t->w->now + 500;
	for (unsigned i = 0; i < t->w->plan.workers; i++)
		places_tick(t->places[i], t->w->now);
}

void toys_work(struct toys *t)
{
	char text[16];
	unsigned name = (unsigned)sim_rand(t->w, NAMES);
	if (all.n_fates == all.cap_fates)
		all.fates = xrealloc(all.fates, (all.cap_fates = all.cap_fates ? 2 * all.cap_fates : 256) * sizeof *all.fates);
	all.fates[all.n_fates++] = (struct toy_fate){
		.name = (uint8_t)name, .from = (uint8_t)t->node, .from_life = t->w->nodes[t->node].life, .written_at = t->w->now,
		.hurried = hurried(t->w, name),
	};
	struct frame_record r = {
		.kind = TOYS_KIND + PLACES_DATA, .ttl = PLACES_TTL, .dst_fp = fp_of(name), .osm = all.n_fates,
		.to = text_of(name, text),
	};
	toys_record(t, &r);
}

/* ---- the end ---- */

void toys_farewell(struct toys *t)
{
	t->farewell_at = t->w->now;
}

/* The others hear later than we that nothing is placed here any more. */
bool toys_at_rest(struct toys *t)
{
	size_t left = t->errands;
	for (unsigned i = 0; i < t->w->plan.workers; i++)
		left += places_leaving(t->places[i]);
	if (left || t->w->now < t->farewell_at + NEWS_MS)
		return false;
	for (unsigned i = 0; i < t->w->plan.workers && !t->ended; i++)
		places_end_all(t->places[i]);
	t->ended = true;
	for (unsigned i = 0; i < t->w->plan.workers; i++)
		left += places_held(t->places[i]);
	return !left;
}

/* ---- life ---- */

struct toys *toys_new(struct sim_world *w, unsigned node)
{
	struct toys *t = xzalloc(sizeof *t);
	struct places_out out = {
		.arg = t, .send = on_send, .claim = on_claim, .renew = on_renew, .release = on_release, .begin = on_begin,
		.freeze = on_freeze, .end = on_end, .take = on_take, .refuse = on_refuse, .declined = on_declined,
	};
	t->w = w;
	t->node = node;
	for (unsigned i = 0; i < w->plan.workers; i++)
		t->places[i] = places_new(&out, seed, NAMES);
	return t;
}


void toys_free(struct toys *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < NAMES; i++)
		all.hurried[i] += hurried_here(t, i);
	for (unsigned i = 0; i < t->w->plan.workers; i++)
		places_free(t->places[i]);
	view_unref(t->view);
	free(t);
}

/* ---- at the end ---- */

static const char *name_is_well(struct sim_world *w, unsigned name)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct toys *t = w->nodes[i].runs ? w->nodes[i].accounts->toys : NULL;
		if (!t)
			continue;
		n += t->served[name] != NULL;
		if (t->served[name] && places_where(places_for(t, name), fp_of(name)) != t->self)
			return unwell("n%u serves t%u, which is placed elsewhere", i, name);
		if (places_leaving(places_for(t, name)))
			return unwell("n%u is not done with what it gave away", i);
	}
	return n > 1 ? unwell("%u nodes serve t%u", n, name) : NULL;
}

const char *toys_quiet(struct sim_world *w)
{
	for (unsigned i = 0; i < NAMES; i++) {
		const char *bad = name_is_well(w, i);
		if (bad)
			return bad;
	}
	for (unsigned i = 0; i < all.n_fates; i++) {
		const struct toy_fate *f = &all.fates[i];
		const struct sim_node *n = &w->nodes[f->node];
		unsigned times = f->taken + f->refused;
		if (!times && sim_answers_for(w, f->node, f->life))
			return unwell("message %u for t%u is lost; %s had it last", i + 1, f->name, n->name);
		if (times > 1 && !f->again)
			return unwell("message %u for t%u was taken %u times, and refused %u times", i + 1, f->name, f->taken, f->refused);
	}
	return NULL;
}
