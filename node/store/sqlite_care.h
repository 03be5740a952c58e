/*
 * sqlite_care.h: care.h for SQLite. sqlite.c owns the struct and calls these; the rest is sqlite_care.c's.
 */
#ifndef NODE_STORE_SQLITE_CARE_H
#define NODE_STORE_SQLITE_CARE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "node/store/care.h"

struct sqlite_care {
	char *path;                 /* of the database */
	struct store_care *errand;  /* under way; guarded by `busy` */
	_Atomic bool busy, cancel;
	pthread_t thread;
	bool joinable;
};

void sqlite_care_init(struct sqlite_care *c, const char *path);
/* Waits for what is under way, which it cancels. */
void sqlite_care_fini(struct sqlite_care *c);
/* Takes the errand; ERR_EXISTS. Backups and checks begin; a CARE_COMPACT is for the store's thread to carry out with sqlite_compact. */
MUST_CHECK enum err sqlite_care_begin(struct sqlite_care *c, struct store_care *errand);
/* On the store's thread, outside a transaction. */
void sqlite_compact(struct sqlite_care *c, sqlite3 *db);

#endif
