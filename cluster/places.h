/*
 * places.h: homes of what has no client: rooms, services. A *place* is a name that one worker of one node serves, all of whose state is
 * touched there and nowhere else. Pure, as homes.h; one of these for each worker, for the names that it owns (fp % workers).
 *
 * Rules
 *  1. A place is where rendezvous hashing over the nodes that are up, and that know of places (PLACES_PROTOCOL), puts it.
 *  2. It is served only under a *fence*: a number that the registry gave for the claim, greater than any before. Whoever writes what the
 *     place keeps names the fence in the condition of the write, so that one who was taken for dead and lives writes nothing.
 *  3. A claim is denied when somebody else has it, or our incarnation is dead (a view shows us under another epoch), or a write was refused
 *     (places_lose): the place ends here at once, without a word.
 *  4. When hashing puts it elsewhere (a node has come or goes), its state is frozen and sent there; what arrives meanwhile goes after it.
 *     Whoever gets it says so; then the claim is made his, and nobody else's, and he claims. Until then the state is kept: if he dies it
 *     goes to the next one, or is taken back. Who has a state claims and serves the place, and should it belong elsewhere by then, gives it
 *     away in his turn, with his next view or after half a second: two nodes that disagree do not throw it to and fro. When its node dies
 *     the next one claims the place without a state: what the store has counts. So it does when a third one had the place since the state
 *     was frozen: whoever gave it went meanwhile, or was taken for dead.
 *     A state is large, and links lose nothing: it is sent again when a link gives it back, when he says that he cannot take it now, each
 *     time after twice as long, and, as he may know no such word, after RESEND_MS. When he says that he never will, it is not.
 *  5. What arrives for a place that cannot take it now waits, WAITING_MAX records and REFUSE_MS at most; then it is refused. So does what
 *     went round between nodes that disagree on where it belongs: PLACES_QUICK hops go at once, each of the others half a second later, or
 *     with the next view.
 *  6. Without the registry nothing is claimed, so nothing can be claimed away either: what is served is served on, nothing begins and
 *     nothing that is sent elsewhere is served there until it is back. But a node that cannot know whether it is taken for dead, and its
 *     places claimed, is *unsure*: it serves nothing until a renewal of the claim was granted. That is one that is ISOLATED; one that has
 *     not reached the registry for AWAY_MS (a lease ends after 8 s) while a node is missing that was there before: that one may be
 *     where the registry is, and we are not; and one that has done nothing at all for GAP_MS (it was frozen).
 *  7. A place that is held (its service waits for the store) stays as and where it is until it is released.
 *  8. What one node sends to a place is taken in that order, though the place moves. ways.h keeps it: who has sent something to the place's
 *     former node waits until that has been taken. Its echo waits at each node where what it follows waits, for a state, for the service,
 *     for a view: it is kept and sent on as they are, and answered where the last of them was taken, or refused. It makes no place.
 *     It is promised as accounts' order is (homes.h, rule 8): as long as no node dies or leaves through which something goes, nor a link
 *     gives it back, nor something waits for longer than ways.h does (as when the service waits for its store), or goes to and fro.
 *
 *   none -something arrives, a state comes-> CLAIMS -fence-> SERVED -hashing, drain-> GIVEN -he has it-> RELEASES -done-> none
 *                                               ^-denied, and something waits-'          '-hashing puts it here again-> SERVED
 */
#ifndef CLUSTER_PLACES_H
#define CLUSTER_PLACES_H

#include "cluster/frame.h"
#include "cluster/view.h"
#include "proto/base/err.h"

#define PLACES_PROTOCOL 2 /* who speaks less knows nothing of places */
#define PLACES_ANSWERS  4 /* who speaks less knows no PLACES_NOT, and no echo */
#define PLACES_QUICK    4 /* hops */
#define PLACES_TTL      28 /* of something for a place: about REFUSE_MS */

struct places;

/* Kinds of records; `to`: the place's name, dst_fp: its fingerprint, str_hash of it. */
enum {
	PLACES_STATE, /* old -> new. xml: a frozen state, if `rule` is 1; osm: its fence; oseq: how often
			 it was given under that; dst_sid: who gives it away */
	PLACES_DATA,  /* something for the place. dst_sid: through whom it went (ways.h) */
	PLACES_GOT,   /* new (dst_sid) -> old: the state under the fence osm, given for the oseq-th time, is here */
	PLACES_YOURS, /* old -> new: if `rule` is 1 the claim is yours now, else never mind: it goes elsewhere */
	PLACES_NOT,   /* new (dst_sid) -> old: the state under the fence osm was not taken: not now, or never, if `rule` is 1. Not to a node
			 that speaks less than PLACES_ANSWERS */
	PLACES_ECHO,  /* ways.h; osm: the asker's number for it, oseq: the asker; dst_sid: as of DATA. Not to one that speaks less either */
	PLACES_ECHOED, /* osm, oseq: as of ECHO; without a name */
	PLACES_KIND_COUNT
};

