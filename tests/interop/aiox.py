"""aioxmpp: each mechanism, and a chat."""
import asyncio

import aiosasl
import aioxmpp
import aioxmpp.security_layer as security
import OpenSSL.SSL as openssl
from aioxmpp import sasl
from aioxmpp.connector import STARTTLSConnector, XMPPOverTLSConnector

PLUS_BINDINGS = {
    "tls-server-end-point": lambda tls: aiosasl.channel_binding.TLSServerEndPoint(tls.get_extra_info("ssl_object")),
    "tls-unique": lambda tls: aiosasl.channel_binding.TLSUnique(tls.get_extra_info("ssl_object")),
}


class OneMechanism(security.SASLProvider):
    """Exactly one mechanism of aiosasl, with a channel binding or without."""

    def __init__(self, name, password, binding=None):
        self.name, self.password, self.binding = name, password, binding

    async def execute(self, client_jid, features, xmlstream, tls_transport):
        async def credentials():
            return client_jid.localpart, self.password
        if self.name == "PLAIN":
            mechanism = aiosasl.PLAIN(credentials)
        elif self.name == "ANONYMOUS":
            mechanism = aiosasl.ANONYMOUS("")
        elif self.binding:
            mechanism = aiosasl.SCRAMPLUS(credentials, PLUS_BINDINGS[self.binding](tls_transport))
        else:
            mechanism = aiosasl.SCRAM(credentials)
        offered = features[security.SASLMechanisms].get_mechanism_list()
        assert self.name in offered, offered
        token = type(mechanism).any_supported([self.name])
        assert token is not None, f"aiosasl does not know {self.name}"
        machine = aiosasl.SASLStateMachine(sasl.SASLXMPPInterface(xmlstream))
        try:
            await mechanism.authenticate(machine, token)
            return True
        except aiosasl.SASLFailure as err:
            raise err.promote_to_authentication_failure() from None


def layer(server, provider, tls_max=None, ciphers=None):
    def context():
        ctx = openssl.Context(openssl.TLS_METHOD)
        if ciphers:
            ctx.set_cipher_list(ciphers)
        if tls_max:
            ctx.set_max_proto_version(tls_max)
        if server.ca:
            ctx.load_verify_locations(server.ca)
        return ctx
    verifier = security.PKIXCertificateVerifier if server.ca else security._NullVerifier
    return security.SecurityLayer(context, verifier, True, [provider])


async def client(server, jid, provider, direct=False, **tls):
    connector = XMPPOverTLSConnector() if direct else STARTTLSConnector()
    port = server.endpoint["direct" if direct else "starttls"]
    c = aioxmpp.PresenceManagedClient(aioxmpp.JID.fromstr(jid), layer(server, provider, **tls), max_initial_attempts=1,
                                      override_peer=[(server.endpoint["address"], port, connector)])
    inbox = asyncio.Queue()
    dispatcher = c.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
    dispatcher.register_callback(None, None, inbox.put_nowait)
    context = c.connected()
    stream = await asyncio.wait_for(context.__aenter__(), 15)
    return c, context, stream, inbox


async def login_and_chat(server, mech, binding=None, direct=False, **tls):
    users = [f"{name}-{server.tag}" for name in ("three", "four")]
    for user in users:
        if mech != "ANONYMOUS":
            await server.register(user, "localhost", "secret")
    jids = ["anon.localhost"] * 2 if mech == "ANONYMOUS" else [f"{user}@localhost" for user in users]
    pairs = [await client(server, jid, OneMechanism(mech, "secret", binding), direct, **tls) for jid in jids]
    (a, a_context, a_stream, a_inbox), (b, b_context, _, b_inbox) = pairs
    message = aioxmpp.Message(to=b.local_jid, type_=aioxmpp.MessageType.CHAT)
    message.body[None] = "Wherefore & <art> thou?"
    await asyncio.wait_for(a.send(message), 5)
    got = await asyncio.wait_for(b_inbox.get(), 5)
    assert (got.body.any(), got.from_) == ("Wherefore & <art> thou?", a.local_jid), got
    answer = got.make_reply()
    answer.body[None] = "Neither ☃"
    await b.send(answer)
    got = await asyncio.wait_for(a_inbox.get(), 5)
    assert got.body.any() == "Neither ☃", got
    await asyncio.wait_for(aioxmpp.ping.ping(a, aioxmpp.JID.fromstr(jids[0]).replace(localpart=None)), 5)
    for c, context, _, _ in pairs:
        await context.__aexit__(None, None, None)


async def wrong_password(server):
    await server.register(f"wp2-{server.tag}", "localhost", "secret")
    try:
        await client(server, f"wp2-{server.tag}@localhost", OneMechanism("SCRAM-SHA-256", "wrong"))
    except aiosasl.AuthenticationFailure as err:
        assert "not-authorized" in str(err), err
    else:
        raise AssertionError("a wrong password was accepted")


CASES = {f"aioxmpp {mech}": lambda s, mech=mech: login_and_chat(s, mech) for mech in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "ANONYMOUS")}
# This cipher of TLS 1.2 asks for the node's RSA certificate; TLS 1.3 gets the ECDSA one.
RSA = {"tls_max": openssl.TLS1_2_VERSION, "ciphers": b"ECDHE-RSA-AES128-GCM-SHA256"}
CASES["aioxmpp SCRAM-SHA-1-PLUS tls-server-end-point"] = lambda s: login_and_chat(s, "SCRAM-SHA-1-PLUS", "tls-server-end-point")
CASES["aioxmpp SCRAM-SHA-256-PLUS tls-server-end-point, RSA"] = lambda s: login_and_chat(
    s, "SCRAM-SHA-256-PLUS", "tls-server-end-point", **RSA)
CASES["aioxmpp SCRAM-SHA-256-PLUS tls-unique over TLS 1.2"] = lambda s: login_and_chat(
    s, "SCRAM-SHA-256-PLUS", "tls-unique", tls_max=openssl.TLS1_2_VERSION)
CASES["aioxmpp direct TLS"] = lambda s: login_and_chat(s, "SCRAM-SHA-256", direct=True)
CASES["aioxmpp wrong password"] = wrong_password
