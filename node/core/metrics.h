/*
 * metrics.h: what is counted. One row a family; each worker has its own copy, written by it alone (relaxed), summed by whoever asks.
 *
 * A family has a cell for every value of its labels, and all are known when this is compiled: counting is one addition to a fixed place.
 * A gauge is counted up and down and must come back to the truth; tests compare it. Whoever asks never looks at sessions: what it
 * costs does not depend on how many there are.
 * What others count already (workers, the store, the process) is read when somebody asks: node/http/sampled.c.
 */
#ifndef NODE_CORE_METRICS_H
#define NODE_CORE_METRICS_H

#include <stdatomic.h>

#include "node/core/histogram.h"
#include "proto/base/errors.h"
#include "proto/sasl/sasl.h"
#include "proto/wire/stanza.h"

/* How a session's bytes come. X(symbol, label) */
#define TRANSPORTS(X)            \
	X(PLAIN, "plain")        \
	X(STARTTLS, "starttls")  \
	X(DIRECT_TLS, "direct-tls")

/* Ceilings that a peer can hit. X(symbol, label) */
#define LIMITS(X)                                  \
	X(OTHER, "other")                          \
	X(FILE_DESCRIPTORS, "file-descriptors")    \
	X(CONNECTIONS, "connections-per-address")  \
	X(LOGIN_TRIES, "login-tries")              \
	X(LOGIN_PACE, "login-pace")                \
	X(LOGIN_QUEUE, "login-queue")              \
	X(LOGIN_TIME, "login-time")                \
	X(RESOURCES, "resources")                  \
	X(STANZA, "stanza")                        \
	X(STANZA_RATE, "stanza-rate")              \
	X(ACCOUNT_RATE, "account-rate")            \
	X(BYTE_RATE, "byte-rate")                  \
	X(REGISTRATIONS, "registrations")          \
	X(MAILBOX, "mailbox-bytes")                \
	X(UNSENT_BYTES, "unsent-bytes")            \
	X(LATE_BYTES, "late-bytes")                \
	X(SLOW_READER, "slow-reader")              \
	X(CHOKED, "choked")                        \
	X(STORE_BEHIND, "store-waiting-bytes")     \
	X(OFFLINE_COUNT, "offline-messages")       \
	X(OFFLINE_SIZE, "offline-message-size")    \
	X(ROSTER, "roster-items")                  \
	X(ROSTER_REQUESTS, "roster-requests")      \
	X(REQUEST_RATE, "subscription-rate")       \
	X(ROSTER_TIES, "roster-shared")            \
	X(VCARD, "vcard-size")                     \
	X(SM_QUEUE, "sm-queue")                    \
	X(SM_DETACHED, "sm-detached")              \
	X(PLACES, "places")

/* What holds memory for clients. X(symbol, label) */
#define MEMORY_KINDS(X)        \
	X(STREAM, "stream")    \
	X(SESSION, "session")  \
	X(ACCOUNT, "account")  \
	X(OUTPUT, "output")    \
	X(UNACKED, "unacked")  \
	X(EDGE, "edge")

/* X(symbol, version, resumed) */
#define TLS_KINDS(X)                    \
	X(TLS12_FULL, "1.2", "no")      \
	X(TLS12_RESUMED, "1.2", "yes")  \
	X(TLS13_FULL, "1.3", "no")      \
	X(TLS13_RESUMED, "1.3", "yes")

#define X(sym, ...) TRANSPORT_##sym,
enum transport { TRANSPORTS(X) TRANSPORT_COUNT };
#undef X
#define X(sym, ...) LIMIT_##sym,
enum limit_name { LIMITS(X) LIMIT_COUNT };
#undef X
#define X(sym, ...) MEMORY_##sym,
enum memory_kind { MEMORY_KINDS(X) MEMORY_COUNT };
#undef X
#define X(sym, ...) TLS_KIND_##sym,
enum tls_kind { TLS_KINDS(X) TLS_KIND_COUNT };
#undef X

#define METRIC_HOSTS 64 /* hosts with a label of their own; those after them share one, as "(others)" */

