#include "cluster/places.h"

#include <stdlib.h>

#include "cluster/spot.h"

#define RENEW_MS      20000 /* and up to twice that: not all at once */
#define RENEWS        200   /* a tick, and: */
#define RENEW_SHARE   20    /* this part of all: less than there are ticks in RENEW_MS */
#define AGAIN_MS      500   /* a claim that could not be asked for, or that a node has that we do not see alive */
#define RESEND_MS     8000  /* a state that nobody says anything of */
#define DOUBLINGS     4     /* of the time until a state is sent again */
#define GAP_MS        4000  /* shorter than what is left of a lease when the node freezes */

/* ---- the registry ---- */

static void claim(struct places *p, struct spot *l)
{
	l->step = CLAIMS;
	l->again_ms = p->now_ms + AGAIN_MS;
	if (l->asking)
		return;
	l->asking = true;
	p->out.claim(p->out.arg, l->name, l->known);
}

static void renew(struct places *p, struct spot *l)
{
	l->again_ms = p->now_ms + AGAIN_MS;
	if (l->asking)
		return;
	l->asking = true;
	p->out.renew(p->out.arg, l->name, l->fence);
}

static void release(struct places *p, struct spot *l)
{
	l->step = RELEASES;
	l->again_ms = p->now_ms + AGAIN_MS;
	p->out.release(p->out.arg, l->name, l->fence, l->given_to);
}

/* It is not ours: what waits for it finds who has it, or claims it. With a state it must be claimed, wherever it belongs now. A spot that
 * has asked something is there until the answer: so there is one question at a time. */
static void leave(struct places *p, struct spot *l)
{
	bool here = spot_is_here(p, l->fp);
	uint32_t to = p->view && p->view->self && !here ? spot_place_of(p, l->fp) : 0;
	if (to)
		spot_send_waiting(p, l, to);
	else if (!here)
		spot_refuse_waiting(p, l);
	l->step = CLAIMS;
	if (l->first || l->has_state)
		claim(p, l);
	else if (!l->asking)
		spot_forget(p, l);
}

/* ---- serving ---- */

static void begin(struct places *p, struct spot *l, bool with_state)
{
	struct buf state = l->state;
	buf_init(&l->state, STATE_MAX);
	l->step = SERVED;
	l->unsure = p->view->state == NODE_ISOLATED;
	l->lost = l->closing = false;
	l->stays_ms = with_state && l->state_from ? p->now_ms + AGAIN_MS : 0;
	l->again_ms = p->now_ms + RENEW_MS + l->fp % RENEW_MS;
	l->inside = true;
	l->service = p->out.begin(p->out.arg, l->name, l->fence, with_state ? buf_str(&state) : STR_NONE);
	l->inside = false;
	buf_fini(&state);
	spot_drop_state(l);
}

static void end(struct places *p, struct spot *l)
{
	void *service = l->service;
	l->service = NULL;
	l->inside = true;
	p->out.end(p->out.arg, service);
	l->inside = false;
}

/* Once more, if need be, after `ms`, and each time after twice as long. */
static void again_in(struct places *p, struct spot *l, uint64_t ms)
{
	l->again_ms = p->now_ms + (ms << l->times);
}

static void send_state(struct places *p, struct spot *l)
{
	again_in(p, l, RESEND_MS);
	l->times += l->times < DOUBLINGS;
	spot_send_state(p, l);
}

static void freeze(struct places *p, struct spot *l)
{
	spot_drop_state(l);
	p->out.freeze(p->out.arg, l->service, &l->state);
	l->has_state = buf_status(&l->state) == ERR_NONE;
}

static void give_to(struct places *p, struct spot *l, uint32_t to)
{
	l->given_to = to;
	l->givings++;
	l->times = 0;
	l->declined = false;
	send_state(p, l);
}

/* Its state goes first, so that it is there before what follows it. */
static void give(struct places *p, struct spot *l, uint32_t to)
{
	freeze(p, l);
	end(p, l);
	l->step = GIVEN;
	p->stats.moved++;
	give_to(p, l, to);
	spot_send_waiting(p, l, to);
}

