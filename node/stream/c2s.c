#include "node/stream/c2s.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "node/core/hooks.h"
#include "node/core/log.h"
#include "node/core/session.h"
#include "node/core/sm_session.h"
#include "node/core/trace.h"
#include "node/net/tls.h"
#include "node/stream/edge.h"
#include "node/stream/jam.h"
#include "node/stream/replay.h"
#include "proto/wire/stream.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

#define LINGER_MS     5000 /* for the peer's </stream:stream> and FIN */
#define FINAL_BYTES   1024 /* room for the last error when the queue is full */
#define ID_CHARS      26   /* 130 bits */

static _Atomic uint64_t next_number;

static const struct conn_ops c2s_conn_ops;
static void on_timer(struct timer *t);
static void on_pause_over(struct timer *t);
static void pause_forget(struct c2s *c);

/* ---- states ---- */

static const char *const state_names[C2S_STATE_COUNT] = {
	"header", "negotiate", "securing", "auth", "binding", "open", "closing",
};
#define TO(s) (1u << C2S_##s)
static const uint16_t legal[C2S_STATE_COUNT] = {
	[C2S_HEADER] = TO(NEGOTIATE) | TO(BINDING) | TO(CLOSING),
	[C2S_NEGOTIATE] = TO(SECURING) | TO(AUTH) | TO(CLOSING),
	[C2S_SECURING] = TO(HEADER) | TO(CLOSING),
	[C2S_AUTH] = TO(NEGOTIATE) | TO(HEADER) | TO(CLOSING),
	[C2S_BINDING] = TO(OPEN) | TO(CLOSING),
	[C2S_OPEN] = TO(CLOSING),
	[C2S_CLOSING] = 0,
};

void c2s_enter(struct c2s *c, enum c2s_state to)
{
	BUG_ON(!(legal[c->state] & 1u << to));
	LOG(LOG_DEBUG, "c2s", "state", L_UINT("stream", c->number), L_Z("from", state_names[c->state]), L_Z("to", state_names[to]));
	c->state = (uint8_t)to;
}

static bool c2s_takes_input(const struct c2s *c)
{
	return c->holds == 0 && !c->overflowed && c->state != C2S_SECURING && c->state != C2S_CLOSING && !c->conn->move_to &&
	       !c->conn->paused;
}

bool c2s_is_secure(const struct c2s *c)
{
	return c->conn->ssl != NULL;
}

enum transport c2s_transport(const struct c2s *c)
{
	return !c->conn->ssl ? TRANSPORT_PLAIN : c->direct_tls ? TRANSPORT_DIRECT_TLS : TRANSPORT_STARTTLS;
}

static struct str name_of(const struct c2s *c)
{
	return c->who ? jid_str(c->who) : STR("");
}

/* Each counts what the connection did since the last time. */
static void tally_input(struct c2s *c)
{
	count(c->nw, METRIC_RECEIVED_BYTES_TOTAL, (int64_t)(c->conn->bytes_in - c->bytes_seen));
	c->bytes_seen = c->conn->bytes_in;
}

static void tally_output(struct c2s *c)
{
	const struct conn *conn = c->conn;
	uint32_t unsent = (uint32_t)conn_unsent(conn);
	count(c->nw, METRIC_SENT_BYTES_TOTAL, (int64_t)(conn->bytes_out - c->sent_seen));
	count_at(c->nw, METRIC_MEMORY_BYTES, MEMORY_OUTPUT, (int64_t)unsent - c->unsent_seen);
	c->sent_seen = conn->bytes_out;
	c->unsent_seen = unsent;
}

static void list_add(struct c2s *c, struct node_worker *nw)
{
	c->nw = nw;
	c->next = nw->streams;
	c->prev = &nw->streams;
	if (c->next)
		c->next->prev = &c->next;
	nw->streams = c;
	c->held_bytes = (uint32_t)(sizeof *c + sizeof *c->conn + sizeof *c->conn->poll + xml_reader_bytes(c->reader));
	count(nw, METRIC_CONNECTIONS, 1);
	count_at(nw, METRIC_MEMORY_BYTES, MEMORY_STREAM, c->held_bytes);
}

