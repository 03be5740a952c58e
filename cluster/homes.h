/*
 * homes.h: which node is an account's home, as one worker knows it for the accounts that it owns. Pure: time comes in, records and
 * questions go out. Many of these, each with its own slice of the accounts (fp % workers), make a node's route table.
 *
 * Rules
 *  1. An account has one home: the node on which all that concerns it happens. Streams of its clients on other nodes are bound to it there.
 *  2. While it has sessions its home is *claimed*: by the node where the first one was bound. The claim is an entry (fingerprint, epoch,
 *     time) that its owner alone makes and unmakes, and tells everybody in the order in which it happened.
 *  3. Nobody claims it: its *place* is its home, where rendezvous hashing over the nodes that are up puts it (view_place).
 *  4. The place is the arbiter: who wants to claim asks it first. It answers when nothing that it has begun for the account is under way
 *     any more, nor waits (rule 8): so what it kept for an absent user is in the store before the claimant looks there. Or it answers after
 *     GRANT_MS at the latest, and from then on sends what comes for the account to the claimant.
 *  5. Then the registry is asked, which knows better when two nodes have different ideas of the place. Without it (DEGRADED) the arbiter's
 *     word is enough.
 *  6. Two claims of one account that both live (made in two parts of a split cluster): the smaller (time, epoch) keeps it; the other one
 *     takes its own back, and gives its sessions up to it (out->moved).
 *     What an arbiter or the registry says of a third node may be older than what that node said itself: it is asked (HOMES_YOURS). So is
 *     repaired, too, what it could not take back while the registry was away. Until then it is hearsay: a claim that its owner tells of
 *     goes before it, whatever their times.
 *  7. An entry of an incarnation that is not alive in the view is none.
 *  8. What one node sends to an account arrives in that order (RFC 6120 section 10.1), though its home moves: the first session is bound
 *     elsewhere than at the place, the last one ends, or a node comes that hashing likes better. ways.h keeps it: who has sent something to
 *     the former home waits until that has come to the new one. It is promised as long as no node dies or leaves through which it goes,
 *     nor waits for longer than ways.h does (a node that is frozen, or slow), and all of them know how; nor when two nodes hold one
 *     another for the home, as they may for a moment after a partition, and it goes to and fro. It is not promised for a sender whose own
 *     home moves: then it is two nodes that send.
 *
 *   claim: ASKS the arbiter -GRANT to us-> REGISTERS -won-> ours;  -GRANT to another, lost-> theirs;  arbiter gone, silent -> ASKS anew
 *
 * Ceilings: CLAIMS_MAX claims under way; others wait in line, LINE_MAX of them, past which a claim fails at once (when a node has died all
 * its clients come at the same time). CLAIMANTS_MAX claimants that wait for a grant; past it they are granted.
 */
#ifndef CLUSTER_HOMES_H
#define CLUSTER_HOMES_H

#include "cluster/frame.h"
#include "cluster/routes.h"
#include "cluster/view.h"
#include "cluster/ways.h"
#include "proto/base/err.h"

/* Kinds of records of this file; those of the node begin at HOMES_KIND_COUNT. `osm` is a claim's time, `dst_sid` an epoch. */
enum homes_kind {
	HOMES_CLAIM = 1,    /* to: bare; dst_sid: the claimant */
	HOMES_GRANT,        /* to: bare; dst_sid: whose home it is now */
	HOMES_ADD, HOMES_DEL, /* of the sender's own */
	HOMES_END,          /* oseq: how many of these make a whole: the sender has so many workers */
	HOMES_DIGEST,       /* osm, oseq: sum and number of the sender's entries; dst_sid: its worker << 32 | how many it has */
	HOMES_ASK,          /* that did not fit: again, please; dst_sid: our worker << 32 | how many we have */
	HOMES_RESET,        /* forget mine (dst_sid as in DIGEST): they follow */
	HOMES_YOURS,        /* to: bare: somebody else says that it is yours: answered with ADD, or with DEL when it is not */
	HOMES_ECHO,         /* ways.h; osm: the asker's number for it, oseq: the asker; dst_sid: through whom it went. Not to a node that
			       speaks less than WAYS_PROTOCOL */
	HOMES_ECHOED,       /* osm, oseq: as in ECHO */
	HOMES_KIND_COUNT = 32
};