static void lose(struct places *p, struct spot *l)
{
	p->stats.lost++;
	end(p, l);
	p->out.release(p->out.arg, l->name, l->fence, 0); /* if it was the store that denied it, the registry may know us still */
	if (l->fence > l->known)
		l->known = l->fence;
	spot_drop_state(l);
	leave(p, l);
}

static void take_next(struct places *p, struct spot *l)
{
	struct waiter *w = spot_next_waiter(p, l);
	l->inside = true;
	p->out.take(p->out.arg, l->service, &w->r);
	l->inside = false;
	free(w);
	spot_answer_echoes(p, l);
}

/* Does what is due, now that something has changed. */
static void settle(struct places *p, struct spot *l)
{
	while (l->step == SERVED && !l->gone && !l->inside && !l->holds) {
		if (l->lost) {
			lose(p, l);
		} else if (l->unsure) {
			return;
		} else if (l->closing) {
			end(p, l);
			l->given_to = 0;
			release(p, l);
		} else if (!spot_stays(p, l)) {
			give(p, l, spot_place_of(p, l->fp));
		} else if (l->first) {
			take_next(p, l);
		} else {
			return;
		}
	}
}

/* Taken back before anybody had it: the claim is ours still. */
static void take_back(struct places *p, struct spot *l)
{
	spot_say_whose(p, l, false);
	begin(p, l, l->has_state);
	settle(p, l);
}

/* ---- calls into this file ---- */

static void enter(struct places *p, uint64_t now_ms)
{
	bool gap = p->now_ms && now_ms > p->now_ms + GAP_MS;
	p->depth++;
	if (now_ms > p->now_ms)
		p->now_ms = now_ms;
	if (gap)
		places_become_unsure(p);
}

static void free_dead(struct places *p)
{
	while (p->dead) {
		struct spot *l = p->dead;
		p->dead = l->next_dead;
		buf_fini(&l->state);
		free(l);
	}
}

static void exit_from(struct places *p)
{
	if (p->depth == 1)
		ways_run(&p->ways);
	if (--p->depth == 0)
		free_dead(p);
}

/* Collected first: they come and go meanwhile. */
static void each_spot(struct places *p, void (*act)(struct places *p, struct spot *l))
{
	size_t n = 0, cap = map_count(&p->names);
	struct spot **all = xmalloc((cap + 1) * sizeof *all);
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);)
		all[n++] = value;
	for (size_t i = 0; i < n; i++)
		if (!all[i]->gone)
			act(p, all[i]);
	free(all);
}

/* ---- views ---- */

/* Our incarnation is dead, and so are its claims. */
static void renamed(struct places *p, struct spot *l)
{
	if (l->step == SERVED) {
		l->lost = true;
		settle(p, l);
		return;
	}
	spot_drop_state(l);
	leave(p, l);
}

static void give_to_another(struct places *p, struct spot *l, uint32_t to)
{
	spot_say_whose(p, l, false);
	give_to(p, l, to);
}

static void look_where(struct places *p, struct spot *l)
{
	bool here = spot_is_here(p, l->fp);
	switch ((enum spot_step)l->step) {
	case CLAIMS:
		if (!here)
			leave(p, l);
		else if (l->first && !l->asking)
			claim(p, l);
		break;
	case SERVED:
		l->stays_ms = 0;
		settle(p, l);
		break;
	case GIVEN:
		if (l->unsure)
			break;
		if (here)
			take_back(p, l);
		else if (spot_place_of(p, l->fp) != l->given_to)
			give_to_another(p, l, spot_place_of(p, l->fp));
		break;
	case RELEASES:
		break;
	}
}

