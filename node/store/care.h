/*
 * care.h: what an administrator does to a whole store while it serves: copy it, check it, compact it. And, without a node, restoring a
 * copy.
 *
 * One errand at a time. A backup and a check read a snapshot through a connection and a thread of their own: nobody waits for them. To
 * compact is the store's own work: all questions wait meanwhile, so that those that wait too long end with ERR_TIMEOUT.
 */
#ifndef NODE_STORE_CARE_H
#define NODE_STORE_CARE_H

#include "node/store/store.h"

#define CARE_TEXT_BYTES 512

enum care_kind { CARE_BACKUP, CARE_CHECK, CARE_COMPACT };

/* The asker's, from store_care_begin until on_done. */
struct store_care {
	struct message message;    /* the store's */
	struct worker *worker;
	/* what is asked */
	enum care_kind kind;
	const char *path;          /* CARE_BACKUP: a file that does not exist yet; its folder does */
	void (*on_done)(struct store_care *c); /* on the worker that began it */
	void *arg;
	/* what came of it */
	enum err err;
	char text[CARE_TEXT_BYTES]; /* on an error: what is wrong, in one line */
	uint64_t bytes;            /* of the copy, or of the database, afterwards */
	uint64_t bytes_before;     /* CARE_COMPACT */
};

/* On a worker's thread. ERR_EXISTS: another errand is under way. ERR_DENIED: this kind of store has no files to care for.
 * ERR_UNAVAILABLE: it is closing. on_done is not called then. */
MUST_CHECK enum err store_care_begin(struct store *s, struct store_care *c);
/* Any thread: whatever is under way ends soon with ERR_CANCELLED; a backup's file is removed. */
void store_care_cancel(struct store *s);

/* No node may run on `folder`, and it must hold no database; it is made if it is not there. The copy is checked first, and complete or not
 * there at all. `why` says what is wrong. */
MUST_CHECK enum err sqlite_restore(const char *copy, const char *folder, char why[CARE_TEXT_BYTES]);

#endif
