/*
 * places.h: homes of what has no client: rooms, services. A *place* is a name that one worker of one node serves, all of whose state is
 * touched there and nowhere else. Pure, as homes.h; one of these for each worker, for the names that it owns (fp % workers).
 *
 * Rules
 *  1. A place is where rendezvous hashing over the nodes that are up puts it (view_place).
 *  2. It is served only under a *fence*: a number that the registry gave for the claim, greater than any before. Whoever writes what the
 *     place keeps names the fence in the condition of the write, so that one who was taken for dead and lives writes nothing.
 *  3. A claim is renewed; one that is denied ends the place here at once, without a word: somebody else serves it.
 *  4. When hashing puts it elsewhere (a node has come or goes), its state is frozen, sent there, and the claim given back; what arrives
 *     meanwhile goes after it, in order. When its node dies the next one claims it, without a state.
 *  5. What arrives for a place that is being claimed waits, WAITING_MAX records at most; then it is refused.
 *
 *   none -something arrives, a state comes-> CLAIMED? -fence-> SERVED -hashing, drain-> sent away;  SERVED -denied-> none
 */
#ifndef CLUSTER_PLACES_H
#define CLUSTER_PLACES_H

#include "cluster/frame.h"
#include "cluster/view.h"
#include "proto/base/err.h"

struct places;

enum { PLACES_STATE = 1, PLACES_DATA = 2 }; /* kinds of records: a frozen state, osm: its fence; what is for the place. to: its name */

struct places_out {
	void *arg;
	void (*send)(void *arg, uint32_t epoch, const struct frame_record *r);
	/* Ask the registry; places_claimed and places_renewed follow. `fence`: the highest that is known. */
	void (*claim)(void *arg, struct str name, uint64_t fence);
	void (*renew)(void *arg, struct str name, uint64_t fence);
	void (*release)(void *arg, struct str name, uint64_t fence);
	/* It is served here from now on; `state` is what freeze gave elsewhere, absent when there is none. Returns the service's own. */
	void *(*begin)(void *arg, struct str name, uint64_t fence, struct str state);
	/* Its state as bytes. */
	void (*freeze)(void *arg, void *place, struct buf *out);
	/* It is served here no more; frees. */
	void (*end)(void *arg, void *place);
	void (*take)(void *arg, void *place, const struct frame_record *r);
	/* Nobody can serve it now. */
	void (*refuse)(void *arg, const struct frame_record *r);
};

/* `seed`: of the table of names, secret. How many names there may be is for the service to say (out->refuse, places_count). */
struct places *places_new(const struct places_out *out, const uint64_t seed[2]);
/* Ends all that is served. */
void places_free(struct places *p);
/* A newer view; a reference is taken. What is put elsewhere now goes there. */
void places_view(struct places *p, struct view *v, uint64_t now_ms);
/* Something for a place, of ours or from another node: served here, or sent on (ttl). */
void places_record(struct places *p, const struct frame_record *r, uint64_t now_ms);
/* Answers. ERR_NONE: `winner` has it, with this fence; anything else: the registry cannot be asked. */
void places_claimed(struct places *p, struct str name, enum err err, uint32_t winner, uint64_t fence, uint64_t now_ms);
void places_renewed(struct places *p, struct str name, enum err err);
/* At least every second. */
void places_tick(struct places *p, uint64_t now_ms);
/* A node that drains gives everything away as its view says so: nothing is placed there any more. */
size_t places_count(const struct places *p);

#endif
