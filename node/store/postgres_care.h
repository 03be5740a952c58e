/*
 * postgres_care.h: care.h for PostgreSQL: a check of what the store promises itself, and VACUUM, each on a connection and a thread of its
 * own. Copies are pg_dump's work. postgres.c owns the struct and calls these.
 */
#ifndef NODE_STORE_POSTGRES_CARE_H
#define NODE_STORE_POSTGRES_CARE_H

#include <pthread.h>

#include "node/store/postgres_db.h"

struct postgres_care {
	const struct pg_link *model; /* how to connect */
	struct store_care *errand;   /* under way; guarded by `busy` */
	_Atomic bool busy, cancel;
	pthread_t thread;
	bool joinable;
};

void postgres_care_init(struct postgres_care *c, const struct pg_link *model);
/* Waits for what is under way, which it cancels. */
void postgres_care_fini(struct postgres_care *c);
/* Takes the errand; ERR_EXISTS, and ERR_DENIED for a backup. */
MUST_CHECK enum err postgres_care_begin(struct postgres_care *c, struct store_care *errand);
void postgres_care_cancel(struct postgres_care *c);

#endif
