#include "cluster/mesh.h"

#include <stdio.h>
#include <stdlib.h>

#include "cluster/polite.h"
#include "cluster/port.h"
#include "cluster/purge.h"
#include "cluster/wires.h"

#define LEAVE_MS    2500 /* how long the peers are told that we leave */
#define ACK_MS      2    /* how long an acknowledgement waits for something to go with */
#define ACK_BODIES  16   /* or for so many more bodies */
#define STATS_MS    1000
#define STRANGER_MS 1000 /* strangers are counted, and told once in so long */
#define WORKERS_MAX 256
#define LAST_ANSWERS 16 /* rounds of what the core asks when it is told at the end that there is nobody to ask */

static const char thread_name[] = "mesh";

struct mesh {
	struct mesh_options o;
	char name[VIEW_NAME_MAX], version[32], addr[VIEW_ADDR_MAX];
	struct worker *w; /* ours; w->node is the mesh */
	struct core *core;
	struct wires *wires;
	struct registry *registry;
	struct ports *ports;
	struct purge *purge;
	struct view *view;
	struct deferred pass;
	struct timer tick, stats_timer;
	uv_timer_t ack;           /* when an acknowledgement is due that nothing has carried yet */
	unsigned taken;           /* bodies since the last one */
	uint64_t ticked_ms, leave_by_ms;
	bool leaving;
	_Atomic bool owes;        /* peers have yet to acknowledge something */
	struct registry_call *answers, **answers_tail; /* for the core, which must not be called from within itself */
	bool synced[WORKERS_MAX];
	uint64_t stranger_ms, strangers_untold;
	struct mesh_stats stats;
	uv_mutex_t lock;          /* of told */
	struct mesh_stats told;
};

static struct mesh *mesh_of(struct worker *w)
{
	return w->node;
}

/* Something happens: the core learns the time first, and acts on all of it at the end of the pass. */
static void begin(struct mesh *m)
{
	worker_defer(m->w, &m->pass);
	if (m->w->now_ms == m->ticked_ms)
		return;
	m->ticked_ms = m->w->now_ms;
	core_tick(m->core, m->w->now_ms, worker_wall_ms());
}

/* ---- what the sockets tell ---- */

static void on_frame(void *arg, struct str bytes)
{
	struct mesh *m = arg;
	begin(m);
	core_frame(m->core, bytes);
}

/* The tick in between may close the slot. */
static bool begin_for(struct mesh *m, unsigned slot)
{
	uint64_t serial = wires_serial(m->wires, slot);
	begin(m);
	return serial && wires_serial(m->wires, slot) == serial;
}

static void on_connected(void *arg, unsigned slot)
{
	struct mesh *m = arg;
	if (begin_for(m, slot))
		core_connected(m->core, slot);
}

static void on_disconnected(void *arg, unsigned slot, bool refused)
{
	struct mesh *m = arg;
	if (begin_for(m, slot))
		core_disconnected(m->core, slot, refused);
}

static void on_writable(void *arg, unsigned slot)
{
	struct mesh *m = arg;
	if (begin_for(m, slot))
		core_writable(m->core, slot);
}

static void tell(struct mesh *m, enum core_event e, uint32_t epoch, const char *text)
{
	if (m->o.on_event)
		m->o.on_event(m->o.arg, e, epoch, text);
}

static void on_odd(void *arg, const char *text)
{
	struct mesh *m = arg;
	m->stats.bad_frames++;
	tell(m, CORE_BAD_FRAME, 0, text);
}

/* Whoever can reach the port can do this at will: the log is not theirs to fill. */
static void on_stranger(void *arg, const char *text)
{
	struct mesh *m = arg;
	char more[320];
	m->stats.refused_peers++;
	if (m->stranger_ms && m->w->now_ms - m->stranger_ms < STRANGER_MS) {
		m->strangers_untold++;
		return;
	}
	if (m->strangers_untold) {
		snprintf(more, sizeof more, "%s; %llu others since the last", text, (unsigned long long)m->strangers_untold);
		text = more;
	}
	m->strangers_untold = 0;
	m->stranger_ms = m->w->now_ms;
	tell(m, CORE_PEER_REFUSED, 0, text);
}

/* ---- what the core wants ---- */

static void out_open(void *arg, unsigned slot, struct str addr)
{
	wires_open(((struct mesh *)arg)->wires, slot, addr);
}

static void out_close(void *arg, unsigned slot)
{
	wires_close(((struct mesh *)arg)->wires, slot);
}

static bool out_send(void *arg, unsigned slot, struct str header, struct str body)
{
	return wires_send(((struct mesh *)arg)->wires, slot, header, body);
}