static void list_remove(struct c2s *c)
{
	if (!c->prev) /* on its way to another worker */
		return;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->prev = NULL;
	count(c->nw, METRIC_CONNECTIONS, -1);
	count_at(c->nw, METRIC_MEMORY_BYTES, MEMORY_STREAM, -(int64_t)c->held_bytes);
	count_at(c->nw, METRIC_MEMORY_BYTES, MEMORY_OUTPUT, -(int64_t)c->unsent_seen);
	c->unsent_seen = 0;
	lag_drop(&c->nw->lags, &c->lag);
}

/* ---- birth and death ---- */

/* The address is known: may it have one more connection? False: the stream is closing. */
static bool admit(struct c2s *c)
{
	char text[IP_TEXT_BYTES];
	c->counted = limits_connected(c->nw->node->limits, &c->conn->peer);
	if (c->counted)
		return true;
	LOG(LOG_WARN, "c2s", "too many connections from one address (limits.connections_per_address)",
	    L_STR("peer", conn_peer_text(c->conn, text)));
	count_limit(c->nw, LIMIT_CONNECTIONS);
	if (c->direct_tls)
		conn_abort(c->conn, END_ABORTED);
	else
		c2s_close(c, STREAM_POLICY_VIOLATION, STR("too many connections from your address"));
	return false;
}

static bool on_address(struct conn *conn)
{
	admit(conn->owner);
	return true;
}

void c2s_accept(struct node_worker *nw, const struct listen_spec *spec, int fd, const struct sockaddr *peer)
{
	const struct settings *set = &nw->node->settings;
	struct c2s *c = xzalloc(sizeof *c);
	bool direct = spec->tls == LISTEN_DIRECT_TLS;
	uint16_t port;
	struct ip ip = conn_ip_of(peer, &port);
	bool proxy = spec->proxy_protocol && cidr_any_has(spec->trusted, spec->n_trusted, &ip);
	SSL *ssl = direct ? tls_accept(nw->tls, true) : NULL;
	c->conn = conn_new(nw->worker, fd, peer, set->out_max_before_auth, proxy, ssl, &c2s_conn_ops, c);
	c->direct_tls = direct;
	c->plain_allowed = spec->tls == LISTEN_PLAIN;
	c->state = direct ? C2S_SECURING : C2S_HEADER;
	c->reader = xml_reader_new(&set->before_auth);
	c->number = atomic_fetch_add(&next_number, 1) + 1;
	c->timer.on_timer = on_timer;
	c->pause.on_timer = on_pause_over;
	list_add(c, nw);
	worker_timer_set(nw->worker, &c->timer, set->unauthenticated_ms);
	count(nw, METRIC_CONNECTIONS_TOTAL, 1);
	char text[IP_TEXT_BYTES];
	LOG(LOG_DEBUG, "c2s", "accepted", L_UINT("stream", c->number), L_STR("peer", conn_peer_text(c->conn, text)));
	if (!proxy)
		admit(c);
}

static void moved(struct c2s *c)
{
	if (c->moving)
		atomic_fetch_sub(&c->nw->node->moving, 1);
	c->moving = false;
}

/* Its conn is there still. */
static void c2s_free(struct c2s *c)
{
	moved(c);
	if (c->counted)
		limits_disconnected(c->nw->node->limits, &c->conn->peer);
	auth_drop(c);
	xml_reader_free(c->reader);
	free(c->account);
	free(c);
}

/* All that hangs on the wire's life: the session first, as its hooks may still look at the stream. `lost`: nobody ended it; the session
 * may wait for its client. */
static void c2s_let_go(struct c2s *c, bool lost)
{
	struct session *s = c->session;
	if (c->edge)
		edge_drop(c->edge, lost);
	replay_drop(c);
	c->session = NULL;
	c->who = NULL;
	worker_timer_cancel(c->nw->worker, &c->timer);
	worker_timer_cancel(c->nw->worker, &c->pause);
	auth_drop(c);
	early_drop(c);
	sm_stream_drop(c);
	jam_forget(c);
	count(c->nw, METRIC_HOLDS, -(int)c->holds);
	c->holds = 0;
	if (s)
		s->outlet = NULL;
	if (s && lost)
		session_lost(s);
	else if (s)
		session_end(s);
}

