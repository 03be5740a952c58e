#include "node/store/postgres_lane.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cluster/polite.h"

#define BATCH_BYTES   (4u << 20) /* of what ops hold */
#define FIRST_WAIT_US 100000u    /* before a second try to connect */
#define WAIT_MAX_US   5000000u
#define STEADY_US     1000000u   /* a connection that lasts so long was a good one */
#define LOOK_MS       100        /* how often ops that nobody waits for any more are let go, without a connection */
#define PROBE_MS      1000

/* ---- the queue ---- */

int64_t lane_lock_of(const struct store_op *op)
{
	static const uint64_t key[2] = { 0x5374617262656c6cull, 0x696e672d6f776e65ull };
	char name[2 * STORE_NAME_MAX + 1];
	memcpy(name, op->host.p, op->host.len);
	name[op->host.len] = '\0';
	memcpy(name + op->host.len + 1, op->owner.p, op->owner.len);
	return (int64_t)str_hash(str_span(name, op->host.len + 1 + op->owner.len), key);
}

static void wake(struct pg_lane *l)
{
	uint64_t one = 1;
	ssize_t n = write(l->wake_fd, &one, sizeof one);
	BUG_ON(n != sizeof one);
}

void lane_submit(struct pg_lane *l, struct store_op *op)
{
	op->next = NULL;
	pthread_mutex_lock(&l->lock);
	bool first = !l->head;
	*l->tail = op;
	l->tail = &op->next;
	pthread_mutex_unlock(&l->lock);
	if (first)
		wake(l);
}

void lane_put_back_list(struct pg_lane *l, struct store_op *list)
{
	struct store_op **end = &list;
	while (*end)
		end = &(*end)->next;
	pthread_mutex_lock(&l->lock);
	*end = l->head;
	if (!l->head && list)
		l->tail = end;
	if (list)
		l->head = list;
	pthread_mutex_unlock(&l->lock);
}

void lane_put_back(struct pg_lane *l, struct store_op *const *ops, unsigned n)
{
	struct store_op *list = NULL;
	while (n > 0) {
		ops[--n]->next = list;
		list = ops[n];
	}
	lane_put_back_list(l, list);
}

/* What the next batch is made of, cut off the queue; *stop: the store ends. */
static struct store_op *take(struct pg_lane *l, uint64_t *n, bool *stop)
{
	size_t bytes = 0;
	pthread_mutex_lock(&l->lock);
	struct store_op *list = l->head, **end = &l->head;
	for (*n = 0; *end && *n < pool_options(l->store)->max_batch && bytes < BATCH_BYTES; ++*n) {
		bytes += (*end)->held_bytes;
		end = &(*end)->next;
	}
	struct store_op *rest = *end;
	*end = NULL;
	l->head = rest;
	if (!rest)
		l->tail = &l->head;
	*stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return list;
}

/* Lets go of ops that nobody waits for: a write whose deadline has passed must not be carried out. */
static void drop_moot(struct pg_lane *l)
{
	struct store_op *moot = NULL;
	pthread_mutex_lock(&l->lock);
	for (struct store_op **at = &l->head; *at;) {
		struct store_op *op = *at;
		if (!store_op_is_moot(op)) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		op->next = moot;
		moot = op;
	}
	for (l->tail = &l->head; *l->tail;)
		l->tail = &(*l->tail)->next;
	pthread_mutex_unlock(&l->lock);
	for (struct store_op *next; moot; moot = next) {
		next = moot->next;
		store_answer(moot, ERR_CANCELLED);
	}
}

static void answer_left(struct pg_lane *l)
{
	pthread_mutex_lock(&l->lock);
	struct store_op *list = l->head, *next;
	l->head = NULL;
	l->tail = &l->head;
	pthread_mutex_unlock(&l->lock);
	for (; list; list = next) {
		next = list->next;
		store_answer(list, store_op_is_moot(list) ? ERR_CANCELLED : ERR_UNAVAILABLE);
	}
}

/* ---- the connection ---- */

void lane_set_sick(struct pg_lane *l, bool sick, const char *text)
{
	bool before = l->sick;
	l->sick = sick;
	if (before != sick)
		pool_tell_sick(l, sick, text);
}

