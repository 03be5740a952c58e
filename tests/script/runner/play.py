"""Holds one conversation with a server. Play.run raises Mismatch when the server says something else than the script."""
import asyncio
import re
import ssl
import time

from harness import client as xmpp
from harness import sasl, wire

from .around import Around
from .errors import Mismatch
from .expect import Expect
from .match import BadPattern
from .parse import BadScript
from .talk import Talk
from .transcript import Transcript
from .words import Words, unescape

TLS = {"on": "starttls", "off": "none", "direct": "direct"}


class Play(Talk, Expect, Around):
    """slow and lag: the client of that name is heard so many seconds late. Nothing that a script says may depend on who is faster."""

    def __init__(self, script, server, tag, slow="", lag=0.0):
        self.slow, self.lag = slow, lag
        self.script, self.server = script, server
        self.words = Words(script, tag)
        self.transcript = Transcript()
        self.said = {}  # what each client sent last
        self.started = time.monotonic()
        self.clients = {name: self.make_client(spec, i) for i, (name, spec) in enumerate(script.clients.items())}
        self.timeout = script.timeout * wire.PATIENCE if script.timeout else None

    def make_client(self, spec, number):
        opts = {"anonymous": spec.anonymous, "lag": self.lag if spec.name == self.slow else 0.0}
        if spec.address:
            opts["address"] = spec.address
        if spec.port:
            opts["port"] = spec.port
        if spec.tls_max:
            opts["tls_max"] = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[spec.tls_max]
        if spec.preamble:
            opts["preamble"] = unescape(spec.preamble)
        user = self.words.unique(spec.user) if spec.user else ""
        env = self.words.env
        env[f"{spec.name}.user"], env[f"{spec.name}.host"], env[f"{spec.name}.resource"] = user, spec.host, spec.resource
        env[f"{spec.name}.bare"] = f"{user}@{spec.host}"
        env[f"{spec.name}.jid"] = f"{user}@{spec.host}/{spec.resource}"

        def log(direction, text):
            self.transcript.add(spec.name, f"{direction} {text}")
        return xmpp.Client(spec.name, self.server.endpoint_of(number), user, spec.host, spec.password, spec.resource or None,
                           tls=TLS[spec.tls or self.script.tls], split=self.script.split if spec.split < 0 else spec.split,
                           mech=spec.mech or None, log=log, **opts)

    # ---- the whole ----
    async def run(self):
        try:
            await self.register_all()
            for step in self.script.steps:
                await self.step(step)
            self.check_rest()
        finally:
            unread = {c.name: len(c.kept) + (c.wire.events.qsize() if c.wire else 0) for c in self.clients.values()}
            ends = "; ".join(f"{c.name}: {c.stage}, {unread[c.name]} unread" for c in self.clients.values())
            self.transcript.add("", "at the end: " + ends)
            for c in self.clients.values():
                c.abort()

    async def register_all(self):
        accounts = {(c.user, c.host): c.password for c in self.script.clients.values() if c.user and c.registered}
        accounts.update({(u, h): p for u, h, p in self.script.accounts})
        await asyncio.gather(*(self.server.register(self.words.unique(u), h, p) for (u, h), p in accounts.items()))

    async def step(self, step):
        self.transcript.add("", f"{step.line}: {step.subject} {step.action}")
        mark = self.transcript.mark()
        try:
            if step.subject == "ctl":
                await self.ctl(step)
            elif step.subject == "server":
                await self.on_server(step)
            elif step.subject == "differ":
                self.differ(step)
            elif step.subject == "clock":
                self.clock(step)
            else:
                await self.dispatch(self.clients[step.subject], step)
                if step.action.startswith("connects"):
                    self.transcript.went_well(mark, step.subject)
        except (Mismatch, xmpp.Unexpected, wire.Timeout, sasl.SaslError, OSError) as err:
            detail = self.words.readable(str(err)) or type(err).__name__
            raise Mismatch(f"{self.script.path}:{step.line}: {step.subject} {step.action}\n{detail}") from None
        except (BadPattern, ValueError) as err:
            raise BadScript(f"{self.script.path}:{step.line}: {err}") from None

    async def dispatch(self, c, step):
        for pattern, method in ACTIONS:
            m = re.fullmatch(pattern, step.action)
            if m:
                return await method(self, c, step, *m.groups())
        raise BadScript(f"{self.script.path}:{step.line}: unknown action {step.action!r}")

    def story(self):
        """What a failure shows: all that was said and heard, and what the node logged of these accounts."""
        tag = f".{self.words.tag}@"
        logged = [line for line in self.server.log_text().splitlines() if tag in line][-20:]
        return [self.words.readable(line) for line in self.transcript.short() + ["log: " + line for line in logged]]

    def check_rest(self):
        """What nobody asked for may stay unread, but it must be XML."""
        for c in self.clients.values():
            while c.wire and not c.wire.events.empty():
                kind, value = c.wire.events.get_nowait()
                if kind == "problem":
                    raise Mismatch(f"{self.script.path}: at the end {c.name} holds this: {value}")


ACTIONS = [
    (r"opens a connection", Play.open_connection),
    (r"opens a stream", Play.open_stream),
    (r"starts tls", Play.start_tls),
    (r"negotiates tls", Play.negotiate_tls),
    (r"authenticates(?: with (\S+?))?(?: and gs2 (\S+))?", Play.authenticate),
    (r"fails to authenticate with (\S+) as (\S+)(?: but (.*))?", Play.fail_to_authenticate),
    (r"connects(?: with (\S+))?( at last)?", Play.connect),
    (r"goes online(?: with priority (-?\d+))?", Play.go_online),
    (r"sends", Play.send),
    (r"sends raw", Play.send_raw),
    (r"sends whitespace", Play.send_whitespace),
    (r"expects a new stream", Play.restart),
    (r"receives", Play.receive),
    (r"receives at last", Play.receive_at_last),
    (r"receives in any order", Play.receive_any_order),
    (r"receives (message|iq|presence) error (\S+?)(?: for (\S+?))?(?: from (\S+))?", Play.receive_stanza_error),
    (r"receives disco info with caps (\S+) for (\S+)", Play.receive_caps),
    (r"receives nothing", Play.receive_nothing),
    (r"receives stream header", Play.receive_header),
    (r"receives stream error (\S+)", Play.receive_error),
    (r"receives whitespace", Play.receive_whitespace),
    (r"receives close", Play.receive_close),
    (r"receives end", Play.receive_end),
    (r"syncs", Play.sync),
    (r"disconnects", Play.disconnect),
    (r"disconnects abruptly", Play.disconnect_abruptly),
]