static void on_gone(struct conn *conn, enum conn_end why)
{
	struct c2s *c = conn->owner;
	tally_input(c);
	tally_output(c);
	if (why == END_TLS_FAILED)
		count(c->nw, METRIC_TLS_FAILURES_TOTAL, 1);
	char text[IP_TEXT_BYTES];
	LOG(c->session ? LOG_INFO : LOG_DEBUG, "c2s", "connection ended", L_UINT("stream", c->number),
	    L_STR("jid", name_of(c)), L_Z("why", conn_end_name(why)),
	    L_STR("peer", conn_peer_text(conn, text)));
	c2s_let_go(c, true);
	list_remove(c);
	c2s_free(c);
}

/* ---- output ---- */

/* What does not fit was not written at all (writer.h): a part of an element would corrupt the stream. */
static bool wrote(struct c2s *c, struct buf *out)
{
	if (buf_status(out) == ERR_NONE) {
		conn_touch(c->conn);
		return true;
	}
	out->failed = false;
	return false;
}

/* Whoever sends may be walking over sessions: the stream ends at the next pass, and takes nothing more until then. */
static void overflow(struct c2s *c)
{
	count_limit(c->nw, LIMIT_UNSENT_BYTES);
	c->overflowed = true;
	worker_timer_set(c->nw->worker, &c->timer, 0);
}

static bool takes_output(const struct c2s *c)
{
	return c->state != C2S_CLOSING && !c->overflowed;
}

/* A stanza was written, or found no room. */
static bool queued(struct c2s *c, struct buf *out, enum stanza_kind kind, size_t bytes)
{
	if (!wrote(c, out)) {
		overflow(c);
		return false;
	}
	count_at(c->nw, METRIC_STANZAS_OUT_TOTAL, kind, 1);
	if (c->nw->read_ns)
		lag_add(&c->nw->lags, &c->lag, c->nw->read_ns, kind, c->conn->bytes_out + conn_unsent(c->conn));
	conn_push(c->conn);
	if (conn_unsent(c->conn) > c->nw->node->settings.out_mark && kind != STANZA_PRESENCE)
		jam_fill(c, bytes);
	return true;
}

void c2s_send(struct c2s *c, const struct stanza *st)
{
	if (!takes_output(c))
		return;
	struct buf *out = conn_out(c->conn);
	size_t before = out->len;
	stanza_write(out, st);
	if (queued(c, out, st->kind, out->len - before))
		trace_tap(c->session, false, st);
}

void c2s_send_wire(struct c2s *c, enum stanza_kind kind, struct str bytes)
{
	if (!takes_output(c))
		return;
	struct buf *out = conn_out(c->conn);
	buf_add_str(out, bytes);
	queued(c, out, kind, bytes.len);
}

void c2s_send_word(struct c2s *c, struct str bytes)
{
	if (!takes_output(c))
		return;
	struct buf *out = conn_out(c->conn);
	buf_add_str(out, bytes);
	if (!wrote(c, out))
		overflow(c);
}

void c2s_send_elem(struct c2s *c, const struct elem *e)
{
	if (!takes_output(c))
		return;
	struct buf *out = conn_out(c->conn);
	xml_write(out, e, NS_CLIENT, true);
	if (!wrote(c, out))
		overflow(c);
}

static void send_header(struct c2s *c, const struct stream_open *open)
{
	struct arena *a = arena_new(256);
	struct str token = rng_token(&c->nw->worker->rng, a, ID_CHARS);
	struct str to = open && jid_present(&open->from) ? jid_str(&open->from) : STR_NONE;
	const struct host *host = c->host ? c->host : c->nw->node->hosts[0];
	BUG_ON(!host);
	struct str from = !c->host && open && jid_present(&open->to) ? jid_domain(&open->to) : host->name;
	stream_header_write(conn_out(c->conn), NS_CLIENT, from, to, token, STR("en"));
	conn_touch(c->conn);
	c->header_sent = true;
	arena_free(a);
}

/* Not the client's wish, nor anybody's who has closed its session: it may come back. */
static bool is_lost(const struct c2s *c, enum stream_error e)
{
	return e == STREAM_CONNECTION_TIMEOUT || e == STREAM_SYSTEM_SHUTDOWN || (c->overflowed && e == STREAM_RESOURCE_CONSTRAINT);
}

void c2s_close(struct c2s *c, enum stream_error e, struct str text)
{
	c2s_close_with(c, e, text, STR_NONE);
}

