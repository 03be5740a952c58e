#include "node/store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cluster/polite.h"
#include "node/store/sqlite_care.h"
#include "node/store/sqlite_db.h"
#include "node/store/touched.h"

#define MAX_BATCH_DEFAULT 1024
#define CACHE_KIB_DEFAULT 8192
#define BUSY_MS_DEFAULT   2000
#define PROBE_MS          1000 /* how often an unhealthy store tries to write */
#define LANES             65   /* workers of a node at most, and its main thread */
#define TRIES             2    /* of a batch that met SQLITE_BUSY */

/* Of one worker: all that it submits in a pass wakes the thread once, at the pass's end. Woken for each op it is mostly asleep again when
 * the next one comes, and to be put to sleep and woken costs more than to read a row. */
struct lane {
	struct deferred wake;
	struct sqlite_store *store;
	struct worker *worker; /* NULL: it has never asked */
};

struct sqlite_store {
	struct store store;
	struct sqlite_store_options options;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct store_op *head, **tail;
	bool stop;
	struct sqlite_care care;
	bool compact; /* an errand of care waits for the thread */
	/* the workers', each its own */
	struct lane lanes[LANES];
	/* the thread's */
	struct db db;
	int lock_fd;
	struct touched touched; /* by the writes of this batch: a read of theirs waits its turn */
};

/* ---- one op ---- */

static enum err run_steps(struct sqlite_store *s, struct store_op *op)
{
	enum err err = ERR_NONE;
	for (struct store_step *step = op->first; step && !err; step = step->next)
		err = db_step(&s->db, op, step);
	return err;
}

static void rollback(struct sqlite_store *s)
{
	enum err err = sqlite3_get_autocommit(s->db.handle) ? ERR_NONE : db_simple(&s->db, SQL_ROLLBACK);
	BUG_ON(err && !sqlite3_get_autocommit(s->db.handle));
}

/* A lone step fails before it writes, unless SQLite itself fails: then nothing of this transaction is worth keeping. Several steps need a
 * savepoint to go back to. */
static enum err run_op(struct sqlite_store *s, struct store_op *op)
{
	if (store_op_is_moot(op))
		return ERR_CANCELLED;
	store_op_reset(op);
	db_forgive(&s->db);
	bool nested = op->writes && op->n_steps > 1;
	if (nested && db_simple(&s->db, SQL_SAVE))
		return ERR_IO;
	enum err err = run_steps(s, op);
	int rc = s->db.rc;
	if (sqlite3_get_autocommit(s->db.handle))
		return err; /* SQLite gave up the whole transaction: try_writes sees it as well */
	bool undone = !nested || ((!err || !db_simple(&s->db, SQL_SAVE_UNDO)) && !db_simple(&s->db, SQL_SAVE_DONE));
	if (!undone || (op->writes && !nested && rc))
		rollback(s); /* half an op must not be committed */
	s->db.rc = rc;
	return undone ? err : ERR_IO;
}

/* ---- a batch ---- */

static void health(struct sqlite_store *s, bool healthy)
{
	store_set_health(&s->store, healthy, healthy ? "the store can write again" : s->db.text);
}

static void answer_all(struct store_op *list, bool failed)
{
	while (list) {
		struct store_op *next = list->next;
		store_answer(list, failed ? ERR_IO : list->answer);
		list = next;
	}
}

/* Answers the reads that need not wait for a write; returns the others, in order. */
static struct store_op *run_reads(struct sqlite_store *s, struct store_op *list)
{
	struct store_op *rest = NULL, **rest_tail = &rest, *done = NULL, **done_tail = &done;
	touched_clear(&s->touched);
	bool many = list && list->next;
	if (many && db_simple(&s->db, SQL_BEGIN_READ))
		many = false;
	for (struct store_op *op = list, *next; op; op = next) {
		next = op->next;
		op->next = NULL;
		if (op->writes || touched_has(&s->touched, op)) {
			touched_note(&s->touched, op);
			*rest_tail = op;
			rest_tail = &op->next;
			continue;
		}
		op->answer = run_op(s, op);
		if (s->db.rc)
			health(s, false);
		*done_tail = op;
		done_tail = &op->next;
	}
	if (many && db_simple(&s->db, SQL_COMMIT))
		rollback(s);
	answer_all(done, false);
	return rest;
}

enum outcome { COMMITTED, IS_BUSY, OP_FAILED, COMMIT_FAILED };