void places_view(struct places *p, struct view *v, uint64_t now_ms)
{
	struct view *before = p->view;
	enter(p, now_ms);
	p->view = view_ref(v);
	if (before && before->self && before->self != v->self)
		each_spot(p, renamed);
	places_note_registry(p);
	ways_view(&p->ways, v);
	if (v->state == NODE_ISOLATED || (before && before->state == NODE_ISOLATED) || places_are_in_doubt(p))
		places_become_unsure(p);
	if (v->self)
		each_spot(p, look_where);
	view_unref(before);
	exit_from(p);
}

/* ---- answers ---- */

static bool is_old_answer(struct spot *l)
{
	bool old = l->old_ask;
	l->asking = l->old_ask = false;
	return old;
}

static void granted(struct places *p, struct spot *l, uint64_t fence, uint64_t after)
{
	l->fence = fence;
	begin(p, l, l->has_state && l->state_fence < fence && l->state_fence >= after);
	settle(p, l);
}

/* Nobody wants it any more. */
static void unwanted(struct places *p, struct spot *l, uint64_t fence)
{
	l->fence = fence;
	l->given_to = 0;
	release(p, l);
}

/* It is somebody else's. A state that we have is of no use when it was served after that, or is not to be ours. */
static void others(struct places *p, struct spot *l, uint32_t winner, uint64_t fence)
{
	bool here = spot_is_here(p, l->fp);
	if (fence > l->known)
		l->known = fence;
	if (l->has_state && (fence > l->state_fence || (!here && winner != l->state_from)))
		spot_drop_state(l);
	if (!l->has_state && !here)
		leave(p, l);
}

void places_claimed(struct places *p, struct str name, enum err err, uint32_t winner, uint64_t fence, uint64_t after, uint64_t now_ms)
{
	struct spot *l = spot_find(p, name);
	bool ours = err == ERR_NONE && p->view && winner && winner == p->view->self;
	enter(p, now_ms);
	bool old = l && is_old_answer(l);
	if (!l && ours)
		p->out.release(p->out.arg, name, fence, 0);
	else if (l && l->step == CLAIMS && ours && !l->first && !l->has_state)
		unwanted(p, l, fence);
	else if (l && l->step == CLAIMS && ours && old)
		claim(p, l);
	else if (l && l->step == CLAIMS && ours)
		granted(p, l, fence, after);
	else if (l && l->step == CLAIMS && err == ERR_NONE)
		others(p, l, winner, fence);
	exit_from(p);
}

static void denied(struct places *p, struct spot *l)
{
	if (l->step == SERVED) {
		l->lost = true;
		settle(p, l);
	} else {
		spot_drop_state(l);
		leave(p, l);
	}
}

static void confirmed(struct places *p, struct spot *l)
{
	l->unsure = p->view->state == NODE_ISOLATED;
	l->again_ms = p->now_ms + (l->step == SERVED ? RENEW_MS + l->fp % RENEW_MS : RESEND_MS);
	look_where(p, l);
}

void places_renewed(struct places *p, struct str name, uint64_t fence, enum err err, uint64_t now_ms)
{
	struct spot *l = spot_find(p, name);
	enter(p, now_ms);
	bool old = l && is_old_answer(l);
	if (l && (l->step == SERVED || l->step == GIVEN) && l->fence == fence) {
		if (err == ERR_DENIED)
			denied(p, l);
		else if (err == ERR_NONE && old)
			renew(p, l);
		else if (err == ERR_NONE)
			confirmed(p, l);
	} else if (l && l->step == CLAIMS && (l->first || l->has_state)) {
		claim(p, l);
	}
	exit_from(p);
}

void places_released(struct places *p, struct str name, uint64_t fence, enum err err, uint64_t now_ms)
{
	struct spot *l = spot_find(p, name);
	enter(p, now_ms);
	if (l && l->step == RELEASES && l->fence == fence && (err == ERR_NONE || err == ERR_DENIED)) {
		spot_say_whose(p, l, true);
		leave(p, l);
	}
	exit_from(p);
}

/* ---- records ---- */

/* An answer to our last word. A node of the version before answers with no number. */
static bool is_given(const struct spot *l, const struct frame_record *r, uint32_t to)
{
	return l && l->step == GIVEN && l->fence == r->osm && l->given_to == to && (!r->oseq || r->oseq == l->givings);
}

