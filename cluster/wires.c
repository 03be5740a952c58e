#include "cluster/wires.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "cluster/door.h"
#include "cluster/knock.h"
#include "cluster/polite.h"
#include "cluster/zap.h"
#include "cluster/zwatch.h"

#define FRAMES_A_PASS 64
#define SAFETY_MS     50
#define MAX_MESSAGE   (INT64_C(1) << 20)
#define KNOCK_MS      1000 /* how long a knock may take */
#define KNOCK_AGAIN   200  /* ms until the next when one was refused: a process that ended is found out soon */
#define KNOCKS_MAX    6    /* in one go; afterwards ZeroMQ's own attempts bring them about */
#define NAME_AGAIN    1000 /* ms until a name is looked up again that led nowhere */
#define MONITORED     (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED)

struct wire {
	struct wires *x;
	unsigned slot;
	uint64_t serial;
	void *push;
	struct zwatch *watch;
	struct zmonitor monitor;
	struct knock *knock;
	struct timer knock_again;
	unsigned knocks;
	bool connected, want_out;
	bool named;                     /* addr is to be resolved: */
	char numeric[KNOCK_NUMERIC];    /* what it is connected to */
	char addr[]; /* NUL-terminated */
};

struct wires {
	struct wires_events events;
	struct worker *w;
	void *context, *pull;
	struct zwatch *pull_watch;
	struct door *door;
	bool curve;
	uint8_t secret_key[ZAP_KEY], public_key[ZAP_KEY];
	char bound[256];
	struct wire *wires[WIRES_SLOTS];
	uint64_t serials;
	struct deferred again; /* before the loop sleeps */
	struct timer safety;
	bool more_in;
	struct wires_stats stats;
};

static void set_int(void *socket, int option, int value)
{
	BUG_ON(zmq_setsockopt(socket, option, &value, sizeof value) != 0);
}

static bool is_named(const char *addr)
{
	const char *host = strncmp(addr, "tcp://", 6) == 0 ? addr + 6 : addr;
	return host[0] != '[' && strspn(host, "0123456789.:*") != strlen(host);
}

/* A name, or an address with colons: IPv6 may be meant. Numbers and dots alone are left to IPv4, which reads better in logs. */
static bool wants_v6(const char *addr)
{
	const char *host = strncmp(addr, "tcp://", 6) == 0 ? addr + 6 : addr;
	return strspn(host, "0123456789.:*") != strlen(host) || host[0] == '*';
}

static void set_common(void *socket, const char *addr)
{
	set_int(socket, ZMQ_LINGER, 0);
	set_int(socket, ZMQ_HEARTBEAT_IVL, 500);
	set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 2000);
	set_int(socket, ZMQ_HEARTBEAT_TTL, 4000);
	set_int(socket, ZMQ_HANDSHAKE_IVL, 3000);
	set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
	set_int(socket, ZMQ_IPV6, wants_v6(addr));
}

static void derive_keys(struct wires *x, const uint8_t secret[SECRET_BYTES])
{
	char secret_z85[41], public_z85[41];
	secret_derive(secret, "mesh curve 1", x->secret_key, sizeof x->secret_key);
	BUG_ON(!zmq_z85_encode(secret_z85, x->secret_key, ZAP_KEY));
	BUG_ON(zmq_curve_public(public_z85, secret_z85) != 0);
	BUG_ON(!zmq_z85_decode(x->public_key, public_z85));
}

/* ---- receiving ---- */

static void touched(struct wires *x)
{
	worker_defer(x->w, &x->again);
}

static void drop_rest(void *socket)
{
	for (int more = 1; more;) {
		zmq_msg_t m;
		zmq_msg_init(&m);
		more = zmq_msg_recv(&m, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&m);
		zmq_msg_close(&m);
	}
}

static void take(struct wires *x, zmq_msg_t *m)
{
	size_t len = zmq_msg_size(m);
	x->stats.frames_in++;
	x->stats.bytes_in += len;
	if (zmq_msg_more(m)) {
		drop_rest(x->pull);
		x->stats.odd++;
		x->events.odd(x->events.arg, "a message of several parts");
		return;
	}
	x->events.frame(x->events.arg, str_span(zmq_msg_data(m), len));
}