void c2s_close_with(struct c2s *c, enum stream_error e, struct str text, struct str extra)
{
	if (c->state == C2S_CLOSING)
		return;
	bool writable = c->state != C2S_SECURING;
	if (e != STREAM_ERROR_NONE) {
		count_at(c->nw, METRIC_STREAM_ERRORS_TOTAL, e, 1);
		LOG(LOG_INFO, "c2s", "stream ended with an error", L_UINT("stream", c->number), L_STR("error", stream_error_name(e)),
		    L_STR("text", text), L_Z("state", state_names[c->state]),
		    L_STR("jid", name_of(c)));
	} else if (c->state == C2S_OPEN) {
		LOG(LOG_INFO, "c2s", "stream ended by its client", L_UINT("stream", c->number), L_STR("jid", name_of(c)));
	}
	conn_out(c->conn)->max += FINAL_BYTES;
	if (writable && !c->header_sent)
		send_header(c, NULL);
	if (writable && e != STREAM_ERROR_NONE)
		stream_error_write(conn_out(c->conn), e, text, extra);
	else if (writable)
		stream_close_write(conn_out(c->conn));
	c2s_enter(c, C2S_CLOSING);
	c2s_let_go(c, is_lost(c, e));
	if (c->conn->paused)
		conn_resume(c->conn);
	conn_close(c->conn, LINGER_MS);
}

/* ---- all of a worker's ---- */

void c2s_close_all(struct node_worker *nw, enum stream_error e)
{
	for (struct c2s *c = nw->streams, *next; c; c = next) {
		next = c->next;
		c2s_close(c, e, STR_NONE);
	}
}

void c2s_abort_all(struct node_worker *nw)
{
	for (struct c2s *c = nw->streams; c; c = c->next)
		conn_abort(c->conn, END_ABORTED);
}

/* ---- waiting ---- */

void c2s_hold(struct c2s *c)
{
	if (c->holds++ == 0)
		conn_pause(c->conn);
	count(c->nw, METRIC_HOLDS, 1);
}

void c2s_release(struct c2s *c)
{
	BUG_ON(c->holds == 0);
	count(c->nw, METRIC_HOLDS, -1);
	if (--c->holds == 0)
		conn_resume(c->conn);
}

void c2s_pause(struct c2s *c, uint64_t for_ms, void (*then)(struct c2s *c))
{
	if (!timer_is_set(&c->pause))
		c2s_hold(c);
	c->after_pause = then;
	worker_timer_set(c->nw->worker, &c->pause, for_ms);
}

static void on_pause_over(struct timer *t)
{
	struct c2s *c = (struct c2s *)((char *)t - offsetof(struct c2s, pause));
	c2s_release(c);
	if (c->after_pause)
		c->after_pause(c);
}

void c2s_forget_holds(struct c2s *c)
{
	uint16_t left = timer_is_set(&c->pause);
	count(c->nw, METRIC_HOLDS, (int)left - (int)c->holds);
	if (!c->holds)
		conn_pause(c->conn);
	c->holds = left;
}

/* Before the stream moves: debt stays in the buckets, and is asked for where it arrives. */
static void pause_forget(struct c2s *c)
{
	if (!timer_is_set(&c->pause))
		return;
	worker_timer_cancel(c->nw->worker, &c->pause);
	c2s_release(c);
}

/* What was sent is paid for with time. */
static void pay(struct c2s *c, struct bucket *b, const struct bucket_rate *r, uint64_t n, enum limit_name limit)
{
	uint64_t wait_ms = bucket_take(b, r, n, c->nw->worker->now_ms);
	if (!wait_ms || c->state == C2S_CLOSING || timer_is_set(&c->pause))
		return;
	LOG(LOG_INFO, "c2s", "a client sends too fast: it is not read for a while", L_UINT("stream", c->number),
	    L_Z("limit", limit_text(limit)), L_STR("jid", name_of(c)), L_UINT("wait_ms", wait_ms));
	count_limit(c->nw, limit);
	c2s_pause(c, wait_ms, NULL);
}

static void pay_stanza(struct c2s *c, const struct limit_rates *rates)
{
	pay(c, &c->stanzas, &rates->stanzas, 1, LIMIT_STANZA_RATE);
	if (c->session)
		pay(c, &c->session->user->stanzas, &rates->account, 1, LIMIT_ACCOUNT_RATE);
}

/* ---- time ---- */

