#include "node/store/fault.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "node/store/backend.h"

#define LOOK_US 20000 /* how often lost ops are looked at: their askers may have given up */

enum fault { FAULT_NONE, FAULT_IO, FAULT_UNAVAILABLE, FAULT_LATE_IO, FAULT_LOST };

struct fault_store {
	struct store store;
	pthread_t thread;
	pthread_mutex_t lock; /* guards all that follows */
	pthread_cond_t wake;
	struct fault_odds odds;
	struct rng rng;
	struct store_op *head, **tail; /* waiting for their time */
	struct store_op *lost;         /* answered by the inner store, kept from the asker */
	uint64_t last_due_us;
	bool stop;
};

/* What shall become of an op; in its arena. */
struct verdict {
	struct fault_store *store;
	uint64_t due_us;
	enum fault fault;
};

static enum fault draw(struct fault_store *s)
{
	const struct fault_odds *o = &s->odds;
	uint64_t at = rng_u64(&s->rng) % 1000;
	if (at < o->io)
		return FAULT_IO;
	at -= o->io;
	if (at < o->unavailable)
		return FAULT_UNAVAILABLE;
	at -= o->unavailable;
	if (at < o->late_io)
		return FAULT_LATE_IO;
	at -= o->late_io;
	return at < o->lost ? FAULT_LOST : FAULT_NONE;
}

static void on_answer(struct store_op *op)
{
	struct verdict *v = op->decorator;
	struct fault_store *s = v->store;
	if (v->fault == FAULT_LATE_IO)
		op->answer = ERR_IO;
	if (v->fault != FAULT_LOST) {
		store_deliver(op);
		return;
	}
	pthread_mutex_lock(&s->lock);
	op->next = s->lost;
	s->lost = op;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static void carry_out(struct fault_store *s, struct store_op *op)
{
	struct verdict *v = op->decorator;
	if (v->fault == FAULT_IO)
		store_answer(op, ERR_IO);
	else if (v->fault == FAULT_UNAVAILABLE)
		store_answer(op, ERR_UNAVAILABLE);
	else
		s->store.inner->backend->submit(s->store.inner, op);
}

static void on_submit(struct store *store, struct store_op *op)
{
	struct fault_store *s = (struct fault_store *)store;
	struct verdict *v = arena_zalloc(op->arena, sizeof *v);
	op->decorator = v;
	op->on_answer = on_answer;
	op->next = NULL;
	v->store = s;
	pthread_mutex_lock(&s->lock);
	uint64_t spread = s->odds.delay_max_ms > s->odds.delay_min_ms ? s->odds.delay_max_ms - s->odds.delay_min_ms : 0;
	uint64_t delay_us = s->odds.delay_min_ms * 1000ull + (spread ? rng_u64(&s->rng) % (spread * 1000) : 0);
	v->fault = draw(s);
	v->due_us = store_now_us() + delay_us;
	if (v->due_us < s->last_due_us)
		v->due_us = s->last_due_us;
	s->last_due_us = v->due_us;
	*s->tail = op;
	s->tail = &op->next;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* With the lock held: lets go of lost ops that nobody waits for any more. */
static void drop_abandoned(struct fault_store *s)
{
	for (struct store_op **at = &s->lost; *at;) {
		struct store_op *op = *at;
		if (!store_op_is_abandoned(op)) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		store_deliver(op);
	}
}

static void wait_until(struct fault_store *s, uint64_t at_us)
{
	struct timespec until = { .tv_sec = (time_t)(at_us / 1000000), .tv_nsec = (long)(at_us % 1000000) * 1000 };
	pthread_cond_timedwait(&s->wake, &s->lock, &until);
}

/* With the lock held: sleeps until something is to be done. */
static void rest(struct fault_store *s)
{
	uint64_t now = store_now_us();
	struct verdict *v = s->head ? s->head->decorator : NULL;
	if (s->lost)
		wait_until(s, v && v->due_us < now + LOOK_US ? v->due_us : now + LOOK_US);
	else if (v)
		wait_until(s, v->due_us);
	else
		pthread_cond_wait(&s->wake, &s->lock);
}

static void *thread_main(void *arg)
{
	struct fault_store *s = arg;
	pthread_mutex_lock(&s->lock);
	while (s->head || !s->stop) {
		struct store_op *op = s->head;
		drop_abandoned(s);
		if (!op || (!s->stop && ((struct verdict *)op->decorator)->due_us > store_now_us())) {
			rest(s);
			continue;
		}
		s->head = op->next;
		if (!s->head)
			s->tail = &s->head;
		pthread_mutex_unlock(&s->lock);
		carry_out(s, op);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void on_close(struct store *store)
{
	struct fault_store *s = (struct fault_store *)store;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	store_close(s->store.inner);
	while (s->lost) {
		struct store_op *op = s->lost;
		s->lost = op->next;
		op->answer = ERR_CANCELLED;
		store_deliver(op);
	}
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct store_backend fault_backend = { .name = "fault", .submit = on_submit, .close = on_close };

struct store *fault_store_open(struct store **inner, uint64_t seed, const struct fault_odds *odds, const struct store_options *options)
{
	struct fault_store *s = xzalloc(sizeof *s);
	store_init(&s->store, &fault_backend, options);
	s->store.inner = *inner;
	*inner = NULL;
	s->odds = *odds;
	s->tail = &s->head;
	rng_init_seeded(&s->rng, seed);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	BUG_ON(pthread_create(&s->thread, NULL, thread_main, s) != 0);
	return &s->store;
}

void fault_store_set(struct store *store, const struct fault_odds *odds)
{
	BUG_ON(store->backend != &fault_backend);
	struct fault_store *s = (struct fault_store *)store;
	pthread_mutex_lock(&s->lock);
	s->odds = *odds;
	pthread_mutex_unlock(&s->lock);
}