static void on_readable(void *arg)
{
	struct wires *x = arg;
	x->more_in = true;
	for (int i = 0; i < FRAMES_A_PASS; i++) {
		zmq_msg_t m;
		zmq_msg_init(&m);
		if (zmq_msg_recv(&m, x->pull, ZMQ_DONTWAIT) < 0) {
			x->more_in = false;
			zmq_msg_close(&m);
			break;
		}
		take(x, &m);
		zmq_msg_close(&m);
	}
	if (x->more_in)
		touched(x);
}

/* ---- sending ---- */

bool wires_send(struct wires *x, unsigned slot, struct str header, struct str body)
{
	struct wire *r = x->wires[slot];
	zmq_msg_t m;
	if (!r || r->want_out)
		return false;
	BUG_ON(zmq_msg_init_size(&m, header.len + body.len) != 0);
	memcpy(zmq_msg_data(&m), header.p, header.len);
	if (body.len)
		memcpy((char *)zmq_msg_data(&m) + header.len, body.p, body.len);
	if (zmq_msg_send(&m, r->push, ZMQ_DONTWAIT) >= 0) {
		x->stats.frames_out++;
		x->stats.bytes_out += header.len + body.len;
		return true;
	}
	BUG_ON(zmq_errno() != EAGAIN);
	zmq_msg_close(&m);
	r->want_out = true;
	touched(x);
	if (!timer_is_set(&x->safety))
		worker_timer_set(x->w, &x->safety, SAFETY_MS);
	return false;
}

static void check_out(struct wire *r)
{
	if (!r->want_out || !(zwatch_ready(r->push) & ZMQ_POLLOUT))
		return;
	r->want_out = false;
	r->x->events.writable(r->x->events.arg, r->slot);
}

/* The descriptor of a PUSH; the call empties its mailbox, else it would stay readable. */
static void on_push(void *arg)
{
	struct wire *r = arg;
	if (r->want_out)
		check_out(r);
	else
		zwatch_ready(r->push);
}

static bool check_all(struct wires *x)
{
	bool waits = false;
	for (unsigned i = 0; i < WIRES_SLOTS; i++) {
		if (x->wires[i] && x->wires[i]->want_out)
			check_out(x->wires[i]);
		waits |= x->wires[i] && x->wires[i]->want_out;
	}
	return waits;
}

static void on_again(struct deferred *d)
{
	struct wires *x = (struct wires *)((char *)d - offsetof(struct wires, again));
	if (!x->pull)
		return;
	check_all(x);
	if (x->more_in)
		on_readable(x);
}

static void on_safety(struct timer *t)
{
	struct wires *x = (struct wires *)((char *)t - offsetof(struct wires, safety));
	if (check_all(x))
		worker_timer_set(x->w, &x->safety, SAFETY_MS);
}

/* ---- connections ---- */

static void knock(struct wire *r);

static void on_knock_again(struct timer *t)
{
	knock((struct wire *)((char *)t - offsetof(struct wire, knock_again)));
}

static void connect_to(struct wire *r, const char *numeric)
{
	if (!*numeric || strcmp(r->numeric, numeric) == 0)
		return;
	if (r->numeric[0])
		zmq_disconnect(r->push, r->numeric);
	snprintf(r->numeric, sizeof r->numeric, "%s", numeric);
	set_int(r->push, ZMQ_IPV6, wants_v6(numeric));
	if (zmq_connect(r->push, numeric) != 0)
		r->x->events.odd(r->x->events.arg, "a peer's address is none of ZeroMQ's");
	zwatch_ready(r->push);
}

static void on_knocked(void *arg, int status, const char *numeric)
{
	struct wire *r = arg;
	bool refused = status == UV_ECONNREFUSED;
	r->knock = NULL;
	if (r->connected)
		return;
	if (r->named)
		connect_to(r, numeric);
	if (refused && r->knocks < KNOCKS_MAX)
		worker_timer_set(r->x->w, &r->knock_again, KNOCK_AGAIN);
	else if (r->named && status != 0)
		worker_timer_set(r->x->w, &r->knock_again, NAME_AGAIN);
	if (refused)
		r->x->events.disconnected(r->x->events.arg, r->slot, true);
}

