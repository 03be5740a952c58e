/*
 * shared_groups.h: a host's shared groups in memory, and the one question that matters: who sees whom.
 *
 * A group *shows* groups, itself mostly: whoever is in a group has in his roster those who are in the groups that it shows. Members are
 * named, or they are all accounts, or all who are online. So:
 *
 *   sees(a, b)  =  some group of b is shown by some group of a
 *
 * A pair that sees one another is subscribed both ways; one that only one side sees is subscribed one way, and the other side's roster
 * does not show it.
 *
 * A zeroed struct is not valid: shared_init. One thread at a time: the caller has a lock. Names are borrowed for the call.
 */
#ifndef NODE_MOD_SHARED_SHARED_GROUPS_H
#define NODE_MOD_SHARED_SHARED_GROUPS_H

#include "node/api.h"

#define SHARED_GROUPS_MAX 1024
#define SHARED_NAME_MAX   256  /* bytes of a name, and of a label: what a roster may have as a group's name */
#define SHARED_TEXT_MAX   1024 /* bytes of a description */
#define SHARED_SHOWS_MAX  100  /* groups that one group shows */
#define SHARED_ALL        STR("@all@")
#define SHARED_ONLINE     STR("@online@")

struct shared_set {
	uint64_t bits[SHARED_GROUPS_MAX / 64];
};

struct shared_person;

struct shared_group {
	unsigned index;           /* in the order of names, unless stale */
	struct str name, label, description;
	struct str shows;         /* names, packed as roster groups; of groups that there may not be (yet) */
	bool all, online;
	uint32_t n_members, cap;
	struct shared_person **members; /* the named ones, in no order */
	struct shared_set shown;  /* `shows` as it is now */
};

struct shared_groups {
	unsigned n;
	struct shared_group *v[SHARED_GROUPS_MAX]; /* by name */
	struct map people;        /* user name -> struct shared_person */
	uint32_t n_accounts;      /* people who count as accounts */
	struct shared_set all, online; /* groups with such members */
	uint64_t turn, roll;      /* of marking people; of telling of accounts */
	uint32_t n_told;          /* accounts that were told of since the roll began */
	bool stale;               /* numbers and sets must be made anew */
};

void shared_init(struct shared_groups *g, const uint64_t hash_key[2]);
void shared_fini(struct shared_groups *g);

struct shared_group *shared_find(const struct shared_groups *g, struct str name);
/* Makes one, or changes what it is called and shows; NULL when there are too many. */
struct shared_group *shared_put(struct shared_groups *g, struct str name, struct str label, struct str description, struct str shows);
/* With its memberships. */
void shared_del(struct shared_groups *g, struct shared_group *group);
/* `user`: a user name, SHARED_ALL or SHARED_ONLINE. */
bool shared_has(const struct shared_groups *g, const struct shared_group *group, struct str user);
void shared_join(struct shared_groups *g, struct shared_group *group, struct str user);
/* Harmless when he is no member. */
void shared_leave(struct shared_groups *g, struct shared_group *group, struct str user);

/* What makes somebody a member of SHARED_ALL and SHARED_ONLINE. False: it was so. */
bool shared_set_account(struct shared_groups *g, struct str user, bool exists);
/* On a node, by its number. Who has come to another one has gone from the first, whichever is heard first. */
#define SHARED_HERE UINT32_MAX
bool shared_set_online(struct shared_groups *g, struct str user, uint32_t node, bool online);
/* Where he is online; 0: nowhere. */
uint32_t shared_is_online(const struct shared_groups *g, struct str user);
/* for (size_t i = 0; shared_next_online(g, &i, node, &user); ) in no order; nothing must change meanwhile. */
bool shared_next_online(const struct shared_groups *g, size_t *i, uint32_t node, struct str *user);
/* Nobody is online there any more. False: nobody was. */
bool shared_node_gone(struct shared_groups *g, uint32_t node);

/* Around telling of all accounts that there are, when some may have gone: who was not told of in between is none. */
void shared_accounts_begin(struct shared_groups *g);
void shared_accounts_end(struct shared_groups *g);

/* Adds the ties of a user, in the order of addresses; with `who` (a user name, or absent) at most the one with him. */
void shared_ties(struct shared_groups *g, struct str domain, struct str user, struct str who, struct tie_list *out);

/* As it is stored: {"label":"Staff","description":"","shows":["staff"],"members":["juliet","@all@"]}; the name is the field's. With
 * `user` as it will be when he has joined, or left. */
struct str shared_format(struct arena *a, const struct shared_group *group, struct str user, bool joins);
/* Puts it; ERR_INVALID for what is none, ERR_LIMIT when there are too many. */
MUST_CHECK enum err shared_parse(struct shared_groups *g, struct arena *a, struct str name, struct str text);

#endif