static void on_core_answer(void *arg, struct registry_call *c)
{
	struct mesh *m = arg;
	c->message.next = NULL;
	*m->answers_tail = c;
	m->answers_tail = (struct registry_call **)&c->message.next;
	worker_defer(m->w, &m->pass);
}

static void on_asked(struct mesh *m, const struct registry_call *c)
{
	m->stats.registry_us_sum += uv_hrtime() / 1000 - c->asked_us;
	m->stats.registry_failures += c->err == ERR_UNAVAILABLE || c->err == ERR_TIMEOUT || c->err == ERR_IO;
}

static void on_core_asked(void *arg, struct registry_call *c)
{
	on_asked(arg, c);
	on_core_answer(arg, c);
}

static void ask(struct mesh *m, struct registry_call *c, void (*done)(void *arg, struct registry_call *c))
{
	m->stats.registry_calls++;
	c->asked_us = uv_hrtime() / 1000;
	registry_ask(m->registry, c, done, m);
}

static void out_ask(void *arg, struct registry_call *c)
{
	struct mesh *m = arg;
	if (m->registry) {
		ask(m, c, on_core_asked);
		return;
	}
	c->err = ERR_UNAVAILABLE;
	on_core_answer(m, c);
}

static void out_take(void *arg, uint32_t from_epoch, uint32_t nrec, struct str body)
{
	struct mesh *m = arg;
	struct blob *b = blob_new(body);
	m->stats.bodies_in++;
	m->taken++;
	m->stats.records_in += nrec;
	m->stats.bytes_in += body.len;
	ports_deliver(m->ports, false, from_epoch, b);
	blob_unref(b);
}

static void out_lost(void *arg, uint32_t to_epoch, struct blob *body)
{
	ports_deliver(((struct mesh *)arg)->ports, true, to_epoch, body);
}

static void out_view(void *arg, struct view *v)
{
	struct mesh *m = arg;
	if (!m->view || m->view->self != v->self) /* another incarnation has to hear all homes again */
		memset(m->synced, 0, sizeof m->synced);
	view_unref(m->view);
	m->view = v;
	ports_view(m->ports, v);
}

static void out_event(void *arg, enum core_event e, uint32_t epoch, const char *text)
{
	struct mesh *m = arg;
	m->stats.bad_frames += e == CORE_BAD_FRAME;
	if (!m->registry || (e != CORE_REGISTRY_UP && e != CORE_REGISTRY_DOWN)) /* on_registry tells it with its reason */
		tell(m, e, epoch, text);
}

static void out_janitor(void *arg, uint32_t dead_epoch)
{
	struct mesh *m = arg;
	if (m->registry && !purge_add(m->purge, dead_epoch))
		tell(m, CORE_PEER_DEAD, dead_epoch, "too many dead nodes wait for their purge: its registry rows stay");
}

/* ---- the purge ---- */

static void on_purge_answer(void *arg, struct registry_call *c)
{
	struct mesh *m = arg;
	on_asked(m, c);
	purge_answered(m->purge, c);
}

static void purge_ask(void *arg, struct registry_call *c)
{
	ask(arg, c, on_purge_answer);
}

static void purge_row(void *arg, uint32_t dead_epoch, const struct registry_row *r)
{
	struct mesh *m = arg;
	ports_purged(m->ports, m->o.fp_of(m->o.arg, r->bare), dead_epoch, r);
}

static void purge_end(void *arg)
{
	ports_purged_end(((struct mesh *)arg)->ports);
}

/* ---- the registry's state ---- */

static void on_registry(void *arg, bool up, bool fresh, const char *text)
{
	struct mesh *m = arg;
	m->stats.registry_ok = up;
	if (up && fresh)
		ports_registry_fresh(m->ports);
	tell(m, up ? CORE_REGISTRY_UP : CORE_REGISTRY_DOWN, m->view ? m->view->self : 0, text);
}

/* ---- what the workers want ---- */

static void on_parcel(struct worker *w, struct message *message, bool cancelled)
{
	struct mesh *m = mesh_of(w);
	struct parcel *p = (struct parcel *)message;
	if (!cancelled) {
		begin(m);
		m->stats.bodies_out++;
		m->stats.records_out += p->nrec;
		m->stats.bytes_out += p->body->len;
		atomic_store(&m->owes, true); /* the pass's end looks whether it does */
		if (p->epoch == 0)
			core_broadcast(m->core, p->body, p->nrec);
		else if (core_send(m->core, p->epoch, p->body, p->nrec) != ERR_NONE)
			ports_deliver(m->ports, true, p->epoch, p->body);
	}
	parcel_free(p);
}