/* One try. Unless COMMITTED nothing was written. */
static enum outcome try_writes(struct sqlite_store *s, struct store_op *list)
{
	db_forgive(&s->db);
	if (db_simple(&s->db, SQL_BEGIN_WRITE))
		return (s->db.rc & 0xff) == SQLITE_BUSY ? IS_BUSY : COMMIT_FAILED;
	for (struct store_op *op = list; op; op = op->next) {
		op->answer = run_op(s, op);
		if (sqlite3_get_autocommit(s->db.handle))
			return OP_FAILED;
	}
	db_forgive(&s->db);
	if (db_simple(&s->db, SQL_COMMIT)) {
		bool busy = (s->db.rc & 0xff) == SQLITE_BUSY;
		rollback(s);
		return busy ? IS_BUSY : COMMIT_FAILED;
	}
	atomic_fetch_add_explicit(&s->store.commits, 1, memory_order_relaxed);
	return COMMITTED;
}

/* Answers all. False when SQLite failed. */
static bool write_together(struct sqlite_store *s, struct store_op *list, enum outcome *outcome)
{
	for (int i = 0; i < TRIES; i++) {
		*outcome = try_writes(s, list);
		if (*outcome != IS_BUSY)
			break;
	}
	if (*outcome == OP_FAILED && list->next)
		return false; /* not answered: the others may do without the one that failed */
	answer_all(list, *outcome != COMMITTED);
	return *outcome == COMMITTED;
}

static void run_writes(struct sqlite_store *s, struct store_op *list)
{
	enum outcome outcome;
	bool many = list->next != NULL, well = write_together(s, list, &outcome);
	if (many && outcome == OP_FAILED) {
		well = true;
		for (struct store_op *op = list, *next; op; op = next) {
			next = op->next;
			op->next = NULL;
			well &= write_together(s, op, &outcome);
		}
	}
	health(s, well);
}

static void run_batch(struct sqlite_store *s, struct store_op *list, uint64_t n)
{
	store_count_batch(&s->store, n);
	struct store_op *rest = run_reads(s, list);
	if (rest)
		run_writes(s, rest);
}

/* Does writing work? Asked while unhealthy, when nobody else tries. */
static void probe(struct sqlite_store *s)
{
	db_forgive(&s->db);
	sqlite3_stmt *st = db_stmt(&s->db, SQL_PROBE);
	if (!st)
		return;
	sqlite3_bind_int64(st, 1, (sqlite3_int64)store_now_us());
	if (!db_run(&s->db, st))
		health(s, true);
}

/* ---- the queue ---- */

static void on_pass_end(struct deferred *d)
{
	struct lane *lane = (struct lane *)d;
	pthread_cond_signal(&lane->store->wake); /* without the lock, for which the thread would only wait again */
}

static void wake_at_pass_end(struct sqlite_store *s, struct worker *w)
{
	BUG_ON(w->index >= LANES);
	struct lane *lane = &s->lanes[w->index];
	lane->store = s;
	lane->worker = w;
	lane->wake.fn = on_pass_end;
	worker_defer(w, &lane->wake);
}

static void on_submit(struct store *store, struct store_op *op)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct worker *w = op->worker;
	op->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->tail = op;
	s->tail = &op->next;
	pthread_mutex_unlock(&s->lock);
	if (worker_current() == w)
		wake_at_pass_end(s, w);
	else /* fault.c passes it on from a thread of its own, which has no passes */
		pthread_cond_signal(&s->wake);
}

/* With the lock held: up to max_batch ops, cut off the queue. */
static struct store_op *take(struct sqlite_store *s, uint64_t *n)
{
	struct store_op *list = s->head, **end = &s->head;
	for (*n = 0; *end && *n < s->options.max_batch; ++*n)
		end = &(*end)->next;
	struct store_op *rest = *end;
	*end = NULL;
	s->head = rest;
	if (!rest)
		s->tail = &s->head;
	return list;
}

/* With the lock held: waits for ops, the stop, or, while unhealthy, the next probe. */
static void wait_for_work(struct sqlite_store *s)
{
	if (store_healthy(&s->store)) {
		pthread_cond_wait(&s->wake, &s->lock);
		return;
	}
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PROBE_MS / 1000;
	if (pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT)
		return;
	pthread_mutex_unlock(&s->lock);
	probe(s);
	pthread_mutex_lock(&s->lock);
}

