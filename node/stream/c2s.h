/*
 * c2s.h: a client's stream (RFC 6120): header, STARTTLS, SASL, restart, binding, stanzas, end.
 *
 * Lives on the worker that accepted it until it has authenticated, then moves once to its account's shard (core/node.h).
 *
 *   HEADER -<stream:stream>-> NEGOTIATE -<starttls/>-> SECURING -handshake-> HEADER
 *   NEGOTIATE -<auth/>-> AUTH -failure-> NEGOTIATE;  AUTH -success-> (move) -> HEADER -> BINDING -<bind/>-> OPEN
 *   any -error, </stream:stream>, shutdown-> CLOSING -wire is gone-> freed
 */
#ifndef NODE_STREAM_C2S_H
#define NODE_STREAM_C2S_H

#include "node/core/node.h"
#include "node/core/outlet.h"
#include "node/net/conn.h"
#include "node/net/listener.h"
#include "proto/base/bucket.h"

enum c2s_state { C2S_HEADER, C2S_NEGOTIATE, C2S_SECURING, C2S_AUTH, C2S_BINDING, C2S_OPEN, C2S_CLOSING, C2S_STATE_COUNT };

struct auth;
struct early;
struct edge;
struct jam;
struct replay;

/* A session that the client wants to resume. */
struct resumption {
	uint32_t h;
	unsigned tries;
	struct str previd; /* behind this */
};

struct c2s {
	struct c2s *next, **prev; /* the worker's list */
	struct node_worker *nw;
	struct conn *conn;
	struct xml_reader *reader;
	struct host *host;        /* from the stream header's `to` */
	struct auth *auth;        /* an exchange under way */
	struct early *early;      /* a request under way */
	struct session *session;  /* when OPEN, of this worker */
	struct resumption *resume; /* one under way (sm_stream.c); mostly NULL */
	struct edge *edge;        /* its session is elsewhere, or being sought (edge.h) */
	struct replay *replay;    /* what its session has not heard yet (replay.h) */
	const struct jid *who;    /* its full JID; NULL until OPEN */
	struct outlet outlet;     /* the session's way to the client */
	char *account;            /* bare JID once authenticated; freed when bound */
	struct timer timer;       /* until OPEN: the deadline; then: idleness */
	struct timer pause;       /* not read until then */
	void (*after_pause)(struct c2s *c); /* may be NULL */
	struct bucket stanzas, bytes; /* what it may still send (core/limits.h) */
	uint64_t bytes_seen;      /* of conn->bytes_in: paid for, and counted */
	struct jam *jam;          /* who fills its output too fast (jam.h); mostly NULL */
	struct lag *lag;          /* stanzas that are queued (core/lag.h) */
	uint64_t sent_seen;       /* of conn->bytes_out: counted */
	uint32_t unsent_seen, held_bytes; /* memory that is counted for output, and for the stream itself */
	uint64_t number;          /* for logs: unique in this process */
	uint32_t holds;
	uint8_t state, sasl_failures, sasl_error;
	bool direct_tls, plain_allowed, header_sent, authenticated, fresh, counted, overflowed, moving;
};

/* A connection was accepted for this listener. Consumes fd. */
void c2s_accept(struct node_worker *nw, const struct listen_spec *spec, int fd, const struct sockaddr *peer);
bool c2s_is_secure(const struct c2s *c);
/* The stream that this is a part of. */
static inline struct c2s *c2s_of(const struct outlet *o) { return (struct c2s *)((char *)o - offsetof(struct c2s, outlet)); }
/* May this client go on without TLS? */
bool c2s_plain_is_fine(const struct c2s *c);
/* Queues a stanza for the client. One that lets its queue grow past the ceiling is closed with resource-constraint, but never inside
 * this call:
 * sessions stay while somebody walks over them. */
void c2s_send(struct c2s *c, const struct stanza *st);
/* The same for an element that is no stanza (SASL, features). */
void c2s_send_elem(struct c2s *c, const struct elem *e);
/* Ends the stream: an error (STREAM_ERROR_NONE: just the end), then the wire. Its session is gone when this returns, or waits for its
 * client to resume it, when it was not the client's fault nor its wish that it ends (sm_session.h). */
