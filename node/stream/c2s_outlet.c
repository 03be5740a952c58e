/* What a session sees of its stream. */
#include "node/core/session.h"
#include "node/net/tls.h"
#include "node/stream/c2s.h"

static void outlet_send(struct outlet *o, const struct stanza *st)
{
	c2s_send(c2s_of(o), st);
}

static void outlet_send_wire(struct outlet *o, unsigned kind, struct str bytes)
{
	if (kind == OUTLET_WORD)
		c2s_send_word(c2s_of(o), bytes);
	else
		c2s_send_wire(c2s_of(o), (enum stanza_kind)kind, bytes);
}

static void outlet_hold(struct outlet *o)
{
	c2s_hold(c2s_of(o));
}

static void outlet_release(struct outlet *o)
{
	c2s_release(c2s_of(o));
}

static void outlet_pause(struct outlet *o, uint32_t for_ms)
{
	c2s_pause(c2s_of(o), for_ms, NULL);
}

static void outlet_close(struct outlet *o, enum stream_error e, struct str text, struct str extra)
{
	c2s_close_with(c2s_of(o), e, text, extra);
}

static void outlet_leave(struct outlet *o)
{
	struct c2s *c = c2s_of(o);
	c->session = NULL;
	c->who = NULL;
	c2s_close(c, STREAM_CONFLICT, STR("the session goes on at another connection"));
}

static void outlet_describe(const struct outlet *o, struct outlet_info *out)
{
	const struct c2s *c = c2s_of(o);
	const struct conn *conn = c->conn;
	*out = (struct outlet_info){ .port = conn->peer_port, .queue_bytes = conn_unsent(conn), .holds = c->holds };
	conn_peer_text(conn, out->ip);
	if (conn->ssl)
		tls_describe(conn->ssl, out->tls, sizeof out->tls);
}

static const struct outlet_ops outlet_ops = {
	.send = outlet_send, .send_wire = outlet_send_wire, .hold = outlet_hold, .release = outlet_release, .pause = outlet_pause,
	.close = outlet_close, .leave = outlet_leave, .describe = outlet_describe,
};

static void outlet_make(struct c2s *c)
{
	c->outlet.ops = &outlet_ops; /* what its jam has said of it stays */
	c->outlet.transport = (uint8_t)c2s_transport(c);
	c->outlet.secure = c2s_is_secure(c);
}

void c2s_open(struct c2s *c, const struct jid *full, uint64_t hlc)
{
	outlet_make(c);
	c->session = session_new(c->nw, c->host, full, &c->outlet, hlc);
	c->who = &c->session->jid;
}

void c2s_take_over(struct c2s *c, struct session *s)
{
	outlet_make(c);
	c->session = s;
	c->who = &s->jid;
}