static void got(struct places *p, struct spot *l, const struct frame_record *r)
{
	if (!is_given(l, r, (uint32_t)r->dst_sid))
		return;
	spot_drop_state(l);
	release(p, l);
}

static void not_taken(struct places *p, struct spot *l, const struct frame_record *r)
{
	if (!is_given(l, r, (uint32_t)r->dst_sid) || l->declined)
		return;
	l->declined = r->rule == 1;
	if (l->declined)
		p->out.declined(p->out.arg, l->name, l->given_to);
	else
		again_in(p, l, AGAIN_MS);
}

static void whose(struct places *p, struct spot *l, const struct frame_record *r)
{
	if (!l || l->step != CLAIMS)
		return;
	if (!r->rule && l->has_state && l->state_fence == r->osm) {
		spot_drop_state(l);
		leave(p, l);
	} else if (r->rule && (l->has_state || l->first)) {
		claim(p, l);
	}
}

/* A state that has come: the newer of two counts, of one holder's the later. Who serves already has no use for it. */
static void keep_state(struct places *p, struct spot *l, const struct frame_record *r)
{
	bool waits = l->step == CLAIMS || l->step == RELEASES;
	if (l->step == GIVEN) {
		spot_answer_state(p, r, PLACES_NOT, false);
		return;
	}
	if (waits && r->osm >= l->state_fence) {
		spot_drop_state(l);
		l->has_state = r->rule == 1;
		buf_add_str(&l->state, r->xml);
		l->has_state &= buf_status(&l->state) == ERR_NONE;
		l->state_fence = r->osm;
		l->state_from = (uint32_t)r->dst_sid;
		if (r->osm > l->known)
			l->known = r->osm;
	}
	spot_answer_state(p, r, PLACES_GOT, false);
}

static void take_now(struct places *p, struct spot *l, const struct frame_record *r)
{
	l->inside = true;
	p->out.take(p->out.arg, l->service, r);
	l->inside = false;
	settle(p, l);
}

static bool takes(const struct places *p, const struct spot *l)
{
	return l && spot_stays(p, l) && !l->holds && !l->unsure && !l->lost && !l->closing && !l->first && !l->inside;
}

/* NULL: there are too many. */
static struct spot *find_or_make(struct places *p, const struct frame_record *r)
{
	struct spot *l = spot_find(p, r->to);
	return l || map_count(&p->names) >= p->max ? l : spot_new(p, r->to, r->dst_fp);
}

/* Who gives it away gives the claim as soon as he hears that it is here: then it is time to claim. */
static void state_came(struct places *p, const struct frame_record *r)
{
	bool takes = !p->ended && p->view && p->view->self;
	struct spot *l = takes ? find_or_make(p, r) : NULL;
	if (takes && r->dst_sid == p->view->self)
		return;
	if (!l) {
		spot_answer_state(p, r, PLACES_NOT, false);
		return;
	}
	if (!l->again_ms)
		l->again_ms = p->now_ms + AGAIN_MS;
	keep_state(p, l, r);
}

static void data_here(struct places *p, const struct frame_record *r)
{
	struct spot *l = p->ended ? NULL : find_or_make(p, r);
	if (!l) {
		spot_refuse(p, r);
		return;
	}
	bool is_new = l->step == CLAIMS && !l->first && !l->has_state;
	if (takes(p, l))
		take_now(p, l, r);
	else
		spot_wait(p, l, r);
	if (is_new)
		claim(p, l);
}

static bool is_going_round(const struct frame_record *r)
{
	return r->ttl <= PLACES_TTL - PLACES_QUICK;
}

