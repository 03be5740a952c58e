#include "cluster/worker.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct worker_private {
	uv_thread_t thread;
	bool threaded, polling;
	uv_async_t wake;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t timer;
	uint64_t timer_at_ms;
	_Atomic(struct message *) inbox; /* newest first */
	_Atomic bool stopping;
	bool stopped;
	struct deferred *deferred, **deferred_tail;
	void (*on_start)(struct worker *w);
	void (*on_stop)(struct worker *w);
	_Atomic(const char *) doing;
	_Atomic uint64_t step; /* changes whenever the action does: the watchdog's sign of life */
	_Atomic uint64_t passes, busy_us, max_lag_us, posted, slow, worst_us;
	_Atomic uint64_t load; /* of the mailbox: messages and bytes, in one so that a post costs one addition */
};

/* How often what was deferred may defer again before a worker ends. */
#define LAST_ROUNDS 64

#define RNG_AHEAD 512 /* bytes, in each thread */

#define LOAD_SHIFT 40 /* bits of bytes; above them messages */

static _Thread_local struct worker *current;

/* OpenSSL's generator takes as long for a few bytes as for some hundred (locks, a system call to notice a fork), and each login asks half a
 * dozen times for an id or a nonce: they are drawn ahead, and wiped as they are handed out. */
static void rng_openssl(struct rng *r, void *out, size_t n)
{
	static _Thread_local uint8_t drawn[RNG_AHEAD];
	static _Thread_local size_t left;
	(void)r;
	if (n > RNG_AHEAD / 4) {
		BUG_ON(RAND_bytes(out, (int)n) != 1);
		return;
	}
	if (n > left) {
		BUG_ON(RAND_bytes(drawn, sizeof drawn) != 1);
		left = sizeof drawn;
	}
	left -= n;
	memcpy(out, drawn + left, n);
	OPENSSL_cleanse(drawn + left, n);
}

struct worker *worker_current(void)
{
	return current;
}

int64_t worker_wall_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const char *worker_doing(struct worker *w, const char *action)
{
	const char *before = atomic_load_explicit(&w->priv->doing, memory_order_relaxed);
	atomic_store_explicit(&w->priv->doing, action, action ? memory_order_relaxed : memory_order_release);
	uint64_t step = atomic_load_explicit(&w->priv->step, memory_order_relaxed);
	atomic_store_explicit(&w->priv->step, step + 1, memory_order_relaxed);
	return before;
}

/* ---- mailbox: a lock-free stack, turned round by its one reader, so that each sender's order is kept ---- */

static uint64_t load_of(const struct message *m)
{
	return UINT64_C(1) << LOAD_SHIFT | m->bytes;
}

uint64_t worker_backlog(const struct worker *w)
{
	return atomic_load_explicit(&w->priv->load, memory_order_relaxed) & ((UINT64_C(1) << LOAD_SHIFT) - 1);
}

void worker_post(struct worker *w, struct message *m)
{
	struct worker_private *p = w->priv;
	struct message *head = atomic_load_explicit(&p->inbox, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->load, load_of(m), memory_order_relaxed);
	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&p->inbox, &head, m, memory_order_release, memory_order_relaxed));
	if (!head)
		uv_async_send(&p->wake);
}

static struct message *inbox_take(struct worker_private *p)
{
	struct message *m = atomic_exchange_explicit(&p->inbox, NULL, memory_order_acquire), *fifo = NULL;
	while (m) {
		struct message *next = m->next;
		m->next = fifo;
		fifo = m;
		m = next;
	}
	return fifo;
}

static void inbox_run(struct worker *w, bool cancelled)
{
	struct message *m = inbox_take(w->priv);
	uint64_t load = 0;
	while (m) {
		struct message *next = m->next;
		load += load_of(m);
		worker_doing(w, "message");
		m->run(w, m, cancelled);
		m = next;
	}
	atomic_fetch_sub_explicit(&w->priv->load, load, memory_order_release);
	atomic_fetch_add_explicit(&w->priv->posted, load >> LOAD_SHIFT, memory_order_relaxed);
}

/* ---- the loop's pass ---- */

/* Only what waits now: what is set again meanwhile has its turn later, so that one busy owner cannot keep the loop from its sockets. */
static void deferred_run(struct worker *w)
{
	struct worker_private *p = w->priv;
	struct deferred marker = { .pending = false };
	if (!p->deferred)
		return;
	worker_defer(w, &marker);
	while (p->deferred) {
		struct deferred *d = p->deferred;
		p->deferred = d->next;
		if (!p->deferred)
			p->deferred_tail = &p->deferred;
		d->pending = false;
		if (d == &marker)
			break;
		worker_doing(w, "flush");
		d->fn(d);
	}
}