/* OPEN: silence for a while gets a space, which makes a dead peer's TCP notice; silence for long ends the stream, if the options say so. */
static void on_idle(struct c2s *c)
{
	const struct settings *set = &c->nw->node->settings;
	uint64_t silent = c->nw->worker->now_ms - c->conn->last_in_ms;
	if (set->idle_close_ms && silent >= set->idle_close_ms) {
		c2s_close(c, STREAM_CONNECTION_TIMEOUT, STR("nothing was received for too long"));
		return;
	}
	if (set->idle_ping_ms && silent >= set->idle_ping_ms && conn_unsent(c->conn) == 0 && conn_write(c->conn, STR(" ")) != ERR_NONE)
		LOG(LOG_DEBUG, "c2s", "no room for a keepalive", L_UINT("stream", c->number));
	uint64_t next = set->idle_ping_ms ? set->idle_ping_ms : set->idle_close_ms;
	if (set->idle_close_ms && silent < set->idle_close_ms && set->idle_close_ms - silent < next)
		next = set->idle_close_ms - silent;
	if (next)
		worker_timer_set(c->nw->worker, &c->timer, next);
}

static void on_timer(struct timer *t)
{
	struct c2s *c = (struct c2s *)((char *)t - offsetof(struct c2s, timer));
	if (c->overflowed)
		c2s_close(c, STREAM_RESOURCE_CONSTRAINT, STR("you do not read what is sent to you"));
	else if (c->state == C2S_OPEN)
		on_idle(c);
	else if (c->state == C2S_SECURING)
		conn_abort(c->conn, END_TIMEOUT);
	else {
		count_limit(c->nw, LIMIT_LOGIN_TIME);
		c2s_close(c, STREAM_CONNECTION_TIMEOUT, STR("you did not log in in time"));
	}
}

/* ---- input ---- */

/* May this client go on without TLS? */
bool c2s_plain_is_fine(const struct c2s *c)
{
	const struct settings *set = &c->nw->node->settings;
	return c->plain_allowed || !set->tls_required || (set->plain_on_loopback && conn_peer_is_loopback(c->conn));
}

static void send_features(struct c2s *c)
{
	struct arena *a = arena_new(2048);
	struct elem *f = elem_new(a, NS_STREAMS, STR("features"));
	if (c->authenticated) {
		elem_add(a, f, NS_BIND, STR("bind"));
		elem_add(a, elem_add(a, f, NS_SESSION, STR("session")), STR_NONE, STR("optional"));
		sm_stream_features(c, a, f);
		hooks_stream_features(c->host, a, f);
	} else {
		bool required = !c2s_plain_is_fine(c);
		if (!c2s_is_secure(c) && !c->plain_allowed) {
			struct elem *tls = elem_add(a, f, NS_TLS, STR("starttls"));
			if (required)
				elem_add(a, tls, STR_NONE, STR("required"));
		}
		if (c2s_is_secure(c) || !required) {
			auth_features(c, a, f);
			hooks_early_features(c->host, &c->conn->peer, a, f);
		}
	}
	c2s_send_elem(c, f);
	arena_free(a);
}

static void on_header(struct c2s *c, struct xml_item *item)
{
	struct stream_open open;
	enum stream_error e = stream_open_read(item->arena, item->root, item->default_ns, NS_CLIENT, &open);
	struct host *h = jid_present(&open.to) ? host_find(c->nw->node, jid_domain(&open.to)) : NULL;
	struct host *before = c->host;
	if (h)
		c->host = h;
	else if (!before && !jid_present(&open.to) && c->nw->node->n_hosts == 1)
		c->host = h = c->nw->node->hosts[0]; /* RFC 6120 section 4.7.2: one host, no doubt who is meant */
	send_header(c, &open);
	if (e != STREAM_ERROR_NONE)
		c2s_close(c, e, STR_NONE);
	else if (!h && !jid_present(&open.to))
		c2s_close(c, STREAM_IMPROPER_ADDRESSING, STR("your stream header has no 'to'"));
	else if (!h)
		c2s_close(c, STREAM_HOST_UNKNOWN, STR("this service does not host that domain"));
	else if (c->authenticated && before != h)
		c2s_close(c, STREAM_HOST_UNKNOWN, STR("you have authenticated for another domain"));
	else if (jid_present(&open.from) && c->authenticated && !str_is(jid_bare_str(&open.from), c->account))
		c2s_close(c, STREAM_INVALID_FROM, STR("you have authenticated as somebody else"));
	else {
		c2s_enter(c, c->authenticated ? C2S_BINDING : C2S_NEGOTIATE);
		send_features(c);
	}
	arena_free(item->arena);
}

