#include "tests/cluster/sim/accounts.h"
#include "tests/cluster/sim/toys.h"

#include <stdio.h>
#include <stdlib.h>

struct sim_world *sim_of_now;

void sim_fail(struct sim_world *w, const char *fmt, ...)
{
	va_list ap;
	if (w->failure[0])
		return;
	int n = snprintf(w->failure, sizeof w->failure, "at %llu ms: ", (unsigned long long)w->now);
	va_start(ap, fmt);
	vsnprintf(w->failure + n, sizeof w->failure - (size_t)n, fmt, ap);
	va_end(ap);
}

void sim_log(struct sim_world *w, const char *fmt, ...)
{
	va_list ap;
	if (!w->verbose)
		return;
	printf("%6llu ", (unsigned long long)w->now);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

uint64_t sim_rand(struct sim_world *w, uint64_t n)
{
	return rng_u64(&w->rng) % n;
}

unsigned sim_index(const struct sim_world *w, const struct sim_node *n)
{
	return (unsigned)(n - w->nodes);
}

bool sim_is_frozen(const struct sim_world *w, unsigned node)
{
	return w->nodes[node].frozen_until > w->now;
}

uint64_t sim_uid(const struct sim_world *w, const struct sim_node *n)
{
	return n->view->self | (uint64_t)sim_index(w, n) << 32 | (uint64_t)n->life << 40;
}

/* ---- the heap ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
	struct sim_event e = *a;
	*a = *b;
	*b = e;
}

/* Its other fields are the caller's to fill in, before the next call: they do not order it. */
struct sim_event *sim_at(struct sim_world *w, uint64_t at, enum sim_event_kind kind, unsigned node)
{
	if (w->n_heap == w->cap_heap)
		w->heap = xrealloc(w->heap, (w->cap_heap = w->cap_heap ? 2 * w->cap_heap : 256) * sizeof *w->heap);
	unsigned i = w->n_heap++;
	w->heap[i] = (struct sim_event){ .at = at, .number = ++w->number, .kind = (uint8_t)kind, .node = (uint8_t)node };
	for (; i && before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->heap[i], &w->heap[(i - 1) / 2]);
	return &w->heap[i];
}

static struct sim_event pop(struct sim_world *w)
{
	struct sim_event top = w->heap[0];
	w->heap[0] = w->heap[--w->n_heap];
	for (unsigned i = 0;;) {
		unsigned child = 2 * i + 1;
		if (child + 1 < w->n_heap && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (child >= w->n_heap || !before(&w->heap[child], &w->heap[i]))
			return top;
		swap(&w->heap[i], &w->heap[child]);
		i = child;
	}
}

/* ---- what a core wants ---- */

/* Every action of a process passes here. False: it has died before it could do it. */
bool sim_acts(struct sim_world *w, struct sim_node *n)
{
	if (n->crash_in == 0)
		n->crashing = true;
	else if (n->crash_in > 0)
		n->crash_in--;
	return !n->crashing;
}

static void on_open(void *arg, unsigned slot, struct str addr)
{
	if (sim_acts(sim_of_now, arg))
		net_open(sim_of_now, sim_index(sim_of_now, arg), slot, addr);
}

static void on_close(void *arg, unsigned slot)
{
	if (sim_acts(sim_of_now, arg))
		net_close(sim_of_now, sim_index(sim_of_now, arg), slot);
}

static bool on_send(void *arg, unsigned slot, struct str header, struct str body)
{
	return !sim_acts(sim_of_now, arg) || net_send(sim_of_now, sim_index(sim_of_now, arg), slot, header, body);
}

static struct frame_record record_of(struct str body)
{
	struct frame_record r = { 0 };
	(void)!frame_next_record(&body, &r);
	return r;
}

static void on_take(void *arg, uint32_t from, uint32_t nrec, struct str body)
{
	struct sim_world *w = sim_of_now;
	struct sim_node *n = arg;
	struct frame_record r = record_of(body);
	uint32_t number = r.oseq;
	if (!sim_acts(w, n))
		return;
	if (r.kind) {
		accounts_take(w, sim_index(w, n), from, body);
		return;
	}
	if (!view_is_alive(n->view, from))
		sim_fail(w, "%s takes from %u, which is not alive in its view", n->name, from);
	if ((uint32_t)r.dst_sid != from)
		sim_fail(w, "%s takes what is said to be from %u, but is from %u", n->name, from, (uint32_t)r.dst_sid);
	if (w->mutation == MUTATE_LOSE && sim_rand(w, 500) == 0)
		return;
	if (w->mutation == MUTATE_SWAP && sim_rand(w, 500) == 0)
		number++;
	check_taken(w, r.dst_sid, n->view->self, number);
	if (w->mutation == MUTATE_REPEAT && sim_rand(w, 500) == 0)
		check_taken(w, r.dst_sid, n->view->self, number);
}

static void on_lost(void *arg, uint32_t to, struct blob *body)
{
	struct sim_world *w = sim_of_now;
	struct sim_node *n = arg;
	struct frame_record r = record_of(blob_str(body));
	if (!sim_acts(w, n) || (w->mutation == MUTATE_KEEP_LOST && sim_rand(w, 4) == 0))
		return;
	if (r.kind)
		accounts_lost(w, sim_index(w, n), to, blob_str(body));
	else
		check_lost(w, sim_uid(w, n), to, r.oseq);
}

static bool was_alive(const struct view *v, uint32_t epoch)
{
	return v && view_is_alive(v, epoch);
}

static void on_view(void *arg, struct view *v)
{
	struct sim_world *w = sim_of_now;
	struct sim_node *n = arg;
	struct view *old = n->view;
	if (!sim_acts(w, n)) {
		view_unref(v);
		return;
	}
	if (old && v->version <= old->version)
		sim_fail(w, "%s has a view that is not newer", n->name);
	uint64_t uid = old ? sim_uid(w, n) : 0;
	for (unsigned i = 0; w->mutation == MUTATE_STAYS_SLOW && old && i < v->n; i++) {
		const struct view_node *before = view_find(old, v->nodes[i].epoch);
		v->nodes[i].slow |= before && before->slow;
	}
	n->view = v;
	for (unsigned i = 0; old && old->self && i < old->n; i++) {
		uint32_t epoch = old->nodes[i].epoch;
		bool over = v->self != old->self || v->state == NODE_LEFT || !was_alive(v, epoch);
		if (over && epoch != old->self && was_alive(old, epoch))
			check_gone(w, uid, epoch);
	}
	view_unref(old);
	if (n->accounts)
		accounts_view(w, sim_index(w, n), v);
}

/* In the first seconds more nodes come than seconds go by: see redis_clock. */
static void note_number(struct sim_world *w, const struct sim_node *n, uint32_t epoch)
{
	uint64_t *born = &w->born[epoch % SIM_EPOCHS], who = (uint64_t)n->life << 8 | (sim_index(w, n) + 1);
	w->doubled |= *born && *born != who;
	*born = who;
}

static void on_event(void *arg, enum core_event e, uint32_t epoch, const char *text)
{
	static const char *const names[CORE_EVENT_COUNT] = {
		"joined", "peer-seen", "peer-up", "peer-suspect", "peer-dead", "peer-left", "fenced", "isolated", "healed", "registry-down",
		"registry-up", "bad-frame", "relaying", "clock-skew", "incompatible", "peer-slow", "peer-refused",
	};
	struct sim_world *w = sim_of_now;
	struct sim_node *n = arg;
	w->seen[e]++;
	if (e == CORE_JOINED)
		note_number(w, n, epoch);
	if (e == CORE_REGISTRY_UP)
		accounts_replay(w, sim_index(w, n));
	sim_log(w, "%s %s %u: %s", n->name, names[e], epoch, text);
	if (e == CORE_BAD_FRAME && w->mutation == MUTATE_NOTHING && !w->forgot)
		sim_fail(w, "%s calls a frame bad: %s", n->name, text);
}

static void on_janitor(void *arg, uint32_t epoch)
{
	struct sim_world *w = sim_of_now;
	struct sim_node *n = arg;
	if (!sim_acts(w, n))
		return;
	if (w->mutation == MUTATE_NO_PURGE && sim_rand(w, 5) == 0)
		return;
	sim_log(w, "%s purges %u", n->name, epoch);
	w->purged[epoch % SIM_EPOCHS][sim_index(w, n)] = n->life;
	if (n->accounts)
		accounts_janitor(w, sim_index(w, n), epoch);
}

/* ---- the registry ---- */

static int64_t wall(const struct sim_world *w)
{
	return (int64_t)w->now + 1767225600000; /* 2026 */
}

/* The clock of the machine that Redis runs on, where the numbers of incarnations come from. Without toys it is wrong, and a Redis that
 * forgot begins with 1, so that numbers are given twice: what nodes do about it is tried there. Places cannot be safe from it (registry.h),
 * and that they are otherwise is tried with a clock that is right. */
static int64_t redis_clock(const struct sim_world *w)
{
	return w->plan.toys ? wall(w) : (int64_t)w->now;
}

static void refuse(struct registry_call *c, const struct registry_call *asked)
{
	arena_free(c->arena);
	*c = *asked;
	c->err = ERR_UNAVAILABLE;
}

void sim_registry(struct sim_world *w, unsigned node, struct registry_call *c, uint64_t *delay)
{
	struct registry_call asked = *c;
	*delay = 1 + sim_rand(w, sim_chance(w, 5) ? 400 : 5);
	if (w->redis_away || w->nodes[node].no_redis) {
		refuse(c, &asked);
		*delay = sim_chance(w, 50) ? 1 : 500;
		return;
	}
	model_ask(w->model, c, redis_clock(w));
	/* Done, but nobody hears of it. */
	if (!w->healed && sim_chance(w, 2)) {
		refuse(c, &asked);
		*delay = 500;
	}
}

void sim_list(struct sim_world *w, struct registry_call *c)
{
	*c = (struct registry_call){ .verb = REGISTRY_NODES };
	model_ask(w->model, c, redis_clock(w));
}

static void on_ask(void *arg, struct registry_call *c)
{
	struct sim_world *w = sim_of_now;
	struct sim_node *n = arg;
	uint64_t delay;
	if (!sim_acts(w, n))
		return;
	sim_registry(w, sim_index(w, n), c, &delay);
	struct sim_event *e = sim_at(w, w->now + delay, EV_ANSWER, sim_index(w, n));
	e->life = n->life;
	e->what = c;
}

/* ---- processes ---- */

static void start(struct sim_world *w, unsigned i)
{
	struct sim_node *n = &w->nodes[i];
	struct core_out out = { .arg = n, .open = on_open, .close = on_close, .send = on_send, .ask = on_ask, .take = on_take,
				.lost = on_lost, .view = on_view, .event = on_event, .janitor = on_janitor };
	if (n->runs)
		return;
	n->runs = true;
	n->life++;
	n->leaving = STAYS;
	n->crashing = n->at_rest = n->hurried = false;
	n->crash_in = -1;
	n->frozen_until = n->work_until = 0;
	rng_init_seeded(&n->rng, sim_rand(w, UINT64_MAX));
	struct core_options o = { .name = str_of(n->name), .addr = str_of(n->addr), .version = STR("1"),
				  .workers = (uint16_t)w->plan.workers, .window_frames = w->plan.small_window ? 16 : 0, .checksum = true };
	n->core = core_new(&o, &out, &n->rng);
	n->accounts = w->plan.homes ? accounts_new(w, i) : NULL;
	sim_log(w, "%s starts", n->name);
	core_start(n->core, w->now, wall(w) + w->plan.skew[i]);
	sim_at(w, w->now + 1, EV_TICK, i)->life = n->life;
	sim_at(w, w->now + sim_rand(w, 200), EV_WORK, i)->life = n->life;
	sim_after(w, i);
}

static void stop(struct sim_world *w, unsigned i, const char *how)
{
	struct sim_node *n = &w->nodes[i];
	if (!n->runs)
		return;
	sim_log(w, "%s (%u) is %s", n->name, n->view ? n->view->self : 0, how);
	n->runs = false;
	if (!sim_answers_for(w, i, n->life))
		toys_death();
	for (unsigned j = 0; j < w->n_heap; j++) /* answers that nobody is left to hear */
		if (w->heap[j].kind == EV_ANSWER && w->heap[j].node == i && w->heap[j].life == n->life)
			arena_free(((struct registry_call *)w->heap[j].what)->arena);
	core_free(n->core);
	n->core = NULL;
	accounts_free(w, n->accounts);
	n->accounts = NULL;
	view_unref(n->view);
	n->view = NULL;
	net_free(n);
	net_killed(w, i);
}

bool sim_answers_for(const struct sim_world *w, unsigned node, uint32_t life)
{
	const struct sim_node *n = &w->nodes[node];
	return life < 64 && ((n->runs && n->life == life) || n->orderly >> life & 1);
}

static void leave(struct sim_world *w, unsigned i)
{
	struct sim_node *n = &w->nodes[i];
	if (!n->hurried && n->life < 64) {
		n->orderly |= UINT64_C(1) << n->life;
		w->left++;
	}
	stop(w, i, n->hurried ? "gone in a hurry" : "gone");
}

void sim_after(struct sim_world *w, unsigned node)
{
	struct sim_node *n = &w->nodes[node];
	if (!n->runs)
		return;
	if (!n->crashing)
		core_flush(n->core);
	if (n->crashing)
		stop(w, node, "crashed");
	else if (n->leaving == LEAVES && core_is_gone(n->core))
		leave(w, node);
}

static void tick(struct sim_world *w, const struct sim_event *e)
{
	struct sim_node *n = &w->nodes[e->node];
	core_tick(n->core, w->now, wall(w) + w->plan.skew[e->node]);
	sim_after(w, e->node);
	if (n->runs && n->life == e->life)
		net_tick(w, e->node);
	if (!n->runs || n->life != e->life)
		return;
	if (n->accounts) {
		accounts_tick(w, e->node);
		sim_after(w, e->node);
	} else if (n->view->state == NODE_SYNCING && sim_chance(w, 30)) {
		core_synced(n->core);
		sim_after(w, e->node);
	}
	if (n->runs && n->life == e->life)
		sim_at(w, core_next_ms(n->core), EV_TICK, e->node)->life = n->life;
}

/* ---- the work that is simulated ---- */

static struct blob *body_of(struct sim_world *w, uint64_t uid, uint32_t number)
{
	static char text[400];
	struct buf b;
	buf_init(&b, FRAME_MAX);
	struct frame_record r = { .oseq = number, .dst_sid = uid, .xml = str_span(text, sim_rand(w, sizeof text)) };
	(void)!frame_add_record(&b, &r);
	struct blob *body = blob_new(buf_str(&b));
	buf_fini(&b);
	return body;
}

static void send_one(struct sim_world *w, struct sim_node *n, uint32_t epoch)
{
	static uint32_t number;
	uint32_t mine = ++number;
	uint64_t self = sim_uid(w, n);
	struct blob *body = body_of(w, self, mine);
	if (core_send(n->core, epoch, body, 1) == ERR_NONE)
		check_sent(w, self, epoch, mine);
	blob_unref(body);
}

static void send_all(struct sim_world *w, struct sim_node *n)
{
	static uint32_t number = 1u << 30;
	uint32_t mine = ++number;
	struct view *v = view_ref(n->view);
	uint64_t self = sim_uid(w, n);
	struct blob *body = body_of(w, self, mine);
	for (unsigned i = 0; v->self && i < v->n; i++)
		if (v->nodes[i].epoch != v->self && view_is_alive(v, v->nodes[i].epoch))
			check_sent(w, self, v->nodes[i].epoch, mine);
	check_broadcast(w, mine);
	core_broadcast(n->core, body, 1);
	check_broadcast(w, 0);
	blob_unref(body);
	view_unref(v);
}

static void work(struct sim_world *w, const struct sim_event *e)
{
	struct sim_node *n = &w->nodes[e->node];
	unsigned count = n->work_until > w->now ? 40 : 1 + (unsigned)sim_rand(w, 4);
	for (unsigned i = 0; i < count && n->view->self && n->view->n && n->leaving < STOPPED; i++) {
		const struct view_node *to = &n->view->nodes[sim_rand(w, n->view->n)];
		if (sim_chance(w, 10))
			send_all(w, n);
		else if (to->epoch != n->view->self && view_is_alive(n->view, to->epoch))
			send_one(w, n, to->epoch);
	}
	if (n->accounts)
		accounts_work(w, e->node);
	sim_after(w, e->node);
	if (n->runs && n->life == e->life && w->now < SIM_HEAL_MS + 2000)
		sim_at(w, w->now + 20 + sim_rand(w, 250), EV_WORK, e->node)->life = n->life;
}

/* ---- faults ---- */

static void partition(struct sim_world *w, const struct sim_fault *f, bool on)
{
	for (unsigned i = 0; i < w->plan.nodes; i++)
		for (unsigned j = 0; j < w->plan.nodes; j++)
			if ((f->mask >> i & 1) != (f->mask >> j & 1))
				w->cut[i][j] = on;
	/* The registry is on the side of node a, or on both. */
	for (unsigned i = 0; i < w->plan.nodes && f->n % 3; i++)
		w->nodes[i].no_redis = on && (f->mask >> i & 1) != (f->mask >> f->a & 1);
}

static void begin_fault(struct sim_world *w, const struct sim_fault *f)
{
	struct sim_node *a = &w->nodes[f->a];
	switch ((enum sim_fault_kind)f->kind) {
	case FAULT_KILL:
		stop(w, f->a, "killed");
		break;
	case FAULT_CRASH:
		a->crash_in = a->runs ? (int64_t)f->n : -1;
		break;
	case FAULT_FREEZE:
		if (a->frozen_until < w->now + f->lasts) /* its own events have been put off until then: sooner it would be awake by half */
			a->frozen_until = w->now + f->lasts;
		break;
	case FAULT_CUT:
		w->cut[f->b][f->a] = true;
		w->cut[f->a][f->b] = true;
		break;
	case FAULT_CUT_ONE_WAY:
		w->cut[f->a][f->b] = true;
		break;
	case FAULT_PARTITION:
		partition(w, f, true);
		break;
	case FAULT_BREAK:
		net_break_between(w, f->a, f->b, 0, false);
		break;
	case FAULT_BREAK_UNTOLD:
		net_break_between(w, f->a, f->b, 1 + f->lasts % 1000, false);
		break;
	case FAULT_TWICE:
		net_break_between(w, f->a, f->b, f->n & 1 ? f->n : 0, true);
		break;
	case FAULT_REDIS_AWAY:
		w->redis_away++;
		break;
	case FAULT_REDIS_CUT:
		a->no_redis = true;
		break;
	case FAULT_REDIS_FORGETS:
		model_clear(w->model);
		w->forgot = true;
		for (unsigned i = 0; i < w->plan.nodes; i++)
			accounts_replay(w, i);
		break;
	case FAULT_LEAVE:
		if (a->runs && !a->leaving && !sim_is_frozen(w, f->a))
			leaving_begin(w, f->a, f->n % 4 == 0);
		break;
	case FAULT_JOIN:
		start(w, f->a);
		break;
	case FAULT_BURST:
		a->work_until = w->now + f->lasts % 2000;
		break;
	case FAULT_KIND_COUNT:
		break;
	}
}

static void end_fault(struct sim_world *w, const struct sim_fault *f)
{
	if (f->kind == FAULT_CUT)
		w->cut[f->b][f->a] = false;
	if (f->kind == FAULT_CUT || f->kind == FAULT_CUT_ONE_WAY)
		w->cut[f->a][f->b] = false;
	if (f->kind == FAULT_PARTITION)
		partition(w, f, false);
	if (f->kind == FAULT_REDIS_AWAY && w->redis_away)
		w->redis_away--;
	if (f->kind == FAULT_REDIS_CUT)
		w->nodes[f->a].no_redis = false;
	if (f->kind == FAULT_KILL || f->kind == FAULT_CRASH || f->kind == FAULT_LEAVE)
		start(w, f->a);
}

static void fault(struct sim_world *w, const struct sim_event *e)
{
	const struct sim_fault *f = &w->plan.faults[e->slot];
	bool ends = e->kind == EV_FAULT_END;
	if (w->healed)
		return;
	sim_log(w, "-- %s %s a=%u b=%u", sim_fault_name(f->kind), ends ? "ends" : "begins", f->a, f->b);
	if (ends)
		end_fault(w, f);
	else
		begin_fault(w, f);
}

static void heal(struct sim_world *w)
{
	sim_log(w, "-- all is healed");
	w->healed = true;
	memset(w->cut, 0, sizeof w->cut);
	w->redis_away = 0;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		w->nodes[i].no_redis = false;
		w->nodes[i].crash_in = -1;
		if (w->nodes[i].frozen_until > w->now)
			w->nodes[i].frozen_until = w->now;
		if (!w->nodes[i].runs && sim_chance(w, 60))
			start(w, i);
	}
}

/* ---- the run ---- */

static bool is_of_process(uint8_t kind)
{
	return kind == EV_TICK || kind == EV_WORK || kind == EV_ANSWER || kind == EV_MAIL || kind == EV_HOMES || kind == EV_TOYS ||
	       kind == EV_LEAVE;
}

static void happen(struct sim_world *w, const struct sim_event *e)
{
	struct sim_node *n = &w->nodes[e->node];
	bool lives = n->runs && n->life == e->life;
	if (lives && sim_is_frozen(w, e->node) && is_of_process(e->kind)) {
		struct sim_event *later = sim_at(w, n->frozen_until, (enum sim_event_kind)e->kind, e->node);
		later->life = e->life;
		later->what = e->what;
		return;
	}
	switch ((enum sim_event_kind)e->kind) {
	case EV_TICK:
		if (lives)
			tick(w, e);
		break;
	case EV_WORK:
		if (lives)
			work(w, e);
		break;
	case EV_ANSWER:
		if (lives) {
			core_answered(n->core, e->what);
			sim_after(w, e->node);
		}
		break;
	case EV_MAIL:
	case EV_HOMES:
		if (lives) {
			accounts_event(w, e);
			sim_after(w, e->node);
		} else if (e->what) {
			accounts_forget(e->what);
		}
		break;
	case EV_TOYS:
		if (lives) {
			accounts_event(w, e);
			sim_after(w, e->node);
		} else {
			toys_forget(e->what);
		}
		break;
	case EV_STORE:
		toys_store(w, e);
		break;
	case EV_LEAVE:
		if (lives)
			leaving_look(w, e->node);
		break;
	case EV_FAULT:
	case EV_FAULT_END:
		fault(w, e);
		break;
	case EV_START:
		start(w, e->node);
		break;
	default:
		net_event(w, e);
		break;
	}
}

static void set_up(struct sim_world *w)
{
	struct sim_plan *p = &w->plan;
	rng_init_seeded(&w->rng, p->seed);
	w->model = model_new();
	w->check = check_new();
	accounts_begin();
	w->now = 1;
	for (unsigned i = 0; i < p->nodes; i++) {
		struct sim_node *n = &w->nodes[i];
		snprintf(n->name, sizeof n->name, "n%u", i);
		snprintf(n->addr, sizeof n->addr, "tcp://10.0.0.%u:7400", i);
		net_free(n);
		if (i < p->first_nodes)
			sim_at(w, 1 + sim_rand(w, 500), EV_START, i);
		else
			sim_at(w, 1 + sim_rand(w, SIM_HEAL_MS), EV_START, i);
	}
	for (unsigned i = 0; i < p->n_faults; i++) {
		if (p->faults[i].off)
			continue;
		sim_at(w, p->faults[i].at, EV_FAULT, 0)->slot = (uint16_t)i;
		sim_at(w, p->faults[i].at + p->faults[i].lasts, EV_FAULT_END, 0)->slot = (uint16_t)i;
	}
}

static void tear_down(struct sim_world *w)
{
	for (unsigned i = 0; i < w->n_heap; i++) {
		if (w->heap[i].kind == EV_LATE)
			free(w->heap[i].what);
		if (w->heap[i].kind == EV_HOMES)
			accounts_forget(w->heap[i].what);
		if (w->heap[i].kind == EV_TOYS || w->heap[i].kind == EV_STORE)
			toys_forget(w->heap[i].what);
	}
	for (unsigned i = 0; i < w->plan.nodes; i++)
		stop(w, i, "over");
	for (unsigned i = 0; i < w->plan.nodes; i++)
		net_free(&w->nodes[i]);
	model_free(w->model);
	check_free(w->check);
	free(w->heap);
}

bool sim_run(struct sim_world *w, const struct sim_plan *p, enum sim_mutation m, bool verbose)
{
	const char *bad = "it has not begun";
	*w = (struct sim_world){ .plan = *p, .mutation = m, .verbose = verbose };
	sim_of_now = w;
	set_up(w);
	uint64_t look_at = SIM_HEAL_MS + 3000;
	while (w->n_heap && !w->failure[0] && bad) {
		if (!w->healed && w->heap[0].at >= SIM_HEAL_MS) {
			w->now = SIM_HEAL_MS;
			heal(w);
		}
		if (w->healed && w->heap[0].at >= look_at) {
			w->now = look_at;
			look_at += 500;
			bad = check_quiet(w);
			if (!bad && w->plan.homes)
				bad = accounts_quiet(w);
			if (bad && w->now > SIM_HEAL_MS + SIM_QUIET_MS)
				sim_fail(w, "it does not become quiet: %s", bad);
			continue;
		}
		struct sim_event e = pop(w);
		w->now = e.at;
		w->events++;
		happen(w, &e);
	}
	tear_down(w);
	return !w->failure[0];
}