enum err mesh_send(struct mesh *m, struct worker *w, uint32_t epoch, const struct frame_record *r)
{
	BUG_ON(epoch == 0);
	return port_add(m->ports, w, epoch, r);
}

enum err mesh_broadcast(struct mesh *m, struct worker *w, const struct frame_record *r)
{
	return port_add(m->ports, w, 0, r);
}

static void answer_run(struct worker *w, struct message *message, bool cancelled)
{
	struct registry_call *c = (struct registry_call *)message;
	if (cancelled)
		c->err = ERR_CANCELLED;
	c->on_done(c);
}

static void answer(struct registry_call *c)
{
	c->message.run = answer_run;
	worker_post(c->asker, &c->message);
}

static void on_worker_asked(void *arg, struct registry_call *c)
{
	on_asked(arg, c);
	answer(c);
}

static void ask_run(struct worker *w, struct message *message, bool cancelled)
{
	struct mesh *m = mesh_of(w);
	struct registry_call *c = (struct registry_call *)message;
	if (!cancelled) {
		ask(m, c, on_worker_asked);
		return;
	}
	c->err = ERR_CANCELLED;
	answer(c);
}

void mesh_ask(struct mesh *m, struct worker *w, struct registry_call *c)
{
	c->asker = w;
	if (m->o.redis) {
		c->message.run = ask_run;
		worker_post(m->w, &c->message);
		return;
	}
	c->err = ERR_UNAVAILABLE;
	answer(c);
}

struct order {
	struct message message;
	unsigned worker;
	uint32_t epoch;
};

static void post_order(struct mesh *m, void (*run)(struct worker *w, struct message *o, bool cancelled), unsigned worker, uint32_t epoch)
{
	struct order *o = xzalloc(sizeof *o);
	o->message.run = run;
	o->worker = worker;
	o->epoch = epoch;
	worker_post(m->w, &o->message);
}

static void synced_run(struct worker *w, struct message *message, bool cancelled)
{
	struct mesh *m = mesh_of(w);
	struct order *o = (struct order *)message;
	if (!cancelled && m->view && m->view->self == o->epoch) {
		unsigned n = 0;
		m->synced[o->worker] = true;
		for (unsigned i = 0; i < m->o.n_workers; i++)
			n += m->synced[i];
		begin(m);
		if (n == m->o.n_workers)
			core_synced(m->core);
	}
	free(o);
}

void mesh_synced(struct mesh *m, struct worker *w)
{
	post_order(m, synced_run, w->index, port_self(m->ports, w));
}

static void drain_run(struct worker *w, struct message *message, bool cancelled)
{
	struct mesh *m = mesh_of(w);
	if (!cancelled) {
		begin(m);
		core_drain(m->core);
	}
	free(message);
}

void mesh_drain(struct mesh *m)
{
	post_order(m, drain_run, 0, 0);
}

struct deafening {
	struct message message;
	struct worker *asker;
	void (*then)(void *arg);
	void *arg;
};

static void deaf_run(struct worker *w, struct message *message, bool cancelled)
{
	struct deafening *d = (struct deafening *)message;
	(void)w;
	if (!cancelled)
		d->then(d->arg);
	free(d);
}

static void deafen_run(struct worker *w, struct message *message, bool cancelled)
{
	struct mesh *m = mesh_of(w);
	struct deafening *d = (struct deafening *)message;
	if (!cancelled) {
		begin(m);
		core_deafen(m->core);
	}
	d->message.run = deaf_run;
	worker_post(d->asker, &d->message);
}

void mesh_deafen(struct mesh *m, struct worker *asker, void (*then)(void *arg), void *arg)
{
	struct deafening *d = xzalloc(sizeof *d);
	*d = (struct deafening){ .message.run = deafen_run, .asker = asker, .then = then, .arg = arg };
	worker_post(m->w, &d->message);
}

bool mesh_owes(const struct mesh *m)
{
	return atomic_load(&m->owes);
}

static void leave_run(struct worker *w, struct message *message, bool cancelled)
{
	struct mesh *m = mesh_of(w);
	if (!cancelled) {
		m->leaving = true;
		m->leave_by_ms = w->now_ms + LEAVE_MS;
		begin(m);
		core_deafen(m->core); /* the workers have stopped */
		core_flush(m->core);  /* what they sent last goes before the farewell */
		core_leave(m->core);
	}
	free(message);
}

/* ---- the pass ---- */