static void on_starttls(struct c2s *c, struct str *rest)
{
	struct arena *a = arena_new(256);
	struct tls_config *tls = c->nw->tls;
	if (c2s_is_secure(c) || c->plain_allowed) {
		c2s_send_elem(c, elem_new(a, NS_TLS, STR("failure")));
		c2s_close(c, STREAM_ERROR_NONE, STR_NONE);
	} else {
		/* CVE-2011-0411 and its kin: bytes after <starttls/> must not be taken for encrypted ones. */
		*rest = str_span(rest->p + rest->len, 0);
		c2s_send_elem(c, elem_new(a, NS_TLS, STR("proceed")));
		c2s_enter(c, C2S_SECURING);
		conn_start_tls(c->conn, tls_accept(tls, false));
	}
	arena_free(a);
}

static void on_secure(struct conn *conn)
{
	struct c2s *c = conn->owner;
	bool tls13 = SSL_version(conn->ssl) == TLS1_3_VERSION, resumed = SSL_session_reused(conn->ssl);
	count_at(c->nw, METRIC_TLS_HANDSHAKES_TOTAL, (tls13 ? TLS_KIND_TLS13_FULL : TLS_KIND_TLS12_FULL) + resumed, 1);
	c2s_restart(c);
	c->host = NULL;
	c2s_enter(c, C2S_HEADER);
}

void c2s_restart(struct c2s *c)
{
	xml_reader_restart(c->reader);
	c->header_sent = false;
	c->fresh = true;
}

/* RFC 6120 section 8.1.2.1: a `from` that is not the sender's own address ends the stream. */
static bool from_is_own(const struct c2s *c, const struct stanza *st)
{
	if (!str_present(elem_attr(st->root, "from")))
		return true;
	const struct jid *own = c->who;
	return jid_present(&st->from) && (jid_eq(&st->from, own) || str_eq(jid_str(&st->from), jid_bare_str(own)));
}

static void on_stanza(struct c2s *c, struct xml_item *item)
{
	enum stanza_error error;
	struct stanza *st = stanza_from_elem(&item->arena, item->root, NS_CLIENT, &error);
	if (!st) {
		c2s_close(c, STREAM_UNSUPPORTED_STANZA_TYPE, STR_NONE);
		return;
	}
	count_at(c->nw, METRIC_STANZAS_IN_TOTAL, st->kind, 1);
	if (c->session)
		sm_session_took(c->session);
	if (c->state == C2S_BINDING) {
		bind_on_stanza(c, st, error);
		return;
	}
	if (!from_is_own(c, st)) {
		stanza_unref(st);
		c2s_close(c, STREAM_INVALID_FROM, STR_NONE);
		return;
	}
	stanza_stamp_from(st, c->who);
	trace_tap(c->session, true, st);
	if (error != STANZA_ERROR_NONE) {
		if (c->edge)
			edge_answered(c->edge);
		router_bounce(c->nw, st, error, STR_NONE);
		return;
	}
	if (c->edge)
		edge_sent(c->edge, st);
	else
		router_sent(c->session, st);
}

/* A first-level element while no session exists yet. */
static void on_negotiation(struct c2s *c, struct xml_item *item, struct str *rest)
{
	const struct elem *e = item->root;
	if (str_eq(e->ns, NS_TLS) && str_is(e->name, "starttls") && c->state == C2S_NEGOTIATE)
		on_starttls(c, rest);
	else if (str_eq(e->ns, NS_SASL) && (c->state == C2S_NEGOTIATE || c->state == C2S_AUTH))
		auth_on_element(c, e);
	else if (str_eq(e->ns, NS_CLIENT))
		early_on_element(c, item);
	else
		c2s_close(c, STREAM_UNSUPPORTED_STANZA_TYPE, STR_NONE);
	arena_free(item->arena);
}

