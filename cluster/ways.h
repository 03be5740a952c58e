/*
 * ways.h: what one node sends to a name (an account, a place) arrives in that order, though the name moves from node to node. Pure: one of
 * these for each worker, for the names that it owns.
 *
 * What goes to a name by one *way*, through one node, stays in order: links and mailboxes are queues. Who begins to use another way may
 * overtake what is still on the old one, as whoever was there before passes it on.
 *
 * Rules
 *  1. A worker remembers by which node it last sent something to each name, for KEEP_MS at least: what is older has arrived.
 *  2. When the name is elsewhere now, nothing goes there before an *echo* has come back: a record that follows by the old way all that
 *     was sent before, is passed on as that is, and is answered by whoever has the name, or believes so. Meanwhile what comes for the name
 *     waits here, in its order. When the echo is back nothing of ours is under way, and what waits may go anywhere.
 *  3. So does every node, also with what others send through it: a name that moves twice has two ways to be emptied, and neither its first
 *     node nor the senders need know of both. Echoes of others wait as what they follow waits.
 *  4. What has passed here before and comes again (a record says through whom it went) does not wait: it is on the way that is being
 *     emptied, and so is older than all that waits.
 *  5. While nobody knows whose the name will be (we are granted it, and ask the registry) all of it waits; what comes again, before the
 *     rest.
 *  6. It is not waited for ever: WAIT_MS at most, not when the way's node is dead, has left or knows no echo, nor past a ceiling: then what
 *     waits goes, in order, directly, and may overtake.
 *
 * The cost is three small records for a name that moves and that this worker has sent something to just before and again after it; none
 * for one that stays. A node that drains moves thousands of names: each is asked for when something comes for it, so what is sent there
 * paces it.
 *
 * Rejected: to go on by the old way until nothing is under way. It needs the same answer from the end of the way, and each move makes the
 * way longer, past the number of nodes that a record may pass. And one echo for all names of a node: it would have to follow each of them
 * to where it has gone.
 *
 * Ceilings: WAYS_MAX names remembered for KEEP_MS and once more as many for as long again, then the older ones are forgotten sooner;
 * EMPTYING_MAX names that wait; EACH_MAX items and EACH_BYTES for one of them, ALL_BYTES together.
 */
#ifndef CLUSTER_WAYS_H
#define CLUSTER_WAYS_H

#include "cluster/frame.h"
#include "cluster/routes.h"
#include "cluster/view.h"
#include "proto/base/map.h"

#define WAYS_PROTOCOL 3 /* who speaks less knows no echo of accounts; of places: places.h */

#define WAYS_KEEP_MS      10000
#define WAYS_WAIT_MS      2000
#define WAYS_MAX          65536
#define WAYS_EMPTYING_MAX 10000
#define WAYS_EACH_MAX     1000
#define WAYS_EACH_BYTES   (1u << 20)
#define WAYS_ALL_BYTES    (16u << 20)

/* What waits: within what its owner knows it by. */
struct ways_item {
	struct ways_item *next;
	struct str name; /* for echoes, which go by that; absent: those by the fingerprint */
	size_t bytes;
	bool is_echo;
};

struct emptying;

struct ways_out {
	void *place;    /* of those that say where names are */
	uint32_t (*where)(void *place, uint64_t fp);
	/* Rule 5. NULL: it is always known. */
	bool (*is_unsettled)(void *place, uint64_t fp);
	/* An echo of somebody's goes as what it follows: ways_send_on, ways_answer. NULL: the one or the other, at once. */
	void (*echo_goes)(void *place, const struct frame_record *r);
	/* Nothing waits for the name any more. NULL: nobody cares. */
	void (*emptied)(void *place, uint64_t fp);
	void *arg;
	/* A record of kind `echo` or `echoed`, to another node. */
	void (*send)(void *arg, uint32_t epoch, const struct frame_record *r);
	/* Its turn has come: to where the name is now, or in here; ways_waits is not to be asked again. The item is yours. */
	void (*go)(void *arg, struct ways_item *item);
	/* At the end: it goes nowhere any more. Yours, too. */
	void (*drop)(void *arg, struct ways_item *item);
	uint8_t echo, echoed; /* the kinds */
	uint8_t ttl;          /* of an echo: as of what it follows */
	uint8_t speaks;       /* who speaks less knows no echo of this kind */
};

struct ways {
	struct ways_out out;
	struct view *view;
	uint32_t self;
	struct routes recent, older; /* name -> by which node */
	uint64_t turn_ms;            /* when `recent` becomes `older` */
	struct map emptying;         /* the 8 bytes of a fingerprint -> struct emptying */
	struct emptying *ready;
	size_t bytes;
	uint64_t tokens, echoes, hurried;
	bool runs, ended;
};

void ways_init(struct ways *w, const struct ways_out *out);
/* What waits is dropped. */
void ways_fini(struct ways *w);

/* Must what comes for this name, which is at `where`, wait? Then ways_wait follows. Else it goes there now, and that is noted. `passed`:
 * what its record says of the nodes that it went through; 0: none yet. */
bool ways_waits(struct ways *w, uint64_t fp, uint32_t where, uint64_t passed, uint64_t now_ms);
void ways_wait(struct ways *w, uint64_t fp, uint64_t passed, struct ways_item *item, uint64_t now_ms);
/* What waited elsewhere, on its owner's side, goes to `where` now. */
void ways_note(struct ways *w, uint64_t fp, uint32_t where);
/* Does anything wait for this name? */
bool ways_has(const struct ways *w, uint64_t fp);
/* What its record says when it leaves for another node. */
uint64_t ways_passed(const struct ways *w, uint64_t passed);

/* A record of one of the two kinds. An echo has the name as `to`, if the items have it. */
void ways_record(struct ways *w, const struct frame_record *r, uint64_t now_ms);
/* An echo goes on to where the name is. Where none is known it is answered. */
void ways_send_on(struct ways *w, uint32_t where, const struct frame_record *r);
/* It has come to the end of its way. */
void ways_answer(struct ways *w, const struct frame_record *r);
/* It is known whose it is (rule 5). */
void ways_settled(struct ways *w, uint64_t fp);
/* A newer view; a reference is taken. */
void ways_view(struct ways *w, struct view *v);
/* What need not wait any more goes. Not from within `go`. Called after any of the above. */
void ways_run(struct ways *w);
/* At least every second; runs. */
void ways_tick(struct ways *w, uint64_t now_ms);
/* The node ends: all that waits goes now, and nothing waits from now on. */
void ways_end(struct ways *w);

struct ways_stats {
	size_t waiting, bytes;       /* names for which something waits, and how much */
	uint64_t echoes, hurried;    /* names for which it was not waited to the end */
};
void ways_stats(const struct ways *w, struct ways_stats *out);

#endif