void worker_defer(struct worker *w, struct deferred *d)
{
	struct worker_private *p = w->priv;
	if (d->pending)
		return;
	d->pending = true;
	d->next = NULL;
	*p->deferred_tail = d;
	p->deferred_tail = &d->next;
}

void worker_undefer(struct worker *w, struct deferred *d)
{
	struct worker_private *p = w->priv;
	if (!d->pending)
		return;
	for (struct deferred **at = &p->deferred; *at; at = &(*at)->next) {
		if (*at != d)
			continue;
		*at = d->next;
		if (!*at)
			p->deferred_tail = at;
		break;
	}
	d->pending = false;
}

static void on_timer(uv_timer_t *t)
{
	worker_pass_begin(t->data); /* the wheel is advanced in on_prepare */
}

static void refresh_now(struct worker *w)
{
	w->now_ms = uv_now(&w->loop);
}

static void on_check(uv_check_t *c)
{
	struct worker *w = c->data;
	deferred_run(w);
}

/* The end of a pass: timers, what they left to flush, and how long the poll may sleep. */
static void on_prepare(uv_prepare_t *prep)
{
	struct worker *w = prep->data;
	struct worker_private *p = w->priv;
	uv_update_time(&w->loop);
	refresh_now(w);
	worker_doing(w, "timer");
	wheel_advance(&w->wheel, w->now_ms);
	deferred_run(w);
	int64_t sleep_ms = p->deferred ? 0 : wheel_sleep_ms(&w->wheel, w->now_ms);
	if (sleep_ms < 0) {
		if (p->timer_at_ms)
			uv_timer_stop(&p->timer);
		p->timer_at_ms = 0;
	} else if (p->timer_at_ms != w->now_ms + (uint64_t)sleep_ms || !uv_is_active((uv_handle_t *)&p->timer)) {
		p->timer_at_ms = w->now_ms + (uint64_t)sleep_ms;
		uv_timer_start(&p->timer, on_timer, (uint64_t)sleep_ms, 0);
	}
	uint64_t now_ns = uv_hrtime();
	if (w->pass_ns) {
		uint64_t us = (now_ns - w->pass_ns) / 1000;
		atomic_fetch_add_explicit(&p->busy_us, us, memory_order_relaxed);
		if (us > atomic_load_explicit(&p->max_lag_us, memory_order_relaxed))
			atomic_store_explicit(&p->max_lag_us, us, memory_order_relaxed);
		if (us > atomic_load_explicit(&p->worst_us, memory_order_relaxed))
			atomic_store_explicit(&p->worst_us, us, memory_order_relaxed);
		if (w->on_pass_end)
			w->on_pass_end(w, now_ns);
	}
	atomic_fetch_add_explicit(&p->passes, 1, memory_order_relaxed);
	worker_doing(w, p->deferred ? "flush" : NULL); /* the next pass comes at once */
	w->pass_ns = 0;
}

/* The first callback after the poll in each pass that had work notes its start. */
void worker_pass_begin(struct worker *w)
{
	if (w->pass_ns)
		return;
	w->pass_ns = uv_hrtime();
	refresh_now(w);
}

static void on_stop_closed(uv_handle_t *h)
{
	(void)h;
}

static void worker_wind_down(struct worker *w)
{
	struct worker_private *p = w->priv;
	if (p->stopped)
		return;
	p->stopped = true;
	if (p->on_stop)
		p->on_stop(w);
	for (int i = 0; i < LAST_ROUNDS && p->deferred; i++)
		deferred_run(w);
	uv_close((uv_handle_t *)&p->wake, on_stop_closed);
	uv_close((uv_handle_t *)&p->prepare, on_stop_closed);
	uv_close((uv_handle_t *)&p->check, on_stop_closed);
	uv_close((uv_handle_t *)&p->timer, on_stop_closed);
}

static void on_wake(uv_async_t *a)
{
	struct worker *w = a->data;
	worker_pass_begin(w);
	inbox_run(w, false);
	if (atomic_load(&w->priv->stopping))
		worker_wind_down(w);
}

void worker_timer_set(struct worker *w, struct timer *t, uint64_t after_ms)
{
	timer_set(&w->wheel, t, w->now_ms + after_ms);
}

void worker_timer_cancel(struct worker *w, struct timer *t)
{
	timer_cancel(&w->wheel, t);
}

/* ---- life ---- */

struct worker *worker_new(unsigned index, const char *name)
{
	struct worker *w = xzalloc(sizeof *w);
	struct worker_private *p = w->priv = xzalloc(sizeof *p);
	w->index = index;
	w->name = name;
	w->rng.fill = rng_openssl;
	p->deferred_tail = &p->deferred;
	BUG_ON(uv_loop_init(&w->loop) != 0);
	BUG_ON(uv_async_init(&w->loop, &p->wake, on_wake) != 0);
	uv_prepare_init(&w->loop, &p->prepare);
	uv_check_init(&w->loop, &p->check);
	uv_timer_init(&w->loop, &p->timer);
	p->wake.data = p->prepare.data = p->check.data = p->timer.data = w;
	uv_prepare_start(&p->prepare, on_prepare);
	uv_check_start(&p->check, on_check);
	refresh_now(w);
	wheel_init(&w->wheel, w->now_ms);
	return w;
}