static void on_item(struct c2s *c, enum xml_event ev, struct xml_item *item, struct str *rest)
{
	if (ev == XML_STREAM_OPEN) {
		on_header(c, item);
	} else if (ev == XML_STREAM_CLOSE) {
		c2s_close(c, STREAM_ERROR_NONE, STR_NONE);
	} else if (ev == XML_REFUSED) {
		if (item->error == STREAM_POLICY_VIOLATION)
			count_limit(c->nw, LIMIT_STANZA);
		c2s_close(c, item->error, str_of(item->why));
	} else if (elem_is(item->root, NS_STREAMS, "error")) { /* answered with nothing but the end (RFC 6120 section 4.9.1.1) */
		LOG(LOG_INFO, "c2s", "the client ends its stream with an error", L_UINT("stream", c->number));
		arena_free(item->arena);
		c2s_close(c, STREAM_ERROR_NONE, STR_NONE);
	} else if (str_eq(item->root->ns, NS_SM)) {
		sm_stream_on_element(c, item);
	} else if (c->state == C2S_OPEN || c->state == C2S_BINDING) {
		on_stanza(c, item);
	} else {
		on_negotiation(c, item, rest);
	}
}

/* Some clients end <auth/> or <response/> with a newline: it belongs to the stream before, not in front of the new one's XML declaration.
 */
static void skip_leftover(struct c2s *c, struct str *input)
{
	while (c->fresh && input->len && strchr(" \t\r\n", *input->p)) {
		input->p++;
		input->len--;
	}
	if (input->len)
		c->fresh = false;
}

static void on_bytes(struct conn *conn, struct str *input)
{
	struct c2s *c = conn->owner;
	if (c->state == C2S_CLOSING) { /* the peer's goodbye needs no reading: its FIN does */
		*input = str_span(input->p + input->len, 0);
		return;
	}
	const struct limit_rates *rates = limits_rates(c->nw->node->limits);
	pay(c, &c->bytes, &rates->bytes, conn->bytes_in - c->bytes_seen, LIMIT_BYTE_RATE);
	tally_input(c);
	c->nw->read_ns = conn->read_ns;
	c->nw->input_at = conn->bytes_in;
	while (c2s_takes_input(c)) {
		struct xml_item item;
		skip_leftover(c, input);
		enum xml_event ev = xml_reader_next(c->reader, c->nw->parser, input, &item);
		if (ev == XML_MORE)
			break;
		on_item(c, ev, &item, input);
		if (c->state == C2S_OPEN)
			pay_stanza(c, rates);
	}
	c->nw->read_ns = 0;
	c->nw->input_at = 0; /* what comes from other nodes is paced by them */
	/* A stream that ends, now or at the next pass, takes nothing more; and the conn is not paused, so nothing may be left to it. */
	if (c->state == C2S_CLOSING || c->overflowed)
		*input = str_span(input->p + input->len, 0);
}

static void on_written(struct conn *conn)
{
	struct c2s *c = conn->owner;
	tally_output(c);
	if (c->jam)
		jam_written(c);
	lag_written(&c->nw->lags, &c->lag, conn->bytes_out, &c->nw->metrics);
}

static const struct conn_ops c2s_conn_ops = {
	.on_bytes = on_bytes,
	.on_secure = on_secure,
	.on_gone = on_gone,
	.on_address = on_address,
	.on_written = on_written,
};

/* ---- to the account's shard ---- */

static void on_arrived(struct conn *conn, bool cancelled)
{
	struct c2s *c = conn->owner;
	if (cancelled) {
		c2s_free(c);
		return;
	}
	list_add(c, nw_of(conn->worker));
	moved(c);
	worker_timer_set(conn->worker, &c->timer, c->nw->node->settings.unauthenticated_ms);
	if (c->nw->draining)
		c2s_close(c, STREAM_SYSTEM_SHUTDOWN, STR_NONE);
}

void c2s_authenticated(struct c2s *c, const struct jid *bare)
{
	struct worker *shard = node_shard(c->nw->node, jid_str(bare));
	pause_forget(c);
	c->account = xstrndup(bare->text, bare->len);
	c->authenticated = true;
	xml_reader_set_limits(c->reader, &c->nw->node->settings.after_auth);
	conn_out(c->conn)->max = c->nw->node->settings.out_max;
	c2s_restart(c);
	c2s_enter(c, C2S_HEADER);
	if (shard == c->nw->worker)
		return;
	worker_timer_cancel(c->nw->worker, &c->timer);
	list_remove(c);
	c->moving = true;
	atomic_fetch_add(&c->nw->node->moving, 1);
	conn_move(c->conn, shard, on_arrived);
}