struct places_out {
	void *arg;
	void (*send)(void *arg, uint32_t epoch, const struct frame_record *r);
	/* Ask the registry; places_claimed, places_renewed, places_released follow, maybe at once. `fence`: the highest that is known. */
	void (*claim)(void *arg, struct str name, uint64_t fence);
	void (*renew)(void *arg, struct str name, uint64_t fence);
	/* `heir`: whose claim it is then; 0: nobody's. */
	void (*release)(void *arg, struct str name, uint64_t fence, uint32_t heir);
	/* It is served here from now on; `state` is what freeze gave elsewhere, absent when there is none. Returns the service's own. May
	 * hold it. */
	void *(*begin)(void *arg, struct str name, uint64_t fence, struct str state);
	/* Its state as bytes. Past the buf's ceiling it goes without one. */
	void (*freeze)(void *arg, void *place, struct buf *out);
	/* It is served here no more; frees. Never while it is held, but for places_free. */
	void (*end)(void *arg, void *place);
	void (*take)(void *arg, void *place, const struct frame_record *r);
	/* Nobody can serve it now. */
	void (*refuse)(void *arg, const struct frame_record *r);
	/* The node where the place belongs has no such service: its state stays here, unserved, until it belongs elsewhere. */
	void (*declined)(void *arg, struct str name, uint32_t epoch);
};

/* `seed`: of the fingerprints, secret. `max`: names; what would be one more is refused. */
struct places *places_new(const struct places_out *out, const uint64_t seed[2], size_t max);
/* Ends all that is served, held or not. */
void places_free(struct places *p);
/* A newer view; a reference is taken. What is put elsewhere now goes there. */
void places_view(struct places *p, struct view *v, uint64_t now_ms);
/* Something for a place, of ours or from another node: served here, or sent on (ttl). */
void places_record(struct places *p, const struct frame_record *r, uint64_t now_ms);
/* Would places_record hand this to `take` before it returns? Then its xml may be anything the two agree on. */
bool places_takes(struct places *p, struct str name, uint64_t fp, uint64_t now_ms);
/* A state of ours that a link gave back: the node lives, or the next view says that it does not. */
void places_given_back(struct places *p, uint32_t to, const struct frame_record *r, uint64_t now_ms);
/* A state that came, of a service that is none here. */
void places_decline(struct places *p, const struct frame_record *r);
/* Answers. ERR_NONE: `winner` has it, with this fence; ERR_DENIED: our incarnation is dead; anything else: the registry cannot be asked.
 * `after`: the fence of the last other one that had it; 0: none is known. */
void places_claimed(struct places *p, struct str name, enum err err, uint32_t winner, uint64_t fence, uint64_t after, uint64_t now_ms);
void places_renewed(struct places *p, struct str name, uint64_t fence, enum err err, uint64_t now_ms);
void places_released(struct places *p, struct str name, uint64_t fence, enum err err, uint64_t now_ms);
/* At least every second. */
void places_tick(struct places *p, uint64_t now_ms);
/* The registry has lost its memory, or was away: all claims are renewed, at a pace. */
void places_tell_all(struct places *p);

/* ---- the service's: while it serves the place, from within `take` and `begin` too ---- */

/* Counted. */
void places_hold(struct places *p, struct str name);
void places_release(struct places *p, struct str name, uint64_t now_ms);
/* The store knows a greater fence, which is this one: the place ends here, and begins again if what waits can have it. */
void places_lose(struct places *p, struct str name, uint64_t greatest, uint64_t now_ms);
/* There is nothing more to serve: it ends, and the claim is given back. */
void places_close(struct places *p, struct str name, uint64_t now_ms);

/* The node where a place is, whoever serves it; 0: none is known. */
uint32_t places_where(const struct places *p, uint64_t fp);
/* The node ends: all that is served here ends, what is held as soon as it is released; what waits is refused, nothing begins. What is
 * placed elsewhere is sent on still, and so is a state that could not be given or has not been claimed, as the registry is away. */
void places_end_all(struct places *p);
/* How many are held. */
size_t places_held(const struct places *p);
/* A node that drains gives everything away as its view says so: nothing is placed there any more. */
size_t places_count(const struct places *p);
/* There is nothing for which places_tick need be called. */
bool places_are_idle(const struct places *p);
/* How many are to be served elsewhere and are not done with here, as far as the registry lets them be; or have something that waits here
 * to go there in its turn. */
size_t places_leaving(const struct places *p);

struct places_stats {
	uint64_t moved, lost, refused;
	uint64_t hurried; /* names whose way was not waited for to the end */
};
void places_stats(const struct places *p, struct places_stats *out);

#endif