void worker_run(struct worker *w)
{
	current = w;
	uv_update_time(&w->loop);
	refresh_now(w);
	if (w->priv->on_start)
		w->priv->on_start(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	current = NULL;
}

void worker_turn(struct worker *w)
{
	current = w;
	uv_run(&w->loop, UV_RUN_NOWAIT);
	current = NULL;
}

static void thread_main(void *arg)
{
	struct worker *w = arg;
	pthread_setname_np(pthread_self(), w->name); /* for top -H and who looks whose processor time it is */
	worker_run(w);
}

enum err worker_start(struct worker *w, void (*on_start)(struct worker *w), void (*on_stop)(struct worker *w))
{
	w->priv->on_start = on_start;
	w->priv->on_stop = on_stop;
	if (uv_thread_create(&w->priv->thread, thread_main, w) != 0)
		return ERR_UNAVAILABLE;
	w->priv->threaded = true;
	return ERR_NONE;
}

void worker_stop(struct worker *w)
{
	if (!atomic_exchange(&w->priv->stopping, true))
		uv_async_send(&w->priv->wake);
}

void worker_join(struct worker *w)
{
	if (w->priv->threaded)
		uv_thread_join(&w->priv->thread);
	w->priv->threaded = false;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	if (!w->priv->stopped) { /* never ran: close its handles here */
		w->priv->on_stop = NULL;
		worker_wind_down(w);
	}
	uv_run(&w->loop, UV_RUN_DEFAULT); /* what was closed after the loop ended */
	inbox_run(w, true);
	BUG_ON(uv_loop_close(&w->loop) != 0);
	free(w->priv);
	free(w);
}

void worker_stats(const struct worker *w, struct worker_stats *out)
{
	const struct worker_private *p = w->priv;
	uint64_t load = atomic_load_explicit(&p->load, memory_order_acquire); /* before `doing` */
	*out = (struct worker_stats){
		.passes = atomic_load_explicit(&p->passes, memory_order_relaxed),
		.busy_us = atomic_load_explicit(&p->busy_us, memory_order_relaxed),
		.max_lag_us = atomic_load_explicit(&p->max_lag_us, memory_order_relaxed),
		.posted = atomic_load_explicit(&p->posted, memory_order_relaxed),
		.slow_callbacks = atomic_load_explicit(&p->slow, memory_order_relaxed),
		.mailbox_depth = (uint32_t)(load >> LOAD_SHIFT),
		.busy = atomic_load_explicit(&p->doing, memory_order_acquire) != NULL,
	};
}

/* ---- watchdog: sampled from the main thread, so that the hot path pays no clock ---- */

void watchdog_init(struct watchdog *d, struct worker *w, uint64_t limit_ms)
{
	*d = (struct watchdog){ .worker = w, .limit_ms = limit_ms };
}

static const char *tell(struct watchdog *d, const char *what, uint64_t ms, uint64_t *for_ms)
{
	*for_ms = ms;
	atomic_fetch_add_explicit(&d->worker->priv->slow, 1, memory_order_relaxed);
	return what;
}

/* A pass that took long, if the watchdog slept and so did not look inside it. */
static const char *missed_pass(struct watchdog *d, bool slept, uint64_t *for_ms)
{
	uint64_t ms = atomic_exchange_explicit(&d->worker->priv->worst_us, 0, memory_order_relaxed) / 1000;
	bool told = d->told_pass;
	d->told_pass = false;
	return slept && !told && ms >= d->limit_ms ? tell(d, "pass", ms, for_ms) : NULL;
}

const char *watchdog_look(struct watchdog *d, uint64_t now_ms, uint64_t *for_ms)
{
	struct worker_private *p = d->worker->priv;
	const char *doing = atomic_load_explicit(&p->doing, memory_order_relaxed);
	uint64_t step = atomic_load_explicit(&p->step, memory_order_relaxed);
	bool slept = now_ms - d->looked_ms >= d->limit_ms;
	d->looked_ms = now_ms;
	d->quiet = step == d->step && !doing;
	if (step != d->step || !doing) {
		d->step = step;
		d->since_ms = now_ms;
		d->told = false;
		return doing ? NULL : missed_pass(d, slept, for_ms);
	}
	if (d->told || now_ms - d->since_ms < d->limit_ms)
		return NULL;
	d->told = d->told_pass = true;
	return tell(d, doing, now_ms - d->since_ms, for_ms);
}
