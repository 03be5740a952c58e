#include "node/store/sqlite_care.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/polite.h"
#include "node/store/sqlite_db.h"

#define STEP_PAGES      2048  /* of a copy between two looks at `cancel`: 8 MiB */
#define CANCEL_LOOK_OPS 10000 /* of SQLite's virtual machine between two looks */

static void say(char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(char *why, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, CARE_TEXT_BYTES, fmt, ap);
	va_end(ap);
}

static uint64_t file_bytes(const char *path)
{
	struct stat st;
	return path && stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* ---- connections ---- */

static sqlite3 *open_db(const char *path, int flags, char *why)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc == SQLITE_OK)
		return db;
	say(why, "cannot open %s: %s", path, sqlite3_errstr(rc));
	sqlite3_close(db);
	return NULL;
}

static bool exec(sqlite3 *db, const char *sql, char *why)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	say(why, "%s", sqlite3_errmsg(db));
	return false;
}

/* The first column of the first row. */
static bool read_int(sqlite3 *db, const char *sql, int *out, char *why)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
	if (ok)
		*out = sqlite3_column_int(st, 0);
	else
		say(why, "%s", sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return ok;
}

/* True when SQLite finds nothing wrong; else the first complaint is in `why`. */
static bool is_sound(sqlite3 *db, const char *pragma, char *why)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(db, pragma, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
	const char *text = ok ? (const char *)sqlite3_column_text(st, 0) : NULL;
	if (!text)
		say(why, "%s", sqlite3_errmsg(db));
	else if (strcmp(text, "ok") != 0)
		say(why, "damaged: %s", text);
	ok = text && strcmp(text, "ok") == 0;
	sqlite3_finalize(st);
	return ok;
}

/* ---- copying ---- */

static enum err copy_pages(sqlite3 *to, sqlite3 *from, const _Atomic bool *cancel, char *why)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc = b ? SQLITE_OK : sqlite3_errcode(to);
	while (rc == SQLITE_OK && !(cancel && atomic_load(cancel)))
		rc = sqlite3_backup_step(b, STEP_PAGES);
	if (b)
		sqlite3_backup_finish(b);
	if (rc == SQLITE_DONE)
		return ERR_NONE;
	say(why, rc == SQLITE_OK ? "cancelled" : "copying failed: %s", sqlite3_errstr(rc));
	return rc == SQLITE_OK ? ERR_CANCELLED : ERR_IO;
}

/* A file of its own: not in WAL mode, so that it is one file, and on the disk. */
static enum err copy_to(const char *path, sqlite3 *from, const _Atomic bool *cancel, char *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		enum err err = errno == EEXIST ? ERR_EXISTS : ERR_IO;
		say(why, "cannot make %s: %s", path, strerrordesc_np(errno));
		return err;
	}
	close(fd);
	sqlite3 *to = open_db(path, SQLITE_OPEN_READWRITE, why);
	enum err err = to ? copy_pages(to, from, cancel, why) : ERR_IO;
	if (!err && (!exec(to, "PRAGMA journal_mode = DELETE", why) || !is_sound(to, "PRAGMA quick_check(1)", why)))
		err = ERR_IO;
	sqlite3_close(to);
	if (err)
		unlink(path);
	return err;
}

/* ---- errands on a thread of their own ---- */

static int on_progress(void *arg)
{
	const struct sqlite_care *c = arg;
	return atomic_load(&c->cancel);
}

static void carry_out(struct sqlite_care *c, struct store_care *e)
{
	sqlite3 *db = open_db(c->path, SQLITE_OPEN_READONLY, e->text);
	e->err = ERR_IO;
	if (!db)
		return;
	sqlite3_progress_handler(db, CANCEL_LOOK_OPS, on_progress, c);
	/* One read transaction: a snapshot that writers do not disturb, and that does not begin again when they write. */
	if (exec(db, "BEGIN; SELECT 1 FROM sqlite_schema", e->text)) {
		if (e->kind == CARE_BACKUP)
			e->err = copy_to(e->path, db, &c->cancel, e->text);
		else
			e->err = is_sound(db, "PRAGMA integrity_check(1)", e->text) ? ERR_NONE : ERR_IO;
	}
	if (e->err && atomic_load(&c->cancel))
		e->err = ERR_CANCELLED;
	sqlite3_close(db);
	e->bytes = file_bytes(e->kind == CARE_BACKUP ? e->path : c->path);
}

static void on_answered(struct worker *w, struct message *m, bool cancelled)
{
	struct store_care *e = (struct store_care *)m;
	e->on_done(e);
}

/* The last touch of the errand: then another may begin. */
static void answer(struct sqlite_care *c)
{
	struct store_care *e = c->errand;
	c->errand = NULL;
	e->message.run = on_answered;
	atomic_store(&c->busy, false);
	worker_post(e->worker, &e->message);
}

static void *thread_main(void *arg)
{
	struct sqlite_care *c = arg;
	pthread_setname_np(pthread_self(), "care");
	polite_begin();
	carry_out(c, c->errand);
	answer(c);
	return NULL;
}

