/*
 * roster_list.h: a roster in memory: its items packed behind one another in one block, 16 bytes and their texts each.
 *
 * Looking one up walks over all: 20 are nothing, and 1,000 (the usual ceiling) take some microseconds. Items that were given out borrow
 * the list's bytes, until it changes. A zeroed list is empty.
 *
 * An item has two parts that change apart from one another: what the user made (stored), and a tie, which the service gives
 * (core/tie.h). It goes when it has neither.
 */
#ifndef NODE_MOD_ROSTER_ROSTER_LIST_H
#define NODE_MOD_ROSTER_ROSTER_LIST_H

#include "node/api.h"

struct roster_list {
	char *p;
	uint32_t used, cap, tied;        /* tied: of the used bytes, those for ties */
	uint16_t n, n_listed, n_pending; /* items; in the user's roster; with a request that waits */
	uint16_t n_tied, n_fresh;        /* with a tie; with one whose contact waits for the user's presence */
};

#define ROSTER_GROUPS_BYTES_MAX 65535 /* of one item, packed */
#define ROSTER_ITEMS_MAX        10000

bool roster_list_find(const struct roster_list *l, struct str bare, struct roster_item *out);
/* for (uint32_t at = 0; roster_list_next(l, &at, &item);) */
bool roster_list_next(const struct roster_list *l, uint32_t *at, struct roster_item *out);
/* An item of which the caller knows that it is not there, with both parts. It does not borrow from the list. */
void roster_list_append(struct roster_list *l, const struct roster_item *item);
/* The user's part: adds or replaces it; the item's tie stays as it is. */
void roster_list_put(struct roster_list *l, const struct roster_item *item);
/* Harmless when there is none. */
void roster_list_del(struct roster_list *l, struct str bare);
/* The tie: adds, replaces, or with neither `to` nor `from` removes it. */
void roster_list_tie(struct roster_list *l, const struct tie *t, bool fresh);
/* Gives back what growing has left over. */
void roster_list_trim(struct roster_list *l);
void roster_list_fini(struct roster_list *l);
/* What the user's part of an item will take. */
size_t roster_list_bytes(const struct roster_item *item);

#endif
