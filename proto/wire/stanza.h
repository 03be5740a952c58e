/*
 * stanza.h: an element tree with what every hop asks of it: kind, type, from, to, id.
 *
 * Invariants: frozen once a second holder can see it; counted, and shared across threads from then on (the count is atomic, the rest is
 * immutable). The struct lives in its own arena, which dies with the last reference.
 * `from` and `to` are prepared addresses; the tree carries the same text.
 */
#ifndef PROTO_WIRE_STANZA_H
#define PROTO_WIRE_STANZA_H

#include <stdatomic.h>

#include "proto/addr/jid.h"
#include "proto/base/errors.h"
#include "proto/xml/elem.h"
#include "proto/xml/writer.h"

enum stanza_kind { STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };

/* RFC 6121 sections 5.2.2 and 4.7.1, RFC 6120 section 8.2.3. One enum for all: a type is only compared within its kind. */
enum stanza_type {
	TYPE_NORMAL, TYPE_CHAT, TYPE_GROUPCHAT, TYPE_HEADLINE, /* message */
	TYPE_AVAILABLE, TYPE_UNAVAILABLE, TYPE_SUBSCRIBE, TYPE_SUBSCRIBED, TYPE_UNSUBSCRIBE, TYPE_UNSUBSCRIBED, TYPE_PROBE, /* presence */
	TYPE_GET, TYPE_SET, TYPE_RESULT, /* iq */
	TYPE_ERROR /* all three */
};

struct stanza {
	_Atomic uint32_t refs;
	enum stanza_kind kind;
	enum stanza_type type;
	struct arena *arena;
	const struct elem *root;
	struct jid from, to; /* absent when the stanza has none */
	struct str id;       /* absent when the stanza has none */
	int64_t received_ms; /* when it first came, as who kept it knows (XEP-0203); 0: just now */
	struct str wire;     /* stanza_prewrite: its bytes on a client stream; absent usually */
	struct xml_patch patch; /* where `to` lies in them */
};

/* Classifies a first-level element of `content_ns`; consumes its arena. When it is a stanza that breaks a rule (malformed `to` or
 * `from`, an
 * unknown type of IQ or presence, an IQ without id or with the wrong number of children), it comes back with *error set to the stanza error
 * that answers it. NULL with the arena freed when it is no stanza at all (unsupported-stanza-type). */
struct stanza *stanza_from_elem(struct arena **arena, struct elem *root, struct str content_ns, enum stanza_error *error);
/* A new stanza of ours, in `arena` (consumed), around a root from stanza_root; from and to may be NULL or absent. */
struct stanza *stanza_new(struct arena **arena, struct elem *root, const struct jid *from, const struct jid *to);
struct stanza *stanza_ref(struct stanza *s);
/* NULL is fine. */
void stanza_unref(struct stanza *s);
/* Another stanza with the same content, children shared and kept alive with the old one, for other addresses; NULL keeps an address. */
struct stanza *stanza_readdress(struct stanza *s, const struct jid *from, const struct jid *to);
/* For fan-out: writes a frozen stanza that has a `to` once. Those that stanza_readdress makes of it with another `to` alone share the
 * bytes. */
void stanza_prewrite(struct stanza *s);
/* The same for one that was just read from these bytes, which stanza_write wrote; they are copied. One without a `to` stays as it is. */
void stanza_written(struct stanza *s, struct str bytes);
/* Appends the stanza as it stands on a client stream (xml_write with jabber:client). Past the buf's ceiling nothing of it stays. */
void stanza_write(struct buf *out, const struct stanza *s);
/* Before it is frozen: sets the attribute and the address; the address is copied. */
void stanza_stamp_from(struct stanza *s, const struct jid *from);
void stanza_stamp_to(struct stanza *s, const struct jid *to);

/* The kinds and types by their XML names: "message", "groupchat". A normal message and an available presence have no type attribute:
 * absent. */
struct str stanza_kind_name(enum stanza_kind k);
struct str stanza_type_name(enum stanza_kind k, enum stanza_type t);
/* A root for a new stanza: <message/>, <presence/> or <iq/> in jabber:client with a type attribute where the type has one. */
struct elem *stanza_root(struct arena *a, enum stanza_kind k, enum stanza_type t);

/* An error reply (RFC 6120 section 8.3): from and to swapped, the original's payload left out. NULL for an error and for an IQ result,
 * which are never answered with one. `text` may be absent; `extra` (an application-specific condition) may be NULL. */
struct stanza *stanza_error_reply(const struct stanza *s, enum stanza_error e, struct str text, const struct elem *extra);
/* The same with another error type than the condition has by default (section 8.3.2); a literal. */
struct stanza *stanza_error_reply_as(const struct stanza *s, enum stanza_error e, struct str type, struct str text,
				     const struct elem *extra);
/* An empty <iq type='result'/> in reply to an IQ request, ready for a payload under *root. */
struct stanza *stanza_result(const struct stanza *iq, struct elem **root);

static inline bool stanza_is_request(const struct stanza *s)
{
	return s->kind == STANZA_IQ && (s->type == TYPE_GET || s->type == TYPE_SET);
}
/* The one child element of an IQ request; NULL if there is none or more than one. */
const struct elem *stanza_payload(const struct stanza *s);

#endif
