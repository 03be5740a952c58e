"""A minimal XMPP client for tests: it negotiates as far as asked, and gets out of the way."""
import asyncio
import base64
import itertools

from . import sasl, wire
from .stanza import NS, Elem, parse
from xml.sax.saxutils import quoteattr

STAGES = ["nothing", "connection", "stream", "tls", "authenticated", "bound"]


class Unexpected(Exception):
    """The server answered something else than the negotiation needs."""


class Client:
    """endpoint: {"address", "starttls", "direct", "plain"} of a node. tls: "starttls", "direct" or "none"."""

    ids = itertools.count(1)

    def __init__(self, name, endpoint, user, host, password=None, resource=None, tls="starttls", split=0, mech=None, log=None, **opts):
        self.name, self.endpoint = name, endpoint
        self.user, self.host, self.password, self.resource = user, host, password, resource
        self.tls, self.split, self.mech, self.opts = tls, split, mech, opts
        self.log = log or (lambda direction, text: None)
        self.stage = "nothing"
        self.features = None
        self.header = None
        self.jid = None
        self.mechanism = None
        self.wire = None
        self.kept = []  # stanzas that a sync round trip set aside

    def reached(self, stage):
        return STAGES.index(self.stage) >= STAGES.index(stage)

    # ---- sending and receiving ----
    async def send(self, text):
        await self.wire.send(text, self.split)

    async def next(self, timeout=None, what="something"):
        if self.kept:
            return self.kept.pop(0)
        return await self.wire.next(timeout, f"{what} at {self.name}")

    async def expect(self, kind, what):
        got, value = await self.next(what=what)
        if got != kind:
            raise Unexpected(f"{self.name} expected {what}, but got {got} {value if value is not None else ''}")
        return value

    async def expect_stanza(self, ns, name):
        e = await self.expect("stanza", f"<{name}/>")
        if not e.is_(ns, name):
            raise Unexpected(f"{self.name} expected <{name}/>, but got {e}")
        return e

    # ---- negotiation, each step up to its stage ----
    async def open_connection(self):
        self.wire = wire.Wire(self.log, self.opts.get("lag", 0.0))
        self.kept = []
        direct = self.tls == "direct"
        port = self.endpoint[self.opts.get("port") or {"direct": "direct", "none": "plain"}.get(self.tls, "starttls")]
        context = wire.client_context(self.opts.get("tls_max"), self.opts.get("alpn", "xmpp-client")) if direct else None
        await self.wire.open(port, self.opts.get("address", self.endpoint["address"]), context, self.host, self.opts.get("preamble", b""))
        self.stage = "connection"

    def header_text(self):
        spaces = f"xmlns='{NS['client']}' xmlns:stream='{NS['streams']}'"
        return f"<?xml version='1.0'?><stream:stream {spaces} to={quoteattr(self.host)} version='1.0'>"

    async def open_stream(self):
        """Sends a header; takes the server's header and features."""
        if not self.reached("connection"):
            await self.open_connection()
        self.wire.restart()
        await self.send(self.header_text())
        self.header = await self.expect("open", "a stream header")
        self.features = await self.expect_stanza("streams", "features")
        if not self.reached("stream"):
            self.stage = "stream"

    async def handshake(self):
        await self.wire.start_tls(wire.client_context(self.opts.get("tls_max")), self.host)
        self.stage = "tls"

    async def negotiate_tls(self):
        if not self.reached("stream"):
            await self.open_stream()
        if self.tls == "starttls":
            await self.send(f"<starttls xmlns='{NS['tls']}'/>")
            await self.expect_stanza("tls", "proceed")
            await self.handshake()
            await self.open_stream()
        elif not self.reached("tls"):
            self.stage = "tls"

    def offered(self):
        block = self.features.child("mechanisms", NS["sasl"])
        return [m.text() for m in block.elems()] if block else []

    def binding(self):
        """(name, data) of the first channel binding that both sides know, or (None, None)."""
        block = self.features.child("sasl-channel-binding", NS["cb"])
        offered = [e.get("type") for e in block.elems()] if block else []
        for name in offered or ["tls-exporter", "tls-unique", "tls-server-end-point"]:
            data = self.wire.channel_binding(name)
            if data is not None:
                return name, data
        return None, None

    async def authenticate(self, mech=None):
        """Raises Unexpected with the failure if the server refuses."""
        if not self.reached("tls"):
            await self.negotiate_tls()
        mech = mech or self.mech or ("ANONYMOUS" if self.opts.get("anonymous") else None)
        mech = self.mechanism = sasl.choose(self.offered(), mech)
        if mech == "ANONYMOUS":
            await self.send(f"<auth xmlns='{NS['sasl']}' mechanism='ANONYMOUS'/>")
            await self.expect_stanza("sasl", "success")
        elif mech == "PLAIN":
            await self.send(f"<auth xmlns='{NS['sasl']}' mechanism='PLAIN'>{sasl.b64(sasl.plain(self.user, self.password))}</auth>")
            await self.expect_stanza("sasl", "success")
        else:
            await self.scram(mech)
        self.stage = "authenticated"
        await self.open_stream()

    async def scram(self, mech):
        name, data = self.binding() if mech.endswith("-PLUS") else (None, b"")
        s = sasl.Scram(mech, self.user, self.password, cb_name=name, cb_data=data, gs2_flag=self.opts.get("gs2"))
        await self.send(f"<auth xmlns='{NS['sasl']}' mechanism='{mech}'>{sasl.b64(s.first())}</auth>")
        challenge = await self.expect_stanza("sasl", "challenge")
        answer = await asyncio.get_running_loop().run_in_executor(None, s.final, base64.b64decode(challenge.text()))
        await self.send(f"<response xmlns='{NS['sasl']}'>{sasl.b64(answer)}</response>")
        success = await self.expect_stanza("sasl", "success")
        s.check(base64.b64decode(success.text()))

    async def bind(self):
        resource = f"<resource>{self.resource}</resource>" if self.resource else ""
        await self.send(f"<iq type='set' id='bind'><bind xmlns='{NS['bind']}'>{resource}</bind></iq>")
        result = await self.expect_stanza("client", "iq")
        block = result.child("bind", NS["bind"])
        if result.get("type") != "result" or block is None or block.child("jid") is None:
            raise Unexpected(f"{self.name} could not bind: {result}")
        self.jid = block.child("jid").text()
        self.stage = "bound"

    async def connect(self, mech=None):
        if not self.reached("authenticated"):
            await self.authenticate(mech)
        await self.bind()
        return self

    # ---- small helpers on a bound stream ----
    async def request(self, iq_type, payload, to=None, timeout=None):
        """Sends an IQ and gives its answer; what else comes meanwhile is kept for next()."""
        ident = f"r{next(self.ids)}"
        address = f" to={quoteattr(to)}" if to else ""
        await self.send(f"<iq type='{iq_type}' id='{ident}'{address}>{payload}</iq>")

        def is_answer(e):
            return e.name == "iq" and e.get("id") == ident and e.get("type") in ("result", "error")
        return await self.await_stanza(is_answer, "an answer", timeout)

    async def ping(self, timeout=None):
        """A round trip to our own server."""
        return await self.request("get", f"<ping xmlns='{NS['ping']}'/>", to=self.host, timeout=timeout)

    async def await_stanza(self, wanted, what, timeout=None):
        """Waits for a stanza that wanted(elem) accepts; keeps what else comes, in order."""
        aside = []
        try:
            while True:
                kind, value = await self.wire.next(timeout, f"{what} at {self.name}")
                if kind == "stanza" and wanted(value):
                    return value
                aside.append((kind, value))
                if kind in ("eof", "problem"):
                    raise Unexpected(f"{self.name} expected {what}, but got {kind} {value}")
        finally:
            self.kept.extend(aside)

    async def close(self):
        """Orderly: </stream:stream>, wait for the same and for the end of the connection."""
        if self.wire and not self.wire.lost and self.wire.transport:
            await self.wire.send("</stream:stream>")
            while (await self.next(what="the end of the stream"))[0] not in ("close", "eof", "problem"):
                pass
            self.wire.transport.close()
        self.stage = "nothing"

    def abort(self):
        if self.wire:
            self.wire.abort()
        self.stage = "nothing"


__all__ = ["Client", "Unexpected", "STAGES", "Elem", "parse"]
