/*
 * names.h: the namespaces that Starling speaks, one row each. NS_CLIENT and so on are `struct str` values.
 */
#ifndef PROTO_XML_NAMES_H
#define PROTO_XML_NAMES_H

#include "proto/base/str.h"

/* X(symbol, URI) */
#define XML_NAMESPACES(X)                                             \
	X(XML, "http://www.w3.org/XML/1998/namespace")                \
	X(STREAMS, "http://etherx.jabber.org/streams")                \
	X(CLIENT, "jabber:client")                                    \
	X(SERVER, "jabber:server")                                    \
	X(STREAM_ERRORS, "urn:ietf:params:xml:ns:xmpp-streams")       \
	X(STANZA_ERRORS, "urn:ietf:params:xml:ns:xmpp-stanzas")       \
	X(TLS, "urn:ietf:params:xml:ns:xmpp-tls")                     \
	X(SASL, "urn:ietf:params:xml:ns:xmpp-sasl")                   \
	X(SASL_CB, "urn:xmpp:sasl-cb:0")                              \
	X(BIND, "urn:ietf:params:xml:ns:xmpp-bind")                   \
	X(SESSION, "urn:ietf:params:xml:ns:xmpp-session")             \
	X(ROSTER, "jabber:iq:roster")                                 \
	X(ROSTER_VER, "urn:xmpp:features:rosterver")                  \
	X(PREAPPROVAL, "urn:xmpp:features:pre-approval")              \
	X(PING, "urn:xmpp:ping")                                      \
	X(VERSION, "jabber:iq:version")                               \
	X(TIME, "urn:xmpp:time")                                      \
	X(DISCO_INFO, "http://jabber.org/protocol/disco#info")        \
	X(DISCO_ITEMS, "http://jabber.org/protocol/disco#items")      \
	X(CAPS, "http://jabber.org/protocol/caps")                    \
	X(DELAY, "urn:xmpp:delay")                                    \
	X(DATA_FORMS, "jabber:x:data")                                \
	X(RSM, "http://jabber.org/protocol/rsm")                      \
	X(REGISTER, "jabber:iq:register")                             \
	X(REGISTER_FEATURE, "http://jabber.org/features/iq-register") \
	X(VCARD, "vcard-temp")                                        \
	X(VCARD_UPDATE, "vcard-temp:x:update")                        \
	X(PRIVATE, "jabber:iq:private")                               \
	X(BLOCKING, "urn:xmpp:blocking")                              \
	X(BLOCKING_ERRORS, "urn:xmpp:blocking:errors")                \
	X(LAST, "jabber:iq:last")                                     \
	X(COMMANDS, "http://jabber.org/protocol/commands")            \
	X(ADMIN, "http://jabber.org/protocol/admin")                  \
	X(SERVERINFO, "http://jabber.org/network/serverinfo")         \
	X(STREAM_LIMITS, "urn:xmpp:stream-limits:0")                  \
	X(OFFLINE_FEATURE, "msgoffline")                              \
	X(CARBONS, "urn:xmpp:carbons:2")                              \
	X(HINTS, "urn:xmpp:hints")                                    \
	X(SM, "urn:xmpp:sm:3")                                        \
	X(FORWARD, "urn:xmpp:forward:0")                              \
	X(STANZA_IDS, "urn:xmpp:sid:0")                               \
	X(CHATSTATES, "http://jabber.org/protocol/chatstates")        \
	X(RECEIPTS, "urn:xmpp:receipts")                              \
	X(IMPORT_EXPORT, "urn:xmpp:pie:0")                            \
	X(IMPORT_SCRAM, "urn:xmpp:pie:0#scram")                       \
	X(XINCLUDE, "http://www.w3.org/2001/XInclude")                \
	X(PRIVACY, "jabber:iq:privacy")                               \
	X(MUC_USER, "http://jabber.org/protocol/muc#user")

#define X(sym, uri) extern const struct str NS_##sym;
XML_NAMESPACES(X)
#undef X

/* The row that equals `uri` (its bytes live forever), or absent. */
struct str names_find(struct str uri);

#endif
