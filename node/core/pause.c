#include "node/core/pause.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define PATIENCE_S 2

struct stop {
	struct message message;
	struct pause *pause;
};

/* Freed by whoever leaves last: a worker that comes too late finds it over. */
struct pause {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	unsigned here, refs;
	bool over;
	struct stop stops[WORKERS_MAX];
};

/* With the lock held, which it gives up. */
static void leave(struct pause *p)
{
	bool last = --p->refs == 0;
	pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->moved);
	free(p);
}

static void on_stop(struct worker *w, struct message *m, bool cancelled)
{
	struct pause *p = ((struct stop *)m)->pause;
	pthread_mutex_lock(&p->lock);
	p->here++;
	pthread_cond_broadcast(&p->moved);
	while (!p->over && !cancelled)
		pthread_cond_wait(&p->moved, &p->lock);
	leave(p);
}

static struct pause *pause_new(unsigned workers)
{
	struct pause *p = xzalloc(sizeof *p);
	pthread_condattr_t attr;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->moved, &attr);
	pthread_condattr_destroy(&attr);
	p->refs = workers + 1;
	return p;
}

enum err pause_and(struct node *n, void (*change)(struct node *n, void *arg), void *arg)
{
	struct pause *p = pause_new(n->n_workers);
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	for (unsigned i = 0; i < n->n_workers; i++) {
		p->stops[i].message.run = on_stop;
		p->stops[i].pause = p;
		worker_post(n->workers[i], &p->stops[i].message);
	}
	int rc = 0;
	pthread_mutex_lock(&p->lock);
	while (p->here < n->n_workers && rc == 0)
		rc = pthread_cond_timedwait(&p->moved, &p->lock, &until);
	bool all = p->here == n->n_workers;
	if (all)
		change(n, arg);
	p->over = true;
	pthread_cond_broadcast(&p->moved);
	leave(p);
	return all ? ERR_NONE : ERR_TIMEOUT;
}
