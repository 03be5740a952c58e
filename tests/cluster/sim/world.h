/*
 * world.h: a cluster in one thread and in no time: the real cores, and around them a network, a registry and processes that obey a seed.
 *
 *   plan.c    what goes wrong and when: a list made from the seed, of which some may be left out (to shrink it)
 *   world.c   the order of events; processes: started, frozen, killed at any action
 *   leaving.c a process that ends in order, as node/core/ending.c has it
 *   net.c     connections that delay, stall, break with what they hold, deliver it late or twice; cuts in one direction or both
 *   accounts*.c homes of accounts above the cores, and clients
 *   toys.c    places above the cores, and a toy service in them
 *   check.c   what must hold: the history of every stream of bodies, and at the end what everybody believes
 *
 * Everything that happens is an event in one heap, ordered by time and then by number; two runs of one seed are the same.
 */
#ifndef TESTS_CLUSTER_SIM_WORLD_H
#define TESTS_CLUSTER_SIM_WORLD_H

#include "cluster/core.h"
#include "tests/cluster/sim/model.h"

#define SIM_NODES  7
#define SIM_FAULTS 24
#define SIM_EPOCHS 512
#define SIM_HEAL_MS  20000  /* from then on nothing goes wrong */
#define SIM_QUIET_MS 45000  /* within so long after it, all must be well */

enum sim_fault_kind {
	FAULT_KILL, FAULT_CRASH, FAULT_FREEZE, FAULT_CUT, FAULT_CUT_ONE_WAY, FAULT_PARTITION, FAULT_BREAK, FAULT_BREAK_UNTOLD,
	FAULT_TWICE, FAULT_REDIS_AWAY, FAULT_REDIS_CUT, FAULT_REDIS_FORGETS, FAULT_LEAVE, FAULT_JOIN, FAULT_BURST, FAULT_KIND_COUNT
};

struct sim_fault {
	uint64_t at, lasts;
	uint8_t kind, a, b, mask;
	uint32_t n;
	bool off;
};

struct sim_plan {
	uint64_t seed;
	unsigned nodes, first_nodes, workers;
	bool small_window, homes, toys;
	int64_t skew[SIM_NODES];
	struct sim_fault faults[SIM_FAULTS];
	unsigned n_faults;
};

/* What the simulator does wrong on purpose, to prove that the checker sees it. */
enum sim_mutation {
	MUTATE_NOTHING, MUTATE_LOSE, MUTATE_REPEAT, MUTATE_SWAP, MUTATE_DROP_REPLAY, MUTATE_KEEP_LOST,
	MUTATE_LOSE_MESSAGE, MUTATE_STAY, MUTATE_KEEP_SEAT, MUTATE_NO_PURGE, MUTATE_OVERTAKE, MUTATE_STAYS_SLOW,
	MUTATE_NO_FENCE, MUTATE_LOSE_STATE, MUTATE_HEAR_TO_THE_END, MUTATE_HURRY, MUTATE_HURRY_PLACES, MUTATE_COUNT
};

enum sim_event_kind {
	EV_TICK, EV_CONN, EV_LATE, EV_BREAK, EV_ANSWER, EV_WORK, EV_FAULT, EV_FAULT_END, EV_START, EV_TOLD, EV_MAIL, EV_HOMES,
	EV_TOYS, EV_STORE, EV_LEAVE
};

struct sim_packet {
	struct sim_packet *next;
	uint64_t at;
	uint32_t len;
	unsigned to;
	char bytes[];
};

struct sim_event {
	uint64_t at, number;
	uint8_t kind, node;
	uint16_t slot;
	uint32_t life, gen;          /* of the process; of the connection */
	void *what;
};

struct sim_conn {
	bool open, up, told_up;      /* told_up: what the core was told last */
	uint8_t to;
	uint32_t gen;
	struct sim_packet *first, **last;
	unsigned n;
	uint64_t last_at, bad_since, retry_at;
	bool blocked, twice, scheduled;
};

/* The steps of a process that is told to end. */
enum sim_leaving {
	STAYS, EMPTIES, DEAF,        /* core_deafen was called: as EMPTIES, and nothing more is taken */
	STOPPED,                     /* its workers are no more: what reaches them is lost */
	LEAVES                       /* core_leave was called */
};

struct sim_node {
	struct core *core;
	struct view *view;
	struct rng rng;
	char addr[40], name[16];
	uint32_t life;               /* which process this is */
	bool runs, no_redis;
	enum sim_leaving leaving;
	bool at_rest, hurried;       /* the last look found it at rest; it was not given the time to end in order */
	uint64_t leave_by;
	uint64_t orderly;            /* a bit for each life that has ended in order */
	uint64_t frozen_until;
	int64_t crash_in;            /* actions left; < 0: none planned */
	bool crashing;
	uint64_t work_until;         /* busy sending so much more */
	struct sim_conn conns[VIEW_NODES_MAX];
	struct accounts *accounts;   /* accounts.h, when the plan has homes */
};

