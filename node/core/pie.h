/*
 * pie.h: how what features keep for an account looks in a file of XEP-0227, so that accounts can move between servers.
 *
 * A feature lists its parts in its descriptor (module.h). Export reads a part's space, page by page, and `put` makes children of <user/>
 * of the rows. Import calls `take` once for each account that has one of the part's elements; it adds write steps, and says what it left
 * and why: nothing is passed over in silence. An account that is imported is new: nobody is logged in to it, and its spaces are empty.
 *
 * Thread: main.
 */
#ifndef NODE_CORE_PIE_H
#define NODE_CORE_PIE_H

#include "node/core/module.h"
#include "proto/xml/reader.h"

struct pie_put {
	struct host *host;
	struct jid jid;
	struct arena *arena; /* of this page: strings of the rows live as long */
	struct elem *user;   /* append here */
	struct xml_parser *parser;
	unsigned broken;     /* values that could not be read */
};

/* How many of what. */
#define PIE_KINDS_MAX 48
struct pie_tally {
	struct {
		const char *what;
		uint64_t n;
	} of[PIE_KINDS_MAX];
	unsigned n;
	uint64_t left; /* what was not taken, in all */
};

struct pie_ops {
	struct pie_ops *next;
	struct store_op *op;
};

struct pie_take {
	struct host *host;
	struct jid jid;
	struct arena *arena;
	/* the importer's */
	struct pie_tally *tally;
	struct pie_ops *first, *last; /* not submitted yet */
	void (*on_op)(struct store_op *op);
	void (*on_left)(void *arg, struct str what, const char *why);
	void *arg;
};

struct pie_elem {
	const struct str *ns;
	const char *name;
};

struct pie_part {
	const struct store_space *space; /* NULL: import only */
	void (*put)(struct pie_put *p, const struct store_row *rows, uint32_t n); /* of a kv space one row with a value */
	struct pie_elem elems[4];        /* children of <user/> that take understands */
	void (*take)(struct pie_take *t, const struct elem *user);
};

/* ---- for put ---- */

/* An element that was kept as bytes (stored_write); NULL, and counted, when it is broken. */
struct elem *pie_read(struct pie_put *p, struct str value);

/* ---- for take ---- */

/* An op with room for one more step. Ops are carried out in their order. */
struct store_op *pie_op(struct pie_take *t);
/* Something of this kind was taken: "roster items"; a literal. */
void pie_taken(struct pie_take *t, const char *what);
/* Something was left: `what` for people ("contact juliet@example.org"), `why` a literal. */
void pie_left(struct pie_take *t, struct str what, const char *why);
/* stored_write of an element, or left for its length (then false). */
bool pie_write(struct pie_take *t, const struct elem *e, const char *what, struct str *out);

#endif