/* After the state, as soon as that can go; after what waits; not at once, if it goes round. */
static void data_elsewhere(struct places *p, const struct frame_record *r, uint32_t place)
{
	struct spot *l = spot_find(p, r->to);
	bool waits = is_going_round(r) || (l && (l->step == SERVED || l->first));
	if (waits && !p->ended)
		l = find_or_make(p, r);
	if (!waits || p->ended || !l) {
		spot_send_on(p, place, r);
		return;
	}
	if (!l->again_ms)
		l->again_ms = p->now_ms + AGAIN_MS;
	spot_wait(p, l, r);
}

static void data_goes(struct places *p, const struct frame_record *r)
{
	const struct spot *l = spot_find(p, r->to);
	uint32_t place = spot_place_of(p, r->dst_fp);
	if (!place || !p->view->self)
		spot_refuse(p, r);
	else if (place == p->view->self || (l && spot_stays(p, l)))
		data_here(p, r);
	else
		data_elsewhere(p, r, place);
}

static void data(struct places *p, const struct frame_record *r)
{
	uint32_t where = spot_where(p, spot_find(p, r->to), r->dst_fp);
	if (!where || !places_ways_takes(p, r, where))
		data_goes(p, r);
}

static void record(struct places *p, const struct frame_record *r)
{
	if (r->kind == PLACES_DATA)
		data(p, r);
	else if (r->kind == PLACES_ECHO || r->kind == PLACES_ECHOED)
		ways_record(&p->ways, r, p->now_ms);
	else if (r->kind == PLACES_STATE)
		state_came(p, r);
	else if (r->kind == PLACES_GOT)
		got(p, spot_find(p, r->to), r);
	else if (r->kind == PLACES_NOT)
		not_taken(p, spot_find(p, r->to), r);
	else
		whose(p, spot_find(p, r->to), r);
}

void places_record(struct places *p, const struct frame_record *r, uint64_t now_ms)
{
	enter(p, now_ms);
	record(p, r);
	exit_from(p);
}

void places_given_back(struct places *p, uint32_t to, const struct frame_record *r, uint64_t now_ms)
{
	struct spot *l = spot_find(p, r->to);
	enter(p, now_ms);
	if (is_given(l, r, to))
		l->again_ms = p->now_ms + AGAIN_MS;
	exit_from(p);
}

void places_decline(struct places *p, const struct frame_record *r)
{
	spot_answer_state(p, r, PLACES_NOT, true);
}

bool places_takes(struct places *p, struct str name, uint64_t fp, uint64_t now_ms)
{
	struct spot *l = spot_find(p, name);
	enter(p, now_ms);
	bool yes = takes(p, l) && l->fp == fp && !ways_waits(&p->ways, fp, p->view->self, 0, p->now_ms);
	exit_from(p);
	return yes;
}

/* ---- the service's ---- */

void places_hold(struct places *p, struct str name)
{
	struct spot *l = spot_find_served(p, name);
	BUG_ON(!l);
	l->holds++;
}

void places_release(struct places *p, struct str name, uint64_t now_ms)
{
	struct spot *l = spot_find_served(p, name);
	BUG_ON(!l || !l->holds);
	enter(p, now_ms);
	l->holds--;
	settle(p, l);
	exit_from(p);
}

void places_lose(struct places *p, struct str name, uint64_t greatest, uint64_t now_ms)
{
	struct spot *l = spot_find_served(p, name);
	BUG_ON(!l);
	enter(p, now_ms);
	l->lost = true;
	if (greatest > l->known)
		l->known = greatest;
	settle(p, l);
	exit_from(p);
}

void places_close(struct places *p, struct str name, uint64_t now_ms)
{
	struct spot *l = spot_find_served(p, name);
	BUG_ON(!l);
	enter(p, now_ms);
	l->closing = true;
	settle(p, l);
	exit_from(p);
}

/* ---- time ---- */

static void look_claims(struct places *p, struct spot *l)
{
	bool due = p->now_ms >= l->again_ms;
	if (l->has_state || (l->first && spot_is_here(p, l->fp))) {
		if (due)
			claim(p, l);
	} else if (l->first) {
		if (due)
			leave(p, l);
	} else if (!l->asking) {
		spot_forget(p, l);
	}
}

