/* accounts_state.h: what is inside struct accounts, for accounts.c and the check of it at the end. */
#ifndef TESTS_CLUSTER_SIM_ACCOUNTS_STATE_H
#define TESTS_CLUSTER_SIM_ACCOUNTS_STATE_H

#include "cluster/homes.h"
#include "tests/cluster/sim/accounts.h"
#include "tests/cluster/sim/toys.h"

#define ACCOUNTS    6
#define RESOURCES   3
#define CLIENTS_MAX 8  /* of a node */
#define SEATS_MAX   64
#define RETRY_MS    400

enum kind { K_BIND = HOMES_KIND_COUNT, K_OK, K_NO, K_UNBIND, K_KICK, K_MOVED, K_MESSAGE };

enum client_state { WANTS, ASKED, BINDS, BOUND };

/* At its edge. */
struct client {
	bool used;
	uint8_t account, resource, state;
	uint64_t sid, hlc, retry_at;
	uint32_t home;
};

/* At its home. */
struct seat {
	uint8_t account, resource;
	uint32_t edge;
	uint64_t sid, hlc;
};

struct mail {
	struct mail *next;
	struct view *view;           /* or: */
	uint32_t epoch;
	bool lost;
	struct blob *body;
};

/* A question about homes on its way. */
struct errand {
	struct registry_call call;
	char bare[16];
	uint64_t fp;
	bool claim;
};


struct accounts {
	struct sim_world *w;
	unsigned node;
	uint32_t self;
	struct view *view;
	struct homes *homes[4];
	struct worker_arg { struct accounts *a; unsigned worker; bool synced; } args[4];
	struct client clients[CLIENTS_MAX];
	struct seat seats[SEATS_MAX];
	unsigned n_seats;
	uint64_t busy_until[ACCOUNTS];
	uint64_t came_last[ACCOUNTS]; /* of what clients here have written to them: a message's number, it grows with time; 0: none */
	struct mail *first, **last;
	uint64_t sids, tick_at;
	struct toys *toys;           /* NULL: not in this plan */
	unsigned errands;            /* under way */
	bool scheduled, leaving, stopped;
};

/* Who is answerable for a message, and what became of it. */
struct message_fate {
	uint8_t account, node;       /* node, life: who has it in hand */
	uint8_t from;                /* from, from_life: who wrote it */
	uint32_t life, delivered, offline, from_life;
	bool again;                  /* it was given back by a link: it may have arrived */
	bool strayed;                /* two nodes hold one another for the home: a node sends it on a second time, or it ends where it is */
	uint64_t written_at, hurried; /* hurried: how often somebody had not waited to the end by then */
	uint32_t path[FRAME_TTL + 1]; /* the nodes that it went through, one after the other */
	unsigned n_path;
};

extern struct message_fate *accounts_fates;
extern unsigned accounts_n_fates;

static inline struct message_fate *accounts_fate(uint64_t id)
{
	return id && id <= accounts_n_fates ? &accounts_fates[id - 1] : NULL;
}

/* ---- accounts_order.c ---- */

/* It has come to an account, whether somebody is there or not. */
void order_arrived(struct accounts *a, uint64_t id, unsigned account);
void order_passes(const struct accounts *a, struct message_fate *f);
/* How often it passed here. */
unsigned order_times_here(const struct accounts *a, const struct message_fate *f);
void order_begin(void);
/* Its process ends. */
void order_ends(const struct accounts *a);
/* How often a worker of any node, of one that is gone too, did not wait to the end (cluster/ways.h): it never becomes less. */
uint64_t order_hurried(const struct sim_world *w, unsigned account);
/* Who is gone in somebody's eyes. */
void order_view(struct sim_world *w, const struct view *v);

static inline uint64_t accounts_fp(unsigned account)
{
	return (account + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline struct homes *accounts_homes(const struct accounts *a, unsigned account)
{
	return a->homes[accounts_fp(account) % a->w->plan.workers];
}

#endif