/* Sets of labels. X(symbol, names for documents, cells) */
#define LABEL_SETS(X)                                               \
	X(NONE, "", 1)                                              \
	X(KIND, "kind", STANZA_IQ + 1)                              \
	X(MECHANISM, "mechanism", MECH_COUNT)                       \
	X(LIMIT, "limit", LIMIT_COUNT)                              \
	X(MEMORY, "kind", MEMORY_COUNT)                             \
	X(TLS, "version, resumed", TLS_KIND_COUNT)                  \
	X(STANZA_ERROR, "condition", STANZA_ERROR_COUNT)            \
	X(STREAM_ERROR, "condition", STREAM_ERROR_COUNT)            \
	X(HTTP, "code", 4)                                          \
	X(HOST, "host, transport", (METRIC_HOSTS + 1) * TRANSPORT_COUNT)
#define X(sym, names, cells) LABELS_##sym,
enum label_set { LABEL_SETS(X) LABEL_SET_COUNT };
#undef X
#define X(sym, names, cells) LABEL_CELLS_##sym = (cells),
enum { LABEL_SETS(X) };
#undef X

/* X(symbol, name, kind, labels, help). Names follow OpenMetrics: a counter ends in _total, units are base units. */
#define METRICS(X)                                                                                                                       \
	X(CONNECTIONS, "connections", GAUGE, NONE, "Open client connections, authenticated or not")                                      \
	X(CONNECTIONS_TOTAL, "connections_accepted_total", COUNTER, NONE, "Client connections accepted")                                 \
	X(SESSIONS, "sessions", GAUGE, HOST, "Bound resources")                                                                          \
	X(LOGINS_TOTAL, "logins_total", COUNTER, MECHANISM, "Successful authentications")                                                \
	X(LOGIN_FAILURES_TOTAL, "login_failures_total", COUNTER, MECHANISM, "Failed authentications")                                    \
	X(TLS_HANDSHAKES_TOTAL, "tls_handshakes_total", COUNTER, TLS, "Completed TLS handshakes")                                        \
	X(TLS_FAILURES_TOTAL, "tls_failures_total", COUNTER, NONE, "TLS handshakes that failed")                                         \
	X(STREAM_ERRORS_TOTAL, "stream_errors_total", COUNTER, STREAM_ERROR, "Streams that this node ended with an error")               \
	X(STANZAS_IN_TOTAL, "stanzas_in_total", COUNTER, KIND, "Stanzas received from clients")                                          \
	X(STANZAS_OUT_TOTAL, "stanzas_out_total", COUNTER, KIND, "Stanzas written to clients")                                           \
	X(STANZAS_ROUTED_TOTAL, "stanzas_routed_total", COUNTER, KIND, "Stanzas sent on their way to an address")                        \
	X(STANZAS_BOUNCED_TOTAL, "stanzas_bounced_total", COUNTER, STANZA_ERROR, "Stanzas answered with an error")                       \
	X(STANZAS_DROPPED_TOTAL, "stanzas_dropped_total", COUNTER, NONE, "Stanzas that a rule lets vanish")                              \
	X(OFFLINE_STORED_TOTAL, "offline_stored_total", COUNTER, NONE, "Messages put into the offline store")                            \
	X(OFFLINE_DELIVERED_TOTAL, "offline_delivered_total", COUNTER, NONE, "Messages delivered from the offline store")                \
	X(SM_SESSIONS, "sm_sessions", GAUGE, NONE, "Sessions with stream management")                                                    \
	X(SM_DETACHED, "sm_detached_sessions", GAUGE, NONE, "Sessions that wait for their client to resume them")                        \
	X(SM_RESUMED_TOTAL, "sm_resumed_total", COUNTER, NONE, "Sessions that were resumed")                                             \
	X(SM_RESUME_FAILURES_TOTAL, "sm_resume_failures_total", COUNTER, NONE, "Sessions that could not be resumed")                     \
	X(LIMITS_HIT_TOTAL, "limits_hit_total", COUNTER, LIMIT, "Ceilings that a peer hit")                                              \
	X(HOLDS, "holds", GAUGE, NONE, "Reasons for which streams are not read: a store, a peer, their own haste")                       \
	X(PLACES, "places", GAUGE, NONE, "Rooms and other addresses of services that this node serves, or is about to")                  \
	X(PLACES_MOVED_TOTAL, "places_moved_total", COUNTER, NONE, "Those that it gave to another node, with their state")               \
	X(PLACES_LOST_TOTAL, "places_lost_total", COUNTER, NONE, "Those that another node serves, as it was taken for dead")             \
	X(PLACES_HURRIED_TOTAL, "places_hurried_total", COUNTER, NONE,                                                                    \
	  "Those that moved, and whose senders' order was not waited for to the end")                                                     \
	X(RECEIVED_BYTES_TOTAL, "received_bytes_total", COUNTER, NONE, "Bytes received from clients, TLS taken off")                     \
	X(SENT_BYTES_TOTAL, "sent_bytes_total", COUNTER, NONE, "Bytes sent to clients, TLS not counted")                                 \
	X(HTTP_REQUESTS_TOTAL, "http_requests_total", COUNTER, HTTP, "Replies of the stats endpoint and the admin API")          \
	X(FANS_TOTAL, "cluster_fans_total", COUNTER, NONE, "Stanzas that went to several accounts of another node in one record")        \
	X(FAN_RECIPIENTS_TOTAL, "cluster_fan_recipients_total", COUNTER, NONE, "Accounts to which these went")                          \
	X(PRESENCES_COALESCED_TOTAL, "cluster_presences_coalesced_total", COUNTER, NONE, "Presences to a slow node, since replaced") \
	X(SLOW_REFUSED_TOTAL, "cluster_slow_refused_total", COUNTER, KIND, "Stanzas refused because the recipient's node is slow")        \
	X(LATE_BYTES, "cluster_late_bytes", GAUGE, NONE, "Above limits.unsent_bytes: of senders who had not heard to wait") \
	X(BRAKED, "cluster_braked", GAUGE, NONE, "Brakes of other nodes on clients at home here: these are not read")                   \
	X(LEASHES_TOTAL, "cluster_leashes_total", COUNTER, NONE, "Times senders were not read until another node had what they had sent") \
	X(BRAKES_TOLD_TOTAL, "cluster_brakes_told_total", COUNTER, NONE, "Times a client of another node was told not to be read")       \
	X(MEMORY_BYTES, "memory_bytes", GAUGE, MEMORY, "Memory held for clients, without OpenSSL's and the allocator's own")