static void knock(struct wire *r)
{
	if (r->knock || r->connected)
		return;
	r->knocks++;
	r->knock = knock_begin(r->x->w, str_of(r->addr), KNOCK_MS, on_knocked, r);
}

static void on_connection(struct wire *r, int event)
{
	struct wires *x = r->x;
	bool was = r->connected;
	r->connected = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
	if (r->connected) {
		worker_timer_cancel(x->w, &r->knock_again);
		x->events.connected(x->events.arg, r->slot);
		return;
	}
	if (was || r->knocks >= KNOCKS_MAX)
		r->knocks = 0;
	if (!timer_is_set(&r->knock_again))
		knock(r);
	if (was)
		x->events.disconnected(x->events.arg, r->slot, false);
}

/* What an event leads to may close the wire, or this one and open another. */
static void on_monitor(void *arg)
{
	struct wire *r = arg;
	struct wires *x = r->x;
	unsigned slot = r->slot;
	uint64_t serial = r->serial;
	int event;
	uint32_t value;
	while (x->wires[slot] && x->wires[slot]->serial == serial && zmonitor_next(&r->monitor, &event, &value))
		on_connection(r, event);
}

static void set_push(const struct wires *x, struct wire *r)
{
	set_common(r->push, r->addr);
	set_int(r->push, ZMQ_SNDHWM, 64);
	set_int(r->push, ZMQ_IMMEDIATE, 1);
	set_int(r->push, ZMQ_RECONNECT_IVL, 100);
	set_int(r->push, ZMQ_RECONNECT_IVL_MAX, 1000);
	set_int(r->push, ZMQ_CONNECT_TIMEOUT, 1500);
	set_int(r->push, ZMQ_TCP_MAXRT, 4000);
	set_int(r->push, ZMQ_SNDBUF, 1 << 20);
	if (!x->curve)
		return;
	BUG_ON(zmq_setsockopt(r->push, ZMQ_CURVE_SERVERKEY, x->public_key, ZAP_KEY) != 0);
	BUG_ON(zmq_setsockopt(r->push, ZMQ_CURVE_PUBLICKEY, x->public_key, ZAP_KEY) != 0);
	BUG_ON(zmq_setsockopt(r->push, ZMQ_CURVE_SECRETKEY, x->secret_key, ZAP_KEY) != 0);
}

void wires_open(struct wires *x, unsigned slot, struct str addr)
{
	BUG_ON(slot >= WIRES_SLOTS || x->wires[slot] || addr.len > 255);
	struct wire *r = x->wires[slot] = xzalloc(sizeof *r + addr.len + 1);
	memcpy(r->addr, addr.p, addr.len);
	r->x = x;
	r->slot = slot;
	r->serial = ++x->serials;
	r->knock_again.on_timer = on_knock_again;
	r->push = zmq_socket(x->context, ZMQ_PUSH);
	BUG_ON(!r->push);
	set_push(x, r);
	zmonitor_open(&r->monitor, x->context, r->push, MONITORED);
	r->watch = zwatch_new(x->w, r->push, on_push, r);
	zmonitor_watch(&r->monitor, x->w, on_monitor, r);
	r->named = is_named(r->addr);
	bool ok = true;
	if (r->named)
		knock(r); /* ZeroMQ would look the name up on its I/O thread, where all links would wait for a slow name server */
	else
		ok = zmq_connect(r->push, r->addr) == 0;
	if (!ok || (r->named && !r->knock))
		x->events.odd(x->events.arg, "a peer's address is none of ZeroMQ's");
}

void wires_close(struct wires *x, unsigned slot)
{
	struct wire *r = x->wires[slot];
	if (!r)
		return;
	x->wires[slot] = NULL;
	knock_cancel(r->knock);
	worker_timer_cancel(x->w, &r->knock_again);
	zmonitor_close(&r->monitor);
	zwatch_close(r->watch);
	zmq_close(r->push);
	free(r);
}

