#include "cluster/pool.h"

#include <pthread.h>

#include "cluster/polite.h"

static _Atomic unsigned waiting;
static _Atomic unsigned limit = 4096;

static void on_work(uv_work_t *uv)
{
	static _Thread_local bool named;
	struct job *j = uv->data;
	if (!named) { /* it has its name from the worker that gave it its first job */
		named = pthread_setname_np(pthread_self(), "pool") == 0;
		polite_begin();
	}
	j->work(j);
}

static void on_after(uv_work_t *uv, int status)
{
	struct job *j = uv->data;
	atomic_fetch_sub(&waiting, 1);
	worker_pass_begin(j->worker);
	worker_doing(j->worker, "job");
	j->on_done(j, status == UV_ECANCELED);
}

enum err pool_submit(struct worker *w, struct job *j)
{
	if (atomic_fetch_add(&waiting, 1) >= atomic_load(&limit)) {
		atomic_fetch_sub(&waiting, 1);
		return ERR_LIMIT;
	}
	j->worker = w;
	j->uv.data = j;
	int rc = uv_queue_work(&w->loop, &j->uv, on_work, on_after);
	BUG_ON(rc != 0);
	return ERR_NONE;
}

void pool_set_limit(unsigned max_waiting)
{
	atomic_store(&limit, max_waiting);
}

unsigned pool_waiting(void)
{
	return atomic_load(&waiting);
}
