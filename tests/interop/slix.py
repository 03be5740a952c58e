"""slixmpp: each mechanism, and a chat. One process per login: its clients hold global state, and some of them fail by waiting."""
import asyncio
import ssl

import slixmpp


class Slix(slixmpp.ClientXMPP):
    """A slixmpp client with one mechanism forced. It trusts `ca` only, or without it anybody."""

    def __init__(self, jid, password, mech=None, ca=None, bind_channel=False, tls_max=None):
        # What slixmpp takes for tls-unique on TLS 1.3 is none (RFC 9266 section 1); without binding data it says so honestly.
        def credentials(required, optional):
            values = self["feature_mechanisms"]._default_credentials(required, optional)
            if not bind_channel and "channel_binding" in values:
                values["channel_binding"] = None
            return values
        super().__init__(jid, password, sasl_mech=mech, plugin_config={"feature_mechanisms": {"sasl_callback": credentials}})
        self.ssl_context.check_hostname = bool(ca)
        self.ssl_context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
        self.ca_certs = ca
        if tls_max:
            self.ssl_context.maximum_version = tls_max
        self.ready = asyncio.get_running_loop().create_future()
        self.inbox = asyncio.Queue()
        self.add_event_handler("session_start", lambda _: self.settle(None))
        for event in ("failed_all_auth", "connection_failed", "ssl_invalid_chain"):
            self.add_event_handler(event, lambda why, event=event: self.settle(f"{event}: {why}"))
        self.add_event_handler("message", self.inbox.put_nowait)
        self.register_plugin("xep_0199")
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0092")
        self.register_plugin("xep_0202")

    def settle(self, problem):
        if not self.ready.done():
            self.ready.set_exception(AssertionError(problem)) if problem else self.ready.set_result(True)

    async def login(self, endpoint, direct=False):
        self.connect((endpoint["address"], endpoint["direct" if direct else "starttls"]), use_ssl=direct, force_starttls=not direct)
        await asyncio.wait_for(self.ready, 10)
        self.send_presence()
        return self

    async def logout(self):
        gone = asyncio.get_running_loop().create_future()
        self.add_event_handler("disconnected", lambda _: gone.done() or gone.set_result(True))
        self.disconnect()
        await asyncio.wait_for(gone, 10)


async def login_and_chat(server, mech, direct=False, **options):
    """Two clients with that mechanism, a message each way, a request to the server."""
    one, two = f"one-{server.tag}", f"two-{server.tag}"
    await server.register(one, "localhost", "secret")
    await server.register(two, "localhost", "secret")
    a = await Slix(f"{one}@localhost/a", "secret", mech, server.ca, **options).login(server.endpoint, direct)
    b = await Slix(f"{two}@localhost/b", "secret", mech, server.ca, **options).login(server.endpoint, direct)
    await chat(a, b)
    await a["xep_0199"].ping("localhost", timeout=5)
    info = await a["xep_0030"].get_info(jid="localhost", timeout=5)
    assert "urn:xmpp:ping" in info["disco_info"]["features"], info
    await a.logout()
    await b.logout()


async def chat(a, b):
    a.send_message(mto=b.boundjid.full, mbody="Art thou not Romeo & a <Montague>?", mtype="chat")
    got = await asyncio.wait_for(b.inbox.get(), 5)
    assert (got["body"], got["from"].full) == ("Art thou not Romeo & a <Montague>?", a.boundjid.full), got
    got.reply("Neither, fair saint ☃").send()
    got = await asyncio.wait_for(a.inbox.get(), 5)
    assert (got["body"], got["type"]) == ("Neither, fair saint ☃", "chat"), got


async def wrong_password(server):
    await server.register(f"wp-{server.tag}", "localhost", "secret")
    client = Slix(f"wp-{server.tag}@localhost", "wrong", "SCRAM-SHA-256", server.ca)
    try:
        await client.login(server.endpoint)
    except AssertionError as err:
        assert "failed_all_auth" in str(err), err
    else:
        raise AssertionError("a wrong password was accepted")
    finally:
        client.abort()


async def anonymous(server):
    a = await Slix("anon.localhost", "", "ANONYMOUS", server.ca).login(server.endpoint)
    b = await Slix("anon.localhost", "", "ANONYMOUS", server.ca).login(server.endpoint)
    assert a.boundjid.bare != b.boundjid.bare, a.boundjid
    await chat(a, b)
    await a.logout()
    await b.logout()


async def resume(server):
    """One whose connection is cut resumes: it gets what came meanwhile, and its own messages are acknowledged; no new session begins."""
    one, two = f"sm1-{server.tag}", f"sm2-{server.tag}"
    await server.register(one, "localhost", "secret")
    await server.register(two, "localhost", "secret")
    a = Slix(f"{one}@localhost/a", "secret", "SCRAM-SHA-256", server.ca)
    a.register_plugin("xep_0198")
    seen = {name: asyncio.Queue() for name in ("sm_enabled", "session_resumed", "session_start", "disconnected", "stanza_acked", "sm_failed")}
    for name, queue in seen.items():
        a.add_event_handler(name, queue.put_nowait)
    await a.login(server.endpoint)
    b = await Slix(f"{two}@localhost/b", "secret", "SCRAM-SHA-256", server.ca).login(server.endpoint)
    await asyncio.wait_for(seen["sm_enabled"].get(), 10)
    await chat(a, b)
    a.transport.abort()
    await asyncio.wait_for(seen["disconnected"].get(), 10)
    b.send_message(mto=a.boundjid.full, mbody="one", mtype="chat")
    b.send_message(mto=a.boundjid.bare, mbody="two", mtype="chat")
    a.connect((server.endpoint["address"], server.endpoint["starttls"]))
    await asyncio.wait_for(seen["session_resumed"].get(), 10)
    for body in ("one", "two"):
        got = await asyncio.wait_for(a.inbox.get(), 10)
        assert got["body"] == body, got
    await chat(a, b)
    while not seen["stanza_acked"].empty():
        seen["stanza_acked"].get_nowait()
    a["xep_0198"].request_ack()
    await asyncio.wait_for(seen["stanza_acked"].get(), 10)
    assert seen["session_start"].qsize() == 1 and seen["sm_failed"].empty(), seen
    await a.logout()
    await b.logout()


TLS12 = ssl.TLSVersion.TLSv1_2
CASES = {f"slixmpp {mech}": lambda s, mech=mech: login_and_chat(s, mech)
         for mech in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")}
CASES.update({f"slixmpp {mech} over TLS 1.2": lambda s, mech=mech: login_and_chat(s, mech, bind_channel=True, tls_max=TLS12)
              for mech in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS")})
CASES["slixmpp as it comes"] = lambda s: login_and_chat(s, None, bind_channel=True)
CASES["slixmpp direct TLS"] = lambda s: login_and_chat(s, "SCRAM-SHA-256", direct=True)
CASES["slixmpp ANONYMOUS"] = anonymous
CASES["slixmpp resumes"] = resume
CASES["slixmpp wrong password"] = wrong_password