uint64_t wires_serial(const struct wires *x, unsigned slot)
{
	return x->wires[slot] ? x->wires[slot]->serial : 0;
}

/* ---- life ---- */

static void on_stranger(void *arg, const char *text)
{
	struct wires *x = arg;
	x->stats.strangers++;
	x->events.stranger(x->events.arg, text);
}

static bool bind_pull(struct wires *x, const struct wires_options *o, struct buf *why)
{
	char addr[256];
	size_t size = sizeof x->bound;
	if (o->bind.len >= sizeof addr) {
		buf_addz(why, "the mesh's address is too long");
		return false;
	}
	snprintf(addr, sizeof addr, "%.*s", STR_ARG(o->bind));
	x->pull = zmq_socket(x->context, ZMQ_PULL);
	BUG_ON(!x->pull);
	set_common(x->pull, addr);
	set_int(x->pull, ZMQ_RCVHWM, 256);
	set_int(x->pull, ZMQ_BACKLOG, 256);
	BUG_ON(zmq_setsockopt(x->pull, ZMQ_MAXMSGSIZE, &(int64_t){ MAX_MESSAGE }, sizeof(int64_t)) != 0);
	if (x->curve) {
		set_int(x->pull, ZMQ_CURVE_SERVER, 1);
		BUG_ON(zmq_setsockopt(x->pull, ZMQ_CURVE_SECRETKEY, x->secret_key, ZAP_KEY) != 0);
		BUG_ON(zmq_setsockopt(x->pull, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, sizeof ZAP_DOMAIN - 1) != 0);
	}
	/* The allow-list is there before the first guest, and stays: ZMQ_ZAP_ENFORCE_DOMAIN, which refuses all when it is not, is not in
	 * Debian's libzmq (a draft). */
	x->door = door_new(x->context, x->pull, x->curve ? x->public_key : NULL, on_stranger, x);
	if (zmq_bind(x->pull, addr) != 0) {
		buf_addf(why, "cannot listen on %s: %s", addr, zmq_strerror(zmq_errno()));
		return false;
	}
	return zmq_getsockopt(x->pull, ZMQ_LAST_ENDPOINT, x->bound, &size) == 0;
}

struct wires *wires_new(const struct wires_options *o, const struct wires_events *events, struct buf *why)
{
	struct wires *x = xzalloc(sizeof *x);
	x->events = *events;
	x->curve = o->curve;
	x->again.fn = on_again;
	x->safety.on_timer = on_safety;
	x->context = zmq_ctx_new();
	BUG_ON(!x->context);
	zmq_ctx_set(x->context, ZMQ_IO_THREADS, o->io_threads ? (int)o->io_threads : 1);
	zmq_ctx_set(x->context, ZMQ_MAX_SOCKETS, 4096);
	if (o->curve)
		derive_keys(x, o->secret);
	bool polite = polite_begin(); /* the first socket makes ZeroMQ's threads */
	bool bound = bind_pull(x, o, why);
	if (polite)
		polite_end();
	if (bound)
		return x;
	wires_free(x);
	return NULL;
}

void wires_start(struct wires *x, struct worker *w)
{
	x->w = w;
	door_start(x->door, w);
	x->pull_watch = zwatch_new(w, x->pull, on_readable, x);
}

void wires_stop(struct wires *x)
{
	for (unsigned i = 0; i < WIRES_SLOTS; i++)
		wires_close(x, i);
	if (x->w) {
		worker_timer_cancel(x->w, &x->safety);
		worker_undefer(x->w, &x->again);
	}
	x->w = NULL; /* its owner frees it before us */
	zwatch_close(x->pull_watch);
	door_free(x->door);
	if (x->pull)
		zmq_close(x->pull);
	x->pull = NULL;
	x->door = NULL;
	x->pull_watch = NULL;
}

void wires_free(struct wires *x)
{
	if (!x)
		return;
	wires_stop(x);
	zmq_ctx_term(x->context);
	explicit_bzero(x->secret_key, sizeof x->secret_key);
	free(x);
}

struct str wires_bound(const struct wires *x)
{
	return str_of(x->bound);
}

void wires_stats(const struct wires *x, struct wires_stats *out)
{
	*out = x->stats;
}
