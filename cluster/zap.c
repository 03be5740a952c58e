#include "cluster/zap.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "proto/base/err.h"
#include "proto/base/str.h"

/* A request's parts, in RFC 27's order. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS, PARTS };
#define PART_MAX 256

struct request {
	unsigned n;
	size_t len[PARTS];
	char part[PARTS][PART_MAX];
};

bool zap_open(struct zap *z, void *context, const uint8_t allowed[ZAP_KEY])
{
	int linger = 0;
	memcpy(z->allowed, allowed, ZAP_KEY);
	z->socket = zmq_socket(context, ZMQ_REP);
	BUG_ON(!z->socket);
	zmq_setsockopt(z->socket, ZMQ_LINGER, &linger, sizeof linger);
	if (zmq_bind(z->socket, "inproc://zeromq.zap.01") == 0)
		return true;
	zap_close(z);
	return false;
}

void zap_close(struct zap *z)
{
	if (z->socket)
		zmq_close(z->socket);
	z->socket = NULL;
}

/* False: there is none. Parts past the expected, and bytes past a part's room, are counted and dropped: the request is not sound then. */
static bool read_request(struct zap *z, struct request *r)
{
	bool more = true;
	r->n = 0;
	while (more) {
		zmq_msg_t m;
		zmq_msg_init(&m);
		if (zmq_msg_recv(&m, z->socket, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&m);
			return false;
		}
		if (r->n < PARTS) {
			r->len[r->n] = zmq_msg_size(&m);
			if (r->len[r->n] <= PART_MAX)
				memcpy(r->part[r->n], zmq_msg_data(&m), r->len[r->n]);
		}
		r->n++;
		more = zmq_msg_more(&m);
		zmq_msg_close(&m);
	}
	return true;
}

static bool part_is(const struct request *r, unsigned i, struct str want)
{
	return r->len[i] == want.len && memcmp(r->part[i], want.p, want.len) == 0;
}

static bool is_sound(const struct request *r)
{
	return r->n == PARTS && part_is(r, VERSION, STR("1.0")) && r->len[REQUEST_ID] <= PART_MAX && r->len[ADDRESS] < PART_MAX;
}

static bool is_allowed(const struct zap *z, const struct request *r)
{
	return part_is(r, DOMAIN, STR(ZAP_DOMAIN)) && part_is(r, MECHANISM, STR("CURVE")) && r->len[CREDENTIALS] == ZAP_KEY &&
	       str_eq_consttime(str_span(r->part[CREDENTIALS], ZAP_KEY), str_span((const char *)z->allowed, ZAP_KEY));
}

static void reply_part(struct zap *z, struct str s, bool more)
{
	/* REP towards libzmq's own sessions: it drops what has no taker, and never blocks. */
	zmq_send(z->socket, s.p, s.len, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
}

static void reply(struct zap *z, struct str request_id, bool allowed)
{
	reply_part(z, STR("1.0"), true);
	reply_part(z, request_id, true);
	reply_part(z, allowed ? STR("200") : STR("400"), true);
	reply_part(z, allowed ? STR("OK") : STR("not this cluster's key"), true);
	reply_part(z, allowed ? STR("node") : STR(""), true);
	reply_part(z, STR(""), false);
}

void zap_answer(struct zap *z, void (*on_denied)(void *arg, const char *address), void *arg)
{
	struct request r;
	while (z->socket && read_request(z, &r)) {
		char address[PART_MAX] = "an unknown address";
		bool sound = is_sound(&r), allowed = sound && is_allowed(z, &r);
		if (sound && r.len[ADDRESS])
			snprintf(address, sizeof address, "%.*s", (int)r.len[ADDRESS], r.part[ADDRESS]);
		reply(z, sound ? str_span(r.part[REQUEST_ID], r.len[REQUEST_ID]) : STR(""), allowed);
		if (!allowed)
			on_denied(arg, address);
	}
}

