/*
 * node.h: the whole node and its workers. For core, net, stream, ctl and main; features see node/api.h.
 *
 * Threads: struct node is filled by main before the workers start and is read-only afterwards, but for what is atomic
 * and what a reload changes. struct
 * node_worker belongs to its worker.
 *
 * An account's sessions all live on one worker, its shard: the hash of the bare JID names it, and a stream moves there when it has
 * authenticated (conn_move). So everything about one account happens on one thread, in order, without a lock and without a
 * directory that threads share.
 */
#ifndef NODE_CORE_NODE_H
#define NODE_CORE_NODE_H

#include "cluster/worker.h"
#include "node/core/host.h"
#include "node/core/lag.h"
#include "node/core/limits.h"
#include "node/core/metrics.h"
#include "node/core/module.h"
#include "node/store/store.h"
#include "proto/base/map.h"
#include "proto/xml/reader.h"

#define WORKERS_MAX 64

#define SERVICES_MAX 256 /* domains of services, of all hosts */

struct c2s;
struct tls_config;
struct listener;

/* Stream management; sm_session.h. */
struct sm_settings {
	bool enabled;
	uint64_t resume_ms; /* 0: no session can be resumed */
	uint64_t ack_ms, ask_after_ms, ask_bytes, queue_bytes;
	uint32_t ask_stanzas, queue_stanzas, detached_max;
};

/* Options that are read on hot paths, copied once (settings.c). */
struct settings {
	struct xml_limits before_auth, after_auth;
	uint64_t unauthenticated_ms, idle_ping_ms, idle_close_ms;
	uint32_t sasl_tries, resources_max;
	uint64_t mailbox_bytes, out_max, out_max_before_auth;
	uint64_t out_mark, unsent_wait_ms, late_max, late_all; /* stream/jam.h */
	uint64_t places_max;
	bool tls_required, plain_on_loopback;
	struct sm_settings sm;
};

struct fleet;
struct fleet_worker;
struct sm_past;
struct hook_set;
struct life;
struct listen_spec;
struct placing;
struct served;

struct node {
	struct config *config;     /* a reload (reload.h) replaces it, and what was copied out of it, while all workers stand still */
	struct config *started;    /* the first: what it lends out (paths, lists) is borrowed for the life of the node */
	const struct config_schema *schema; /* main's; set before the start, as config_path */
	const char *config_path;   /* NULL: no file */
	struct settings settings;
	struct worker *main;
	unsigned n_workers;
	struct worker *workers[WORKERS_MAX];
	uint64_t hash_key[2];      /* of shards: the same for the life of the process */
	struct host **hosts;
	unsigned n_hosts;
	struct fleet *fleet;       /* NULL: a node alone (fleet.h) */
	struct hook_set *hooks;
	struct served *services[SERVICES_MAX]; /* placing.h */
	unsigned n_services;
	struct store *store;       /* features use their host's: host->store */
	struct store *memory;      /* of the anonymous hosts; NULL when there are none */
	struct limits *limits;
	uint8_t secret[32];        /* of this service: fake SCRAM keys and the like */
	struct str data_dir, control_path; /* NUL-terminated */
	struct str stats_url;      /* of the live page; absent: there is none */
	struct life *life;         /* life.c's */
	struct arena *arena;       /* of what lives as long as the node */
	struct listen_spec *listens;
	unsigned n_listens;
	int64_t started_wall_ms;
	uint64_t started_ms;
	_Atomic bool draining;
	_Atomic unsigned workers_ready; /* that accept */
	_Atomic unsigned loading;  /* what features read at the start: without it the node is not ready */
	_Atomic unsigned moving;   /* streams on their way from worker to worker */
	struct metrics metrics;    /* the main thread's */
};

struct trace;

/* A client: its session, on that worker. sid 0: none. worker NULL: it is at home on another node, where `sid` says (rein.h). */
struct sender {
	struct worker *worker;
	uint64_t sid;
	uint32_t epoch;    /* of its home, when what it sent came from another node; else 0 */
	bool acknowledged; /* it is told what is handled (sm_session.h): not before it is safe */
};

struct node_worker {
	struct node *node;
	struct worker *worker;
	struct metrics metrics;
	struct lag_pool lags;
	uint64_t read_ns;          /* when what is handled now was read from a client; 0: nobody waits for it (lag.h) */
	struct xml_parser *parser;
	struct map users;          /* bare JID -> struct user */
	struct map sessions;       /* the 8 bytes of a sid -> struct session */
	uint64_t next_sid;
	uint64_t session_ends;     /* how many sessions have ended here */
	struct trace *traces;      /* of accounts that live here (trace.h); mostly NULL */
	struct sender sender;      /* who sent what is handled now (brake.h) */
	uint64_t input_at;         /* how much was read in all from the client whose input is handled now */
	uint64_t through;          /* workers that got something from it, as bits (router.c) */
	bool crowded;              /* the mailbox of one of them was over its ceiling */
	size_t late_bytes;         /* of all streams (stream/jam.h) */
	struct c2s *streams;
	struct listener *listeners;
	struct fleet_worker *fleet; /* NULL: a node alone */
	struct sm_past *sm_past;   /* sm_past.h; NULL until it is needed */
	struct placing *placing;
	struct tls_config *tls;    /* this worker's own reference */
	bool draining;
};

static inline struct node_worker *nw_of(struct worker *w) { return w->node; }
/* The worker that owns a bare JID. */
struct worker *node_shard(struct node *n, struct str bare);
static inline void count(struct node_worker *nw, enum metric m, int64_t n) { metrics_add(&nw->metrics, m, n); }
/* `label`: a value of the family's labels (metrics.h). */
static inline void count_at(struct node_worker *nw, enum metric m, unsigned label, int64_t n)
{
	metrics_add_at(&nw->metrics, m, label, n);
}
static inline void count_limit(struct node_worker *nw, enum limit_name l) { count_at(nw, METRIC_LIMITS_HIT_TOTAL, l, 1); }
/* A figure summed over all workers and labels; any thread. */
int64_t node_metric(const struct node *n, enum metric m);

struct node_worker *node_worker_new(struct node *n, struct worker *w);
void node_worker_free(struct node_worker *nw);

#endif
