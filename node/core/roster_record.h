/*
 * roster_record.h: a roster item, and rosters as they are stored. Here rather than in the feature because export and import read and write
 * them too.
 *
 *   "roster"            map   contact's bare JID -> {"subscription":"to+in","name":"Nurse","groups":["Servants"],"approved":true}
 *   "roster-requests"   map   contact's bare JID -> the <presence type='subscribe'/> that waits for the user's answer, as bytes
 *   "roster-state"      map   "ver" -> 16 hex digits: the roster's version (RFC 6121 section 2.6), another one after every change that
 *                             clients see
 *
 * "subscription" is a name of subscription.h; what is absent is "none", empty or false. A contact who only has a request waiting has no
 * row in "roster": he is not in the user's roster (section 3.1.3).
 */
#ifndef NODE_CORE_ROSTER_RECORD_H
#define NODE_CORE_ROSTER_RECORD_H

#include "node/store/store.h"
#include "proto/addr/jid.h"
#include "proto/base/buf.h"
#include "proto/rules/subscription.h"

extern const struct store_space roster_space, roster_requests_space, roster_state_space;
#define ROSTER_VER_FIELD STR("ver")
#define ROSTER_VER_CHARS 16

struct roster_item {
	struct jid jid;                /* bare */
	struct subscription_side side;
	bool listed;                   /* in the roster; false: all there is of him is a request */
	struct str name;               /* empty: none */
	struct str groups;             /* packed: roster_group_next */
	/* What the service adds (tie.h); never stored. */
	bool tie_to, tie_from, tie_fresh; /* fresh: the contact has not been shown the user's presence yet */
	struct str tie_groups;
};

/* What counts: what the user and the contact made of it, and what the service adds. */
enum subscription roster_item_state(const struct roster_item *item);
/* Do clients see it? */
static inline bool roster_item_shows(const struct roster_item *item) { return item->listed || item->tie_to; }

/* Groups lie behind one another, each with its length before it. At most ROSTER_GROUP_MAX bytes each. */
#define ROSTER_GROUP_MAX 1023
void roster_group_add(struct buf *packed, struct str group);
/* Cuts the first group off *packed. False at the end. */
bool roster_group_next(struct str *packed, struct str *group);

/* All of *out but jid, which is the field's; strings live in the arena. ERR_INVALID for what is no roster item. */
MUST_CHECK enum err roster_record_parse(struct arena *a, struct str text, struct roster_item *out);
/* The text of a listed item, without its jid. */
struct str roster_record_format(struct arena *a, const struct roster_item *item);
/* The text of a version, and back; 0 for what is none. */
struct str roster_ver_format(struct arena *a, uint64_t ver);
uint64_t roster_ver_parse(struct str text);

#endif
