/*
 * shared_deeds.h: what changes shared groups: one deed after the other, on the main thread (shared.h). A deed ends with shared_deed_done,
 * shared_deed_fail or shared_deed_end, once, now or later. One whose write another node has overtaken runs again: so `run` looks at what is
 * in memory then, and memory changes only after the write.
 */
#ifndef NODE_MOD_SHARED_SHARED_DEEDS_H
#define NODE_MOD_SHARED_SHARED_DEEDS_H

#include "node/mod/shared/shared_rows.h"

struct shared_deed {
	struct message message;
	struct shared_deed *next;
	struct arena *arena; /* it lies there */
	struct host *host;
	struct call *call;   /* NULL: nobody waits for an answer */
	void (*run)(struct shared_deed *d);
	struct str names;    /* groups to be written again, packed */
	struct str unwritten; /* of them, before the write under way */
	struct jid user;     /* join, leave: an account, or absent and: */
	struct str member;
	bool joins;
	bool came_back;      /* an account that is gone: a reading had put it into groups again */
	unsigned tries;
	const char *done;    /* the answer */
};

struct shared_deed *shared_deed_new(struct host *h, void (*run)(struct shared_deed *d));
/* Consumed. It fails at once when too many wait. */
void shared_deed_queue(struct shared_deed *d);
/* The call, if any, is answered with d->done, or with why not. */
void shared_deed_done(void *deed);
void shared_deed_fail(struct shared_deed *d, const char *why);
/* First in the on_done of a write. True: another node was faster; the deed begins anew. */
bool shared_deed_again(struct store_op *op);
/* Memory has changed: accounts on all nodes hear of it, of d->user or of any, and then it is done. */
void shared_deed_spread(struct shared_deed *d);
/* It has been answered. */
void shared_deed_end(struct shared_deed *d);

/* The names of accounts, for groups of all. */
struct shared_roll {
	struct shared_host *p;
	struct shared_deed *deed; /* NULL: loading */
	void (*then)(struct shared_roll *r, enum err err);
};

/* Reads them; those who are born from now on note themselves. `then` frees r. */
void shared_roll_call(struct shared_host *p, struct shared_deed *d, void (*then)(struct shared_roll *r, enum err err));

#endif