static void set_tick(struct mesh *m)
{
	uint64_t now = m->w->now_ms, at = core_next_ms(m->core);
	if (m->leaving && m->leave_by_ms < at)
		at = m->leave_by_ms;
	worker_timer_set(m->w, &m->tick, at > now ? at - now : 1);
}

/* An answer may make the core ask again, and be answered at once: that has its turn in the next pass. */
static void give_answers(struct mesh *m)
{
	struct registry_call *all = m->answers;
	m->answers = NULL;
	m->answers_tail = &m->answers;
	while (all) {
		struct registry_call *c = all;
		all = (struct registry_call *)c->message.next;
		core_answered(m->core, c);
	}
}

static void on_ack(uv_timer_t *t)
{
	struct mesh *m = t->data;
	worker_pass_begin(m->w);
	m->taken = 0;
	core_flush(m->core);
}

/* What is sent goes at once. A bare acknowledgement waits a little for something that carries it: most of what is taken is answered. */
static void flush(struct mesh *m)
{
	if (m->taken >= ACK_BODIES || m->leaving) {
		m->taken = 0;
		core_flush(m->core);
	} else if (!core_pump(m->core)) {
		m->taken = 0;
	} else if (!uv_is_active((uv_handle_t *)&m->ack)) {
		uv_timer_start(&m->ack, on_ack, ACK_MS, 0);
	}
}

static void on_pass(struct deferred *d)
{
	struct mesh *m = (struct mesh *)((char *)d - offsetof(struct mesh, pass));
	give_answers(m);
	flush(m);
	atomic_store(&m->owes, !core_all_is_taken(m->core));
	set_tick(m);
	if (m->leaving && (core_is_gone(m->core) || m->w->now_ms >= m->leave_by_ms))
		worker_stop(m->w);
}

static void on_tick(struct timer *t)
{
	begin((struct mesh *)((char *)t - offsetof(struct mesh, tick)));
}

static void on_stats(struct timer *t)
{
	struct mesh *m = (struct mesh *)((char *)t - offsetof(struct mesh, stats_timer));
	m->stats.n_links = core_links(m->core, m->stats.links, VIEW_NODES_MAX);
	uv_mutex_lock(&m->lock);
	m->told = m->stats;
	uv_mutex_unlock(&m->lock);
	worker_timer_set(m->w, t, STATS_MS);
}

void mesh_stats(struct mesh *m, struct mesh_stats *out)
{
	uv_mutex_lock(&m->lock);
	*out = m->told;
	uv_mutex_unlock(&m->lock);
}

/* ---- life ---- */

static void on_start(struct worker *w)
{
	struct mesh *m = mesh_of(w);
	polite_begin();
	wires_start(m->wires, w);
	uv_timer_init(&w->loop, &m->ack);
	m->ack.data = m;
	if (m->registry)
		registry_start(m->registry);
	m->ticked_ms = w->now_ms;
	core_start(m->core, w->now_ms, worker_wall_ms());
	for (unsigned i = 0; i < m->o.n_seeds; i++)
		core_seed(m->core, m->o.seeds[i]);
	worker_defer(w, &m->pass);
	on_stats(&m->stats_timer);
}

static void on_stop(struct worker *w)
{
	struct mesh *m = mesh_of(w);
	worker_timer_cancel(w, &m->tick);
	worker_timer_cancel(w, &m->stats_timer);
	uv_close((uv_handle_t *)&m->ack, NULL);
	registry_free(m->registry); /* answers what waits; the core frees what came with its answers */
	m->registry = NULL;
	for (int i = 0; i < LAST_ANSWERS && m->answers; i++)
		give_answers(m);
	worker_undefer(w, &m->pass);
	purge_free(m->purge);
	core_free(m->core);
	wires_stop(m->wires);
}

/* An address of ours that others can reach, for a socket bound to all of them; the first that is not of this machine alone. */
static void guess_host(char *host, size_t size)
{
	uv_interface_address_t *found = NULL;
	int n = 0;
	snprintf(host, size, "127.0.0.1");
	if (uv_interface_addresses(&found, &n) != 0)
		return;
	for (int i = 0; i < n; i++) {
		if (found[i].is_internal || found[i].address.address4.sin_family != AF_INET)
			continue;
		uv_ip4_name(&found[i].address.address4, host, size);
		break;
	}
	uv_free_interface_addresses(found, n);
}

/* Splits "tcp://host:port" before its last colon. */
static size_t host_length(struct str addr)
{
	size_t colon = addr.len;
	for (size_t i = 0; i < addr.len; i++)
		if (addr.p[i] == ':')
			colon = i;
	return colon;
}