void c2s_close(struct c2s *c, enum stream_error e, struct str text);
/* With an application-specific condition as bytes. */
void c2s_close_with(struct c2s *c, enum stream_error e, struct str text, struct str extra);
/* All streams of a worker: with this error; or without a word. */
void c2s_close_all(struct node_worker *nw, enum stream_error e);
void c2s_abort_all(struct node_worker *nw);
void c2s_hold(struct c2s *c);
void c2s_release(struct c2s *c);
/* Not read for so long; then `then`, which may be NULL. Takes the place of a pause under way. */
void c2s_pause(struct c2s *c, uint64_t for_ms, void (*then)(struct c2s *c));

/* ---- between the files of this folder ---- */

void c2s_enter(struct c2s *c, enum c2s_state to);
enum transport c2s_transport(const struct c2s *c);
/* It is bound to a session of this worker. */
void c2s_open(struct c2s *c, const struct jid *full, uint64_t hlc);
/* As c2s_send, for a stanza that is bytes already. */
void c2s_send_wire(struct c2s *c, enum stanza_kind kind, struct str bytes);
/* The same for an element that is no stanza. */
void c2s_send_word(struct c2s *c, struct str bytes);
/* It is this session's stream now; the session is told so by sm_session_resume. */
void c2s_take_over(struct c2s *c, struct session *s);
/* Its session goes, and with it the releases that it waits for; it is not read until the next c2s_hold and c2s_release. */
void c2s_forget_holds(struct c2s *c);
/* Authenticated as `bare`: goes to the account's shard and awaits the new header. */
void c2s_authenticated(struct c2s *c, const struct jid *bare);
/* A new stream on the same wire must begin. */
void c2s_restart(struct c2s *c);
/* auth.c: an element in the SASL namespace, while NEGOTIATE or AUTH. Frees nothing of item. */
void auth_on_element(struct c2s *c, const struct elem *e);
/* Appends <mechanisms/> and <sasl-channel-binding/>. */
void auth_features(struct c2s *c, struct arena *a, struct elem *features);
/* Forgets an exchange; what runs in the background ends by itself. */
void auth_drop(struct c2s *c);
/* early.c: a stanza, or what looks like one, before authentication. Consumes item->arena. */
void early_on_element(struct c2s *c, struct xml_item *item);
/* Forgets a request; what runs in the background ends by itself. */
void early_drop(struct c2s *c);
/* sm_stream.c: stream management. */
/* Appends <sm/> after authentication, if it is on offer. */
void sm_stream_features(struct c2s *c, struct arena *a, struct elem *features);
/* An element of NS_SM, in any state. Consumes item->arena. */
void sm_stream_on_element(struct c2s *c, struct xml_item *item);
/* Forgets a resumption under way. */
void sm_stream_drop(struct c2s *c);
/* edge.c: of a resumption that was asked for at another node: its home is not there; it was refused (h: NULL, or how many stanzas were
 * handled); it is done: the stream is OPEN, and the rest comes from there. */
void sm_stream_again(struct c2s *c);
void sm_stream_refused(struct c2s *c, const uint32_t *h);
void sm_stream_resumed(struct c2s *c);
/* The home is asked for the last time: then it resumes the session, whatever of the client's is still under way. */
bool sm_stream_is_last_try(const struct c2s *c);
/* A word as bytes that an earlier home did not get. */
void sm_stream_say_again(struct c2s *c, struct str word);
/* bind.c */
/* It is OPEN: no deadline to log in any more. */
void bind_done(struct c2s *c);
/* A session of this worker, and the answer; both consume st. */
void bind_here(struct c2s *c, struct stanza *st, const struct jid *full, uint64_t hlc);
void bind_refuse(struct c2s *c, struct stanza *st, enum stanza_error e, struct str text);
/* It is bound to a session of another node: just the answer. Consumes st. False: the stream has ended. */
bool bind_answer(struct c2s *c, struct stanza *st, const struct jid *full);
/* Any stanza while BINDING. Consumes st. */
void bind_on_stanza(struct c2s *c, struct stanza *st, enum stanza_error error);

#endif
