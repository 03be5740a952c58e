/*
 * spot.h: a place as far as this node has to do with it, for places.c, which decides: where it belongs, what waits for it, what is said of
 * it to other nodes. No callback of a service runs in here.
 */
#ifndef CLUSTER_SPOT_H
#define CLUSTER_SPOT_H

#include "cluster/places.h"
#include "cluster/ways.h"
#include "proto/base/map.h"

#define STATE_MAX (FRAME_MAX / 2)

enum spot_step { CLAIMS, SERVED, GIVEN, RELEASES };

/* Something that waits. */
struct waiter {
	struct waiter *next;
	struct frame_record r;
	uint64_t refuse_ms;
	size_t n;
	char bytes[];
};

/* A place, as far as this node has to do with it. */
struct spot {
	struct str name;
	uint64_t fp, again_ms;
	uint64_t stays_ms;     /* SERVED: until then, wherever hashing puts it */
	uint64_t fence;        /* of our claim */
	uint64_t known;        /* the greatest that we have heard of */
	uint8_t step;
	bool asking;           /* the registry */
	bool old_ask;          /* before it became unsure: the answer proves nothing */
	bool unsure, lost, closing;
	bool inside;           /* one of its callbacks runs */
	bool gone;             /* freed as soon as nobody looks at it any more */
	unsigned holds;
	void *service;
	bool has_state;        /* CLAIMS: came from where it was; GIVEN: goes where it is now */
	struct buf state;
	uint64_t state_fence;
	uint32_t state_from;   /* CLAIMS: who had it */
	uint32_t given_to;     /* GIVEN, RELEASES: whose it is to be; 0: nobody's */
	uint32_t givings;      /* under this claim; an answer names the one that it is to, as one may be taken back meanwhile */
	bool declined;         /* GIVEN: he will not have it */
	uint8_t times;         /* GIVEN: that the state was sent to him */
	struct waiter *first, **end;
	unsigned n_waiting;
	size_t waiting_bytes;
	struct spot *next_dead;
	char text[];
};

struct places {
	struct places_out out;
	struct view *view;
	struct view *company;  /* who was there when the registry went away; NULL: it is there */
	uint64_t away_ms;      /* since then */
	struct map names;
	size_t max, waiting_bytes;
	struct ways ways;      /* rule 8 */
	void (*goes)(struct places *p, const struct frame_record *r); /* what has waited for a way */
	uint64_t now_ms;
	bool ended;            /* nothing begins here any more */
	unsigned depth;        /* of calls into this file: what is gone is freed at 0 */
	struct spot *dead;
	struct places_stats stats;
};

struct spot *spot_find(const struct places *p, struct str name);
/* NULL, too, when it is not served here. */
struct spot *spot_find_served(const struct places *p, struct str name);
struct spot *spot_new(struct places *p, struct str name, uint64_t fp);
/* Freed when nobody looks at it any more. */
void spot_forget(struct places *p, struct spot *l);
void spot_drop_state(struct spot *l);
/* Where hashing puts it; 0: nowhere that we know. */
uint32_t spot_place_of(const struct places *p, uint64_t fp);
bool spot_is_here(const struct places *p, uint64_t fp);
/* It is served here, and is to be for now. */
bool spot_stays(const struct places *p, const struct spot *l);
/* Where what comes for it goes next: here, too, where it waits before it goes on. `l` may be NULL. */
uint32_t spot_where(const struct places *p, const struct spot *l, uint64_t fp);

/* ---- what waits ---- */

void spot_refuse(struct places *p, const struct frame_record *r);
/* A copy; past its ceilings it is refused. */
void spot_wait(struct places *p, struct spot *l, const struct frame_record *r);
/* Yours to free; NULL at the end. */
struct waiter *spot_next_waiter(struct places *p, struct spot *l);
/* The first has gone: the echoes that are first now have come to their end. */
void spot_answer_echoes(struct places *p, struct spot *l);
void spot_refuse_waiting(struct places *p, struct spot *l);
/* Only those whose time is over. */
void spot_refuse_late(struct places *p, struct spot *l);

size_t spot_bytes(const struct frame_record *r);
/* So that it has its strings there. */
void spot_copy(struct frame_record *r, char *bytes);

/* ---- other nodes ---- */

/* To the next node; when it has gone through too many it is refused. */
void spot_send_on(struct places *p, uint32_t epoch, const struct frame_record *r);
void spot_send_waiting(struct places *p, struct spot *l, uint32_t to);
/* A record of ours: its address is filled in. To ourselves nothing is said. */
void spot_say(struct places *p, const struct spot *l, struct frame_record r, uint32_t to);
/* To whoever sent a state, about it. */
void spot_answer_state(struct places *p, const struct frame_record *state, unsigned kind, bool rule);
/* To l->given_to. */
void spot_send_state(struct places *p, const struct spot *l);
/* The same one has the claim now; or never mind. */
void spot_say_whose(struct places *p, const struct spot *l, bool yours);

/* ---- places_ways.c: rule 8 ---- */

void places_ways_init(struct places *p);
/* Something for a place, whose way is to `where`. True: it waits (a copy does). */
bool places_ways_takes(struct places *p, const struct frame_record *r, uint32_t where);

/* ---- places_doubt.c: rule 6 ---- */

/* Nothing is served until its claim was confirmed. */
void places_become_unsure(struct places *p);
/* The registry is away, and somebody who was there is missing. */
bool places_are_in_doubt(const struct places *p);
/* There is a new view: is it there? */
void places_note_registry(struct places *p);

#endif