/* What peers are told to connect to: what the options say, with the port that was bound where they leave it open; without them the bound
 * address, or one of this machine's when all are bound. */
static void fill_addr(struct mesh *m)
{
	struct str bound = wires_bound(m->wires), want = m->o.core.addr;
	struct str port = str_span(bound.p + host_length(bound), bound.len - host_length(bound));
	char host[64];
	if (want.len) {
		struct str given = str_span(want.p + host_length(want), want.len - host_length(want));
		bool open = str_is(given, ":0") || str_is(given, ":*") || !given.len;
		snprintf(m->addr, sizeof m->addr, "%.*s%.*s", (int)(want.len - given.len), want.p, STR_ARG(open ? port : given));
	} else if (str_starts(bound, STR("tcp://0.0.0.0:")) || str_starts(bound, STR("tcp://[::]:"))) {
		guess_host(host, sizeof host);
		snprintf(m->addr, sizeof m->addr, "tcp://%s%.*s", host, STR_ARG(port));
	} else {
		snprintf(m->addr, sizeof m->addr, "%.*s", STR_ARG(bound));
	}
	m->o.core.addr = str_of(m->addr);
}

static struct str keep(char *room, size_t size, struct str s)
{
	snprintf(room, size, "%.*s", STR_ARG(s));
	return str_of(room);
}

static void make_parts(struct mesh *m)
{
	const struct core_out out = {
		.arg = m, .open = out_open, .close = out_close, .send = out_send, .ask = out_ask, .take = out_take,
		.lost = out_lost, .view = out_view, .event = out_event, .janitor = out_janitor,
	};
	const struct purge_out purge = { .arg = m, .ask = purge_ask, .row = purge_row, .end = purge_end };
	const struct port_calls calls = {
		.on_view = m->o.on_view, .on_record = m->o.on_record, .on_batch_end = m->o.on_batch_end, .on_lost = m->o.on_lost,
		.on_purged = m->o.on_purged, .on_registry_fresh = m->o.on_registry_fresh,
	};
	m->o.core.name = keep(m->name, sizeof m->name, m->o.core.name);
	m->o.core.version = keep(m->version, sizeof m->version, m->o.core.version);
	m->o.core.workers = (uint16_t)m->o.n_workers;
	m->o.core.checksum = !m->o.curve;
	fill_addr(m);
	m->w = worker_new(m->o.n_workers, thread_name);
	m->w->node = m;
	m->core = core_new(&m->o.core, &out, &m->w->rng);
	m->purge = purge_new(m->w, &purge);
	m->ports = ports_new(m->o.workers, m->o.n_workers, &calls, m->w, on_parcel);
	if (!m->o.redis)
		return;
	m->registry = registry_new(m->w, m->o.redis);
	registry_on_change(m->registry, on_registry, m);
}

static void mesh_free(struct mesh *m)
{
	ports_close(m->ports);
	worker_free(m->w);
	wires_free(m->wires);
	view_unref(m->view);
	uv_mutex_destroy(&m->lock);
	explicit_bzero(m->o.secret, sizeof m->o.secret);
	free(m);
}

struct mesh *mesh_start(const struct mesh_options *o, struct buf *why)
{
	struct mesh *m = xzalloc(sizeof *m);
	const struct wires_events events = {
		.arg = m, .frame = on_frame, .odd = on_odd, .connected = on_connected, .disconnected = on_disconnected,
		.writable = on_writable, .stranger = on_stranger,
	};
	struct wires_options wires = { .bind = o->bind, .curve = o->curve };
	BUG_ON(o->n_workers == 0 || o->n_workers > WORKERS_MAX);
	memcpy(wires.secret, o->secret, sizeof wires.secret);
	m->o = *o;
	m->pass.fn = on_pass;
	m->tick.on_timer = on_tick;
	m->stats_timer.on_timer = on_stats;
	m->answers_tail = &m->answers;
	BUG_ON(uv_mutex_init(&m->lock) != 0);
	m->wires = wires_new(&wires, &events, why);
	explicit_bzero(&wires, sizeof wires);
	if (!m->wires) {
		uv_mutex_destroy(&m->lock);
		free(m);
		return NULL;
	}
	make_parts(m);
	BUG_ON(worker_start(m->w, on_start, on_stop) != ERR_NONE);
	return m;
}

void mesh_stop(struct mesh *m)
{
	post_order(m, leave_run, 0, 0);
	worker_join(m->w);
	mesh_free(m);
}

struct str mesh_addr(const struct mesh *m)
{
	return str_of(m->addr);
}

struct worker *mesh_worker(const struct mesh *m)
{
	return m->w;
}