struct homes;

struct homes_out {
	void *arg;
	void (*send)(void *arg, uint32_t epoch, const struct frame_record *r);
	void (*broadcast)(void *arg, const struct frame_record *r);
	/* Asks the registry to keep our claim; homes_registered follows, maybe at once. */
	void (*claim)(void *arg, struct str bare, uint64_t fp, uint64_t hlc);
	void (*release)(void *arg, struct str bare);
	/* Is something under way here for an account whose home we are but for a claim? */
	bool (*is_busy)(void *arg, struct str bare, uint64_t fp);
	/* Who asked homes_want hears where the home is; 0: nobody could be asked in CLAIM_MS. */
	void (*settled)(void *arg, struct str bare, uint64_t fp, uint32_t epoch);
	/* We were its home and are no more: its sessions go there. */
	void (*moved)(void *arg, uint64_t fp, uint32_t epoch);
	/* The homes of all peers were heard. */
	void (*synced)(void *arg);
	/* What waited (ways_wait) goes where the account's home is now, in its turn; or, at the end, nowhere. It is yours. */
	void (*go)(void *arg, struct ways_item *item);
	void (*drop)(void *arg, struct ways_item *item);
};

/* `worker` of `n_workers`: whose slice this is. */
struct homes *homes_new(const struct homes_out *out, unsigned worker, unsigned n_workers, uint64_t now_ms);
void homes_free(struct homes *h);

/* A newer view; a reference is taken. */
void homes_view(struct homes *h, struct view *v, uint64_t now_ms);
/* A record of one of our kinds. */
void homes_record(struct homes *h, uint32_t from, const struct frame_record *r, uint64_t now_ms);
/* At least every second. */
void homes_tick(struct homes *h, uint64_t now_ms);

/* Who has claimed it; 0: nobody. */
uint32_t homes_claimed(const struct homes *h, uint64_t fp);
/* Its home: who has claimed it, else its place. */
uint32_t homes_where(const struct homes *h, uint64_t fp);
static inline bool homes_is_here(const struct homes *h, uint64_t fp);
uint32_t homes_self(const struct homes *h);
/* A session wants to be bound. The claimed home, at once; or 0: it is being found out, and out->settled follows, once for all who asked.
 * `hlc`: now. */
uint32_t homes_want(struct homes *h, struct str bare, uint64_t fp, uint64_t hlc, uint64_t now_ms);
/* The registry's answer to out->claim. ERR_NONE: `winner` has it. Anything else: it cannot be asked. */
void homes_registered(struct homes *h, uint64_t fp, enum err err, uint32_t winner, uint64_t winner_hlc, uint64_t now_ms);
/* Nothing of the account is here any more: a claim is given back, a claimant that waits is granted. */
void homes_ended(struct homes *h, struct str bare, uint64_t fp);
/* The account's claim at a time, if it is ours; for the registry, when it has lost its memory. 0: it is not. */
uint64_t homes_own_claim(const struct homes *h, uint64_t fp);

/* Rule 8: whatever is for an account asks it before it goes to its home, here or elsewhere (ways_waits). */
struct ways *homes_ways(struct homes *h);

struct homes_stats {
	size_t entries, own, claims, waiting, bytes;
	struct ways_stats ways;
	uint64_t digest_mismatches, conflicts, claims_total;
};
void homes_stats(const struct homes *h, struct homes_stats *out);

static inline bool homes_is_here(const struct homes *h, uint64_t fp)
{
	return homes_where(h, fp) == homes_self(h);
}

#endif