static void look(struct places *p, struct spot *l)
{
	spot_refuse_late(p, l);
	if (l->step == CLAIMS)
		look_claims(p, l);
	if (l->step == SERVED)
		settle(p, l);
	if (l->gone || p->now_ms < l->again_ms)
		return;
	if (l->step == GIVEN && l->unsure) {
		renew(p, l);
	} else if (l->step == GIVEN) {
		if (!l->declined)
			send_state(p, l);
	} else if (l->step == RELEASES) {
		release(p, l);
	}
}

/* Those whose turn has come, but not too many at once: the rest next time. The share is so large that all have had their turn before it is
 * the first one's again: as they are looked through in one order, the last would never be renewed. */
static void renew_some(struct places *p)
{
	size_t n = 0, most = RENEWS + map_count(&p->names) / RENEW_SHARE;
	struct str key, *due = xmalloc(most * sizeof *due);
	void *value;
	for (size_t i = 0; n < most && map_next(&p->names, &i, &key, &value);) {
		const struct spot *l = value;
		if (l->step == SERVED && !l->asking && p->now_ms >= l->again_ms)
			due[n++] = l->name;
	}
	while (n) {
		struct spot *l = spot_find_served(p, due[--n]);
		if (l)
			renew(p, l);
	}
	free(due);
}

void places_tick(struct places *p, uint64_t now_ms)
{
	enter(p, now_ms);
	if (places_are_in_doubt(p))
		places_become_unsure(p);
	each_spot(p, look);
	ways_tick(&p->ways, p->now_ms);
	if (p->view && p->view->self)
		renew_some(p);
	exit_from(p);
}

void places_tell_all(struct places *p)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);) {
		struct spot *l = value;
		if (l->step != GIVEN) /* it need not know of a state that is on its way */
			l->again_ms = p->now_ms;
	}
}

/* ---- life ---- */

struct places *places_new(const struct places_out *out, const uint64_t seed[2], size_t max)
{
	struct places *p = xzalloc(sizeof *p);
	p->out = *out;
	p->max = max;
	p->goes = data_goes;
	map_init(&p->names, seed);
	places_ways_init(p);
	return p;
}

static void end_now(struct places *p, struct spot *l)
{
	if (l->step == SERVED)
		end(p, l);
	spot_refuse_waiting(p, l);
	spot_forget(p, l);
}

/* A state that has no other way: of a place that cannot be given, as the registry is away and we may not be its owner any more; of one that
 * came here and waits for a claim; one whose next node died. Whoever has it then claims the place once he can, and begins with it if nobody
 * served it since. */
static void pass_on(struct places *p, struct spot *l)
{
	uint32_t to = spot_place_of(p, l->fp);
	bool stays = !p->view || !p->view->self || !to || to == p->view->self || l->lost || l->closing;
	if (stays || (l->step == GIVEN && to == l->given_to))
		return;
	if (l->step == SERVED)
		freeze(p, l);
	else if (l->step != GIVEN)
		l->fence = l->state_fence;
	if (l->has_state)
		give_to(p, l, to);
}

static void end_one(struct places *p, struct spot *l)
{
	if (l->step != SERVED || !l->holds) {
		pass_on(p, l);
		end_now(p, l);
		return;
	}
	spot_refuse_waiting(p, l);
	l->closing = true;
}

void places_end_all(struct places *p)
{
	p->ended = true;
	p->depth++;
	ways_end(&p->ways);
	each_spot(p, end_one);
	exit_from(p);
}

static void say_nothing(void *arg, uint32_t epoch, const struct frame_record *r)
{
	(void)arg;
	(void)epoch;
	(void)r;
}

void places_free(struct places *p)
{
	if (!p)
		return;
	p->ended = true;
	p->out.send = say_nothing;
	p->depth++;
	each_spot(p, end_now);
	free_dead(p);
	ways_fini(&p->ways);
	map_fini(&p->names);
	view_unref(p->company);
	view_unref(p->view);
	free(p);
}