static enum err start_thread(struct sqlite_care *c)
{
	sigset_t all, before;
	if (c->joinable)
		pthread_join(c->thread, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
	c->joinable = pthread_create(&c->thread, NULL, thread_main, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return c->joinable ? ERR_NONE : ERR_UNAVAILABLE;
}

enum err sqlite_care_begin(struct sqlite_care *c, struct store_care *errand)
{
	if (atomic_exchange(&c->busy, true))
		return ERR_EXISTS;
	atomic_store(&c->cancel, false);
	c->errand = errand;
	enum err err = errand->kind == CARE_COMPACT ? ERR_NONE : start_thread(c);
	if (err)
		atomic_store(&c->busy, false);
	return err;
}

void sqlite_care_init(struct sqlite_care *c, const char *path)
{
	*c = (struct sqlite_care){ .path = xstrndup(path, strlen(path)) };
}

void sqlite_care_fini(struct sqlite_care *c)
{
	atomic_store(&c->cancel, true);
	if (c->joinable)
		pthread_join(c->thread, NULL);
	free(c->path);
	c->path = NULL;
}

/* ---- compacting ---- */

/* VACUUM needs room for a second copy, in a file: beside the database, where a read-only system lets it write. */
static void use_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	sqlite3_free(sqlite3_temp_directory);
	sqlite3_temp_directory = slash ? sqlite3_mprintf("%.*s", (int)(slash - path), path) : sqlite3_mprintf(".");
}

void sqlite_compact(struct sqlite_care *c, sqlite3 *db)
{
	struct store_care *e = c->errand;
	e->bytes_before = file_bytes(c->path);
	use_folder_of(c->path);
	sqlite3_progress_handler(db, CANCEL_LOOK_OPS, on_progress, c);
	bool ok = exec(db, "PRAGMA temp_store = FILE", e->text) && exec(db, "VACUUM", e->text);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	ok = exec(db, "PRAGMA temp_store = MEMORY", e->text) && ok;
	ok = ok && exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", e->text);
	e->err = ok ? ERR_NONE : atomic_load(&c->cancel) ? ERR_CANCELLED : ERR_IO;
	e->bytes = file_bytes(c->path);
	answer(c);
}

/* ---- restoring ---- */

static enum err check_copy(sqlite3 *db, const char *copy, char *why)
{
	int application = 0, version = 0;
	if (!read_int(db, "PRAGMA application_id", &application, why) || !read_int(db, "PRAGMA user_version", &version, why))
		return ERR_INVALID;
	if (application != DB_APPLICATION_ID) {
		say(why, "%s is no backup of a Starling store", copy);
		return ERR_INVALID;
	}
	if (version > db_schema_version()) {
		say(why, "%s has schema version %d, this program knows up to %d: a newer starling wrote it", copy, version,
		    db_schema_version());
		return ERR_INVALID;
	}
	return is_sound(db, "PRAGMA integrity_check(1)", why) ? ERR_NONE : ERR_INVALID;
}

/* The lock that a node holds; the file stays, as the node's does. */
static int lock_folder(const char *database, char *why)
{
	char path[4200];
	snprintf(path, sizeof path, "%s.lock", database);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		say(why, "cannot open %s: %s", path, strerrordesc_np(errno));
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	say(why, "a node runs on this folder (%s is locked)", path);
	close(fd);
	return -1;
}

static enum err sync_folder(const char *folder, char *why)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	if (!ok)
		say(why, "cannot write %s to disk: %s", folder, strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
	return ok ? ERR_NONE : ERR_IO;
}

static enum err restore_locked(sqlite3 *from, const char *folder, const char *database, char *why)
{
	char fresh[4200], wal[4200];
	snprintf(fresh, sizeof fresh, "%s.restoring", database);
	snprintf(wal, sizeof wal, "%s-wal", database);
	if (access(database, F_OK) == 0 || access(wal, F_OK) == 0) {
		say(why, "%s has a database already: restore into an empty folder", folder);
		return ERR_EXISTS;
	}
	unlink(fresh); /* what an interrupted restore left */
	enum err err = copy_to(fresh, from, NULL, why);
	if (!err && rename(fresh, database) != 0) {
		say(why, "cannot name %s: %s", database, strerrordesc_np(errno));
		err = ERR_IO;
	}
	return err ? err : sync_folder(folder, why);
}

enum err sqlite_restore(const char *copy, const char *folder, char why[CARE_TEXT_BYTES])
{
	char database[4096];
	if (snprintf(database, sizeof database, "%s/starling.db", folder) >= (int)sizeof database) {
		say(why, "the path is too long");
		return ERR_INVALID;
	}
	sqlite3 *from = open_db(copy, SQLITE_OPEN_READONLY, why);
	enum err err = from ? check_copy(from, copy, why) : ERR_NOT_FOUND;
	if (!err && mkdir(folder, 0700) != 0 && errno != EEXIST) {
		say(why, "cannot make %s: %s", folder, strerrordesc_np(errno));
		err = ERR_IO;
	}
	int lock = err ? -1 : lock_folder(database, why);
	if (!err)
		err = lock < 0 ? ERR_DENIED : restore_locked(from, folder, database, why);
	if (lock >= 0)
		close(lock);
	sqlite3_close(from);
	return err;
}