static void *thread_main(void *arg)
{
	struct sqlite_store *s = arg;
	pthread_setname_np(pthread_self(), "store");
	polite_begin();
	pthread_mutex_lock(&s->lock);
	while (s->head || s->compact || !s->stop) {
		if (s->compact) {
			s->compact = false;
			pthread_mutex_unlock(&s->lock);
			sqlite_compact(&s->care, s->db.handle);
			pthread_mutex_lock(&s->lock);
			continue;
		}
		if (!s->head) {
			wait_for_work(s);
			continue;
		}
		uint64_t n;
		struct store_op *list = take(s, &n);
		pthread_mutex_unlock(&s->lock);
		run_batch(s, list, n);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- life ---- */

static void sqlite_free(struct sqlite_store *s)
{
	sqlite_care_fini(&s->care);
	db_fini(&s->db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void on_close(struct store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	for (unsigned i = 0; i < LANES; i++)
		if (s->lanes[i].worker)
			worker_undefer(s->lanes[i].worker, &s->lanes[i].wake);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	atomic_store(&s->care.cancel, true);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	sqlite_free(s);
}

static enum err on_care(struct store *store, struct store_care *c)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	enum err err = sqlite_care_begin(&s->care, c);
	if (err || c->kind != CARE_COMPACT)
		return err;
	pthread_mutex_lock(&s->lock);
	s->compact = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return ERR_NONE;
}

static void on_care_cancel(struct store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	atomic_store(&s->care.cancel, true);
}

static const struct store_backend sqlite_backend = {
	.name = "sqlite", .submit = on_submit, .close = on_close, .care = on_care, .care_cancel = on_care_cancel,
};

static void say(char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(char *why, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, SQLITE_WHY_BYTES, fmt, ap);
	va_end(ap);
}

static const char *error_text(int error)
{
	return uv_strerror(uv_translate_sys_error(error)); /* strerror is not for threads */
}

/* The lock goes with the descriptor, so with the process. The file stays: to remove it would let two processes lock two files. */
static enum err take_lock(struct sqlite_store *s, char *why)
{
	char path[4096];
	if (snprintf(path, sizeof path, "%s.lock", s->options.path) >= (int)sizeof path) {
		say(why, "the path of the database is too long");
		return ERR_IO;
	}
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		say(why, "cannot open %s: %s", path, error_text(errno));
		return ERR_IO;
	}
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return ERR_NONE;
	say(why, "another starling runs on this data directory (%s is locked)", path);
	return ERR_DENIED;
}

static enum err configure(struct sqlite_store *s)
{
	const struct sqlite_store_options *o = &s->options;
	char sql[512];
	uint64_t max_pages = o->max_bytes ? o->max_bytes / 4096 + 1 : 0xfffffffe;
	snprintf(sql, sizeof sql,
		 "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;"
		 "PRAGMA cache_size = -%u; PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = FAST; PRAGMA trusted_schema = OFF;"
		 "PRAGMA max_page_count = %llu;",
		 o->sync_normal ? "NORMAL" : "FULL", o->cache_kib, (unsigned long long)max_pages);
	int rc = sqlite3_exec(s->db.handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? ERR_NONE : db_failed(&s->db, rc);
}

static enum err open_db(struct sqlite_store *s, char *why)
{
	const char *path = s->options.path;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite would create it readable by all */
	if (fd < 0) {
		say(why, "cannot open %s: %s", path, error_text(errno));
		return ERR_IO;
	}
	close(fd);
	int rc = sqlite3_open_v2(path, &s->db.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK) {
		say(why, "cannot open %s: %s", path, sqlite3_errstr(rc));
		return ERR_IO;
	}
	sqlite3_busy_timeout(s->db.handle, (int)s->options.busy_ms);
	char reason[300];
	enum err err = db_migrate(&s->db, reason, sizeof reason);
	if (!err) {
		err = configure(s);
		snprintf(reason, sizeof reason, "%s", s->db.text);
	}
	if (err)
		say(why, "%s: %s", path, reason);
	return err;
}

static enum err start_thread(struct sqlite_store *s, char *why)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
	int rc = pthread_create(&s->thread, NULL, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		return ERR_NONE;
	say(why, "cannot start the store's thread: %s", error_text(rc));
	return ERR_UNAVAILABLE;
}

static struct sqlite_store *sqlite_new(const struct sqlite_store_options *options)
{
	struct sqlite_store *s = xzalloc(sizeof *s);
	store_init(&s->store, &sqlite_backend, &options->common);
	s->options = *options;
	if (!s->options.max_batch)
		s->options.max_batch = MAX_BATCH_DEFAULT;
	if (!s->options.cache_kib)
		s->options.cache_kib = CACHE_KIB_DEFAULT;
	if (!s->options.busy_ms)
		s->options.busy_ms = BUSY_MS_DEFAULT;
	s->lock_fd = -1;
	s->tail = &s->head;
	touched_init(&s->touched, s);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	return s;
}

enum err sqlite_store_open(const struct sqlite_store_options *options, struct store **out, char why[SQLITE_WHY_BYTES])
{
	struct sqlite_store *s = sqlite_new(options);
	*out = NULL;
	why[0] = '\0';
	enum err err = take_lock(s, why);
	if (!err)
		err = open_db(s, why);
	sqlite_care_init(&s->care, options->path);
	s->options.path = NULL; /* was borrowed */
	if (!err)
		err = start_thread(s, why);
	if (err) {
		sqlite_free(s);
		return err;
	}
	*out = &s->store;
	return ERR_NONE;
}