struct sim_world {
	struct sim_plan plan;
	struct rng rng;
	uint64_t now, number, events;
	struct sim_event *heap;
	unsigned n_heap, cap_heap;
	struct sim_node nodes[SIM_NODES];
	bool cut[SIM_NODES][SIM_NODES];
	unsigned redis_away;
	bool healed, forgot, verbose;
	bool doubled;                /* a number was given to two */
	uint64_t born[SIM_EPOCHS];   /* who was given that number; 0: nobody yet */
	uint32_t purged[SIM_EPOCHS][SIM_NODES]; /* by which life of that node, the last time; 0: not at all */
	bool gone[SIM_EPOCHS];       /* somebody has held it for dead, or seen it leave */
	struct model *model;
	enum sim_mutation mutation;
	struct check *check;
	char failure[512];
	unsigned seen[CORE_EVENT_COUNT]; /* how often: a simulation in which nothing happens proves nothing */
	uint64_t left, taken, handed_back, bound, moved, delivered, offline, overtaken;
	uint64_t counted, given, fenced_off; /* toys: numbers, states given to another node, writes that a fence refused */
	uint64_t turned_away;                /* what no node served in time */
};

void sim_plan_make(struct sim_plan *p, uint64_t seed);
void sim_plan_print(const struct sim_plan *p);
const char *sim_fault_name(uint8_t kind);
const char *sim_mutation_name(enum sim_mutation m);

/* Runs a plan to its end. False: w->failure says what did not hold. */
bool sim_run(struct sim_world *w, const struct sim_plan *p, enum sim_mutation m, bool verbose);

/* ---- for its parts ---- */

void sim_fail(struct sim_world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_log(struct sim_world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
uint64_t sim_rand(struct sim_world *w, uint64_t n);          /* 0 .. n-1 */
static inline bool sim_chance(struct sim_world *w, unsigned percent) { return sim_rand(w, 100) < percent; }
struct sim_event *sim_at(struct sim_world *w, uint64_t at, enum sim_event_kind kind, unsigned node);
bool sim_is_frozen(const struct sim_world *w, unsigned node);
unsigned sim_index(const struct sim_world *w, const struct sim_node *n);
/* After anything was done with a core: what it did not send yet goes out; a process whose time has come dies. */
void sim_after(struct sim_world *w, unsigned node);
/* Every action of a process passes here. False: it has died before it could do it. */
bool sim_acts(struct sim_world *w, struct sim_node *n);
/* Who is fenced, as the registry has it; the call's arena is the caller's. */
void sim_list(struct sim_world *w, struct registry_call *c);
/* Whoever ends in order has lost nothing, as whoever runs: what was in hand when a process was killed is lost. */
bool sim_answers_for(const struct sim_world *w, unsigned node, uint32_t life);
void leaving_begin(struct sim_world *w, unsigned node, bool hurried);
/* EV_LEAVE: the next look, or the next step. */
void leaving_look(struct sim_world *w, unsigned node);
/* Asks the registry as node does: *delay until the answer may be told. */
void sim_registry(struct sim_world *w, unsigned node, struct registry_call *c, uint64_t *delay);
/* The world that is run: what a core calls back has only its node. */
extern struct sim_world *sim_of_now;

void net_open(struct sim_world *w, unsigned node, unsigned slot, struct str addr);
void net_close(struct sim_world *w, unsigned node, unsigned slot);
bool net_send(struct sim_world *w, unsigned node, unsigned slot, struct str header, struct str body);
void net_tick(struct sim_world *w, unsigned node);
void net_event(struct sim_world *w, const struct sim_event *e);
/* The connection breaks; `told` later than now when it is to be so. */
void net_break(struct sim_world *w, unsigned node, unsigned slot, uint64_t told_in);
void net_break_between(struct sim_world *w, unsigned from, unsigned to, uint64_t told_in, bool twice);
void net_killed(struct sim_world *w, unsigned node);
void net_free(struct sim_node *n);

struct check *check_new(void);
void check_free(struct check *c);
/* `from` is a process and its incarnation: numbers are given twice when the registry forgets. */
uint64_t sim_uid(const struct sim_world *w, const struct sim_node *n);
void check_sent(struct sim_world *w, uint64_t from, uint32_t to, uint32_t number);
void check_taken(struct sim_world *w, uint64_t from, uint32_t to, uint32_t number);
void check_lost(struct sim_world *w, uint64_t from, uint32_t to, uint32_t number);
/* The number of the broadcast that core_broadcast is given now; 0: it has returned. */
void check_broadcast(struct sim_world *w, uint32_t number);
/* The sender is told that the receiver is gone (or is gone itself, for its peers): all must have been handed back. */
void check_gone(struct sim_world *w, uint64_t from, uint32_t to);
/* Everything is well, as far as the cores are concerned; else why not. */
const char *check_quiet(struct sim_world *w);

#endif