/* X(symbol, name, labels, help). In seconds. */
#define HISTOGRAMS(X)                                                                                                           \
	X(DELIVERY, "delivery_seconds", KIND, "From the read of what a client sent to the write of what came of it to a client") \
	X(PASS, "worker_pass_seconds", NONE, "Passes of the workers' loops: what waits, waits at most as long")

#define X(sym, ...) METRIC_##sym,
enum metric { METRICS(X) METRIC_COUNT };
#undef X
#define X(sym, name, kind, labels, help) METRIC_AT_##sym, METRIC_LAST_##sym = METRIC_AT_##sym + LABEL_CELLS_##labels - 1,
enum metric_cell { METRICS(X) METRIC_CELLS };
#undef X
#define X(sym, ...) HISTOGRAM_##sym,
enum histogram_name { HISTOGRAMS(X) HISTOGRAM_COUNT };
#undef X
#define X(sym, name, labels, help) HISTOGRAM_AT_##sym, HISTOGRAM_LAST_##sym = HISTOGRAM_AT_##sym + LABEL_CELLS_##labels - 1,
enum histogram_cell { HISTOGRAMS(X) HISTOGRAM_CELLS };
#undef X

struct metrics {
	_Atomic int64_t v[METRIC_CELLS];
	struct histogram h[HISTOGRAM_CELLS];
};

/* Where a family begins; the last is the end. The compiler knows it where `which` is a constant. */
#define X(sym, ...) METRIC_AT_##sym,
static const uint16_t metric_first[METRIC_COUNT + 1] = { METRICS(X) METRIC_CELLS };
#undef X

/* `label`: a value of the family's labels; 0 where there are none. */
static inline void metrics_add_at(struct metrics *m, enum metric which, unsigned label, int64_t n)
{
	_Atomic int64_t *v = &m->v[metric_first[which] + label];
	atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void metrics_add(struct metrics *m, enum metric which, int64_t n)
{
	metrics_add_at(m, which, 0, n);
}
/* The sum over all labels. */
int64_t metrics_get(const struct metrics *m, enum metric which);

/* The value of LABELS_HOST for a session. */
static inline unsigned metric_host(unsigned host_index, enum transport t)
{
	return (host_index < METRIC_HOSTS ? host_index : METRIC_HOSTS) * TRANSPORT_COUNT + t;
}

/* ---- telling ---- */

enum metric_kind { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_INFO };
struct metric_row {
	const char *name, *help;
	enum metric_kind kind;
	enum label_set labels;
};
extern const struct metric_row metric_rows[METRIC_COUNT];
extern const struct metric_row histogram_rows[HISTOGRAM_COUNT];
unsigned label_set_cells(enum label_set s);
const char *limit_text(enum limit_name l);
/* "host, transport" */
const char *label_set_names(enum label_set s);

#endif
