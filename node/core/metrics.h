/*
 * metrics.h: what is counted. One row per figure; each worker has its own copy, written by it alone (relaxed), summed by whoever asks.
 * A gauge is counted up and down and must come back to the truth; tests compare it.
 */
#ifndef NODE_CORE_METRICS_H
#define NODE_CORE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

/* X(symbol, name, kind, help) */
#define METRICS(X)                                                                                          \
	X(CONNECTIONS, "connections", gauge, "Open client connections, authenticated or not")                \
	X(CONNECTIONS_TOTAL, "connections_total", counter, "Client connections accepted")                    \
	X(SESSIONS, "sessions", gauge, "Bound resources")                                                    \
	X(SESSIONS_TLS, "sessions_tls", gauge, "Bound resources on TLS")                                     \
	X(LOGINS_TOTAL, "logins_total", counter, "Successful authentications")                               \
	X(LOGIN_FAILURES_TOTAL, "login_failures_total", counter, "Failed authentications")                   \
	X(TLS_HANDSHAKES_TOTAL, "tls_handshakes_total", counter, "Completed TLS handshakes")                 \
	X(STREAM_ERRORS_TOTAL, "stream_errors_total", counter, "Streams that we ended with an error")        \
	X(MESSAGES_IN_TOTAL, "messages_in_total", counter, "Message stanzas received from clients")          \
	X(PRESENCES_IN_TOTAL, "presences_in_total", counter, "Presence stanzas received from clients")       \
	X(IQS_IN_TOTAL, "iqs_in_total", counter, "IQ stanzas received from clients")                         \
	X(STANZAS_OUT_TOTAL, "stanzas_out_total", counter, "Stanzas written to clients")                     \
	X(STANZAS_BOUNCED_TOTAL, "stanzas_bounced_total", counter, "Stanzas answered with an error")         \
	X(STANZAS_DROPPED_TOTAL, "stanzas_dropped_total", counter, "Stanzas that a rule lets vanish")        \
	X(OFFLINE_STORED_TOTAL, "offline_stored_total", counter, "Messages put into the offline store")      \
	X(OFFLINE_DELIVERED_TOTAL, "offline_delivered_total", counter, "Messages delivered from the offline store") \
	X(LIMITS_HIT_TOTAL, "limits_hit_total", counter, "Ceilings that a peer hit")                         \
	X(HOLDS, "holds", gauge, "Reasons for which streams are not read: they wait for a store or a peer, or sent too fast") \
	X(THROTTLED_TOTAL, "throttled_total", counter, "Times a client that sent too fast was not read for a while") \
	X(LOGINS_DELAYED_TOTAL, "logins_delayed_total", counter, "Wrong passwords that were answered late")   \
	X(CONNECTIONS_REFUSED_TOTAL, "connections_refused_total", counter, "Connections of addresses that had too many") \
	X(BYTES_IN_TOTAL, "bytes_in_total", counter, "Bytes received from clients, TLS taken off")           \
	X(BYTES_OUT_TOTAL, "bytes_out_total", counter, "Bytes sent to clients, TLS not counted")

#define X(sym, name, kind, help) METRIC_##sym,
enum metric { METRICS(X) METRIC_COUNT };
#undef X

struct metrics {
	_Atomic int64_t v[METRIC_COUNT];
};

static inline void metrics_add(struct metrics *m, enum metric which, int64_t n)
{
	atomic_store_explicit(&m->v[which], atomic_load_explicit(&m->v[which], memory_order_relaxed) + n, memory_order_relaxed);
}
static inline int64_t metrics_get(const struct metrics *m, enum metric which)
{
	return atomic_load_explicit(&m->v[which], memory_order_relaxed);
}

#endif