/* Longer and longer, and not all at the same time. */
static void wait_longer(struct pg_lane *l)
{
	uint64_t wait_us = l->tries < 6 ? FIRST_WAIT_US << l->tries : WAIT_MAX_US;
	if (wait_us > WAIT_MAX_US)
		wait_us = WAIT_MAX_US;
	l->tries++;
	l->retry_at_us = store_now_us() + wait_us / 2 + rng_u64(&l->rng) % (wait_us / 2);
}

static void try_to_connect(struct pg_lane *l)
{
	if (store_now_us() < l->retry_at_us)
		return;
	enum err err = link_open(&l->link);
	if (err) {
		lane_set_sick(l, true, l->link.text);
		pool_tell_failure(l, err);
		wait_longer(l);
		return;
	}
	l->up_since_us = store_now_us();
	pool_tell_link(l, true);
	lane_set_sick(l, false, "connected");
}

static void on_lost(struct pg_lane *l)
{
	pool_tell_link(l, false);
	l->retry_at_us = 0;
	if (store_now_us() - l->up_since_us > STEADY_US) {
		l->tries = 0; /* perhaps the next one is there at once, and nobody notices */
	} else {
		lane_set_sick(l, true, l->link.text);
		wait_longer(l);
	}
}

/* Waits for ops, the stop, news from the server, or the time. True: it was the time alone. */
static bool rest(struct pg_lane *l, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = l->wake_fd, .events = POLLIN },
			       { .fd = l->link.conn ? PQsocket(l->link.conn) : -1, .events = POLLIN } };
	int n = poll(p, 2, timeout_ms);
	uint64_t ticks;
	if (p[0].revents && read(l->wake_fd, &ticks, sizeof ticks) < 0)
		BUG_ON(errno != EAGAIN);
	if (p[1].revents)
		link_listen(&l->link);
	return n == 0;
}

static void idle(struct pg_lane *l)
{
	if (rest(l, l->sick ? PROBE_MS : -1) && l->sick && lane_probe(l))
		lane_set_sick(l, false, "the store can write again");
}

static void *thread_main(void *arg)
{
	struct pg_lane *l = arg;
	pthread_setname_np(pthread_self(), "store");
	polite_begin();
	for (bool stop = false, up = l->link.conn != NULL;;) {
		if (up && !l->link.conn)
			on_lost(l);
		if (!l->link.conn)
			try_to_connect(l);
		up = l->link.conn != NULL;
		if (!up) {
			drop_moot(l);
			pthread_mutex_lock(&l->lock);
			stop = l->stop;
			pthread_mutex_unlock(&l->lock);
			if (stop)
				break;
			rest(l, LOOK_MS);
			continue;
		}
		uint64_t n;
		struct store_op *list = take(l, &n, &stop);
		if (list)
			lane_run(l, list, n);
		else if (stop)
			break;
		else
			idle(l);
	}
	answer_left(l);
	return NULL;
}

/* ---- life ---- */

void lane_init(struct pg_lane *l, struct postgres_store *s, const struct pg_link *model)
{
	l->store = s;
	l->link = *model;
	l->tail = &l->head;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	BUG_ON(l->wake_fd < 0);
	l->batch = xzalloc(pool_options(s)->max_batch * sizeof *l->batch);
	l->places = xzalloc(pool_options(s)->max_batch * sizeof *l->places);
	touched_init(&l->touched, l);
	rng_init_seeded(&l->rng, store_now_us() ^ (uintptr_t)l ^ (uint64_t)getpid() << 32);
	pthread_mutex_init(&l->lock, NULL);
}

enum err lane_start(struct pg_lane *l)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
	l->running = pthread_create(&l->thread, NULL, thread_main, l) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return l->running ? ERR_NONE : ERR_UNAVAILABLE;
}

void lane_stop(struct pg_lane *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_mutex_unlock(&l->lock);
	wake(l);
}

void lane_fini(struct pg_lane *l)
{
	if (l->running)
		pthread_join(l->thread, NULL);
	link_close(&l->link);
	close(l->wake_fd);
	free(l->batch);
	free(l->places);
	pthread_mutex_destroy(&l->lock);
}
